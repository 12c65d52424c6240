"""Making one period of a stage: all its datasets together, with lineage, and only from inputs no check refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from tickline.errors import GateClosed, LakeError, LeaseLost, SourceError
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Verdict
from tickline.pipeline.graph import find
from tickline.pipeline.plan import State, standing
from tickline.pipeline.stage import Built, Inputs, materialise
from tickline.workspace import Workspace

DAY = "2026-03-08"
Make = Callable[..., list[object]]


def judged(here: Workspace, key: PartitionKey, *, passed: bool, severity: str = "ERROR") -> None:
    """Record a verdict on what a partition holds now."""
    current = here.lake.catalog.current(key)
    assert current is not None
    here.lake.catalog.record_verdicts(
        [
            Verdict(
                key=key,
                sha256=current.sha256,
                suite=key.dataset,
                suite_hash="0" * 64,
                passed=passed,
                severity=severity,
                evaluated_at=datetime.now(UTC),
                metrics={},
            )
        ]
    )


def test_all_datasets_of_a_stage_are_published_together_from_the_same_inputs(small: Workspace, make: Make) -> None:
    make(small, venue="sim", upto="raw_trades")
    clean = find(small.graph, "sim", "clean_trades")
    published = materialise(small.lake, clean, DAY, run="r1")
    assert [publication.key.dataset for publication in published] == [
        "clean_trades",
        "quarantine_trades",
        "gaps_trades",
        "closing_trades",
    ]
    raw = small.lake.catalog.current(PartitionKey("raw_trades", "sim", DAY))
    sessions = small.lake.catalog.current(PartitionKey("sessions", "sim", "2026"))
    assert raw is not None
    assert sessions is not None
    for publication in published:
        assert (publication.code, publication.run) == (clean.code, "r1")
        made_from = {(one.kind, one.name): one.sha256 for one in small.lake.catalog.inputs_of(publication)}
        assert made_from == {
            ("object", str(raw.key)): raw.sha256,
            ("object", str(sessions.key)): sessions.sha256,
            ("config", "sim/clean_trades"): clean.config_sha256,
        }


def test_raw_rows_are_the_clean_and_the_quarantined_ones(made: Workspace) -> None:
    def numbers(dataset: str) -> pl.Series:
        frame = made.lake.read(PartitionKey(dataset, "sim", DAY)).collect()
        return frame["raw_row"].cast(pl.Int64) if "raw_row" in frame.columns else pl.Series(range(frame.height))

    both = pl.concat([numbers("clean_trades"), numbers("quarantine_trades")]).sort()
    assert both.to_list() == numbers("raw_trades").to_list()


def test_the_files_read_are_the_leaves_of_the_lineage(made: Workspace) -> None:
    raw = made.lake.catalog.current(PartitionKey("raw_trades", "desk", DAY))
    assert raw is not None
    sources = [one.name for one in made.lake.catalog.inputs_of(raw) if one.kind == "source"]
    # A file may begin a little before its day and end a little after, so the days beside it are read too.
    assert [name.rpartition("/")[2] for name in sources] == ["2026-03-07.csv", "2026-03-08.csv", "2026-03-09.csv"]


def test_a_missing_input_is_named_and_nothing_is_published(small: Workspace) -> None:
    clean = find(small.graph, "sim", "clean_trades")
    with pytest.raises(LakeError, match=f"sim/clean_trades/{DAY} needs raw_trades/sim/{DAY}, which is not in the lake"):
        materialise(small.lake, clean, DAY, run="r1")
    assert small.lake.catalog.everything() == {}


def test_a_red_input_closes_the_gate_in_every_later_run(made: Workspace) -> None:
    bars = find(made.graph, "sim", "bars_1m")
    key = PartitionKey("clean_trades", "sim", DAY)
    judged(made, key, passed=False)
    reopened = Workspace(made.config, made.home)
    for _ in range(2):
        with pytest.raises(GateClosed, match=f"sim/bars_1m/{DAY} needs {key}, which failed its checks"):
            materialise(reopened.lake, bars, DAY, run="r2")
    # The days beside it do not stand on it.
    assert materialise(reopened.lake, bars, "2026-03-07", run="r2")
    judged(made, key, passed=True)
    assert materialise(reopened.lake, bars, DAY, run="r3")


def test_a_warning_leaves_the_gate_open(made: Workspace) -> None:
    judged(made, PartitionKey("clean_trades", "sim", DAY), passed=False, severity="WARN")
    assert materialise(made.lake, find(made.graph, "sim", "bars_1m"), DAY, run="r2")


def test_a_verdict_counts_for_the_very_content_it_judged(
    small: Workspace, make: Make, drop: Callable[..., object]
) -> None:
    make(small, venue="desk", upto="clean_trades")
    clean, bars = find(small.graph, "desk", "clean_trades"), find(small.graph, "desk", "bars_1m")
    judged(small, PartitionKey("clean_trades", "desk", DAY), passed=False)
    drop(small.home.parent / "drop", DAY, late=3)
    materialise(small.lake, find(small.graph, "desk", "raw_trades"), DAY, run="r2")
    materialise(small.lake, clean, DAY, run="r2")
    assert materialise(small.lake, bars, DAY, run="r2")


def test_a_period_that_fails_leaves_what_was_current_and_the_periods_beside_it(made: Workspace) -> None:
    minutes = find(made.graph, "sim", "bars_1m")
    before = made.lake.catalog.everything(dataset="bars_1m")

    def build(inputs: Inputs, period: str) -> Built:
        if period == DAY:
            raise SourceError("the second day cannot be made")
        return minutes.build(inputs, period)

    failing = replace(minutes, build=build, code="other")
    materialise(made.lake, failing, "2026-03-07", run="r2")
    with pytest.raises(SourceError, match="second day"):
        materialise(made.lake, failing, DAY, run="r2")
    materialise(made.lake, failing, "2026-03-09", run="r2")
    after = made.lake.catalog.everything(dataset="bars_1m", venue="sim")
    assert {key.period: publication.run for key, publication in after.items()} == {
        "2026-03-07": "r2",
        DAY: "test",
        "2026-03-09": "r2",
    }
    assert {key: one.sha256 for key, one in after.items()} == {key: before[key].sha256 for key in after}
    assert standing(made.lake, failing, DAY).state is State.STALE


def test_a_period_another_run_is_at_is_refused(made: Workspace) -> None:
    minutes = find(made.graph, "sim", "bars_1m")
    held = made.lake.catalog.acquire(
        f"{minutes}/{DAY}", "elsewhere:1:1", expires_at=datetime(2999, 1, 1, tzinfo=UTC), dead=lambda _holder: False
    )
    with pytest.raises(LeaseLost, match="is being published by elsewhere"):
        materialise(made.lake, minutes, DAY, run="r2")
    made.lake.catalog.release(held)
    assert materialise(made.lake, minutes, DAY, run="r2")


def test_making_the_same_again_publishes_nothing_new(made: Workspace) -> None:
    for dataset in ("raw_trades", "clean_trades", "bars_1m", "bars_1h"):
        stage = find(made.graph, "desk", dataset)
        again = materialise(made.lake, stage, DAY, run="r2")
        assert {(publication.generation, publication.run) for publication in again} == {(1, "test")}
