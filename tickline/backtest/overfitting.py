"""How much of the best of many backtests is luck: Sharpe ratios deflated for the trials behind them, and the
probability that picking the best in sample picks badly out of sample.

Sharpe ratios in here are those of single periods, not annualised; kurtosis is 3 for a Normal distribution.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tickline.errors import ConfigError
from tickline.kpi.performance import ROUNDING

Floats: TypeAlias = npt.NDArray[np.float64]

MOST_BLOCKS = 20
"""C(20, 10) = 184,756 ways to halve the blocks; each two more are four times as many."""

_NORMAL = NormalDist()
_CHUNK = 1 << 22  # numbers in one temporary array


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sample of returns says of their Sharpe ratio, and of the shape its error depends on."""

    sharpe: float
    samples: int
    skewness: float = 0.0
    kurtosis: float = 3.0


@dataclass(frozen=True, slots=True)
class Deflated:
    """The best of several trials, judged by how many there were.

    `expected_maximum` is the Sharpe ratio the best of `effective_trials` worthless ones would have; `deflated` the
    probability that the true ratio of `trial` (its column) is above that, `probabilistic` that it is above zero.
    `track_record` is how many samples would show it is above `expected_maximum`, None where none would.
    """

    trial: int
    estimate: Estimate
    trials: int
    effective_trials: float
    expected_maximum: float
    probabilistic: float
    deflated: float
    track_record: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """What each halving of the time said of the trial that was best in one half (arrays of one value a halving).

    `logits` is ln(w / (1 - w)) of its relative rank w in the other half; `in_sample` and `out_of_sample` are its
    Sharpe ratios in the two.
    """

    logits: Floats
    in_sample: Floats
    out_of_sample: Floats

    @property
    def probability(self) -> float:
        """The probability of backtest overfitting: how often the best in sample is no better than the median out."""
        return float((self.logits <= 0).mean())

    @property
    def probability_of_loss(self) -> float:
        """How often the best in sample loses out of sample."""
        return float((self.out_of_sample < 0).mean())


def estimate(returns: npt.ArrayLike) -> Estimate:
    """Sharpe ratio (standard deviation with n - 1), skewness and kurtosis of returns, above the riskless rate.

    Raises ConfigError for fewer than two returns, one that is not finite, or returns that are all the same.
    """
    sample = np.asarray(returns, dtype=np.float64)
    if sample.ndim != 1 or sample.size < 2 or not np.isfinite(sample).all():
        raise ConfigError(f"returns of shape {sample.shape}: a Sharpe ratio needs two or more in a row, all finite")
    spread = float(sample.std(ddof=1))
    if spread <= ROUNDING:
        raise ConfigError(
            f"{sample.size} returns that are all {sample[0]}: the strategy did nothing that can be judged"
        )
    standard = (sample - sample.mean()) / sample.std()
    return Estimate(
        sharpe=float(sample.mean()) / spread,
        samples=sample.size,
        skewness=float((standard**3).mean()),
        kurtosis=float((standard**4).mean()),
    )


def probabilistic_sharpe(of: Estimate, *, benchmark: float = 0.0) -> float:
    """The probability that the true Sharpe ratio is above `benchmark`: Bailey and Lopez de Prado (2012), The Sharpe
    Ratio Efficient Frontier, J. of Risk 15(2).
    """
    return _NORMAL.cdf((of.sharpe - benchmark) * math.sqrt((of.samples - 1) / _error(of)))


def minimum_track_record(of: Estimate, *, benchmark: float = 0.0, confidence: float = 0.95) -> float | None:
    """How many samples of these returns show at this confidence that the true Sharpe ratio is above `benchmark`.

    None where the estimate itself is not above it. Source: Bailey and Lopez de Prado (2012), as above.
    """
    if of.sharpe <= benchmark:
        return None
    return 1 + _error(of) * (_NORMAL.inv_cdf(confidence) / (of.sharpe - benchmark)) ** 2


def expected_maximum_sharpe(*, trials: float, variance: float) -> float:
    """The Sharpe ratio expected of the best of independent trials whose true ratio is zero.

    `variance` is that of the trials' estimates. A single trial is expected to be at zero, and so is any number below
    about 1.3, where the approximation would be negative. Source: Bailey and Lopez de Prado (2014), The Deflated Sharpe
    Ratio, J. of Portfolio Management 40(5), equation 1.
    """
    if trials <= 1:
        return 0.0
    at_maximum = (1 - np.euler_gamma) * _NORMAL.inv_cdf(1 - 1 / trials)
    beyond = np.euler_gamma * _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return max(0.0, math.sqrt(variance) * (at_maximum + beyond))


def deflated_sharpe(of: Estimate, *, trials: float, variance: float) -> float:
    """The probability that the true Sharpe ratio is above what the best of so many worthless trials would show.

    Source: Bailey and Lopez de Prado (2014), as above.
    """
    return probabilistic_sharpe(of, benchmark=expected_maximum_sharpe(trials=trials, variance=variance))


def as_trials(returns: npt.ArrayLike) -> Floats:
    """Returns as a matrix (time x trials). Raises ConfigError where they are none, or one is not finite."""
    matrix = np.asarray(returns, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] < 2 or matrix.shape[1] < 1:
        raise ConfigError(
            f"returns of shape {matrix.shape}: give a row for each of two or more times, a column a trial"
        )
    if not np.isfinite(matrix).all():
        at = int(np.argmax(~np.isfinite(matrix).all(axis=0)))
        raise ConfigError(f"trial {at} has returns that are missing or not finite: leave it out or mend it")
    return matrix


def effective_trials(returns: npt.ArrayLike) -> float:
    """How many independent trials these correlated ones (time x trials) amount to: r + (1 - r) * trials.

    r is the mean correlation between two of them, at least 0. Trials that never moved could not have been chosen and do
    not count. Raises ConfigError as `deflate`. Source: Bailey and Lopez de Prado (2014), appendix A.3.
    """
    matrix = _moved(as_trials(returns))
    count = matrix.shape[1]
    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    # The variance of a sum holds the covariance of every pair, so nothing needs their matrix.
    over_pairs = float(np.square(standard.sum(axis=1)).mean()) - count
    mean = max(0.0, over_pairs / (count * (count - 1))) if count > 1 else 0.0
    return float(mean + (1 - mean) * count)


def deflate(returns: npt.ArrayLike) -> Deflated:
    """Judge the best of all trials tried (time x trials of returns a period) by their number.

    Raises ConfigError for fewer than two rows, a return that is not finite, or where no trial ever moved.
    """
    matrix = as_trials(returns)
    moved = _moved(matrix)
    sharpes = moved.mean(axis=0) / moved.std(axis=0, ddof=1)
    of, effective = estimate(moved[:, sharpes.argmax()]), effective_trials(moved)
    variance = float(sharpes.var(ddof=1)) if sharpes.size > 1 else 0.0
    hurdle = expected_maximum_sharpe(trials=effective, variance=variance)
    return Deflated(
        trial=int(np.flatnonzero(_is_moved(matrix))[sharpes.argmax()]),
        estimate=of,
        trials=matrix.shape[1],
        effective_trials=effective,
        expected_maximum=hurdle,
        probabilistic=probabilistic_sharpe(of),
        deflated=deflated_sharpe(of, trials=effective, variance=variance),
        track_record=minimum_track_record(of, benchmark=hurdle),
    )


def backtest_overfitting(returns: npt.ArrayLike, *, blocks: int = 16) -> Overfitting:
    """Combinatorially symmetric cross-validation of all trials tried (time x trials of returns a period).

    Time is cut into `blocks` of equal length. In each choice of half of them the trial with the highest Sharpe ratio
    is found and ranked among all in the other half. Trials that never moved have a ratio of zero; equal ones share
    their mean rank. Raises ConfigError unless there are two trials or more, an even number of blocks from 2 to
    MOST_BLOCKS, two rows a block, and every return is finite.
    Source: Bailey, Borwein, Lopez de Prado and Zhu (2015), The Probability of Backtest Overfitting, J. of
    Computational Finance 20(4).
    """
    matrix = as_trials(returns)
    rows, trials = matrix.shape
    if trials < 2:
        raise ConfigError("one trial cannot be overfitted by choosing: give the returns of every trial tried")
    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS or rows < 2 * blocks:
        raise ConfigError(
            f"{rows} rows in {blocks} blocks: take an even number of blocks from 2 to {MOST_BLOCKS}, two rows in each"
        )
    pieces = np.array_split(matrix, blocks)
    sums = np.array([piece.sum(axis=0) for piece in pieces])
    squares = np.array([np.square(piece).sum(axis=0) for piece in pieces])
    counts = np.array([len(piece) for piece in pieces], dtype=np.float64)
    found = []
    for half in _halves(blocks, at_once=max(1, _CHUNK // trials)):
        inside, outside = (_sharpes(one @ sums, one @ squares, one @ counts) for one in (half, 1 - half))
        found.append(_judge(inside, outside))
    return Overfitting(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _judge(inside: Floats, outside: Floats) -> tuple[Floats, Floats, Floats]:
    """Logit, Sharpe ratio inside and outside of the best inside, for each row (halvings x trials)."""
    best = inside.argmax(axis=1)[:, None]
    reached = np.take_along_axis(outside, best, axis=1)
    rank = ((outside < reached).sum(axis=1) + (outside <= reached).sum(axis=1) + 1) / 2
    relative = rank / (outside.shape[1] + 1)
    return np.log(relative / (1 - relative)), np.take_along_axis(inside, best, axis=1)[:, 0], reached[:, 0]


def _halves(blocks: int, *, at_once: int) -> Iterator[Floats]:
    """Every choice of half the blocks as rows of ones and zeros, some rows at a time."""
    choices = combinations(range(blocks), blocks // 2)
    while chosen := list(islice(choices, at_once)):
        rows = np.zeros((len(chosen), blocks))
        np.put_along_axis(rows, np.array(chosen), 1.0, axis=1)
        yield rows


def _sharpes(sums: Floats, squares: Floats, counts: Floats) -> Floats:
    """Sharpe ratios out of sums and sums of squares (halves x trials) over `counts` periods; 0 where nothing moved."""
    means = sums / counts[:, None]
    variances = (squares - sums * means) / (counts[:, None] - 1)
    moved = variances > np.maximum(ROUNDING**2, 1e-12 * np.square(means))  # below is what cancelling leaves
    return np.where(moved, means / np.sqrt(np.where(moved, variances, 1.0)), 0.0)


def _error(of: Estimate) -> float:
    """The variance of an estimated Sharpe ratio, times samples less one: Mertens (2002), after Lo (2002)."""
    variance = 1 - of.skewness * of.sharpe + (of.kurtosis - 1) / 4 * of.sharpe**2
    if of.samples < 2 or not variance > 0:
        raise ConfigError(f"{of}: no returns have this shape, or too few to say; estimate it from a longer sample")
    return variance


def _is_moved(matrix: Floats) -> npt.NDArray[np.bool_]:
    is_moved: npt.NDArray[np.bool_] = matrix.std(axis=0) > ROUNDING
    return is_moved


def _moved(matrix: Floats) -> Floats:
    is_moved = _is_moved(matrix)
    if not is_moved.any():
        raise ConfigError(f"none of {matrix.shape[1]} trials ever moved: nothing was traded that could be judged")
    return matrix[:, is_moved]
