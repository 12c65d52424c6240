"""Stages run by Dagster: what a run reports, what it skips, what one bad day costs, and what a red check stops."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.bars import bar_assets
from assets.clean import clean_assets
from assets.lifecycle import FILL_TAGS
from assets.raw import raw_assets
from assets.reference import reference_assets
from orchestration.resources import lake_resource
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import BARS
from tickline.pipeline.plan import State, standing
from tickline.workspace import Workspace

FIRST, SECOND, THIRD = DAYS = ("2026-03-07", "2026-03-08", "2026-03-09")
CLEAN = {"clean_trades", "quarantine_trades", "gaps_trades", "closing_trades"}
Make = Callable[..., list[object]]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


Run = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def run(small: Workspace, make: Make, instance: dg.DagsterInstance) -> Run:
    """Runs assets of `desk` for one day, or for a range of days, or for the holes of one."""
    make(small, venue="desk", upto="sessions")
    graph, venue = small.graph, small.universe.venues["desk"]
    assets = [
        asset for factory in (reference_assets, raw_assets, clean_assets, bar_assets) for asset in factory(graph, venue)
    ]

    def execute(*datasets: str, days: tuple[str, ...], fill: bool = False) -> dg.ExecuteInProcessResult:
        tags = FILL_TAGS if fill else {}
        if len(days) > 1 or fill:
            tags = tags | {ASSET_PARTITION_RANGE_START_TAG: days[0], ASSET_PARTITION_RANGE_END_TAG: days[-1]}
        return dg.materialize(
            assets,
            instance=instance,
            resources={"lake": lake_resource()},
            selection=[dg.AssetKey(["desk", dataset]) for dataset in datasets],
            partition_key=days[0] if len(days) == 1 and not fill else None,
            tags=tags,
            raise_on_error=False,
        )

    return execute


def materialised(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], dg.AssetMaterialization]:
    """What a run reported as made, by dataset and partition, each once."""
    events = [event.materialization for event in result.all_events if event.is_step_materialization]
    found = {(one.asset_key.path[-1], one.partition): one for one in events}
    assert len(found) == len(events), "a partition was reported twice"
    return found


def checked(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], bool]:
    """Whether each check of a run passed, by dataset and partition."""
    return {(one.check_name, one.partition): one.passed for one in result.get_asset_check_evaluations()}


def sha256_of(here: Workspace, dataset: str, day: str) -> str:
    current = here.lake.catalog.current(PartitionKey(dataset, "desk", day))
    assert current is not None
    return current.sha256


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step of a run says."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    cause = event.step_failure_data.user_failure_data
    return str(cause.description if cause and cause.description else event.step_failure_data.error)


def test_a_run_of_one_day_reports_hash_rows_preview_and_checks(small: Workspace, run: Run) -> None:
    result = run("raw_trades", *CLEAN, "bars_1m", days=(SECOND,))
    assert result.success
    made = materialised(result)
    assert set(made) == {(dataset, SECOND) for dataset in ("raw_trades", *CLEAN, "bars_1m")}
    for (dataset, day), one in made.items():
        assert day is not None
        published = small.lake.catalog.current(PartitionKey(dataset, "desk", day))
        assert published is not None
        assert one.tags is not None
        assert one.tags["dagster/data_version"] == published.sha256
        assert one.metadata["dagster/row_count"].value == published.rows
        assert one.metadata["bytes"].value == published.bytes
        assert published.run == result.run_id
    assert made["clean_trades", SECOND].metadata["clean_ratio"].value == 1.0
    assert "| raw | 576 |" in made["clean_trades", SECOND].metadata["preview"].value
    assert "| BTC-EUR | " in made["bars_1m", SECOND].metadata["preview"].value
    assert all(checked(result).values())
    assert {dataset for dataset, _ in checked(result)} == {"raw_trades", "clean_trades", "quarantine_trades", "bars_1m"}
    verdicts = small.lake.catalog.verdicts_on(small.lake.catalog.everything(venue="desk").values())
    assert {(str(verdict.key), verdict.passed) for verdict in verdicts} == {
        (f"{dataset}/desk/{SECOND}", True) for dataset in ("raw_trades", "clean_trades", "quarantine_trades", "bars_1m")
    }


def test_what_is_not_split_by_time_is_made_without_a_partition(small: Workspace, instance: dg.DagsterInstance) -> None:
    assets = reference_assets(small.graph, small.universe.venues["desk"])
    result = dg.materialize(
        assets,
        instance=instance,
        resources={"lake": lake_resource()},
        selection=[dg.AssetKey(["desk", "instruments"])],
    )
    assert set(materialised(result)) == {("instruments", None)}
    assert checked(result) == {("instruments", None): True}


def test_a_run_over_a_range_reports_each_day_by_itself(
    small: Workspace, run: Run, instance: dg.DagsterInstance
) -> None:
    result = run("raw_trades", *CLEAN, days=DAYS)
    assert result.success
    made = materialised(result)
    by_day = {(dataset, day) for dataset in ("raw_trades", *CLEAN) for day in DAYS}
    assert {one for one in made if one[1] is not None} == by_day
    for dataset, day in by_day:
        assert made[dataset, day].tags["dagster/data_version"] == sha256_of(small, dataset, day)  # type: ignore[index]
    checks = checked(result)
    assert {one: checks[one] for one in checks if one[1] is not None} == {
        (dataset, day): True for dataset in ("raw_trades", "clean_trades", "quarantine_trades") for day in DAYS
    }
    assert set(instance.get_materialized_partitions(dg.AssetKey(["desk", "clean_trades"]))) == set(DAYS)


def test_a_fill_makes_only_what_is_missing_or_stale(small: Workspace, run: Run, drop: Callable[..., object]) -> None:
    first = run("raw_trades", days=DAYS, fill=True)
    assert set(materialised(first)) == {("raw_trades", day) for day in DAYS}
    again = run("raw_trades", days=DAYS, fill=True)
    assert again.success
    assert materialised(again) == {}
    drop(small.home.parent / "drop", FIRST, late=2)
    changed = run("raw_trades", days=DAYS, fill=True)
    # The file of the first day may hold rows of the second too.
    assert set(materialised(changed)) == {("raw_trades", FIRST), ("raw_trades", SECOND)}


def test_a_broken_file_costs_the_days_that_read_it_and_no_other(
    small: Workspace, run: Run, instance: dg.DagsterInstance, drop: Callable[..., Path]
) -> None:
    folder = small.home.parent / "drop"
    (folder / f"{FIRST}.csv").write_text("another,kind,of,table\n1,2,3,4\n")
    result = run("raw_trades", *CLEAN, days=DAYS, fill=True)
    assert not result.success
    assert set(materialised(result)) == {("raw_trades", THIRD)}
    said = failure(result)
    assert "2 of 3 periods of desk/raw_trades failed, the others are published" in said
    assert f"{FIRST}.csv" in said
    assert set(instance.get_materialized_partitions(dg.AssetKey(["desk", "raw_trades"]))) == {THIRD}

    drop(folder, FIRST)
    mended = run("raw_trades", *CLEAN, days=DAYS, fill=True)
    assert mended.success
    assert {one for one in materialised(mended) if one[0] == "raw_trades"} == {
        ("raw_trades", FIRST),
        ("raw_trades", SECOND),
    }
    assert {day for dataset, day in materialised(mended) if dataset == "clean_trades"} == set(DAYS)


def test_one_day_that_fails_alone_says_why(small: Workspace, run: Run) -> None:
    (small.home.parent / "drop" / f"{SECOND}.csv").write_text("")
    result = run("raw_trades", days=(SECOND,))
    assert not result.success
    assert f"{SECOND}.csv: empty; its delivery was cut short, fetch it again" in failure(result)
    assert small.lake.catalog.everything(dataset="raw_trades") == {}


def test_a_red_check_stops_what_stands_on_it_in_this_run_and_every_later_one(small: Workspace, run: Run) -> None:
    (small.home.parent / "drop" / f"{SECOND}.csv").write_text("t,pair,px,qty,id\n")
    result = run("raw_trades", *CLEAN, days=(SECOND,))
    assert not result.success
    assert checked(result)["raw_trades", SECOND] is False
    assert set(materialised(result)) == {("raw_trades", SECOND)}

    later = run(*CLEAN, days=(SECOND,))
    assert not later.success
    assert materialised(later) == {}
    assert f"needs raw_trades/desk/{SECOND}, which failed its checks" in failure(later)


def test_a_red_day_of_a_range_stops_that_day_only(small: Workspace, run: Run) -> None:
    (small.home.parent / "drop" / f"{SECOND}.csv").write_text("t,pair,px,qty,id\n")
    result = run("raw_trades", *CLEAN, "bars_1m", days=DAYS, fill=True)
    assert not result.success
    assert {day for dataset, day in materialised(result) if dataset == "raw_trades"} == set(DAYS)
    assert {day for dataset, day in materialised(result) if dataset == "clean_trades"} == {FIRST, THIRD}
    assert f"{SECOND}: desk/clean_trades/{SECOND} needs raw_trades/desk/{SECOND}, which failed its checks" in failure(
        result
    )


def test_a_warning_stops_nothing(small: Workspace, run: Run) -> None:
    path = small.home.parent / "drop" / f"{SECOND}.csv"
    lines = path.read_text().splitlines()
    # Ten rows of no price among 576: below the goal of 99.95 % clean.
    bad = [line.replace(line.split(",")[2], "0") for line in lines[1:11]]
    path.write_text("\n".join([lines[0], *bad, *lines[11:]]) + "\n")
    result = run("raw_trades", *CLEAN, "bars_1m", days=(SECOND,))
    assert result.success
    assert checked(result)["clean_trades", SECOND] is False
    (warning,) = [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert warning.severity is dg.AssetCheckSeverity.WARN
    assert "clean_ratio_short" in str(warning.metadata["failures"].value)
    assert ("bars_1m", SECOND) in materialised(result)


@pytest.mark.slow
def test_a_stage_of_two_cadences_up_to_the_week(small: Workspace, run: Run) -> None:
    assert run("raw_trades", *CLEAN, "bars_1m", days=DAYS, fill=True).success
    longer = {dataset for stage in small.graph if stage.name == "bars" for dataset in stage.datasets}
    assert run(*longer, days=DAYS, fill=True).success
    weeks = run("bars_1w", days=("2026-03-02", "2026-03-09"))
    assert weeks.success
    assert {one for one in materialised(weeks) if one[1]} == {("bars_1w", "2026-03-02"), ("bars_1w", "2026-03-09")}
    assert small.lake.dataset("bars_1w").collect().schema == BARS.empty().schema
    desk = [stage for stage in small.graph if stage.venue == "desk"]
    assert {standing(small.lake, stage, period).state for stage in desk for period in stage.periods} == {State.FRESH}


def test_a_fill_judges_what_an_interrupted_run_left_unjudged(small: Workspace, run: Run, make: Make) -> None:
    make(small, venue="desk", upto="raw_trades")
    for path in (small.home.parent / "drop").iterdir():
        path.unlink()  # judging reads what the lake holds, which cannot be made again
    result = run("raw_trades", days=DAYS, fill=True)
    assert set(materialised(result)) == {("raw_trades", day) for day in DAYS}
    assert {day for dataset, day in checked(result) if dataset == "raw_trades" and day} == set(DAYS)
    assert {one.generation for one in small.lake.catalog.everything(dataset="raw_trades").values()} == {1}
    assert materialised(run("raw_trades", days=DAYS, fill=True)) == {}
