"""Fill every hole of a range through Dagster, in one process and as few runs as there are kinds of partitions.

Dagster launches a range as one run only where it has no holes. Here a run spans from its first hole to its last
and its assets make just what is missing or stale, so any set of holes is one run for each partitions definition.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.lifecycle import FILL_TAGS, asset_key
from tickline.pipeline.plan import Standing, State
from tickline.pipeline.stage import Cadence, Stage

_ORDER = (Cadence.WHOLE, Cadence.YEAR, Cadence.DAY, Cadence.SESSION, Cadence.WEEK)


@dataclass(frozen=True, slots=True)
class Fill:
    """One run: stages that share their partitions, and the first and last period with a hole."""

    stages: tuple[Stage, ...]
    first: str
    last: str
    holes: int

    def __str__(self) -> str:
        venues = ", ".join(dict.fromkeys(stage.venue for stage in self.stages))
        span = self.first if self.first == self.last else f"{self.first} .. {self.last}"
        return f"{venues}: {', '.join(dict.fromkeys(stage.name for stage in self.stages))} {span}"


def fills(found: Iterable[Standing]) -> list[Fill]:
    """The runs that fill what is missing or stale, in an order in which inputs come first."""
    groups: dict[tuple[int, tuple[str, ...], bool], list[Standing]] = {}
    for standing in found:
        if standing.state is not State.FRESH:
            stage = standing.stage
            groups.setdefault((_ORDER.index(stage.cadence), stage.periods, stage.running), []).append(standing)
    planned = []
    for _, standings in sorted(groups.items(), key=lambda group: group[0][0]):
        periods = sorted(standing.period for standing in standings)
        stages = {str(standing.stage): standing.stage for standing in standings}
        planned.append(Fill(tuple(stages.values()), periods[0], periods[-1], len(standings)))
    return planned


def run_fills(definitions: dg.Definitions, instance: dg.DagsterInstance, planned: Iterable[Fill]) -> Iterator[bool]:
    """Carry out the fills one after another; yields for each whether every period of it was made.

    Interrupted, it has published all it finished; planning again finds the rest.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    for fill in planned:
        selection = [asset_key(stage.venue, dataset) for stage in fill.stages for dataset in stage.datasets]
        tags = dict(FILL_TAGS)
        if fill.stages[0].cadence is not Cadence.WHOLE:
            tags |= {ASSET_PARTITION_RANGE_START_TAG: fill.first, ASSET_PARTITION_RANGE_END_TAG: fill.last}
        result = job.execute_in_process(
            asset_selection=selection,
            instance=instance,
            tags=tags,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        yield result.success
