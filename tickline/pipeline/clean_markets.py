"""The clean_markets stage of a prediction venue: each day's listings as terms, prices and what was refused."""

from datetime import date

from tickline.lake.keys import PartitionKey
from tickline.lake.market_schemas import MARKET_STAGE
from tickline.markets.cleaning import clean
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.reference.models import Venue

_READ = ("kind", "fees", "market_fees", "market_rules")


def clean_market_stages(venue: Venue, days: tuple[date, ...]) -> list[Stage]:
    """The stage of a venue that lists markets; none for a venue that does not."""
    if venue.markets is None:
        return []

    def needs(period: str) -> list[Need]:
        return [Need(PartitionKey("raw_markets", venue.name, period))]

    def build(inputs: Inputs, period: str) -> Built:
        cleaned = clean(inputs.scan("raw_markets").collect(), venue, date.fromisoformat(period))
        return Built(
            {
                "clean_markets": cleaned.markets,
                "market_quotes": cleaned.quotes,
                "quarantine_markets": cleaned.quarantine,
            },
            {dataset: {"counts": dict(cleaned.counts)} for dataset in MARKET_STAGE},
        )

    return [
        Stage(
            name="clean_markets",
            venue=venue.name,
            datasets=tuple(MARKET_STAGE),
            cadence=Cadence.DAY,
            periods=tuple(day.isoformat() for day in days),
            needs=needs,
            build=build,
            config={"venue": venue.model_dump(mode="json", include=set(_READ))},
            code=code_version(*(f"tickline.markets.{module}" for module in _MODULES), "tickline.lake.market_schemas"),
        )
    ]


_MODULES = (
    *("charges", "cleaning", "fees", "groups", "kalshi", "listing", "looks", "model", "payloads", "polymarket"),
    *("screening", "terms"),
)
