"""Realised volatility over the last n bars, as Polars expressions and, named `..._online`, event by event.

All are standard deviations of the log price per bar: times the square root of the bars in a year they are a year's.
Prices are positive. Missing rows, warm-up and state are as in `tickline.signals.indicators` and `.online`.
"""

import math

import numpy as np
import polars as pl
from numba.extending import register_jitable

from tickline.compiled import twin
from tickline.signals.indicators import on_present, variance
from tickline.signals.online import State, moments, moments_size, window_sum, window_sum_size

OF_RANGE = 1.0 / (4.0 * math.log(2.0))
"""What the squared log range of a driftless random walk has to be multiplied by to be its variance."""
OF_CLOSE = 2.0 * math.log(2.0) - 1.0


def close_to_close(close: pl.Expr, n: int) -> pl.Expr:
    """Sample standard deviation (divisor n - 1) of the last n log returns, from the (n + 1)-th bar on.

    Source: E. Sinclair, Volatility Trading (2nd ed. 2013), chapter 2.
    """
    return on_present(lambda close: variance((close / close.shift(1)).log(), n, ddof=1).sqrt(), close)


def parkinson(high: pl.Expr, low: pl.Expr, n: int) -> pl.Expr:
    """From the ranges of n bars: sqrt(mean(ln(high / low)^2) / (4 ln 2)).

    Source: M. Parkinson, The Extreme Value Method for Estimating the Variance of the Rate of Return, J. Business 53
    (1980).
    """
    return on_present(lambda of_bar: _root_mean(of_bar, n), OF_RANGE * (high / low).log().pow(2))


def garman_klass(open_: pl.Expr, high: pl.Expr, low: pl.Expr, close: pl.Expr, n: int) -> pl.Expr:
    """From n bars without drift or gaps: sqrt(mean(ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2)).

    Source: M. Garman and M. Klass, On the Estimation of Security Price Volatilities from Historical Data, J. Business
    53 (1980), the practical estimator (their equation 20).
    """
    of_bar = 0.5 * (high / low).log().pow(2) - OF_CLOSE * (close / open_).log().pow(2)
    return on_present(lambda of_bar: _root_mean(of_bar, n), of_bar)


def rogers_satchell(open_: pl.Expr, high: pl.Expr, low: pl.Expr, close: pl.Expr, n: int) -> pl.Expr:
    """From n bars with any drift: sqrt(mean(ln(high/close) ln(high/open) + ln(low/close) ln(low/open))).

    Source: L. Rogers and S. Satchell, Estimating Variance from High, Low and Closing Prices, Annals of Applied
    Probability 1 (1991).
    """
    return on_present(lambda of_bar: _root_mean(of_bar, n), _rogers_satchell(open_, high, low, close))


def yang_zhang(open_: pl.Expr, high: pl.Expr, low: pl.Expr, close: pl.Expr, n: int) -> pl.Expr:
    """From n bars with drift and gaps: sqrt(V_open + k V_close + (1 - k) V_rs), from the (n + 1)-th bar on.

    V_open and V_close are sample variances of ln(open / close before) and ln(close / open), V_rs is Rogers and
    Satchell's; k = 0.34 / (1.34 + (n + 1) / (n - 1)). Source: D. Yang and Q. Zhang, Drift-Independent Volatility
    Estimation Based on High, Low, Open and Close Prices, J. Business 73 (2000).
    """

    def estimate(open_: pl.Series, close: pl.Series, of_bar: pl.Series) -> pl.Series:
        before, k = close.shift(1), _share_of_close(n)
        follows = before / before  # 1, but null for the first bar, which has no gap
        gaps = variance((open_ / before).log(), n, ddof=1)
        days = variance((close / open_).log() * follows, n, ddof=1)
        inside = (of_bar * follows).rolling_mean(n)
        return (gaps + k * days + (1.0 - k) * inside).clip(lower_bound=0.0).sqrt()

    return on_present(estimate, open_, close, _rogers_satchell(open_, high, low, close))


@register_jitable
def close_to_close_size(n: float) -> int:
    """How many floats `close_to_close_online` keeps."""
    return 1 + moments_size(n)


@twin
def close_to_close_online(state: State, close: float, n: float) -> float:
    """Sample standard deviation of the last n log returns."""
    if np.isnan(close):
        return np.nan
    previous = state[0]
    state[0] = close
    if previous == 0.0:
        return np.nan
    return math.sqrt(moments(state[1:], math.log(close / previous), n)[1] * n / (n - 1.0))


@register_jitable
def parkinson_size(n: float) -> int:
    """How many floats `parkinson_online` keeps."""
    return window_sum_size(n)


@twin
def parkinson_online(state: State, high: float, low: float, n: float) -> float:
    """Parkinson's volatility over the last n bars."""
    return _root_mean_online(state, OF_RANGE * math.log(high / low) ** 2, n)


@register_jitable
def garman_klass_size(n: float) -> int:
    """How many floats `garman_klass_online` keeps."""
    return window_sum_size(n)


@twin
def garman_klass_online(state: State, open_: float, high: float, low: float, close: float, n: float) -> float:
    """Garman and Klass's volatility over the last n bars."""
    of_bar = 0.5 * math.log(high / low) ** 2 - OF_CLOSE * math.log(close / open_) ** 2
    return _root_mean_online(state, of_bar, n)


@register_jitable
def rogers_satchell_size(n: float) -> int:
    """How many floats `rogers_satchell_online` keeps."""
    return window_sum_size(n)


@twin
def rogers_satchell_online(state: State, open_: float, high: float, low: float, close: float, n: float) -> float:
    """Rogers and Satchell's volatility over the last n bars."""
    return _root_mean_online(state, _of_bar(open_, high, low, close), n)


@register_jitable
def yang_zhang_size(n: float) -> int:
    """How many floats `yang_zhang_online` keeps."""
    return 1 + 2 * moments_size(n) + window_sum_size(n)


@twin
def yang_zhang_online(state: State, open_: float, high: float, low: float, close: float, n: float) -> float:
    """Yang and Zhang's volatility over the last n bars."""
    of_bar = _of_bar(open_, high, low, close)
    if np.isnan(of_bar):
        return np.nan
    previous = state[0]
    state[0] = close
    if previous == 0.0:
        return np.nan
    room = moments_size(n)
    gaps = moments(state[1 : 1 + room], math.log(open_ / previous), n)[1]
    days = moments(state[1 + room : 1 + 2 * room], math.log(close / open_), n)[1]
    inside = window_sum(state[1 + 2 * room :], of_bar, n) / n
    k = _share_of_close(n)
    return math.sqrt(max((gaps + k * days) * n / (n - 1.0) + (1.0 - k) * inside, 0.0))


def _root_mean(of_bar: pl.Series, n: int) -> pl.Series:
    is_flat = of_bar.rolling_max(n) == of_bar.rolling_min(n)  # where a running sum would leave a rounding
    return of_bar.zip_with(is_flat.fill_null(False), of_bar.rolling_mean(n)).clip(lower_bound=0.0).sqrt()


def _rogers_satchell(open_: pl.Expr, high: pl.Expr, low: pl.Expr, close: pl.Expr) -> pl.Expr:
    return (high / close).log() * (high / open_).log() + (low / close).log() * (low / open_).log()


@register_jitable
def _share_of_close(n: float) -> float:
    return 0.34 / (1.34 + (n + 1.0) / (n - 1.0))


@twin
def _root_mean_online(state: State, of_bar: float, n: float) -> float:
    # max() would turn the NaN of a cold window into 0.
    mean = window_sum(state, of_bar, n) / n
    return 0.0 if mean < 0.0 else math.sqrt(mean)


@twin
def _of_bar(open_: float, high: float, low: float, close: float) -> float:
    return math.log(high / close) * math.log(high / open_) + math.log(low / close) * math.log(low / open_)
