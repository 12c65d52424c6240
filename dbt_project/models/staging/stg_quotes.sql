with

final as (
    select
        venue,
        day,
        instrument,
        1e4 * (ask - bid) / ((ask + bid) / 2) as spread_bps
    from {{ source('lake', 'clean_quotes') }}
)

select venue, day, instrument, spread_bps
from final
