"""`tickline backtest`, `sweep` and `walkforward`: run strategies, now or through the graph."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from expectations.backtest_checks import gated_by
from runners.commands.answer import AsJson, as_json, finish, table
from runners.commands.asked import First, Last
from runners.commands.backfill import Holes, fill, report
from tickline.backtest.spec import StrategySpec
from tickline.backtest.walkforward import summarise
from tickline.errors import ConfigError
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.pipeline.backtests import SUMMARY
from tickline.pipeline.evidence import evidence_from, run_over
from tickline.pipeline.graph import whole_sessions
from tickline.pipeline.plan import State, standings
from tickline.workspace import Workspace, workspace

TheStrategy = Annotated[str, typer.Argument(help="The strategy, by the name of its file in config/strategies.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="A parameter, such as fast=10; may be repeated.")]


def backtest(
    strategy: TheStrategy,
    first: First = "",
    last: Last = "",
    settings: Set = None,
    mode: Annotated[str | None, typer.Option(help="bar or tick, where not as configured.")] = None,
    html: Annotated[Path | None, typer.Option("--report", help="Write an HTML report here.")] = None,
    json: AsJson = False,
) -> None:
    """Run a strategy over a range of sessions with its own parameters, and say what came of it. Nothing is published.

    Example: tickline backtest coin_trend --from 2026-03-06 --to 2026-03-08 --set fast=10
    """
    from tickline.backtest.report.page import report as page

    here = workspace()
    spec = changed(strategy_of(here, strategy), settings, mode)
    venue = here.universe.venues[spec.venue]
    frames = run_over(here.lake, spec, venue, days_of(here, spec, first, last))
    summary = summarise(spec, [frames])
    if html is not None:
        evidence = evidence_from(spec, venue, [frames], summary, {"strategy": spec.strategy.code})
        write_page(html, page(evidence))
    (run,) = frames["backtest_run"].to_dicts()
    (whole,) = summary.filter(scope="all").to_dicts()
    _tell({**run, **whole}, json=json)
    finish(ok=bool(run["conserved"]))


def walkforward(strategy: TheStrategy, json: AsJson = False) -> None:
    """Make every window of a strategy that is missing or stale, from bars that are there, and show the summary.

    Example: tickline walkforward coin_trend
    """
    here = workspace()
    spec = strategy_of(here, strategy)
    holes = _windows_missing(here, spec)
    failed = fill(here, holes, quiet=json).failed if holes else []
    left = _windows_missing(here, spec)
    made = here.lake.catalog.current(PartitionKey(SUMMARY, spec.name, WHOLE))
    rows = here.lake.scan([made]).collect().to_dicts() if made else []
    if json:
        as_json({"failed": failed, "left": sorted(left.names()), "summary": rows})
    else:
        if failed or left:
            report(left, made=0, failed=failed, json=False)
        shown = ("scope", "sessions", "trades", "total_return", "sharpe", "max_drawdown", "win_rate", "trials", "pbo")
        table(f"{spec.name}, by window", shown, [[short(row[name]) for name in shown] for row in rows])
    finish(ok=not failed and not left)


def _windows_missing(here: Workspace, spec: StrategySpec) -> Holes:
    stages = [stage for stage in here.graph if stage.venue == spec.name]
    found = standings(here.lake, stages, suites=gated_by([spec]))
    return Holes([one for one in found if one.state is not State.FRESH], [])


def days_of(here: Workspace, spec: StrategySpec, first: str, last: str) -> dict[date, tuple[date, ...]]:
    """The sessions of a strategy's venue from one ISO date to another, both included, with the UTC days they touch."""
    sessions = whole_sessions(here.universe, here.universe.venues[spec.venue], today=here.today)
    return {
        one: days
        for one, days in sessions.items()
        if one.isoformat() >= first and (not last or one.isoformat() <= last)
    }


def write_page(path: Path, page: str) -> None:
    """Write a page as it is: what its scripts hash to depends on every byte."""
    path.write_text(page, encoding="utf-8", newline="\n")


def strategy_of(here: Workspace, name: str) -> StrategySpec:
    """The strategy, where the configuration has it. Raises ConfigError where not."""
    if name not in here.universe.strategies:
        known = ", ".join(here.universe.strategies) or "none; add one as strategies/NAME.yaml"
        raise ConfigError(f"no strategy {name!r}; there are {known}")
    return here.universe.strategies[name]


def changed(spec: StrategySpec, settings: list[str] | None, mode: str | None = None) -> StrategySpec:
    """A strategy with some of its parameters, or its mode, set otherwise. Raises ConfigError where that cannot be."""
    values: dict[str, Any] = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: write it as name=value, such as fast=10")
        try:
            values[name] = orjson.loads(text.lower())
        except orjson.JSONDecodeError:
            raise ConfigError(f"--set {setting}: {text!r} is no number and neither true nor false") from None
    if mode not in (None, "bar", "tick"):
        raise ConfigError(f"--mode {mode}: there are bar and tick")
    update: dict[str, Any] = {"parameters": {**spec.parameters, **values}} | ({"mode": mode} if mode else {})
    after = spec.model_copy(update=update)
    if after.mode == "tick" and after.signals is not None:
        raise ConfigError(f"--mode tick: {spec.name} reads signals, which are known at the close of bars")
    after.chosen()
    return after


def _tell(facts: dict[str, Any], *, json: bool) -> None:
    if json:
        as_json(facts)
        return
    table(facts["strategy"], ("measure", "value"), [(name, short(value)) for name, value in facts.items()])


def short(value: object) -> str:
    """A cell of a table: numbers to four places, nothing for none."""
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
