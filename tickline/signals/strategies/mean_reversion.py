"""Mean reversion: against a close beyond a Bollinger band with an extreme RSI, until the price is back at its mean.

Sources: John Bollinger, Bollinger on Bollinger Bands (2001); J. Welles Wilder, New Concepts (1978).
"""

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from tickline.compiled import inlined
from tickline.signals.desk import EventKind, Floats, Record
from tickline.signals.online import atr, atr_size, bollinger, bollinger_size, rsi, rsi_size
from tickline.signals.strategies.following import WANTED, follow, protect
from tickline.signals.strategy import Strategy


class Parameters(NamedTuple):
    """Windows in bars; `width` of the band in standard deviations; `extreme` is the RSI to buy at, 100 less it the one
    to sell at; `stop` and `target` in average true ranges from the entry, 0 for none; `share` of equity to hold."""

    window: Annotated[int, Field(ge=2, le=5_000)] = 20
    width: Annotated[float, Field(gt=0, le=10)] = 2.0
    rsi: Annotated[int, Field(ge=1, le=1_000)] = 14
    extreme: Annotated[float, Field(gt=0, lt=50)] = 30.0
    atr: Annotated[int, Field(ge=1, le=1_000)] = 14
    stop: Annotated[float, Field(ge=0, le=100)] = 3.0
    target: Annotated[float, Field(ge=0, le=100)] = 0.0
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    short: bool = True


RANGE, HELD, FIRST = range(WANTED + 1, WANTED + 4)
"""Where the memory keeps the average true range and the exposure, and where its windows begin."""


def state_size(p: Parameters) -> int:
    """The floats this remembers: the band, the strength and the average true range."""
    return FIRST + bollinger_size(p.window) + rsi_size(p.rsi) + atr_size(p.atr)


@inlined
def exposure(p: Parameters, memory: Floats, event: Record, signals: Floats) -> float:
    """1 from an oversold close below the band to one at the mean, -1 (or 0) from an overbought one above it, 0 else.

    NaN before all is known.
    """
    rsi_at = FIRST + bollinger_size(p.window)
    close, held = event.close, float(memory[HELD])
    upper, middle, lower = bollinger(memory[FIRST:], close, p.window, p.width)
    strength = rsi(memory[rsi_at:], close, p.rsi)
    ranged = atr(memory[rsi_at + rsi_size(p.rsi) :], event.high, event.low, close, p.atr)
    if not np.isnan(ranged):
        memory[RANGE] = ranged
    if np.isnan(upper) or np.isnan(strength):
        return np.nan
    if (held > 0.0 and close >= middle) or (held < 0.0 and close <= middle):
        held = 0.0
    if held == 0.0 and close < lower and strength <= p.extreme:
        held = 1.0
    elif held == 0.0 and close > upper and strength >= 100.0 - p.extreme and p.short:
        held = -1.0
    memory[HELD] = held
    return held


def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
    """Go against the extreme, and protect each entry."""
    if event.kind == EventKind.BAR:
        follow(desk, memory, event, exposure(p, memory, event, desk.signals), p.share)
    elif event.kind == EventKind.FILL:
        protect(desk, memory, event, p.stop * memory[RANGE], p.target * memory[RANGE])


STRATEGY = Strategy(
    name="mean_reversion",
    describe="Against Bollinger bands and RSI, out at the mean, with an ATR stop and target",
    parameters=Parameters,
    state_size=state_size,
    on_event=on_event,
    exposure=exposure,
)
