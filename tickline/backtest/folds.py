"""What a search left behind: the study a strategy declares, how a trial is scored, and the table of trials."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import orjson
import polars as pl

from tickline.backtest.crossvalidation import cross_validate
from tickline.backtest.overfitting import Floats, backtest_overfitting, deflate
from tickline.backtest.spec import Search, StrategySpec
from tickline.backtest.study import Method, Objective, Score, Study, Trial
from tickline.backtest.sweep import Swept
from tickline.errors import ConfigError
from tickline.lake.schemas import BACKTEST_FOLDS

PIECES = 32
"""Into how many stretches of equally many bars a training window is cut: trials are judged by their returns over them,
because sessions are few."""


def study_of(
    asked: Search, spec: StrategySpec, *, before: pl.DataFrame | None = None, inputs: tuple[str, ...] = ()
) -> Study:
    """The search a strategy declares, as the search engine takes it. `before` are the folds of the window before."""
    start: tuple[dict[str, float], ...] = ()
    if asked.method is Method.CLONAL and before is not None:
        ranked = before.filter(pl.col("failure").is_null()).sort("objective", "trial_id", descending=[True, False])
        start = tuple(orjson.loads(text) for text in ranked["parameters"].head(asked.batch))
    return Study(
        space=spec.space,
        method=asked.method,
        trials=asked.trials,
        seed=asked.seed,
        batch=asked.batch,
        objectives=asked.objectives,
        min_trades=asked.min_trades,
        start=start,
        inputs=inputs,
    )


def score_of(one: Swept, objectives: Sequence[Objective]) -> Score:
    """What a trial scores by these objectives, its trades, and its returns over its pieces; or why it failed."""
    if one.failure is not None:
        return Score(failure=one.failure)
    returns = piece_returns(one)
    found = {
        Objective.SHARPE: _sharpe(returns),
        Objective.TOTAL_RETURN: one.final / one.capital - 1,
        Objective.MAX_DRAWDOWN: -one.max_drawdown,
    }
    return Score(
        tuple(found[objective] for objective in objectives),
        trades=one.trades,
        returns=tuple(returns.tolist()),
        reach=math.ceil(one.longest * PIECES),
    )


def _sharpe(returns: Floats) -> float:
    """The mean by the spread; 0 for a trial that never traded, which has no ratio and is refused for its trades."""
    spread = float(returns.std(ddof=1)) if returns.size > 1 else 0.0
    return float(returns.mean()) / spread if spread > 0 else 0.0


def piece_returns(one: Swept) -> Floats:
    """A trial's returns over the pieces of its training window."""
    equity = np.concatenate([[one.capital], one.equity]).astype(np.float64)
    return equity[1:] / equity[:-1] - 1.0


def luck_of(returns: Floats) -> tuple[float, float] | None:
    """How likely the best of some trials (pieces x trials) is good by luck: its deflated Sharpe ratio, and the
    probability of overfitting by choosing it. None where no trial ever moved, or there are fewer than two."""
    try:
        return deflate(returns).deflated, backtest_overfitting(returns, blocks=PIECES // 2).probability
    except ConfigError:
        return None


def trust_in(trials: Sequence[Trial], *, groups: int, tested: int, embargo: int) -> dict[str, float | str | None]:
    """What speaks for choosing the best of some trials, and against it.

    deflated_sharpe and pbo as of `luck_of`; then Sharpe ratios of single pieces: of what was chosen in one piece of
    time where it was chosen (`in_sample`), on the path through the tests of purged K-fold (`kfold`), and on those of
    combinatorial cross-validation their 5 % quantile, their median and the share that lose. None where there is too
    little to say, and `unknown` says why.
    """
    ran = [trial.score for trial in trials if trial.score.failure is None and len(trial.score.returns) == PIECES]
    names = ("deflated_sharpe", "pbo", "in_sample", "kfold", "cpcv_low", "cpcv_median", "cpcv_loss")
    told: dict[str, float | str | None] = dict.fromkeys(names) | {"unknown": None}
    returns = np.array([score.returns for score in ran]).T
    luck = luck_of(returns)
    if luck is None:
        return told | {"unknown": f"{len(ran)} trials of {PIECES} pieces that moved: choosing needs two or more"}
    told |= dict(zip(names, luck, strict=False))
    reach = max(score.reach for score in ran)
    try:
        one = cross_validate(returns, groups=groups, tested=1, reach=reach, embargo=embargo)
        told |= {"in_sample": float(one.in_sample.mean()), "kfold": float(one.out_of_sample[0])}
        many = cross_validate(returns, groups=groups, tested=tested, reach=reach, embargo=embargo).out_of_sample
    except ConfigError as error:
        held = f"positions were held over up to {reach} of {PIECES} pieces"
        return told | {"unknown": f"{held}, and {error}"}
    low, median = np.quantile(many, [0.05, 0.5])
    return told | {"cpcv_low": float(low), "cpcv_median": float(median), "cpcv_loss": float((many < 0).mean())}


def folds_frame(
    trials: Sequence[Trial], swept: Mapping[str, Swept], chosen: Mapping[str, float] | None, *, fold: int = 0
) -> pl.DataFrame:
    """The trials of one search as BACKTEST_FOLDS; `swept` is by trial id, `chosen` the set that was taken, if any."""
    rows = []
    for trial in trials:
        one = swept[trial.id]
        failed = one.failure is not None
        rows.append(
            {
                "fold": fold,
                "trial": trial.number,
                "trial_id": trial.id,
                "parameters": orjson.dumps(dict(trial.parameters), option=orjson.OPT_SORT_KEYS).decode(),
                "objective": None if failed else trial.score.values[0],
                "sharpe": None if failed else _sharpe(np.array(trial.score.returns)),
                "total_return": None if failed else one.equity[-1] / one.capital - 1,
                "max_drawdown": None if failed else one.max_drawdown,
                "trades": trial.score.trades,
                "chosen": chosen is not None and dict(trial.parameters) == dict(chosen),
                "failure": trial.refused,
                "returns": list(trial.score.returns),
            }
        )
    return pl.DataFrame(rows, schema=BACKTEST_FOLDS.columns)
