"""The roof: everything Dagster knows of, put together from the configuration in force."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.bars import bar_assets
from assets.clean import clean_assets
from assets.raw import raw_assets
from assets.reference import reference_assets
from orchestration.automation import with_policies
from orchestration.resources import lake_resource
from tickline.pipeline.graph import venue_stages
from tickline.universe import Universe
from tickline.workspace import workspace

# The partitions of a running venue are worked out this far ahead, so that its weekends and holidays are known.
_AHEAD = timedelta(days=370)


def build_definitions(universe: Universe, *, now: datetime) -> dg.Definitions:
    """All definitions of a universe as seen at a moment."""
    ahead = (now + _AHEAD).date()
    assets: list[dg.AssetsDefinition] = []
    for venue in universe.venues.values():
        graph = venue_stages(universe, venue, today=ahead)
        for make in (reference_assets, raw_assets, clean_assets, bar_assets):
            assets += make(graph, venue)
    return dg.Definitions(
        assets=with_policies(assets, universe),
        resources={"lake": lake_resource()},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of TICKLINE_CONFIG."""
    return build_definitions(workspace().universe, now=datetime.now(UTC))
