"""Fill every hole of a range through Dagster, in one process and as few runs as there are kinds of partitions.

Dagster launches a range as one run only where it has no holes. Here a run spans from its first hole to its last
and its assets make just what is missing or stale, so any set of holes is one run for each partitions definition.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.lifecycle import FILL_TAGS, asset_key
from assets.marts import PREFIX, models
from tickline.lake.keys import WHOLE
from tickline.pipeline.plan import Standing, State
from tickline.pipeline.stage import Cadence

_ORDER = (Cadence.WHOLE, Cadence.YEAR, Cadence.DAY, Cadence.SESSION, Cadence.WEEK)


@dataclass(frozen=True, slots=True)
class Fill:
    """One run: assets that share their partitions, and the first and last period with a hole; none for a whole."""

    name: str
    assets: tuple[dg.AssetKey, ...]
    span: tuple[str, str] | None

    def __str__(self) -> str:
        return self.name if self.span is None else f"{self.name} {' .. '.join(dict.fromkeys(self.span))}"


def fills(found: Iterable[Standing]) -> list[Fill]:
    """The runs that fill what is missing or stale, in an order in which inputs come first."""
    groups: dict[tuple[int, tuple[str, ...], bool], list[Standing]] = {}
    for standing in found:
        if standing.state is not State.FRESH:
            stage = standing.stage
            groups.setdefault((_ORDER.index(stage.cadence), stage.periods, stage.running), []).append(standing)
    return [_fill(holes) for _, holes in sorted(groups.items(), key=lambda group: group[0][0])]


def mart_fill(days: Collection[str]) -> list[Fill]:
    """The run that brings the marts of some days up to date, as a list of none or one."""
    keys = tuple(dg.AssetKey([PREFIX, model]) for model in models())
    return [Fill("marts", keys, (min(days), max(days)))] if days else []


def run_fills(
    definitions: dg.Definitions, instance: dg.DagsterInstance, planned: Iterable[Fill]
) -> Iterator[list[str]]:
    """Carry out the fills one after another; yields for each what failed in it, none where all was made.

    Raises KeyboardInterrupt where it was interrupted: it has published all it finished, planning again finds the rest.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    for fill in planned:
        tags = dict(FILL_TAGS)
        if fill.span is not None:
            tags |= dict(zip((ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG), fill.span, strict=True))
        result = job.execute_in_process(
            asset_selection=list(fill.assets),
            instance=instance,
            tags=tags,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        if any(_interrupted(event) for event in result.all_events):
            raise KeyboardInterrupt
        yield [_told(event) for event in result.all_events if event.is_step_failure]


def _fill(holes: list[Standing]) -> Fill:
    of_stages = {str(hole.stage): hole.stage for hole in holes}
    venues = ", ".join(dict.fromkeys(stage.venue for stage in of_stages.values()))
    names = ", ".join(dict.fromkeys(stage.name for stage in of_stages.values()))
    periods = [hole.period for hole in holes]
    return Fill(
        name=f"{venues}: {names}",
        assets=tuple(asset_key(stage.venue, dataset) for stage in of_stages.values() for dataset in stage.datasets),
        span=None if periods[0] == WHOLE else (min(periods), max(periods)),
    )


def _interrupted(event: dg.DagsterEvent) -> bool:
    # Dagster reports an interrupt as a failure of the run, and goes on to whatever comes after it.
    return event.is_job_failure and event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION


def _told(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    cause = event.step_failure_data.user_failure_data
    return (cause.description if cause else None) or (error.message.strip() if error else f"{event.step_key} failed")
