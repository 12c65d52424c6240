from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from tickline.errors import LaneError
from tickline.kpi.identification import (
    Adjudication,
    IdentificationTarget,
    Verdict,
    adjudicate,
    adjudications,
    identified,
    precisions,
    wilson,
)
from tickline.lake.lane_schemas import IDENTIFICATION

AT = datetime(2026, 4, 1, tzinfo=UTC)
TARGET = IdentificationTarget(per_session=3, least=10, least_sessions=3, precision=0.6)


def said(ids, verdict: Verdict = Verdict.REAL) -> list[Adjudication]:
    return [Adjudication(one, verdict, "ada", "looked", AT) for one in ids]


def judged(*sessions: str) -> pl.DataFrame:
    """A sample of one lane: a word a session, of r (real), n (not) and u (unsure)."""
    words = {"r": "real", "n": "not_real", "u": "unsure", ".": None}
    rows = [
        {"lane": "cross", "session": date(2026, 3, 6) + timedelta(days=nth), "verdict": words[letter]}
        for nth, session in enumerate(sessions)
        for letter in session
    ]
    return pl.DataFrame(rows, schema=IDENTIFICATION.columns)


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=20, deadline=None)
def test_wilson_is_that_of_scipy(hits, n, confidence):
    hits = min(hits, n)
    expected = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    assert wilson(hits, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_sample_has_as_many_of_each_lane_and_day_and_no_bet_twice(run):
    drawn = identified(run.opportunities, [], TARGET)
    assert drawn.schema == IDENTIFICATION.columns
    assert set(drawn.group_by("lane", "session").len()["len"]) == {3}
    assert not drawn.select("lane", "session", "family").is_duplicated().any()
    assert drawn["verdict"].null_count() == drawn.height


def test_a_sample_does_not_move_when_more_is_found_or_rows_come_otherwise(run):
    drawn = identified(run.opportunities, [], TARGET)
    shuffled = run.opportunities.sample(fraction=1, shuffle=True, seed=3)
    assert identified(shuffled, [], TARGET).equals(drawn)
    before = run.opportunities.filter(pl.col("day") < run.days[-1])
    assert identified(before, [], TARGET).equals(drawn.filter(pl.col("session") < run.days[-1]))
    fewer = IdentificationTarget(per_session=2)
    assert set(identified(run.opportunities, [], fewer)["opportunity_id"]) < set(drawn["opportunity_id"])
    other = identified(run.opportunities, [], TARGET.model_copy(update={"seed": 2}))
    assert set(other["opportunity_id"]) != set(drawn["opportunity_id"])


def test_the_last_word_on_an_opportunity_counts(run, tmp_path):
    path = tmp_path / "desk.adjudications.jsonl"
    one = identified(run.opportunities, [], TARGET)["opportunity_id"][0]
    for verdict in (Verdict.REAL, Verdict.NOT_REAL):
        adjudicate(path, replace(said([one])[0], verdict=verdict))
    drawn = identified(run.opportunities, adjudications(path), TARGET)
    assert drawn.drop_nulls("verdict").select("opportunity_id", "verdict", "at").rows() == [(one, "not_real", AT)]


@pytest.mark.parametrize("change", [{"by": " "}, {"reason": ""}, {"at": datetime(2026, 4, 1)}])  # noqa: DTZ001
def test_an_adjudication_says_who_why_and_when(change):
    with pytest.raises(LaneError, match="x"):
        replace(Adjudication("x", Verdict.REAL, "ada", "looked", AT), **change)


@pytest.mark.parametrize(
    ("sessions", "shown"),
    [
        (["rrrr", "rrrr", "rrrr", "rrrr"], "precise"),
        (["rr", "rr", "rr"], "too_few"),
        (["rrrrrrrr", "rrrrrrrr"], "too_few"),
        (["rnrn", "rnrn", "rnrn"], "imprecise"),
        (["rurr", "rurr", "rurr"], "imprecise"),
        (["r...", "....", "...."], "too_few"),
    ],
)
def test_what_is_shown_needs_enough_over_enough_sessions_and_counts_unsure_against_it(sessions, shown):
    (found,) = precisions(judged(*sessions), TARGET).to_dicts()
    assert found["shown"] == shown
    assert found["judged"] == sum(letter != "." for session in sessions for letter in session)


def test_errors_that_come_in_one_session_widen_the_interval():
    spread = precisions(judged("rrrrn", "rrrrn", "rrrrn", "rrrrn", "rrrrn"), TARGET).row(0, named=True)
    together = precisions(judged("rrrrr", "rrrrr", "rrrrr", "rrrrr", "nnnnn"), TARGET).row(0, named=True)
    assert spread["precision"] == together["precision"] == 0.8
    assert together["session_low"] < spread["session_low"]
    assert together["least"] == together["session_low"] < together["low"]


def test_nothing_adjudicated_shows_nothing(run):
    found = precisions(identified(run.opportunities, [], TARGET), TARGET)
    assert set(found["shown"]) == {"too_few"}
    assert set(found["least"]) == {0.0}
    assert precisions(judged(), TARGET).is_empty()
