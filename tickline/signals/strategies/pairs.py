"""Pairs: two instruments whose log prices move together; against the distance between them, until it is gone.

The first is regressed on the second over a rolling window. How far it is from that line, in standard deviations of the
window's residuals, says when to enter; both legs go in as one group. Source: Evan Gatev, William Goetzmann and Geert
Rouwenhorst, Pairs Trading, Review of Financial Studies 19 (2006); the ratio by ordinary least squares.
"""

import math
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from tickline.compiled import inlined
from tickline.signals.desk import EventKind, Flag, Floats, Grouping, Record, equity, lots_worth, market
from tickline.signals.online import moments, moments_size
from tickline.signals.strategies.following import Purpose
from tickline.signals.strategy import Strategy


class Parameters(NamedTuple):
    """`window` of the regression and `hold`, the longest to stay, in bars; `enter` and `leave` in standard deviations
    from the mean; `share` of equity that both legs together are worth."""

    window: Annotated[int, Field(ge=10, le=5_000)] = 120
    enter: Annotated[float, Field(gt=0, le=10)] = 2.0
    leave: Annotated[float, Field(ge=0, lt=10)] = 0.0
    hold: Annotated[int, Field(ge=1, le=100_000)] = 240
    share: Annotated[float, Field(gt=0, le=1)] = 0.5


TS, CLOSE, HELD, IS_SPENT, FIRST = 0, 2, 4, 5, 6
"""Where the memory keeps the time and the close of each leg's last bar, for how many bars a position has been held, and
whether this excursion was traded already; and where its windows begin."""


def check(p: Parameters) -> str | None:
    """What is wrong with parameters that are each within their bounds."""
    return None if p.leave < p.enter else f"leave = {p.leave} has to be less than enter = {p.enter}"


def state_size(p: Parameters) -> int:
    """The floats this remembers: moments of each log price and of their sum."""
    return FIRST + 3 * moments_size(p.window)


@inlined
def regress(state: Floats, y: float, x: float, n: float) -> tuple[float, float]:
    """(slope, score): that of y on x over the last n pairs, and the last residual in standard deviations of them all.

    NaN before n pairs, and where x or the residuals do not vary.
    """
    size = moments_size(n)
    mean_y, variance_y = moments(state[:size], y, n)
    mean_x, variance_x = moments(state[size : 2 * size], x, n)
    variance_sum = moments(state[2 * size :], x + y, n)[1]
    if np.isnan(variance_sum) or variance_x <= 0.0:
        return np.nan, np.nan
    covariance = 0.5 * (variance_sum - variance_x - variance_y)
    slope = covariance / variance_x
    residual = variance_y - slope * covariance
    if residual <= 1e-12 * variance_y:  # what is left is rounding
        return slope, np.nan
    return slope, (y - mean_y - slope * (x - mean_x)) / math.sqrt(residual)


def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
    """Once both legs have their bar of the same close, enter, leave or stay; while an order is on the way, wait."""
    if event.kind != EventKind.BAR:
        return
    leg = event.instrument
    memory[TS + leg], memory[CLOSE + leg] = float(event.ts), event.close
    if memory[TS] != memory[TS + 1] or not min(memory[CLOSE], memory[CLOSE + 1]) > 0.0:
        return
    slope, score = regress(memory[FIRST:], math.log(memory[CLOSE]), math.log(memory[CLOSE + 1]), p.window)
    if abs(score) < p.enter:
        memory[IS_SPENT] = 0.0
    first, second = desk.positions[0].lots, desk.positions[1].lots
    is_flat = first == 0 and second == 0
    memory[HELD] = 0.0 if is_flat else memory[HELD] + 1.0
    if desk.working > 0:
        return
    if not is_flat:
        is_back = score >= -p.leave if first > 0 else score <= p.leave
        if is_back or memory[HELD] >= p.hold or first == 0 or second == 0:  # a leg alone is no pair
            _leave(desk, 0)
            _leave(desk, 1)
    elif abs(score) >= p.enter and slope > 0.0 and memory[IS_SPENT] == 0.0:
        memory[IS_SPENT] = 1.0
        worth = p.share * equity(desk) / (1.0 + slope)
        side = -1 if score > 0.0 else 1
        first = lots_worth(desk, 0, worth, memory[CLOSE])
        second = lots_worth(desk, 1, worth * slope, memory[CLOSE + 1])
        if first > 0 and second > 0:
            group = desk.ordered + 1
            _enter(desk, 0, side * first, group)
            _enter(desk, 1, -side * second, group)


@inlined
def _enter(desk: Record, instrument: int, lots: int, group: int) -> None:
    intent = market(desk, instrument, lots)
    intent.group = group
    intent.grouping = Grouping.LEGS
    intent.tag = Purpose.ENTER


@inlined
def _leave(desk: Record, instrument: int) -> None:
    lots = desk.positions[instrument].lots
    if lots != 0:
        intent = market(desk, instrument, -lots)
        intent.flags = Flag.REDUCE_ONLY
        intent.tag = Purpose.LEAVE


STRATEGY = Strategy(
    name="pairs",
    describe="Two instruments against each other, by the score of their rolling regression",
    parameters=Parameters,
    state_size=state_size,
    on_event=on_event,
    instruments=2,
    check=check,
)
