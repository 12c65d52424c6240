"""The venue's floor in tick mode: its book, and the orders that stand in it as if they had been there.

Orders meet every tick (`meets`); what that reached or triggered is carried out (`carry_out`), and so is what arrives
(`admit`). The conventions are those at the top of `tick_engine`.
"""

from typing import NamedTuple

import numpy as np

from tickline.backtest.bar_matching import is_called
from tickline.backtest.book import Books, clear, lots_at, put
from tickline.backtest.matching import Fee, Seat, end, is_full, lapse, reject, trade
from tickline.backtest.ticks import CLEARS, TRADE
from tickline.compiled import inlined, kernel
from tickline.execution.accounting import mark
from tickline.execution.orders import Happening, Refusal, Status, happen, is_over, remaining, send, sweep
from tickline.execution.queueing import NOWHERE, change_to, join, trade_at, trade_through
from tickline.signals.desk import (
    MOST_WORKING,
    NEVER,
    Flag,
    Ints,
    Kind,
    Record,
    Records,
    TimeInForce,
    market,
)


class Clocks(NamedTuple):
    """Every how many ns of UTC a strategy that asks for it is woken, and equity is taken; 0 for never."""

    wake: int = 0
    sample: int = 0


class Floor(NamedTuple):
    """Where orders meet the market: the account as it is (a DESK of its own) and the books there; the books as they are
    known here; equity and cash in units at each sample, and when those are."""

    account: Record
    there: Books
    here: Books
    track: Ints
    clocks: Clocks


@inlined
def meets(account: Record, venue: Record, sides: Records, lots: Ints, tick: Record) -> bool:
    """Let a tick happen; whether it reached or triggered an order."""
    instrument = tick.instrument
    bids, asks = sides[2 * instrument], sides[2 * instrument + 1]
    if tick.kind == TRADE:
        mark(account, instrument, tick.price)
        return account.working > 0 and _meet_trade(account, tick, bids.best, asks.best)
    own = bids if tick.side > 0 else asks
    best, before = own.best, change_level(bids, asks, lots, tick)
    return account.working > 0 and _meet_level(account, venue, tick, before, own.best if own.best != best else 0)


@inlined
def change_level(bids: Record, asks: Record, lots: Ints, tick: Record) -> int:
    """Set the level a tick tells of; the lots it held before."""
    if tick.flags & CLEARS:
        clear(bids, lots)
        clear(asks, lots)
    if tick.side > 0:
        return put(bids, asks, lots, tick.price, tick.lots)
    return put(asks, bids, lots, tick.price, tick.lots)


@kernel
def carry_out(seat: Seat, venue: Record, books: Books) -> None:
    """Fill what was reached and set off what was triggered, oldest first; close everything where the margin is gone."""
    desk = seat.desk
    for nth in range(desk.working):
        order = desk.orders[nth]
        if not _works(order) or is_full(seat.log):
            continue
        if order.reached:
            lots = remaining(order)
            if venue.partial_fills and order.reached < abs(lots):
                lots = order.reached if lots > 0 else -order.reached
            order.reached = 0
            trade(seat, order, lots, order.price, Fee(venue.costs[order.instrument].maker, 1))
        elif order.triggered and np.isnan(order.ahead):
            _set_off(seat, venue, books, order)
    sweep(desk)
    if venue.costs[0].maintenance and is_called(desk, venue):
        _close_all(seat, venue, books)


@kernel
def admit(seat: Seat, venue: Record, books: Books) -> None:
    """Carry out the cancels and expiries that are due, and let the orders that arrived trade or rest, oldest first."""
    desk, log = seat.desk, seat.log
    ts = log.tally.ts
    lapse(desk, log, ts)
    for nth in range(desk.working):
        order = desk.orders[nth]
        if order.status != Status.SENT or order.ts_effective > ts or is_full(log):
            continue
        if order.kind == Kind.LIMIT and _would_take(order, books):
            reject(desk, log, order, Refusal.WOULD_TAKE)
            continue
        happen(order, Happening.ACCEPT)
        order.ahead = NOWHERE
        if _waits(order) and _sets_off(order, desk.positions[order.instrument].mark):
            order.triggered = ts
        if not _waits(order):
            _set_off(seat, venue, books, order)
    sweep(desk)


@kernel
def arrival_due(desk: Record) -> int:
    """When the next order or cancel arrives or an order expires (UTC ns)."""
    due = NEVER
    for nth in range(desk.working):
        order = desk.orders[nth]
        due = min(due, order.ts_cancel)
        if order.status == Status.SENT:
            due = min(due, order.ts_effective)
        if order.tif == TimeInForce.GTT or order.tif == TimeInForce.DAY:
            due = min(due, order.expires)
    return due


@kernel
def _meet_trade(desk: Record, tick: Record, bid: int, ask: int) -> bool:
    """Let the working orders meet a trade; whether one of them was reached or triggered."""
    met = False
    side = tick.side
    if side == 0:
        side = 1 if tick.price >= ask else -1 if tick.price <= bid else 0
    for nth in range(desk.working):
        order = desk.orders[nth]
        if not _works(order) or order.instrument != tick.instrument:
            continue
        if _waits(order):
            if _sets_off(order, tick.price):
                order.triggered = tick.ts
                met = True
        elif order.lots * side < 0:
            beyond = order.price - tick.price if order.lots > 0 else tick.price - order.price
            if beyond > 0:
                trade_through(order)
            elif beyond == 0:
                trade_at(order, tick.lots)
            met = met or order.reached > 0
    return met


@kernel
def _meet_level(desk: Record, venue: Record, tick: Record, before: int, best: int) -> bool:
    """Let the working orders meet a change of a level from `before` lots; whether the book reached one of them.

    `best` is the new best price of the level's side where it changed, else 0.
    """
    met = False
    lot_size = desk.instruments[tick.instrument].lot_size
    for nth in range(desk.working):
        order = desk.orders[nth]
        if not _works(order) or order.instrument != tick.instrument or _waits(order):
            continue
        if order.lots * tick.side > 0:
            if order.price == tick.price:
                change_to(order, venue.queue, before, tick.lots, lot_size)
        elif best and tick.side * (best - order.price) >= 0:
            trade_through(order)
            met = True
    return met


@kernel
def _set_off(seat: Seat, venue: Record, books: Books, order: Record) -> None:
    """Let an order trade at once what it may; what is left of it rests or is cancelled."""
    limited = order.kind == Kind.LIMIT or order.kind == Kind.STOP_LIMIT
    if _would_take(order, books):
        order.reason = Refusal.WOULD_TAKE
    else:
        _take(seat, venue, books, order, order.price if limited else NEVER)
    if is_over(order):
        return
    if limited and order.tif != TimeInForce.IOC and order.reason == Refusal.NONE:
        own = books.sides[2 * order.instrument + (order.lots < 0)]
        join(order, lots_at(own, books.lots, order.price))
    else:
        end(seat.desk, seat.log, order, Happening.CANCEL)


@kernel
def _take(seat: Seat, venue: Record, books: Books, order: Record, price: int) -> None:
    """Trade with the other side's levels, best first, up to a price (NEVER: any); what is taken leaves the book."""
    own = books.sides[2 * order.instrument + (order.lots < 0)]
    other = books.sides[2 * order.instrument + (order.lots > 0)]
    fee = Fee(venue.costs[order.instrument].taker, 0)
    while not is_over(order) and other.levels and not is_full(seat.log):
        best = other.best
        if price != NEVER and other.sign * (best - price) < 0:
            return
        there = lots_at(other, books.lots, best)
        lots = min(there, abs(remaining(order)))
        done = trade(seat, order, lots if order.lots > 0 else -lots, best, fee)
        put(other, own, books.lots, best, there - abs(done))


@kernel
def _close_all(seat: Seat, venue: Record, books: Books) -> None:
    """Close every position against the book, as a venue does."""
    desk = seat.desk
    asked = desk.asked
    for nth in range(desk.listed):
        lots = desk.positions[nth].lots
        if lots == 0 or desk.working == MOST_WORKING:
            continue
        intent = market(desk, nth, -lots)
        intent.flags = Flag.REDUCE_ONLY
        desk.asked = asked
        order = send(desk, intent, seat.log.tally.ts, seat.log.tally.ts)
        happen(order, Happening.ACCEPT)
        _set_off(seat, venue, books, order)
    sweep(desk)


@kernel
def _would_take(order: Record, books: Books) -> bool:
    """Whether a post-only order would trade at once."""
    if not order.flags & Flag.POST_ONLY or (order.kind != Kind.LIMIT and order.kind != Kind.STOP_LIMIT):
        return False
    other = books.sides[2 * order.instrument + (order.lots > 0)]
    return other.levels > 0 and other.sign * (other.best - order.price) >= 0


@kernel
def _works(order: Record) -> bool:
    return order.status == Status.WORKING or order.status == Status.PARTLY_FILLED


@kernel
def _waits(order: Record) -> bool:
    """Whether an order waits to be triggered."""
    return order.kind >= Kind.STOP and not order.triggered


@kernel
def _sets_off(order: Record, price: int) -> bool:
    """Whether a price sets off a stop or a take-profit; 0 stands for no price yet."""
    if price == 0:
        return False
    rises = (order.lots > 0) == (order.kind != Kind.TAKE_PROFIT)
    return price >= order.trigger if rises else price <= order.trigger
