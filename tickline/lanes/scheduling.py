"""A cycle of the lanes: who runs, for how long, and what comes of it in whatever order the workers answer.

Nothing here starts a process or reads a clock: `plan` says what is to be done now, the runner does it and hands what
came back to `merge` and `settle`. A lane is a worker that is started, asked once in every cycle it is due in, and
killed when it hangs. Whatever fails, the cycle goes on without it; a lane that failed is held back for longer each
time, and takes longer to be trusted again than to be distrusted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tickline.errors import LaneError
from tickline.lanes.messages import NOTHING, Found
from tickline.lanes.model import Lane, Opportunity
from tickline.lanes.scheduler_spec import Restarts, SchedulerSettings

MS = 1_000_000


class Standing(StrEnum):
    """What a lane's worker is doing, as the runner sees it."""

    ABSENT = "absent"  # not started
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"  # still at an earlier cycle
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Worker:
    """A lane's worker; `reason` is what a dead one died of."""

    standing: Standing
    reason: str = ""


class Ending(StrEnum):
    """How a lane's part of a cycle ended."""

    OK = "ok"
    LATE = "late"  # no answer within its budget
    CRASHED = "crashed"
    HUNG = "hung"  # no answer within its grace either; killed
    HELD = "held"  # not asked: held back, starting, or still at an earlier cycle


@dataclass(frozen=True, slots=True)
class LaneOutcome:
    """What a lane came to in a cycle: what it found, or why it found nothing."""

    lane: Lane
    ending: Ending
    reason: str = ""
    found: Found = NOTHING


@dataclass(frozen=True, slots=True)
class LaneState:
    """How a lane fares: due at `due_ns`; held back by `level` steps after failures.

    `good` and `late` count answers in a row. What its worker does now must be done by `until_ns`; None where it is
    not started or idle.
    """

    lane: Lane
    due_ns: int = 0
    level: int = 0
    good: int = 0
    late: int = 0
    until_ns: int | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The lanes in their fixed order, and the number of cycles planned."""

    lanes: tuple[LaneState, ...]
    cycle: int = 0


@dataclass(frozen=True, slots=True)
class Assignment:
    """A lane that is asked in this cycle, and how long the cycle waits for it."""

    lane: Lane
    budget_ns: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What the runner does in a cycle: workers to kill, then to start, then lanes to ask. `missing` are not asked."""

    cycle: int
    kill: tuple[Lane, ...]
    start: tuple[Lane, ...]
    ask: tuple[Assignment, ...]
    missing: tuple[LaneOutcome, ...]


@dataclass(frozen=True, slots=True)
class CycleResult:
    """A cycle: its outcomes in the order of `Lane`, and what all lanes found, each id once.

    `repeated` counts opportunities that a lane found after an earlier lane had.
    """

    cycle: int
    outcomes: tuple[LaneOutcome, ...]
    opportunities: tuple[Opportunity, ...]
    repeated: int


def scheduler(lanes: Iterable[Lane]) -> SchedulerState:
    """The state before the first cycle."""
    wanted = set(lanes)
    return SchedulerState(tuple(LaneState(lane) for lane in Lane if lane in wanted))


def plan(
    state: SchedulerState, now_ns: int, *, workers: Mapping[Lane, Worker], settings: SchedulerSettings
) -> tuple[SchedulerState, Plan]:
    """What to do in the cycle that begins at `now_ns`, of any clock that never goes back.

    Raises LaneError where nothing is said of a lane's worker.
    """
    steps = [_step(one, _worker_of(one.lane, workers), now_ns, settings) for one in state.lanes]
    done = {do: tuple(step.state.lane for step in steps if step.do is do) for do in _Do}
    cycle = state.cycle + 1
    return SchedulerState(tuple(step.state for step in steps), cycle), Plan(
        cycle,
        kill=done[_Do.KILL],
        start=done[_Do.START],
        ask=tuple(Assignment(lane, settings.times_of(lane).budget_ms * MS) for lane in done[_Do.ASK]),
        missing=tuple(step.outcome for step in steps if step.outcome is not None),
    )


def merge(planned: Plan, outcomes: Iterable[LaneOutcome]) -> CycleResult:
    """What a cycle came to. `outcomes` are those of the lanes that were asked, in the order they came.

    Raises LaneError where they are not of exactly those lanes, each once.
    """
    outcomes = list(outcomes)
    asked, answered = sorted(one.lane for one in planned.ask), sorted(one.lane for one in outcomes)
    if asked != answered:
        raise LaneError(f"cycle {planned.cycle} asked {asked} but has outcomes of {answered}; each once is needed")
    rank = {lane: nth for nth, lane in enumerate(Lane)}
    ordered = sorted([*planned.missing, *outcomes], key=lambda one: rank[one.lane])
    opportunities: dict[str, Opportunity] = {}
    found = 0
    for one in ordered:
        for opportunity in one.found.opportunities:
            found += 1
            opportunities.setdefault(opportunity.opportunity_id, opportunity)
    kept = tuple(opportunities.values())
    return CycleResult(planned.cycle, tuple(ordered), kept, found - len(kept))


def settle(state: SchedulerState, result: CycleResult, now_ns: int, *, settings: SchedulerSettings) -> SchedulerState:
    """The state after the lanes that were asked have answered, or not; `now_ns` is when the cycle began."""
    endings = {one.lane: one for one in result.outcomes}
    return replace(
        state,
        lanes=tuple(
            _after(one, endings[one.lane], now_ns, settings) if one.lane in endings else one for one in state.lanes
        ),
    )


def failing(state: SchedulerState) -> dict[Lane, str]:
    """The lanes that failed and have given no good answer since, and why."""
    return {one.lane: one.failure for one in state.lanes if one.failure}


class _Do(StrEnum):
    NOTHING = "nothing"
    KILL = "kill"
    START = "start"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class _Step:
    """What a cycle begins with for one lane; `outcome` where the cycle goes on without it."""

    state: LaneState
    do: _Do = _Do.NOTHING
    outcome: LaneOutcome | None = None


def _worker_of(lane: Lane, workers: Mapping[Lane, Worker]) -> Worker:
    if lane not in workers:
        raise LaneError(f"nothing is known of the worker of lane {lane}; say at least that it is absent")
    return workers[lane]


def _step(one: LaneState, worker: Worker, now_ns: int, settings: SchedulerSettings) -> _Step:
    if worker.standing in (Standing.ABSENT, Standing.IDLE):
        return _free(replace(one, until_ns=None), worker.standing, now_ns, settings)
    if worker.standing is Standing.DEAD:
        return _ended(_failed(one, worker.reason, now_ns, settings.restarts), Ending.CRASHED, worker.reason, _Do.KILL)
    is_starting = worker.standing is Standing.STARTING
    if one.until_ns is not None and now_ns >= one.until_ns:
        reason = "not ready in time" if is_starting else "no answer within its grace"
        return _ended(_failed(one, reason, now_ns, settings.restarts), Ending.HUNG, reason, _Do.KILL)
    ready_by_ns = one.until_ns or now_ns + settings.restarts.start_ms * MS
    reason = "its worker is starting" if is_starting else "its worker is still at an earlier cycle"
    return _ended(replace(one, until_ns=ready_by_ns), Ending.HELD, reason)


def _free(one: LaneState, standing: Standing, now_ns: int, settings: SchedulerSettings) -> _Step:
    """A lane whose worker does nothing, or is not there."""
    is_waiting = now_ns < one.due_ns
    if is_waiting and one.failure:
        return _ended(one, Ending.HELD, f"held back after: {one.failure}")
    if standing is Standing.ABSENT:
        ready_by_ns = now_ns + settings.restarts.start_ms * MS
        return _ended(replace(one, until_ns=ready_by_ns), Ending.HELD, "its worker is starting", _Do.START)
    if is_waiting:
        return _Step(one)
    times = settings.times_of(one.lane)
    every_ns = times.every_ms * MS
    # On the grid of its own dues, so that a cycle a little late does not make every later one late.
    due_ns = one.due_ns + every_ns * (1 + (now_ns - one.due_ns) // every_ns)
    until_ns = now_ns + (times.budget_ms + times.grace_ms) * MS
    return _Step(replace(one, until_ns=until_ns, due_ns=due_ns), _Do.ASK)


def _ended(state: LaneState, ending: Ending, reason: str, do: _Do = _Do.NOTHING) -> _Step:
    return _Step(state, do, LaneOutcome(state.lane, ending, reason))


def _after(one: LaneState, outcome: LaneOutcome, now_ns: int, settings: SchedulerSettings) -> LaneState:
    restarts = settings.restarts
    match outcome.ending:
        case Ending.OK:
            recovered = one.good + 1 >= restarts.recover_after
            return replace(
                one,
                until_ns=None,
                late=0,
                failure="",
                level=max(0, one.level - 1) if recovered else one.level,
                good=0 if recovered else one.good + 1,
            )
        case Ending.LATE if one.late + 1 < restarts.late_limit:
            return replace(one, good=0, late=one.late + 1)
        case Ending.LATE:
            # Its worker may still answer, so what it is doing keeps its deadline.
            return replace(_failed(one, outcome.reason, now_ns, restarts), until_ns=one.until_ns)
        case Ending.CRASHED if one.until_ns is not None:
            return _failed(one, outcome.reason, now_ns, restarts)
        case _:
            return one


def _failed(one: LaneState, reason: str, now_ns: int, restarts: Restarts) -> LaneState:
    """Held back by one step more. A step beyond the longest wait is not counted: it would have to be worked off."""
    wait_ms = min(restarts.first_ms * restarts.factor**one.level, restarts.most_ms)
    level = one.level + 1 if wait_ms < restarts.most_ms else one.level
    return LaneState(one.lane, now_ns + round(wait_ms * MS), level, failure=reason)
