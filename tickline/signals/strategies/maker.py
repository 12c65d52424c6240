"""Market making: a bid and an ask around the mid price, leaned against what is held, replaced as the market moves.

The price around which it quotes falls as the inventory grows, so that it trades back towards flat, as in Avellaneda and
Stoikov 2008 ("High-frequency trading in a limit order book", https://doi.org/10.1080/14697680701381228), with half
spread and skew given instead of solved for.
"""

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from tickline.compiled import inlined
from tickline.signals.desk import (
    NEVER,
    EventKind,
    Flag,
    Floats,
    Record,
    cancel,
    find,
    limit,
)
from tickline.signals.strategy import Strategy


class Parameters(NamedTuple):
    """`half_spread` and `skew` in ticks: how far from the mid price it quotes, and how far its quotes lean at the full
    inventory; `lots` a quote, `inventory` the most lots to hold; a quote is replaced once it is `requote` ticks off."""

    half_spread: Annotated[float, Field(ge=0, le=100_000)] = 2.0
    skew: Annotated[float, Field(ge=0, le=100_000)] = 4.0
    lots: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    inventory: Annotated[int, Field(ge=1, le=100_000_000)] = 10
    requote: Annotated[float, Field(ge=0, le=100_000)] = 1.0


BID, ASK = 1, 2
"""Tags of its orders."""


def state_size(p: Parameters) -> int:
    """It remembers nothing: its orders and its position say all."""
    return 0


def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
    """On every wake, see to both quotes."""
    if event.kind != EventKind.CLOCK or np.isnan(event.bid) or np.isnan(event.ask):
        return
    tick_size = desk.instruments[event.instrument].tick_size
    held = desk.positions[event.instrument].lots
    around = (event.bid + event.ask) / 2.0 - p.skew * tick_size * held / p.inventory
    away = p.half_spread * tick_size
    bid, ask = min(around - away, event.bid), max(around + away, event.ask)
    quote(p, event, desk, BID, bid if held + p.lots <= p.inventory else np.nan)
    quote(p, event, desk, ASK, ask if held - p.lots >= -p.inventory else np.nan)


@inlined
def quote(p: Parameters, event: Record, desk: Record, tag: int, price: float) -> None:
    """Have one order of a tag at a price, none where it is NaN: leave the one that is near enough, else replace it."""
    lots = p.lots if tag == BID else -p.lots
    tick_size = desk.instruments[event.instrument].tick_size
    at = find(desk, event.instrument, tag)
    if at >= 0:
        working = desk.orders[at]
        near = abs(working.price * tick_size - price) < p.requote * tick_size
        if near or working.ts_cancel != NEVER:
            return
        cancel(desk, working.id)
    if not np.isnan(price):
        order = limit(desk, event.instrument, lots, price)
        order.flags = Flag.POST_ONLY
        order.tag = tag


STRATEGY = Strategy(
    name="maker",
    describe="Quotes around the mid price, leaned against its inventory",
    parameters=Parameters,
    state_size=state_size,
    on_event=on_event,
    streams=(),
    wakes=True,
)
