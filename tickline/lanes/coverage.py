"""How much of each lane's rules is quoted, whether the lane may be trusted for it, and what to look at to repair it.

A rule is covered when every leg has a fresh quote. A lane that sees too little of what it should is not ready, and says
why: an opportunity it reports may be real, but one it does not report may be there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tickline.lanes.gates import Readiness
from tickline.lanes.model import Lane
from tickline.lanes.scheduler_spec import Coverage, SchedulerSettings
from tickline.lanes.structure import Indices, Structure

MEASURES = {
    Lane.INTRA: "markets_covered",
    Lane.CROSS: "cross_pairs_covered",
    Lane.PARITY: "parity_rules_covered",
    Lane.BUCKET: "bucket_rules_covered",
    Lane.EVENT_TREE: "tree_rules_covered",
}
"""What a lane's coverage is called. Pairs count once in whichever directions they are traded; rules are baskets."""


@dataclass(frozen=True, slots=True)
class Covered:
    """How many rules a lane has, and how many of them are covered."""

    rules: int
    covered: int

    @property
    def share(self) -> float:
        """Of the rules that are covered; 0 where there are none."""
        return self.covered / self.rules if self.rules else 0.0


@dataclass(frozen=True, slots=True)
class LaneWatch:
    """Whether a lane is ready, and how many looks in a row it was covered well enough to be."""

    lane: Lane
    is_ready: bool = False
    good: int = 0


def coverage(structure: Structure, ts_quote: Indices, now_ns: int, settings: SchedulerSettings) -> dict[Lane, Covered]:
    """How much of every lane is covered at `now_ns`.

    `ts_quote` is when each market of the structure was last quoted (UTC ns; the least integer where it never was).
    """
    return _covered(structure, _missing(structure, ts_quote, now_ns, settings))


def watched(lanes: Iterable[Lane]) -> tuple[LaneWatch, ...]:
    """The state before the first look: nothing is ready."""
    return tuple(LaneWatch(lane) for lane in lanes)


def watch(
    state: tuple[LaneWatch, ...],
    measured: Mapping[Lane, Covered],
    *,
    failing: Mapping[Lane, str],
    settings: SchedulerSettings,
) -> tuple[tuple[LaneWatch, ...], dict[str, Readiness]]:
    """Whether each lane is ready after another look, by its name.

    `failing` says of lanes whose workers do not answer, why. Fails closed: a lane that nothing was measured of, or
    that fails, is not ready, and it becomes ready again only as it did first.
    """
    said = [_look(one, measured.get(one.lane), failing.get(one.lane), settings.coverage_of(one.lane)) for one in state]
    return tuple(after for after, _ in said), {after.lane.value: readiness for after, readiness in said}


def repairs(structure: Structure, ts_quote: Indices, now_ns: int, settings: SchedulerSettings) -> npt.NDArray[np.bool_]:
    """Which markets each lane needs next, to cover what it does not: (markets, lanes in the order of `Lane`).

    A market counts for each uncovered rule it would be a fresh leg of, one part in as many as that rule misses: what
    completes most rules comes first. None where a lane is covered as well as it must be to get ready.
    """
    missing = _missing(structure, ts_quote, now_ns, settings)
    measured = _covered(structure, missing)
    needed = np.zeros((structure.markets.height, len(Lane)), dtype=np.bool_)
    age, lane_of_leg = _ages(ts_quote, now_ns)[structure.market], structure.lane[structure.basket]
    for nth, lane in enumerate(Lane):
        wanted = settings.coverage_of(lane)
        if measured[lane].share >= wanted.ready:
            continue
        legs = np.flatnonzero((lane_of_leg == nth) & (age > wanted.fresh_s))
        worth = np.bincount(
            structure.market[legs], 1 / missing[structure.basket[legs]], minlength=structure.markets.height
        )
        needed[_most(worth, wanted.repairs), nth] = True
    return needed


def _most(worth: npt.NDArray[Any], count: int) -> Indices:
    """Where so many of the greatest values above zero are, of equal ones the first."""
    least = np.partition(worth, -count)[-count] if 0 < count < worth.size else 0.0
    above, equal = np.flatnonzero(worth > least), np.flatnonzero((worth == least) & (worth > 0))
    return np.concatenate([above, equal[: count - above.size]])[:count]


def _covered(structure: Structure, missing: Indices) -> dict[Lane, Covered]:
    found = {}
    for nth, lane in enumerate(Lane):
        rows = np.flatnonzero(structure.lane == nth)
        found[lane] = _counted(missing[rows] == 0, structure.pair[rows] if lane is Lane.CROSS else None)
    return found


def _missing(structure: Structure, ts_quote: Indices, now_ns: int, settings: SchedulerSettings) -> Indices:
    """How many legs of each basket have no fresh quote."""
    if structure.size == 0:
        return np.zeros(0, dtype=np.int64)
    fresh_s = np.array([settings.coverage_of(lane).fresh_s for lane in Lane])[structure.lane]
    is_old = _ages(ts_quote, now_ns)[structure.market] > fresh_s[structure.basket]
    return np.add.reduceat(is_old.astype(np.int64), structure.starts[:-1])


def _ages(ts_quote: Indices, now_ns: int) -> npt.NDArray[np.float64]:
    """Seconds since each quote. A quote from the future is as untrustworthy as none."""
    age = (float(now_ns) - ts_quote) / 1e9
    return np.where(ts_quote > now_ns, np.inf, age)


def _counted(is_covered: npt.NDArray[np.bool_], pairs: Indices | None) -> Covered:
    if pairs is None:
        return Covered(is_covered.size, int(is_covered.sum()))
    rules = np.unique(pairs).size
    return Covered(rules, rules - np.unique(pairs[~is_covered]).size)


def _look(
    one: LaneWatch, measured: Covered | None, failure: str | None, wanted: Coverage
) -> tuple[LaneWatch, Readiness]:
    share = measured.share if measured is not None else 0.0
    told = _objection(one, measured, failure, wanted)
    if told:
        return replace(one, is_ready=False, good=0), Readiness(is_ready=False, covered=share, detail=told)
    after = replace(one, is_ready=one.is_ready or one.good + 1 >= wanted.ready_after, good=one.good + 1)
    if after.is_ready:
        return after, Readiness(is_ready=True, covered=share)
    waits = f"{MEASURES[one.lane]} is {share:.3f} in {after.good} of the {wanted.ready_after} looks in a row it takes"
    return after, Readiness(is_ready=False, covered=share, detail=waits)


def _objection(one: LaneWatch, measured: Covered | None, failure: str | None, wanted: Coverage) -> str:
    """What speaks against a lane whatever it was before; empty where nothing does."""
    if failure is not None:
        return f"it fails: {failure}"
    if measured is None:
        return f"{MEASURES[one.lane]} was not measured"
    if measured.rules < wanted.least:
        return f"it has {measured.rules} rules, fewer than {wanted.least}"
    least = wanted.lost if one.is_ready else wanted.ready
    if measured.share < least:
        counts = f"{measured.covered} of {measured.rules}"
        return f"{MEASURES[one.lane]} is {measured.share:.3f} ({counts}), below {least}"
    return ""
