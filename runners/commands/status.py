"""`tickline status`: stages x dates, what is there, stale or red."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from expectations.lane_mart_checks import JUDGED_BY
from expectations.universe_checks import suites_of
from runners.commands.answer import AsJson, as_json, finish, people, table
from runners.commands.asked import First, Last, OnlyVenue, known
from runners.commands.backfill import MARTS
from tickline.kpi.freshness import built_from, inputs_now, mart_key
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Verdict
from tickline.pipeline.graph import utc_days
from tickline.pipeline.plan import State, standings, touches
from tickline.pipeline.stage import Stage
from tickline.workspace import Workspace, workspace

_SHOWN_PERIODS = 14
_MARKS = {
    State.FRESH: "[green]●[/]",
    State.UNJUDGED: "[yellow]○[/]",
    State.STALE: "[yellow]◐[/]",
    State.MISSING: "[dim]·[/]",
}
_RED, _WARNED = "[red]✗[/]", "[yellow]![/]"


@dataclass(frozen=True, slots=True)
class Line:
    """How one period of a stage of a venue stands, and what it holds now, named by sha256."""

    venue: str
    stage: str
    period: str
    state: State
    why: str
    holds: Mapping[PartitionKey, str]


def status(
    venue: OnlyVenue = None,
    first: First = "",
    last: Last = "",
    json: AsJson = False,
) -> None:
    """What is there, stale or red. Exit code 1 where anything is missing, stale or red.

    The KPI marts hold all venues' days together: they are shown unless a venue is named.

    Example: tickline status --venue coinsim --from 2026-03-06
    """
    here = workspace()
    graph = [stage for stage in here.graph if venue is None or stage.venue == known(here, venue)]
    lines = [*_stage_lines(here, graph, first, last), *(_mart_lines(here, first, last) if venue is None else ())]
    verdicts = here.lake.catalog.verdicts_of({key: sha256 for line in lines for key, sha256 in line.holds.items()})
    red = [verdict for verdict in verdicts if verdict.is_red]
    if json:
        as_json(_answer(lines, verdicts))
    else:
        _draw(lines, verdicts)
    finish(ok=not red and all(line.state is State.FRESH for line in lines))


def _stage_lines(here: Workspace, graph: Sequence[Stage], first: str, last: str) -> list[Line]:
    suites = suites_of(here.universe)
    found = standings(here.lake, graph, first=first, last=last, suites=suites)
    current = here.lake.catalog.currents(key for one in found for key in one.stage.keys(one.period))
    return [
        Line(
            one.stage.venue,
            one.stage.name,
            one.period,
            one.state,
            one.why,
            {key: current[key].sha256 for key in one.stage.keys(one.period) if key in current},
        )
        for one in found
    ]


def _mart_lines(here: Workspace, first: str, last: str) -> Iterator[Line]:
    days = [day for day in utc_days(here.graph) if touches(day, first, last)]
    built, now = built_from(here.marts), inputs_now(here.lake, days, suite=JUDGED_BY)
    for day in days:
        key = mart_key(day)
        if day not in built:
            yield Line(key.venue, MARTS, day, State.MISSING, "", {})
        else:
            why = "" if built[day] == now.get(day) else "its partitions, the SQL or the suite changed"
            yield Line(key.venue, MARTS, day, State.STALE if why else State.FRESH, why, {key: built[day]})


def _answer(lines: Sequence[Line], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "counts": dict(Counter(line.state.value for line in lines)),
        "periods": [
            {
                "venue": line.venue,
                "stage": line.stage,
                "period": line.period,
                "state": line.state.value,
                "why": line.why,
            }
            for line in lines
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


def _draw(lines: Sequence[Line], verdicts: Sequence[Verdict]) -> None:
    failed: dict[PartitionKey, str] = {}
    for verdict in verdicts:
        if not verdict.passed:
            failed[verdict.key] = _RED if verdict.is_red else failed.get(verdict.key, _WARNED)
    for venue in dict.fromkeys(line.venue for line in lines):
        people.print(f"\n[bold]{venue}[/]")
        for stage in dict.fromkeys(line.stage for line in lines if line.venue == venue):
            row = [line for line in lines if (line.venue, line.stage) == (venue, stage)]
            shown = row[-_SHOWN_PERIODS:]
            marks = " ".join(_mark(line, failed) for line in shown)
            earlier = f" (+{len(row) - len(shown)} earlier)" if len(row) > len(shown) else ""
            people.print(f"  {stage:<14} {marks}  {shown[0].period} .. {shown[-1].period}{earlier}", highlight=False)
    people.print(
        f"\n{_MARKS[State.FRESH]} there   {_MARKS[State.UNJUDGED]} not checked   {_MARKS[State.STALE]} stale   "
        f"{_MARKS[State.MISSING]} missing   "
        f"{_RED} failed its checks   {_WARNED} warned\n"
    )
    stale = [line for line in lines if line.state is State.STALE]
    if stale:
        table("Stale", ("stage", "period", "why"), ((f"{s.venue}/{s.stage}", s.period, s.why) for s in stale[:20]))
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


def _mark(line: Line, failed: Mapping[PartitionKey, str]) -> str:
    marks = [failed[key] for key in line.holds if key in failed]
    if line.state is State.FRESH and marks:
        return _RED if _RED in marks else _WARNED
    return _MARKS[line.state]
