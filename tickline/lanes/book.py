"""What the markets of a structure are quoted at, as of one moment, in arrays beside its markets."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.errors import LaneError
from tickline.lanes.model import Origin
from tickline.lanes.structure import KEY, Floats, Indices
from tickline.markets.fees import fee_of_one
from tickline.markets.model import Status

QUOTE = ("yes_bid", "yes_ask", "no_bid", "no_ask", "yes_bid_size", "yes_ask_size", "no_bid_size", "no_ask_size")
PARTITION = ("input", "input_venue", "input_period")
Partition = tuple[str, str, str]
"""A dataset, the venue and the period of what quotes are from."""
NEVER = int(np.iinfo(np.int64).min)
"""The time of a quote that there never was."""
SIDE_ROWS = ("yes_row", "no_row")
UNKNOWN = -1
"""The partition of a quote that came without."""


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """The last quotes of markets at `ts_ns`: one row a market, in the structure's order; columns YES and NO.

    Prices and sizes are NaN where the venue does not say; `ts_quote` is the least integer where there is no quote.
    `fee` is an upper bound on the taker fee of one contract at the ask, `fee_unit` what it is rounded up to (0 where
    it is not). `partition` and `input_row` (by side) say which row of which of `partitions` a quote is from; UNKNOWN is
    the partition of one that came without.
    """

    ts_ns: int
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    ts_quote: Indices
    is_open: npt.NDArray[np.bool_]
    fee: Floats
    fee_unit: Floats
    partition: npt.NDArray[np.int32]
    input_row: npt.NDArray[np.uint32]
    partitions: tuple[Partition, ...]

    @property
    def size(self) -> int:
        """How many markets there are."""
        return self.ts_quote.size

    def origin(self, market: int, side: int) -> Origin | None:
        """The row that a side of a market was quoted in."""
        partition = int(self.partition[market])
        return None if partition == UNKNOWN else Origin(*self.partitions[partition], int(self.input_row[market, side]))

    @classmethod
    def from_frames(cls, markets: pl.DataFrame, quotes: pl.DataFrame, ts_ns: int) -> "Book":
        """The book of `markets` (those of a structure) as of `ts_ns`.

        `quotes` has venue, market_id, ts, the prices and sizes of MARKET_QUOTES, optionally status, and optionally
        input, input_venue, input_period and input_row, with yes_row, no_row and ts_quoted where sides are quoted each
        for itself. Of each market its last row at or before `ts_ns` counts, of
        several at one time the one further down. Raises LaneError where a column is missing.
        """
        require_quotes(quotes)
        at = pl.lit(ts_ns).cast(pl.Datetime("ns", "UTC"))
        last = quotes.filter(pl.col("ts") <= at).sort("ts", maintain_order=True).unique(KEY, keep="last")
        optional = [name for name in ("status", *PARTITION, "input_row", *SIDE_ROWS) if name in quotes.columns]
        of_quotes = last.select(*KEY, quoted(quotes), *QUOTE, *_renamed(optional))
        looked = markets.drop(*PARTITION, "input_row", strict=False).join(
            of_quotes, on=KEY, how="left", maintain_order="left"
        )
        status = pl.coalesce("status_quoted", "status") if "status" in optional else pl.col("status")
        partition, input_row, partitions = origins(looked)
        return cls(
            ts_ns=ts_ns,
            bid=two(looked, "yes_bid", "no_bid"),
            ask=two(looked, "yes_ask", "no_ask"),
            bid_size=two(looked, "yes_bid_size", "no_bid_size"),
            ask_size=two(looked, "yes_ask_size", "no_ask_size"),
            ts_quote=looked["ts_quote"].fill_null(NEVER).to_numpy(),
            is_open=looked.select((status == Status.OPEN).fill_null(value=False)).to_series().to_numpy(),
            fee=two(looked.with_columns(_fee("yes_ask"), _fee("no_ask")), "fee_at_yes_ask", "fee_at_no_ask"),
            fee_unit=looked.select(fee_unit()).to_series().to_numpy(),
            partition=partition,
            input_row=input_row,
            partitions=partitions,
        )


def require_quotes(quotes: pl.DataFrame) -> None:
    """Raises LaneError where quotes are without a column that a book needs."""
    missing = sorted({*KEY, "ts", *QUOTE} - set(quotes.columns))
    if missing:
        raise LaneError(f"quotes are without {', '.join(missing)}: pass columns as those of market_quotes")


def quoted(quotes: pl.DataFrame) -> pl.Expr:
    """When what a quote says was quoted (UTC ns): the older side, where sides are quoted each for itself."""
    told = pl.coalesce("ts_quoted", "ts") if "ts_quoted" in quotes.columns else pl.col("ts")
    return told.dt.epoch("ns").alias("ts_quote")


def two(frame: pl.DataFrame, yes: str, no: str) -> Floats:
    """Two columns as one array, NaN where they are null: (rows, 2)."""
    return np.column_stack([frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in (yes, no)])


def fee_unit() -> pl.Expr:
    """What a market's fee of one contract is rounded up to; 0 where it is not rounded up."""
    is_rounded = (pl.col("fee_kind") != "none") & (pl.col("fee_rounding") != "down")
    unit = pl.lit(10.0).pow(-pl.col("fee_places").cast(pl.Float64))
    return pl.when(is_rounded.fill_null(value=False)).then(unit.fill_null(1e-4)).otherwise(0.0)


def origins(
    quotes: pl.DataFrame,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32], tuple[Partition, ...]]:
    """The partition that each quote is from, the row of each side in it, and the partitions."""
    if "input" not in quotes.columns:
        return np.full(quotes.height, UNKNOWN, np.int32), np.zeros((quotes.height, 2), np.uint32), ()
    rows = SIDE_ROWS if set(SIDE_ROWS) <= set(quotes.columns) else ("input_row", "input_row")
    told = quotes.select(pl.col(PARTITION).cast(pl.String))
    partitions = told.drop_nulls("input").unique(maintain_order=True)
    numbered = partitions.with_row_index("partition")
    of = told.join(numbered, on=PARTITION, how="left", nulls_equal=True, maintain_order="left")["partition"]
    return (
        of.cast(pl.Int32).fill_null(UNKNOWN).to_numpy(),
        np.column_stack([quotes[name].cast(pl.UInt32).fill_null(0).to_numpy() for name in rows]),
        tuple(partitions.rows()),
    )


def _renamed(optional: list[str]) -> list[pl.Expr]:
    return [pl.col(name).alias("status_quoted" if name == "status" else name) for name in optional]


def _fee(price: str) -> pl.Expr:
    return fee_of_one(price).alias(f"fee_at_{price}")
