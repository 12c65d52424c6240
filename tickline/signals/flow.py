"""What quotes and prints say of supply and demand, as Polars expressions and, named `..._online`, event by event.

Quotes are best bid and ask with their sizes, in order; a quote of one side is a missing row. Missing rows, warm-up and
state are as in `tickline.signals.indicators` and `.online`.
"""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numba.extending import register_jitable

from tickline.compiled import twin
from tickline.signals.indicators import on_present
from tickline.signals.online import State, window_sum, window_sum_size

ON_EDGE = 1e-9
"""How far below a price level, in levels, rounding may put a price that lies on it."""


def mid(bid: pl.Expr, ask: pl.Expr) -> pl.Expr:
    """Half way between best bid and ask."""
    return 0.5 * (bid + ask)


def spread(bid: pl.Expr, ask: pl.Expr) -> pl.Expr:
    """Best ask less best bid, in the unit of the price."""
    return ask - bid


def relative_spread(bid: pl.Expr, ask: pl.Expr) -> pl.Expr:
    """The spread as a share of the mid."""
    return (ask - bid) / (0.5 * (bid + ask))


def micro_price(bid: pl.Expr, bid_size: pl.Expr, ask: pl.Expr, ask_size: pl.Expr) -> pl.Expr:
    """Bid and ask weighted by the size on the other side: near the side that is about to give way.

    Source: J. Gatheral and R. Oomen, Zero-Intelligence Realized Variance Estimation, Finance and Stochastics 14 (2010).
    """
    return (bid * ask_size + ask * bid_size) / (bid_size + ask_size)


def book_imbalance(bid_size: pl.Expr, ask_size: pl.Expr) -> pl.Expr:
    """Bid less ask size by their sum, -1 (all is offered) to 1 (all is bid for)."""
    return (bid_size - ask_size) / (bid_size + ask_size)


def order_flow_imbalance(bid: pl.Expr, bid_size: pl.Expr, ask: pl.Expr, ask_size: pl.Expr, n: int) -> pl.Expr:
    """Sum over the last n quotes of what each added to the bid and took from the ask; from the (n + 1)-th quote on.

    A bid that rises adds its size, one that falls takes the size before, one that stays adds the difference; asks the
    other way round. In the unit of size. Source: R. Cont, A. Kukanov and S. Stoikov, The Price Impact of Order Book
    Events, J. Financial Econometrics 12 (2014), section 2.1.
    """

    def summed(bid: pl.Series, bid_size: pl.Series, ask: pl.Series, ask_size: pl.Series) -> pl.Series:
        bid_before, ask_before = bid.shift(1), ask.shift(1)
        bought = (bid >= bid_before) * bid_size - (bid <= bid_before) * bid_size.shift(1)
        sold = (ask <= ask_before) * ask_size - (ask >= ask_before) * ask_size.shift(1)
        return (bought - sold).rolling_sum(n)

    return on_present(summed, bid, bid_size, ask, ask_size)


def side_sign(side: pl.Expr) -> pl.Expr:
    """The aggressor of a trade as a number: 1 buy, -1 sell, null where the venue does not say."""
    return pl.when(side == "buy").then(1.0).when(side == "sell").then(-1.0)


def volume_imbalance(size: pl.Expr, sign: pl.Expr, n: int) -> pl.Expr:
    """Bought less sold size by their sum over the last n trades that name their aggressor (`side_sign`), -1 to 1."""
    return on_present(lambda size, sign: (size * sign).rolling_sum(n) / size.rolling_sum(n), size, sign)


def volume_profile(prints: pl.LazyFrame, *, width: float, by: Sequence[str] = ("instrument",)) -> pl.LazyFrame:
    """Volume by price level: columns `by`, `level` (Int64), `volume` (Float64), sorted; from columns price and size.

    Level k holds prices from k x width to below (k + 1) x width. Source: J. Steidlmayer's market profile (CBOT 1985).
    """
    level = (pl.col("price") / width + ON_EDGE).floor().cast(pl.Int64).alias("level")
    there = pl.col("price").is_not_null() & pl.col("size").is_not_null()
    return prints.filter(there).group_by(*by, level).agg(pl.col("size").sum().alias("volume")).sort(*by, "level")


@twin
def mid_online(state: State, bid: float, ask: float) -> float:
    """Half way between best bid and ask; keeps nothing."""
    return 0.5 * (bid + ask)


@twin
def spread_online(state: State, bid: float, ask: float) -> float:
    """Best ask less best bid; keeps nothing."""
    return ask - bid


@twin
def relative_spread_online(state: State, bid: float, ask: float) -> float:
    """The spread as a share of the mid; keeps nothing."""
    return (ask - bid) / (0.5 * (bid + ask))


@twin
def micro_price_online(state: State, bid: float, bid_size: float, ask: float, ask_size: float) -> float:
    """Bid and ask weighted by the size on the other side; keeps nothing."""
    return (bid * ask_size + ask * bid_size) / (bid_size + ask_size)


@twin
def book_imbalance_online(state: State, bid_size: float, ask_size: float) -> float:
    """Bid less ask size by their sum; keeps nothing."""
    return (bid_size - ask_size) / (bid_size + ask_size)


@register_jitable
def order_flow_imbalance_size(n: float) -> int:
    """How many floats `order_flow_imbalance_online` keeps."""
    return 5 + window_sum_size(n)


@twin
def order_flow_imbalance_online(
    state: State, bid: float, bid_size: float, ask: float, ask_size: float, n: float
) -> float:
    """Order-flow imbalance over the last n quotes."""
    if np.isnan(bid + bid_size + ask + ask_size):
        return np.nan
    is_first, bid_before, bid_size_before = state[0] == 0.0, state[1], state[2]
    ask_before, ask_size_before = state[3], state[4]
    state[0], state[1], state[2], state[3], state[4] = 1.0, bid, bid_size, ask, ask_size
    if is_first:
        return np.nan
    flow = 0.0
    if bid >= bid_before:
        flow += bid_size
    if bid <= bid_before:
        flow -= bid_size_before
    if ask <= ask_before:
        flow -= ask_size
    if ask >= ask_before:
        flow += ask_size_before
    return window_sum(state[5:], flow, n)


@register_jitable
def volume_imbalance_size(n: float) -> int:
    """How many floats `volume_imbalance_online` keeps."""
    return 2 * window_sum_size(n)


@twin
def volume_imbalance_online(state: State, size: float, sign: float, n: float) -> float:
    """Bought less sold size by their sum over the last n trades."""
    if np.isnan(size + sign):
        return np.nan
    half = window_sum_size(n)
    return window_sum(state[:half], size * sign, n) / window_sum(state[half:], size, n)


@register_jitable
def volume_profile_size(levels: float) -> int:
    """How many floats `volume_profile_online` keeps for that many levels, half of them below the first print's."""
    return 4 + int(levels)


@twin
def volume_profile_online(state: State, price: float, size: float, width: float) -> float:
    """Add a print to the profile and return the point of control: the lower edge of the level with most volume so far.

    state[0] is the level of state[4], the lowest kept; state[3] the volume of prints outside of the kept levels.
    """
    if np.isnan(price + size):
        return np.nan
    level, levels = math.floor(price / width + ON_EDGE), state.size - 4
    if state[1] == 0.0:
        state[0], state[1] = level - levels // 2, 1.0
    at = int(level - state[0])
    if at < 0 or at >= levels:
        state[3] += size
    else:
        state[4 + at] += size
        if state[4 + at] > state[4 + int(state[2])]:
            state[2] = at
    return float(state[0] + state[2]) * width
