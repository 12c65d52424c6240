"""Where an order stands in the queue of its price, estimated from trades and from the totals of its level.

An order joins behind all that its level holds. A trade at its price takes from the front. When the total shrinks by
more than what traded there since it last changed, the rest was cancelled, before or behind the order: never before it
(risk-averse), or by the probability f(behind) / (f(behind) + f(ahead)) behind it, with f(x) = x, log(1 + x) of the
size, or x cubed. Nothing is ahead of an order that the total does not hold, and only trades reach it.

The logarithm and the cube may leave less than nothing ahead of an order, where many cancel at once. The next trade at
its price then reaches it by as much more than was traded, with the logarithm by any number of lots: partial fills are
too good there, as they are in hftbacktest. The other two models never fill by more than a trade had.

Models: https://quant.stackexchange.com/questions/3782 and E. Rigtorp,
https://rigtorp.se/2013/06/08/estimating-order-queue-position.html, by the rules of hftbacktest 2.4, whose fills are the
oracle of ours (https://hftbacktest.readthedocs.io/en/latest/order_fill.html).
"""

from enum import IntEnum

import numpy as np

from tickline.compiled import inlined, kernel
from tickline.signals.desk import Record


class QueueModel(IntEnum):
    """How an order's place in the queue of its price moves when the size there shrinks without a trade."""

    RISK_AVERSE = 0  # only trades move it up
    SHARE = 1  # cancels fall before and behind it as the sizes there are
    LOG = 2  # as the logarithms of one plus those sizes are: more evenly
    POWER = 3  # as their cubes are: more of them where more stands


NOWHERE = np.nan
"""`ahead` of an order that stands in no queue."""


@inlined
def join(order: Record, lots: int) -> None:
    """Let an order join behind the lots of its level."""
    order.ahead = float(lots)
    order.traded = 0.0


@inlined
def trade_at(order: Record, lots: int) -> None:
    """Account for a trade of so many lots at the order's price: what goes beyond those ahead of it reaches it."""
    order.traded += lots
    order.ahead, beyond = after_trade(order.ahead, lots)
    if beyond > 0:
        order.reached = beyond


@inlined
def trade_through(order: Record) -> None:
    """Account for the market having gone beyond the order's price: all of it was reached."""
    order.reached = abs(order.lots)


@kernel
def change_to(order: Record, model: int, before: int, after: int, lot_size: float) -> None:
    """Account for the level's total going from so many lots to so many; `lot_size` gives LOG its unit."""
    cancelled = before - after - order.traded
    order.traded = 0.0
    order.ahead = after_change(order.ahead, model, before, after, cancelled, lot_size)


@kernel
def after_trade(ahead: float, lots: int) -> tuple[float, int]:
    """What is ahead of an order after a trade of so many lots at its price, and how many of those reached it."""
    ahead -= lots
    beyond = int(np.floor(0.5 - ahead))
    if beyond > 0:
        return 0.0, beyond
    return ahead, 0


@kernel
def after_change(ahead: float, model: int, before: int, after: int, cancelled: float, lot_size: float) -> float:
    """What is ahead of an order after its level's total went from so many lots to so many, of which so many were
    cancelled, not traded."""
    if model != QueueModel.RISK_AVERSE and cancelled >= 0.0:
        behind = before - ahead
        share = _behind(model, ahead, behind, lot_size)
        # What cannot have been behind, because less was there, was ahead after all.
        ahead = ahead - (1.0 - share) * cancelled + min(behind - share * cancelled, 0.0)
    if not ahead <= after:
        return float(after)
    return ahead


@kernel
def _behind(model: int, ahead: float, behind: float, lot_size: float) -> float:
    """The share of cancels that fall behind an order."""
    if model == QueueModel.SHARE:
        of_ahead, of_behind = ahead, behind
    elif model == QueueModel.LOG:
        of_ahead, of_behind = np.log(1.0 + ahead * lot_size), np.log(1.0 + behind * lot_size)
    else:
        of_ahead, of_behind = ahead**3, behind**3
    total = of_behind + of_ahead
    if total == 0.0:
        return 1.0
    return float(of_behind / total)
