"""Recorded listings of two prediction venues at one moment, cleaned, and what may be one question on both."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from tickline.lake.market_schemas import CLEAN_MARKETS, MAPPING
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


def game(folder: Path) -> Snapshot | None:
    """The top of the book of both sides of one game, second by second; None where it is not recorded.

    The file has marks of a merge within, and time runs back where two runs were stitched: what is no row is left out,
    and rows are taken by time. One of both sides wins, and the file says nothing of the others of the competition, so
    the label of both is unknown. `raw` counts lines, `refused` those that are no rows.
    """
    path = folder / "kalshi_superbowl_1hz" / "orderbook_snapshots_20260208.csv.gz"
    if not path.is_file():
        return None
    lines = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True).with_row_index("input_row")
    price, size = (
        [pl.col(f"best_{side}_{of}").cast(pl.Float64, strict=False) for side in ("bid", "ask")]
        for of in ("price", "size")
    )
    rows = lines.select(
        pl.lit("kalshi").alias("venue"),
        pl.col("ticker").alias("market_id"),
        pl.col("timestamp").str.to_datetime(time_unit="ns", time_zone="UTC", strict=False).alias("ts"),
        price[0].alias("yes_bid"),
        price[1].alias("yes_ask"),
        (1 - price[1]).alias("no_bid"),
        (1 - price[0]).alias("no_ask"),
        size[0].alias("yes_bid_size"),
        size[1].alias("yes_ask_size"),
        size[1].alias("no_bid_size"),
        size[0].alias("no_ask_size"),
        pl.lit("orderbook_snapshots").alias("input"),
        pl.lit("kalshi").alias("input_venue"),
        pl.lit("2026-02-08").alias("input_period"),
        "input_row",
    )
    quotes = rows.drop_nulls(["market_id", "ts"]).sort("ts", "input_row")
    of_both = {"venue": "kalshi", "event_id": "KXSB-26", "status": "open", "group_id": "KXSB-26", "version": 1}
    of_both |= {"group_kind": "exclusive", "label": "unknown", "label_source": "metadata"}
    of_both |= {"fee_kind": "curve", "fee_taker": 0.07, "fee_exponent": 1.0, "fee_rounding": "up", "fee_places": 4}
    columns = {"venue": pl.String()} | CLEAN_MARKETS.columns
    markets = pl.DataFrame(
        [of_both | {"market_id": name} for name in sorted(quotes["market_id"].unique())], schema=columns
    )
    return Snapshot(
        name="superbowl",
        ts_ns=quotes.select(pl.col("ts").min().dt.epoch("ns")).item(),
        markets=markets,
        quotes=quotes,
        mapping=MAPPING.empty(),
        raw=lines.height,
        refused=lines.height - quotes.height,
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
