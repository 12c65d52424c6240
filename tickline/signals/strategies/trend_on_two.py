"""Trend on two timeframes: turn with two means of the bars, but only the way a longer timeframe's own mean points."""

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from tickline.compiled import inlined
from tickline.signals.desk import EventKind, Floats, Record
from tickline.signals.online import atr, atr_size, ema, ema_size, sma, sma_size
from tickline.signals.strategies.following import WANTED, follow, protect
from tickline.signals.strategy import Strategy


class Parameters(NamedTuple):
    """`fast`, `slow` and `atr` in bars, `trend` in bars of the longer timeframe; `stop` in average true ranges from the
    entry, 0 for none; `share` of equity to hold."""

    fast: Annotated[int, Field(ge=1, le=1_000)] = 10
    slow: Annotated[int, Field(ge=2, le=5_000)] = 40
    trend: Annotated[int, Field(ge=2, le=5_000)] = 50
    atr: Annotated[int, Field(ge=1, le=1_000)] = 14
    stop: Annotated[float, Field(ge=0, le=100)] = 3.0
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    short: bool = True


TREND = 1
"""The stream of the longer timeframe."""

RANGE, SIDE, FIRST = range(WANTED + 1, WANTED + 4)
"""Where the memory keeps the average true range and the trend's side, and where its windows begin."""


def check(p: Parameters) -> str | None:
    """What is wrong with parameters that are each within their bounds."""
    return None if p.fast < p.slow else f"fast = {p.fast} has to be less than slow = {p.slow}"


def state_size(p: Parameters) -> int:
    """The floats this remembers: two exponential means, the trend's mean and the average true range."""
    return FIRST + ema_size(p.fast) + ema_size(p.slow) + atr_size(p.atr) + sma_size(p.trend)


@inlined
def exposure(p: Parameters, memory: Floats, event: Record, signals: Floats) -> float:
    """1 while the fast mean is above the slow one and the longer timeframe's close above its mean, -1 (or 0) while both
    are below, 0 while they differ; NaN on bars of the longer timeframe, and before all is known."""
    slow_at = FIRST + ema_size(p.fast)
    atr_at = slow_at + ema_size(p.slow)
    if event.stream == TREND:
        mean = sma(memory[atr_at + atr_size(p.atr) :], event.close, p.trend)
        if not np.isnan(mean):
            memory[SIDE] = 1.0 if event.close > mean else -1.0
        return np.nan
    fast, slow = ema(memory[FIRST:], event.close, p.fast), ema(memory[slow_at:], event.close, p.slow)
    ranged = atr(memory[atr_at:], event.high, event.low, event.close, p.atr)
    if not np.isnan(ranged):
        memory[RANGE] = ranged
    if np.isnan(fast) or np.isnan(slow) or memory[SIDE] == 0.0:
        return np.nan
    side = 1.0 if fast > slow else -1.0
    return side if side == memory[SIDE] and (side > 0.0 or p.short) else 0.0


def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
    """Turn where both timeframes agree, and protect each entry."""
    if event.kind == EventKind.BAR:
        follow(desk, memory, event, exposure(p, memory, event, desk.signals), p.share)
    elif event.kind == EventKind.FILL:
        protect(desk, memory, event, p.stop * memory[RANGE], 0.0)


STRATEGY = Strategy(
    name="trend_on_two",
    describe="Trend by two moving averages, the way a longer timeframe points, with an ATR stop",
    parameters=Parameters,
    state_size=state_size,
    on_event=on_event,
    streams=("bars", "trend"),
    exposure=exposure,
    check=check,
)
