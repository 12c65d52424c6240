"""What a strategy is told of its own orders, whichever engine carries them out."""

from collections.abc import Callable
from typing import Any

from numba import njit

from tickline.backtest.matching import Seat
from tickline.compiled import kernel
from tickline.execution.orders import Status
from tickline.signals.desk import EventKind, Floats, Record


def teller(on_event: Callable[..., None]) -> Any:
    """A compiled function that tells a strategy, at a time in UTC ns, of every fill and every order that ended since it
    was last told; whether it then asked for anything. What comes of that is told when it is called again."""

    @njit(nogil=True)
    def tell(parameters: Any, memory: Floats, seat: Seat, ts: int) -> bool:
        log, desk, event = seat.log, seat.desk, seat.event
        tally = log.tally
        event.ts = ts
        while tally.told_fills < tally.fills or tally.told_ended < tally.ended:
            if tally.told_fills < tally.fills:
                fill = log.fills[tally.told_fills]
                tally.told_fills += 1
                write_fill(event, fill, desk.instruments[fill.instrument].tick_size)
                on_event(parameters, memory, event, desk)
                continue
            order = log.ended[tally.told_ended]
            tally.told_ended += 1
            if order.status != Status.FILLED:
                write_closed(event, order)
                on_event(parameters, memory, event, desk)
        return desk.asked > 0

    return tell


@kernel
def write_fill(event: Record, fill: Record, tick_size: float) -> None:
    """Make a record the event of a fill."""
    event.kind = EventKind.FILL
    event.instrument = fill.instrument
    event.order = fill.order
    event.tag = fill.tag
    event.lots = fill.lots
    event.price = fill.price * tick_size


@kernel
def write_closed(event: Record, order: Record) -> None:
    """Make a record the event of an order that ended without being filled whole."""
    event.kind = EventKind.CLOSED
    event.instrument = order.instrument
    event.order = order.id
    event.tag = order.tag
    event.lots = order.lots - order.filled
    event.status = order.status
