"""Market assets: each day's listings of a prediction venue as terms, prices and what was refused."""

import dagster as dg

from assets.lifecycle import Judge, Look, stage_asset
from expectations.market_checks import judge_markets, listed_by
from tickline.pipeline.stage import Stage
from tickline.reference.models import Venue

LOOK = Look(
    group="markets",
    kinds=frozenset({"polars"}),
    describe={
        "clean_markets": "What each market pays and costs, every version the day showed, with its group and parent",
        "market_quotes": "Each look at a market's prices that could be believed, both outcomes in one row",
        "quarantine_markets": "Every outcome that was refused, with rule and reason",
    },
)


def market_assets(graph: list[Stage], venue: Venue) -> list[dg.AssetsDefinition]:
    """The listings of a venue, cleaned; none where it lists no markets."""
    judge = Judge(venue.owner, listed_by([venue]), lambda lake, published: judge_markets(lake, venue, published))
    of_venue = [stage for stage in graph if stage.venue == venue.name]
    return [stage_asset(stage, judge, of_venue, LOOK) for stage in of_venue if stage.name == "clean_markets"]
