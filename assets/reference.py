"""Reference assets: a venue's instruments and sessions."""

import dagster as dg

from assets.lifecycle import Look, assets_of
from tickline.pipeline.stage import Stage
from tickline.reference.models import Venue

LOOK = Look(
    group="reference",
    kinds=frozenset({"yaml"}),
    describe={
        "instruments": "What trades on the venue, on which grid and calendar, as configuration declares it",
        "sessions": "Every session of the year: date, segment, open and close in UTC, early closes",
    },
)


def reference_assets(graph: list[Stage], venue: Venue) -> list[dg.AssetsDefinition]:
    """Instruments and sessions of one venue."""
    return assets_of(graph, venue, ("instruments", "sessions"), LOOK)
