"""Breakout: in where the close leaves the channel of the bars before it, out at a shorter opposite one or an ATR stop.

Source: the Turtle rules, Curtis Faith, Way of the Turtle (2007).
"""

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from tickline.compiled import inlined
from tickline.signals.desk import EventKind, Floats, Record
from tickline.signals.online import atr, atr_size, donchian, donchian_size
from tickline.signals.strategies.following import WANTED, at_risk, follow, protect
from tickline.signals.strategy import Strategy


class Parameters(NamedTuple):
    """Channels and `atr` in bars; `stop` in average true ranges from the entry, 0 for none; `share` of equity to hold
    at most, and `risk` the share of it to lose at most where the stop is met, 0 for any."""

    enter: Annotated[int, Field(ge=2, le=5_000)] = 55
    leave: Annotated[int, Field(ge=1, le=5_000)] = 20
    atr: Annotated[int, Field(ge=1, le=1_000)] = 20
    stop: Annotated[float, Field(ge=0, le=100)] = 2.0
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    risk: Annotated[float, Field(ge=0, le=1)] = 0.0
    short: bool = True


RANGE, HELD, TOP, BOTTOM, SHORTS_END, LONGS_END, FIRST = range(WANTED + 1, WANTED + 8)
"""Where the memory keeps the average true range, the exposure, and the edges of both channels as of the bar before; and
where its windows begin."""


def check(p: Parameters) -> str | None:
    """What is wrong with parameters that are each within their bounds."""
    return None if p.leave <= p.enter else f"leave = {p.leave} has to be at most enter = {p.enter}"


def state_size(p: Parameters) -> int:
    """The floats this remembers: two channels and the average true range."""
    return FIRST + donchian_size(p.enter) + donchian_size(p.leave) + atr_size(p.atr)


@inlined
def exposure(p: Parameters, memory: Floats, event: Record, signals: Floats) -> float:
    """1 from a close above the channel to one below the shorter channel, -1 (or 0) the other way, 0 else.

    NaN before the channel is full.
    """
    leave_at = FIRST + donchian_size(p.enter)
    top, bottom, shorts_end, longs_end = memory[TOP], memory[BOTTOM], memory[SHORTS_END], memory[LONGS_END]
    memory[TOP], _, memory[BOTTOM] = donchian(memory[FIRST:], event.high, event.low, p.enter)
    memory[SHORTS_END], _, memory[LONGS_END] = donchian(memory[leave_at:], event.high, event.low, p.leave)
    ranged = atr(memory[leave_at + donchian_size(p.leave) :], event.high, event.low, event.close, p.atr)
    if not np.isnan(ranged):
        memory[RANGE] = ranged
    if np.isnan(top) or top == 0.0:  # before the first bar there was none
        return np.nan
    held, close = float(memory[HELD]), event.close
    if (held > 0.0 and close < longs_end) or (held < 0.0 and close > shorts_end):
        held = 0.0
    if close > top:
        held = 1.0
    elif close < bottom:
        held = -1.0 if p.short else 0.0
    memory[HELD] = held
    return held


def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
    """Go with the break, and protect each entry."""
    if event.kind == EventKind.BAR:
        wanted = exposure(p, memory, event, desk.signals)
        share = at_risk(p.share, event.close, p.stop * memory[RANGE], p.risk)
        follow(desk, memory, event, wanted, share)
    elif event.kind == EventKind.FILL:
        protect(desk, memory, event, p.stop * memory[RANGE], 0.0)


STRATEGY = Strategy(
    name="donchian_breakout",
    describe="Breakout of a Donchian channel, out at a shorter one, with an ATR stop",
    parameters=Parameters,
    state_size=state_size,
    on_event=on_event,
    exposure=exposure,
    check=check,
)
