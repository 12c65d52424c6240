-- A lane's counts and edges are those of its families, to the last digit.
with

by_family as (
    select
        lane_set,
        day,
        lane,
        sum(detected) as detected,
        sum(gated) as gated,
        sum(opened) as opened,
        sum(closed) as closed,
        sum(detected_bets) as detected_bets,
        sum(opened_bets) as opened_bets,
        sum(realised_edge) as realised
    from {{ ref('kpi_lane_families_daily') }}
    group by lane_set, day, lane
),

final as (
    select
        by_family.lane_set,
        by_family.day,
        by_family.lane,
        by_family.detected = conversion.detected
        and by_family.gated = conversion.gated
        and by_family.opened = conversion.opened
        and by_family.closed = conversion.closed
        and by_family.detected_bets = conversion.detected_bets
        and by_family.opened_bets = conversion.opened_bets
        and by_family.realised = coalesce(edge.realised, 0) as is_equal
    from by_family
    left join {{ ref('kpi_lane_conversion_daily') }} as conversion
        on
            by_family.lane_set = conversion.lane_set
            and by_family.day = conversion.day
            and by_family.lane = conversion.lane
            and conversion.variant = 'raw'
    left join {{ ref('kpi_lane_edge_daily') }} as edge
        on
            by_family.lane_set = edge.lane_set
            and by_family.day = edge.day
            and by_family.lane = edge.lane
            and edge.variant = 'raw'
)

select lane_set, day, lane, is_equal
from final
where is_equal is distinct from true
