"""Recorded listings of two prediction venues at one moment, cleaned, and what may be one question on both."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from tickline.lake.market_schemas import CLEAN_MARKETS
from tickline.markets.cleaning import clean
from tickline.markets.dependencies import proposals
from tickline.markets.mapping import Known, mapping_of
from tickline.markets.matching import candidates
from tickline.markets.spec import MappingSpec
from tickline.reference.models import MarketFee, SourceSpec, Venue, VenueKind
from tickline.sources.opening import open_markets

VENUES = ("kalshi", "polymarket")
SNAPSHOTS = {
    "2025-04-26": (
        datetime(2025, 4, 26, 12, tzinfo=UTC),
        ("kalshi_markets_20250426.json.gz", "polymarket_markets_20250426.json.gz"),
    ),
    "2026-03-01": (
        datetime(2026, 3, 1, 16, 27, tzinfo=UTC),
        ("iran_20260301/kalshi_raw.json.gz", "iran_20260301/polymarket_raw.json.gz"),
    ),
}
# docs.kalshi.com (fee rounding); Polymarket's records say what they charge themselves.
FEES = {
    "kalshi": (
        MarketFee(
            kind="curve", taker=Decimal("0.07"), maker=Decimal("0.0175"), rounding="up", places=4, balance_places=2
        ),
    ),
    "polymarket": (),
}


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Both venues' markets (CLEAN_MARKETS with `venue`, the newest version of each) and quotes at `ts_ns`, as `Book`
    takes them; MAPPING of their pairs, of which nobody approved any; raw rows and those refused of each venue."""

    name: str
    ts_ns: int
    markets: pl.DataFrame
    quotes: pl.DataFrame
    mapping: pl.DataFrame
    raw: int
    refused: int


def snapshots(folder: Path) -> Iterator[Snapshot]:
    """The recorded moments in a folder of prediction data."""
    for name, (taken, files) in SNAPSHOTS.items():
        cleaned = [_cleaned(venue, folder / file, taken) for venue, file in zip(VENUES, files, strict=True)]
        markets = pl.concat([frame for frame, *_ in cleaned])
        quotes = pl.concat([frame for _, frame, *_ in cleaned])
        yield Snapshot(
            name=name,
            ts_ns=int(taken.timestamp()) * 10**9,
            markets=markets,
            quotes=quotes,
            mapping=_mapping(markets, quotes, taken),
            raw=sum(raw for *_, raw, _ in cleaned),
            refused=sum(refused for *_, refused in cleaned),
        )


def approved(mapping: pl.DataFrame) -> pl.DataFrame:
    """A mapping as if a person had approved each pair that nothing blocks."""
    free = pl.col("severity") != "block"
    return mapping.with_columns(
        pl.when(free).then(pl.lit("approved")).otherwise("decision").alias("decision"),
        (pl.col("is_tradable") | free).alias("is_tradable"),
    )


def _cleaned(name: str, path: Path, taken: datetime) -> tuple[pl.DataFrame, pl.DataFrame, int, int]:
    source = SourceSpec.model_validate({"kind": f"{name}_dump", "files": str(path), "taken": taken})
    venue = Venue(
        name=name,
        kind=VenueKind.PREDICTION,
        calendar="always",
        start=taken.date(),
        markets=source,
        market_fees=FEES[name],
    )
    raw = open_markets(source, venue, calendars={}).markets(taken.date())
    cleaned = clean(raw, venue, taken.date())
    of_venue = pl.lit(name).alias("venue")
    markets = cleaned.markets.sort(*CLEAN_MARKETS.sort).unique("market_id", keep="last", maintain_order=True)
    quotes = cleaned.quotes.select(
        of_venue,
        pl.col("ts_recv").alias("ts"),
        pl.exclude("ts_recv", "volume", "raw_row"),
        pl.lit("market_quotes").alias("input"),
        of_venue.alias("input_venue"),
        pl.lit(taken.date().isoformat()).alias("input_period"),
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("input_row"),
    )
    return markets.select(of_venue, pl.all()), quotes, raw.height, cleaned.quarantine.height


def _mapping(markets: pl.DataFrame, quotes: pl.DataFrame, taken: datetime) -> pl.DataFrame:
    spec = MappingSpec(name="recorded", left=VENUES[0], right=VENUES[1])
    of = {venue: markets.filter(venue=venue).drop("venue") for venue in VENUES}
    mid = (pl.col("yes_bid") + pl.col("yes_ask")) / 2
    prices = quotes.select("venue", "market_id", "ts", mid.alias("mid")).drop_nulls("mid")
    between = candidates(
        of[spec.left], of[spec.right], spec.scoring, left_venue=spec.left, right_venue=spec.right, prices=prices
    )
    rules = proposals(between, markets, prices, spec.proposals, spec.watch)
    known = Known(today=markets, before=markets.clear(), prices=prices, at=taken)
    return mapping_of(between, rules, known, {}, spec).mapping
