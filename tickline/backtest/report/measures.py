"""Which measures a report shows, in what words, and how numbers are written. What they are is defined in kpi."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from tickline.backtest.report.evidence import Evidence, closes, curve
from tickline.kpi.performance import measure, sessions_per_year

Number: TypeAlias = int | float | Decimal | None

WHOLE = "all"
"""The summary's scope over every window."""

UNKNOWN = "n/a"


def percent(value: Number) -> str:
    """A fraction as people read it."""
    return UNKNOWN if _is_unknown(value) else f"{value:z,.2%}"


def plain(value: Number) -> str:
    """A ratio with two decimals, a count with none."""
    return UNKNOWN if _is_unknown(value) else f"{value:,}" if isinstance(value, int) else f"{value:z,.2f}"


def amount(value: Number) -> str:
    """Money: cents where it is much, six digits where it is little."""
    if value is None or _is_unknown(value):
        return UNKNOWN
    return f"{value:z,.2f}" if abs(float(value)) >= 100 else f"{float(value):,.6g}"


def instant(at: datetime | None) -> str:
    """A time to the minute. UTC, which pages say once."""
    return UNKNOWN if at is None else f"{at:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure by its name in BACKTEST_SUMMARY, what people call it, and how it is written."""

    name: str
    title: str
    written: Callable[[Number], str]


MEASURES = (
    Measure("total_return", "Total return", percent),
    Measure("cagr", "Return a year", percent),
    Measure("volatility", "Volatility a year", percent),
    Measure("sharpe", "Sharpe ratio", plain),
    Measure("sortino", "Sortino ratio", plain),
    Measure("calmar", "Calmar ratio", plain),
    Measure("max_drawdown", "Deepest drawdown", percent),
    Measure("sessions", "Sessions", plain),
    Measure("trades", "Trades", plain),
    Measure("win_rate", "Trades won", percent),
    Measure("profit_factor", "Profit factor", plain),
    Measure("expectancy", "Mean net of a trade", amount),
    Measure("cost_share", "Fees over gross profit", percent),
    Measure("turnover", "Turnover a year", plain),
    Measure("exposure", "Time in the market", percent),
    Measure("trials", "Trials", plain),
    Measure("deflated_sharpe", "Deflated Sharpe ratio", percent),
    Measure("pbo", "Probability of overfitting", percent),
)
"""In the order they are shown."""


def measures_of(evidence: Evidence) -> Mapping[str, Number]:
    """The measures over all windows by name: the summary's where it has them, else those of the curve and the trades
    (by session; None where there are fewer than two of them).
    """
    whole = evidence.summary.filter(evidence.summary["scope"] == WHOLE)
    if whole.is_empty() and evidence.run.height == evidence.summary.height == 1:
        whole = evidence.summary
    if whole.height:
        return {one.name: whole[one.name][0] for one in MEASURES}
    daily = closes(curve(evidence))
    dates = daily["session_date"]
    found: dict[str, Number] = {"trades": evidence.trades.height, "sessions": dates.n_unique()}
    if dates.n_unique() > 1:
        found |= asdict(measure(daily, evidence.trades, periods_per_year=sessions_per_year(dates)))
    return {one.name: found.get(one.name) for one in MEASURES} | {"trials": evidence.folds.height or None}


def _is_unknown(value: Number) -> bool:
    return value is None or not math.isfinite(value)
