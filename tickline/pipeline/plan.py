"""What is there, what is missing and what is stale, and why."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from tickline.errors import SourceError
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Input, ObjectState, Publication
from tickline.pipeline.stage import Inputs, Stage, made_from


class State(StrEnum):
    """How one period of a stage stands."""

    MISSING = "missing"  # some of its partitions were never published
    STALE = "stale"  # made from other inputs, code or configuration than there are now
    UNJUDGED = "unjudged"  # as it should be, but not judged by what its checks expect now
    FRESH = "fresh"


Suites = Mapping[tuple[str, str], str]
"""By venue and dataset, the hash of what its partitions are judged by now; what has no checks is not in it."""

_MADE = (State.FRESH, State.UNJUDGED)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one period of one stage stands, and what changed where it is stale."""

    stage: Stage
    period: str
    state: State
    why: str = ""


def standing(lake: Lake, stage: Stage, period: str, *, suites: Suites | None = None) -> Standing:
    """How one period stands, seen from its direct inputs and, where `suites` are given, from its checks."""
    keys = {need.key for need in stage.needs(period)} | set(stage.keys(period))
    current = lake.catalog.currents(keys)
    own = [current[key] for key in stage.keys(period) if key in current]
    seen = _Seen(current, lake.catalog.inputs_of_all(own), _unjudged(lake, own, suites or {}))
    return _judge(lake, stage, period, seen)


def standings(
    lake: Lake, graph: Iterable[Stage], *, first: str = "", last: str = "9", suites: Suites | None = None
) -> list[Standing]:
    """How every period from `first` to `last` stands, stage by stage; judged or not where `suites` are given.

    A period whose inputs are themselves missing or stale is stale too: rebuilding them may change it. What a stage left
    itself the period before counts as it is: else one day that cannot be made would leave every later one stale, and a
    change of code would reach back to the first.
    """
    stages = list(graph)
    current = _current(lake, stages)
    recorded = lake.catalog.inputs_of_all(current.values())
    seen = _Seen(current, recorded, _unjudged(lake, current.values(), suites or {}))
    found: list[Standing] = []
    unsettled: set[PartitionKey] = set()
    for stage in stages:
        for period in stage.periods:
            judged = _judge(lake, stage, period, seen)
            if judged.state in _MADE:
                upstream = next((need.key for need in stage.needs_above(period) if need.key in unsettled), None)
                if upstream is not None:
                    judged = Standing(stage, period, State.STALE, f"{upstream} is missing or stale")
            if judged.state not in _MADE:
                unsettled.update(stage.keys(period))
            if touches(period, first, last):
                found.append(judged)
    return found


def _current(lake: Lake, graph: Iterable[Stage]) -> dict[PartitionKey, Publication]:
    """The current publications of everything the stages make or need."""
    wanted = {(stage.venue, dataset) for stage in graph for dataset in stage.datasets}
    for stage in graph:
        wanted |= {(need.key.venue, need.key.dataset) for period in stage.periods for need in stage.needs(period)}
    return {
        key: publication
        for venue, dataset in sorted(wanted)
        for key, publication in lake.catalog.everything(dataset=dataset, venue=venue).items()
    }


def touches(period: str, first: str, last: str) -> bool:
    """Whether a period lies between two ISO dates, inclusive; a year or `all` touches every range it may hold."""
    if not period[:4].isdigit():
        return True
    return first[: len(period)] <= period <= last[: len(period)] if last else first[: len(period)] <= period


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the catalog says: current publications, what they were made from, and which no check judged to the end."""

    current: Mapping[PartitionKey, Publication]
    recorded: Mapping[int, list[Input]]
    unjudged: Set[PartitionKey]


def _unjudged(lake: Lake, published: Collection[Publication], suites: Suites) -> set[PartitionKey]:
    # What is expired cannot be read again: what was said of it then stands.
    wanted = {
        publication.key: suites[publication.key.venue, publication.key.dataset]
        for publication in published
        if publication.state is ObjectState.PRESENT and (publication.key.venue, publication.key.dataset) in suites
    }
    having = [publication for publication in published if publication.key in wanted]
    verdicts = lake.catalog.verdicts_on(having)
    return wanted.keys() - {one.key for one in verdicts if one.suite_hash == wanted[one.key]}


def _judge(lake: Lake, stage: Stage, period: str, seen: _Seen) -> Standing:
    own = []
    for key in stage.keys(period):
        if key not in seen.current:
            return Standing(stage, period, State.MISSING)
        if seen.current[key].state is ObjectState.LOST:
            return Standing(stage, period, State.MISSING, f"the object of {key} is lost")
        own.append(seen.current[key])
    why = _why_stale(lake, stage, period, own, seen)
    if why:
        return Standing(stage, period, State.STALE, why)
    if any(key in seen.unjudged for key in stage.keys(period)):
        return Standing(stage, period, State.UNJUDGED, "its checks did not end, or expect something else now")
    return Standing(stage, period, State.FRESH)


def _why_stale(lake: Lake, stage: Stage, period: str, own: Sequence[Publication], seen: _Seen) -> str:
    try:
        sources = stage.sources(period) if stage.sources is not None else ()
    except SourceError as error:
        return str(error)
    needed = {need.key: seen.current[need.key] for need in stage.needs(period) if need.key in seen.current}
    now = made_from(stage, Inputs(lake, needed), sources)
    for publication in own:
        then = seen.recorded[publication.id]
        if _only_forgotten(then, now):
            continue
        if publication.code != stage.code:
            return "code changed"
        if then != now:
            return _difference(then, now)
    return ""


def _only_forgotten(then: Iterable[Input], now: Iterable[Input]) -> bool:
    """Whether sources are gone and none is new: the lake keeps what they said, for it cannot be read again."""
    before = {made for made in then if made.kind == "source"}
    after = {made for made in now if made.kind == "source"}
    return after < before


def _difference(then: list[Input], now: list[Input]) -> str:
    before = {(made.kind, made.name): made.sha256 for made in then}
    after = {(made.kind, made.name): made.sha256 for made in now}
    for kind, name in sorted(before.keys() | after.keys()):
        old, new = before.get((kind, name)), after.get((kind, name))
        if old != new:
            change = "is new" if old is None else "is gone" if new is None else "changed"
            return f"{'configuration of ' if kind == 'config' else ''}{name} {change}"
    return "the order of inputs changed"
