"""Whether a market is predictable or stochastic just now: by the order patterns of its returns and their memory.

Labels at a row are made of that row and earlier ones alone. Sources: L. Zunino et al., Forbidden patterns, permutation
entropy and stock market inefficiency, Physica A 388 (2009); T. Di Matteo, Multi-scaling in finance, Quantitative
Finance 7 (2007), for the Hurst exponent as a measure of efficiency.
"""

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import polars as pl
from numba.extending import register_jitable

from tickline.compiled import kernel
from tickline.errors import ConfigError
from tickline.signals.complexity import (
    hurst,
    hurst_online,
    hurst_size,
    permutation_entropy,
    permutation_entropy_online,
    permutation_entropy_size,
)
from tickline.signals.online import State


class Regime(IntEnum):
    """What a market is."""

    STOCHASTIC = 0  # hardly to be told from a random walk
    PREDICTABLE = 1  # its order patterns or its memory tell something of what comes


class Thresholds(NamedTuple):
    """Predictable from an entropy of `entropy_enter` down or a Hurst exponent `hurst_enter` away from 0.5 on, until the
    entropy is back at `entropy_leave` and the exponent within `hurst_leave`.

    Windows are in log returns; the exponent is read every `every` of them. With these numbers 3 % of 200,000 steps of a
    Gaussian random walk are called predictable, and 92 % where a step repeats 0.4 of the one before.
    """

    patterns: int = 500
    order: int = 4
    memory: int = 512
    every: int = 32
    entropy_enter: float = 0.985
    entropy_leave: float = 0.990
    hurst_enter: float = 0.20
    hurst_leave: float = 0.10


def regimes(bars: pl.LazyFrame, thresholds: Thresholds | None = None) -> pl.LazyFrame:
    """The regime of each bar that has a close above 0, known at its close.

    `bars` has `instrument`, `ts_close` (UTC ns) and `close`, in order of time within each instrument. Columns:
    `instrument`, `ts`, `label` (Int8, of Regime), `entropy` (0 to 1) and `hurst` (Float64); null before both windows
    are full. Raises ConfigError where thresholds leave no room between entering and leaving.
    """
    to = _checked(Thresholds() if thresholds is None else thresholds)
    close, step = pl.col("close").cast(pl.Float64), pl.col("close").log().diff()
    entropy, exponent = permutation_entropy(step, to.patterns, to.order), hurst(close, to.memory, to.every)
    return (
        bars.filter(pl.col("close").is_finite() & (pl.col("close") > 0.0))
        .select(
            "instrument",
            pl.col("ts_close").alias("ts"),
            entropy.over("instrument").alias("entropy"),
            exponent.over("instrument").alias("hurst"),
        )
        .with_columns(_label(to).over("instrument").alias("label"))
        .select("instrument", "ts", "label", "entropy", "hurst")
    )


@register_jitable
def regime_size(to: Thresholds) -> int:
    """How many floats `regime_online` keeps."""
    return 2 + permutation_entropy_size(to.patterns, to.order) + hurst_size(to.memory, to.every)


@kernel
def regime_online(state: State, close: float, to: Thresholds) -> float:
    """The regime of the last close, as `regimes` says it; NaN before it is known, and for a close that is missing.

    State: the close before; 1 if stochastic, 2 if predictable; that of the entropy; that of the exponent.
    """
    if not close > 0.0 or np.isinf(close):
        return np.nan
    before, hurst_at = state[0], 2 + permutation_entropy_size(to.patterns, to.order)
    of_entropy, of_hurst = state[2:hurst_at], state[hurst_at : hurst_at + hurst_size(to.memory, to.every)]
    state[0] = close
    exponent = hurst_online(of_hurst, close, to.memory, to.every)
    if before == 0.0:
        return np.nan
    step = math.log(close) - math.log(before)
    entropy = permutation_entropy_online(of_entropy, step, to.patterns, to.order)
    if np.isnan(entropy) or np.isnan(exponent):
        return np.nan
    away = abs(exponent - 0.5)
    if entropy <= to.entropy_enter or away >= to.hurst_enter:
        state[1] = 2.0
    elif state[1] == 0.0 or (entropy >= to.entropy_leave and away <= to.hurst_leave):
        state[1] = 1.0
    return float(state[1] - 1.0)


def _label(to: Thresholds) -> pl.Expr:
    entropy, away = pl.col("entropy"), (pl.col("hurst") - 0.5).abs()
    said = (
        pl.when((entropy <= to.entropy_enter) | (away >= to.hurst_enter))
        .then(int(Regime.PREDICTABLE))
        .when((entropy >= to.entropy_leave) & (away <= to.hurst_leave))
        .then(int(Regime.STOCHASTIC))
    )
    is_known = entropy.is_not_null() & away.is_not_null()
    kept = pl.when(is_known).then(said).forward_fill().fill_null(int(Regime.STOCHASTIC))
    return pl.when(is_known).then(kept).cast(pl.Int8)


def _checked(to: Thresholds) -> Thresholds:
    if not (0.0 < to.entropy_enter < to.entropy_leave <= 1.0 and 0.0 < to.hurst_leave < to.hurst_enter):
        raise ConfigError(
            f"{to}: put entropy_enter below entropy_leave and hurst_leave below hurst_enter, else regimes flicker"
        )
    return to
