"""Order books from snapshots and deltas: which messages continue a book, and which levels would cross it.

A delta says which of the venue's update ids it covers: those after `prev_seq` where the venue names the message before,
else those from `first_seq`, up to `last_seq`. It continues a book that is complete up to some id if it leaves none out
between that id and its own first. A snapshot is complete up to its `last_seq` and starts a new epoch; what came before
the first snapshot, and what follows a hole until the next one, belongs to no book. A day may open with the book the day
before closed with: its first deltas continue that one, if their ids say so. This is Binance's procedure for spot
and futures in one condition (https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams and
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams, "How to manage a local
order book correctly"). Where a venue numbers nothing, messages apply as they came and holes cannot be seen.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numba as nb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tickline.ticks.canonical import NONE, integers
from tickline.ticks.gaps import Gap

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NO_BOOK = -1
"""The epoch of rows that belong to no book; 0 is the book the day opened with, 1 that of its first snapshot."""


@dataclass(frozen=True, slots=True)
class Book:
    """An instrument's unbroken book: complete up to update id `seq` (`NONE` where the venue numbers nothing), last
    changed at `ts` (UTC ns), with `levels` of columns side, price and size, all sizes positive."""

    ts: int
    seq: int
    levels: pl.DataFrame


@dataclass(frozen=True, slots=True)
class BookRows:
    """One instrument's rows in the order a book is built from them; `order` are their places in its run.

    `message` numbers the message each belongs to, `living` says which passed the rules so far.
    """

    order: Ints
    message: Ints
    living: Bools
    snapshot: Bools
    ts: Ints
    before: Ints  # the last update id a delta builds on; NONE where the venue does not say
    last: Ints


def book_rows(rows: pl.DataFrame, living: Bools) -> BookRows:
    """Bring one instrument's rows into the order a book is built from them: by update id where the venue has them
    (at the same id a snapshot comes first), else as each delivery numbered them."""
    ts, seq, delivery, last, first, previous = (
        integers(rows[name]) for name in ("ts_event", "seq", "delivery", "last_seq", "first_seq", "prev_seq")
    )
    snapshot = rows["kind"].eq("snapshot").fill_null(False).to_numpy()
    numbered = bool((last[living] != NONE).any())
    order = np.lexsort((ts, delivery, ~snapshot, last) if numbered else (seq, delivery))
    keys = np.stack([delivery, snapshot, last, ts])[:, order]
    message = np.concatenate([[0], np.cumsum((keys[:, 1:] != keys[:, :-1]).any(axis=0))])[: len(order)]
    before = np.where(previous != NONE, previous, np.where(first != NONE, first - 1, NONE))
    return BookRows(order, message, living[order], snapshot[order], ts[order], before[order], last[order])


class End(NamedTuple):
    """Of the book that is unbroken at the end of the rows: its epoch, last id and the time of its last message."""

    epoch: int
    seq: int
    ts: int


@dataclass(frozen=True, slots=True)
class Chained:
    """For each row of `BookRows` its epoch; where the book was broken; how it ends, None where it ends broken."""

    epoch: Ints
    gaps: list[Gap]
    end: End | None


def chain(rows: BookRows, instrument: str, opening: Book | None = None) -> Chained:
    """Follow snapshots and deltas through the update ids, from the book the day opens with if there is one.

    A message of which no row is living changes nothing but is not missing either: a level refused for its price still
    proves that its message came. Where a day's first id is not above the opening book's last, the venue numbers anew
    and nothing can be said to continue that book.
    """
    count = len(rows.order)
    epoch = np.full(count, NO_BOOK, dtype=np.int64)
    holes = np.empty((count, 5), dtype=np.int64)
    start = (False, NONE, NONE)
    if opening is not None and not _numbers_anew(rows, opening.seq):
        start = (True, opening.seq, opening.ts)
    columns = rows.message, rows.living, rows.snapshot, rows.ts, rows.before, rows.last
    found, intact, *end = _chain(*columns, start, epoch, holes)
    gaps = [
        Gap(instrument, "book", since, max(since, until), *(None if value == NONE else value for value in ids))
        for since, until, *ids in holes[:found].tolist()
    ]
    return Chained(epoch, gaps, End(*end) if intact else None)


def _numbers_anew(rows: BookRows, seq: int) -> bool:
    first = rows.last[rows.living][:1].tolist()
    return any(NONE < last <= seq for last in first)


@nb.njit(cache=True)
def continues(before: int, complete: int) -> bool:
    """Whether a delta building on id `before` continues a book complete up to id `complete`."""
    return NONE in (before, complete) or before <= complete


@nb.njit(cache=True)
def _chain(  # noqa: PLR0913, PLR0917 - a compiled loop takes its columns one by one
    message: Ints,
    living: Bools,
    snapshot: Bools,
    ts: Ints,
    before: Ints,
    last: Ints,
    opening: tuple[bool, int, int],
    epoch: Ints,
    holes: Ints,
) -> tuple[int, bool, int, int, int]:
    """Fill `epoch`, and `holes` with (ts_from, ts_to, seq_from, seq_to, missing); the number of holes, and the end.

    `opening` says whether there is a book to begin with, its last id and its time; the end, whether there is one, its
    epoch, last id and time.
    """
    books, found, broken = 0, 0, False
    intact, complete, since = opening
    start = 0
    while start < len(message):
        end = start
        alive = False
        while end < len(message) and message[end] == message[start]:
            alive = alive or living[end]
            end += 1
        if snapshot[start] and alive:
            books += 1
            if broken:
                holes[found - 1, 1], holes[found - 1, 3] = ts[start], last[start]
            broken, intact, complete, since = False, True, last[start], ts[start]
        elif not snapshot[start] and intact and continues(before[start], complete):
            complete = max(complete, last[start])
            since = max(since, ts[start]) if alive else since
        elif not snapshot[start] and alive:
            if not broken:
                missing = before[start] - complete if complete != NONE and before[start] != NONE else NONE
                holes[found] = (since if intact else ts[start], ts[start], complete, NONE, missing)
                found += 1
            broken, intact = True, False
            holes[found - 1, 1] = max(holes[found - 1, 1], ts[start])
        if intact:
            epoch[start:end] = books
        start = end
    return found, intact, books, complete, since


def crossing(
    rows: BookRows, epoch: Ints, side: pl.Series, price: Floats, size: Floats, opening: Book | None = None
) -> Ints:
    """Which rows (as places in `BookRows`) set a level that crosses the book they belong to.

    Within a message levels are removed first, then bids and asks are set, each against the other side as it then is:
    a message that leaves the book uncrossed is never refused, and one bad level never costs its message.
    """
    ask = side.eq("ask").fill_null(False).to_numpy()[rows.order]
    # With asks negated both sides ascend to their best level, and two levels cross where their sum is not negative.
    level = np.where(ask, -price[rows.order], price[rows.order])
    crossed = np.zeros(len(rows.order), dtype=np.bool_)
    applied = np.where(rows.living, epoch, NO_BOOK)
    bids, asks = _sides(opening)
    _cross(rows.message, applied, ask.astype(np.int64), level, size[rows.order] == 0, bids, asks, crossed)
    return np.flatnonzero(crossed)


def _sides(book: Book | None) -> tuple[Floats, Floats]:
    """A book's bids and its asks negated, both ascending."""
    if book is None:
        return np.empty(0), np.empty(0)
    bids, asks = (book.levels.filter(side=side)["price"].to_numpy() for side in ("bid", "ask"))
    return np.sort(bids), np.sort(-asks)


@nb.njit(cache=True)
def _cross(  # noqa: PLR0913, PLR0917 - a compiled loop takes its columns one by one
    message: Ints,
    epoch: Ints,
    side: Ints,
    level: Floats,
    removes: Bools,
    bids: Floats,
    asks: Floats,
    crossed: Bools,
) -> None:
    """Mark the crossing rows of one instrument. `bids` and `asks` are the levels of epoch 0 to begin with."""
    levels = np.empty((2, len(message) + max(len(bids), len(asks))))
    counts = np.array([len(bids), len(asks)])
    levels[0, : len(bids)], levels[1, : len(asks)] = bids, asks
    book = 0
    start = 0
    while start < len(message):
        end = start
        while end < len(message) and message[end] == message[start]:
            if epoch[end] > book:
                book = epoch[end]
                counts[:] = 0
            if epoch[end] >= 0 and removes[end]:
                counts[side[end]] = _remove(levels[side[end]], counts[side[end]], level[end])
            end += 1
        for own in range(2):
            other = 1 - own
            for row in range(start, end):
                if epoch[row] < 0 or removes[row] or side[row] != own:
                    continue
                if counts[other] > 0 and level[row] + levels[other, counts[other] - 1] >= 0:
                    crossed[row] = True
                else:
                    counts[own] = _set(levels[own], counts[own], level[row])
        start = end


@nb.njit(cache=True)
def _set(levels: Floats, count: int, price: float) -> int:
    at = np.searchsorted(levels[:count], price)
    if at < count and levels[at] == price:
        return count
    for move in range(count, at, -1):
        levels[move] = levels[move - 1]
    levels[at] = price
    return count + 1


@nb.njit(cache=True)
def _remove(levels: Floats, count: int, price: float) -> int:
    at = np.searchsorted(levels[:count], price)
    if at == count or levels[at] != price:
        return count
    for move in range(at, count - 1):
        levels[move] = levels[move + 1]
    return count - 1


def closing(end: End, rows: pl.DataFrame, opening: Book | None) -> Book:
    """The book at the end of a day. `rows` are one instrument's clean ones of its last epoch."""
    ordered = book_rows(rows, np.ones(rows.height, dtype=np.bool_))
    # Within a message levels are removed first, then set.
    turn = np.argsort(2 * ordered.message + (rows["size"].to_numpy()[ordered.order] > 0), kind="stable")
    levels = rows.select("side", "price", "size")[ordered.order[turn]]
    if opening is not None and end.epoch == 0:
        levels = pl.concat([opening.levels, levels])
    levels = levels.unique(["side", "price"], keep="last", maintain_order=True)
    return Book(end.ts, end.seq, levels.filter(pl.col("size") > 0))
