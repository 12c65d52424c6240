"""What a bar does to working orders: which begin to work, are triggered, trade and end in it, at which prices.

The conventions are those `tickline.backtest.bar_engine` states; here is what one bar of one instrument comes to.
"""

import numpy as np

from tickline.backtest.matching import Fee, Seat, end, lapse, reject, take_in, tradable, trade
from tickline.compiled import inlined, kernel
from tickline.execution.accounting import mark
from tickline.execution.orders import Happening, Refusal, Status, happen, is_over, remaining, sweep
from tickline.signals.desk import Flag, Kind, Record, TimeInForce, market

PRICES = np.dtype([(name, np.int64) for name in ("open", "high", "low", "close")])
BAR = np.dtype(
    [
        *((name, np.int64) for name in ("ts_open", "ts_close", "instrument", "mark")),
        *(("ask", PRICES), ("bid", PRICES)),
        ("volume", np.float64),
    ]
)
"""What orders are matched against: times in UTC ns, prices in ticks; asks are what buys pay, bids what sells get."""


@kernel
def give_room(seat: Seat, venue: Record, bar: Record) -> None:
    """Let orders have their share of a bar's volume."""
    room = np.inf
    if venue.participation < np.inf:
        traded = bar.volume / seat.desk.instruments[bar.instrument].lot_size
        room = np.floor(traded * venue.participation + 1e-9)
    seat.log.tally.room[bar.instrument] = room


@inlined
def stirs(desk: Record, bar: Record) -> bool:
    """Whether anything may happen to any order in a bar: a cancel, expiry or arrival is due by its open, or one of its
    prices reaches it."""
    for nth in range(desk.working):
        order = desk.orders[nth]
        is_due = order.ts_cancel <= bar.ts_open or order.expires <= bar.ts_open
        if is_due or (order.instrument == bar.instrument and _may_trade(order, bar)):
            return True
    return False


@kernel
def arrive(seat: Seat, bar: Record, at_open: bool) -> None:
    """Let the orders that arrived by a bar's open work. Those that are asked for on fills at the open, and trade at an
    open or not at all, wait for the next."""
    for nth in range(seat.desk.working):
        order = seat.desk.orders[nth]
        if (
            order.status != Status.SENT
            or order.instrument != bar.instrument
            or order.ts_effective > bar.ts_open
            or (not at_open and (order.kind == Kind.MARKET or order.tif == TimeInForce.IOC))
        ):
            continue
        if order.flags & Flag.POST_ONLY and _passed(order, _side(order, bar).open):
            reject(seat.desk, seat.log, order, Refusal.WOULD_TAKE)
        else:
            happen(order, Happening.ACCEPT)
            order.ts_effective = bar.ts_open  # while nothing was quoted it stood nowhere


@kernel
def match_open(seat: Seat, venue: Record, bar: Record) -> None:
    """Let what came due take effect, and trade what trades at a bar's open."""
    seat.log.tally.ts = bar.ts_open
    give_room(seat, venue, bar)
    lapse(seat.desk, seat.log, bar.ts_open)
    arrive(seat, bar, True)
    for nth in range(seat.desk.working):
        order = seat.desk.orders[nth]
        if not _works(order, bar):
            continue
        price = _side(order, bar).open
        if _waits(order) and _sets_off(order, price, price):
            order.triggered = bar.ts_open
        if _is_limit(order):
            is_only_touched = venue.through and price == order.price and _rested(order, bar, price)
            if _passed(order, price) and not is_only_touched:
                _fill(seat, venue, bar, order, price)
        elif not _waits(order):
            _take(seat, venue, bar, order, price)
        if order.tif == TimeInForce.IOC and not is_over(order):
            end(seat.desk, seat.log, order, Happening.CANCEL)
    sweep(seat.desk)


@kernel
def match_within(seat: Seat, venue: Record, bar: Record) -> None:
    """Trade what a bar's prices reach after its open; what arrived later than that may find it reached already."""
    # When within the bar, it does not say: by its close.
    seat.log.tally.ts = bar.ts_close
    for nth in range(seat.desk.working):
        order = seat.desk.orders[nth]
        side = _side(order, bar)
        if order.kind == Kind.TAKE_PROFIT or not _works(order, bar) or not _waits(order):
            continue
        if _sets_off(order, side.high, side.low):
            # A stop-limit may trade from the next bar on: where the price went after the trigger, the bar does not say.
            order.triggered = bar.ts_close
            if order.kind == Kind.STOP:
                _take(seat, venue, bar, order, side.open if _sets_off(order, side.open, side.open) else order.trigger)
    for nth in range(seat.desk.working):
        order = seat.desk.orders[nth]
        side = _side(order, bar)
        if not _works(order, bar) or order.triggered == bar.ts_close:
            continue
        if order.kind == Kind.TAKE_PROFIT and _waits(order) and _sets_off(order, side.high, side.low):
            order.triggered = bar.ts_close
            _take(seat, venue, bar, order, side.open if _sets_off(order, side.open, side.open) else order.trigger)
        elif _is_limit(order):
            best = side.low if order.lots > 0 else side.high
            if _passed(order, best) and not (venue.through and best == order.price):
                _fill(seat, venue, bar, order, side.open if _passed(order, side.open) else order.price)
    sweep(seat.desk)


@kernel
def match_close(seat: Seat, venue: Record, bar: Record) -> None:
    """Trade the market orders that were just sent at this bar's close."""
    for nth in range(seat.desk.working):
        order = seat.desk.orders[nth]
        is_new = order.status == Status.SENT and order.ts_sent == bar.ts_close
        if is_new and order.kind == Kind.MARKET and order.instrument == bar.instrument:
            happen(order, Happening.ACCEPT)
            order.ts_effective = bar.ts_close
            _take(seat, venue, bar, order, _side(order, bar).close)
    sweep(seat.desk)
    mark(seat.desk, bar.instrument, bar.mark)


@kernel
def is_called(desk: Record, venue: Record) -> bool:
    """Whether equity does not cover the maintenance margin of all positions."""
    needed = 0.0
    for nth in range(desk.listed):
        position = desk.positions[nth]
        worth = float(abs(position.lots)) * float(position.mark) * float(desk.instruments[nth].tick_value)
        needed += worth * float(venue.costs[nth].maintenance) / 1e9
    return float(desk.equity) < needed


@kernel
def liquidate(seat: Seat, venue: Record, bar: Record) -> None:
    """Close an instrument's position at the bar's close, whatever its volume."""
    desk, instrument = seat.desk, bar.instrument
    lots, working = desk.positions[instrument].lots, desk.working
    if lots == 0:
        return
    market(desk, instrument, -lots).flags = Flag.REDUCE_ONLY
    seat.event.ts = bar.ts_close
    take_in(seat, venue, bar.ts_close)
    if desk.working > working:
        order = desk.orders[working]
        happen(order, Happening.ACCEPT)
        seat.log.tally.room[instrument] = np.inf
        _take(seat, venue, bar, order, _side(order, bar).close)
        seat.log.tally.room[instrument] = 0.0
        sweep(desk)
        mark(desk, instrument, bar.mark)


@kernel
def _may_trade(order: Record, bar: Record) -> bool:
    """Whether an order of a bar's instrument may begin to work, be triggered, trade or end in it."""
    if order.status == Status.SENT:
        return order.ts_effective <= bar.ts_open
    side = _side(order, bar)
    if _waits(order):
        return _sets_off(order, side.high, side.low)
    if _is_limit(order):
        return _passed(order, side.low if order.lots > 0 else side.high)
    return True


@kernel
def _works(order: Record, bar: Record) -> bool:
    working = order.status == Status.WORKING or order.status == Status.PARTLY_FILLED
    return working and order.instrument == bar.instrument


@kernel
def _waits(order: Record) -> bool:
    """Whether an order waits to be triggered."""
    return order.kind >= Kind.STOP and not order.triggered


@kernel
def _is_limit(order: Record) -> bool:
    """Whether an order trades at its price or better: from the first, or since it was triggered."""
    return order.kind == Kind.LIMIT or (order.kind == Kind.STOP_LIMIT and order.triggered != 0)


@kernel
def _side(order: Record, bar: Record) -> Record:
    return bar.ask if order.lots > 0 else bar.bid


@kernel
def _sets_off(order: Record, high: int, low: int) -> bool:
    """Whether prices between these reach the trigger of a stop or a take-profit."""
    rises = (order.lots > 0) == (order.kind != Kind.TAKE_PROFIT)
    return high >= order.trigger if rises else low <= order.trigger


@kernel
def _passed(order: Record, price: int) -> bool:
    """Whether a price is as good as a limit asks for."""
    return _is_limit(order) and (price <= order.price if order.lots > 0 else price >= order.price)


@kernel
def _rested(order: Record, bar: Record, price: int) -> bool:
    """Whether an order that trades at a price made it: it stood there before, or the market came to it."""
    return max(order.ts_effective, order.triggered) < bar.ts_open or price != _side(order, bar).open


@kernel
def _take(seat: Seat, venue: Record, bar: Record, order: Record, price: int) -> None:
    """Trade what is left of an order against the market: slippage and impact move the price against it."""
    lots = _at_most(seat, order)
    if lots:
        cost = venue.costs[order.instrument]
        share = cost.slippage / 1e9
        if cost.impact > 0.0 and bar.volume > 0.0:
            size = abs(tradable(seat.desk, order, lots)) * seat.desk.instruments[order.instrument].lot_size
            share += cost.impact / 1e9 * np.sqrt(size / bar.volume)
        worse = cost.slippage_ticks + int(np.ceil(price * share - 1e-9))
        price = price + worse if lots > 0 else max(price - worse, 1)
        seat.log.tally.room[order.instrument] -= abs(trade(seat, order, lots, price, Fee(cost.taker, 0)))


@kernel
def _fill(seat: Seat, venue: Record, bar: Record, order: Record, price: int) -> None:
    """Trade what is left of an order at its own or a better price; it made that price where it had rested."""
    lots = _at_most(seat, order)
    if lots:
        cost = venue.costs[order.instrument]
        rested = _rested(order, bar, price)
        if order.flags & Flag.POST_ONLY and not rested:
            end(seat.desk, seat.log, order, Happening.CANCEL)
            return
        fee = Fee(cost.maker, 1) if rested else Fee(cost.taker, 0)
        seat.log.tally.room[order.instrument] -= abs(trade(seat, order, lots, price, fee))


@kernel
def _at_most(seat: Seat, order: Record) -> int:
    lots, room = remaining(order), seat.log.tally.room[order.instrument]
    if abs(lots) <= room:
        return lots
    return int(room) if lots > 0 else -int(room)
