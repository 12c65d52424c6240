"""Bar assets: minute bars from clean ticks, longer ones from those, by session date."""

import dagster as dg

from assets.lifecycle import Look, assets_of
from tickline.lake.schemas import TIMEFRAMES
from tickline.pipeline.stage import Stage
from tickline.reference.models import Venue

LOOK = Look(
    group="bars",
    kinds=frozenset({"polars"}),
    describe={
        "bars_1m": "One-minute bars aligned to the session's open, the last cut at its close",
        **{
            f"bars_{timeframe}": f"{timeframe} bars, combined exactly from shorter ones"
            for timeframe in TIMEFRAMES
            if timeframe != "1m"
        },
    },
)


def bar_assets(graph: list[Stage], venue: Venue) -> list[dg.AssetsDefinition]:
    """Minute, longer and weekly bars of a venue."""
    return assets_of(graph, venue, ("bars_1m", "bars", "bars_1w"), LOOK)
