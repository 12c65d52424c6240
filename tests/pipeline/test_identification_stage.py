from datetime import UTC, datetime

import polars as pl
import pytest

from expectations.identification_checks import SUITE, judge_identification, measures_of
from expectations.suites import Severity
from runners.sample_lake import DAYS
from runners.sample_lanes import lane_days
from tickline.kpi.identification import Adjudication, IdentificationTarget, Verdict, adjudicate, identified
from tickline.kpi.lanes import run_of
from tickline.lake.lake import Output, open_lake
from tickline.lake.lane_schemas import IDENTIFICATION
from tickline.pipeline.identification import identification_stage
from tickline.pipeline.plan import State, standing
from tickline.pipeline.stage import materialise

TARGET = IdentificationTarget(per_session=4, least=12, least_sessions=3, precision=0.6)


@pytest.fixture
def lake(tmp_path):
    made = open_lake(tmp_path / "home")
    for key, frame in lane_days(DAYS, name="desk").items():
        if key.dataset == "opportunities":
            with made.lease(str(key)) as lease:
                made.publish([Output(key, frame, {})], made_from=[], code="code", run="run", lease=lease)
    return made


def say(path, sample: pl.DataFrame, verdict: Verdict = Verdict.REAL) -> None:
    for one in sample["opportunity_id"]:
        adjudicate(path, Adjudication(one, verdict, "ada", "looked", datetime(2026, 4, 1, tzinfo=UTC)))


def test_a_sample_is_stale_once_somebody_said_something(lake, tmp_path):
    path = tmp_path / "desk.adjudications.jsonl"
    stage = identification_stage("desk", DAYS, TARGET, path)
    (publication,) = materialise(lake, stage, "all", run="run")
    sample = lake.scan([publication]).collect()
    assert set(sample["session"]) == set(DAYS)
    assert sample["verdict"].null_count() == sample.height == 4 * 4 * len(DAYS)
    assert standing(lake, stage, "all").state is State.FRESH
    say(path, sample.head(1))
    assert standing(lake, stage, "all").state is State.STALE
    (again,) = materialise(lake, stage, "all", run="run")
    assert lake.scan([again]).collect()["verdict"].count() == 1
    say(path, sample.head(1), Verdict.NOT_REAL)
    assert path.read_text().count("\n") == 2


def test_what_the_sample_must_show_leaves_it_as_it_is(lake, tmp_path):
    path = tmp_path / "desk.adjudications.jsonl"
    held = identification_stage("desk", DAYS, TARGET, path)
    stricter = identification_stage("desk", DAYS, TARGET.model_copy(update={"precision": 0.99}), path)
    redrawn = identification_stage("desk", DAYS, TARGET.model_copy(update={"seed": 2}), path)
    assert held.config_sha256 == stricter.config_sha256 != redrawn.config_sha256


def judged_as(verdicts: list[str | None], sample: pl.DataFrame) -> pl.DataFrame:
    words = [verdicts[nth % len(verdicts)] for nth in range(sample.height)]
    return sample.with_columns(verdict=pl.Series(words, dtype=pl.String))


@pytest.mark.parametrize(
    ("verdicts", "failing"),
    [
        (["real"], set()),
        ([None], {"unshown_lanes"}),
        (["real", "not_real"], {"imprecise_lanes"}),
        (["unsure"], {"imprecise_lanes"}),
        (["real", None, None, None], {"unshown_lanes"}),
    ],
)
def test_only_enough_that_is_precise_is_green(verdicts, failing):
    run = run_of(lane_days(DAYS, name="desk"))
    found = measures_of(TARGET, judged_as(verdicts, identified(run.opportunities, [], TARGET)))
    bounded = {one.name for one in SUITE.expectations} & found.keys()
    assert {name for name in bounded if found[name]} == failing


def test_where_nothing_was_found_nothing_is_shown():
    assert measures_of(TARGET, IDENTIFICATION.empty())["unshown_lanes"] == 1


@pytest.mark.slow
def test_a_sample_nobody_looked_at_is_recorded_as_a_warning(lake, tmp_path):
    stage = identification_stage("desk", DAYS, TARGET, tmp_path / "said.jsonl")
    published = materialise(lake, stage, "all", run="run")
    (outcome,) = judge_identification(lake, "desk", TARGET, published).values()
    assert (outcome.passed, outcome.severity) == (False, Severity.WARN)
    (verdict,) = lake.catalog.verdicts_on(published)
    assert not verdict.passed
