"""The coverage watchdog: what is covered, against a count by hand; when a lane is trusted; and what would repair it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lake.lane_schemas import BASKET_LEGS, BASKETS
from tickline.lake.market_schemas import CLEAN_MARKETS
from tickline.lanes.book import NEVER
from tickline.lanes.coverage import Covered, LaneWatch, coverage, repairs, watch, watched
from tickline.lanes.gates import Readiness
from tickline.lanes.model import Lane
from tickline.lanes.polling import Watched, allocate, polling_of, watched_of
from tickline.lanes.scheduler_spec import Coverage, Polling, SchedulerSettings
from tickline.lanes.structure import compiled

NOW_NS = 1_772_841_600 * 10**9
FRESH, OLD = NOW_NS - 60 * 10**9, NOW_NS - 121 * 10**9
SETTINGS = SchedulerSettings(coverage=Coverage(fresh_s=120, ready=0.8, lost=0.6, ready_after=3, repairs=2))
INTRA, CROSS = list(Lane).index(Lane.INTRA), list(Lane).index(Lane.CROSS)


def structure_of(count, *rules):
    """A structure of (lane, pair, markets) as given, over this many markets of one venue."""
    baskets = [
        {"basket_id": f"{nth:03d}", "lane": lane, "pair_id": pair, "event": "E", "legs": len(legs), "floor": 1.0}
        for nth, (lane, pair, legs) in enumerate(rules)
    ]
    legs = [
        {"basket_id": f"{nth:03d}", "leg": leg, "venue": "kalshi", "market_id": f"{market:03d}", "side": "yes"}
        for nth, (_, _, markets) in enumerate(rules)
        for leg, market in enumerate(markets)
    ]
    markets = [{"venue": "kalshi", "market_id": f"{nth:03d}"} for nth in range(count)]
    return compiled(
        pl.DataFrame(baskets, schema=BASKETS.columns),
        pl.DataFrame(legs, schema=BASKET_LEGS.columns),
        pl.DataFrame(markets, schema={"venue": pl.String()} | CLEAN_MARKETS.columns),
    )


def test_a_rule_is_covered_when_every_leg_is_fresh_and_a_pair_counts_once_for_both_directions():
    structure = structure_of(
        4,
        (Lane.CROSS, "p", [0, 1]),
        (Lane.CROSS, "p", [1, 0]),
        (Lane.CROSS, "q", [2, 3]),
        (Lane.PARITY, None, [0, 1]),
        (Lane.BUCKET, None, [0, 1, 2]),
    )
    quoted = np.array([FRESH, FRESH, FRESH, NEVER])
    found = coverage(structure, quoted, NOW_NS, SETTINGS)
    assert found[Lane.CROSS] == Covered(2, 1)
    assert found[Lane.PARITY] == Covered(1, 1)
    assert found[Lane.BUCKET] == Covered(1, 1)
    assert found[Lane.INTRA] == Covered(0, 0)
    quoted[2] = OLD
    assert coverage(structure, quoted, NOW_NS, SETTINGS)[Lane.BUCKET].share == 0
    quoted[2] = NOW_NS + 1  # a quote from the future says nothing of now
    assert coverage(structure, quoted, NOW_NS, SETTINGS)[Lane.BUCKET].share == 0


@settings(max_examples=25)
@given(data=st.data())
def test_coverage_is_what_counting_by_hand_gives(data):
    rules = [
        (lane, f"p{nth // 2}" if lane is Lane.CROSS else None, data.draw(st.sets(st.integers(0, 7), min_size=1)))
        for nth, lane in enumerate(data.draw(st.lists(st.sampled_from(Lane), max_size=12)))
    ]
    structure = structure_of(8, *rules)
    is_fresh = data.draw(st.lists(st.booleans(), min_size=8, max_size=8))
    quoted = np.where(is_fresh, FRESH, data.draw(st.sampled_from([OLD, NEVER])))
    found = coverage(structure, quoted, NOW_NS, SETTINGS)
    for lane in Lane:
        by_rule = {}
        for nth, (of_lane, pair, legs) in enumerate(rules):
            if of_lane is lane:
                by_rule.setdefault(pair or nth, []).append(all(is_fresh[leg] for leg in legs))
        assert found[lane] == Covered(len(by_rule), sum(all(each) for each in by_rule.values()))


def look(state, share=None, *, failing=(), rules=100):
    measured = {} if share is None else {Lane.CROSS: Covered(rules, round(share * rules))}
    state, said = watch(state, measured, failing=dict(failing), settings=SETTINGS)
    return state, said["cross"]


def test_a_lane_gets_ready_after_good_looks_in_a_row_and_stays_so_until_it_falls_below_the_lower_threshold():
    state = watched([Lane.CROSS])
    seen = []
    for share in (0.9, 0.9, 0.7, 0.8, 0.8, 0.8, 0.6, 0.79, 0.59, 0.7, 0.8, 0.8, 0.8):
        state, readiness = look(state, share)
        assert readiness.covered == share
        seen.append(readiness.is_ready)
    assert seen == [False] * 5 + [True] * 3 + [False] * 4 + [True]


def test_what_is_not_ready_says_why():
    state = watched([Lane.CROSS])
    assert look(state)[1] == Readiness(is_ready=False, covered=0.0, detail="cross_pairs_covered was not measured")
    assert look(state, 0.5)[1].detail == "cross_pairs_covered is 0.500 (50 of 100), below 0.8"
    assert look(state, 0.9)[1].detail == "cross_pairs_covered is 0.900 in 1 of the 3 looks in a row it takes"
    assert look(state, 1.0, rules=0)[1].detail == "it has 0 rules, fewer than 1"
    ready = (LaneWatch(Lane.CROSS, is_ready=True, good=9),)
    assert look(ready, 0.5)[1].detail.endswith("below 0.6")
    after, failed = look(ready, 1.0, failing={Lane.CROSS: "killed by SIGKILL"})
    assert failed == Readiness(is_ready=False, covered=1.0, detail="it fails: killed by SIGKILL")
    assert not look(after, 1.0)[1].is_ready
    assert not look(ready)[1].is_ready  # not measured at all


def test_repair_asks_first_for_what_completes_most_rules():
    structure = structure_of(
        6,
        (Lane.CROSS, "p", [0, 1]),
        (Lane.CROSS, "q", [0, 2]),
        (Lane.CROSS, "r", [3, 4]),
        (Lane.BUCKET, None, [0, 1, 5]),
    )
    quoted = np.array([OLD, FRESH, FRESH, NEVER, NEVER, FRESH])
    needed = repairs(structure, quoted, NOW_NS, SETTINGS)
    assert np.flatnonzero(needed[:, CROSS]).tolist() == [0, 3]  # 0 completes two pairs; 3 and 4 half of one each
    assert np.flatnonzero(needed.any(axis=1)).tolist() == [0, 3]
    repaired = np.where(needed.any(axis=1), FRESH, quoted)
    shares = [coverage(structure, one, NOW_NS, SETTINGS)[Lane.CROSS].share for one in (quoted, repaired)]
    assert shares == [0, pytest.approx(2 / 3)]


def test_nothing_is_repaired_where_a_lane_is_covered_well_enough():
    structure = structure_of(5, *((Lane.INTRA, None, [nth]) for nth in range(5)))
    quoted = np.array([FRESH] * 4 + [OLD])
    assert not repairs(structure, quoted, NOW_NS, SETTINGS).any()
    quoted[3] = OLD
    assert np.flatnonzero(repairs(structure, quoted, NOW_NS, SETTINGS)[:, INTRA]).tolist() == [3, 4]


def test_markets_are_wanted_by_the_lanes_whose_baskets_they_are_in():
    structure = structure_of(4, (Lane.CROSS, "p", [0, 1]), (Lane.INTRA, None, [1]))
    repair = np.zeros((4, len(Lane)), dtype=bool)
    found = watched_of(structure, pl.Series(["hot", "warm", "cold", "cold"]), repair)
    assert isinstance(found, Watched)
    assert found.venues == ("kalshi",)
    assert found.tier.tolist() == [0, 1, 2, 2]
    assert np.argwhere(found.wanted).tolist() == [[0, CROSS], [1, INTRA], [1, CROSS]]


def test_without_baskets_nothing_is_covered_and_nothing_asked_for():
    structure = structure_of(2)
    quoted = np.array([FRESH, FRESH])
    assert set(coverage(structure, quoted, NOW_NS, SETTINGS).values()) == {Covered(0, 0)}
    assert not repairs(structure, quoted, NOW_NS, SETTINGS).any()


def test_a_lane_that_lost_its_quotes_gets_ready_again_by_looking_at_what_it_needs():
    # The legs of ten pairs among 400 markets that another lane wants too: a twentieth, and 20 polls a cycle.
    intra = [(Lane.INTRA, None, [nth]) for nth in range(400)]
    structure = structure_of(400, *intra, *((Lane.CROSS, f"p{nth}", [nth * 40, nth * 40 + 20]) for nth in range(10)))
    tiers = pl.Series(["cold"] * 400)
    quoted = np.full(400, NEVER)
    state, polls = watched([Lane.CROSS]), polling_of(400, 1)
    scheduled = SETTINGS.model_copy(update={"coverage": Coverage(fresh_s=1e6), "polling": Polling(polls=20)})
    for cycle in range(60):
        now_ns = NOW_NS + cycle * 10**9
        measured = coverage(structure, quoted, now_ns, scheduled)
        state, said = watch(state, measured, failing={}, settings=scheduled)
        if said["cross"].is_ready:
            break
        needed = repairs(structure, quoted, now_ns, scheduled)
        polls, found = allocate(polls, watched_of(structure, tiers, needed), scheduled.polling)
        quoted[found.markets] = now_ns
    assert 3 <= cycle <= 7
