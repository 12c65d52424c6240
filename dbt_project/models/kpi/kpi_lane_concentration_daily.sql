with

positions as (
    select
        lane_set,
        day,
        unnest(['lane', 'family', 'event']) as scope,
        unnest([lane, family, coalesce(event, '')]) as name,
        case when is_opened then stake else 0 end as stake,
        case when is_open then 0 else realised end as realised
    from {{ ref('stg_lane_positions') }}
),

bought as (
    select
        lane_set,
        day,
        'venue' as scope,
        venue as name,
        notional + fee as stake,
        cast(null as decimal(38, 12)) as realised
    from {{ ref('stg_lane_fills') }}
    where is_buy
),

summed as (
    select
        lane_set,
        day,
        scope,
        name,
        sum(stake) as stake,
        sum(realised) as realised
    from (
        select lane_set, day, scope, name, stake, realised
        from positions
        union all
        select lane_set, day, scope, name, stake, realised
        from bought
    ) as parts
    group by lane_set, day, scope, name
),

shared as (
    select
        lane_set,
        day,
        scope,
        name,
        stake,
        realised,
        cast(stake as double)
        / nullif(sum(cast(stake as double)) over (partition by lane_set, day, scope), 0) as stake_share,
        abs(cast(realised as double))
        / nullif(sum(abs(cast(realised as double))) over (partition by lane_set, day, scope), 0) as realised_share
    from summed
),

final as (
    select
        lane_set,
        day,
        scope,
        name,
        stake,
        realised,
        stake_share,
        realised_share,
        sum(stake_share * stake_share) over (partition by lane_set, day, scope) as stake_hhi
    from shared
)

select
    lane_set,
    day,
    scope,
    name,
    cast(stake as decimal(38, 12)) as stake,
    cast(realised as decimal(38, 12)) as realised,
    stake_share,
    realised_share,
    stake_hhi
from final
