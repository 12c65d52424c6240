"""One window of a strategy: search its training sessions for parameters, then run its test sessions with them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from tickline.backtest.bars import Listed, Prepared, charges_of, listed, prepare
from tickline.backtest.overfitting import backtest_overfitting, deflate
from tickline.backtest.run import Account, frames_of, run_bars
from tickline.backtest.search import Method, Score, Study, Trial, TrialLog, best, search
from tickline.backtest.space import trial_id
from tickline.backtest.spec import Search, StrategySpec, WalkForward
from tickline.backtest.sweep import Swept, sweep
from tickline.errors import BacktestError, ConfigError
from tickline.kpi.performance import measure, sessions_per_year
from tickline.lake.schemas import BACKTEST_FOLDS, BACKTEST_SUMMARY
from tickline.reference.models import Instrument, Venue

PIECES = 32
"""Into how many stretches of equally many bars a training window is cut: trials are judged by their returns over them,
because sessions are few."""


@dataclass(frozen=True, slots=True)
class Window:
    """The session dates of one window; `warmup` ones come right before `test`."""

    train: tuple[date, ...]
    warmup: tuple[date, ...]
    test: tuple[date, ...]

    @property
    def sessions(self) -> tuple[date, ...]:
        """Every session date it reads."""
        return tuple(sorted({*self.train, *self.warmup, *self.test}))


@dataclass(frozen=True, slots=True)
class Material:
    """What a window is run on: bars of each stream (BARS, lineage and signal columns) and sessions (SESSIONS).

    `before` are the folds of the window before, where a search goes on from them.
    """

    streams: tuple[pl.DataFrame, ...]
    sessions: pl.DataFrame
    venue: Venue
    before: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """How a search is followed: where its trials are kept, whose inputs' hashes they depend on, and who is told."""

    log: Path | None = None
    inputs: tuple[str, ...] = ()
    on_batch: Callable[[int, int], None] | None = None


def windows_of(sessions: Sequence[date], cut: WalkForward) -> dict[date, Window]:
    """The windows over session dates (increasing), by the last session each tests; none where they are too few.

    One is there once its last session is; what is left over at the end is not tested yet.
    """
    before = max(cut.train + cut.gap, cut.warmup)
    found = {}
    for first in range(before, len(sessions) - cut.test + 1, cut.test):
        stop = first - cut.gap
        train = sessions[0 if cut.anchored else stop - cut.train : stop] if cut.train else ()
        window = Window(
            tuple(train), tuple(sessions[first - cut.warmup : first]), tuple(sessions[first : first + cut.test])
        )
        found[window.test[-1]] = window
    return found


def run_window(spec: StrategySpec, window: Window, material: Material) -> dict[str, pl.DataFrame]:
    """The frames of the `backtest_*` datasets that one window leaves, by name.

    Raises BacktestError where there is too little to run on, or no trial may be chosen.
    """
    account = account_of(spec, material.venue)
    trials, swept = search_over(spec, material, window.train) if spec.search is not None else ([], {})
    found = best(trials).parameters if trials else {}
    parameters = spec.chosen(found)
    tested = prepared_of(spec, material, account.traded, (*window.warmup, *window.test))
    warmup = int((tested.rows["session_date"] < window.test[0]).sum())
    charges = charges_of(_of(material.sessions, (*window.warmup, *window.test)), account.traded, account.assumed)
    ran = run_bars(spec.strategy, parameters, account, tested, charges, warmup=warmup)
    frames = frames_of(ran, spec.strategy, parameters, account, tested)
    equity = frames["backtest_equity"].filter(pl.col("session_date") >= window.test[0])
    run = frames["backtest_run"].with_columns(pl.lit(spec.name).alias("strategy"))
    return frames | {"backtest_run": run, "backtest_equity": equity, "backtest_folds": _folds(trials, swept, found)}


def search_over(
    spec: StrategySpec, material: Material, sessions: Sequence[date], *, watched: Watched | None = None
) -> tuple[list[Trial], dict[str, Swept]]:
    """Search a strategy's parameters over some sessions: every trial, and by trial id what it came to.

    Clonal selection begins with the best trials of `material.before`. Raises ConfigError where the strategy declares no
    search, BacktestError where there are no bars.
    """
    if spec.search is None:
        raise ConfigError(f"{spec.name} declares no search; give its file one")
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
        return [_score(one) for one in results]

    watched = watched or Watched()
    study = study_of(spec.search, spec, before=material.before, inputs=watched.inputs)
    with TrialLog(watched.log, study) if watched.log is not None else nullcontext() as log:
        return search(study, evaluate, log=log, on_batch=watched.on_batch), swept


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


def account_of(spec: StrategySpec, venue: Venue) -> Account:
    """What a strategy begins a window with. Raises BacktestError where its instruments do not fit one account."""
    by_name: Mapping[str, Instrument] = {instrument.name: instrument for instrument in venue.instruments}
    traded = listed([by_name[name] for name in spec.instruments], venue.fees)
    return Account(traded, spec.capital, spec.assumptions)


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


def stitched(windows: Sequence[Mapping[str, pl.DataFrame]], capital: float) -> pl.DataFrame:
    """Windows' equity one after the other (ts, session_date, equity): each goes on in proportion from where the one
    before ended, and it all begins with a first row of the capital put in."""
    curves, level = [], capital
    for window in windows:
        equity = window["backtest_equity"].select("ts", "session_date", "equity")
        curves.append(equity.with_columns(pl.col("equity") * (level / capital)))
        level = float(curves[-1]["equity"][-1])
    whole = pl.concat(curves)
    start = whole.head(1).with_columns(pl.col("ts") - pl.duration(nanoseconds=1), pl.lit(capital).alias("equity"))
    return pl.concat([start, whole])


def _score(one: Swept) -> Score:
    if one.failure is not None:
        return Score(failure=one.failure)
    returns = _piece_returns(one)
    spread = float(returns.std(ddof=1)) if returns.size > 1 else 0.0
    # A trial that never traded has no ratio: it is scored zero, and refused for its trades.
    return Score((float(returns.mean()) / spread if spread > 0 else 0.0,), trades=one.trades)


def _piece_returns(one: Swept) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A trial's returns over the pieces of its training window."""
    equity = np.concatenate([[one.capital], one.equity]).astype(np.float64)
    return equity[1:] / equity[:-1] - 1.0


def _folds(trials: Sequence[Trial], swept: Mapping[str, Swept], chosen: Mapping[str, float]) -> pl.DataFrame:
    rows = []
    for trial in trials:
        one = swept[trial.id]
        failed = one.failure is not None
        rows.append(
            {
                "trial": trial.number,
                "trial_id": trial.id,
                "parameters": orjson.dumps(dict(trial.parameters), option=orjson.OPT_SORT_KEYS).decode(),
                "objective": None if failed else trial.score.values[0],
                "sharpe": None if failed else trial.score.values[0],
                "total_return": None if failed else one.equity[-1] / one.capital - 1,
                "max_drawdown": None if failed else one.max_drawdown,
                "trades": trial.score.trades,
                "chosen": dict(trial.parameters) == dict(chosen),
                "failure": trial.refused,
                "returns": [] if failed else _piece_returns(one).tolist(),
            }
        )
    return pl.DataFrame(rows, schema=BACKTEST_FOLDS.columns)


def _measured(spec: StrategySpec, windows: Sequence[Mapping[str, pl.DataFrame]]) -> dict[str, Any]:
    equity = stitched(windows, float(spec.capital))
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
    """How likely what was chosen is good by luck alone: over the windows, the mean deflated Sharpe ratio of the best
    trial and the mean probability of overfitting; None where nothing was searched."""
    deflated, overfitted = [], []
    for window in windows:
        folds = window["backtest_folds"].filter(pl.col("returns").list.len() == PIECES)
        if folds.height < 2:
            continue
        returns = np.array(folds["returns"].to_list()).T
        try:
            deflated.append(deflate(returns).deflated)
            overfitted.append(backtest_overfitting(returns, blocks=PIECES // 2).probability)
        except ConfigError:
            continue  # no trial ever moved: there is nothing to doubt
    mean = {"deflated_sharpe": deflated, "pbo": overfitted}
    return {name: float(np.mean(values)) if values else None for name, values in mean.items()}


def _of(frame: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    return frame.filter(pl.col("session_date").is_in(list(sessions)))
