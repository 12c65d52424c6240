"""How an equity curve and its round-trip trades did: each measure with one definition, None where it has no value.

Nothing here is infinite or NaN. A curve of fewer than two samples has no measures; a ratio over nothing (returns that
do not vary, no losing trade, no drawdown) is None.
"""

import math
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.errors import ConfigError
from tickline.lake.schema import NS

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

TRADE_NUMBERS = ("size", "entry_price", "exit_price", "gross", "fees", "net")

YEAR_DAYS = 365.25
YEAR_NS = YEAR_DAYS * 86_400e9

ROUNDING = 1e-14
"""Returns that spread less than this are all the same: dividing equities rounds to about 2e-16 of them."""


@dataclass(frozen=True, slots=True)
class Performance:
    """The measures of one run. Fractions of one, times in ns, money in the currency of the equity.

    From the curve. Returns are those between neighbouring samples; the riskless rate is taken to be zero.
      total_return     last equity over the first, less one
      cagr             total return a year, compounded, by the clock (365.25 days)
      volatility       standard deviation (n - 1) of two returns or more, times the root of the periods a year
      sharpe           mean over standard deviation of returns, annualised alike: Sharpe (1994), J. Portfolio
                       Management 21(1)
      sortino          mean return over the root mean square of its losses alone, counted over all samples, annualised:
                       Sortino and Price (1994), J. Investing 3(3)
      max_drawdown     largest fall from a peak, as a fraction of the peak
      max_drawdown_ns  longest time from a peak until the curve was back at it, or until its end
      calmar           cagr over max_drawdown: Young (1991), Futures 20(1); here over the whole curve, not three years

    From the trades.
      trades           how many
      win_rate         share whose net is above zero
      profit_factor    net of the winners over net of the losers
      expectancy       mean net
      turnover         value bought and sold a year, over the mean equity
      exposure         share of the curve's time in which any trade was open
      cost_share       fees of all trades over the gross of those whose gross is above zero
      mean_holding_ns  mean time from entry to exit
    """

    total_return: float | None
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float | None
    max_drawdown_ns: int | None
    calmar: float | None
    trades: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    turnover: float | None
    exposure: float | None
    cost_share: float | None
    mean_holding_ns: int | None


def measure(equity: pl.DataFrame, trades: pl.DataFrame, *, periods_per_year: float) -> Performance:
    """The measures of a run.

    `equity` has ts (Datetime ns UTC, strictly increasing) and equity (Float64). `trades` has a row for each round trip:
    instrument, ts_entry, ts_exit (Datetime ns UTC), side ('long' or 'short'), size, entry_price, exit_price, gross
    (before fees), fees and net (Float64). `periods_per_year` is how many of the curve's samples make a year, such as
    `sessions_per_year` of a curve sampled at each close.

    The returns of an account that fell to nothing mean nothing, so measures of returns are None once equity is not
    above zero. Raises ConfigError where times do not increase or a number is missing or not finite.
    """
    if not (math.isfinite(periods_per_year) and periods_per_year > 0):
        raise ConfigError(f"{periods_per_year} periods a year: give the number of equity samples that make a year")
    ts, values = _curve(equity)
    _require_finite(trades, TRADE_NUMBERS, "trades")
    returns = _returns(values)
    cagr, deepest = _cagr(ts, values), _max_drawdown(values)
    count, fees = trades.height, trades["fees"].to_numpy()
    net, gross = trades["net"].to_numpy(), trades["gross"].to_numpy()
    return Performance(
        total_return=_ratio(values[-1] - values[0], values[0]) if values.size > 1 else None,
        cagr=cagr,
        volatility=_volatility(returns, periods_per_year),
        sharpe=_sharpe(returns, periods_per_year),
        sortino=_sortino(returns, periods_per_year),
        max_drawdown=deepest,
        max_drawdown_ns=_longest_drawdown(ts, values),
        calmar=None if cagr is None or deepest is None else _ratio(cagr, deepest),
        trades=count,
        win_rate=_ratio((net > 0).sum(), count),
        profit_factor=_ratio(net[net > 0].sum(), -net[net < 0].sum()),
        expectancy=_ratio(net.sum(), count),
        turnover=_turnover(ts, values, trades),
        exposure=_exposure(ts, trades),
        cost_share=_ratio(fees.sum(), gross[gross > 0].sum()),
        mean_holding_ns=_mean_holding(trades),
    )


def sessions_per_year(dates: pl.Series) -> float:
    """How many of these session dates (increasing) a year has. Raises ConfigError where there are fewer than two."""
    first, last = dates.min(), dates.max()
    if not (isinstance(first, date) and isinstance(last, date) and first < last):
        raise ConfigError("sessions a year cannot be counted from fewer than two session dates: take a longer span")
    return (dates.n_unique() - 1) * YEAR_DAYS / (last - first).days


def drawdown(equity: pl.Expr) -> pl.Expr:
    """How far equity stands below its highest so far, as a fraction of it: 0 at a peak, negative below."""
    return equity / equity.cum_max() - 1


def rolling_sharpe(equity: pl.Expr, *, samples: int, periods_per_year: float) -> pl.Expr:
    """The Sharpe ratio of the last `samples` returns at each sample; null before there are as many or where all are
    the same.
    """
    returns = equity.pct_change()
    is_varied = returns.rolling_max(samples) - returns.rolling_min(samples) > ROUNDING
    ratio = returns.rolling_mean(samples) / returns.rolling_std(samples) * math.sqrt(periods_per_year)
    return pl.when(is_varied & ratio.is_finite()).then(ratio)


def _curve(equity: pl.DataFrame) -> tuple[Ints, Floats]:
    """Times in UTC ns and values of a curve that was found whole."""
    _require_finite(equity, ("equity",), "equity")
    ts = equity["ts"].cast(NS).to_physical()
    if ts.null_count() or (ts.diff().drop_nulls() <= 0).any():
        raise ConfigError("the equity curve's times do not increase: sort it by ts and keep one sample a time")
    return ts.to_numpy(), equity["equity"].to_numpy()


def _require_finite(frame: pl.DataFrame, names: tuple[str, ...], what: str) -> None:
    for name in names:
        if not frame[name].is_finite().fill_null(value=False).all():
            raise ConfigError(f"{what}.{name} has values that are missing or not finite: drop or mend those rows")


def _returns(values: Floats) -> Floats:
    """Simple returns; none where equity was not above zero throughout, or so little that a return is out of range."""
    if not (values > 0).all():
        return np.empty(0)
    with np.errstate(over="ignore"):
        returns = values[1:] / values[:-1] - 1
        return returns if np.isfinite(np.square(returns).sum()) else np.empty(0)


def _ratio(part: float, whole: float) -> float | None:
    if not whole > 0:
        return None
    ratio = float(part) / float(whole)
    return ratio if math.isfinite(ratio) else None


def _years(ts: Ints) -> float:
    return float(ts[-1] - ts[0]) / YEAR_NS if ts.size > 1 else 0.0


def _cagr(ts: Ints, values: Floats) -> float | None:
    if ts.size < 2 or not (values > 0).all():
        return None
    try:
        return math.expm1(math.log(values[-1] / values[0]) / _years(ts))
    except OverflowError:  # a good minute, compounded for a year
        return None


def _spread(returns: Floats) -> float | None:
    """The standard deviation (n - 1), None where returns are all the same or fewer than two."""
    if returns.size < 2:
        return None
    spread = float(returns.std(ddof=1))
    return spread if spread > ROUNDING else None


def _volatility(returns: Floats, periods_per_year: float) -> float | None:
    return float(returns.std(ddof=1)) * math.sqrt(periods_per_year) if returns.size > 1 else None


def _sharpe(returns: Floats, periods_per_year: float) -> float | None:
    spread = _spread(returns)
    return None if spread is None else float(returns.mean()) / spread * math.sqrt(periods_per_year)


def _sortino(returns: Floats, periods_per_year: float) -> float | None:
    if returns.size < 2:
        return None
    downside = math.sqrt(float(np.square(np.minimum(returns, 0)).mean()))
    return float(returns.mean()) / downside * math.sqrt(periods_per_year) if downside > ROUNDING else None


def _max_drawdown(values: Floats) -> float | None:
    if values.size < 2 or values[0] <= 0:
        return None
    return float(np.max(1 - values / np.maximum.accumulate(values)))


def _longest_drawdown(ts: Ints, values: Floats) -> int | None:
    if values.size < 2 or values[0] <= 0:
        return None
    # Between two peaks that are not neighbours the curve was under water. It ends as if it recovered at the end.
    peaks = np.append(np.flatnonzero(values >= np.maximum.accumulate(values)), values.size)
    lasted = np.diff(np.append(ts, ts[-1])[peaks])
    return int(np.max(lasted[np.diff(peaks) > 1], initial=0))


def _turnover(ts: Ints, values: Floats, trades: pl.DataFrame) -> float | None:
    if values.size < 2:
        return None
    traded = trades.select((pl.col("size") * (pl.col("entry_price") + pl.col("exit_price"))).sum()).item()
    return _ratio(traded, float(values.mean()) * _years(ts))


def _exposure(ts: Ints, trades: pl.DataFrame) -> float | None:
    if ts.size < 2:
        return None
    start, stop = (
        pl.col(name).cast(NS).to_physical().clip(int(ts[0]), int(ts[-1])) for name in ("ts_entry", "ts_exit")
    )
    held = trades.select(start=start, stop=stop).sort("start")
    # What is new of each trade starts where all before it have ended.
    begins = pl.max_horizontal("start", pl.col("stop").cum_max().shift(1))
    return float(held.select((pl.col("stop") - begins).clip(0).sum()).item()) / float(ts[-1] - ts[0])


def _mean_holding(trades: pl.DataFrame) -> int | None:
    held = trades.select((pl.col("ts_exit") - pl.col("ts_entry")).cast(pl.Duration("ns")).to_physical().mean()).item()
    return None if held is None else round(held)
