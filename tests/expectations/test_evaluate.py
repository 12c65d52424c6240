"""GX judges profiles, many partitions at once, and whatever it lets pass unmeasured fails."""

import json
import os
import socket
from dataclasses import replace

import polars as pl
import pytest

from expectations import evaluate as evaluating
from expectations.evaluate import EXAMPLES, Outcome, evaluate
from expectations.profiles import profile
from expectations.suites import SUITES, Expectation, Severity, Suite
from tickline.lake.keys import PartitionKey

SUITE = Suite(
    "clean_trades",
    (
        Expectation("nulls", "none"),
        Expectation("unreconciled", "none", ("partition",)),
        Expectation("clean_ratio", "most", ("partition",), low=0.5, high=1, severity=Severity.WARN),
    ),
)
KEY = PartitionKey("clean_trades", "v", "2026-03-09")


def table(
    *subjects: float | None, nulls: float | None = 0, ratio: float | None = 1.0, period: str = "2026-03-09"
) -> pl.DataFrame:
    """A profile by hand: the partition's own row and one per subject with so many nulls."""
    own = {"scope": "partition", "subject": None, "nulls": nulls, "unreconciled": 0, "clean_ratio": ratio}
    rows = [own, *({"scope": "subject", "subject": f"S{at}", "nulls": value} for at, value in enumerate(subjects))]
    schema = {"nulls": pl.Float64, "unreconciled": pl.Int64, "clean_ratio": pl.Float64}
    return pl.DataFrame([{"venue": "v", "period": period, **row} for row in rows], schema_overrides=schema)


def failed(outcome: Outcome) -> list[str]:
    return [result.name for result in outcome.results if not result.success]


@pytest.mark.parametrize(
    ("profile", "failures"),
    [
        (table(0, 0), []),
        (table(0, 2, nulls=2), ["nulls"]),
        (table(0, None), ["nulls"]),
        (table(0, float("nan")), ["nulls"]),
        (table(0, float("inf")), ["nulls"]),
        (table(0, -1), ["nulls"]),
        (table(nulls=None), ["nulls"]),
        (table(ratio=0.4), ["clean_ratio"]),
        (table(ratio=None), ["clean_ratio"]),
        (table(0).drop("nulls"), ["nulls"]),
        (table(0).filter(scope="subject"), ["nulls", "unreconciled", "clean_ratio"]),
        (table(0).select("venue", "period", "scope"), ["nulls", "unreconciled", "clean_ratio"]),
    ],
)
def test_only_what_was_measured_and_lies_in_bounds_passes(profile, failures):
    outcomes = evaluate(SUITE, profile)

    assert failed(outcomes[KEY]) == failures
    assert outcomes[KEY].passed == (not failures)
    assert outcomes[KEY].severity is (Severity.WARN if failures == ["clean_ratio"] else Severity.ERROR)


def test_no_profile_no_outcome():
    assert evaluate(SUITE, table().clear()) == {}


def test_partitions_judged_together_come_out_as_when_judged_alone():
    profiles = {
        "2026-03-09": table(0, 0),
        "2026-03-10": table(0, 2, nulls=2, period="2026-03-10"),
        "2026-03-11": table(0, ratio=0.1, period="2026-03-11"),
        "2026-03-12": table(None, period="2026-03-12"),
        "2026-03-13": table(0, period="2026-03-13").drop("unreconciled"),
        "all": table(period="all"),
    }

    together = evaluate(SUITE, pl.concat(profiles.values(), how="diagonal"))

    alone = [evaluate(SUITE, each) for each in profiles.values()]
    assert together == {key: outcome for each in alone for key, outcome in each.items()}
    assert [outcome.passed for outcome in together.values()] == [True, False, False, False, False, True]


def test_a_result_says_what_where_and_how_much():
    (outcome,) = evaluate(SUITE, table(*[1.0] * (EXAMPLES + 3), 0, nulls=8)).values()

    nulls = outcome.results[0]
    assert (nulls.observed, nulls.unexpected) == (8, EXAMPLES + 4)
    assert nulls.examples == [{"subject": f"S{at}", "value": 1.0} for at in range(EXAMPLES)]
    assert outcome.suite_hash == SUITE.hash
    assert outcome.metrics == {"nulls": 8.0, "unreconciled": 0.0, "clean_ratio": 1.0}
    assert json.loads(json.dumps(outcome.rows))[0]["name"] == "nulls"


def test_what_gx_did_not_see_fails(monkeypatch):
    answers = evaluating._answers

    def forgetful(suite, rows):
        found = answers(suite, rows[1:])
        del found["clean_ratio"]
        return found

    monkeypatch.setattr(evaluating, "_answers", forgetful)

    assert failed(evaluate(SUITE, table(0, 0))[KEY]) == ["nulls", "unreconciled", "clean_ratio"]


def test_gx_sees_the_profile_and_never_the_rows(world, monkeypatch):
    rows = pl.concat([world.rows("clean_trades")] * 1000)
    partition = replace(world.partition("clean_trades"), frame=rows.lazy(), rows=rows.height)
    handed_over = []
    to_pandas = pl.DataFrame.to_pandas
    monkeypatch.setattr(pl.DataFrame, "to_pandas", lambda frame: handed_over.append(frame.height) or to_pandas(frame))

    evaluate(SUITES["clean_trades"], profile([partition], world.context))

    assert rows.height == 40_000
    assert handed_over == [3]


def test_gx_is_told_the_severity_and_the_reason():
    suite = evaluating._gx_suite(SUITE)
    assert [each.severity.value for each in suite.expectations] == ["critical", "critical", "warning"]
    assert [each.description for each in suite.expectations] == ["none", "none", "most"]


def test_judging_calls_nobody(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("something wants the network"))

    assert evaluate(SUITE, table(0))[KEY].passed
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
