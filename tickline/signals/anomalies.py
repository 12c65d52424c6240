"""Rows whose return, or whose volume for the time of the session, is far from what it was lately.

How far is said in robust standard deviations: the distance from the median of earlier values, by 1.4826 times their
median distance from it, which outliers do not move. Source: Boris Iglewicz and David Hoaglin, How to Detect and Handle
Outliers (1993). Nothing later than a row, nor the row itself, is part of what it is compared with.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from tickline.errors import ConfigError
from tickline.signals.indicators import on_present

Floats: TypeAlias = npt.NDArray[np.float64]

_SIGMAS_PER_MAD = 1.4826
"""Standard deviations of normal values in their median absolute deviation."""

_ROWS = 4_096
"""How many windows are laid out at a time."""


class Limits(NamedTuple):
    """`window` earlier returns and `sessions` earlier volumes of the same time of the session; a row is an anomaly from
    `limit` robust standard deviations on."""

    window: int = 250
    sessions: int = 20
    limit: float = 6.0


def anomalies(bars: pl.LazyFrame, opens: pl.LazyFrame, limits: Limits | None = None) -> pl.LazyFrame:
    """How anomalous each bar is, known at its close.

    `bars` has `instrument`, `session_date`, `segment`, `ts_open`, `ts_close` (UTC ns), `close` and `volume`, in order
    of time within each instrument; `opens` has `session_date`, `segment` and `open` (UTC ns), when each session of
    their calendar began. Columns: `instrument`, `ts`, `return_score` and `volume_score` (Float64, of log return and log
    volume), null before the windows are full, without a price or a trade, without a session and where earlier values
    did not vary; `is_return_anomaly` and `is_volume_anomaly` (Boolean), false there.

    Raises ConfigError where windows are shorter than 5.
    """
    within = Limits() if limits is None else limits
    if min(within.window, within.sessions) < 5 or not within.limit > 0.0:
        raise ConfigError(f"{within}: a median of fewer than 5 says little; give longer windows and a limit above 0")
    volume = pl.when(pl.col("open").is_not_null()).then(_log("volume"))
    step, since_open = _log("close").diff(), (pl.col("ts_open") - pl.col("open")).alias("since_open")
    return (
        bars.select("instrument", "session_date", "segment", "ts_open", "ts_close", "close", "volume")
        .join(
            opens.select("session_date", "segment", "open"),
            on=["session_date", "segment"],
            how="left",
            maintain_order="left",
        )
        .with_columns(
            robust_score(step, within.window).over("instrument").alias("return_score"),
            robust_score(volume, within.sessions).over("instrument", "segment", since_open).alias("volume_score"),
        )
        .select(
            "instrument",
            pl.col("ts_close").alias("ts"),
            "return_score",
            "volume_score",
            _is_far("return_score", within.limit).alias("is_return_anomaly"),
            _is_far("volume_score", within.limit).alias("is_volume_anomaly"),
        )
    )


def robust_score(x: pl.Expr, n: int) -> pl.Expr:
    """Robust standard deviations between each value and the median of the n before it; null where those do not vary."""
    return on_present(lambda x: pl.Series(_robust_scores(x.to_numpy(), n)), x)


def _log(name: str) -> pl.Expr:
    column = pl.col(name).cast(pl.Float64)
    return pl.when(column.is_finite() & (column > 0.0)).then(column.log())


def _is_far(score: str, limit: float) -> pl.Expr:
    return (pl.col(score).abs() >= limit).fill_null(False)


def _robust_scores(values: Floats, n: int) -> Floats:
    found = np.full(values.size, np.nan)
    for start in range(n, values.size, _ROWS):
        stop = min(start + _ROWS, values.size)
        earlier = sliding_window_view(values[start - n : stop - 1], n)
        middle = np.median(earlier, axis=1)
        away = _SIGMAS_PER_MAD * np.median(np.abs(earlier - middle[:, None]), axis=1)
        off = values[start:stop] - middle
        np.divide(off, away, out=found[start:stop], where=away > 0.0)
    return found
