"""New or changed source files become runs of exactly the raw partitions they touch."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import date

import dagster as dg

from assets.lifecycle import asset_key
from orchestration.resources import LakeResource
from tickline.errors import TicklineError
from tickline.pipeline.plan import State, standing
from tickline.pipeline.stage import Stage


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
        for stage in raw_stages:
            for period in (period for period in stage.periods if period < now):
                try:
                    objects = stage.sources(period) if stage.sources else ()
                    if not objects or standing(lake.open(), stage, period).state is State.FRESH:
                        continue
                except TicklineError as error:
                    context.log.warning(f"{stage}/{period}: {error}")
                    unreadable.append(f"{stage}/{period}: {error}")
                    continue
                content = hashlib.sha256("".join(found.sha256 for found in objects).encode()).hexdigest()
                asked += 1
                yield dg.RunRequest(
                    run_key=f"{stage}/{period}/{content}",
                    partition_key=period,
                    asset_selection=[asset_key(stage.venue, dataset) for dataset in stage.datasets],
                    tags={"venue": stage.venue},
                )
        if not asked:
            yield dg.SkipReason("; ".join(unreadable) or "every raw partition is made from what its sources hold now")

    return _sensor
