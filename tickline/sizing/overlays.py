"""How much of a position is taken: overlays that scale exposure by what was known the session before, and the size of
one trade in whole lots."""

import decimal
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from tickline.errors import ConfigError

_EXACT = decimal.Context(prec=60, rounding=decimal.ROUND_DOWN)


def volatility_target(
    returns: pl.Expr, *, target: float, window: int, sessions_per_year: float, max_leverage: float
) -> pl.Expr:
    """The exposure of each session (Float64, 0 to max_leverage) at which volatility should be on target.

    `returns` are those of an exposure of 1, a row for each session in order; `target` is the volatility of a year, 0.1
    for 10 %. A session is taken to be as volatile as the `window` sessions before it (Moreira and Muir 2017,
    Volatility-managed portfolios). Where one of those is missing or they did not move, exposure is 0: nothing is known.
    Raises ConfigError where a number makes no sense.
    """
    if not (0 < target < 10 and window >= 2 and 0 < sessions_per_year <= 366 and 0 < max_leverage <= 100):
        raise ConfigError(
            f"no target of {target} over {window} sessions, {sessions_per_year} a year, at up to {max_leverage} times: "
            "target is 0 to 10, window 2 or more, sessions_per_year up to 366, max_leverage up to 100"
        )
    known = returns.rolling_std(window).shift(1) * sessions_per_year**0.5
    return pl.when(known > 0, known.is_finite()).then((target / known).clip(upper_bound=max_leverage)).otherwise(0.0)


def drawdown_cut(equity: pl.Expr, *, begin: float, end: float) -> pl.Expr:
    """The exposure of each session (Float64, 0 to 1): 1 up to a drawdown of `begin`, linearly down to 0 at `end`.

    `equity` is that of an exposure of 1 at each session's close, in order, so that exposure comes back as it recovers;
    the drawdown is the one at the close before, a share of the highest equity until then. After Grossman and Zhou 1993,
    Optimal investment strategies for controlling drawdowns: exposure in proportion to what is left above the floor.
    Where equity is missing, exposure is 0. Raises ConfigError where the levels are not 0 <= begin < end <= 1.
    """
    if not 0 <= begin < end <= 1:
        raise ConfigError(f"exposure is cut from a drawdown of {begin} to {end}: give 0 to 1, the lower first")
    known = (1 - equity / equity.cum_max()).shift(1, fill_value=0.0)
    return pl.when(known.is_finite()).then(((end - known) / (end - begin)).clip(0.0, 1.0)).otherwise(0.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """The lot and the caps of one position: the most it may be worth, in quote currency, and the most lots."""

    lot: Decimal
    max_notional: Decimal
    max_lots: int

    def __post_init__(self) -> None:
        is_number = self.lot.is_finite() and not self.max_notional.is_nan()
        if not (is_number and self.lot > 0 and self.max_notional >= 0 and self.max_lots >= 0):
            raise ConfigError(f"{self}: a lot is above 0, and no cap below it")


def fixed_fractional(equity: Decimal, price: Decimal, *, stop: Decimal, fraction: Decimal, limits: Limits) -> Decimal:
    """The size that loses `fraction` of equity where the price goes from `price` to `stop`, in whole lots, capped.

    Fixed fractional sizing: Vince 1990, Portfolio management formulas. Never more than that, to the last digit; 0 where
    equity is not positive or the stop is at the price. Equity and prices are in quote currency, the size in base.
    Raises ValueError where a number is not finite, the price not positive or the fraction not in (0, 1].
    """
    return _lots(equity, price, risk=_EXACT.subtract(price, stop).copy_abs(), fraction=fraction, limits=limits)


def volatility_sized(
    equity: Decimal, price: Decimal, *, atr: Decimal, multiple: Decimal, fraction: Decimal, limits: Limits
) -> Decimal:
    """The size that loses `fraction` of equity where the price moves by `multiple` average true ranges, in whole lots.

    The turtles' unit (Faith 2007, Way of the turtle) has a fraction of 0.01 and a multiple of 1. `atr` is in quote
    currency, of bars that closed before the trade. Capped, rounded and refused as `fixed_fractional` is.
    """
    return _lots(equity, price, risk=_EXACT.multiply(atr, multiple), fraction=fraction, limits=limits)


def _lots(equity: Decimal, price: Decimal, *, risk: Decimal, fraction: Decimal, limits: Limits) -> Decimal:
    is_finite = all(value.is_finite() for value in (equity, price, risk, fraction))
    if not (is_finite and price > 0 and risk >= 0 and 0 < fraction <= 1):
        raise ValueError(
            f"equity {equity}, price {price}, risk {risk} a unit and fraction {fraction}: no size follows from these"
        )
    if equity <= 0 or risk == 0:
        return Decimal(0)
    with decimal.localcontext(_EXACT):
        affordable = min(equity * fraction / risk, limits.max_notional / price)
        return min(affordable // limits.lot, Decimal(limits.max_lots)) * limits.lot
