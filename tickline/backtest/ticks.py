"""The ticks of a tick backtest: clean trades and book levels as one tape, in the venue's order and in ours.

The venue acts at `ts_event`, we know at `ts_recv`. Two things are put right first, because a strategy must not see what
has not happened yet: a receive clock that runs behind the venue's is set forward by as much as it lies behind at most
(as hftbacktest does), and a message is known no sooner than those before it in its feed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from tickline.errors import ConfigError
from tickline.lake.schemas import CLEAN, CLOSING, Feed
from tickline.signals.desk import Ints, Records

DATASETS = (f"clean_{Feed.TRADES}", f"clean_{Feed.BOOK}", f"closing_{Feed.BOOK}")
TRADE, LEVEL, OPENING = range(3)
"""Kinds of tick, by the dataset they come from: a print; a level's new total; one as the day before left it."""

CLEARS, CLOSES = 1, 2
"""Flags of a level: the first of a snapshot, before which the book is empty; the last of its message."""

SETS_LAST = 4
"""Only prints that may set the last price were made at the market."""

TICK = np.dtype(
    [
        *((name, np.int64) for name in ("ts", "ts_recv", "price", "lots")),
        *((name, np.int8) for name in ("kind", "side", "instrument", "flags")),
        ("row", np.uint32),
    ]
)
"""One tick: when it happened and when it was known (UTC ns), price in ticks, size in lots, and its row in the frame of
its dataset. `side` is 1 for bids and buying aggressors, -1 for asks and selling ones, 0 unknown."""


class Tape(NamedTuple):
    """Ticks in the order the venue made them; `local` are their places in the order they were known; `closes` are the
    ends of the sessions (UTC ns)."""

    ticks: Records
    local: Ints
    closes: Ints


class Frames(NamedTuple):
    """Clean rows of one venue: CLEAN trades and book, and as `opening` the CLOSING book of the day before, where levels
    of that day go on."""

    trades: pl.DataFrame
    book: pl.DataFrame
    opening: pl.DataFrame = CLOSING[Feed.BOOK].empty()


def tape_of(frames: Frames, *, names: Sequence[str], instruments: Records, closes: Ints) -> Tape:
    """The tape of some instruments: `names` in the order of `instruments` (INSTRUMENT records, their grid).

    Levels that go on from a book that is not there are left out, as are prints that were not made at the market.
    Raises ConfigError where no tick is left.
    """
    of_these = pl.col("instrument").is_in(list(names))
    rows = _in_order(pl.concat([_trades(frames.trades), _levels(frames)]).filter(of_these))
    if rows.is_empty():
        raise ConfigError(f"no clean trade and no book of {', '.join(names)} in this window; choose another")
    ticks = np.zeros(rows.height, TICK)
    places = {name: nth for nth, name in enumerate(names)}
    ticks["instrument"] = rows["instrument"].replace_strict(places, return_dtype=pl.Int8)
    for name in ("ts", "ts_recv", "kind", "side", "flags", "row"):
        ticks[name] = rows[name]
    grid = instruments[ticks["instrument"]]
    ticks["price"] = np.rint(rows["price"].to_numpy() / grid["tick_size"])
    ticks["lots"] = np.rint(rows["size"].to_numpy() / grid["lot_size"])
    ticks["ts_recv"] += max(0, int((ticks["ts"] - ticks["ts_recv"]).max()))
    return Tape(ticks, np.argsort(ticks["ts_recv"], kind="stable"), np.asarray(closes, np.int64))


def origins(ticks: Records) -> pl.DataFrame:
    """Where ticks come from: columns `input`, a dataset, and `input_row`, the row in the frame that was given of it."""
    dataset = pl.col("input").replace_strict(dict(enumerate(DATASETS)), return_dtype=pl.String)
    return pl.DataFrame({"input": ticks["kind"], "input_row": ticks["row"]}).with_columns(dataset)


def _trades(trades: pl.DataFrame) -> pl.DataFrame:
    side = pl.col("side").replace_strict({"buy": 1, "sell": -1}, default=0, return_dtype=pl.Int8)
    ticks = _numbered(trades, TRADE).filter(pl.col("sets") & SETS_LAST > 0)
    return _columns(ticks.with_columns(side, pl.col("seq").alias("order"), pl.lit(False).alias("snapshot")))


def _levels(frames: Frames) -> pl.DataFrame:
    """The levels of books that are known; the opening one is a snapshot."""
    opening = frames.opening.filter(pl.col("side").is_not_null()).select(
        "instrument",
        *(pl.col("ts_last").alias(name) for name in ("ts_event", "ts_recv")),
        pl.lit("snapshot").alias("kind"),
        *("side", "price", "size"),
        pl.col("seq_last").alias("last_seq"),
    )
    book = frames.book.select(*CLEAN[Feed.BOOK].columns)
    levels = pl.concat([_numbered(opening, OPENING), _numbered(book, LEVEL)], how="diagonal")
    side = pl.col("side").replace_strict({"bid": 1, "ask": -1}, return_dtype=pl.Int8)
    snapshot = (pl.col("kind") == "snapshot").alias("snapshot")
    known = pl.col("snapshot").cum_sum().over("instrument") > 0
    return _columns(levels.with_columns(side, snapshot, pl.col("last_seq").alias("order")).filter(known))


def _numbered(frame: pl.DataFrame, dataset: int) -> pl.DataFrame:
    """Rows of a dataset with their number, known no sooner than those before them."""
    received = pl.col("ts_recv").cast(pl.Int64)
    return frame.with_row_index("row").with_columns(
        pl.lit(dataset, pl.Int8).alias("dataset"),
        pl.col("ts_event").cast(pl.Int64).alias("ts"),
        received.alias("received"),
        received.cum_max().over("instrument").alias("ts_recv"),
    )


def _columns(frame: pl.DataFrame) -> pl.DataFrame:
    times = ("ts", "ts_recv", "received", "order")
    return frame.select("instrument", "dataset", "row", "snapshot", *times, "side", "price", "size")


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Ticks in the venue's order, with kind and flags. What happened at one time comes as it was known.

    Within a message levels are removed before any is set, and bids are set before asks: so a clean book never crosses.
    """
    ordered = rows.with_columns(
        is_level=pl.col("dataset") > TRADE,
        is_delta=~pl.col("snapshot"),
        turn=pl.when(pl.col("size") == 0).then(0).otherwise(2 - pl.col("side")),
    ).sort("ts", "ts_recv", "is_level", "instrument", "order", "is_delta", "received", "turn", "row")
    told, message = pl.struct("is_level", "instrument", "ts_recv"), pl.struct("snapshot", "ts", "received")
    feed = ("instrument", "is_level")
    clears = pl.col("snapshot") & (message != message.shift(1).over(feed)).fill_null(True)
    closes = pl.col("is_level") & (told != told.shift(-1)).fill_null(True)
    flags = CLEARS * clears.cast(pl.Int8) + CLOSES * closes.cast(pl.Int8)
    return ordered.with_columns(pl.col("dataset").alias("kind"), flags.alias("flags"))
