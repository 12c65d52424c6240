"""`tickline sweep`, `montecarlo` and `stress`: how much of a result is the parameters, luck, or fair weather."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import polars as pl
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from runners.commands.answer import AsJson, as_json, finish, progress_to, table
from runners.commands.asked import First, Last
from runners.commands.backtest import Set, TheStrategy, changed, days_of, short, strategy_of
from tickline.backtest.folds import study_of, trust_in
from tickline.backtest.montecarlo import Blocks, bootstrap, trade_returns
from tickline.backtest.search import front, ranked
from tickline.backtest.spec import Search, StrategySpec
from tickline.backtest.stress import SCENARIOS
from tickline.backtest.study import Method, Trial
from tickline.backtest.walkforward import Watched, search_over
from tickline.errors import BacktestError, ConfigError
from tickline.pipeline.backtests import Days, material_of
from tickline.pipeline.evidence import inputs_for, published_windows
from tickline.pipeline.trying import jittered, stressed
from tickline.workspace import Workspace, workspace

Seed = Annotated[int, typer.Option(min=0, help="What chance is drawn from; the same seed, the same answer.")]


def sweep(
    strategy: TheStrategy,
    first: First = "",
    last: Last = "",
    method: Annotated[Method | None, typer.Option(help="How sets are proposed, where not as configured.")] = None,
    trials: Annotated[int | None, typer.Option(min=2, help="How many sets to try.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the best to show.")] = 10,
    groups: Annotated[int, typer.Option(min=2, max=16, help="Into how many parts time is cut to cross-validate.")] = 8,
    tested: Annotated[int, typer.Option(min=1, max=8, help="How many of them are tested at once.")] = 2,
    embargo: Annotated[int, typer.Option(min=0, max=8, help="32nds of the time left out after a test.")] = 1,
    json: AsJson = False,
) -> None:
    """Try the parameter sets a strategy's search declares over a range of sessions, and say how far to trust the best:
    its deflated Sharpe ratio, the probability of overfitting, and what was chosen on part of the time came to on the
    rest, purged and embargoed. Interrupted, run it again: what was tried is kept under TICKLINE_HOME/searches, and is
    not tried again.

    Example: tickline sweep coin_trend --from 2026-03-06 --to 2026-03-08
    """
    here = workspace()
    spec = strategy_of(here, strategy)
    if spec.search is None:
        raise ConfigError(f"{strategy} declares no search; give its file one")
    said = {name: value for name, value in (("method", method), ("trials", trials)) if value is not None}
    asked = spec.search.model_copy(update=said)
    days = days_of(here, spec, first, last)
    inputs = inputs_for(here.lake, spec, days)
    hashes = (spec.strategy.code, *(inputs.published[key].sha256 for key in sorted(inputs.published)))
    study = study_of(asked, spec, inputs=hashes)
    folder = here.home / "searches"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / f"{strategy}-{study.sha256[:16]}.jsonl"
    with counting("tried", quiet=json) as moved:
        watched = Watched(log, hashes, moved)
        material = material_of(spec, here.universe.venues[spec.venue], inputs)
        found, _ = search_over(spec.model_copy(update={"search": asked}), material, sorted(days), watched=watched)
    rows = _ranked(found, asked)
    trust = trust_in(found, groups=groups, tested=tested, embargo=embargo)
    counts = {"trials": len(found), "refused": len(found) - len(rows)}
    if json:
        as_json({**counts, "log": str(log), "best": rows[:top], "trust": trust})
    else:
        _rows(f"{len(found)} trials, {counts['refused']} refused; kept in {log}", rows[:top])
        table("How far to trust the best", ("what", "value"), [(name, short(value)) for name, value in trust.items()])
    finish(ok=bool(rows))


def _ranked(found: Sequence[Trial], asked: Search) -> list[dict[str, Any]]:
    """The trials that may be chosen, best first; of several objectives, which none beats in one without losing in
    another."""
    unbeaten = {one.id for one in front(found)}
    rows: list[dict[str, Any]] = []
    for one in ranked(found):
        scored: dict[str, float] = dict(zip(asked.objectives, one.score.values, strict=True))
        is_unbeaten = {"unbeaten": one.id in unbeaten} if len(scored) > 1 else {}
        rows.append({**one.parameters, **scored, "trades": one.score.trades, **is_unbeaten})
    return rows


def montecarlo(
    strategy: TheStrategy,
    paths: Annotated[int, typer.Option(min=100, max=1_000_000, help="How many paths to draw.")] = 10_000,
    block: Annotated[int, typer.Option(min=1, help="How many neighbouring trades are drawn together.")] = 1,
    reruns: Annotated[int, typer.Option(min=0, help="Runs with other prices, costs and latencies.")] = 0,
    seed: Seed = 1,
    json: AsJson = False,
) -> None:
    """What a strategy's published trades could have come to in another order, or drawn again; with --reruns also what
    it comes to where every price is off by up to a tick, and costs and latencies are half to twice those assumed.

    Example: tickline montecarlo coin_trend --paths 10000 --reruns 5
    """
    here = workspace()
    spec = strategy_of(here, strategy)
    windows = published_windows(here.lake, spec.name)
    if not windows:
        raise BacktestError(f"no backtest of {strategy} is in the lake; `tickline walkforward {strategy}` makes them")
    trades = pl.concat([window["backtest_trades"] for window in windows.values()])
    if trades.height < 2 * block:
        raise BacktestError(f"{strategy} made {trades.height} trades; blocks of {block} need {2 * block}")
    returns = trade_returns(trades, capital=float(spec.capital))
    outcomes = bootstrap(returns, paths=paths, steps=returns.size, seed=seed, blocks=Blocks(block))
    answer = {
        "trades": trades.height,
        "paths": paths,
        "probability_of_loss": outcomes.probability_of_loss,
        "probability_of_losing_a_tenth": outcomes.probability_of_ruin(0.9),
        **{f"terminal_q{q}": float(pl.Series(outcomes.terminal).quantile(q / 100) or 0.0) for q in (5, 50, 95)},
        **{f"drawdown_q{q}": float(pl.Series(outcomes.max_drawdown).quantile(q / 100) or 0.0) for q in (50, 95)},
    }
    venue, sessions = here.universe.venues[spec.venue], days_of(here, spec, "", "")
    again = []
    with counting("rerun", quiet=json) as moved:
        for row in jittered(here.lake, spec, venue, sessions, draws=reruns, seed=seed) if reruns else ():
            again.append(row)
            moved(len(again), reruns)
    if json:
        as_json({**answer, "reruns": again})
    else:
        table(
            f"{strategy}, drawn again", ("measure", "value"), [(name, short(value)) for name, value in answer.items()]
        )
        _rows("Run again, a little otherwise", again)
    finish(ok=True)


def stress(
    strategy: TheStrategy,
    first: First = "",
    last: Last = "",
    settings: Set = None,
    seed: Seed = 1,
    json: AsJson = False,
) -> None:
    """What a strategy with its own parameters comes to under a flash crash, a gap, five times the volatility, an
    outage, a stale feed and a spread blown out, beside what was recorded. A scenario the sessions are too few for is
    named, with the reason.

    Example: tickline stress coin_trend
    """
    here = workspace()
    spec = changed(strategy_of(here, strategy), settings)
    sessions = days_of(here, spec, first, last)
    rows = scenarios_of(here, spec, sessions, seed=seed, quiet=json)
    if json:
        as_json(rows)
    else:
        _rows(f"{strategy} under stress", rows)
    finish(ok=True)


def scenarios_of(here: Workspace, spec: StrategySpec, days: Days, *, seed: int, quiet: bool) -> list[dict[str, Any]]:
    """What `stressed` yields, as it is shown how far it is."""
    rows: list[dict[str, Any]] = []
    with counting("scenario", quiet=quiet) as moved:
        for row in stressed(here.lake, spec, here.universe.venues[spec.venue], days, seed=seed):
            rows.append(row)
            moved(len(rows), 1 + len(SCENARIOS))
    return rows


def _rows(title: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        table(title, rows[0], [[short(cell) for cell in row.values()] for row in rows])


@contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar that shows how many of how many were done, as what it gives is told."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=progress_to, disable=quiet) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
