"""Cycles of the lanes: the order answers come in does not matter, and a lane that fails is held back."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tickline.errors import LaneError
from tickline.lanes.messages import Found, found_from, found_to
from tickline.lanes.model import Basket, Kind, Lane, Leg, Opportunity, PricedLeg, Style
from tickline.lanes.scheduler_spec import Coverage, LaneTimes, Polling, Restarts, SchedulerSettings, Tiering
from tickline.lanes.scheduling import (
    MS,
    Assignment,
    Ending,
    LaneOutcome,
    Plan,
    Standing,
    Worker,
    merge,
    plan,
    scheduler,
    settle,
)
from tickline.markets.model import Basis, MarketKey, Side

SETTINGS = SchedulerSettings(
    times=LaneTimes(every_ms=100, budget_ms=20, grace_ms=30),
    restarts=Restarts(first_ms=100, factor=2, most_ms=400, recover_after=2, late_limit=2, start_ms=1_000),
)
ABSENT, STARTING, IDLE, BUSY = (
    Worker(one) for one in (Standing.ABSENT, Standing.STARTING, Standing.IDLE, Standing.BUSY)
)
DEAD = Worker(Standing.DEAD, "killed by SIGSEGV")


def opportunity(name, lane=Lane.INTRA):
    legs = tuple(Leg(MarketKey("kalshi", name), side) for side in Side)
    basket = Basket(name, lane, Kind.INTRA, legs, 1, "f", "e", Basis.METADATA)
    priced = tuple(PricedLeg(leg, None, Decimal("0.40"), Decimal("0.0168"), Decimal(12), 5) for leg in legs)
    return Opportunity(
        name, basket, Style.TAKER, 5, 0, priced, Decimal("0.80"), Decimal("0.0336"), Decimal("0.1664"), Decimal(12)
    )


class One:
    """One lane, step by step."""

    def __init__(self, lane=Lane.INTRA):
        self.lane, self.state = lane, scheduler([lane])

    def plan(self, now_ms, worker):
        self.now_ns = now_ms * MS
        self.state, self.planned = plan(self.state, self.now_ns, workers={self.lane: worker}, settings=SETTINGS)
        return self.planned

    def answer(self, ending, reason="why"):
        result = merge(self.planned, [LaneOutcome(self.lane, ending, reason)])
        self.state = settle(self.state, result, self.now_ns, settings=SETTINGS)

    def held_for_ms(self, now_ms):
        """How long from now until it is started again."""
        return next(ms for ms in range(0, 2_000, 10) if self.plan_only(now_ms + ms).start)

    def plan_only(self, now_ms):
        return plan(self.state, now_ms * MS, workers={self.lane: ABSENT}, settings=SETTINGS)[1]


def test_a_lane_is_started_then_asked_whenever_it_is_due():
    one = One()
    planned = one.plan(0, ABSENT)
    assert (planned.start, planned.ask) == ((Lane.INTRA,), ())
    assert planned.missing == (LaneOutcome(Lane.INTRA, Ending.HELD, "its worker is starting"),)
    assert one.plan(10, STARTING).missing[0].ending is Ending.HELD
    assert one.plan(50, IDLE).ask == (Assignment(Lane.INTRA, 20 * MS),)
    one.answer(Ending.OK)
    assert one.plan(90, IDLE) == Plan(4, (), (), (), ())
    assert one.plan(104, IDLE).ask
    one.answer(Ending.OK)
    assert one.plan(200, IDLE).ask  # not four later for having been four late


def test_a_crash_is_an_outcome_and_the_lane_waits_longer_each_time():
    one = One()
    waits = []
    now = 0
    for _ in range(4):
        one.plan(now, IDLE)
        one.answer(Ending.CRASHED, "killed by SIGKILL")
        waits.append(one.held_for_ms(now))
        now += waits[-1]
    assert waits == [100, 200, 400, 400]
    assert one.plan(now - 10, ABSENT).missing[0].reason == "held back after: killed by SIGKILL"


def test_trust_comes_back_a_step_at_a_time_after_good_answers_in_a_row():
    one = One()
    now = 0
    for ending in [Ending.CRASHED, Ending.CRASHED, Ending.OK, Ending.OK, Ending.OK]:
        one.plan(now, IDLE)
        one.answer(ending)
        now += 1_000
    assert one.state.lanes[0].level == 1  # two of three steps are there after two good answers of three
    one.plan(now, IDLE)
    one.answer(Ending.CRASHED)
    assert one.held_for_ms(now) == 200
    flapping = One()
    for nth in range(11):
        flapping.plan(nth * 1_000, IDLE)
        flapping.answer(Ending.OK if nth % 2 else Ending.CRASHED)
    assert flapping.held_for_ms(10_000) == 400


def test_a_late_lane_is_left_alone_for_its_grace_then_it_hangs_and_is_killed():
    one = One()
    one.plan(0, IDLE)
    one.answer(Ending.LATE)
    planned = one.plan(49, BUSY)
    assert (planned.kill, planned.missing[0].ending) == ((), Ending.HELD)
    planned = one.plan(50, BUSY)
    assert (planned.kill, planned.missing[0].ending) == ((Lane.INTRA,), Ending.HUNG)
    assert one.held_for_ms(50) == 100


def test_late_answers_in_a_row_are_a_failure_single_ones_are_not():
    one = One()
    for now, ending in enumerate([Ending.LATE, Ending.OK, Ending.LATE]):
        assert one.plan(now * 100, IDLE).ask
        one.answer(ending)
    assert one.plan(300, IDLE).ask
    one.answer(Ending.LATE, "too slow")
    assert one.plan(350, BUSY).kill == (Lane.INTRA,)
    one = One()
    for now in (0, 100):
        one.plan(now, IDLE)
        one.answer(Ending.LATE, "too slow")
    planned = one.plan(190, IDLE)
    assert planned.ask == ()
    assert planned.missing[0].reason == "held back after: too slow"
    assert one.plan(200, IDLE).ask


def test_a_worker_that_dies_or_never_gets_ready_is_buried_and_counts_as_a_failure():
    one = One()
    one.plan(0, ABSENT)
    planned = one.plan(10, DEAD)
    assert planned.kill == (Lane.INTRA,)
    assert planned.missing == (LaneOutcome(Lane.INTRA, Ending.CRASHED, "killed by SIGSEGV"),)
    assert one.held_for_ms(10) == 100
    one.plan(110, ABSENT)
    assert one.plan(1_109, STARTING).kill == ()
    assert one.plan(1_110, STARTING).missing[0].ending is Ending.HUNG
    reloading = One()
    reloading.plan(0, IDLE)
    reloading.answer(Ending.OK)
    reloading.plan(10, STARTING)  # a structure was handed over
    assert reloading.plan(1_010, STARTING).kill == (Lane.INTRA,)


def test_nothing_is_planned_for_a_lane_whose_worker_nobody_speaks_of():
    with pytest.raises(LaneError, match="bucket"):
        plan(scheduler([Lane.BUCKET]), 0, workers={}, settings=SETTINGS)


ENDINGS = st.sampled_from([Ending.OK, Ending.LATE, Ending.CRASHED])


@settings(max_examples=40)
@given(
    data=st.data(),
    found=st.dictionaries(st.sampled_from(Lane), st.lists(st.sampled_from("abcdef"), unique=True), min_size=1),
)
def test_a_cycle_is_the_same_in_whatever_order_workers_answer(data, found):
    outcomes = [
        LaneOutcome(lane, data.draw(ENDINGS), found=Found(tuple(opportunity(name, lane) for name in names)))
        for lane, names in found.items()
    ]
    planned = Plan(1, (), (), tuple(Assignment(lane, MS) for lane in found), ())
    first = merge(planned, outcomes)
    assert merge(planned, data.draw(st.permutations(outcomes))) == first
    assert [one.lane for one in first.outcomes] == [lane for lane in Lane if lane in found]
    everything = [one for outcome in first.outcomes for one in outcome.found.opportunities]
    assert len(first.opportunities) + first.repeated == len(everything)
    names = [one.opportunity_id for one in everything]
    assert [one.opportunity_id for one in first.opportunities] == list(dict.fromkeys(names))
    assert all(everything[names.index(one.opportunity_id)] == one for one in first.opportunities)


def test_outcomes_of_other_lanes_than_were_asked_are_refused():
    planned = Plan(1, (), (), (Assignment(Lane.INTRA, MS),), ())
    for outcomes in ([], [LaneOutcome(Lane.CROSS, Ending.OK)], [LaneOutcome(Lane.INTRA, Ending.OK)] * 2):
        with pytest.raises(LaneError, match="cycle 1 asked"):
            merge(planned, outcomes)


@settings(max_examples=50)
@given(endings=st.lists(ENDINGS, max_size=40))
def test_a_failing_lane_never_changes_what_is_planned_for_another(endings):
    both, alone = scheduler([Lane.INTRA, Lane.CROSS]), scheduler([Lane.CROSS])
    for nth, ending in enumerate(endings):
        now = nth * 100 * MS
        both, planned = plan(both, now, workers=dict.fromkeys((Lane.INTRA, Lane.CROSS), IDLE), settings=SETTINGS)
        alone, expected = plan(alone, now, workers={Lane.CROSS: IDLE}, settings=SETTINGS)
        assert planned.ask[-1:] == expected.ask
        outcomes = [LaneOutcome(one.lane, ending if one.lane is Lane.INTRA else Ending.OK) for one in planned.ask]
        both = settle(both, merge(planned, outcomes), now, settings=SETTINGS)
        alone = settle(alone, merge(expected, [LaneOutcome(Lane.CROSS, Ending.OK)]), now, settings=SETTINGS)
        assert both.lanes[-1] == alone.lanes[0]


def test_opportunities_cross_between_processes_unchanged():
    hits = (opportunity("a"), replace(opportunity("b", Lane.BUCKET), edge=Decimal("1E-7"), is_micro=True))
    found = Found(hits, (("no quote", 3),))
    assert found_from(found_to(found)) == found
    assert found_to(found) == found_to(found_from(found_to(found)))


def test_settings_of_one_lane_stand_before_those_of_all():
    declared = SchedulerSettings.model_validate(
        {
            "times": {"budget_ms": 40},
            "of_lane": {"bucket": {"budget_ms": 90}},
            "coverage_of_lane": {"cross": {"least": 7}},
        }
    )
    assert [declared.times_of(lane).budget_ms for lane in (Lane.INTRA, Lane.BUCKET)] == [40, 90]
    assert [declared.coverage_of(lane).least for lane in (Lane.INTRA, Lane.CROSS)] == [1, 7]


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        (Restarts, {"first_ms": 500, "most_ms": 400}),
        (Tiering, {"hot_enter": 0.2}),
        (Tiering, {"warm_leave": 0.2}),
        (Polling, {"hot_cycles": 6}),
        (Coverage, {"ready": 0.5}),
        (LaneTimes, {"budget_ms": 0}),
    ],
)
def test_settings_that_contradict_themselves_are_refused(declared, given):
    with pytest.raises(ValidationError):
        declared(**given)
