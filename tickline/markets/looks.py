"""Looks: what one poll of a venue showed of one market, put together from a row for each of its outcomes."""

import polars as pl

from tickline.lake.market_schemas import CLEAN_MARKETS, MARKET_QUOTES
from tickline.markets import kalshi, listing, polymarket

KEYS = ["market_id", "ts_recv", "copy"]
"""A look: the `copy` counts how often one delivery listed the market."""

_TERMS = (
    *list(CLEAN_MARKETS.columns)[: list(CLEAN_MARKETS.columns).index("group_id")],
    *("parent_id", "fee_kind", "fee_taker", "fee_maker", "fee_exponent"),
)
_PRICES = [name for name in MARKET_QUOTES.columns if name not in ("market_id", "ts_recv", "status", "raw_row")]

LOOKS: dict[str, pl.DataType] = (
    {name: CLEAN_MARKETS.columns[name] for name in _TERMS}
    | {name: MARKET_QUOTES.columns[name] for name in _PRICES}
    | {
        "ts_recv": MARKET_QUOTES.columns["ts_recv"],
        "raw_row": pl.UInt32(),  # the first of the outcomes' rows
        "copy": pl.Int64(),
        "outcomes": pl.Int64(),  # how many the market has
        "is_readable": pl.Boolean(),  # the venue's own record
        "is_mirrored": pl.Boolean(),  # YES and NO share one book, so that each bid is the other's ask
        "units": pl.String(),  # what is wrong with the units its prices are told in
        "exclusive_id": pl.String(),  # what the venue calls the markets of which at most one resolves to yes
        "is_exclusive": pl.Boolean(),  # what it says of the event: true, false or nothing
        "exhausts": pl.Boolean(),  # whether it says that one of those must resolve to yes
        "is_free": pl.Boolean(),  # its outcome is no number, so that strikes do not compare with other markets'
    }
)
"""Columns of looks as a venue's module gives them, before anything is judged."""

_DIALECTS = {"kalshi": kalshi, "polymarket": polymarket, "listing": listing}


def looks(raw: pl.DataFrame) -> pl.DataFrame:
    """The looks of a frame of raw_markets, as LOOKS, in the order of their first rows."""
    together = _together(with_looks(raw))
    dialect = (
        pl.when(kalshi.is_own(pl.col("payload")))
        .then(pl.lit("kalshi"))
        .when(polymarket.is_own(pl.col("payload")))
        .then(pl.lit("polymarket"))
        .otherwise(pl.lit("listing"))
    )
    told = [pl.DataFrame(schema=LOOKS)]
    for (name,), part in together.with_columns(dialect=dialect).group_by("dialect"):
        told.append(_shaped(_DIALECTS[str(name)].looks(part)))
    return pl.concat(told).sort("raw_row")


def with_looks(raw: pl.DataFrame) -> pl.DataFrame:
    """The rows of raw_markets with their number, `raw_row`, and which `copy` of a look they belong to."""
    nth = pl.int_range(pl.len()).over("market_id", "instrument", "outcome", "ts_recv")
    return raw.with_row_index("raw_row").with_columns(nth.alias("copy"), pl.col("raw_row").cast(pl.UInt32))


def _together(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a look: what its rows say alike, and each side's instrument, bid and ask.

    Outcomes that are not called Yes and No count in the order they stand in.
    """
    said = pl.col("outcome").str.strip_chars().str.to_lowercase()
    nth = pl.int_range(pl.len()).over(KEYS)
    side = (
        pl.when(said.is_in(["yes", "no"])).then(said).when(nth == 0).then(pl.lit("yes")).otherwise(pl.lit("no"))
    ).alias("side")
    alike = [
        pl.col(name).first()
        for name in (
            *("raw_row", "event_id", "event_title", "title", "rules", "category", "status"),
            *("ts_open", "ts_close", "tick_size", "payload"),
        )
    ]
    of_sides = [
        pl.col(name).filter(pl.col("side") == side).first().alias(f"{side}_{alias}")
        for side in ("yes", "no")
        for name, alias in (("instrument", "instrument"), ("outcome", "label"), ("bid", "bid"), ("ask", "ask"))
    ]
    return (
        rows.with_columns(side)
        .group_by(KEYS, maintain_order=True)
        .agg(*alike, *of_sides, outcomes=pl.len().cast(pl.Int64))
    )


def _shaped(told: pl.DataFrame) -> pl.DataFrame:
    absent = [name for name in LOOKS if name not in told.columns]
    return told.with_columns(pl.lit(None).alias(name) for name in absent).select(
        pl.col(name).cast(dtype) for name, dtype in LOOKS.items()
    )
