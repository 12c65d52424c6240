"""Each gate refuses what it is there for, says why, and never keeps another from answering."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa._opportunities import MAPPED, SECOND_NS, START_NS, made_world, opportunity, surroundings
from tickline.lanes.decisions import decide
from tickline.lanes.desk import Closing, close, opened_desk
from tickline.lanes.gates import (
    GATES,
    Checked,
    CheckStanding,
    GateSettings,
    Listed,
    Paired,
    Readiness,
)
from tickline.lanes.model import Kind, Lane
from tickline.markets.model import Basis, Label, Severity, Status
from tickline.sizing.caps import ACCOUNT, Caps
from tickline.sizing.robust import Looks
from tickline.sizing.stake import StakeSettings

WORLD = made_world(3, 1)
STAKE = StakeSettings()
AROUND = surroundings(WORLD, GateSettings(), STAKE)
CROSS = next(one for one in WORLD.baskets if one.kind is Kind.CROSS)
FOUND = opportunity(CROSS, START_NS, cost=0.93)
GOOD = AROUND.at(FOUND)
DESK = opened_desk(Decimal(10_000), [lane.value for lane in Lane], STAKE)
FIRST, SECOND = (leg.market for leg in CROSS.legs)


def asked(context=GOOD, found=FOUND, state=DESK):
    return decide(state, found, context)[1]


def refusers(decision):
    return {answer.gate: answer.detail for answer in decision.answers if not answer.passed}


def in_context(**changed):
    return {"context": replace(GOOD, **changed)}


def of_basket(**changed):
    return {"found": replace(FOUND, basket=replace(CROSS, **changed))}


def of_desk(**changed):
    return {"state": replace(DESK, **changed)}


def of_first_leg(**changed):
    return {"found": replace(FOUND, legs=(replace(FOUND.legs[0], **changed), *FOUND.legs[1:]))}


def gated(**changed):
    return in_context(gates=GateSettings(**changed))


def checked(standing, verdict_id=7):
    found = Checked(verdict_id, f"clean_markets/{FIRST.venue}/2025-06-15", "clean_markets", standing)
    return in_context(checks={**GOOD.checks, FIRST.venue: (found,)})


def paired(**changed):
    pair = replace(Paired(MAPPED, True, Severity.NONE), **changed)
    return in_context(pairs={CROSS.pair_id: pair})


def without(mapping, key):
    return {one: value for one, value in mapping.items() if one != key}


BLOCKED = {CROSS.pair_id: Paired(MAPPED, True, Severity.BLOCK)}

REFUSED = [
    ("kill_switch", in_context(kills=None), "cannot be read"),
    ("kill_switch", in_context(kills={"global": "stop"}), "global is killed: stop"),
    ("kill_switch", in_context(kills={f"venue:{SECOND.venue}": "outage"}), "outage"),
    ("kill_switch", in_context(kills={"lane:cross": "bad day"}), "lane:cross is killed: bad day"),
    ("readiness", in_context(readiness={}), "nothing is known"),
    ("readiness", in_context(readiness={"cross": Readiness(False, 0.9, "no books")}), "no books"),
    ("readiness", in_context(readiness={"cross": Readiness(True, 0.2)}), "0.200 of cross is covered"),
    ("checks", in_context(checks={}), "has no verdict"),
    ("checks", in_context(checks=without(GOOD.checks, MAPPED)), f"{MAPPED} has no verdict"),
    *[("checks", checked(one), f"is {one.value}") for one in CheckStanding if one is not CheckStanding.GREEN],
    ("checks", checked(CheckStanding.GREEN, None), "verdict no id"),
    ("status", in_context(markets=without(GOOD.markets, SECOND)), f"{SECOND} is not listed"),
    ("status", in_context(markets={**GOOD.markets, FIRST: Listed(Status.PAUSED, None)}), "is paused"),
    ("status", in_context(markets={**GOOD.markets, FIRST: Listed(Status.OPEN, None)}), "is not known"),
    ("status", in_context(markets={**GOOD.markets, FIRST: Listed(Status.OPEN, START_NS)}), "closes in 0 s"),
    ("quote_age", of_first_leg(ts_quote_ns=START_NS - 901 * SECOND_NS), "901.000 s old"),
    ("quote_age", of_first_leg(ts_quote_ns=START_NS - 700 * SECOND_NS), "698.000 s apart"),
    ("quote_age", of_first_leg(ts_quote_ns=START_NS + 6 * SECOND_NS), "dated 6.000 s from now"),
    ("quote_age", in_context(skews_ns={}), "is not known"),
    ("quote_age", in_context(skews_ns={**GOOD.skews_ns, FIRST.venue: -6 * SECOND_NS}), "is off by -6.000 s"),
    ("mapping", of_basket(is_tradable=False), "approve it first"),
    ("mapping", in_context(pairs={}), "is in no mapping"),
    ("mapping", paired(is_tradable=False, severity=Severity.WARN), "not tradable"),
    ("mapping", paired(severity=Severity.BLOCK), "flagged block"),
    (
        "mapping",
        {"context": replace(GOOD, gates=GateSettings(severity=Severity.BLOCK), pairs=BLOCKED)},
        "block at worst",
    ),
    ("source", of_basket(source=Basis.HEURISTIC), "its source is heuristic"),
    ("source", of_basket(kind=Kind.ALL_YES, label=Label.UNKNOWN), "its label is unknown"),
    ("source", of_basket(kind=Kind.PARENT_NO_CHILDREN_YES, label=None), "its label is missing"),
    ("confidence", of_basket(confidence=0.89), "confidence is 0.8900"),
    ("book", {"found": replace(FOUND, is_micro=True)}, "nothing follows"),
    ("book", in_context(looks={}), "0 recent looks"),
    ("book", of_first_leg(price=Decimal("0.01")), "is priced 0.01"),
    ("book", of_first_leg(depth=Decimal("0.5")), "has 0.5 contracts"),
    ("edge", {"found": opportunity(CROSS, START_NS, cost=0.99)}, "is needed"),
    ("hurdle", {"found": opportunity(CROSS, START_NS, cost=0.98)}, "a year over"),
    ("hurdle", of_basket(ts_settle_ns=None), "over 365.00 days"),
    ("held", gated(most_held=0), "0 are held"),
    ("daily_loss", of_desk(day=START_NS // (86_400 * SECOND_NS), day_made=Decimal(-300)), "-300 was made today"),
    ("drawdown", of_desk(made=Decimal(-2_100)), "drawdown is 0.2100"),
    ("failures", of_desk(failures=5, last_failure_ns=START_NS - 60 * SECOND_NS), "the last 60 s ago"),
    ("cap_venue", of_desk(exposure={f"venue:{FIRST.venue}": Decimal(5_000)}), "has room for 0"),
    ("cap_event", of_desk(exposure={f"event:{CROSS.event}": Decimal(500)}), "has room for 0"),
    ("cap_lane", of_desk(exposure={"lane:cross": Decimal(4_000)}), "has room for 0"),
    ("cap_account", of_desk(exposure={ACCOUNT: Decimal(8_000)}), "has room for 0"),
    ("cap_trade", in_context(stake=StakeSettings(caps=Caps(trade=Decimal(0)))), "has room for 0"),
    ("size", in_context(looks={one.leg: Looks((0.4,) * 3, (0.5,) * 3) for one in FOUND.legs}), "0 units, bound by"),
]


def test_where_everything_is_in_order_every_gate_passes_and_says_so():
    decision = asked()
    assert refusers(decision) == {}
    assert decision.is_taken
    assert decision.reason is None
    assert all(answer.detail for answer in decision.answers)


@pytest.mark.parametrize(("gate", "changed", "said"), REFUSED, ids=[f"{one[0]}: {one[2]}" for one in REFUSED])
def test_a_gate_refuses_what_it_is_there_for_and_all_others_still_answer(gate, changed, said):
    decision = asked(**changed)
    assert said in refusers(decision)[gate]
    assert not decision.is_taken
    assert decision.size == decision.stake == decision.worst_loss == decision.expected == 0
    assert {answer.gate for answer in decision.answers} == {answer.gate for answer in asked().answers}
    assert decision.reason.startswith(f"{next(iter(refusers(decision)))}: ")


def test_every_gate_has_a_case_that_it_refuses():
    covered = {gate for gate, _, _ in REFUSED} | {"cooldown", "cap_cluster"}  # these two below
    assert {answer.gate for answer in asked().answers} == covered
    assert set(GATES) < covered


def test_events_of_one_cluster_share_its_cap():
    crowded = of_desk(exposure={"cluster:rates": Decimal(1_000)})
    assert asked(**crowded).is_taken
    assert (
        "cluster:rates has room for 0"
        in refusers(asked(**in_context(clusters={CROSS.event: "rates"}), **crowded))["cap_cluster"]
    )


def test_the_verdicts_it_stands_on_are_named():
    answer = next(one for one in asked().answers if one.gate == "checks")
    named = [str(GOOD.checks[name][0].verdict_id) for name in (FIRST.venue, SECOND.venue, MAPPED)]
    assert answer.detail == f"verdicts {', '.join(named)} are green"


def test_a_red_venue_stops_only_what_trades_on_it():
    other = next(one for one in GOOD.checks if one not in (FIRST.venue, SECOND.venue, MAPPED))
    red = (Checked(9, f"clean_markets/{other}/2025-06-15", "clean_markets", CheckStanding.RED),)
    assert asked(**in_context(checks={**GOOD.checks, other: red})).is_taken


def test_a_quote_is_as_old_as_its_event_and_a_clock_that_is_ahead_makes_none_younger():
    old = of_first_leg(ts_quote_ns=START_NS - 598 * SECOND_NS)
    assert asked(**old).is_taken
    late = in_context(skews_ns={**GOOD.skews_ns, FIRST.venue: -5 * SECOND_NS}, gates=GateSettings(quote_age_s=600))
    assert "the oldest quote is 603.000 s old" in refusers(asked(**old, **late))["quote_age"]
    ahead = in_context(skews_ns={**GOOD.skews_ns, FIRST.venue: 5 * SECOND_NS}, gates=GateSettings(quote_age_s=597))
    assert "the oldest quote is 598.000 s old" in refusers(asked(**old, **ahead))["quote_age"]


def test_after_the_pause_failures_may_be_tried_again():
    assert asked(**of_desk(failures=5, last_failure_ns=START_NS - 3_600 * SECOND_NS)).is_taken


def test_a_pair_with_a_warning_does_not_trade_unless_the_configuration_takes_warnings():
    warned = paired(severity=Severity.WARN)
    assert "flagged warn, note at worst" in refusers(asked(**warned))["mapping"]
    lenient = replace(
        GOOD, gates=GateSettings(severity=Severity.WARN), pairs={CROSS.pair_id: Paired(MAPPED, True, Severity.WARN)}
    )
    assert asked(lenient).is_taken


def test_a_family_rests_whatever_alias_finds_it_and_an_id_is_never_taken_twice():
    state, first = decide(DESK, FOUND, GOOD)
    assert first.is_taken
    aliases = [one for one in WORLD.baskets if one.family == CROSS.family and one.basket_id != CROSS.basket_id]
    assert {one.lane for one in aliases} > {Lane.INTRA}
    for alias in aliases:
        later = opportunity(alias, START_NS + 3_599 * SECOND_NS, cost=0.93)
        assert f"family {CROSS.family} was taken" in refusers(decide(state, later, AROUND.at(later))[1])["cooldown"]
    rested = opportunity(aliases[0], START_NS + 3_600 * SECOND_NS, cost=0.93)
    assert "cooldown" not in refusers(decide(state, rested, AROUND.at(rested))[1])
    closed = close(state, Closing(FOUND.opportunity_id, START_NS + SECOND_NS, Decimal(1)), STAKE)
    again = replace(FOUND, ts_ns=START_NS + 7_200 * SECOND_NS)
    assert "was taken already" in refusers(decide(closed, again, AROUND.at(again))[1])["cooldown"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(range(len(REFUSED))), max_size=3), st.floats(0.9, 1.05), st.integers(0, 900))
def test_nothing_is_taken_while_any_gate_refuses(which, cost, depth):
    found = opportunity(CROSS, START_NS, cost=cost, depth=depth)
    given_ = {"context": AROUND.at(found), "found": found}
    for nth in which:
        given_ |= REFUSED[nth][1]
    state = given_.get("state", DESK)
    after, decision = decide(state, given_["found"], given_["context"])
    passed = all(answer.passed for answer in decision.answers)
    assert decision.is_taken == passed == (decision.size > 0)
    assert passed == (len(after.held) == len(state.held) + 1)
    assert passed or (decision.reason and after.taken == state.taken and after.exposure == state.exposure)
    assert all(answer.detail for answer in decision.answers)
