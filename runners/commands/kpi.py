"""`tickline kpi` and `tickline adjudicate`: what lanes came to, and whether what they find is real."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from runners.commands.answer import AsJson, as_json, finish, people, table
from runners.commands.asked import First, Last
from runners.commands.lanes import TheLanes, spec_of
from tickline.errors import LaneError
from tickline.kpi.identification import Adjudication, Verdict, adjudicate, adjudications, identified, precisions
from tickline.kpi.lanes import (
    Run,
    concentration,
    conversion,
    costs,
    double_counted,
    edges,
    families,
    fill_quality,
    read_run,
)
from tickline.kpi.retuning import Settings, proposals
from tickline.kpi.statements import Standing, completeness, load_statement, reconcile
from tickline.lanes.spec import LaneSpec
from tickline.workspace import Workspace, workspace

Statement = Annotated[
    list[Path] | None, typer.Option("--statement", help="A venue's statement, CSV or JSON; may be given again.")
]

_MOST = 20
_READ = {
    "conversion": ("lane", "variant", "detected", "gated", "opened", "closed", "held", "detected_bets", "opened_bets"),
    "families": ("lane", "family", "detected", "opened", "closed", "held", "opened_stake", "realised_edge", "drift"),
}
"""The columns that fit a terminal, of tables that are wider; --json has all."""


def kpi(
    lanes: Annotated[str | None, typer.Argument(help="Which set of lanes; needed where there are several.")] = None,
    first: First = "",
    last: Last = "",
    statement: Statement = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Say what settings should rather be; changes none.")
    ] = False,
    sample: Annotated[bool, typer.Option("--sample", help="List what waits to be adjudicated.")] = False,
    json: AsJson = False,
) -> None:
    """What a set of lanes came to over its days: the same figures as the marts `kpi_lane_*_daily`, over all of them.

    Exit code 1 where a position is counted twice or a venue's statement does not agree.

    Example: tickline kpi --from 2026-03-06 --to 2026-03-07
    """
    here = workspace()
    spec = spec_of(here, lanes)
    run = read_run(here.lake, spec.name, first=first, last=last)
    told, disagreeing = reconciled(run, statement or [])
    drawn = sample_of(here, spec, run)
    frames = {
        "conversion": conversion(run),
        "edge": edges(run, top=spec.kpi.outliers),
        "families": families(run),
        "fills": fill_quality(run, ("lane", "action")),
        "concentration": concentration(run),
        "costs": costs(run).with_columns(statement=pl.col("venue").replace_strict(told, return_dtype=pl.String)),
        "identification": precisions(drawn, spec.kpi.identification),
    }
    if statement:
        frames["statement"] = disagreeing
    if propose:
        frames["proposals"] = pl.DataFrame(_proposed(spec, run, drawn))
    if sample:
        frames["sample"] = drawn.filter(pl.col("verdict").is_null()).drop("verdict", "by", "reason", "at")
    twice = double_counted(run)
    if json:
        days = [str(day) for day in run.days]
        tables = {name: frame.to_dicts() for name, frame in frames.items()}
        as_json({"lanes": spec.name, "days": days, "counted_twice": twice.to_dicts(), **tables})
    else:
        _show(spec, run, frames)
    finish(ok=twice.is_empty() and disagreeing.is_empty())


def adjudicate_one(
    opportunity: Annotated[str, typer.Argument(help="An opportunity's id, as `tickline kpi --sample` lists it.")],
    verdict: Annotated[Verdict, typer.Argument(help="What it was.")],
    by: Annotated[str, typer.Option(help="Who answers for it.")],
    why: Annotated[str, typer.Option(help="On what grounds.")],
    lanes: TheLanes = None,
    json: AsJson = False,
) -> None:
    """Record whether an opportunity of the sample was real; the last word on one counts, and none is ever removed.

    Example: tickline adjudicate 5f0c1e2d3b4a59687786a5b4 real --by ada --why "both resolved on the same source"
    """
    here = workspace()
    spec = spec_of(here, lanes)
    drawn = sample_of(here, spec, read_run(here.lake, spec.name))
    if opportunity not in drawn["opportunity_id"]:
        raise LaneError(f"{opportunity} is not in the sample of {spec.name}; `tickline kpi --sample` lists what is")
    said = Adjudication(opportunity, verdict, by, why, datetime.now(UTC))
    sha256 = adjudicate(here.universe.adjudications[spec.name], said)
    if json:
        as_json({"lanes": spec.name, "opportunity": opportunity, "verdict": verdict, "sha256": sha256})
    else:
        people.print(f"{opportunity} is {verdict.value}, says {by}", markup=False)
    finish(ok=True)


def sample_of(here: Workspace, spec: LaneSpec, run: Run) -> pl.DataFrame:
    """The sample of a run, with what people said of it until now."""
    said = adjudications(here.universe.adjudications[spec.name])
    return identified(run.opportunities, said, spec.kpi.identification)


def reconciled(run: Run, statements: list[Path]) -> tuple[dict[str, str], pl.DataFrame]:
    """What is said of each venue's costs, and the sums that do not agree with its statement."""
    venues = run.fills["venue"].unique().to_list()
    if not statements:
        return completeness(venues, None), pl.DataFrame()
    compared = reconcile(run.fills, pl.concat(load_statement(path) for path in statements))
    return completeness(venues, compared), compared.filter(pl.col("standing") != Standing.AGREED.value)


def _proposed(spec: LaneSpec, run: Run, drawn: pl.DataFrame) -> list[dict[str, Any]]:
    now = Settings(float(spec.gates.edge), spec.stake.participation, spec.gates.confidence)
    found = proposals(run, drawn, now, bounds=spec.kpi.retuning, target=spec.kpi.identification)
    return [
        {
            "parameter": one.parameter,
            "now": one.now,
            "proposed": one.proposed,
            "bounds": f"{one.low} to {one.high}",
            "n": one.n,
            "reason": one.reason,
        }
        for one in found
    ]


def _show(spec: LaneSpec, run: Run, frames: dict[str, pl.DataFrame]) -> None:
    span = f"{run.days[0]} to {run.days[-1]}" if run.days else "no day"
    for name, frame in frames.items():
        left = f" (first {_MOST} of {frame.height})" if frame.height > _MOST else ""
        read = frame.select(_READ.get(name, frame.columns)).head(_MOST)
        rows = ([_cell(value) for value in row] for row in read.iter_rows())
        table(f"{spec.name}, {span}: {name}{left}", read.columns, rows)


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else value
