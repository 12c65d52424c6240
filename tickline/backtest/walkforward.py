"""One window of a strategy: search its training sessions for parameters, then run its test sessions with them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tickline.backtest.bars import Listed, Prepared, charges_of, prepare
from tickline.backtest.folds import PIECES, folds_frame, luck_of, score_of, study_of
from tickline.backtest.results import stitched
from tickline.backtest.run import frames_of, run_bars, stay_out
from tickline.backtest.search import chosen, search
from tickline.backtest.space import trial_id
from tickline.backtest.spec import StrategySpec
from tickline.backtest.study import Score, Trial
from tickline.backtest.sweep import Swept, sweep
from tickline.backtest.tick_window import run_tick_window
from tickline.backtest.trial_log import TrialLog
from tickline.backtest.window import Material, Window, account_of
from tickline.errors import BacktestError, ConfigError
from tickline.kpi.performance import measure, sessions_per_year
from tickline.lake.schemas import BACKTEST_SUMMARY


@dataclass(frozen=True, slots=True)
class Watched:
    """How a search is followed: where its trials are kept, whose inputs' hashes they depend on, and who is told."""

    log: Path | None = None
    inputs: tuple[str, ...] = ()
    on_batch: Callable[[int, int], None] | None = None


def run_window(spec: StrategySpec, window: Window, material: Material) -> dict[str, pl.DataFrame]:
    """The frames of the `backtest_*` datasets that one window leaves, by name.

    Where its search lets no set be chosen it is not traded: it keeps its capital, and its run has no parameters. Raises
    BacktestError where there is too little to run on, or every trial failed.
    """
    if spec.mode == "tick":
        return run_tick_window(spec, window, material, account_of(spec, material.venue))
    account = account_of(spec, material.venue)
    trials, swept = search_over(spec, material, window.train) if spec.search is not None else ([], {})
    found = chosen(trials) if trials else {}
    parameters = spec.chosen(found) if found is not None else None
    tested = prepared_of(spec, material, account.traded, (*window.warmup, *window.test))
    warmup = int((tested.rows["session_date"] < window.test[0]).sum())
    if parameters is None:
        ran = stay_out(account, tested.rows.height)
    else:
        charges = charges_of(_of(material.sessions, (*window.warmup, *window.test)), account.traded, account.assumed)
        ran = run_bars(spec.strategy, parameters, account, tested, charges, warmup=warmup)
    frames = frames_of(ran, spec.strategy, parameters, account, tested)
    equity = frames["backtest_equity"].filter(pl.col("session_date") >= window.test[0])
    run = frames["backtest_run"].with_columns(pl.lit(spec.name).alias("strategy"))
    return frames | {
        "backtest_run": run,
        "backtest_equity": equity,
        "backtest_folds": folds_frame(trials, swept, found),
    }


def search_over(
    spec: StrategySpec, material: Material, sessions: Sequence[date], *, watched: Watched | None = None
) -> tuple[list[Trial], dict[str, Swept]]:
    """Search a strategy's parameters over some sessions: every trial, and by trial id what it came to.

    Clonal selection begins with the best trials of `material.before`. Raises ConfigError where the strategy declares no
    search, BacktestError where there are no bars.
    """
    asked = spec.search
    if asked is None:
        raise ConfigError(f"{spec.name} declares no search; give its file one")
    if spec.mode == "tick":
        raise ConfigError(f"{spec.name} searches ticks, piece by piece within a window; `walkforward` does that")
    account = account_of(spec, material.venue)
    prepared = prepared_of(spec, material, account.traded, sessions)
    pieces = np.linspace(0, prepared.rows.height, PIECES + 1).round().astype(np.int64)[1:]
    prepared = replace(prepared, marks=np.unique(pieces))
    charges = charges_of(_of(material.sessions, sessions), account.traded, account.assumed)
    swept: dict[str, Swept] = {}

    def evaluate(batch: Sequence[Mapping[str, float]]) -> list[Score]:
        sets = [spec.chosen(values) for values in batch]
        results = sweep(spec.strategy, sets, account, prepared, charges)
        swept.update({trial_id(values): one for values, one in zip(batch, results, strict=True)})
        return [score_of(one, asked.objectives) for one in results]

    watched = watched or Watched()
    study = study_of(asked, spec, before=material.before, inputs=watched.inputs)
    with TrialLog(watched.log, study) if watched.log is not None else nullcontext() as log:
        return search(study, evaluate, log=log, on_batch=watched.on_batch), swept


def prepared_of(spec: StrategySpec, material: Material, traded: Listed, sessions: Sequence[date]) -> Prepared:
    """The bars of some sessions, ready to be run. Raises BacktestError where there are none."""
    streams = [_of(frame, sessions) for frame in material.streams]
    of_sessions = _of(material.sessions, sessions)
    return prepare(streams, of_sessions, traded, assumed=spec.assumptions, signals=spec.strategy.signals)


def summarise(spec: StrategySpec, windows: Sequence[Mapping[str, pl.DataFrame]]) -> pl.DataFrame:
    """What all windows come to, as BACKTEST_SUMMARY: a row for each, and one, `all`, of them one after the other.

    Raises BacktestError where no window was run.
    """
    if not windows:
        raise BacktestError(f"{spec.name} has no window that was run; materialise its backtests first")
    rows = [_measured(spec, [window]) for window in windows]
    return pl.DataFrame([*rows, _measured(spec, windows) | {"scope": "all"}], schema=BACKTEST_SUMMARY.columns).sort(
        BACKTEST_SUMMARY.sort
    )


def stayed_out(folds: pl.DataFrame) -> bool:
    """Whether a search of a window (BACKTEST_FOLDS) let no set be chosen, so that what it was for was not traded."""
    return not folds.group_by("fold").agg(pl.col("chosen").any())["chosen"].all()


def _measured(spec: StrategySpec, windows: Sequence[Mapping[str, pl.DataFrame]]) -> dict[str, Any]:
    equity = stitched(
        pl.concat([window["backtest_run"] for window in windows]),
        pl.concat([window["backtest_equity"] for window in windows]),
    )
    trades = pl.concat([window["backtest_trades"] for window in windows])
    at_close = equity.group_by("session_date", maintain_order=True).last()
    sampled = pl.concat([equity.head(1), at_close.select(equity.columns)])
    dates = at_close["session_date"]
    # One session says nothing of a year; the ratio of one return is none anyway.
    a_year = sessions_per_year(dates) if dates.n_unique() > 1 else 1.0
    found = measure(sampled.select("ts", "equity"), trades, periods_per_year=a_year)
    folds = pl.concat([window["backtest_folds"] for window in windows])
    return {
        "strategy": spec.name,
        "scope": dates[0].isoformat(),
        "sessions": dates.n_unique(),
        **{name: getattr(found, name) for name in BACKTEST_SUMMARY.columns if hasattr(found, name)},
        # Of every bar, not of closes alone.
        "max_drawdown": _deepest(equity["equity"]),
        "trials": folds.height,
        **_doubts(windows),
    }


def _deepest(equity: pl.Series) -> float:
    fallen = 1 - equity / equity.cum_max()
    return float(fallen.max())  # type: ignore[arg-type]


def _doubts(windows: Sequence[Mapping[str, pl.DataFrame]]) -> dict[str, float | None]:
    """How likely what was chosen is good by luck alone: over all searches, the mean deflated Sharpe ratio of the best
    trial and the mean probability of overfitting; None where nothing was searched."""
    deflated, overfitted = [], []
    tables = [table for window in windows for table in window["backtest_folds"].partition_by("fold")]
    for table in tables:
        returns = table.filter(pl.col("returns").list.len() == PIECES)["returns"]
        luck = luck_of(np.array(returns.to_list()).T)
        if luck is not None:
            deflated.append(luck[0])
            overfitted.append(luck[1])
    mean = {"deflated_sharpe": deflated, "pbo": overfitted}
    return {name: float(np.mean(values)) if values else None for name, values in mean.items()}


def _of(frame: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    return frame.filter(pl.col("session_date").is_in(list(sessions)))
