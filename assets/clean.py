"""Clean assets: each raw day through the firewall."""

import dagster as dg

from assets.lifecycle import Look, assets_of
from tickline.lake.schemas import Feed
from tickline.pipeline.stage import Stage
from tickline.reference.models import Venue

LOOK = Look(
    group="clean",
    kinds=frozenset({"polars"}),
    describe={
        **{f"clean_{feed}": f"The {feed} the firewall let pass, each pointing at its raw row" for feed in Feed},
        **{f"quarantine_{feed}": f"The {feed} it refused, each with rule and reason, and repeats" for feed in Feed},
        **{f"gaps_{feed}": f"Missing sequence numbers and silences found in the {feed}" for feed in Feed},
        "closing_trades": "The last of each instrument's consecutive ids, which the next day goes on from",
        "closing_quotes": "The last of each instrument's consecutive ids, which the next day goes on from",
        "closing_book": "Each unbroken order book at the end of the day, which the next day goes on from",
    },
)


def clean_assets(graph: list[Stage], venue: Venue) -> list[dg.AssetsDefinition]:
    """Clean rows, quarantine, gaps and closing state of each feed of a venue, made together."""
    return assets_of(graph, venue, tuple(f"clean_{feed}" for feed in Feed), LOOK)
