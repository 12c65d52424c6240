with

variants as (
    select
        lane_set,
        day,
        stage,
        opportunity_id,
        lane,
        family,
        ts,
        unnest(case when is_micro then ['raw'] else ['raw', 'filtered'] end) as variant
    from {{ ref('stg_lane_stages') }}
),

-- a family that several lanes see in a day is one bet, of the lane that was first
numbered as (
    select
        lane_set,
        day,
        lane,
        variant,
        stage,
        row_number() over (partition by lane_set, day, variant, stage, family order by ts, opportunity_id) = 1 as is_bet
    from variants
),

counted as (
    select
        lane_set,
        day,
        lane,
        variant,
        count(*) filter (where stage = 'detected') as detected,
        count(*) filter (where stage = 'gated') as gated,
        count(*) filter (where stage = 'opened') as opened,
        count(*) filter (where stage = 'closed') as closed,
        count(*) filter (where stage = 'held') as held,
        count(*) filter (where stage = 'detected' and is_bet) as detected_bets,
        count(*) filter (where stage = 'gated' and is_bet) as gated_bets,
        count(*) filter (where stage = 'opened' and is_bet) as opened_bets
    from numbered
    group by lane_set, day, lane, variant
),

final as (
    select
        lane_set,
        day,
        lane,
        variant,
        detected,
        gated,
        opened,
        closed,
        held,
        detected_bets,
        gated_bets,
        opened_bets,
        gated / nullif(detected, 0) as gated_rate,
        opened / nullif(gated, 0) as opened_rate,
        closed / nullif(closed + held, 0) as closed_rate
    from counted
)

select
    lane_set,
    day,
    lane,
    variant,
    detected,
    gated,
    opened,
    closed,
    held,
    detected_bets,
    gated_bets,
    opened_bets,
    gated_rate,
    opened_rate,
    closed_rate
from final
