"""How a directional strategy trades what it wants to hold: enter and leave at the market, protected by a stop."""

from enum import IntEnum

import numpy as np

from tickline.compiled import inlined
from tickline.signals.desk import (
    Flag,
    Floats,
    Grouping,
    Record,
    cancel,
    cancel_all,
    equity,
    lots_worth,
    market,
    stop,
    take_profit,
)

WANTED = 0
"""Where in its memory a strategy that follows its exposure keeps the last one it wanted."""


class Purpose(IntEnum):
    """What an order is for: its tag."""

    ENTER = 1
    LEAVE = 2
    STOP = 3
    TARGET = 4


@inlined
def follow(desk: Record, memory: Floats, event: Record, wanted: float, share: float) -> None:
    """Where an exposure is known (not NaN) and new, trade to `wanted` (-1 to 1) times `share` of the equity at the
    bar's close, at the market.

    What is still working for the instrument is cancelled first. What is held the other way is closed by an order that
    can only reduce, so that a stop which trades before its cancel arrives closes nothing twice.
    """
    if np.isnan(wanted) or wanted == memory[WANTED] or not desk.trading:
        return
    memory[WANTED] = wanted
    instrument = event.instrument
    cancel_all(desk, instrument)
    lots = lots_worth(desk, instrument, abs(wanted) * share * equity(desk), event.close)
    aim, held = lots if wanted > 0.0 else -lots, desk.positions[instrument].lots
    if held != 0 and (aim == 0 or (aim > 0) != (held > 0)):
        _leave(desk, instrument, held)
        held = 0
    if aim != held:
        market(desk, instrument, aim - held).tag = Purpose.ENTER


@inlined
def at_risk(share: float, price: float, distance: float, risk: float) -> float:
    """The share of equity to hold: at most `share`, and no more than loses `risk` of equity where a stop this far from
    the price is met. `share` itself where risk or distance is not positive.

    Fixed fractional sizing: Vince 1990, Portfolio management formulas. With a stop of two average true ranges and a
    risk of 0.02 it is the turtles' unit (Faith 2007, Way of the Turtle).
    """
    return min(share, risk * price / distance) if risk > 0.0 and distance > 0.0 else share


@inlined
def protect(desk: Record, memory: Floats, event: Record, distance: float, target: float) -> None:
    """After a fill of an entry, stop the position this far from the fill's price, and take profit that far; whichever
    comes first cancels the other. None where a distance is not positive.

    What protected a smaller position is replaced. An entry that came after its exposure was given up is closed.
    """
    if event.tag != Purpose.ENTER:
        return
    instrument, price = event.instrument, event.price
    for nth in range(desk.working):
        if desk.orders[nth].instrument == instrument and desk.orders[nth].tag >= Purpose.STOP:
            cancel(desk, desk.orders[nth].id)
    held = desk.positions[instrument].lots
    side = 1.0 if held > 0 else -1.0
    if held == 0:
        return
    if side * memory[WANTED] <= 0.0:
        _leave(desk, instrument, held)
        return
    group = desk.ordered + 1 if distance > 0.0 and target > 0.0 else 0
    if distance > 0.0 and price - side * distance > 0.0:
        _guard(stop(desk, instrument, -held, price - side * distance), Purpose.STOP, group)
    if target > 0.0 and price + side * target > 0.0:
        _guard(take_profit(desk, instrument, -held, price + side * target), Purpose.TARGET, group)


@inlined
def _leave(desk: Record, instrument: int, held: int) -> None:
    intent = market(desk, instrument, -held)
    intent.flags = Flag.REDUCE_ONLY
    intent.tag = Purpose.LEAVE


@inlined
def _guard(intent: Record, tag: int, group: int) -> None:
    intent.flags = Flag.REDUCE_ONLY
    intent.tag = tag
    intent.group = group
    intent.grouping = Grouping.OCO if group else Grouping.NONE
