"""`tickline status`: stages x dates, what is there, stale or red."""

from collections import Counter
from typing import Any

from expectations.checks import judged_by
from runners.commands.answer import AsJson, as_json, finish, people, table
from runners.commands.asked import First, Last, OnlyVenue, known
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Verdict
from tickline.pipeline.plan import Standing, State, standings
from tickline.workspace import workspace

_SHOWN_PERIODS = 14
_MARKS = {
    State.FRESH: "[green]●[/]",
    State.UNJUDGED: "[yellow]○[/]",
    State.STALE: "[yellow]◐[/]",
    State.MISSING: "[dim]·[/]",
}
_RED, _WARNED = "[red]✗[/]", "[yellow]![/]"


def status(
    venue: OnlyVenue = None,
    first: First = "",
    last: Last = "",
    json: AsJson = False,
) -> None:
    """What is there, stale or red. Exit code 1 where anything is missing, stale or red.

    Example: tickline status --venue coinsim --from 2026-03-06
    """
    here = workspace()
    graph = [stage for stage in here.graph if venue is None or stage.venue == known(here, venue)]
    suites = judged_by(here.universe.venues.values())
    found = standings(here.lake, graph, first=first, last=last, suites=suites)
    keys = [key for standing in found for key in standing.stage.keys(standing.period)]
    verdicts = here.lake.catalog.verdicts_on(here.lake.catalog.currents(keys).values())
    red = [verdict for verdict in verdicts if not verdict.passed and verdict.severity == "ERROR"]
    if json:
        as_json(_answer(found, verdicts))
    else:
        _draw(found, verdicts)
    finish(ok=not red and all(standing.state is State.FRESH for standing in found))


def _answer(found: list[Standing], verdicts: list[Verdict]) -> dict[str, Any]:
    return {
        "counts": dict(Counter(standing.state.value for standing in found)),
        "periods": [
            {
                "venue": standing.stage.venue,
                "stage": standing.stage.name,
                "period": standing.period,
                "state": standing.state.value,
                "why": standing.why,
            }
            for standing in found
        ],
        "failed_checks": [
            {
                "partition": str(verdict.key),
                "suite": verdict.suite,
                "severity": verdict.severity,
                "failures": [result["name"] for result in verdict.results if not result["success"]],
            }
            for verdict in verdicts
            if not verdict.passed
        ],
    }


def _draw(found: list[Standing], verdicts: list[Verdict]) -> None:
    failed: dict[PartitionKey, str] = {}
    for verdict in verdicts:
        if not verdict.passed:
            failed[verdict.key] = _RED if verdict.severity == "ERROR" else failed.get(verdict.key, _WARNED)
    for venue in dict.fromkeys(standing.stage.venue for standing in found):
        people.print(f"\n[bold]{venue}[/]")
        for stage in dict.fromkeys(s.stage.name for s in found if s.stage.venue == venue):
            row = [s for s in found if s.stage.venue == venue and s.stage.name == stage]
            shown = row[-_SHOWN_PERIODS:]
            marks = " ".join(_mark(standing, failed) for standing in shown)
            earlier = f" (+{len(row) - len(shown)} earlier)" if len(row) > len(shown) else ""
            people.print(f"  {stage:<14} {marks}  {shown[0].period} .. {shown[-1].period}{earlier}", highlight=False)
    people.print(
        f"\n{_MARKS[State.FRESH]} there   {_MARKS[State.UNJUDGED]} not checked   {_MARKS[State.STALE]} stale   "
        f"{_MARKS[State.MISSING]} missing   "
        f"{_RED} failed its checks   {_WARNED} warned\n"
    )
    stale = [standing for standing in found if standing.state is State.STALE]
    if stale:
        table("Stale", ("stage", "period", "why"), ((s.stage, s.period, s.why) for s in stale[:20]))
    problems = [verdict for verdict in verdicts if not verdict.passed]
    if problems:
        table(
            "Checks that did not pass",
            ("partition", "severity", "failed expectations"),
            (
                (v.key, v.severity, ", ".join(sorted({r["name"] for r in v.results if not r["success"]})))
                for v in problems[:40]
            ),
        )


def _mark(standing: Standing, failed: dict[PartitionKey, str]) -> str:
    marks = [failed[key] for key in standing.stage.keys(standing.period) if key in failed]
    if standing.state is State.FRESH and marks:
        return _RED if _RED in marks else _WARNED
    return _MARKS[standing.state]
