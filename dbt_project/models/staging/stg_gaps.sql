with

gaps as (
    {{ every_feed('gaps', ['venue', 'day', 'instrument', 'kind', 'ts_from', 'ts_to', 'missing']) }}
),

final as (
    select
        venue,
        day,
        feed,
        instrument,
        kind,
        missing,
        (epoch_us(ts_to) - epoch_us(ts_from)) / 6e7 as minutes
    from gaps
)

select venue, day, feed, instrument, kind, missing, minutes
from final
