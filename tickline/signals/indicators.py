"""Indicators over whole columns, as Polars expressions: what `tickline.signals.online` says event by event.

Inputs are numeric columns in order of time, one instrument's at a time: evaluate `.over("instrument")`. A row with a
missing (null or NaN) input has no value and is passed over, so a window is the last n rows that have one. Rows before
the first full window are null. Values have the unit of their input unless said otherwise. Seeds and warm-up are those
of TA-Lib 0.8 (https://ta-lib.org), which agrees to rounding; only where a formula is 0 / 0 TA-Lib says 0 and we null.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_

import polars as pl


def sma(x: pl.Expr, n: int) -> pl.Expr:
    """Simple moving average: the mean of the last n values, from the n-th on."""
    return on_present(lambda x: x.rolling_mean(n), x)


def ema(x: pl.Expr, n: int) -> pl.Expr:
    """Exponential moving average with alpha = 2 / (n + 1), begun at the n-th value with the mean of the first n.

    Source: TA-Lib, function EMA.
    """
    return on_present(lambda x: _ema(x, n), x)


def wilder(x: pl.Expr, n: int) -> pl.Expr:
    """Wilder's smoothing, an exponential mean with alpha = 1 / n, begun at the n-th value with the mean of the first n.

    Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
    """
    return on_present(lambda x: _wilder(x, n), x)


def wma(x: pl.Expr, n: int) -> pl.Expr:
    """Weighted moving average: the mean of the last n values weighted 1 (oldest) to n (newest)."""
    weights = [2.0 * (place + 1) / (n * (n + 1)) for place in range(n)]
    return on_present(lambda x: x.rolling_sum(n, weights=weights), x)


def rsi(x: pl.Expr, n: int) -> pl.Expr:
    """Relative strength index, 0 to 100, from the (n + 1)-th value on: 100 x gains / (gains + losses), by `wilder`.

    Null while no value has moved. Source: Wilder (1978).
    """
    return on_present(lambda x: _strength(x.diff(), n), x)


def true_range(high: pl.Expr, low: pl.Expr, close: pl.Expr) -> pl.Expr:
    """The bar's range with the way from the close before it, from the second bar on. Source: Wilder (1978)."""
    return on_present(_true_range, high, low, close)


def atr(high: pl.Expr, low: pl.Expr, close: pl.Expr, n: int) -> pl.Expr:
    """Average true range: `wilder` of the true range, from the (n + 1)-th bar on. Source: Wilder (1978)."""
    return on_present(lambda *bar: _wilder(_true_range(*bar), n, start=1), high, low, close)


def stdev(x: pl.Expr, n: int) -> pl.Expr:
    """Population standard deviation (divisor n) of the last n values; 0 exactly where all are equal."""
    return on_present(lambda x: variance(x, n, ddof=0).sqrt(), x)


def bollinger(x: pl.Expr, n: int, width: float) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """(upper, middle, lower): the mean of the last n values, and `width` population standard deviations around it.

    Source: John Bollinger, Bollinger on Bollinger Bands (2001).
    """
    middle, reach = sma(x, n), width * stdev(x, n)
    return middle + reach, middle, middle - reach


def zscore(x: pl.Expr, n: int) -> pl.Expr:
    """How many population standard deviations the value is above the mean of the last n; null where all are equal."""

    def score(x: pl.Series) -> pl.Series:
        deviation = variance(x, n, ddof=0).sqrt()
        return (x - x.rolling_mean(n)) / deviation.set(deviation == 0.0, None)

    return on_present(score, x)


def donchian(high: pl.Expr, low: pl.Expr, n: int) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """(upper, middle, lower): highest high and lowest low of the last n bars, this one with them, and half way.

    A breakout compares a bar with the channel of the bar before. Source: Richard Donchian's four-week rule (1960).
    """
    upper = on_present(lambda high, _: high.rolling_max(n), high, low)
    lower = on_present(lambda _, low: low.rolling_min(n), high, low)
    return upper, 0.5 * (upper + lower), lower


def macd(x: pl.Expr, fast: int, slow: int, signal: int) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """(line, signal, histogram): `ema` of fast less slow, the `ema` of that, and the line less its signal.

    As in TA-Lib the fast mean begins `slow - fast` values late, so that both begin together, and all three values begin
    with the signal, at value slow + signal - 1. Source: Gerald Appel, Technical Analysis (2005).
    """

    def line(x: pl.Series) -> pl.Series:
        return _ema(x, fast, start=slow - fast) - _ema(x, slow)

    smoothed = on_present(lambda x: _ema(line(x), signal, start=slow - 1), x)
    both = pl.when(smoothed.is_not_null()).then(on_present(line, x))
    return both, smoothed, both - smoothed


def session_vwap(turnover: pl.Expr, volume: pl.Expr) -> pl.Expr:
    """Volume-weighted average price since the session began: turnover by volume of its bars so far.

    Evaluate it over instrument and session date. Null before the first trade. Source: S. Berkowitz, D. Logue and
    E. Noser, The Total Cost of Transactions on the NYSE, Journal of Finance 43 (1988).
    """
    return on_present(lambda turnover, volume: turnover.cum_sum() / volume.cum_sum(), turnover, volume)


def on_present(compute: Callable[..., pl.Series], *inputs: pl.Expr) -> pl.Expr:
    """`compute` over the rows where no input is missing, put back where those rows are; null elsewhere.

    It is given the inputs as columns of Float64 without holes. What it cannot say (NaN) is null.
    """

    def place(columns: Sequence[pl.Series]) -> pl.Series:
        here = reduce(and_, (column.is_not_nan().fill_null(False) for column in columns))
        if here.all():
            return compute(*columns).fill_nan(None)
        computed = compute(*(column.filter(here) for column in columns)).fill_nan(None)
        return computed.gather((here.cum_sum() - 1).set(~here, None))

    return pl.map_batches([x.cast(pl.Float64) for x in inputs], place, return_dtype=pl.Float64)


def variance(x: pl.Series, n: int, *, ddof: int) -> pl.Series:
    """Rolling variance of a column without holes, divisor n - ddof; 0 exactly where all values are equal."""
    is_flat = x.rolling_max(n) == x.rolling_min(n)
    return x.rolling_var(n, ddof=ddof).set(is_flat, 0.0)


def _ema(x: pl.Series, n: int, start: int = 0) -> pl.Series:
    return _exponential(x, n, 2.0 / (n + 1.0), start)


def _wilder(x: pl.Series, n: int, start: int = 0) -> pl.Series:
    return _exponential(x, n, 1.0 / n, start)


def _exponential(x: pl.Series, n: int, alpha: float, start: int) -> pl.Series:
    """Exponential mean of a column whose first `start` rows are null, begun with the mean of the n rows after them."""
    begins = start + n - 1
    if x.len() <= begins:
        return x.clear(x.len())
    seed = pl.Series(x.name, [x.slice(start, n).mean()], pl.Float64)
    seeded = pl.concat([x.clear(begins), seed, x.slice(begins + 1)])
    return seeded.ewm_mean(alpha=alpha, adjust=False)


def _strength(change: pl.Series, n: int) -> pl.Series:
    gain, loss = _wilder(change.clip(lower_bound=0.0), n, start=1), _wilder((-change).clip(lower_bound=0.0), n, start=1)
    return 100.0 * gain / (gain + loss)


def _true_range(high: pl.Series, low: pl.Series, close: pl.Series) -> pl.Series:
    previous = close.shift(1)
    return high.zip_with(high >= previous, previous) - low.zip_with(low <= previous, previous)
