"""Fill every hole of a range through Dagster, in one process and as few runs as there are kinds of partitions.

Dagster launches a range as one run only where it has no holes. Here a run spans from its first hole to its last
and its assets make just what is missing or stale, so any set of holes is one run for each partitions definition.
Where a period fails, Dagster tries nothing below its stage: another run goes on there for the other periods.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MAX_RETRIES_TAG,
)

from assets.lifecycle import FILL_TAGS, asset_key, step_of
from assets.marts import PREFIX, models
from tickline.lake.keys import WHOLE
from tickline.pipeline.plan import Standing, State, touches
from tickline.pipeline.stage import Cadence, Stage

_ORDER = (Cadence.WHOLE, Cadence.YEAR, Cadence.DAY, Cadence.SESSION, Cadence.WEEK, Cadence.WINDOW)


@dataclass(frozen=True, slots=True)
class Fill:
    """One run: assets that share their partitions, by step, and the first and last period with a hole.

    `span` is none for what is not split by time.
    """

    name: str
    steps: Mapping[str, tuple[dg.AssetKey, ...]]
    span: tuple[str, str] | None

    def __str__(self) -> str:
        return self.name if self.span is None else f"{self.name} {' .. '.join(dict.fromkeys(self.span))}"


def fills(found: Iterable[Standing], *, last: str = "") -> list[Fill]:
    """The runs that fill what is missing or stale, in an order in which inputs come first.

    A run of a stage that goes on from the period before reaches to `last` (an ISO date; without it, to the end): a
    period that leaves something else than before makes those after it stale, and they are made as it comes to them.
    """
    groups: dict[tuple[int, tuple[str, ...], bool], list[Standing]] = {}
    for standing in found:
        if standing.state is not State.FRESH:
            stage = standing.stage
            groups.setdefault((_rank(stage), stage.periods, stage.running), []).append(standing)
    return [_fill(holes, last) for _, holes in sorted(groups.items(), key=lambda group: group[0][0])]


def mart_fill(days: Collection[str]) -> list[Fill]:
    """The run that brings the marts of some days up to date, as a list of none or one."""
    keys = tuple(dg.AssetKey([PREFIX, model]) for model in models())
    return [Fill("marts", {"marts": keys}, (min(days), max(days)))] if days else []


def run_fills(
    definitions: dg.Definitions, instance: dg.DagsterInstance, planned: Iterable[Fill]
) -> Iterator[list[str]]:
    """Carry out the fills one after another; yields for each what failed in it, none where all was made.

    Raises KeyboardInterrupt where it was interrupted: it has published all it finished, planning again finds the rest.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    for fill in planned:
        failed: list[str] = []
        left = fill.steps
        while left:
            events = _run(job, instance, left, fill.span)
            failed += [_told(event) for event in events if event.is_step_failure]
            tried = {event.step_key for event in events if event.is_step_start}
            left = {step: keys for step, keys in left.items() if step not in tried} if tried else {}
        yield failed


def _run(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    steps: Mapping[str, tuple[dg.AssetKey, ...]],
    span: tuple[str, str] | None,
) -> list[dg.DagsterEvent]:
    # What is left is planned anew by whoever runs the fill again; the daemon must not take up a run of this process.
    tags = FILL_TAGS | {MAX_RETRIES_TAG: "0"}
    if span is not None:
        tags |= dict(zip((ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG), span, strict=True))
    result = job.execute_in_process(
        asset_selection=[key for keys in steps.values() for key in keys],
        instance=instance,
        tags=tags,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    events = list(result.all_events)
    if any(_interrupted(event) for event in events):
        raise KeyboardInterrupt
    return events


def _fill(holes: list[Standing], last: str) -> Fill:
    of_stages = {str(hole.stage): hole.stage for hole in holes}
    venues = ", ".join(dict.fromkeys(stage.venue for stage in of_stages.values()))
    names = ", ".join(dict.fromkeys(stage.name for stage in of_stages.values()))
    periods = [hole.period for hole in holes]
    if any(stage.goes_on for stage in of_stages.values()):
        periods += [period for period in holes[0].stage.periods if touches(period, min(periods), last)]
    return Fill(
        name=f"{venues}: {names}",
        steps={
            step_of(stage): tuple(asset_key(stage.venue, dataset) for dataset in stage.datasets)
            for stage in of_stages.values()
        },
        span=None if periods[0] == WHOLE else (min(periods), max(periods)),
    )


def _rank(stage: Stage) -> int:
    """Where a stage comes; what is not split by time but made from what is comes last."""
    gathers = stage.cadence is Cadence.WHOLE and any(stage.needs(period) for period in stage.periods)
    return len(_ORDER) if gathers else _ORDER.index(stage.cadence)


def _interrupted(event: dg.DagsterEvent) -> bool:
    # Dagster reports an interrupt as a failure of the run, and goes on to whatever comes after it.
    return event.is_job_failure and event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION


def _told(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    cause = event.step_failure_data.user_failure_data
    return (cause.description if cause else None) or (error.message.strip() if error else f"{event.step_key} failed")
