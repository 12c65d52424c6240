"""Order books as dense arrays: whole lots by tick over every price of the input, so that a change costs one store.

A side keeps its best price and how many levels it has. A level that reaches the other side removes what it crosses, so
a book is never crossed and nothing lies in front of its best.
"""

from typing import NamedTuple

import numpy as np

from tickline.compiled import inlined, kernel
from tickline.errors import ConfigError
from tickline.signals.desk import NEVER, Ints, Record, Records

NO_BID, NO_ASK = 0, NEVER
"""The best price of a side without levels: no bid reaches the one, no ask the other. Prices are positive."""

MOST_TICKS = 2**28
"""The prices of all instruments may span this many ticks, for memory's sake."""

SIDE = np.dtype([(name, np.int64) for name in ("sign", "low", "high", "base", "best", "levels", "changed")])
"""One side of an instrument's book: `sign` 1 for bids and -1 for asks, the first and last tick there is room for, where
tick 0 would lie in the lots, the best price in ticks, the number of levels, and whether the best or its size
changed."""


class Books(NamedTuple):
    """The books of instruments: bids of the first, its asks, bids of the second ..., and the lots of all of them."""

    sides: Records
    lots: Ints


def open_books(ticks: Records, instruments: int) -> Books:
    """Empty books with room for every price of the ticks (TICK records).

    Raises ConfigError where prices span more than memory should hold.
    """
    sides = np.zeros(2 * instruments, SIDE)
    used = 0
    for nth in range(instruments):
        prices = ticks["price"][ticks["instrument"] == nth]
        low, high = (int(prices.min()), int(prices.max())) if prices.size else (1, 1)
        for side, sign, empty in ((2 * nth, 1, NO_BID), (2 * nth + 1, -1, NO_ASK)):
            sides[side] = (sign, low, high, used - low, empty, 0, 0)
            used += high - low + 1
    if used > 2 * MOST_TICKS:
        raise ConfigError(
            f"the prices span {used // 2:,} ticks, more than {MOST_TICKS:,}; refuse the rows far off the market"
        )
    return Books(sides, np.zeros(used, np.int64))


@inlined
def put(own: Record, other: Record, lots: Ints, tick: int, size: int) -> int:
    """Set a level of a side to so many lots, zero to remove it; what it held before."""
    before = lots[own.base + tick]
    if before == size:
        return before
    lots[own.base + tick] = size
    if size > 0:
        if before == 0:
            own.levels += 1
        if own.sign * (tick - own.best) > 0:
            own.best = tick
            own.changed = 1
            if own.sign * (tick - other.best) >= 0:
                _uncross(other, lots, tick)
        elif tick == own.best:
            own.changed = 1
    else:
        own.levels -= 1
        if tick == own.best:
            own.best = _next(own, lots)
            own.changed = 1
    return before


@inlined
def lots_at(side: Record, lots: Ints, tick: int) -> int:
    """The lots of a side at a tick."""
    return lots[side.base + tick] if side.low <= tick <= side.high else 0


@kernel
def clear(side: Record, lots: Ints) -> None:
    """Take every level off a side."""
    while side.levels > 0:
        lots[side.base + side.best] = 0
        side.levels -= 1
        side.best = _next(side, lots)
    side.changed = 1


@kernel
def _uncross(side: Record, lots: Ints, tick: int) -> None:
    """Remove the levels of a side that the other side's level at a tick reaches."""
    while side.levels > 0 and side.sign * (side.best - tick) >= 0:
        lots[side.base + side.best] = 0
        side.levels -= 1
        side.best = _next(side, lots)
    side.changed = 1


@kernel
def _next(side: Record, lots: Ints) -> int:
    """The best level behind the one that was best."""
    if side.levels == 0:
        return NO_BID if side.sign > 0 else NO_ASK
    tick = side.best - side.sign
    while lots[side.base + tick] == 0:
        tick -= side.sign
    return tick
