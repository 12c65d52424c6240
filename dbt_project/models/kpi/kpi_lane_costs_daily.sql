with

summed as (
    select
        lane_set,
        day,
        venue,
        count(*) filter (where action <> 'settle') as fills,
        count(*) filter (where action = 'settle') as settlements,
        sum(fee) as fees,
        coalesce(sum(notional) filter (where action = 'settle'), 0) as settled,
        sum(case when is_buy then -notional else notional end - fee) as cash
    from {{ ref('stg_lane_fills') }}
    group by lane_set, day, venue
),

final as (
    select
        lane_set,
        day,
        venue,
        fills,
        settlements,
        fees,
        settled,
        cash,
        -- the lake holds none, so nothing here may be called complete
        'not provided' as statement
    from summed
)

select
    lane_set,
    day,
    venue,
    fills,
    settlements,
    cast(fees as decimal(38, 12)) as fees,
    cast(settled as decimal(38, 12)) as settled,
    cast(cash as decimal(38, 12)) as cash,
    statement
from final
