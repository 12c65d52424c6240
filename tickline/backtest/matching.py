"""What happens to orders at a venue, whatever the venue's prices come from: intake, fills, groups, ends.

Both engines stand on this. What traded and what ended is logged in the order it happened.
"""

from typing import NamedTuple

import numpy as np

from tickline.compiled import kernel
from tickline.execution.accounting import fee_of, fits, revalue, settle
from tickline.execution.orders import (
    Happening,
    Refusal,
    Status,
    ask_to_cancel,
    happen,
    is_over,
    refusal,
    remaining,
    send,
    sweep,
    write,
)
from tickline.signals.desk import (
    MOST_INSTRUMENTS,
    MOST_INTENTS,
    MOST_WORKING,
    ORDER,
    Action,
    Flag,
    Grouping,
    Kind,
    Record,
    Records,
    TimeInForce,
    market,
)

FILL = np.dtype(
    [
        (name, np.int64)
        for name in ("order", "instrument", "ts", "row", "lots", "price", "fee", "maker", "group", "grouping", "tag")
    ]
)
"""A trade of ours at `ts` (UTC ns) on what row `row` of the input said: signed lots, price in ticks, fee in units."""

TALLY = np.dtype(
    [
        *((name, np.int64) for name in ("fills", "ended", "told_fills", "told_ended", "charged", "ts", "row")),
        ("room", np.float64, (MOST_INSTRUMENTS,)),
    ]
)
"""How many fills and ended orders a log holds, of how many the strategy was told, how many charges were made; the time
at hand (UTC ns), the row of the input that tells of it, and how many more lots of each instrument it has for us."""

_COVERED = 4
"""Beside the flags of an order: a sell of an account that may not sell short, which only sells what is held."""

_ROOM = 4 * (MOST_WORKING + MOST_INTENTS)


class Log(NamedTuple):
    """What traded and which orders ended, in the order it happened; the first so many of each that the tally says."""

    fills: Records
    ended: Records
    tally: Record


class Seat(NamedTuple):
    """Where a strategy sits: its desk, its log, and a record to tell it things by."""

    desk: Record
    log: Log
    event: Record


def new_log(entries: int) -> Log:
    """An empty log with room for at least this many fills and ended orders."""
    return Log(np.zeros(entries + _ROOM, FILL), np.zeros(entries + _ROOM, ORDER), np.zeros(1, TALLY)[0])


@kernel
def is_full(log: Log) -> bool:
    """Whether what one row of the input can cause might not fit the log."""
    return log.tally.fills + _ROOM > log.fills.size or log.tally.ended + _ROOM > log.ended.size


class Fee(NamedTuple):
    """What a fill is charged, in parts per billion, and whether it made the price it traded at."""

    rate: int
    maker: int


@kernel
def take_in(seat: Seat, venue: Record, ts_effective: int) -> None:
    """Make orders of what was asked on the event at hand; the venue has them, and cancels, from `ts_effective` on.

    Where one of a group's legs is refused, so are the others that were asked for with it.
    """
    desk, log, event = seat.desk, seat.log, seat.event
    if not desk.trading:
        desk.asked = 0
    working, ended = desk.working, log.tally.ended
    for nth in range(desk.asked):
        intent = desk.intents[nth]
        if intent.action == Action.CANCEL:
            ask_to_cancel(desk, intent.order, ts_effective)
            continue
        if intent.tif == TimeInForce.DAY:
            intent.expires = event.session_close
        reason = refusal(desk, intent)
        if reason == Refusal.NONE:
            reason = _cannot_carry(desk, intent, venue)
        if reason == Refusal.NONE and intent.grouping == Grouping.LEGS:
            reason = _refused_leg(log, ended, intent.group)
        if reason == Refusal.NONE:
            order = send(desk, intent, event.ts, ts_effective)
            if intent.lots < 0 and not venue.costs[intent.instrument].can_short:
                order.flags |= _COVERED
        else:
            _log_refused(log, intent, reason, event.ts)
            if intent.grouping == Grouping.LEGS:
                _refuse_legs(seat, working, intent.group, reason)
    desk.asked = 0


@kernel
def trade(seat: Seat, order: Record, lots: int, price: int, fee: Fee) -> int:
    """Fill signed lots of an order at a price in ticks; the lots that traded, fewer where it may only reduce and there
    were no more to reduce: what is left of it is then cancelled.

    The others of its group hear of it.
    """
    desk, log, asked = seat.desk, seat.log, lots
    lots = tradable(desk, order, lots)
    if lots == 0:
        end(desk, log, order, Happening.CANCEL)
        return 0
    tick_value = desk.instruments[order.instrument].tick_value
    assert fits(lots, price, tick_value)
    paid = fee_of(abs(lots) * price * tick_value, fee.rate)
    settle(desk, order.instrument, lots, price, paid)
    revalue(desk)
    fill = log.fills[log.tally.fills]
    log.tally.fills += 1
    fill.order = order.id
    fill.instrument = order.instrument
    fill.ts = log.tally.ts
    fill.row = log.tally.row
    fill.lots = lots
    fill.price = price
    fill.fee = paid
    fill.maker = fee.maker
    fill.group = order.group
    fill.grouping = order.grouping
    fill.tag = order.tag
    order.filled += lots
    if order.filled == order.lots:
        end(desk, log, order, Happening.FILL_REST)
    else:
        happen(order, Happening.FILL_PART)
        if lots != asked:
            end(desk, log, order, Happening.CANCEL)
    if order.grouping == Grouping.OCO:
        _cancel_others(desk, log, order)
    return lots


@kernel
def tradable(desk: Record, order: Record, lots: int) -> int:
    """How many of these lots of an order may trade: no more than it may reduce, where that is all it may."""
    if not order.flags & (Flag.REDUCE_ONLY | _COVERED):
        return lots
    held = desk.positions[order.instrument].lots
    if held == 0 or (held > 0) == (lots > 0):
        return 0
    return lots if abs(lots) <= abs(held) else -held


@kernel
def end(desk: Record, log: Log, order: Record, happening: int) -> None:
    """Let an order end, log it, and undo the legs it belongs to where it ended unfilled."""
    _close(log, order, happening)
    if order.grouping == Grouping.LEGS and order.status != Status.FILLED:
        _cancel_others(desk, log, order)
        _unwind(desk, log, order.group)


@kernel
def reject(desk: Record, log: Log, order: Record, reason: int) -> None:
    """Let the venue refuse an order that was on its way."""
    order.reason = reason
    end(desk, log, order, Happening.REJECT)


@kernel
def lapse(desk: Record, log: Log, ts: int) -> None:
    """Carry out the cancels the venue has by `ts`, and let expire what had its time (UTC ns)."""
    for nth in range(desk.working):
        order = desk.orders[nth]
        if is_over(order):
            continue
        if order.ts_cancel <= ts:
            end(desk, log, order, Happening.CANCEL)
        elif order.expires <= ts and (order.tif == TimeInForce.GTT or order.tif == TimeInForce.DAY):
            end(desk, log, order, Happening.EXPIRE)


@kernel
def _close(log: Log, order: Record, happening: int) -> None:
    happen(order, happening)
    order.ts_ended = log.tally.ts
    log.ended[log.tally.ended] = order
    log.tally.ended += 1


@kernel
def _cancel_others(desk: Record, log: Log, order: Record) -> None:
    """Cancel the others of an order's group; they do not cancel or undo in turn."""
    for nth in range(desk.working):
        other = desk.orders[nth]
        same = other.group == order.group and other.grouping == order.grouping
        if same and other.id != order.id and not is_over(other):
            _close(log, other, Happening.CANCEL)


@kernel
def _unwind(desk: Record, log: Log, group: int) -> None:
    """Ask for market orders, one an instrument, that undo what the legs of a group traded so far; each fill once."""
    first = desk.asked
    for nth in range(log.tally.fills):
        fill = log.fills[nth]
        if fill.group == group and fill.grouping == Grouping.LEGS:
            fill.grouping = Grouping.NONE
            asked = first
            while asked < desk.asked and desk.intents[asked].instrument != fill.instrument:
                asked += 1
            if asked < desk.asked:
                desk.intents[asked].lots -= fill.lots
            else:
                intent = market(desk, fill.instrument, -fill.lots)
                intent.tag, intent.group = fill.tag, group


@kernel
def _cannot_carry(desk: Record, intent: Record, venue: Record) -> int:
    """Whether the position an intent may lead to is more than the account may hold: its instrument's worst case over
    all working orders, and the others as they stand."""
    if intent.flags & Flag.REDUCE_ONLY:
        return Refusal.NONE
    needed = 0.0
    for nth in range(desk.listed):
        buys = sells = desk.positions[nth].lots
        for at in range(desk.working):
            order = desk.orders[at]
            if order.instrument == nth and not is_over(order) and not order.flags & Flag.REDUCE_ONLY:
                buys += max(remaining(order), 0)
                sells += min(remaining(order), 0)
        if nth == intent.instrument:
            buys += max(intent.lots, 0)
            sells += min(intent.lots, 0)
            if sells < 0 and intent.lots < 0 and not venue.costs[nth].can_short:
                return Refusal.NO_SHORT
        price = desk.positions[nth].mark
        if nth == intent.instrument and intent.kind == Kind.LIMIT and intent.lots > 0:
            price = min(price, intent.price)
        worst = float(max(abs(buys), abs(sells))) * float(price) * float(desk.instruments[nth].tick_value)
        needed += worst * float(venue.costs[nth].margin) / 1e9
    held = abs(desk.positions[intent.instrument].lots)
    shrinks = abs(desk.positions[intent.instrument].lots + intent.lots) < held
    return Refusal.NO_MARGIN if needed > float(desk.equity) and not shrinks else Refusal.NONE


@kernel
def _refused_leg(log: Log, first: int, group: int) -> int:
    """Why a leg of a group was refused, among what ended from place `first` of the log on; NONE where none was."""
    for nth in range(first, log.tally.ended):
        if log.ended[nth].group == group and log.ended[nth].grouping == Grouping.LEGS:
            return log.ended[nth].reason
    return Refusal.NONE


@kernel
def _refuse_legs(seat: Seat, first: int, group: int, reason: int) -> None:
    """Refuse what was sent of a group's legs, from place `first` of the desk's orders on."""
    desk, log = seat.desk, seat.log
    for nth in range(first, desk.working):
        order = desk.orders[nth]
        if order.group == group and order.grouping == Grouping.LEGS:
            happen(order, Happening.REJECT)
            order.reason = reason
            order.ts_ended = seat.event.ts
            log.ended[log.tally.ended] = order
            log.tally.ended += 1
    sweep(desk)


@kernel
def _log_refused(log: Log, intent: Record, reason: int, ts: int) -> None:
    refused = log.ended[log.tally.ended]
    log.tally.ended += 1
    write(refused, 0, intent, ts, ts)
    refused.reason = reason
    refused.ts_ended = ts
    happen(refused, Happening.REJECT)
