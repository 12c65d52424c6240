from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import orjson
import polars as pl
import pytest

from runners.packet_page import page
from runners.sample_lanes import lane_days
from tickline.kpi.identification import Adjudication, IdentificationTarget, Verdict, identified
from tickline.kpi.lanes import run_of
from tickline.kpi.packet import Evidence, as_data, packet
from tickline.kpi.promotion import Checks, Promotion
from tickline.kpi.targets import LaneTargets
from tickline.lake.lane_schemas import IDENTIFICATION

DAYS = [date(2026, 3, 6) + timedelta(days=number) for number in range(15)]
TARGETS = LaneTargets(
    identification=IdentificationTarget(precision=0.9),
    promotion=Promotion(positions=50, kept=0.2, failures=0.6, canary_most=Decimal(500)),
)
CAPITAL = Decimal(10_000)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Enough of everything, all of it good."""
    run = run_of(lane_days(DAYS, name="desk"))
    drawn = identified(run.opportunities, [], TARGETS.identification)["opportunity_id"]
    said = [Adjudication(one, Verdict.REAL, "ada", "looked", datetime(2026, 4, 1, tzinfo=UTC)) for one in drawn]
    sample = identified(run.opportunities, said, TARGETS.identification)
    statements = {"left": "complete", "right": "complete"}
    return Evidence(run, sample, Checks(60, ()), statements, {"lane_positions/desk/2026-03-06": "ab" * 32})


def unmet(made) -> list[str]:
    return [one.name for one in made.criteria if not one.is_met]


def test_where_every_criterion_is_met_the_canary_is_the_least_of_its_bounds(evidence):
    made = packet("desk", evidence, TARGETS, CAPITAL)
    assert unmet(made) == []
    assert made.is_go
    kept = made.edge.filter(variant="without_top")
    trust = float(kept["realised"].sum() / kept["expected"].sum()) * made.precision["least"].min()
    closed = evidence.run.closed.filter(pl.col("stake") > 0)
    worst = max(-float(result / stake) for result, stake in closed.select("realised", "stake").iter_rows())
    assert made.canary.notional == int(min(500, 0.02 * 10_000 * trust, 0.005 * 10_000 / worst))
    assert 0 < made.canary.notional <= CAPITAL * Decimal("0.02")


def test_one_red_check_is_no_go_and_no_canary(evidence):
    made = packet("desk", replace(evidence, checks=Checks(59, ("decisions/desk/2026-03-06: ERROR",))), TARGETS, CAPITAL)
    assert unmet(made) == ["checks"]
    assert (made.is_go, made.canary.notional) == (False, 0)
    assert made.risks[0] == "Not green: decisions/desk/2026-03-06: ERROR"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("checks", lambda good: replace(good, checks=Checks(0, ()))),
        ("identification", lambda good: replace(good, sample=good.sample.clear())),
        (
            "counted once",
            lambda good: replace(
                good, run=replace(good.run, positions=pl.concat([good.run.positions, good.run.closed.head(1)]))
            ),
        ),
        ("days looked at", lambda good: replace(good, run=replace(good.run, days=good.run.days[-3:]))),
        ("no sign turns by one trade", lambda good: replace(good, run=with_one_great_loss(good.run))),
    ],
)
def test_each_criterion_stops_it(evidence, name, change):
    made = packet("desk", change(evidence), TARGETS, CAPITAL)
    assert name in unmet(made)
    assert made.canary.notional == 0
    assert name in made.canary.formula


def with_one_great_loss(run):
    great = pl.col("opportunity_id") == run.closed["opportunity_id"][0]
    loss = pl.when(great).then(pl.lit(Decimal(-100_000), dtype=run.positions.schema["realised"]))
    return replace(run, positions=run.positions.with_columns(realised=loss.otherwise("realised")))


def test_nothing_at_all_is_no_go():
    made = packet("desk", Evidence(run_of({}), IDENTIFICATION.empty(), Checks(0, ()), {}, {}), TARGETS, CAPITAL)
    assert not made.is_go
    assert made.canary.notional == 0
    assert "NO GO" in page(made)


def test_a_venue_without_a_statement_is_a_risk_that_is_told(evidence):
    made = packet("desk", replace(evidence, statements={"left": "not provided"}), TARGETS, CAPITAL)
    assert any("left" in risk and "not shown" in risk for risk in made.risks)


def test_the_page_says_what_the_data_says_and_runs_nothing(evidence):
    named = replace(evidence, hashes={"<script>alert(1)</script>": "00"})
    made = packet("desk", named, TARGETS, CAPITAL)
    shown = page(made)
    assert "<script" not in shown
    assert "default-src 'none'" in shown
    assert all(one.name in shown for one in made.criteria)
    assert "Account owner" in shown
    data = orjson.loads(orjson.dumps(as_data(made)))
    assert data["go"] is True
    assert data["canary"]["notional"] == f"{made.canary.notional:f}"
    assert sum(Decimal(row["realised"]) for row in data["edge"] if row["variant"] == "raw") == sum(
        evidence.run.closed["realised"]
    )
    assert page(packet("desk", named, TARGETS, CAPITAL)) == shown
