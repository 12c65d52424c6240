"""Raw assets: exactly what a venue's sources said, by UTC day."""

import dagster as dg

from assets.lifecycle import Look, assets_of
from tickline.pipeline.stage import Stage
from tickline.reference.models import Venue

LOOK = Look(
    group="raw",
    kinds=frozenset({"parquet"}),
    describe={
        "raw_trades": "Every trade as delivered, bad rows included, with receive time and delivery",
        "raw_quotes": "Every best bid and ask as delivered, bad rows included, with receive time and delivery",
        "raw_book": "Every book snapshot and delta level as delivered, with the venue's update ids",
        "raw_markets": "The venue's events, markets and outcomes as it described them, with its own record kept",
    },
)


def raw_assets(graph: list[Stage], venue: Venue) -> list[dg.AssetsDefinition]:
    """One asset for each feed of a venue, and its markets where it lists any."""
    return assets_of(graph, venue, tuple(LOOK.describe), LOOK)
