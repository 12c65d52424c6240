with

-- a family that several lanes see in a day is one bet, of the lane that was first
numbered as (
    select
        lane_set,
        day,
        stage,
        lane,
        family,
        row_number() over (partition by lane_set, day, stage, family order by ts, opportunity_id) = 1 as is_bet
    from {{ ref('stg_lane_stages') }}
),

counted as (
    select
        lane_set,
        day,
        lane,
        family,
        count(*) filter (where stage = 'detected') as detected,
        count(*) filter (where stage = 'gated') as gated,
        count(*) filter (where stage = 'opened') as opened,
        count(*) filter (where stage = 'closed') as closed,
        count(*) filter (where stage = 'held') as held,
        count(*) filter (where stage = 'detected' and is_bet) as detected_bets,
        count(*) filter (where stage = 'gated' and is_bet) as gated_bets,
        count(*) filter (where stage = 'opened' and is_bet) as opened_bets
    from numbered
    group by lane_set, day, lane, family
),

money as (
    select
        lane_set,
        day,
        lane,
        family,
        sum(stake) filter (where is_opened) as opened_stake,
        sum(size) filter (where is_opened) as opened_size,
        sum(filled) filter (where is_opened) as opened_filled,
        count(*) filter (where is_opened and status = 'unfilled') as unfilled,
        sum(stake) filter (where not is_open) as closed_stake,
        sum(detected) filter (where not is_open) as detected_edge,
        sum(expected) filter (where not is_open) as expected_edge,
        sum(realised) filter (where not is_open) as realised_edge,
        sum(fees) filter (where not is_open) as fees,
        sum(slippage) filter (where not is_open) as slippage
    from {{ ref('stg_lane_positions') }}
    group by lane_set, day, lane, family
),

final as (
    select
        counted.lane_set,
        counted.day,
        counted.lane,
        counted.family,
        counted.detected,
        counted.gated,
        counted.opened,
        counted.closed,
        counted.held,
        counted.detected_bets,
        counted.gated_bets,
        counted.opened_bets,
        coalesce(money.unfilled, 0) as unfilled,
        coalesce(money.opened_stake, 0) as opened_stake,
        cast(money.opened_filled as double) / nullif(cast(money.opened_size as double), 0) as fill_ratio,
        coalesce(money.closed_stake, 0) as closed_stake,
        coalesce(money.detected_edge, 0) as detected_edge,
        coalesce(money.expected_edge, 0) as expected_edge,
        coalesce(money.realised_edge, 0) as realised_edge,
        coalesce(money.realised_edge - money.expected_edge, 0) as drift,
        coalesce(money.fees, 0) as fees,
        coalesce(money.slippage, 0) as slippage
    from counted
    left join money
        on
            counted.lane_set = money.lane_set
            and counted.day = money.day
            and counted.lane = money.lane
            and counted.family = money.family
)

select
    lane_set,
    day,
    lane,
    family,
    detected,
    gated,
    opened,
    closed,
    held,
    detected_bets,
    gated_bets,
    opened_bets,
    unfilled,
    cast(opened_stake as decimal(38, 12)) as opened_stake,
    fill_ratio,
    cast(closed_stake as decimal(38, 12)) as closed_stake,
    cast(detected_edge as decimal(38, 12)) as detected_edge,
    cast(expected_edge as decimal(38, 12)) as expected_edge,
    cast(realised_edge as decimal(38, 12)) as realised_edge,
    cast(drift as decimal(38, 12)) as drift,
    cast(fees as decimal(38, 12)) as fees,
    cast(slippage as decimal(38, 12)) as slippage
from final
