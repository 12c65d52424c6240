"""`tickline backfill`: make what is missing or stale, through Dagster, in this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from runners.commands.answer import AsJson, as_json, finish, people, progress_to
from tickline.errors import ConfigError
from tickline.pipeline.plan import Standing, State, standings
from tickline.workspace import Workspace, workspace


def backfill(
    first: Annotated[str, typer.Option("--from", help="From this date (ISO).")] = "",
    last: Annotated[str, typer.Option("--to", help="To this date (ISO).")] = "",
    venue: Annotated[str | None, typer.Option(help="Only this venue.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage, such as clean_trades.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made; change nothing.")] = False,
    json: AsJson = False,
) -> None:
    """Make every partition that is missing or stale. Interrupted, run it again: it goes on where it was.

    Example: tickline backfill --from 2026-03-06 --to 2026-03-10 --venue coinsim
    """
    here = workspace()
    holes = holes_of(here, first=first, last=last, venue=venue, stage=stage)
    if dry_run or not holes:
        report(json, made=0, holes=holes, failed=[])
        finish(ok=True)
    failed = fill(here, holes, quiet=json)
    left = holes_of(here, first=first, last=last, venue=venue, stage=stage)
    report(json, made=len(holes) - len(left), holes=left, failed=failed)
    finish(ok=not failed and not left)


def holes_of(
    here: Workspace, *, first: str = "", last: str = "", venue: str | None = None, stage: str | None = None
) -> list[Standing]:
    """What is missing or stale. Raises ConfigError where a venue or stage is not known."""
    graph = [one for one in here.graph if venue in (None, one.venue) and stage in (None, one.name)]
    if not graph:
        known = ", ".join(sorted({str(one) for one in here.graph}))
        raise ConfigError(f"no stage {stage or '*'} of venue {venue or '*'}; there are {known}")
    found = standings(here.lake, graph, first=first, last=last)
    return [standing for standing in found if standing.state is not State.FRESH]


def fill(here: Workspace, holes: list[Standing], *, quiet: bool) -> list[str]:
    """Fill the holes; returns the runs in which something failed."""
    # Dagster takes seconds to import; a command that finds nothing to do need not pay them.
    from orchestration.definitions import defs
    from orchestration.filling import fills, run_fills
    from orchestration.instance import embedded_instance

    planned = fills(holes)
    os.environ["TICKLINE_CONFIG"], os.environ["TICKLINE_HOME"] = str(here.config), str(here.home)
    failed = []
    with embedded_instance(here.home) as instance, _progress(len(holes), quiet=quiet):
        for run, success in zip(planned, run_fills(defs(), instance, planned), strict=True):
            if not success:
                failed.append(str(run))
    return failed


def report(json: bool, *, made: int, holes: list[Standing], failed: list[str]) -> None:
    """Say what was made and what is left."""
    left = [{"stage": str(hole.stage), "period": hole.period, "state": hole.state.value} for hole in holes]
    if json:
        as_json({"made": made, "left": left, "failed": failed})
        return
    if not made and not left:
        people.print("nothing to do: everything is there and fresh")
        return
    people.print(f"{made} periods made, {len(left)} left")
    for run in failed:
        people.print(f"[red]failed in[/] {run}")
    for hole in holes[:20]:
        people.print(f"  {hole.stage}/{hole.period} {hole.state.value} {hole.why}", highlight=False)


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[None]:
    """A bar that moves with every `period.made` event, in place of the events themselves."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=progress_to, disable=quiet) as progress:
        task = progress.add_task("filling", total=total)

        def advance(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
            if event.get("event") == "period.made":
                progress.update(task, advance=1, description=f"{event['stage']} {event['period']}")
            raise structlog.DropEvent

        structlog.configure(processors=[advance], cache_logger_on_first_use=False)
        try:
            yield
        finally:
            structlog.reset_defaults()
