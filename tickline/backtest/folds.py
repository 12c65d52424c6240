"""What a search left behind: the study a strategy declares, how a trial is scored, and the table of trials."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import polars as pl

from tickline.backtest.spec import Search, StrategySpec
from tickline.backtest.study import Method, Score, Study, Trial
from tickline.backtest.sweep import Swept
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
        min_trades=asked.min_trades,
        start=start,
        inputs=inputs,
    )


def score_of(one: Swept) -> Score:
    """What a trial scores: its mean return over its pieces by their spread, and its trades; or why it failed."""
    if one.failure is not None:
        return Score(failure=one.failure)
    returns = piece_returns(one)
    spread = float(returns.std(ddof=1)) if returns.size > 1 else 0.0
    # A trial that never traded has no ratio: it is scored zero, and refused for its trades.
    return Score((float(returns.mean()) / spread if spread > 0 else 0.0,), trades=one.trades)


def piece_returns(one: Swept) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A trial's returns over the pieces of its training window."""
    equity = np.concatenate([[one.capital], one.equity]).astype(np.float64)
    return equity[1:] / equity[:-1] - 1.0


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
                "sharpe": None if failed else trial.score.values[0],
                "total_return": None if failed else one.equity[-1] / one.capital - 1,
                "max_drawdown": None if failed else one.max_drawdown,
                "trades": trial.score.trades,
                "chosen": chosen is not None and dict(trial.parameters) == dict(chosen),
                "failure": trial.refused,
                "returns": [] if failed else piece_returns(one).tolist(),
            }
        )
    return pl.DataFrame(rows, schema=BACKTEST_FOLDS.columns)
