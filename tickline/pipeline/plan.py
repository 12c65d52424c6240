"""What is there, what is missing and what is stale, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tickline.lake.catalog import Input, ObjectState, Publication
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.pipeline.stage import Inputs, Stage, made_from


class State(StrEnum):
    """How one period of a stage stands."""

    MISSING = "missing"  # some of its partitions were never published
    STALE = "stale"  # made from other inputs, code or configuration than there are now
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one period of one stage stands, and what changed where it is stale."""

    stage: Stage
    period: str
    state: State
    why: str = ""


def standing(lake: Lake, stage: Stage, period: str) -> Standing:
    """How one period stands, seen from its direct inputs as they are now."""
    keys = {need.key for need in stage.needs(period)} | set(stage.keys(period))
    current = lake.catalog.currents(keys)
    own = [current[key] for key in stage.keys(period) if key in current]
    recorded = lake.catalog.inputs_of_all(own)
    return _judge(lake, stage, period, current=current, recorded=recorded)


def standings(lake: Lake, graph: Iterable[Stage], *, first: str = "", last: str = "9") -> list[Standing]:
    """How every period from `first` to `last` stands, stage by stage.

    A period whose inputs are themselves missing or stale is stale too: rebuilding them may change it.
    """
    current = lake.catalog.everything()
    recorded = lake.catalog.inputs_of_all(current.values())
    found: list[Standing] = []
    unsettled: set[PartitionKey] = set()
    for stage in graph:
        for period in stage.periods:
            judged = _judge(lake, stage, period, current=current, recorded=recorded)
            if judged.state is State.FRESH:
                upstream = next((need.key for need in stage.needs(period) if need.key in unsettled), None)
                if upstream is not None:
                    judged = Standing(stage, period, State.STALE, f"{upstream} is missing or stale")
            if judged.state is not State.FRESH:
                unsettled.update(stage.keys(period))
            if touches(period, first, last):
                found.append(judged)
    return found


def touches(period: str, first: str, last: str) -> bool:
    """Whether a period lies between two ISO dates, inclusive; a year or `all` touches every range it may hold."""
    if not period[:4].isdigit():
        return True
    return first[: len(period)] <= period <= last[: len(period)] if last else first[: len(period)] <= period


def _judge(
    lake: Lake,
    stage: Stage,
    period: str,
    *,
    current: Mapping[PartitionKey, Publication],
    recorded: Mapping[int, list[Input]],
) -> Standing:
    own = []
    for key in stage.keys(period):
        if key not in current:
            return Standing(stage, period, State.MISSING)
        if current[key].state is ObjectState.LOST:
            return Standing(stage, period, State.MISSING, f"the object of {key} is lost")
        own.append(current[key])
    if any(publication.code != stage.code for publication in own):
        return Standing(stage, period, State.STALE, "code changed")
    needed = {need.key: current[need.key] for need in stage.needs(period) if need.key in current}
    sources = stage.sources(period) if stage.sources is not None else ()
    now = made_from(stage, Inputs(lake, needed), sources)
    for publication in own:
        then = recorded[publication.id]
        if then != now:
            return Standing(stage, period, State.STALE, _difference(then, now))
    return Standing(stage, period, State.FRESH)


def _difference(then: list[Input], now: list[Input]) -> str:
    before = {(made.kind, made.name): made.sha256 for made in then}
    after = {(made.kind, made.name): made.sha256 for made in now}
    for kind, name in sorted(before.keys() | after.keys()):
        old, new = before.get((kind, name)), after.get((kind, name))
        if old != new:
            change = "is new" if old is None else "is gone" if new is None else "changed"
            return f"{'configuration of ' if kind == 'config' else ''}{name} {change}"
    return "the order of inputs changed"
