"""Bar mode: a strategy over bars, its orders matched against what each bar says of the prices inside it.

The conventions, in the order they apply to the bars that close at one time, of all instruments together:

1. At the open, cancels and expiries that came due take effect; orders that arrived meanwhile begin to work. An order
   takes part in the first bar that opens at or after its arrival.
2. At the open, market orders trade at the open. Stops whose trigger the open has passed trade at the open, which is
   worse than the trigger. Resting limits and take-profits the open has passed trade at the open, which is better. What
   trades at once or not at all has this open alone.
3. Within the bar, stops come first (a bar does not say in which order it saw its prices; this is the worse one), at
   their trigger; then limits and take-profits, at their price. What a fill at the open asked for takes part, but what
   can only trade at an open waits for the next, and so does a stop-limit that was triggered here.
4. At the close, what was due before it is charged and the positions are marked; where equity no longer covers their
   maintenance margin, they are closed at the close. Then the strategy sees the bars. With `at_close`, market orders it
   asks for on them trade at their close.

Buys look at the asks and sells at the bids where the bars have quotes, at trades where not. What takes pays slippage
and impact, also beyond the bar's range.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from tickline.backtest.bar_matching import (
    arrive,
    give_room,
    is_called,
    liquidate,
    match_close,
    match_open,
    match_within,
    stirs,
)
from tickline.backtest.matching import Seat, is_full, take_in
from tickline.backtest.telling import teller
from tickline.compiled import borrowed, inlined, kernel
from tickline.execution.accounting import charge, mark
from tickline.signals.desk import NEVER, Floats, Ints, Record, Records

_LOOK_AHEAD = 32
"""So many bars at a time are searched for one that matters to working orders: a strategy may ask for more meanwhile."""


class Bars(NamedTuple):
    """Bars in the order they become known: by close, of one close the longer ones first.

    Row by row: the EVENT the strategy is shown, the BAR its orders meet (those of stream 0 are matched), and a column
    for each declared signal.
    """

    events: Records
    bars: Records
    signals: Floats


class Charges(NamedTuple):
    """What positions pay as time passes: at a time (UTC ns) a rate in parts per billion, positive where longs pay; of
    short positions alone where `shorts` is set, which then pay it."""

    ts: Ints
    instrument: Ints
    rate: Ints
    shorts: Ints


class Rows(NamedTuple):
    """Rows of bars that close at one time: from `first` to before `end`."""

    first: int
    end: int


class Place(NamedTuple):
    """Where orders trade: one VENUE of assumptions, and what positions pay there."""

    venue: Record
    charges: Charges


def build(on_event: Any) -> Callable[..., int]:  # noqa: PLR0915 - what is compiled with the strategy
    """The bar engine around a compiled strategy: `run(parameters, memory, seat, place, bars, track, first)`.

    It runs the bars from row `first` on, writes the account's equity after each, and its cash where there is a second
    column, in units, to the rows of `track` where that has any, and returns the row after the last it ran, which is not
    the end where the log is full.
    """
    tell, react = teller(on_event), inlined(on_event.py_func)

    @inlined
    def match(parameters: Any, memory: Floats, seat: Seat, venue: Record, bars: Bars, rows: Rows) -> None:
        """Match the working orders against the bars of one close; what is asked on fills at their opens takes part in
        the rest of them, unless something later was known by then."""
        ts = bars.events[rows.first - 1].ts if rows.first > 0 else 0
        for row in range(rows.first, rows.end):
            if bars.events[row].stream == 0:
                seat.log.tally.row = row
                match_open(seat, venue, bars.bars[row])
                ts = max(ts, bars.bars[row].ts_open)
        if tell(parameters, memory, seat, ts):
            take_in(seat, venue, ts)
            for row in range(rows.first, rows.end):
                if bars.events[row].stream == 0:
                    arrive(seat, bars.bars[row], False)
        for row in range(rows.first, rows.end):
            if bars.events[row].stream == 0:
                seat.log.tally.row = row
                match_within(seat, venue, bars.bars[row])

    @njit(nogil=True)
    def match_last(parameters: Any, memory: Floats, seat: Seat, venue: Record, bars: Bars, rows: Rows) -> None:
        """Trade what was just asked for at the bars' closes."""
        for row in range(rows.first, rows.end):
            if bars.events[row].stream == 0:
                seat.log.tally.row = row
                match_close(seat, venue, bars.bars[row])
        ts = bars.events[rows.first].ts
        if tell(parameters, memory, seat, ts):
            take_in(seat, venue, ts)

    @njit(nogil=True)
    def coast(parameters: Any, memory: Floats, desk: Record, bars: Bars, track: Ints, row: int, due: int) -> int:  # noqa: PLR0913, PLR0917
        """Show the strategy bars of its only instrument, from a row on, while nothing happens before it sees them:
        most bars. The row after the last it was shown, on which it may have asked for something."""
        memory, bars, track = borrowed((memory, bars, track))
        last = bars.events.size if due == NEVER else np.searchsorted(bars.events["ts"], due, side="right")
        while row < last:
            still = min(still_until(desk, bars, row), last)
            if row == still:
                break
            while row < still:
                event = bars.events[row]
                if event.stream != 0:
                    return row
                mark(desk, 0, bars.bars[row].mark)
                show(desk, bars, row)
                react(parameters, memory, event, desk)
                keep(track, row, desk)
                row += 1
                if desk.asked:
                    return row
        return row

    @inlined
    def close(parameters: Any, memory: Floats, seat: Seat, place: Place, bars: Bars, rows: Rows) -> None:
        """All that happens until bars of one close are over and the strategy sees them."""
        tally, venue, ts = seat.log.tally, place.venue, bars.events[rows.first].ts
        seat.event.session_close = bars.events[rows.first].session_close
        if not is_idle(seat, bars, rows):
            match(parameters, memory, seat, venue, bars, rows)
        elif venue.at_close:
            for row in range(rows.first, rows.end):
                if bars.events[row].stream == 0:
                    give_room(seat, venue, bars.bars[row])
        tally.ts = ts
        pay(seat, place.charges, ts)
        for row in range(rows.first, rows.end):
            if bars.events[row].stream == 0:
                mark(seat.desk, bars.bars[row].instrument, bars.bars[row].mark)
        if venue.costs[0].maintenance and is_called(seat.desk, venue):
            close_out(seat, venue, bars, rows)
        if is_news(tally) and tell(parameters, memory, seat, ts):
            take_in(seat, venue, ts + venue.order_latency)

    def run(parameters: Any, memory: Floats, seat: Seat, place: Place, bars: Bars, track: Ints, first: int) -> int:  # noqa: PLR0913, PLR0917
        memory, seat, place, bars, track = borrowed((memory, seat, place, bars, track))
        desk, venue, tally = seat.desk, place.venue, seat.log.tally
        may_coast = desk.listed == 1 and not venue.at_close and not venue.costs[0].maintenance
        row, rows = first, Rows(first, first)
        while row < bars.events.size:
            if row == rows.end:
                if is_full(seat.log):
                    return row
                rows = Rows(row, end_of_close(bars.events, row))
                close(parameters, memory, seat, place, bars, rows)
            event = bars.events[row]
            show(desk, bars, row)
            on_event(parameters, memory, event, desk)
            ask(seat, venue, event)
            if venue.at_close and desk.working and row == rows.end - 1:
                match_last(parameters, memory, seat, venue, bars, rows)
            keep(track, row, desk)
            row += 1
            if may_coast and row == rows.end and not is_news(tally):
                row = coast(parameters, memory, desk, bars, track, row, next_due(place.charges, tally))
                if row > rows.end:
                    ask(seat, venue, bars.events[row - 1])
                rows = Rows(row, row)
        if first < row:
            tally.ts = bars.events[row - 1].ts
        return row

    return run


@inlined
def show(desk: Record, bars: Bars, row: int) -> None:
    """Put a row's signals on the desk."""
    for nth in range(bars.signals.shape[1]):
        desk.signals[nth] = bars.signals[row, nth]


@inlined
def ask(seat: Seat, venue: Record, event: Record) -> None:
    """Send what a strategy asked for on an event of the input."""
    if seat.desk.asked:
        seat.event.ts, seat.event.session_close = event.ts, event.session_close
        take_in(seat, venue, event.ts + venue.order_latency)


@inlined
def keep(track: Ints, row: int, desk: Record) -> None:
    """Keep equity after a row and, where the track has a column for it, cash."""
    if track.shape[0]:
        track[row, 0] = desk.equity
        if track.shape[1] > 1:
            track[row, 1] = desk.cash


@inlined
def end_of_close(events: Records, row: int) -> int:
    """The row after the last that closes when this one does."""
    end = row + 1
    while end < events.size and events[end].ts == events[row].ts:
        end += 1
    return end


@inlined
def is_news(tally: Record) -> bool:
    """Whether something traded or ended that the strategy was not told of."""
    return tally.told_fills < tally.fills or tally.told_ended < tally.ended


@inlined
def is_idle(seat: Seat, bars: Bars, rows: Rows) -> bool:
    """Whether to match the bars of one close would change nothing: there is nothing to tell, and they stir no order."""
    if is_news(seat.log.tally):
        return False
    if seat.desk.working:
        for row in range(rows.first, rows.end):
            if bars.events[row].stream == 0 and stirs(seat.desk, bars.bars[row]):
                return False
    return True


@kernel
def still_until(desk: Record, bars: Bars, row: int) -> int:
    """The first row, from one on, whose bar stirs a working order, or one before which none does."""
    if not desk.working:
        return bars.events.size
    last = min(row + _LOOK_AHEAD, bars.events.size)
    while row < last and not (bars.events[row].stream == 0 and stirs(desk, bars.bars[row])):
        row += 1
    return row


@kernel
def close_out(seat: Seat, venue: Record, bars: Bars, rows: Rows) -> None:
    """Close the positions of the instruments that have bars."""
    for row in range(rows.first, rows.end):
        if bars.events[row].stream == 0:
            seat.log.tally.row = row
            liquidate(seat, venue, bars.bars[row])


@inlined
def next_due(charges: Charges, tally: Record) -> int:
    """When the next charge is made (UTC ns)."""
    return charges.ts[tally.charged] if tally.charged < charges.ts.size else NEVER


@kernel
def pay(seat: Seat, charges: Charges, ts: int) -> None:
    """Charge what came due before a time (UTC ns)."""
    tally = seat.log.tally
    while tally.charged < charges.ts.size and charges.ts[tally.charged] < ts:
        nth = tally.charged
        instrument = charges.instrument[nth]
        if not charges.shorts[nth]:
            charge(seat.desk, instrument, charges.rate[nth])
        elif seat.desk.positions[instrument].lots < 0:
            charge(seat.desk, instrument, -charges.rate[nth])
        tally.charged += 1
