-- Over all days a position opens once and closes once: its lane's days add up without counting it again.
with

opened as (
    select
        lane_set,
        opportunity_id,
        count(*) filter (where is_opened) as openings,
        count(*) filter (where not is_open) as closings
    from {{ ref('stg_lane_positions') }}
    group by lane_set, opportunity_id
),

final as (
    select lane_set, opportunity_id, openings, closings
    from opened
)

select lane_set, opportunity_id, openings, closings
from final
where openings > 1 or closings > 1
