with

measured as (
    select
        venue,
        day,
        instrument,
        count(*) as quotes,
        quantile_disc(spread_bps, [0.5, 0.95]) as spreads_bps
    from {{ ref('stg_quotes') }}
    group by venue, day, instrument
),

final as (
    select
        venue,
        day,
        instrument,
        quotes,
        spreads_bps[1] as median_bps,
        spreads_bps[2] as p95_bps
    from measured
)

select venue, day, instrument, quotes, median_bps, p95_bps
from final
