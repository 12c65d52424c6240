"""Tiers and polls: a budget is never exceeded, nobody starves, and thresholds do not flutter."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lanes.model import Lane
from tickline.lanes.polling import FOR_ITS_TIER, NEVER, PollState, Watched, allocate, carried_over, max_min, polling_of
from tickline.lanes.scheduler_spec import Polling, Tiering
from tickline.lanes.tiers import Tier, tiered

HOT, WARM, COLD = range(3)
NOW = datetime(2026, 3, 7, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9


def worlds(draw, markets=60):
    """Markets of two venues with random tiers and lanes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.integers(1, markets))
    return Watched(
        ("kalshi", "polymarket"),
        rng.integers(0, 2, size),
        rng.integers(0, 3, size),
        rng.random((size, len(Lane))) < draw(st.floats(0, 1)),
        rng.random((size, len(Lane))) < 0.1,
    )


def cycles(watched, polling, count):
    """The polls of so many cycles."""
    state = polling_of(watched.venue.size, len(watched.venues))
    for _ in range(count):
        state, polls = allocate(state, watched, polling)
        yield polls


def everyone(size, *, tier=COLD, lanes=tuple(Lane)):
    """Markets of one venue, all wanted by the same lanes."""
    wanted = np.zeros((size, len(Lane)), dtype=bool)
    wanted[:, [list(Lane).index(lane) for lane in lanes]] = True
    return Watched(("kalshi",), np.zeros(size, np.int64), np.full(size, tier), wanted, np.zeros_like(wanted))


def _water_level(capacity, wanted):
    """The share at which everyone's want or the capacity is met, by bisection."""
    low, high = Fraction(0), Fraction(20)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(min(want, middle) for want in wanted) <= capacity else (low, middle)
    return low


@settings(max_examples=40)
@given(capacity=st.integers(0, 60), wanted=st.lists(st.integers(0, 20), max_size=6), first=st.integers(0, 5))
def test_shares_are_those_of_pouring_water_but_for_whole_numbers(capacity, wanted, first):
    shares = max_min(capacity, wanted, first=first % max(1, len(wanted)))
    assert sum(shares) == min(capacity, sum(wanted))
    level = _water_level(capacity, wanted)
    for share, want in zip(shares, wanted, strict=True):
        assert abs(share - min(want, level)) < 1.001


@settings(max_examples=25)
@given(data=st.data(), polls=st.integers(1, 40), of_kalshi=st.integers(1, 40), floor=st.floats(0, 1))
def test_no_cycle_exceeds_its_budget_or_that_of_a_venue_or_looks_twice(data, polls, of_kalshi, floor):
    watched = worlds(data.draw)
    polling = Polling(polls=polls, of_venue={"kalshi": of_kalshi}, floor=floor)
    useful = watched.wanted.any(axis=1)
    for found in cycles(watched, polling, 6):
        assert np.unique(found.markets).size == found.markets.size
        of_venue = np.bincount(watched.venue[found.markets], minlength=2)
        assert of_venue[0] <= of_kalshi
        assert of_venue.sum() <= polls
        assert useful[found.markets].all()
        for market, lane in zip(found.markets, found.lane, strict=True):
            assert lane == FOR_ITS_TIER or watched.wanted[market, lane]
        # Nothing that could be looked at is left out while there are polls.
        wants = [min(int((useful & (watched.venue == 0)).sum()), of_kalshi), int((useful & (watched.venue == 1)).sum())]
        assert found.markets.size == min(polls, wants[0] + min(wants[1], polls))


@settings(max_examples=15)
@given(
    sizes=st.tuples(*[st.integers(0, 40)] * 3),
    every=st.tuples(st.integers(1, 3), st.integers(3, 8), st.integers(8, 20)),
    floor=st.floats(0.2, 1),
)
def test_every_market_is_looked_at_as_often_as_its_tier_says_where_the_floor_allows(sizes, every, floor):
    tier = np.repeat([HOT, WARM, COLD], sizes)
    if tier.size == 0:
        return
    wanted = np.ones((tier.size, len(Lane)), dtype=bool)
    watched = Watched(("kalshi",), np.zeros(tier.size, np.int64), tier, wanted, np.zeros_like(wanted))
    least = sum(-(-size // cycles) for size, cycles in zip(sizes, every, strict=True))
    polling = Polling(
        polls=int(np.ceil((least + 1) / floor)),
        hot_cycles=every[0],
        warm_cycles=every[1],
        cold_cycles=every[2],
        floor=floor,
    )
    last = np.zeros(tier.size)
    for cycle, found in enumerate(cycles(watched, polling, 60), start=1):
        assert found.short == (0,)
        last[found.markets] = cycle
        assert (cycle - last < np.array(every)[tier]).all()


def test_cold_markets_are_looked_at_even_when_hot_ones_would_take_everything():
    tier = np.repeat([HOT, COLD], [500, 100])
    wanted = np.ones((600, len(Lane)), dtype=bool)
    watched = Watched(("kalshi",), np.zeros(600, np.int64), tier, wanted, np.zeros_like(wanted))
    polling = Polling(polls=20, cold_cycles=20)
    seen = np.zeros(600, dtype=int)
    for found in cycles(watched, polling, 20):
        seen[found.markets] += 1
        assert found.short == (500 + 5 - 10,)
    assert (seen[tier == COLD] >= 1).all()


@settings(max_examples=15)
@given(sizes=st.lists(st.integers(0, 60), min_size=5, max_size=5), polls=st.integers(1, 13))
def test_lanes_that_want_more_are_served_alike_and_those_that_want_less_get_all_of_it(sizes, polls):
    lane = np.repeat(np.arange(5), sizes)
    wanted = lane[:, None] == np.arange(5)
    watched = Watched(("kalshi",), np.zeros(lane.size, np.int64), np.full(lane.size, COLD), wanted, wanted & False)
    polling = Polling(polls=polls, floor=0.0)
    served = np.zeros(5, dtype=int)
    for found in cycles(watched, polling, 12):
        served += np.bincount(found.lane, minlength=5)
        # A lane is backlogged in a cycle where it has more markets than there are polls.
        backlogged = [nth for nth, size in enumerate(sizes) if size > polls]
        if backlogged:
            assert np.ptp(served[backlogged]) <= 1
            assert served[backlogged].min() >= served.max() - 1


def test_the_share_of_a_lane_with_little_to_look_at_goes_to_the_others():
    lane = np.repeat([0, 1, 2], [2, 100, 100])
    wanted = lane[:, None] == np.arange(5)
    watched = Watched(("kalshi",), np.zeros(202, np.int64), np.full(202, COLD), wanted, wanted & False)
    for found in cycles(watched, Polling(polls=30, floor=0.0), 5):
        assert np.bincount(found.lane).tolist() == [2, 14, 14]


def test_venues_share_the_polls_and_what_one_leaves_goes_to_the_other():
    venue = np.repeat([0, 1], [10, 200])
    wanted = np.ones((210, len(Lane)), dtype=bool)
    watched = Watched(("kalshi", "polymarket"), venue, np.full(210, COLD), wanted, wanted & False)
    for found in cycles(watched, Polling(polls=50), 3):
        assert np.bincount(venue[found.markets]).tolist() == [10, 40]
    served = np.zeros(2, dtype=int)
    for found in cycles(watched, Polling(polls=7), 10):
        served += np.bincount(venue[found.markets], minlength=2)
    assert served.tolist() == [35, 35]


def test_what_a_lane_must_repair_comes_first_within_its_turns():
    watched = everyone(50, lanes=(Lane.INTRA, Lane.CROSS))
    watched.repair[[41, 47], 1] = True
    found = next(cycles(watched, Polling(polls=6, floor=0.0), 1))
    assert found.markets.tolist() == [0, 41, 1, 47, 2, 3]
    assert found.lane.tolist() == [0, 1, 0, 1, 0, 1]


def test_the_same_state_gives_the_same_polls_and_is_left_as_it_was():
    watched = everyone(30)
    state = polling_of(30, 1)
    before = state.polled.copy()
    first, second = allocate(state, watched, Polling(polls=7)), allocate(state, watched, Polling(polls=7))
    assert first[1].markets.tolist() == second[1].markets.tolist()
    assert (state.polled == before).all()


def test_markets_keep_when_they_were_looked_at_when_others_come_and_go():
    before = pl.DataFrame({"venue": ["a", "a", "b"], "market_id": ["x", "y", "x"]})
    after = pl.DataFrame({"venue": ["b", "a", "a"], "market_id": ["x", "new", "x"]})
    state = PollState(9, np.array([4, 5, 6]), (1, 2))
    moved = carried_over(state, before, after)
    assert moved.polled.tolist() == [6, NEVER, 4]
    assert (moved.cycle, moved.turns) == (9, (1, 2))


def markets(**columns):
    """One market a value; what is not given is unknown."""
    size = len(next(iter(columns.values())))
    given = {
        "ts_edge": [None] * size,
        "ts_close": [None] * size,
        "activity": [None] * size,
        "has_position": [False] * size,
        "tier": [None] * size,
    } | columns
    times = pl.Datetime("ns", "UTC")
    return pl.DataFrame(
        given,
        schema={
            "ts_edge": times,
            "ts_close": times,
            "activity": pl.Float64,
            "has_position": pl.Boolean,
            "tier": pl.String,
        },
    )


@pytest.mark.parametrize(
    ("column", "value", "heat"),
    [
        ("has_position", True, 1.0),
        ("ts_edge", NOW, 1.0),
        ("ts_edge", NOW - timedelta(seconds=900), 0.5),
        ("ts_edge", NOW - timedelta(seconds=1_800), 0.25),
        ("ts_close", NOW + timedelta(hours=2), 0.25),
        ("ts_close", NOW - timedelta(hours=2), 0.0),
        ("activity", 60.0, 0.5),
        ("activity", 180.0, 0.75),
        ("activity", float("nan"), 0.0),
        ("activity", None, 0.0),
    ],
)
def test_the_heat_of_each_reason(column, value, heat):
    assert tiered(markets(**{column: [value]}), NOW_NS, Tiering())["heat"].item() == pytest.approx(heat)


def test_the_hottest_reason_counts_and_an_open_position_is_always_hot():
    found = tiered(markets(ts_edge=[NOW - timedelta(days=9)], activity=[1.0], has_position=[True]), NOW_NS, Tiering())
    assert found["tier"].item() == Tier.HOT


@settings(max_examples=15)
@given(heats=st.lists(st.floats(0, 1), min_size=1, max_size=12), was=st.sampled_from([None, *Tier]))
def test_a_tier_changes_only_where_a_threshold_is_crossed(heats, was):
    tiering = Tiering()
    tier = None if was is None else was.value
    for heat in heats:
        activity = heat / max(1 - heat, 1e-9) * tiering.activity_half
        found = tiered(markets(activity=[activity], tier=[tier]), NOW_NS, tiering).row(0, named=True)
        felt = found["heat"]
        if felt >= tiering.hot_enter:
            assert found["tier"] == Tier.HOT
        elif felt < tiering.warm_leave:
            assert found["tier"] == Tier.COLD
        elif tiering.warm_enter <= felt < tiering.hot_leave:
            assert found["tier"] == Tier.WARM
        elif felt >= tiering.hot_leave:
            assert found["tier"] == (Tier.HOT if tier == Tier.HOT else Tier.WARM)
        else:
            assert found["tier"] == (Tier.WARM if tier in (Tier.HOT, Tier.WARM) else Tier.COLD)
        tier = found["tier"]
