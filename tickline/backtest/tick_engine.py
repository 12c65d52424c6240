"""Tick mode: a strategy over recorded trades and books, its orders matched where they would have stood.

Two clocks run. The venue's: a tick happens at `ts`; orders and cancels arrive `order_latency` after they were sent, and
meet the book as it is after every tick up to then. Ours: a tick is known at `ts_recv`, a fill or an end
`answer_latency` after it happened. The strategy's desk holds what is known, the floor's account what is so. At one time
what becomes known comes first, then what happens, then what is due, then the strategy's clock. What is refused here is
known at once; but once a strategy answered an end with something new, what else ends in the same instant is known with
the next tick, so that asking for the impossible again and again moves on with time.

How orders trade:
1. What may trade at once takes the book's levels, best first, at most what each holds; what it took is gone until the
   feed next says what the level holds. What is left of a market order is cancelled; of a limit, it rests.
2. A resting limit stands in the queue of its price (`queueing`). A trade at its price that reaches it fills the lots
   that do, or all of it without `partial_fills`. A trade through its price, or a book whose other side reaches it,
   fills all.
3. Stops and take-profits are triggered by the price of a trade, and from then on are market or limit orders. The
   aggressor of a print without a side is a buyer at or above the best ask, a seller at or below the best bid, and else
   nobody.
4. Positions are marked at the last trade. Where that leaves equity below the maintenance margin, all are closed
   against the book at once. Taking costs what the book says: assumed slippage and impact are of bar mode.

Groups, reduce-only orders and their ends are those of `matching`. What undoes legs is sent once their end is known.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tickline.backtest.bar_engine import Charges, Place
from tickline.backtest.bar_matching import is_called
from tickline.backtest.book import open_books
from tickline.backtest.floor import Clocks, Floor, admit, arrival_due, carry_out, change_level, meets
from tickline.backtest.matching import Log, Seat, is_full, take_in
from tickline.backtest.telling import write_closed, write_fill
from tickline.backtest.ticks import CLOSES, TRADE, Tape
from tickline.compiled import borrowed, inlined, kernel
from tickline.execution.accounting import charge, mark, revalue, settle
from tickline.execution.orders import Happening, Status, ask_to_cancel, happen, sweep
from tickline.signals.desk import NEVER, Action, EventKind, Floats, Grouping, Ints, Record, Records

PACE = np.dtype([(name, np.int64) for name in ("wake", "woken", "sample", "sampled", "answered", "ends", "later")])
"""When the strategy is woken next, for which instrument, when equity is taken next (UTC ns), and how often it was; when
it last answered an end (UTC ns), how many orders had ended by then, and when the tick after that is known."""


def open_floor(tape: Tape, account: Record, clocks: Clocks) -> Floor:
    """The floor at the beginning of a tape; `account` is a DESK of its own, like the strategy's.

    Raises ConfigError where the prices of the tape span too much.
    """
    there, here = (open_books(tape.ticks, int(account["listed"])) for _ in range(2))
    return Floor(account, there, here, np.zeros((sample_times(tape, clocks).size, 2), np.int64), clocks)


def sample_times(tape: Tape, clocks: Clocks) -> Ints:
    """When equity is taken (UTC ns): every whole `sample` from the first tick to when the last is known."""
    if clocks.sample == 0:
        return np.zeros(0, np.int64)
    first, last = int(tape.ticks["ts"][0]), int(tape.ticks["ts_recv"].max())
    return np.arange(-(-first // clocks.sample), last // clocks.sample + 1, dtype=np.int64) * clocks.sample


def build(on_event: Callable[..., None]) -> Callable[..., bool]:
    """The tick engine around a compiled strategy: `run(parameters, memory, seat, place, tape, floor)`.

    It runs the whole tape, and returns whether it could: not where the log is full.
    """

    def run(parameters: Any, memory: Floats, seat: Seat, place: Place, tape: Tape, floor: Floor) -> bool:
        memory, seat, place, tape, floor = borrowed((memory, seat, place, tape, floor))
        desk, event, log, venue, account = seat.desk, seat.event, seat.log, place.venue, floor.account
        ticks, local, count = tape.ticks, tape.local, tape.ticks.size
        there, there_lots, here, here_lots = floor.there.sides, floor.there.lots, floor.here.sides, floor.here.lots
        at_venue, has_margin = Seat(account, log, event), venue.costs[0].maintenance > 0
        happened, known, ts_last = 0, 0, ticks[local[count - 1]].ts_recv
        ts_happens, ts_known = ticks[0].ts, ticks[local[0]].ts_recv
        pace = np.zeros(1, PACE)[0]
        start(pace, event, floor.clocks, tape)
        while not is_full(log):
            due = next_due(seat, place, floor, pace)
            calm = True
            while calm and min(ts_known, ts_happens) <= due and happened + known < 2 * count:
                if ts_known <= ts_happens:
                    if is_told(desk, event, here, here_lots, ticks[local[known]]):
                        on_event(parameters, memory, event, desk)
                        calm = desk.asked == 0
                    known += 1
                    ts_known = ticks[local[known]].ts_recv if known < count else NEVER
                else:
                    if meets(account, venue, there, there_lots, ticks[happened]) or (
                        has_margin and is_called(account, venue)
                    ):
                        log.tally.ts, log.tally.row = ts_happens, happened
                        carry_out(at_venue, venue, floor.there)
                        calm = False
                    happened += 1
                    ts_happens = ticks[happened].ts if happened < count else NEVER
            if calm:
                if due > ts_last:
                    return True
                log.tally.ts, log.tally.row, event.ts = due, max(happened - 1, 0), due
                if attends(seat, place, floor, pace, tape.closes):
                    asked = desk.asked
                    on_event(parameters, memory, event, desk)
                    if desk.asked > asked and event.kind == EventKind.CLOSED:
                        note_answer(pace, due, log, ts_known)
            if desk.asked:
                hand_over(seat, account, venue)
        return False

    return run


@kernel
def start(pace: Record, event: Record, clocks: Clocks, tape: Tape) -> None:
    """Set the clocks to the beginning of a tape."""
    ts = tape.ticks[0].ts
    pace.wake, pace.sample = _multiple_after(ts, clocks.wake), _multiple_after(ts - 1, clocks.sample)
    event.session_close = _close_after(tape.closes, ts)


@kernel
def next_due(seat: Seat, place: Place, floor: Floor, pace: Record) -> int:
    """When the next thing is due that is not a tick (UTC ns)."""
    log, latency = seat.log, place.venue.answer_latency
    ours = min(answer_due(log, latency, pace), accepted_due(seat.desk, latency))
    theirs = min(arrival_due(floor.account), charge_due(log, place.charges))
    return min(ours, theirs, pace.wake, pace.sample, seat.event.session_close)


@kernel
def attends(seat: Seat, place: Place, floor: Floor, pace: Record, closes: Ints) -> bool:
    """Do what is due at the event's time: one thing, and another when asked again. Whether it makes an event, which is
    then written."""
    event, log, account = seat.event, seat.log, floor.account
    ts, latency = event.ts, place.venue.answer_latency
    if answer_due(log, latency, pace) == ts:
        return hears(seat, account, latency, pace)
    if accepted_due(seat.desk, latency) == ts:
        hear_accepted(seat.desk, ts - latency)
    elif arrival_due(account) <= ts:
        admit(Seat(account, log, event), place.venue, floor.there)
    elif charge_due(log, place.charges) <= ts:
        pay(seat, account, place.charges)
    elif event.session_close == ts:
        event.session_close = _close_after(closes, ts)
    elif pace.sample == ts:
        floor.track[pace.sampled, 0], floor.track[pace.sampled, 1] = account.equity, account.cash
        pace.sampled, pace.sample = pace.sampled + 1, pace.sample + floor.clocks.sample
    else:
        wake(seat, floor, pace)
        return True
    return False


@kernel
def wake(seat: Seat, floor: Floor, pace: Record) -> None:
    """Write the event that wakes the strategy for its next instrument."""
    nth = pace.woken
    bids, asks = floor.here.sides[2 * nth], floor.here.sides[2 * nth + 1]
    seat.event.kind, seat.event.instrument = EventKind.CLOCK, nth
    write_quote(seat.event, bids, asks, floor.here.lots, seat.desk.instruments[nth])
    pace.woken = nth + 1
    if pace.woken == seat.desk.listed:
        pace.woken, pace.wake = 0, pace.wake + floor.clocks.wake


@kernel
def hears(seat: Seat, account: Record, latency: int, pace: Record) -> bool:
    """Take note of the fill or end that became known; whether it makes an event, which is then written."""
    desk, event, log, tally = seat.desk, seat.event, seat.log, seat.log.tally
    if _fill_due(log, latency) <= _end_due(log, latency, pace):
        fill = log.fills[tally.told_fills]
        tally.told_fills += 1
        hear_fill(desk, fill)
        write_fill(event, fill, desk.instruments[fill.instrument].tick_size)
        return True
    order = log.ended[tally.told_ended]
    tally.told_ended += 1
    hear_end(desk, account, order)
    if order.status != Status.FILLED:
        write_closed(event, order)
    return bool(order.status != Status.FILLED)


@inlined
def is_told(desk: Record, event: Record, sides: Records, lots: Ints, tick: Record) -> bool:
    """Take note here of a tick; whether it makes an event, which is then written: a print, or a message of levels that
    left another best bid or ask, or another size there."""
    instrument = tick.instrument
    bids, asks, grid = sides[2 * instrument], sides[2 * instrument + 1], desk.instruments[instrument]
    if tick.kind == TRADE:
        mark(desk, instrument, tick.price)
        event.kind, event.side = EventKind.TRADE, tick.side
        event.price, event.volume = tick.price * grid.tick_size, tick.lots * grid.lot_size
    else:
        change_level(bids, asks, lots, tick)
        if not (tick.flags & CLOSES and (bids.changed or asks.changed)):
            return False
        bids.changed = asks.changed = 0
        event.kind = EventKind.BOOK
    event.ts, event.instrument = tick.ts_recv, instrument
    write_quote(event, bids, asks, lots, grid)
    return True


@inlined
def write_quote(event: Record, bids: Record, asks: Record, lots: Ints, grid: Record) -> None:
    """Write the best bid and ask to an event: NaN, and a size of 0, where there is none."""
    event.bid = bids.best * grid.tick_size if bids.levels else np.nan
    event.ask = asks.best * grid.tick_size if asks.levels else np.nan
    event.bid_size = lots[bids.base + bids.best] * grid.lot_size if bids.levels else 0.0
    event.ask_size = lots[asks.base + asks.best] * grid.lot_size if asks.levels else 0.0


@kernel
def hand_over(seat: Seat, account: Record, venue: Record) -> None:
    """Send what was asked on the event at hand: orders and cancels are on their way to the floor."""
    desk, asked, working = seat.desk, seat.desk.asked, seat.desk.working
    desk.ordered = max(desk.ordered, account.ordered)
    ts_effective = seat.event.ts + venue.order_latency
    take_in(seat, venue, ts_effective)
    for nth in range(asked):
        if desk.intents[nth].action == Action.CANCEL:
            ask_to_cancel(account, desk.intents[nth].order, ts_effective)
    for nth in range(working, desk.working):
        account.orders[account.working] = desk.orders[nth]
        account.working += 1
    account.ordered = desk.ordered


@kernel
def hear_accepted(desk: Record, ts: int) -> None:
    """Take it that the venue has the orders that arrived by a time (UTC ns) and did not end."""
    for nth in range(desk.working):
        order = desk.orders[nth]
        if order.status == Status.SENT and order.ts_effective <= ts:
            happen(order, Happening.ACCEPT)


@kernel
def hear_fill(desk: Record, fill: Record) -> None:
    """Book a fill of the floor at the strategy's desk."""
    settle(desk, fill.instrument, fill.lots, fill.price, fill.fee)
    revalue(desk)
    for nth in range(desk.working):
        order = desk.orders[nth]
        if order.id == fill.order:
            if order.status == Status.SENT:
                happen(order, Happening.ACCEPT)
            order.filled += fill.lots
            happen(order, Happening.FILL_REST if order.filled == order.lots else Happening.FILL_PART)
    sweep(desk)


@kernel
def hear_end(desk: Record, account: Record, ended: Record) -> None:
    """Take an order that ended off the strategy's desk; where it was a leg, ask there for what is to be undone."""
    for nth in range(desk.working):
        order = desk.orders[nth]
        if order.id == ended.id:
            order.status = ended.status
    sweep(desk)
    if ended.grouping == Grouping.LEGS and ended.status != Status.FILLED:
        kept = 0
        for nth in range(account.asked):
            if account.intents[nth].group == ended.group:
                desk.intents[desk.asked] = account.intents[nth]
                desk.asked += 1
            else:
                account.intents[kept] = account.intents[nth]
                kept += 1
        account.asked = kept


@kernel
def pay(seat: Seat, account: Record, charges: Charges) -> None:
    """Charge what is due next, by the position as it is; it is known at once."""
    tally, nth = seat.log.tally, seat.log.tally.charged
    tally.charged += 1
    instrument, rate = charges.instrument[nth], charges.rate[nth]
    if charges.shorts[nth]:
        rate = -rate if account.positions[instrument].lots < 0 else 0
    paid = charge(account, instrument, rate)
    seat.desk.cash -= paid
    seat.desk.equity -= paid
    seat.desk.charges += paid


@inlined
def note_answer(pace: Record, ts: int, log: Log, later: int) -> None:
    """Take note that the strategy answered an end, before that is sent: its first answer at a time (UTC ns) counts."""
    if ts > pace.answered:
        pace.answered, pace.ends, pace.later = ts, log.tally.ended, later


@inlined
def answer_due(log: Log, latency: int, pace: Record) -> int:
    """When the next fill or end becomes known (UTC ns)."""
    return min(_fill_due(log, latency), _end_due(log, latency, pace))


@inlined
def charge_due(log: Log, charges: Charges) -> int:
    """When the next charge is due (UTC ns)."""
    return charges.ts[log.tally.charged] if log.tally.charged < charges.ts.size else NEVER


@kernel
def accepted_due(desk: Record, latency: int) -> int:
    """When the next order is known to have arrived (UTC ns)."""
    due = NEVER
    for nth in range(desk.working):
        if desk.orders[nth].status == Status.SENT:
            due = min(due, desk.orders[nth].ts_effective + latency)
    return due


@inlined
def _fill_due(log: Log, latency: int) -> int:
    tally = log.tally
    return log.fills[tally.told_fills].ts + latency if tally.told_fills < tally.fills else NEVER


@inlined
def _end_due(log: Log, latency: int, pace: Record) -> int:
    """What was refused here is known at once; what had not ended when an end of that time was answered, later."""
    tally = log.tally
    if tally.told_ended == tally.ended:
        return NEVER
    ended = log.ended[tally.told_ended]
    due = ended.ts_ended + (latency if ended.id else 0)
    if due > pace.answered:
        return due
    return pace.answered if tally.told_ended < pace.ends else pace.later


@kernel
def _close_after(closes: Ints, ts: int) -> int:
    """The first end of a session after a time (UTC ns)."""
    nth = np.searchsorted(closes, ts, side="right")
    return closes[nth] if nth < closes.size else NEVER


@kernel
def _multiple_after(ts: int, every: int) -> int:
    """The first multiple of `every` after a time; NEVER where `every` is 0."""
    return (ts // every + 1) * every if every else NEVER
