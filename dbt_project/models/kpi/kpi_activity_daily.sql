with

final as (
    select
        venue,
        day,
        instrument,
        segment,
        cast(sum(trades) as bigint) as trades,
        cast(sum(quotes) as bigint) as quotes,
        cast(sum(volume) as double) as volume,
        cast(sum(turnover) as double) as turnover
    from {{ ref('stg_bars') }}
    group by venue, day, instrument, segment
)

select venue, day, instrument, segment, trades, quotes, volume, turnover
from final
