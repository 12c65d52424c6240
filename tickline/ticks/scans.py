"""Rules that need a row's neighbours: out of order, jump and frozen.

Each is a step `(state, row) -> action` over one instrument's rows, compiled once and called by both the batch loop
below and the live firewall, so the two cannot disagree. Two of them cannot always judge a row when it comes: they
hold it until the rows that follow say whether it or what came before it was wrong.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

PASS, HOLD, RELEASE, REPLACE, OPEN = range(5)
"""What a step says. PASS: the row passes, rows held before it are refused. HOLD: the row is held too. RELEASE: it and
the held rows pass. REPLACE: the held rows are refused and the row is held instead. OPEN: the first reference is found;
every held row, this one included, passes if it is near it and is refused if not."""

MAX_CONFIRM = 64
"""The most rows a scan ever holds."""


class OrderLimits(NamedTuple):
    """How far event time may fall back, and how many late rows in a row prove the clock wrong."""

    tolerance_ns: int
    confirm: int


class JumpLimits(NamedTuple):
    """How far (as a share of the reference, and in price units) a price may move, and how many confirm a new level."""

    ratio: float
    floor: float
    confirm: int


class FrozenLimits(NamedTuple):
    """How many equal quotes in a row, over how long, are a frozen feed."""

    rows: int
    span_s: float


Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Verdict = NDArray[np.uint8]
Quote = tuple[float, float, float, float]
"""Bid, bid size, ask, ask size; NaN where the venue quotes no size."""


@nb.njit(cache=True)
def order_state() -> Ints:
    """A clock that has seen nothing: the latest time, the last held time, the number of held rows."""
    return np.array([np.iinfo(np.int64).min, 0, 0], dtype=np.int64)


@nb.njit(cache=True)
def order_step(state: Ints, ts: int, limits: OrderLimits) -> int:
    """Judge a row's event time by the rows its delivery numbered before it.

    A row further behind the latest time than the tolerance is held. `limits.confirm` such rows in a row, in order among
    themselves, prove that the latest time was wrong: they pass and the clock is set back to them.
    """
    clock, last_held, held = state[0], state[1], state[2]
    if clock == np.iinfo(np.int64).min or ts >= clock - limits.tolerance_ns:
        state[0] = max(clock, ts)
        state[2] = 0
        return PASS
    state[1] = ts
    if held > 0 and ts < last_held - limits.tolerance_ns:
        state[2] = 1
        return REPLACE
    state[2] = held + 1
    if state[2] < limits.confirm:
        return HOLD
    state[0] = ts
    state[2] = 0
    return RELEASE


@nb.njit(cache=True)
def jump_state() -> Floats:
    """No reference yet: reference, level of the held rows, their number, the prices held before the first reference."""
    state = np.zeros(3 + MAX_CONFIRM)
    state[0] = np.nan
    return state


@nb.njit(cache=True)
def near(price: float, reference: float, limits: JumpLimits) -> bool:
    """Whether a price is no further from the reference than the limits allow."""
    return abs(price - reference) <= max(limits.ratio * reference, limits.floor)


@nb.njit(cache=True)
def jump_step(state: Floats, price: float, limits: JumpLimits) -> int:
    """Judge a price by the reference, the last price that passed.

    A price away from it is held; `limits.confirm` prices in a row near the first of them prove a new level: they pass
    and the reference moves there. A price near the reference refutes them. The first reference is the median of the
    first `limits.confirm` prices, so that a day beginning with a bad tick is not judged by it.
    """
    reference, level, held = state[0], state[1], int(state[2])
    if np.isnan(reference):
        state[3 + held] = price
        state[2] = held + 1
        return HOLD if held + 1 < limits.confirm else jump_open(state)
    if near(price, reference, limits):
        state[0] = price
        state[2] = 0
        return PASS
    if held > 0 and not near(price, level, limits):
        state[1] = price
        state[2] = 1
        return REPLACE
    if held == 0:
        state[1] = price
    state[2] = held + 1
    if held + 1 < limits.confirm:
        return HOLD
    state[0] = price
    state[2] = 0
    return RELEASE


@nb.njit(cache=True)
def jump_open(state: Floats) -> int:
    """Take the median of the prices held so far (the lower of two middle ones) as the first reference."""
    held = int(state[2])
    state[0] = np.sort(state[3 : 3 + held])[(held - 1) // 2]
    state[2] = 0
    return OPEN


@nb.njit(cache=True)
def frozen_state() -> Floats:
    """No quote yet: bid, bid size, ask, ask size, times seen, time first seen in seconds."""
    return np.zeros(6)


@nb.njit(cache=True)
def frozen_step(state: Floats, quote: Quote, seconds: float, limits: FrozenLimits) -> bool:
    """Whether this is the `limits.rows`-th or a later one of equal quotes in a row, over `limits.span_s` or more.

    `seconds` is when it was received.
    """
    same = state[4] > 0
    for at in range(4):
        same = same and (quote[at] == state[at] or (np.isnan(quote[at]) and np.isnan(state[at])))
    if not same:
        for at in range(4):
            state[at] = quote[at]
        state[4] = 0
        state[5] = seconds
    state[4] += 1
    return bool(state[4] >= limits.rows and seconds - state[5] >= limits.span_s)


@nb.njit(cache=True)
def _settle(action: int, row: int, held: Ints, count: int, verdict: Verdict, code: int) -> int:
    """Apply a step's action to a row and the `count` rows held before it; how many are held after it."""
    if action in (PASS, REPLACE):
        verdict[held[:count]] = code
        count = 0
    if action in (HOLD, REPLACE):
        held[count] = row
        return count + 1
    return 0


@nb.njit(cache=True)
def in_order(delivery: Ints, seq: Ints, verdict: Verdict) -> bool:
    """Whether the rows that passed so far, which ascend in time, also ascend as their deliveries numbered them."""
    last = -1
    for row in range(len(seq)):
        if verdict[row] == 0:
            if last >= 0 and (delivery[row], seq[row]) < (delivery[last], seq[last]):
                return False
            last = row
    return True


@nb.njit(cache=True)
def scan_order(order: Ints, delivery: Ints, ts: Ints, limits: OrderLimits, verdict: Verdict, code: int) -> None:
    """Mark one instrument's rows that are out of order. `order` lists those to judge as each delivery numbered them."""
    state = order_state()
    held = np.empty(MAX_CONFIRM, dtype=np.int64)
    count = 0
    for at in range(len(order)):
        row = order[at]
        if at > 0 and delivery[row] != delivery[order[at - 1]]:
            verdict[held[:count]] = code
            count = 0
            state = order_state()
        count = _settle(order_step(state, ts[row], limits), row, held, count, verdict, code)
    verdict[held[:count]] = code


@nb.njit(cache=True)
def scan_jumps(price: Floats, limits: JumpLimits, verdict: Verdict, code: int) -> None:
    """Mark one instrument's unconfirmed jumps among the rows that passed so far.

    Rows still held at the end are refused; a day too short for a first reference takes the median of what it has.
    """
    state = jump_state()
    held = np.empty(MAX_CONFIRM, dtype=np.int64)
    count = 0
    for row in range(len(price)):
        if verdict[row] != 0:
            continue
        action = jump_step(state, price[row], limits)
        if action == OPEN:
            held[count] = row
            _refuse_away(price, held[: count + 1], state[0], limits, verdict, code)
            count = 0
        else:
            count = _settle(action, row, held, count, verdict, code)
    if np.isnan(state[0]) and count > 0:
        jump_open(state)
    _refuse_away(price, held[:count], state[0], limits, verdict, code)


@nb.njit(cache=True)
def _refuse_away(price: Floats, held: Ints, reference: float, limits: JumpLimits, verdict: Verdict, code: int) -> None:
    for row in held:
        if not near(price[row], reference, limits):
            verdict[row] = code


@nb.njit(cache=True)
def scan_frozen(
    quotes: tuple[Floats, Floats, Floats, Floats], seconds: Floats, limits: FrozenLimits, verdict: Verdict, code: int
) -> None:
    """Mark one instrument's frozen quotes among the rows that passed so far. `quotes` are the columns of a `Quote`."""
    bid, bid_size, ask, ask_size = quotes
    state = frozen_state()
    for row in range(len(seconds)):
        quote = (bid[row], bid_size[row], ask[row], ask_size[row])
        if verdict[row] == 0 and frozen_step(state, quote, seconds[row], limits):
            verdict[row] = code
