"""Decisions: the same for the same, exact in what they put at risk, and sized by the book that there is."""

from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa._opportunities import SECOND_NS, START_NS, made_world, opportunity, stream, surroundings
from tickline.errors import LaneError
from tickline.lake.lane_schemas import DECISIONS
from tickline.lanes.decisions import decide, frames
from tickline.lanes.depth import Level
from tickline.lanes.desk import Closing, acknowledged, at_risk, close, from_json, opened_desk, reopened, to_json
from tickline.lanes.gates import GateSettings
from tickline.lanes.model import Kind, Lane
from tickline.markets.fees import FeeKind, Fees, OrderFees, Rounding, most_fee, trade_fee
from tickline.sizing.impact import ImpactCurve
from tickline.sizing.lockup import Lockup
from tickline.sizing.robust import Looks
from tickline.sizing.stake import LaneSizing, StakeSettings

WORLD = made_world(4, 1)
STAKE = StakeSettings()
AROUND = surroundings(WORLD, GateSettings(cooldown_s=300), STAKE)
CROSS = next(one for one in WORLD.baskets if one.kind is Kind.CROSS)
FOUND = opportunity(CROSS, START_NS, cost=0.93, split=0.5, depth=100)
DESK = opened_desk(Decimal(10_000), [lane.value for lane in Lane], STAKE)
KALSHI = Fees(FeeKind.CURVE, taker=Decimal("0.07"), places=4, balance_places=2)
SURE = StakeSettings(
    participation=1.0,
    other_lanes=LaneSizing(error=0.0, impact=ImpactCurve(alpha=0)),
    lockup=Lockup(rate=0.0, hurdle=0.0),
)
SCHEDULES = st.builds(
    Fees,
    kind=st.sampled_from(FeeKind),
    taker=st.sampled_from([Decimal("0.01"), Decimal("0.07")]),
    exponent=st.sampled_from([Decimal(1), Decimal(2)]),
    rounding=st.sampled_from(Rounding),
    places=st.sampled_from([2, 4]),
    balance_places=st.sampled_from([None, 2]),
)


def decided(found, state=DESK, around=AROUND):
    made = []
    for one in found:
        state, decision = decide(state, one, around.at(one))
        made.append(decision)
    return state, made


@pytest.fixture(scope="module")
def day():
    return decided(stream(WORLD, 250, 3))


def test_the_same_stream_is_decided_the_same_and_the_given_state_is_left_alone(day):
    before = to_json(DESK)
    state, made = decided(stream(WORLD, 250, 3))
    assert (state, made) == day
    assert to_json(state) == to_json(day[0])
    assert to_json(DESK) == before


def test_a_stored_state_is_read_back_equal_and_goes_on_the_same(day):
    found = list(stream(WORLD, 250, 3))
    half, first = decided(found[:125])
    assert from_json(to_json(half)) == half
    state, rest = decided(found[125:], state=from_json(to_json(half)))
    assert (state, first + rest) == day


@pytest.mark.parametrize("text", ["", "{}", "null", '{"capital": "ten"}'])
def test_a_state_that_cannot_be_read_is_no_state(text):
    with pytest.raises(LaneError, match="not readable"):
        from_json(text)


def test_what_is_at_risk_is_what_was_taken_to_the_last_digit(day):
    state, made = day
    taken = [one for one in made if one.is_taken]
    assert len(taken) > 5
    assert at_risk(state) == sum(one.stake for one in taken)
    for scope in ("event", "cluster", "lane"):
        assert sum(amount for key, amount in state.exposure.items() if key.startswith(scope)) == at_risk(state)
    assert sum(amount for key, amount in state.exposure.items() if key.startswith("venue")) == at_risk(state)


def test_closing_frees_what_was_at_risk_and_counts_what_was_made(day):
    state, made = day
    ids = [one.opportunity.opportunity_id for one in made if one.is_taken]
    for nth, one in enumerate(ids):
        state = close(state, Closing(one, START_NS + 86_400 * SECOND_NS, Decimal(nth - 2), nth == len(ids) - 1), STAKE)
    assert state.exposure == state.held == {}
    assert state.made == state.day_made == sum(nth - 2 for nth in range(len(ids)))
    assert state.peak == state.made
    assert state.failures == 1
    assert sum(record.trades for record in state.records.values()) == len(ids)
    assert sum(state.bankrolls.values()) == state.capital
    with pytest.raises(LaneError, match="close what was taken, once"):
        close(state, Closing(ids[0], START_NS, Decimal(0)), STAKE)


def test_losses_lower_the_multiplier_and_a_new_day_forgets_only_its_own_loss():
    state, _ = decided([FOUND])
    lost = close(state, Closing(FOUND.opportunity_id, START_NS + SECOND_NS, Decimal(-900)), STAKE)
    assert lost.drawdown == pytest.approx(0.09)
    assert lost.restraint.multiplier == pytest.approx(0.5)
    assert lost.day_made == -900
    later = opportunity(CROSS, START_NS + 3 * 86_400 * SECOND_NS, cost=0.93, depth=100_000)
    after, decision = decide(lost, later, AROUND.at(later))
    assert after.day_made == 0
    assert decision.is_taken
    assert decision.multiplier == pytest.approx(0.5 * float(lost.bankrolls["cross"]) / 10_000)
    assert acknowledged(lost).drawdown == 0
    assert acknowledged(lost).restraint == lost.restraint


def test_a_desk_goes_on_under_the_capital_and_lanes_that_are_declared_now(day):
    state, _ = day
    assert reopened(state, DESK, STAKE) == state
    fewer = opened_desk(Decimal(500), ["cross", "intra"], STAKE)
    after = reopened(state, fewer, STAKE)
    assert (after.capital, set(after.bankrolls), sum(after.bankrolls.values())) == (500, {"cross", "intra"}, 500)
    assert (after.held, after.taken, after.exposure) == (state.held, state.taken, state.exposure)
    found = opportunity(CROSS, START_NS + 86_400 * SECOND_NS, cost=0.93)
    assert not decide(after, found, AROUND.at(found))[1].is_taken, "more is at risk than the caps of so little allow"


def test_what_was_never_filled_says_nothing_of_what_the_lane_earns():
    state, _ = decided([FOUND])
    unfilled = close(state, Closing(FOUND.opportunity_id, START_NS + SECOND_NS, Decimal(0), is_failure=True), STAKE)
    assert unfilled.records == {}
    assert unfilled.restraint.recent == ()
    assert unfilled.failures == 1
    flat = close(state, Closing(FOUND.opportunity_id, START_NS + SECOND_NS, Decimal(0)), STAKE)
    assert flat.records["cross"].trades == len(flat.restraint.recent) == 1


def test_rows_hold_every_answer_and_money_exactly(day):
    _, made = day
    rows = frames(made)
    assert rows.schema == pl.Schema(DECISIONS.columns)
    assert rows.height == len(made)
    taken = rows.filter("is_taken")
    assert taken["stake"].sum() == sum(one.stake for one in made)
    assert taken["reason"].null_count() == taken.height
    refused = rows.filter(~pl.col("is_taken"))
    assert refused["reason"].null_count() == 0
    for row, one in zip(rows.iter_rows(named=True), made, strict=True):
        assert row["opportunity_id"] == one.opportunity.opportunity_id
        assert [tuple(answer.values()) for answer in row["gates"]] == [
            (answer.gate, answer.passed, answer.detail) for answer in one.answers
        ]


def test_no_decisions_are_no_rows():
    assert frames([]).schema == pl.Schema(DECISIONS.columns)


def test_levels_beyond_the_best_are_taken_while_they_pay_and_paid_for():
    deep = {
        one.leg: (Level(one.price, Decimal(100), one.fee), Level(one.price + Decimal("0.01"), Decimal(900), one.fee))
        for one in FOUND.legs
    }
    free = StakeSettings(
        participation=1.0, other_lanes=STAKE.other_lanes.model_copy(update={"impact": ImpactCurve(alpha=0)})
    )
    plain = replace(AROUND.at(FOUND), stake=free, looks={one.leg: Looks((0.465,) * 3) for one in FOUND.legs})
    _, shallow = decide(DESK, FOUND, plain)
    state, walked = decide(DESK, FOUND, replace(plain, levels=deep))
    assert shallow.size == 100
    assert walked.size > 100
    unit = walked.stake / walked.size
    exact = FOUND.cost + FOUND.fees + (walked.size - 100) * Decimal("0.02") / walked.size
    assert unit >= exact
    assert unit == pytest.approx(exact, rel=Decimal("0.01"))
    assert walked.stake <= DESK.capital * free.caps.trade
    assert at_risk(state) == walked.stake


def test_an_opportunity_with_more_legs_on_one_venue_counts_all_of_them_there():
    ladder = next(one for one in WORLD.baskets if one.kind is Kind.LADDER)
    found = opportunity(ladder, START_NS, cost=0.93)
    state, decision = decide(DESK, found, AROUND.at(found))
    assert len({leg.market.venue for leg in ladder.legs}) == 1
    assert state.exposure[f"venue:{ladder.legs[0].market.venue}"] == decision.stake > 0


def test_a_size_so_small_that_rounding_eats_its_edge_is_refused_on_that_ground():
    found = priced(("0.20", "0.77"), KALSHI, depth=1)
    assert found.edge == Decimal("0.0064")
    around = around_of(found, {})
    _, as_detected = decide(DESK, found, around)
    assert as_detected.size == 1, "without the schedule only what was detected is known"
    assert sum(charged(KALSHI, one.price, [Decimal(1)]) for one in found.legs) == Decimal("1.01")
    state, decision = decide(DESK, found, replace(around, fees=of_both(found, KALSHI)))
    assert (decision.size, decision.stake, decision.expected) == (0, 0, 0)
    assert state.held == {}
    edge = next(answer for answer in decision.answers if answer.gate == "edge")
    assert not edge.passed
    assert "-0.014200 a unit is left of -0.014200 (fees of 0.044200 are paid)" in edge.detail


def test_a_size_over_which_rounding_is_spread_thin_is_taken_at_what_it_may_be_charged():
    found = priced(("0.20", "0.77"), KALSHI, depth=100)
    around = around_of(found, {})
    _, as_detected = decide(DESK, found, around)
    _, decision = decide(DESK, found, replace(around, fees=of_both(found, KALSHI)))
    assert decision.size == as_detected.size == 100
    assert as_detected.stake < decision.stake
    assert decision.stake == 97 + Decimal("1.1200") + Decimal("1.2397") + 2 * (Decimal("0.01") + Decimal("0.0003"))
    assert 0 < decision.expected == 100 - decision.stake


def test_more_parts_than_an_order_is_declared_to_be_filled_in_cost_more():
    found = priced(("0.20", "0.77"), KALSHI, depth=100)
    around = replace(around_of(found, {}), fees=of_both(found, KALSHI))
    stakes = [
        decide(DESK, found, replace(around, stake=SURE.model_copy(update={"fills": fills})))[1].stake
        for fills in (1, 4, 20)
    ]
    assert stakes == sorted(set(stakes))


def test_a_size_that_fees_lower_is_reckoned_at_what_the_lower_size_is_charged():
    found = priced(("0.20", "0.74"), KALSHI, depth=400)
    steep = SURE.model_copy(update={"other_lanes": LaneSizing(error=0.0, impact=ImpactCurve(alpha=0.005))})
    around = replace(around_of(found, {}), stake=steep)
    _, as_detected = decide(DESK, found, around)
    _, decision = decide(DESK, found, replace(around, fees=of_both(found, KALSHI)))
    assert 1 < decision.size < as_detected.size
    assert decision.stake >= sum(
        one.price * decision.size + most_fee(KALSHI, one.price, decision.size, is_maker=False, fills=steep.fills)
        for one in found.legs
    )


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    first=SCHEDULES,
    second=SCHEDULES,
    depth=st.integers(1, 400),
    cents=st.tuples(st.integers(5, 80), st.integers(90, 98)),
)
def test_no_split_of_its_orders_is_charged_more_than_the_stake_and_no_schedule_makes_a_size_larger(
    data, first, second, depth, cents
):
    yes, both = (Decimal(one) / 100 for one in cents)
    found = priced((yes, both - yes), first, second, depth=depth)
    _, as_detected = decide(DESK, found, around_of(found, {}))
    schedules = dict(zip((one.leg.market for one in found.legs), (first, second), strict=True))
    _, decision = decide(DESK, found, around_of(found, schedules))
    assert decision.size <= as_detected.size
    if not decision.is_taken:
        assert decision.stake == 0
        return
    paid = sum(
        charged(schedules[one.leg.market], one.price, data.draw(splits(decision.size, SURE.fills)))
        for one in found.legs
    )
    assert paid <= decision.stake
    assert decision.size * found.basket.floor - paid >= decision.size * SURE_EDGE


@settings(max_examples=20, deadline=None)
@given(data=st.data(), deep=st.integers(2, 40))
def test_orders_that_walk_the_book_are_not_charged_more_than_the_stake_either(data, deep):
    found = priced(("0.30", "0.60"), KALSHI, depth=5)
    levels = {
        one.leg: tuple(
            Level(price, Decimal(size), trade_fee(KALSHI, price, Decimal(1), is_maker=False))
            for price, size in ((one.price, 5), (one.price + Decimal("0.01"), deep))
        )
        for one in found.legs
    }
    _, decision = decide(DESK, found, replace(around_of(found, of_both(found, KALSHI)), levels=levels))
    assert decision.size == 5 + deep
    paid = Decimal(0)
    for one in found.legs:
        at_best = data.draw(splits(Decimal(5), 2))
        fills = [(one.price, part) for part in at_best]
        fills += [(one.price + Decimal("0.01"), part) for part in data.draw(splits(Decimal(deep), 2))]
        paid += charged_of(KALSHI, fills)
    assert paid <= decision.stake


SURE_EDGE = GateSettings().edge


def priced(prices, first, second=None, *, depth):
    """Two legs on two venues at prices, with the fees of one contract as they are detected."""
    found = opportunity(CROSS, START_NS, cost=0.93, depth=depth)
    legs = tuple(
        replace(one, price=Decimal(price), fee=trade_fee(fees, Decimal(price), Decimal(1), is_maker=False))
        for one, price, fees in zip(found.legs, prices, (first, second or first), strict=True)
    )
    cost, fees = sum(one.price for one in legs), sum(one.fee for one in legs)
    sure = replace(found.basket, confidence=1.0)
    return replace(found, basket=sure, legs=legs, cost=cost, fees=fees, edge=1 - cost - fees)


def around_of(found, schedules):
    return replace(AROUND.at(found), stake=SURE, fees=schedules)


def of_both(found, fees):
    return {one.leg.market: fees for one in found.legs}


def charged(fees, price, parts):
    return charged_of(fees, [(price, part) for part in parts])


def charged_of(fees, fills):
    """What an order's fills take from the account, one after another."""
    order, paid = OrderFees(fees), Decimal(0)
    for price, size in fills:
        order, fee = order.after(price, size, is_buy=True, is_maker=False)
        paid += price * size + fee
    return paid


@st.composite
def splits(draw, size, most):
    """A size in up to so many parts, of hundredths."""
    cuts = draw(st.sets(st.integers(1, int(size * 100) - 1), max_size=most - 1))
    ends = [*sorted(cuts), int(size * 100)]
    return [Decimal(end - start) / 100 for start, end in zip([0, *ends], ends, strict=False)]
