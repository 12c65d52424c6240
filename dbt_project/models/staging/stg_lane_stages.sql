with

-- what is seen again within its time bucket is one opportunity
detected as (
    select
        venue as lane_set,
        day,
        opportunity_id,
        min(lane) as lane,
        min(family) as family,
        min(ts) as ts,
        bool_and(coalesce(is_micro, true)) as is_micro
    from {{ source('lake', 'opportunities') }}
    group by venue, day, opportunity_id
),

taken as (
    select
        venue as lane_set,
        day,
        opportunity_id,
        min(lane) as lane,
        min(family) as family,
        min(ts) as ts
    from {{ source('lake', 'decisions') }}
    where is_taken
    group by venue, day, opportunity_id
),

gated as (
    select
        taken.lane_set,
        taken.day,
        taken.opportunity_id,
        taken.lane,
        taken.family,
        taken.ts,
        coalesce(detected.is_micro, true) as is_micro
    from taken
    left join detected
        on
            taken.lane_set = detected.lane_set
            and taken.day = detected.day
            and taken.opportunity_id = detected.opportunity_id
),

positions as (
    select
        lane_set,
        day,
        opportunity_id,
        lane,
        family,
        ts_open as ts,
        is_micro,
        is_opened,
        is_open
    from {{ ref('stg_lane_positions') }}
),

final as (
    select lane_set, day, 'detected' as stage, opportunity_id, lane, family, ts, is_micro
    from detected
    union all
    select lane_set, day, 'gated' as stage, opportunity_id, lane, family, ts, is_micro
    from gated
    union all
    select lane_set, day, 'opened' as stage, opportunity_id, lane, family, ts, is_micro
    from positions
    where is_opened
    union all
    select
        lane_set,
        day,
        case when is_open then 'held' else 'closed' end as stage,
        opportunity_id,
        lane,
        family,
        ts,
        is_micro
    from positions
)

select lane_set, day, stage, opportunity_id, lane, family, ts, is_micro
from final
