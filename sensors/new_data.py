"""New or changed source files become runs of exactly the raw partitions they touch."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import date

import dagster as dg

from assets.lifecycle import asset_key
from orchestration.resources import LakeResource
from tickline.errors import TicklineError
from tickline.pipeline.plan import State, standings
from tickline.pipeline.stage import Stage

_MOST_TOLD = 20


def new_data_sensor(raw_stages: list[Stage], *, today: Callable[[], date]) -> dg.SensorDefinition:
    """Ask for every raw partition before `today` whose source objects are not those it was made from.

    What is new is derived from the sources and the catalog alone, so a cursor that was lost or rolled back drops
    nothing; the run key names the objects' hashes, so the same content is asked for once.
    """

    @dg.sensor(
        name="new_data",
        asset_selection=[asset_key(stage.venue, dataset) for stage in raw_stages for dataset in stage.datasets],
        minimum_interval_seconds=30,
        description="Files that appeared or changed in a source's folder become runs of the days they hold",
    )
    def _sensor(context: dg.SensorEvaluationContext, lake: LakeResource) -> Iterator[dg.RunRequest | dg.SkipReason]:
        asked, unreadable, now = 0, [], today().isoformat()
        for found in standings(lake.open(), raw_stages):
            stage, period = found.stage, found.period
            if period >= now or found.state is State.FRESH or stage.sources is None:
                continue
            try:
                objects = stage.sources(period)
            except TicklineError as error:
                unreadable.append(f"{stage}/{period}: {error}")
                continue
            if not objects:
                continue
            content = hashlib.sha256("".join(one.sha256 for one in objects).encode()).hexdigest()
            asked += 1
            yield dg.RunRequest(
                run_key=f"{stage}/{period}/{content}",
                partition_key=period,
                asset_selection=[asset_key(stage.venue, dataset) for dataset in stage.datasets],
                tags={"venue": stage.venue},
            )
        told = [*unreadable[:_MOST_TOLD], *([f"and {more} more"] if (more := len(unreadable) - _MOST_TOLD) > 0 else [])]
        for line in told:
            context.log.warning(line)
        if not asked:
            yield dg.SkipReason("; ".join(told) or "every raw partition is made from what its sources hold now")

    return _sensor
