"""What the markets of a structure are quoted at, as of one moment, in arrays beside its markets."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.errors import LaneError
from tickline.lanes.structure import KEY, Floats, Indices
from tickline.markets.fees import fee_of_one
from tickline.markets.model import Status

QUOTE = ("yes_bid", "yes_ask", "no_bid", "no_ask", "yes_bid_size", "yes_ask_size", "no_bid_size", "no_ask_size")
_ORIGIN = ("input", "input_venue", "input_period", "input_row")
NEVER = int(np.iinfo(np.int64).min)
"""The time of a quote that there never was."""


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """The last quotes of markets at `ts_ns`: one row a market, in the structure's order; columns YES and NO.

    Prices and sizes are NaN where the venue does not say; `ts_quote` is the least integer where there is no quote.
    `fee` is an upper bound on the taker fee of one contract at the ask, `fee_unit` what it is rounded up to (0 where
    it is not). `origins` says which rows they are from: input, input_venue, input_period and input_row, null where
    quotes came without.
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
    origins: pl.DataFrame

    @property
    def size(self) -> int:
        """How many markets there are."""
        return self.ts_quote.size

    @classmethod
    def from_frames(cls, markets: pl.DataFrame, quotes: pl.DataFrame, ts_ns: int) -> "Book":
        """The book of `markets` (those of a structure) as of `ts_ns`.

        `quotes` has venue, market_id, ts, the prices and sizes of MARKET_QUOTES, optionally status, and optionally
        input, input_venue, input_period and input_row. Of each market its last row at or before `ts_ns` counts, of
        several at one time the one further down. Raises LaneError where a column is missing.
        """
        missing = sorted({*KEY, "ts", *QUOTE} - set(quotes.columns))
        if missing:
            raise LaneError(f"quotes are without {', '.join(missing)}: pass columns as those of market_quotes")
        at = pl.lit(ts_ns).cast(pl.Datetime("ns", "UTC"))
        last = quotes.filter(pl.col("ts") <= at).sort("ts", maintain_order=True).unique(KEY, keep="last")
        optional = [name for name in ("status", *_ORIGIN) if name in quotes.columns]
        of_quotes = last.select(*KEY, pl.col("ts").dt.epoch("ns").alias("ts_quote"), *QUOTE, *_renamed(optional))
        looked = markets.join(of_quotes, on=KEY, how="left", maintain_order="left")
        status = pl.coalesce("status_quoted", "status") if "status" in optional else pl.col("status")
        return cls(
            ts_ns=ts_ns,
            bid=_two(looked, "yes_bid", "no_bid"),
            ask=_two(looked, "yes_ask", "no_ask"),
            bid_size=_two(looked, "yes_bid_size", "no_bid_size"),
            ask_size=_two(looked, "yes_ask_size", "no_ask_size"),
            ts_quote=looked["ts_quote"].fill_null(NEVER).to_numpy(),
            is_open=looked.select((status == Status.OPEN).fill_null(value=False)).to_series().to_numpy(),
            fee=_two(looked.with_columns(_fee("yes_ask"), _fee("no_ask")), "fee_at_yes_ask", "fee_at_no_ask"),
            fee_unit=looked.select(_fee_unit()).to_series().to_numpy(),
            origins=_origins(looked, optional),
        )


def _renamed(optional: list[str]) -> list[pl.Expr]:
    return [pl.col(name).alias("status_quoted" if name == "status" else name) for name in optional]


def _two(frame: pl.DataFrame, yes: str, no: str) -> Floats:
    return np.column_stack([frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in (yes, no)])


def _fee(price: str) -> pl.Expr:
    return fee_of_one(price).alias(f"fee_at_{price}")


def _fee_unit() -> pl.Expr:
    is_rounded = (pl.col("fee_kind") != "none") & (pl.col("fee_rounding") != "down")
    unit = pl.lit(10.0).pow(-pl.col("fee_places").cast(pl.Float64))
    return pl.when(is_rounded.fill_null(value=False)).then(unit.fill_null(1e-4)).otherwise(0.0)


def _origins(looked: pl.DataFrame, optional: list[str]) -> pl.DataFrame:
    absent = [pl.lit(None).alias(name) for name in _ORIGIN if name not in optional]
    return looked.with_columns(absent).select(_ORIGIN)
