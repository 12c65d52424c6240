with

final as (
    select
        venue,
        day,
        instrument,
        segment,
        ts_open,
        trades,
        quotes,
        -- exact sums, whatever order they are added in
        cast(volume as decimal(38, 12)) as volume,
        turnover
    from {{ source('lake', 'bars_1m') }}
)

select venue, day, instrument, segment, ts_open, trades, quotes, volume, turnover
from final
