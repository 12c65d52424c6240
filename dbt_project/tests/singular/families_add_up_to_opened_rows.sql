-- The families' counts, stakes and results are those of the positions, each position counted once, to the last digit.
with

once as (
    select
        lane_set,
        day,
        opportunity_id,
        any_value(is_opened) as is_opened,
        any_value(is_open) as is_open,
        any_value(stake) as stake,
        any_value(realised) as realised
    from {{ ref('stg_lane_positions') }}
    group by lane_set, day, opportunity_id
),

by_row as (
    select
        lane_set,
        day,
        count(*) filter (where is_opened) as opened,
        count(*) filter (where not is_open) as closed,
        coalesce(sum(stake) filter (where is_opened), 0) as opened_stake,
        coalesce(sum(realised) filter (where not is_open), 0) as realised
    from once
    group by lane_set, day
),

by_family as (
    select
        lane_set,
        day,
        sum(opened) as opened,
        sum(closed) as closed,
        sum(opened_stake) as opened_stake,
        sum(realised_edge) as realised
    from {{ ref('kpi_lane_families_daily') }}
    group by lane_set, day
),

final as (
    select
        by_row.lane_set,
        by_row.day,
        by_row.opened,
        by_family.opened as family_opened,
        by_row.closed,
        by_family.closed as family_closed,
        by_row.opened_stake,
        by_family.opened_stake as family_opened_stake,
        by_row.realised,
        by_family.realised as family_realised
    from by_row
    left join by_family
        on by_row.lane_set = by_family.lane_set and by_row.day = by_family.day
)

select
    lane_set,
    day,
    opened,
    family_opened,
    closed,
    family_closed,
    opened_stake,
    family_opened_stake,
    realised,
    family_realised
from final
where
    opened is distinct from family_opened
    or closed is distinct from family_closed
    or opened_stake is distinct from family_opened_stake
    or realised is distinct from family_realised
