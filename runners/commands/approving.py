"""`tickline approve`, `strategies` and `mirror`: which version of a strategy may trade, who said so, and where else."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from expectations.backtest_checks import gated_by
from runners.commands.answer import AsJson, as_json, finish, people, table
from runners.commands.backtest import TheStrategy, strategy_of
from runners.mlflow import Mlflow
from tickline.lake.registry import Rank, Registry
from tickline.pipeline.approval import Candidate, promote
from tickline.workspace import Workspace, workspace


def approve(
    strategy: TheStrategy,
    by: Annotated[str, typer.Option(help="Who answers for it.")],
    why: Annotated[str, typer.Option(help="On what grounds.")],
    to: Annotated[Rank, typer.Option(help="Where it is to stand.")] = Rank.APPROVED,
    json: AsJson = False,
) -> None:
    """Record that a strategy, as it is now, may trade; refused where its backtests are stale or below its gates.

    Example: tickline approve coin_trend --by ada --why "paper agrees with the backtest" --to candidate
    """
    here = workspace()
    entry = promote(here.lake, candidate(here, strategy), to, said_by=by, why=why, at=datetime.now(UTC))
    if json:
        as_json({"strategy": strategy, "version": entry.version, "rank": entry.rank, "evidence": dict(entry.evidence)})
    else:
        grounds = f"on {len(entry.evidence)} partitions"
        people.print(f"{strategy} {entry.version[:16]} is {entry.rank}, says {by}, {grounds}", markup=False)
    finish(ok=True)


def strategies(json: AsJson = False) -> None:
    """Every strategy, its version now, where that stands, and the last word on it.

    Example: tickline strategies
    """
    here = workspace()
    rows = []
    for name in here.universe.strategies:
        version = candidate(here, name).version
        said = Registry(here.lake.catalog).history(name)
        rank = Registry(here.lake.catalog).rank(name, version)
        last = f"{said[-1].rank} by {said[-1].said_by}: {said[-1].why}" if said else ""
        rows.append({"strategy": name, "version": version, "rank": rank, "last_word": last})
    if json:
        as_json(rows)
        return
    table("Strategies", ("strategy", "version", "rank", "last word"), [[*row.values()] for row in rows])


def mirror(
    to: Annotated[str, typer.Option(help="The MLflow server.")],
    json: AsJson = False,
) -> None:
    """Copy what the registry says of every strategy to an MLflow server; to do it again changes nothing.

    Example: tickline mirror --to http://127.0.0.1:5000
    """
    here, server = workspace(), Mlflow(to)
    registry = Registry(here.lake.catalog)
    copied = {name: server.mirror(name, registry.history(name)) for name in here.universe.strategies}
    if json:
        as_json([{"strategy": name, "versions": versions} for name, versions in copied.items()])
    else:
        people.print(f"{sum(copied.values())} versions of {len(copied)} strategies are at {to}", markup=False)
    finish(ok=True)


def candidate(here: Workspace, name: str) -> Candidate:
    """A strategy as it is now. Raises ConfigError where the configuration has none of this name."""
    spec = strategy_of(here, name)
    return Candidate(spec, [stage for stage in here.graph if stage.venue == name], gated_by([spec]))
