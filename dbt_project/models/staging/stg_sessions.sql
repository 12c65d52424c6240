with

final as (
    select
        instruments.venue,
        sessions.session_date as day,
        instruments.instrument,
        sessions.segment,
        -- the last minute of a session may be cut short by its close
        cast(ceil((epoch_us(sessions.close) - epoch_us(sessions.open)) / 6e7) as bigint) as minutes
    from {{ source('lake', 'sessions') }} as sessions
    inner join {{ source('lake', 'instruments') }} as instruments
        on sessions.venue = instruments.venue and sessions.calendar = instruments.calendar
)

select venue, day, instrument, segment, minutes
from final
