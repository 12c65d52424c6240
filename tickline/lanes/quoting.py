"""Quotes of a structure's markets as arrays, and a book brought up to date by them, without joining it anew."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.errors import LaneError
from tickline.lanes.book import NEVER, UNKNOWN, Book, Partition, fee_unit, origins, quoted, require_quotes, two
from tickline.lanes.structure import KEY, Floats, Indices
from tickline.markets.fees import FeeKind, Rounding
from tickline.markets.model import Status

Of = TypeVar("Of", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Quotes:
    """Quotes in the order of their times: each is of a `market` (row of the structure's), had at `ts` (UTC ns).

    Everything else is as in `Book`, with a row a quote.
    """

    market: Indices
    ts: Indices
    ts_quote: Indices
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    is_open: npt.NDArray[np.bool_]
    fee: Floats
    partition: npt.NDArray[np.int32]
    input_row: npt.NDArray[np.uint32]
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Quoting:
    """What it takes to read quotes of markets, compiled once: their rows by key, whether they are open unless a quote
    says otherwise, and their fee schedules."""

    rows: pl.DataFrame
    is_open: npt.NDArray[np.bool_]
    fee_unit: Floats
    rate: Floats
    exponent: Floats
    places: Floats
    has_fee: npt.NDArray[np.bool_]
    is_curve: npt.NDArray[np.bool_]
    is_rounded: npt.NDArray[np.bool_]


def quoting(markets: pl.DataFrame) -> Quoting:
    """How to read quotes of these markets (those of a structure)."""
    told = markets.select(
        is_open=(pl.col("status") == Status.OPEN).fill_null(value=False),
        fee_unit=fee_unit(),
        rate=pl.col("fee_taker").cast(pl.Float64),
        exponent=pl.col("fee_exponent").cast(pl.Float64),
        places=pl.lit(10.0).pow(pl.col("fee_places").cast(pl.Float64)),
        has_fee=pl.col("fee_kind").is_in([FeeKind.CURVE, FeeKind.BPS]).fill_null(value=False),
        is_curve=(pl.col("fee_kind") == FeeKind.CURVE).fill_null(value=False),
        is_rounded=(pl.col("fee_rounding") != Rounding.DOWN).fill_null(value=True),
    )
    return Quoting(markets.select(*KEY).with_row_index("market"), **{one.name: one.to_numpy() for one in told})


def read(quotes: pl.DataFrame, by: Quoting) -> Quotes:
    """Quotes, with the columns that `Book.from_frames` takes, as arrays; those of other markets are left out.

    Raises LaneError where a column is missing.
    """
    require_quotes(quotes)
    listed = quotes.select(*KEY).join(by.rows, on=KEY, how="left", maintain_order="left")["market"]
    known = quotes.with_columns(market=listed).drop_nulls("market").sort("ts", maintain_order=True)
    market = known["market"].cast(pl.Int64).to_numpy()
    ask = two(known, "yes_ask", "no_ask")
    partition, input_row, partitions = origins(known)
    return Quotes(
        market=market,
        ts=known["ts"].dt.epoch("ns").to_numpy(),
        ts_quote=known.select(quoted(known)).to_series().to_numpy(),
        bid=two(known, "yes_bid", "no_bid"),
        ask=ask,
        bid_size=two(known, "yes_bid_size", "no_bid_size"),
        ask_size=two(known, "yes_ask_size", "no_ask_size"),
        is_open=_is_open(known, by.is_open.take(market)),
        fee=_fees(ask, market, by),
        partition=partition,
        input_row=input_row,
        partitions=partitions,
    )


def empty_book(by: Quoting, ts_ns: int) -> Book:
    """The book before the first quote."""
    size = by.rows.height
    nothing = np.full((size, 2), np.nan)
    return Book(
        ts_ns=ts_ns,
        bid=nothing,
        ask=nothing,
        bid_size=nothing,
        ask_size=nothing,
        ts_quote=np.full(size, NEVER),
        is_open=by.is_open,
        fee=_fees(nothing, np.arange(size), by),
        fee_unit=by.fee_unit,
        partition=np.full(size, UNKNOWN, np.int32),
        input_row=np.zeros((size, 2), np.uint32),
        partitions=(),
    )


def updated(book: Book, quotes: Quotes, ts_ns: int, *, rows: slice = slice(None)) -> Book:
    """The book as of `ts_ns`, after the quotes at these rows; what is older than what it has changes nothing.

    The book before stays as it is. The same as `Book.from_frames` of all quotes until then. Raises LaneError where
    a quote is later than `ts_ns`.
    """
    if (quotes.ts[rows] > ts_ns).any():
        raise LaneError(f"a quote of {quotes.ts[rows].max()} is later than the book's moment {ts_ns}: pass it then")
    # Where each market's row is among those of the book and, after them, of the quotes.
    source = np.arange(book.size)
    last = _last(quotes.market[rows], book.size)
    market = quotes.market[rows].take(last)
    is_newer = quotes.ts[rows].take(last) >= book.ts_quote.take(market)
    source[market[is_newer]] = book.size + last[is_newer]

    def after(before: npt.NDArray[Of], told: npt.NDArray[Of]) -> npt.NDArray[Of]:
        return np.concatenate((before, told[rows])).take(source, axis=0)

    partitions = tuple(dict.fromkeys((*book.partitions, *quotes.partitions)))
    renumbered = np.array([partitions.index(one) for one in quotes.partitions] + [UNKNOWN], np.int32)
    return Book(
        ts_ns=ts_ns,
        bid=after(book.bid, quotes.bid),
        ask=after(book.ask, quotes.ask),
        bid_size=after(book.bid_size, quotes.bid_size),
        ask_size=after(book.ask_size, quotes.ask_size),
        ts_quote=after(book.ts_quote, quotes.ts_quote),
        is_open=after(book.is_open, quotes.is_open),
        fee=after(book.fee, quotes.fee),
        fee_unit=book.fee_unit,
        partition=after(book.partition, renumbered.take(quotes.partition)),
        input_row=after(book.input_row, quotes.input_row),
        partitions=partitions,
    )


def _last(market: Indices, markets: int) -> Indices:
    """Where each market that is there is there last."""
    last = np.full(markets, -1)
    np.maximum.at(last, market, np.arange(market.size))
    return last[last >= 0]


def _is_open(quotes: pl.DataFrame, listed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    if "status" not in quotes.columns:
        return listed
    status = quotes["status"]
    return np.where(status.is_null().to_numpy(), listed, (status == Status.OPEN).fill_null(value=False).to_numpy())


def _fees(ask: Floats, market: Indices, by: Quoting) -> Floats:
    """As `tickline.markets.fees.fee_of_one`: (quotes, 2)."""
    rate, places, exponent, is_curve, has_fee, is_rounded = (
        of.take(market)[:, None] for of in (by.rate, by.places, by.exponent, by.is_curve, by.has_fee, by.is_rounded)
    )
    with np.errstate(invalid="ignore"):
        charged = rate * np.where(is_curve, (ask * (1 - ask)) ** exponent, ask)
        whole = np.where(has_fee, charged, 0.0)
        return np.where(is_rounded & (whole != 0), np.ceil(whole * places) / places, whole)
