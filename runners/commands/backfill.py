"""`tickline backfill`: make what is missing or stale, through Dagster, in this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import structlog
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from expectations.lane_mart_checks import JUDGED_BY
from expectations.universe_checks import suites_of
from runners.commands.answer import AsJson, as_json, finish, people, progress_to
from runners.commands.asked import First, Last, OnlyVenue, known
from tickline.errors import ConfigError
from tickline.kpi.freshness import stale_days
from tickline.lake.keys import PartitionKey
from tickline.pipeline.graph import utc_days
from tickline.pipeline.plan import Standing, State, standings, touches
from tickline.pipeline.stage import Cadence
from tickline.workspace import Workspace, workspace

MARTS = "marts"


def backfill(
    first: First = "",
    last: Last = "",
    venue: OnlyVenue = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage, such as clean_trades, or `marts`.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made; change nothing.")] = False,
    json: AsJson = False,
) -> None:
    """Make every partition that is missing or stale. Interrupted, run it again: it goes on where it was.

    A range brings what its days are made from, such as the evening before an FX session.
    The KPI marts hold all venues' days together: they are brought up to date unless a stage is named.

    Example: tickline backfill --from 2026-03-06 --to 2026-03-10 --venue coinsim
    """
    here = workspace()
    chosen = Choice(first, last, venue, stage)
    holes = holes_in(here, chosen)
    if dry_run or not holes:
        report(holes, made=0, failed=[], json=json)
        finish(ok=True)
    left, tried, made, failed = holes, set[str](), set[str](), list[str]()
    # A day that leaves something else than before makes what stands on later days stale.
    while new := left.names() - tried:
        tried |= new
        filled = fill(here, left, last=last, quiet=json)
        made, failed = made | filled.made, filled.failed
        left = holes_in(here, chosen)
    report(left, made=len(made), failed=failed, json=json)
    finish(ok=not failed and not left)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of the graph a command is about."""

    first: str = ""
    last: str = ""
    venue: str | None = None
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class Holes:
    """What is missing or stale: periods of stages, and days of the marts."""

    standings: list[Standing]
    mart_days: list[str]

    def __len__(self) -> int:
        return len(self.standings) + len(self.mart_days)

    def names(self) -> set[str]:
        """What is missing or stale, each by its name."""
        return {f"{hole.stage}/{hole.period}" for hole in self.standings} | {f"{MARTS}/{day}" for day in self.mart_days}


@dataclass(frozen=True, slots=True)
class Filled:
    """What filling holes made, each by its name, and what failed."""

    made: set[str]
    failed: list[str]


def holes_in(here: Workspace, chosen: Choice) -> Holes:
    """What is missing or stale. Raises ConfigError where the venue or stage is not known."""
    of_venue = [one for one in here.graph if chosen.venue is None or one.venue == known(here, chosen.venue)]
    graph = [one for one in of_venue if chosen.stage in (None, one.name)]
    if not graph and chosen.stage != MARTS:
        names = ", ".join(sorted({one.name for one in of_venue} | {MARTS}))
        raise ConfigError(f"no stage {chosen.stage!r} of venue {chosen.venue or 'any'}; there are {names}")
    found = standings(here.lake, graph, suites=suites_of(here.universe))
    unsettled = [standing for standing in found if standing.state is not State.FRESH]
    holes = _in_range(unsettled, chosen)
    if chosen.stage not in (None, MARTS):
        return Holes(holes, [])
    days = {day for day in utc_days(here.graph) if touches(day, chosen.first, chosen.last)}
    stale = set(stale_days(here.lake, here.marts, days, suite=JUDGED_BY))
    about_to_change = {hole.period for hole in holes if hole.state is not State.UNJUDGED}
    return Holes(holes, sorted(stale | (about_to_change & days)))


def _in_range(unsettled: list[Standing], chosen: Choice) -> list[Standing]:
    """What lies in the range and what that is made from; of the weeks it touches, those whose days will be there."""
    days = [one for one in unsettled if one.stage.cadence is not Cadence.WEEK]
    weeks = [one for one in unsettled if one.stage.cadence is Cadence.WEEK and _week_touches(one.period, chosen)]
    picked: list[Standing] = []
    wanted: set[PartitionKey] = set()
    left_out: set[PartitionKey] = set()
    for one in reversed(days):
        keys = one.stage.keys(one.period)
        if touches(one.period, chosen.first, chosen.last) or wanted.intersection(keys):
            picked.append(one)
            wanted.update(need.key for need in one.stage.needs_above(one.period))
        elif one.state is not State.UNJUDGED:
            left_out.update(keys)
    whole = [one for one in weeks if not left_out.intersection(need.key for need in one.stage.needs(one.period))]
    return [*reversed(picked), *whole]


def _week_touches(monday: str, chosen: Choice) -> bool:
    sunday = (date.fromisoformat(monday) + timedelta(days=6)).isoformat()
    return sunday >= chosen.first and (not chosen.last or monday <= chosen.last)


def fill(here: Workspace, holes: Holes, *, last: str = "", quiet: bool) -> Filled:
    """Fill the holes, and what the periods made leave stale after them up to `last`."""
    # Dagster takes seconds to import; a command that finds nothing to do need not pay them.
    from orchestration.definitions import build_definitions
    from orchestration.filling import fills, mart_fill, run_fills
    from orchestration.instance import embedded_instance

    os.environ["TICKLINE_CONFIG"], os.environ["TICKLINE_HOME"] = str(here.config), str(here.home)
    planned = [*fills(holes.standings, last=last), *mart_fill(holes.mart_days)]
    definitions = build_definitions(here.universe, now=datetime.now(UTC))
    failed = []
    with embedded_instance(here.home) as instance, _progress(len(holes), quiet=quiet) as made:
        for run, failures in zip(planned, run_fills(definitions, instance, planned), strict=True):
            failed += [f"{run}: {failure}" for failure in failures]
    return Filled(made, failed)


def report(holes: Holes, *, made: int, failed: list[str], json: bool) -> None:
    """Say what was made and what is left."""
    left = [f"{hole.stage}/{hole.period} {hole.state.value} {hole.why}".strip() for hole in holes.standings]
    left += [f"{MARTS}/{day} stale" for day in holes.mart_days]
    if json:
        as_json({"made": made, "left": left, "failed": failed})
        return
    if not made and not left:
        people.print("nothing to do: everything is there and fresh")
        return
    people.print(f"{made} periods made, {len(left)} left")
    for line in failed:
        people.print(f"[red]failed[/] {escape(line)}")
    for line in left[:20]:
        people.print(f"  {line}", highlight=False, markup=False)


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[set[str]]:
    """A bar that moves with every `period.made` event, in place of the events themselves; yields what was made."""
    made: set[str] = set()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=progress_to, disable=quiet) as progress:
        task = progress.add_task("filling", total=total)

        def advance(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
            if event.get("event") == "period.made":
                made.add(f"{event['stage']}/{event['period']}")
                progress.update(task, advance=1, description=f"{event['stage']} {event['period']}")
            raise structlog.DropEvent

        structlog.configure(processors=[advance], cache_logger_on_first_use=False)
        try:
            yield made
        finally:
            structlog.reset_defaults()
