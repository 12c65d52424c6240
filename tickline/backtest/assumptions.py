"""What a backtest assumes of a venue: when orders trade, how late they arrive, what they cost, what margin they need.

Declared in a strategy's configuration; the engines get them as numbers.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tickline.execution.queueing import QueueModel
from tickline.reference.models import Declared, FeeSchedule
from tickline.signals.desk import MOST_INSTRUMENTS, Records

_PER_BPS = 100_000
"""Parts per billion in a basis point."""

Bps = Annotated[Decimal, Field(ge=-100, le=10_000, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, le=3_600_000, allow_inf_nan=False)]


class Costs(Declared):
    """What trading costs. Rates are of a trade's notional.

    In bar mode `slippage_ticks` and `slippage_bps` move the price of whatever takes against it, and `impact_bps` by
    that much times the square root of the order's share of the bar's volume (Almgren et al. 2005; square-root law); in
    tick mode the book says what taking costs.
    `short_bps_per_year` is paid on short positions at each session's close, over 365 days; `funding_bps` by longs to
    shorts every eight hours. Where `maker_bps` or `taker_bps` is not given, the venue's fees apply.
    """

    maker_bps: Bps | None = None
    taker_bps: Bps | None = None
    slippage_ticks: Annotated[int, Field(ge=0, le=100_000)] = 0
    slippage_bps: Annotated[Decimal, Field(ge=0, le=1_000, allow_inf_nan=False)] = Decimal(0)
    impact_bps: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = 0.0
    funding_bps: Bps = Decimal(0)
    short_bps_per_year: Annotated[Decimal, Field(ge=0, le=100_000, allow_inf_nan=False)] = Decimal(0)


class Assumptions(Declared):
    """Everything a backtest takes for granted.

    `match_on`: buys and sells look at trades alike, or buys at the ask and sells at the bid. `segments` of a session
    are those traded in. `fill_at`: an order sent on a bar trades at the next bar's open, or at that bar's close, which
    is optimistic: it was not known before. `limit_fill`: a resting limit trades when the price touches it, or only when
    it trades through.
    `participation` is the most of a bar's volume our orders may be; without it they may be more than there was.
    `margin` is the share of a position's value the account must hold; below `maintenance` of it everything is closed.
    `short` allows selling what is not held. Latencies and `queue` are those of tick mode: there orders wait in the
    queue of their price.
    """

    match_on: Literal["trades", "quotes"] = "trades"
    segments: tuple[Literal["pre", "regular", "post"], ...] = ("regular",)
    fill_at: Literal["next_open", "close"] = "next_open"
    limit_fill: Literal["touch", "through"] = "touch"
    participation: Share | None = None
    costs: Costs = Costs()
    margin: Share = 1.0
    maintenance: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    short: bool = True
    order_latency_ms: Milliseconds = 0.0
    answer_latency_ms: Milliseconds = 0.0
    queue: Literal["risk_averse", "share", "log", "power"] = "risk_averse"
    partial_fills: bool = True


COST = np.dtype(
    [
        *((name, np.int64) for name in ("maker", "taker", "slippage_ticks", "slippage")),
        ("impact", np.float64),
        *((name, np.int64) for name in ("margin", "maintenance", "can_short")),
    ]
)
"""What an instrument costs: rates in parts per billion of notional."""

VENUE = np.dtype(
    [
        *((name, np.int64) for name in ("at_close", "through", "order_latency", "answer_latency")),
        *((name, np.int64) for name in ("queue", "partial_fills")),
        ("participation", np.float64),
        ("costs", COST, (MOST_INSTRUMENTS,)),
    ]
)
"""The assumptions as numbers the engines run on. Latencies in ns; `costs` are of each instrument."""


def venue_of(assumed: Assumptions, fees: Sequence[FeeSchedule]) -> Records:
    """The assumptions as an array of one VENUE, with the venue's fees for each instrument."""
    venue = np.zeros(1, VENUE)
    for name, value in (
        ("at_close", assumed.fill_at == "close"),
        ("through", assumed.limit_fill == "through"),
        ("order_latency", round(assumed.order_latency_ms * 1_000_000)),
        ("answer_latency", round(assumed.answer_latency_ms * 1_000_000)),
        ("queue", QueueModel[assumed.queue.upper()]),
        ("partial_fills", assumed.partial_fills),
        ("participation", np.inf if assumed.participation is None else assumed.participation),
    ):
        venue[name] = value
    for nth, schedule in enumerate(fees):
        venue["costs"][0, nth] = _cost(assumed, schedule)
    return venue


def _cost(assumed: Assumptions, fees: FeeSchedule) -> tuple[float, ...]:
    costs = assumed.costs
    return (
        _per_billion(fees.maker_bps if costs.maker_bps is None else costs.maker_bps),
        _per_billion(fees.taker_bps if costs.taker_bps is None else costs.taker_bps),
        costs.slippage_ticks,
        _per_billion(costs.slippage_bps),
        costs.impact_bps * _PER_BPS,
        round(assumed.margin * 1e9),
        round(assumed.maintenance * 1e9),
        assumed.short,
    )


def _per_billion(bps: Decimal) -> int:
    return int((bps * _PER_BPS).to_integral_value())
