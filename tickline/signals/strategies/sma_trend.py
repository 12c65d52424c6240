"""Trend following: long while the fast mean is above the slow one, short (or flat) below, out at an ATR stop."""

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from tickline.compiled import inlined
from tickline.signals.desk import EventKind, Floats, Record
from tickline.signals.online import atr, atr_size, ema, sma, sma_size
from tickline.signals.strategies.following import WANTED, follow, protect
from tickline.signals.strategy import Strategy


class Parameters(NamedTuple):
    """Windows in bars; `stop` in average true ranges from the entry, 0 for none; `share` of equity to hold."""

    fast: Annotated[int, Field(ge=1, le=1_000)] = 20
    slow: Annotated[int, Field(ge=2, le=5_000)] = 100
    exponential: bool = False
    atr: Annotated[int, Field(ge=1, le=1_000)] = 14
    stop: Annotated[float, Field(ge=0, le=100)] = 3.0
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    short: bool = True


RANGE, FIRST = WANTED + 1, WANTED + 2
"""Where the memory keeps the average true range, and where its windows begin."""


def check(p: Parameters) -> str | None:
    """What is wrong with parameters that are each within their bounds."""
    return None if p.fast < p.slow else f"fast = {p.fast} has to be less than slow = {p.slow}"


def state_size(p: Parameters) -> int:
    """The floats this remembers: two windows and the average true range."""
    return FIRST + sma_size(p.fast) + sma_size(p.slow) + atr_size(p.atr)


@inlined
def exposure(p: Parameters, memory: Floats, event: Record, signals: Floats) -> float:
    """1 while the fast mean is above the slow one, -1 (or 0) below, NaN before both are known."""
    slow_at = FIRST + sma_size(p.fast)
    if p.exponential:
        fast, slow = ema(memory[FIRST:], event.close, p.fast), ema(memory[slow_at:], event.close, p.slow)
    else:
        fast, slow = sma(memory[FIRST:], event.close, p.fast), sma(memory[slow_at:], event.close, p.slow)
    if p.stop > 0.0:
        ranged = atr(memory[slow_at + sma_size(p.slow) :], event.high, event.low, event.close, p.atr)
        if not np.isnan(ranged):
            memory[RANGE] = ranged
    if np.isnan(fast) or np.isnan(slow):
        return np.nan
    return 1.0 if fast > slow else -1.0 if p.short else 0.0


def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
    """Turn with the means, and protect each entry."""
    if event.kind == EventKind.BAR:
        follow(desk, memory, event, exposure(p, memory, event, desk.signals), p.share)
    elif event.kind == EventKind.FILL:
        protect(desk, memory, event, p.stop * memory[RANGE], 0.0)


STRATEGY = Strategy(
    name="sma_trend",
    describe="Trend by two moving averages, with an ATR stop",
    parameters=Parameters,
    state_size=state_size,
    on_event=on_event,
    exposure=exposure,
    check=check,
)
