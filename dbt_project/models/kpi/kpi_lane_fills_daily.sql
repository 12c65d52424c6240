with

summed as (
    select
        lane_set,
        day,
        lane,
        family,
        action,
        count(*) as fills,
        sum(size) as contracts,
        coalesce(sum(size) filter (where is_maker), 0) as maker_contracts,
        sum(fee) as fees,
        coalesce(sum(slippage), 0) as slippage
    from {{ ref('stg_lane_fills') }}
    group by lane_set, day, lane, family, action
),

final as (
    select
        lane_set,
        day,
        lane,
        family,
        action,
        fills,
        contracts,
        fees,
        slippage,
        cast(slippage as double) / nullif(cast(contracts as double), 0) as slippage_per_contract,
        cast(maker_contracts as double) / nullif(cast(contracts as double), 0) as maker_share
    from summed
)

select
    lane_set,
    day,
    lane,
    family,
    action,
    fills,
    cast(contracts as decimal(38, 12)) as contracts,
    cast(fees as decimal(38, 12)) as fees,
    cast(slippage as decimal(38, 12)) as slippage,
    slippage_per_contract,
    maker_share
from final
