"""A cycle of all lanes over 50,000 markets of two venues, each lane in a process of its own, and with two that fail.

A cycle is: the next polls are planned, the quotes of a moment are read into the book, the book goes to the workers,
each prices its baskets, and what they find is merged. Every market is quoted anew in every cycle, in no order, though
polls would reach few of them. The same cycles run again with one lane that hangs and one that
crashes whenever it is asked: a cycle may then cost the budget of the one that hangs more, and what the other lanes find
must be the same bytes. What is quoted last is also made a book of at once and priced in this process, all lanes
together, and must come to the same.
"""

import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from bench._prediction import SEED, START_NS, VENUES, World, world
from runners.lane_workers import LaneWorkers, run_cycle
from tickline.errors import LaneError
from tickline.lake.schema import NS
from tickline.lanes import bucket, cross, event_tree, intra, parity
from tickline.lanes.book import Book
from tickline.lanes.coverage import coverage, repairs, watch, watched
from tickline.lanes.messages import found_to
from tickline.lanes.model import Lane
from tickline.lanes.polling import allocate, polling_of, watched_of
from tickline.lanes.pricing import PricingSettings, price
from tickline.lanes.quoting import empty_book, quoting, read, updated
from tickline.lanes.scheduler_spec import LaneTimes, Restarts, SchedulerSettings
from tickline.lanes.scheduling import CycleResult, Ending, SchedulerState, scheduler
from tickline.lanes.sharing import Arrays, book_arrays, structure_arrays
from tickline.lanes.structure import Structure, compiled
from tickline.lanes.tiers import tiered

MARKETS, SMALL_MARKETS = 50_000, 4_000
AT_MOST_MS = 250.0
BUDGET_MS = 250
HANGS, CRASHES = Lane.INTRA, Lane.BUCKET
PRICING = PricingSettings()
FINDERS = (intra, cross, parity, bucket, event_tree)
STARTED_WITHIN_S = 120
PAUSE_S = 0.2
"""Between cycles, so that what fails is up again to fail in many of them."""

# Lanes that answer have time to, however busy the machine: it is the one that does not whose budget is measured. What
# fails is started again at once, so that it fails as often as it can.
SOUND = SchedulerSettings(times=LaneTimes(every_ms=1, budget_ms=5_000), restarts=Restarts(first_ms=1, most_ms=1))
FAILING = SOUND.model_copy(update={"of_lane": {HANGS: LaneTimes(every_ms=1, budget_ms=BUDGET_MS)}})


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a day's structure is: compiled here, and as workers get it."""

    of: World
    structure: Structure
    shared: Arrays


@dataclass(frozen=True, slots=True)
class Cycle:
    """How long a cycle took, and what it came to."""

    ms: float
    planning_ms: float
    result: CycleResult


def run(*, small: bool = False, cycles: int = 50) -> dict[str, Any]:
    """Run the cycles with sound lanes, then with failing ones. `cycles` is how many of each."""
    prepared = _prepared(SMALL_MARKETS if small else MARKETS)
    lane_code = dict.fromkeys(Lane, "tickline.lanes.sharing:prepare")
    sound = _cycles(prepared, lane_code, cycles, settings=SOUND)
    failing_code = lane_code | {HANGS: "bench.lanes:hang", CRASHES: "bench.lanes:crash"}
    failed = _cycles(prepared, failing_code, cycles, settings=FAILING)
    _require_priced_alike(prepared, sound[-1], cycles)
    took, took_failing = [one.ms for one in sound], [one.ms for one in failed]
    p50, p95 = statistics.median(took), float(np.percentile(took, 95))
    extra = max(took_failing) - p95
    hanging, crashing = _endings(failed, HANGS), _endings(failed, CRASHES)
    has_failed = Ending.HUNG in hanging and Ending.CRASHED in crashing
    unchanged = all(_others(one) == _others(other) for one, other in zip(sound, failed, strict=True))
    return {
        "ok": p95 <= AT_MOST_MS and extra <= BUDGET_MS and unchanged and has_failed,
        "markets": prepared.structure.markets.height,
        "baskets": prepared.structure.size,
        "cycles": cycles,
        "opportunities_a_cycle": round(statistics.mean(len(one.result.opportunities) for one in sound)),
        "cycle_p50_ms": round(p50, 1),
        "cycle_p95_ms": round(p95, 1),
        "cycle_max_ms": round(max(took), 1),
        "failing_p50_ms": round(statistics.median(took_failing), 1),
        "failing_max_ms": round(max(took_failing), 1),
        "failing_extra_ms": round(extra, 1),
        "budget_ms": BUDGET_MS,
        "of_the_hanging": hanging,
        "of_the_crashing": crashing,
        "others_unchanged": unchanged,
        "of_it_planning_polls_p50_ms": round(statistics.median(one.planning_ms for one in sound), 1),
    }


def hang(lane: Lane, structure: Arrays) -> Callable[[Arrays, int], bytes]:
    """A lane that never answers."""

    def look(quotes: Arrays, ts_ns: int) -> bytes:
        time.sleep(3_600)
        raise LaneError("nobody waits that long")

    return look


def crash(lane: Lane, structure: Arrays) -> Callable[[Arrays, int], bytes]:
    """A lane whose process is gone as soon as it is asked."""

    def look(quotes: Arrays, ts_ns: int) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        raise LaneError("this is never reached")

    return look


def _prepared(markets: int) -> Prepared:
    of = world(markets)
    found = [finder.find(of.markets, of.mapping) for finder in FINDERS]
    baskets, legs = pl.concat([one.baskets for one in found]), pl.concat([one.legs for one in found])
    structure = compiled(baskets, legs, of.markets)
    by_lane = ", ".join(f"{one.baskets['lane'][0]} {one.baskets.height:,}" for one in found)
    print(f"  {structure.markets.height:,} markets of {' and '.join(VENUES)}; baskets: {by_lane}")
    return Prepared(of, structure, structure_arrays(baskets, legs, of.markets, PRICING))


def _cycles(prepared: Prepared, code: Mapping[Lane, str], count: int, *, settings: SchedulerSettings) -> list[Cycle]:
    """So many cycles, timed once the lanes that answer are up and have answered."""
    took = []
    with LaneWorkers(code) as workers:
        sound = [lane for lane in code if code[lane].startswith("tickline.")]
        state = _warm(prepared, workers, sound, settings=settings)
        by, planner = quoting(prepared.structure.markets), _Planner(prepared.structure)
        book = empty_book(by, START_NS)
        for ts_ns, quotes in prepared.of.quotes(count):
            started = time.perf_counter()
            planner.plan(ts_ns)
            planned = time.perf_counter()
            book = updated(book, read(quotes, by), ts_ns)
            state, result = run_cycle(state, workers, book_arrays(book), ts_ns=ts_ns, settings=settings)
            took.append(Cycle((time.perf_counter() - started) * 1_000, (planned - started) * 1_000, result))
            time.sleep(PAUSE_S)
    each = sorted(one.ms for one in took)
    print(f"  {count} cycles: {each[0]:.1f} to {each[-1]:.1f} ms, median {statistics.median(each):.1f}")
    return took


def _warm(
    prepared: Prepared, workers: LaneWorkers, sound: Iterable[Lane], *, settings: SchedulerSettings
) -> SchedulerState:
    """Cycles until the sound lanes have answered three times."""
    ((ts_ns, quotes),) = prepared.of.quotes(1)
    arrays = book_arrays(Book.from_frames(prepared.structure.markets, quotes, ts_ns))
    workers.load(prepared.shared, arrays)
    state, answered, deadline = scheduler(Lane), 0, time.monotonic() + STARTED_WITHIN_S
    while answered < 3:
        assert time.monotonic() < deadline, f"the lanes did not start: {workers.standings()}"
        state, result = run_cycle(state, workers, arrays, ts_ns=ts_ns, settings=settings)
        endings = {one.lane: one.ending for one in result.outcomes}
        answered += all(endings[lane] is Ending.OK for lane in sound)
        time.sleep(0.02)
    return state


def _others(cycle: Cycle) -> dict[Lane, bytes]:
    """What the lanes that never fail found in a cycle."""
    outcomes = {one.lane: one for one in cycle.result.outcomes if one.lane not in (HANGS, CRASHES)}
    assert all(one.ending is Ending.OK for one in outcomes.values()), f"a sound lane failed: {outcomes}"
    return {lane: found_to(one.found) for lane, one in outcomes.items()}


def _endings(cycles: Iterable[Cycle], lane: Lane) -> dict[str, int]:
    counted = Counter(one.ending.value for cycle in cycles for one in cycle.result.outcomes if one.lane is lane)
    return dict(sorted(counted.items()))


def _require_priced_alike(prepared: Prepared, last: Cycle, cycles: int) -> None:
    """What the workers found in the last cycle is what pricing all baskets here, in one go, comes to."""
    *_, (ts_ns, quotes) = prepared.of.quotes(cycles)
    here = price(prepared.structure, Book.from_frames(prepared.structure.markets, quotes, ts_ns), PRICING)
    by_id = {one.opportunity_id: one for one in here.opportunities}
    assert by_id == {one.opportunity_id: one for one in last.result.opportunities}, "workers priced otherwise"
    print(f"  {len(by_id)} opportunities of the last cycle are those priced in one process")


class _Planner:
    """Plans polls of markets that were quoted some time in the last minutes, so that every lane lacks some."""

    def __init__(self, structure: Structure) -> None:
        size, random = structure.markets.height, np.random.default_rng(SEED)
        self._structure = structure
        self._quoted = START_NS - random.integers(0, 300, size) * 10**9
        self._known = structure.markets.select("ts_close").with_columns(
            ts_edge=pl.Series(START_NS - random.integers(0, 10**5, size) * 10**9).cast(NS),
            activity=random.gamma(1.0, 20.0, size),
            has_position=random.random(size) < 0.001,
            tier=pl.lit(None, pl.String),
        )
        self._polls, self._lanes = polling_of(size, len(VENUES)), watched(Lane)

    def plan(self, now_ns: int) -> None:
        """Coverage, readiness, repairs, tiers and the allocation of a cycle; what is polled is quoted now."""
        structure = self._structure
        measured = coverage(structure, self._quoted, now_ns, SOUND)
        self._lanes, _ = watch(self._lanes, measured, failing={}, settings=SOUND)
        needed = repairs(structure, self._quoted, now_ns, SOUND)
        tiers = tiered(self._known, now_ns, SOUND.tiering)["tier"]
        self._polls, found = allocate(self._polls, watched_of(structure, tiers, needed), SOUND.polling)
        assert found.markets.size == SOUND.polling.polls
        self._quoted[found.markets] = now_ns
