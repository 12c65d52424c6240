"""The loops, compiled: cut sorted ticks at window edges, fold the ticks of each cut into one bar, add bars up.

Ticks of one instrument lie together (a run), in order of (ts, seq). Where ticks share both, open takes the lowest of
their prices and close the highest, so a bar depends on the set of its ticks and not on how they arrived.
"""

from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from tickline.bars.grid import LARGEST

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Words: TypeAlias = npt.NDArray[np.uint64]
Records: TypeAlias = npt.NDArray[np.void]
Record: TypeAlias = Any  # one of them: compiled code reads its fields as attributes

# The bits of the clean `sets` column.
OPEN, HIGH_LOW, LAST, VOLUME = 1, 2, 4, 8

NEVER = np.iinfo(np.int64).min
"""The time and seq of a tick that has not come yet; the prices beside it are NaN."""

DECIMAL_END = np.uint64(10**38 >> 64)
"""The upper word of the first number Decimal(38) cannot hold."""

RUN = np.dtype(
    [
        ("start", np.int64),  # rows [start, stop) are one instrument's
        ("stop", np.int64),
        ("listing", np.int64),  # which instrument
        ("first_window", np.int64),  # windows [first_window, end_window) are its calendar's
        ("end_window", np.int64),
        ("price_scale", np.float64),  # as in grid.scales
        ("size_scale", np.float64),
        ("spare_places", np.int64),
    ]
)
CUT = np.dtype([("run", np.int64), ("window", np.int64), ("start", np.int64), ("stop", np.int64)])
"""Rows [start, stop) of a run that lie in one window."""


def _record(**fields: float | np.uint64) -> Records:
    dtype = np.dtype([(name, np.asarray(value).dtype) for name, value in fields.items()])
    return np.array(tuple(fields.values()), dtype)


EMPTY_BAR = _record(
    **dict.fromkeys(("listing", "window"), -1),
    **dict.fromkeys(("open", "high", "low", "close"), np.nan),
    **dict.fromkeys(("ts_first", "seq_first", "ts_last", "seq_last"), NEVER),
    **dict.fromkeys(("turnover_low", "turnover_high"), np.uint64(0)),
    **dict.fromkeys(("volume_units", "trades", "quotes"), 0),
    **dict.fromkeys(("bid_open", "bid_high", "bid_low", "bid_close"), np.nan),
    **dict.fromkeys(("ask_open", "ask_high", "ask_low", "ask_close"), np.nan),
    **dict.fromkeys(("quote_ts_first", "quote_seq_first", "quote_ts_last", "quote_seq_last"), NEVER),
)
"""The bar of no ticks. Volume counts the last place of the lot (`grid`), `turnover` 1e-12, in two words."""

BAR = EMPTY_BAR.dtype


class Trades(NamedTuple):
    """Columns of clean trades; ts in UTC ns."""

    ts: Ints
    seq: Ints
    price: Floats
    size: Floats
    sets: npt.NDArray[np.uint8]


class Quotes(NamedTuple):
    """Columns of clean quotes; ts in UTC ns."""

    ts: Ints
    seq: Ints
    bid: Floats
    ask: Floats


class Fault(IntEnum):
    """Why a fold stopped."""

    NONE = 0
    PRICE = 1  # off the instrument's grid
    SIZE = 2
    TOO_FINE = 3  # more decimal places in price x size than turnover has
    TOO_LARGE = 4  # sums that would no longer be exact


@njit(cache=True, nogil=True)
def in_order(ts: Ints, seq: Ints, runs: Records) -> bool:
    """Whether the rows of each run stand in order of (ts, seq)."""
    for run in range(runs.size):
        for row in range(runs[run].start + 1, runs[run].stop):
            if ts[row] < ts[row - 1] or (ts[row] == ts[row - 1] and seq[row] < seq[row - 1]):
                return False
    return True


@njit(cache=True, nogil=True)
def cut(ts: Ints, runs: Records, opens: Ints, closes: Ints) -> Records:
    """Cut each run at the edges of its windows, which are disjoint and in order.

    A window holds its ts_open and not its ts_close. Ticks in no window are in no cut; windows without ticks have none.
    """
    room = 0
    for run in range(runs.size):
        room += min(runs[run].stop - runs[run].start, runs[run].end_window - runs[run].first_window)
    cuts = np.empty(room, CUT)
    filled = 0
    for run in range(runs.size):
        row, stop = runs[run].start, runs[run].stop
        for window in range(runs[run].first_window, runs[run].end_window):
            while row < stop and ts[row] < opens[window]:
                row += 1
            start = row
            while row < stop and ts[row] < closes[window]:
                row += 1
            if row > start:
                cuts[filled].run, cuts[filled].window = run, window
                cuts[filled].start, cuts[filled].stop = start, row
                filled += 1
    return cuts[:filled]


@njit(cache=True, nogil=True)
def fold_trades(trades: Trades, runs: Records, cuts: Records, bars: Records) -> tuple[int, int]:
    """Fold the prints of each cut into its bar, given as EMPTY_BAR. Returns why it stopped and at which row."""
    for at in range(cuts.size):
        bars[at].listing, bars[at].window = runs[cuts[at].run].listing, cuts[at].window
        if runs[cuts[at].run].spare_places < 0:
            return Fault.TOO_FINE, cuts[at].start
        _set_prices(trades, cuts[at].start, cuts[at].stop, bars[at])
        fault, row = _add_prints(trades, cuts[at].start, cuts[at].stop, runs[cuts[at].run], bars[at])
        if fault != Fault.NONE:
            return fault, row
    return Fault.NONE, -1


# Both loops run over local variables, which stay in registers, and write the record once: twice as fast.


@njit(cache=True, nogil=True)
def _set_prices(trades: Trades, start: int, stop: int, bar: Record) -> None:
    open_, high, low, close = bar.open, bar.high, bar.low, bar.close
    ts_first, seq_first, ts_last, seq_last = bar.ts_first, bar.seq_first, bar.ts_last, bar.seq_last
    for row in range(start, stop):
        ts, seq, price, sets = trades.ts[row], trades.seq[row], trades.price[row], trades.sets[row]
        if sets & OPEN and (ts_first == NEVER or (ts == ts_first and seq == seq_first and price < open_)):
            open_, ts_first, seq_first = price, ts, seq
        if sets & LAST and not (ts == ts_last and seq == seq_last and price <= close):
            close, ts_last, seq_last = price, ts, seq
        if sets & HIGH_LOW:
            # Written so that the NaN of a fresh bar gives way.
            high = price if not price <= high else high
            low = price if not price >= low else low
    bar.open, bar.high, bar.low, bar.close = open_, high, low, close
    bar.ts_first, bar.seq_first, bar.ts_last, bar.seq_last = ts_first, seq_first, ts_last, seq_last


@njit(cache=True, nogil=True)
def _add_prints(trades: Trades, start: int, stop: int, run: Record, bar: Record) -> tuple[int, int]:
    price_scale, size_scale = run.price_scale, run.size_scale
    low = high = np.uint64(0)
    volume = count = 0
    for row in range(start, stop):
        if trades.sets[row] & VOLUME:
            price, size = trades.price[row] * price_scale, trades.size[row] * size_scale
            price_units, size_units = np.rint(price), np.rint(size)
            if not _on_grid(price, price_units):
                return Fault.PRICE, row
            if not _on_grid(size, size_units):
                return Fault.SIZE, row
            low, high = _add_product(low, high, np.uint64(price_units), np.uint64(size_units))
            volume += int(size_units)
            if volume > LARGEST:
                return Fault.TOO_LARGE, row
            count += 1
    for _ in range(run.spare_places):
        low, high = _times_ten(low, high)
        if high >= DECIMAL_END:
            return Fault.TOO_LARGE, start
    bar.turnover_low, bar.turnover_high, bar.volume_units, bar.trades = low, high, volume, count
    return Fault.NONE, -1


@njit(cache=True, nogil=True)
def fold_quotes(quotes: Quotes, runs: Records, cuts: Records, bars: Records) -> None:
    """Fold the quotes of each cut that have both sides into its bar, given as EMPTY_BAR."""
    for at in range(cuts.size):
        bars[at].listing, bars[at].window = runs[cuts[at].run].listing, cuts[at].window
        for row in range(cuts[at].start, cuts[at].stop):
            bid, ask = quotes.bid[row], quotes.ask[row]
            if not (np.isnan(bid) or np.isnan(ask)):
                _add_quote(bars[at], quotes.ts[row], quotes.seq[row], bid, ask)


@njit(cache=True, nogil=True)
def _add_quote(bar: Record, ts: int, seq: int, bid: float, ask: float) -> None:
    ties_first = ts == bar.quote_ts_first and seq == bar.quote_seq_first
    ties_last = ts == bar.quote_ts_last and seq == bar.quote_seq_last
    if bar.quotes == 0 or (ties_first and (bid, ask) < (bar.bid_open, bar.ask_open)):
        bar.bid_open, bar.ask_open, bar.quote_ts_first, bar.quote_seq_first = bid, ask, ts, seq
    if not (ties_last and (bid, ask) <= (bar.bid_close, bar.ask_close)):
        bar.bid_close, bar.ask_close, bar.quote_ts_last, bar.quote_seq_last = bid, ask, ts, seq
    bar.bid_high = bid if not bid <= bar.bid_high else bar.bid_high
    bar.bid_low = bid if not bid >= bar.bid_low else bar.bid_low
    bar.ask_high = ask if not ask <= bar.ask_high else bar.ask_high
    bar.ask_low = ask if not ask >= bar.ask_low else bar.ask_low
    bar.quotes += 1


@njit(cache=True, nogil=True)
def add_up(bars: Records, order: Ints) -> Records:
    """One bar for each listing and window out of any bars of it; `order` puts those of one window together.

    Each tick stands behind one of the bars alone. Bars of no ticks are left out. The given bars are used up.
    """
    sums = np.empty(order.size, np.int64)
    filled = 0
    for at in order:
        if _is_empty(bars[at]):
            continue
        if filled:
            last = bars[sums[filled - 1]]
            if last.listing == bars[at].listing and last.window == bars[at].window:
                _add_trades(last, bars[at])
                _add_quotes(last, bars[at])
                continue
        sums[filled] = at
        filled += 1
    return bars[sums[:filled]]


@njit(cache=True, nogil=True)
def _is_empty(bar: Record) -> bool:
    """Whether no tick set anything of a bar."""
    is_unset = bar.ts_first == NEVER and bar.ts_last == NEVER and np.isnan(bar.high)
    return bool(is_unset and bar.trades == 0 and bar.quotes == 0)


@njit(cache=True, nogil=True)
def _add_trades(bar: Record, other: Record) -> None:
    mine, theirs = (bar.ts_first, bar.seq_first, bar.open), (other.ts_first, other.seq_first, other.open)
    if other.ts_first != NEVER and (bar.ts_first == NEVER or theirs < mine):
        bar.ts_first, bar.seq_first, bar.open = theirs
    mine, theirs = (bar.ts_last, bar.seq_last, bar.close), (other.ts_last, other.seq_last, other.close)
    if theirs > mine:
        bar.ts_last, bar.seq_last, bar.close = theirs
    bar.high, bar.low = _highest(bar.high, other.high), _lowest(bar.low, other.low)
    bar.trades += other.trades
    # Sums too large to be exact stay so whatever is added, and are refused when the bar is finished.
    bar.volume_units = min(bar.volume_units + other.volume_units, LARGEST + 1)
    low = bar.turnover_low + other.turnover_low
    high = bar.turnover_high + other.turnover_high + np.uint64(low < other.turnover_low)
    bar.turnover_low, bar.turnover_high = low, min(high, DECIMAL_END)


@njit(cache=True, nogil=True)
def _add_quotes(bar: Record, other: Record) -> None:
    mine = bar.quote_ts_first, bar.quote_seq_first, bar.bid_open, bar.ask_open
    theirs = other.quote_ts_first, other.quote_seq_first, other.bid_open, other.ask_open
    if other.quotes and (bar.quotes == 0 or theirs < mine):
        bar.quote_ts_first, bar.quote_seq_first, bar.bid_open, bar.ask_open = theirs
    mine = bar.quote_ts_last, bar.quote_seq_last, bar.bid_close, bar.ask_close
    theirs = other.quote_ts_last, other.quote_seq_last, other.bid_close, other.ask_close
    if theirs > mine:
        bar.quote_ts_last, bar.quote_seq_last, bar.bid_close, bar.ask_close = theirs
    bar.bid_high, bar.bid_low = _highest(bar.bid_high, other.bid_high), _lowest(bar.bid_low, other.bid_low)
    bar.ask_high, bar.ask_low = _highest(bar.ask_high, other.ask_high), _lowest(bar.ask_low, other.ask_low)
    bar.quotes += other.quotes


@njit(cache=True, nogil=True)
def _highest(mine: float, theirs: float) -> float:
    return theirs if theirs > mine or np.isnan(mine) else mine


@njit(cache=True, nogil=True)
def _lowest(mine: float, theirs: float) -> float:
    return theirs if theirs < mine or np.isnan(mine) else mine


@njit(cache=True, nogil=True)
def _on_grid(scaled: float, whole: float) -> bool:
    # A float on the grid scales to within two roundings of a whole number; NaN fails every comparison.
    return 1 <= whole <= LARGEST and abs(scaled - whole) <= 0.01 + whole * 2.0**-51


_HALF, _LOW_HALF = np.uint64(32), np.uint64(0xFFFF_FFFF)


@njit(cache=True, nogil=True)
def _add_product(low: np.uint64, high: np.uint64, a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(high, low) + a * b in 128 bits. a and b stay below 2**51, so the cross terms do not overflow."""
    product = a * b
    if (a | b) >> _HALF:
        a_low, a_high, b_low, b_high = a & _LOW_HALF, a >> _HALF, b & _LOW_HALF, b >> _HALF
        cross = a_low * b_high + a_high * b_low + ((a_low * b_low) >> _HALF)
        high += a_high * b_high + (cross >> _HALF)
    low += product
    return low, high + np.uint64(low < product)


@njit(cache=True, nogil=True)
def _times_ten(low: np.uint64, high: np.uint64) -> tuple[np.uint64, np.uint64]:
    ten = np.uint64(10)
    least, upper = (low & _LOW_HALF) * ten, (low >> _HALF) * ten
    upper += least >> _HALF
    return (least & _LOW_HALF) | (upper << _HALF), high * ten + (upper >> _HALF)
