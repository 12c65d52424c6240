"""What choosing by the past comes to: on part of the time the best trial is chosen, and judged by the rest."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tickline.backtest.overfitting import as_trials
from tickline.backtest.splits import combinatorial
from tickline.kpi.performance import ROUNDING

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Sharpe ratios of single samples, not annualised: `in_sample` of each split's choice where it was chosen,
    `out_of_sample` of each path through what was chosen without it."""

    in_sample: Floats
    out_of_sample: Floats


def cross_validate(returns: npt.ArrayLike, *, groups: int, tested: int = 1, reach: int = 0, embargo: int = 0) -> Chosen:
    """Choose the trial with the highest Sharpe ratio on each split's training, and judge it by the split's test.

    `returns` are of every trial tried (samples x trials, samples in the order of time). A sample is known `reach`
    samples after it was decided: that long a position may have been held. With one group tested this is purged and
    embargoed K-fold, with more combinatorial purged cross-validation. Raises ConfigError as `combinatorial` does, and
    for returns that are missing or not finite.
    """
    matrix = as_trials(returns)
    decided = np.arange(len(matrix))
    made = combinatorial(decided, decided + reach, groups=groups, tested=tested, embargo=embargo)
    ratios = [_sharpes(matrix[split.train]) for split in made.splits]
    tests = [matrix[split.test, ratio.argmax()] for split, ratio in zip(made.splits, ratios, strict=True)]
    return Chosen(np.array([ratio.max() for ratio in ratios]), _sharpes(made.assemble(tests).T))


def _sharpes(matrix: Floats) -> Floats:
    """The Sharpe ratio of each column; 0 where it did not move, or there is one row."""
    spreads = matrix.std(axis=0, ddof=1) if len(matrix) > 1 else np.zeros(matrix.shape[1])
    moved = spreads > ROUNDING
    return np.where(moved, matrix.mean(axis=0) / np.where(moved, spreads, 1.0), 0.0)
