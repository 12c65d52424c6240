"""`tickline lanes scan` and `lanes why`: what the lanes find in the markets of the lake, what became of it, and why."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import polars as pl
import typer

from runners.commands.answer import AsJson, as_json, finish, people, table
from runners.commands.asked import Day
from tickline.errors import ConfigError, LakeError
from tickline.lanes.day import look_at
from tickline.lanes.model import Opportunity
from tickline.lanes.spec import LaneSpec
from tickline.pipeline.lanes import STAGE, material_of
from tickline.pipeline.stage import Stage, find_inputs
from tickline.workspace import Workspace, workspace

app = typer.Typer(no_args_is_help=True, help="Structural opportunities in prediction markets.")

TheLanes = Annotated[str | None, typer.Option("--lanes", help="Which set of lanes; needed where there are several.")]


@app.command("scan")
def scan(
    lanes: TheLanes = None,
    day: Day = None,
    at: Annotated[str, typer.Option(help="The moment of the day (UTC), HH:MM.")] = "23:55",
    rows: Annotated[int, typer.Option(min=1, help="How many opportunities to show.")] = 20,
    json: AsJson = False,
) -> None:
    """What every lane finds at one moment of a recorded day, and why it finds no more. Nothing is decided or kept.

    Example: tickline lanes scan --day 2026-03-06 --at 12:00
    """
    here = workspace()
    spec = spec_of(here, lanes)
    stage = next(stage for stage in here.graph if (stage.venue, stage.name) == (spec.name, STAGE))
    period = _day_of(here, stage, day)
    moment = datetime.combine(date.fromisoformat(period), _time(at), UTC)
    inputs = find_inputs(here.lake, stage, period)
    priced, refusals = look_at(material_of(inputs, moment.date(), spec), spec, int(moment.timestamp()) * 1_000_000_000)
    reasons = refusals.group_by("lane", "stage", "reason").agg(pl.col("count").sum()).sort("lane", "stage", "reason")
    best = sorted(priced.opportunities, key=lambda one: (-one.edge * one.depth, one.opportunity_id))
    if json:
        found = [_told(one) for one in best]
        as_json({"at": moment, "lanes": priced.counts.to_dicts(), "found": found, "refusals": reasons.to_dicts()})
        finish(ok=True)
    table(f"Baskets of {spec.name} at {moment:%Y-%m-%d %H:%M}", priced.counts.columns, priced.counts.iter_rows())
    table("Why there are no more", reasons.columns, reasons.iter_rows())
    table(
        f"The best {min(rows, len(best))} of {len(best)} opportunities",
        ("opportunity", "kind", "legs", "floor", "cost", "fees", "edge", "depth", "micro"),
        (list(_told(one).values())[:9] for one in best[:rows]),
    )
    finish(ok=True)


@app.command("why")
def why(
    opportunity: Annotated[str | None, typer.Argument(help="An opportunity's id, or the beginning of one.")] = None,
    lanes: TheLanes = None,
    day: Day = None,
    json: AsJson = False,
) -> None:
    """What every gate said to an opportunity, and which rows its prices are from; without one, why lanes gave none.

    Example: tickline lanes why --day 2026-03-06
    """
    here = workspace()
    spec = spec_of(here, lanes)
    if opportunity is None:
        _why_none(here, spec, day, json=json)
    else:
        _why_this(here, spec, opportunity, day, json=json)
    finish(ok=True)


def spec_of(here: Workspace, name: str | None) -> LaneSpec:
    """The set of lanes of this name, or the only one. Raises ConfigError where there is none, or no only one."""
    there = here.universe.lanes
    if name is None and len(there) == 1:
        (only,) = there.values()
        return only
    if name not in there:
        names = ", ".join(there) or "none; add one as lanes/NAME.yaml"
        raise ConfigError(f"no set of lanes {name!r}: name one with --lanes; there are {names}")
    return there[name]


def _why_none(here: Workspace, spec: LaneSpec, day: str | None, *, json: bool) -> None:
    told = here.lake.dataset("lane_diagnostics", venue=spec.name, first=day, last=day)
    rows = told.group_by("lane", "stage", "reason").agg(
        pl.col("count").sum(), pl.col("subject").n_unique().alias("subjects"), pl.col("subject").min().alias("such as")
    )
    found = rows.sort("lane", "stage", "count", descending=[False, False, True]).collect()
    if json:
        as_json(found.to_dicts())
    else:
        table(f"Why {spec.name} found or took no more", found.columns, found.iter_rows())


def _why_this(here: Workspace, spec: LaneSpec, begins: str, day: str | None, *, json: bool) -> None:
    of_lanes = pl.col("opportunity_id").str.starts_with(begins)
    decided = here.lake.dataset("decisions", venue=spec.name, first=day, last=day).filter(of_lanes).collect()
    ids = decided["opportunity_id"].unique().sort()
    if len(ids) != 1:
        such = ", ".join(ids[:5]) or "none; `tickline lanes why` says why"
        raise LakeError(f"{len(ids)} opportunities of {spec.name} begin with {begins!r}: {such}")
    legs = here.lake.dataset("opportunity_legs", venue=spec.name, first=day, last=day)
    of_this = legs.filter(opportunity_id=ids[0]).sort("leg").collect()
    (decision,) = decided.to_dicts()
    if json:
        as_json({"decision": decision, "legs": of_this.to_dicts()})
        return
    said = "taken" if decision["is_taken"] else f"refused. {decision['reason']}"
    people.print(f"{decision['kind']} {ids[0]} at {decision['ts']}: {said}", markup=False, highlight=False)
    table("Legs", of_this.columns[1:], of_this.drop("opportunity_id").iter_rows())
    gates = ((one["gate"], "passed" if one["passed"] else "REFUSED", one["detail"]) for one in decision["gates"])
    table("Gates", ("gate", "said", "because"), gates)


def _told(one: Opportunity) -> dict[str, Any]:
    return {
        "opportunity_id": one.opportunity_id,
        "kind": one.basket.kind.value,
        "legs": " + ".join(f"{leg.leg.side.value.upper()} {leg.leg.market}" for leg in one.legs[:3])
        + (f" + {len(one.legs) - 3} more" if len(one.legs) > 3 else ""),
        "floor": one.basket.floor,
        "cost": str(one.cost),
        "fees": str(one.fees),
        "edge": str(one.edge),
        "depth": str(one.depth),
        "is_micro": one.is_micro,
        "family": one.basket.family,
        "is_tradable": one.basket.is_tradable,
    }


def _day_of(here: Workspace, stage: Stage, day: str | None) -> str:
    """The day asked for, or the last whose venues' markets are in the lake. Raises ConfigError where there is none."""
    if day is not None:
        if day not in stage.periods:
            raise ConfigError(f"{stage} has no {day}; it has {stage.periods[0]} to {stage.periods[-1]}")
        return day
    there = here.lake.catalog.currents(need.key for period in stage.periods for need in stage.needs(period))
    for period in reversed(stage.periods):
        if all(need.key in there or not need.required for need in stage.needs(period)):
            return period
    raise LakeError(f"no day of {stage} has its inputs in the lake; `tickline backfill` makes them")


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time of a day; write it as 12:00") from None
