from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.kpi.identification import Adjudication, IdentificationTarget, Verdict, identified
from tickline.kpi.retuning import Bounds, Retuning, Settings, proposals
from tickline.lake.schema import MONEY

NOW = Settings(edge=0.01, participation=0.5, confidence=0.9)
TARGET = IdentificationTarget(per_session=20, precision=0.5)
FEW = Retuning(least=5)


def by_name(run, sample, bounds=FEW):
    return {one.parameter: one for one in proposals(run, sample, NOW, bounds=bounds, target=TARGET)}


def with_results(run, realised: str):
    """The run, had each closed position come to this much less than was expected of it."""
    gap = pl.lit(Decimal(realised), dtype=MONEY)
    return replace(run, positions=run.positions.with_columns(realised=pl.col("expected") - gap))


def test_too_little_evidence_proposes_nothing_and_says_so(run):
    sample = identified(run.opportunities, [], TARGET)
    found = by_name(run, sample, Retuning(least=10_000))
    assert not any(one.is_change for one in found.values())
    assert all("of at least 10000" in one.reason for one in found.values())


@pytest.mark.parametrize(("short", "moves"), [("0.05", 1), ("-0.05", -1)])
def test_a_steady_shortfall_moves_the_edge_asked_for(run, short, moves):
    sample = identified(run.opportunities, [], TARGET)
    proposed = by_name(with_results(run, short), sample)["gates.edge"]
    closed = run.closed.filter(pl.col("filled") > 0)
    gap = float(short) * closed.height / float(closed["filled"].sum())
    assert proposed.proposed == pytest.approx(NOW.edge + gap, abs=1e-6)
    assert (proposed.proposed - NOW.edge) * moves > 0
    assert proposed.n == closed.height


def test_what_one_trade_decides_proposes_nothing(run):
    even = with_results(run, "0")
    first = pl.col("opportunity_id") == even.closed.filter(pl.col("filled") > 0)["opportunity_id"][0]
    lucky = replace(
        even,
        positions=even.positions.with_columns(
            realised=pl.when(first).then(pl.col("expected") - 1000).otherwise("realised").cast(MONEY)
        ),
    )
    sample = identified(run.opportunities, [], TARGET)
    kept = by_name(lucky, sample)["gates.edge"]
    assert not kept.is_change
    assert "one trade" in kept.reason


def test_poor_fills_cut_the_share_of_depth_taken(run):
    half = replace(run, positions=run.positions.with_columns(filled=(pl.col("size") / 2).cast(MONEY)))
    sample = identified(run.opportunities, [], TARGET)
    assert by_name(half, sample)["stake.participation"].proposed == pytest.approx(0.4)
    whole = replace(run, positions=run.positions.with_columns(filled=pl.col("size")))
    assert not by_name(whole, sample)["stake.participation"].is_change


def test_confidence_is_asked_for_from_where_on_the_adjudicated_ones_are_real(run):
    number = pl.int_range(pl.len())
    graded = replace(run, opportunities=run.opportunities.with_columns(confidence=0.91 + 0.03 * (number % 3)))
    unsure = set(graded.opportunities.filter(pl.col("confidence") < 0.93)["opportunity_id"])
    drawn = identified(graded.opportunities, [], TARGET)["opportunity_id"]
    said = [
        Adjudication(
            one, Verdict.NOT_REAL if one in unsure else Verdict.REAL, "a", "b", datetime(2026, 4, 1, tzinfo=UTC)
        )
        for one in drawn
    ]
    sample = identified(graded.opportunities, said, TARGET)
    strict = IdentificationTarget(per_session=20, precision=0.85)
    (found,) = [
        one for one in proposals(graded, sample, NOW, bounds=FEW, target=strict) if one.parameter == "gates.confidence"
    ]
    assert found.proposed == pytest.approx(0.94)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1), st.floats(-5, 5), st.floats(0.001, 0.5))
def test_a_proposal_never_leaves_its_bounds_and_never_moves_further_than_a_step(now, wanted, step):
    bounds = Bounds(low=0.1, high=0.9, step=step)
    found = bounds.within(now, wanted)
    if 0.1 <= now <= 0.9:
        assert 0.1 <= found <= 0.9
        assert abs(found - now) <= step + 1e-12
        assert (found - now) * (wanted - now) >= 0
