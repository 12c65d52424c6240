with

detected as (
    select distinct
        venue as lane_set,
        day,
        opportunity_id,
        lane,
        family,
        ts,
        coalesce(is_micro, true) as is_micro
    from {{ source('lake', 'opportunities') }}
),

gated as (
    select distinct
        decisions.venue as lane_set,
        decisions.day,
        decisions.opportunity_id,
        decisions.lane,
        decisions.family,
        decisions.ts,
        coalesce(detected.is_micro, true) as is_micro
    from {{ source('lake', 'decisions') }} as decisions
    left join detected
        on
            decisions.venue = detected.lane_set
            and decisions.day = detected.day
            and decisions.opportunity_id = detected.opportunity_id
    where decisions.is_taken
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
