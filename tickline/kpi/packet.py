"""The go/no-go packet: everything an account owner reads before signing that a set of lanes may trade with money."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from tickline.kpi.identification import Shown, precisions
from tickline.kpi.lanes import Run, concentration, conversion, edges
from tickline.kpi.promotion import (
    Canary,
    Checks,
    Criterion,
    canary,
    criteria,
    failure_budget,
    rollback_triggers,
)
from tickline.kpi.statements import NOT_PROVIDED
from tickline.kpi.targets import LaneTargets


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a packet rests on: a run, its adjudicated sample, checks, statements, and hashes by name."""

    run: Run
    sample: pl.DataFrame
    checks: Checks
    statements: Mapping[str, str]
    hashes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet's content; `is_go` where every criterion is met."""

    lane_set: str
    first: str
    last: str
    capital: Decimal
    is_go: bool
    conversion: pl.DataFrame
    edge: pl.DataFrame
    precision: pl.DataFrame
    concentration: pl.DataFrame
    criteria: tuple[Criterion, ...]
    budget_used: float
    risks: tuple[str, ...]
    canary: Canary
    rollback: tuple[str, ...]
    statements: Mapping[str, str]
    hashes: Mapping[str, str]


def packet(lane_set: str, evidence: Evidence, targets: LaneTargets, capital: Decimal) -> Packet:
    """The packet of a set of lanes; the same evidence gives the same packet."""
    run, wanted = evidence.run, targets.promotion
    edge = edges(run, top=targets.outliers)
    precision = precisions(evidence.sample, targets.identification)
    found = criteria(run, edge, precision, evidence.checks, wanted)
    start = canary(run, edge, precision, found, wanted, capital)
    return Packet(
        lane_set=lane_set,
        first=str(min(run.days, default="")),
        last=str(max(run.days, default="")),
        capital=capital,
        is_go=all(one.is_met for one in found),
        conversion=conversion(run),
        edge=edge,
        precision=precision,
        concentration=concentration(run).filter(pl.col("scope") != "family"),
        criteria=tuple(found),
        budget_used=failure_budget(run, wanted),
        risks=tuple(_risks(evidence, edge, precision)),
        canary=start,
        rollback=tuple(rollback_triggers(wanted, start.notional)),
        statements=evidence.statements,
        hashes=evidence.hashes,
    )


def as_data(made: Packet) -> dict[str, Any]:
    """A packet as plain data, ready for JSON; money is text, so that it stays exact."""
    tables = ("conversion", "edge", "precision", "concentration")
    plain = {
        name: [{key: _text(value) for key, value in row.items()} for row in getattr(made, name).to_dicts()]
        for name in tables
    }
    return {
        "lane_set": made.lane_set,
        "first": made.first,
        "last": made.last,
        "capital": _text(made.capital),
        "go": made.is_go,
        **plain,
        "criteria": [asdict(one) for one in made.criteria],
        "failure_budget_used": made.budget_used,
        "risks": list(made.risks),
        "canary": {key: _text(value) for key, value in asdict(made.canary).items()},
        "rollback": list(made.rollback),
        "statements": dict(made.statements),
        "hashes": dict(made.hashes),
    }


def _risks(evidence: Evidence, edge: pl.DataFrame, precision: pl.DataFrame) -> list[str]:
    """What is open, the gravest first."""
    run = evidence.run
    found = [f"Not green: {one}" for one in evidence.checks.not_green]
    for lane, realised in edge.filter(~pl.col("is_conclusive"), variant="raw").select("lane", "realised").iter_rows():
        found.append(f"{lane}: the sign of {_text(realised)} rests on few trades or on micro prices")
    for row in precision.iter_rows(named=True):
        if row["shown"] == Shown.IMPRECISE.value:
            found.append(f"{row['lane']}: its precision may be as low as {row['least']:.1%}")
        elif row["shown"] == Shown.TOO_FEW.value:
            found.append(f"{row['lane']}: only {row['judged']} adjudicated, over {row['sessions']} sessions")
    absent = [venue for venue, told in evidence.statements.items() if told == NOT_PROVIDED]
    if absent:
        found.append(f"No statement of {', '.join(absent)}: whether all costs are known is not shown")
    found += [
        f"{venue}: {told}" for venue, told in evidence.statements.items() if told not in (NOT_PROVIDED, "complete")
    ]
    if run.held.height:
        found.append(
            f"{run.held.height} positions are open; {_text(run.held['stake'].sum())} is still at stake in them"
        )
    taken = run.opportunities.join(
        run.decisions.filter("is_taken").select("opportunity_id"), on="opportunity_id", how="semi"
    )
    guessed = taken.filter(pl.col("source").is_in(["heuristic", "fallback"]))["opportunity_id"].n_unique()
    if guessed:
        found.append(f"{guessed} taken opportunities stand on a heuristic or fallback alone")
    found.append("All results are of paper trading on recorded quotes: no order of ours was ever seen by a venue")
    return found


def _text(value: Any) -> Any:
    """An exact number as text without idle zeros; anything else as it is."""
    if not isinstance(value, Decimal):
        return value
    return f"{value.normalize():f}" if value else "0"
