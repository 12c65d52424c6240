import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from expectations.lane_mart_checks import judge_lane_days
from expectations.suites import Severity
from runners import sample_lake, sample_lanes
from tickline.errors import LakeError
from tickline.kpi import lanes, marts
from tickline.kpi.freshness import PROJECT
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import open_lake

pytestmark = pytest.mark.slow


def everything(home: Path) -> dict[str, pl.DataFrame]:
    """Every mart, sorted."""
    connection = marts.connect(marts.embedded(home))
    names = connection.execute("select table_name from duckdb_tables() where table_name like 'kpi_%'").fetchall()
    frames = {name: connection.table(name).pl().sort(pl.all()) for (name,) in names}
    connection.close()
    return frames


def table(home: Path, name: str) -> pl.DataFrame:
    return everything(home)[name]


def lake(dataset: str) -> pl.DataFrame:
    """A dataset of the sample lake as one frame that names venue and day."""
    return pl.concat(
        frame.with_columns(venue=pl.lit(key.venue), day=pl.lit(key.date))
        for key, frame in sample_lake.partitions().items()
        if key.dataset == dataset
    )


def replaced(
    objects: list[tuple[PartitionKey, str]], key: PartitionKey, frame: pl.DataFrame, path: Path
) -> list[tuple[PartitionKey, str]]:
    frame.write_parquet(path)
    return [(found, str(path) if found == key else uri) for found, uri in objects]


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def home(shared_home, build, objects) -> Path:
    """The marts of the whole sample lake, built once for the tests that only read them."""
    if not (shared_home / "marts").exists():
        build(shared_home, objects)
    return shared_home


def test_rows_agree_with_counting_the_lake(home):
    counted = [
        lake(f"{stage}_{feed}")
        .group_by("venue", "day", pl.lit(feed).alias("feed"), pl.col("instrument").fill_null(""))
        .agg(pl.len().cast(pl.Int64).alias(f"{stage}_rows"))
        for feed in ("trades", "quotes", "book")
        for stage in ("raw", "clean")
    ]
    seen = table(home, "kpi_rows_daily")
    for frame in counted:
        column = frame.columns[-1]
        feed = frame["feed"][0]
        expected = frame.sort("venue", "day", "instrument")
        actual = seen.filter((pl.col("feed") == feed) & (pl.col(column) > 0)).sort("venue", "day", "instrument")
        assert_frame_equal(actual.select(expected.columns), expected)
    refused = seen.select(pl.sum("quarantined_rows") + pl.sum("duplicate_rows")).item()
    assert refused == sum(lake(f"quarantine_{feed}").height for feed in ("trades", "quotes", "book"))


def test_latency_percentiles_are_delays_of_rows(home):
    delays = (
        lake("clean_trades")
        .drop_nulls("ts_recv")
        .with_columns(ms=(pl.col("ts_recv") - pl.col("ts_event")).dt.total_microseconds() / 1000)
        .group_by("venue", "day", "instrument")
        .agg(
            timed_rows=pl.len().cast(pl.Int64),
            # nearest rank: the smallest delay that at least this share of the rows does not exceed
            **{
                f"p{share}_ms": pl.col("ms").sort().get(((pl.len() * share + 99) // 100 - 1).cast(pl.Int64))
                for share in (50, 95, 99)
            },
        )
        .sort("venue", "day", "instrument")
    )
    seen = table(home, "kpi_latency_daily").filter(pl.col("feed") == "trades").sort("venue", "day", "instrument")
    assert_frame_equal(seen.select(delays.columns), delays)


def test_coverage_follows_the_sessions(home):
    seen = table(home, "kpi_coverage_daily")
    minutes = {(row["venue"], row["day"]): row["session_minutes"] for row in seen.iter_rows(named=True)}
    early, silent = sample_lake.DAYS[1], sample_lake.DAYS[2]
    assert minutes["alpha", early] == 1440
    assert minutes["beta", early] == 210
    assert minutes["beta", silent] == 390
    one = seen.filter(pl.col("instrument") == "ONE")
    assert one["coverage"].to_list() == [0.5, 0.5, 0.5]
    assert seen.filter((pl.col("venue") == "beta") & (pl.col("day") == silent))["coverage"].to_list() == [0.0, 0.0]


def test_an_open_session_without_ticks_has_a_summary_row(home):
    summary = table(home, "kpi_data_quality_daily")
    assert summary.height == 6
    silent = summary.row(by_predicate=(pl.col("venue") == "beta") & (pl.col("day") == sample_lake.DAYS[2]), named=True)
    assert silent["raw_rows"] == 0
    assert silent["clean_ratio"] is None
    assert silent["coverage"] == 0.0


def test_gaps_and_activity_add_up(home):
    gaps = table(home, "kpi_gaps_daily").filter(pl.col("kind") == "silence")
    assert set(gaps["gap_minutes"].to_list()) == {11.0}
    activity = table(home, "kpi_activity_daily")
    assert activity["trades"].sum() == lake("bars_1m")["trades"].sum()
    assert activity["turnover"].sum() == pytest.approx(float(lake("bars_1m")["turnover"].sum()), rel=1e-12)


def test_the_marts_of_lanes_are_the_figures_of_runs_of_one_day(home):
    partitions = sample_lanes.lane_days(sample_lake.DAYS, name="desk")
    figures = {
        "kpi_lane_conversion_daily": lanes.conversion,
        "kpi_lane_families_daily": lanes.families,
        "kpi_lane_edge_daily": lambda run: lanes.edges(run, top=3),
        "kpi_lane_family_edge_daily": lambda run: lanes.edges(run, ("lane", "family"), top=3),
        "kpi_lane_fills_daily": lanes.fill_quality,
        "kpi_lane_concentration_daily": lanes.concentration,
        "kpi_lane_costs_daily": lanes.costs,
    }
    for name, figure in figures.items():
        of_days = [
            figure(lanes.run_of({key: frame for key, frame in partitions.items() if key.date == day})).with_columns(
                lane_set=pl.lit("desk"), day=pl.lit(day)
            )
            for day in sample_lake.DAYS
        ]
        expected = pl.concat(of_days)
        seen = table(home, name).select(expected.columns)
        keys = [column for column, dtype in seen.schema.items() if dtype in (pl.String, pl.Date)]
        assert_frame_equal(seen.sort(keys), expected.sort(keys))
    assert set(table(home, "kpi_lane_costs_daily")["statement"]) == {"not provided"}


@pytest.mark.parametrize("again", [0, 1])
def test_a_position_that_is_there_twice_fails_the_build(again, build, objects, tmp_path):
    """Twice in its day's rows, or closed on the day after once more."""
    partitions = sample_lanes.lane_days(sample_lake.DAYS, name="desk")
    first, later = (PartitionKey.daily("lane_positions", "desk", sample_lake.DAYS[nth]) for nth in (0, again))
    twice = pl.concat([partitions[later], partitions[first].filter(status="settled").head(1)])
    with pytest.raises(LakeError, match="no_position_opens_or_closes_twice"):
        build(tmp_path / "home", replaced(objects, later, twice, tmp_path / "twice.parquet"), *sample_lake.DAYS[::2])


def test_a_mart_that_counts_a_position_twice_fails_the_build(build, objects, tmp_path, monkeypatch):
    project = Path(shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("target", "logs")))
    path = project / "models" / "kpi" / "kpi_lane_families_daily.sql"
    joined = "            and counted.lane = money.lane\n"
    assert joined in path.read_text()
    # A family that two lanes see gets the money of both, twice.
    path.write_text(path.read_text().replace(joined, ""))
    monkeypatch.setattr("assets.marts.PROJECT", project)
    with pytest.raises(LakeError, match="families_add_up_to_opened_rows"):
        build(tmp_path / "home", objects, *sample_lake.DAYS[:2])


def test_late_rows_change_their_day_alone_and_building_it_again_restores_it(home, build, objects, tmp_path):
    key = PartitionKey.daily("gaps_quotes", "alpha", sample_lake.DAYS[1])
    late = sample_lake.partitions()[key].with_columns(pl.col("ts_to") + pl.duration(minutes=1))
    before = everything(home)
    build(home, replaced(objects, key, late, tmp_path / "late.parquet"), *sample_lake.DAYS[1:])
    after = table(home, "kpi_gaps_daily")
    changed = (pl.col("venue") == "alpha") & (pl.col("day") == sample_lake.DAYS[1])
    assert_frame_equal(after.filter(~changed), before["kpi_gaps_daily"].filter(~changed))
    assert after.filter(changed)["gap_minutes"].to_list() == [6.5, 13.0]
    build(home, objects, *sample_lake.DAYS[1:])
    restored = everything(home)
    assert len(restored) == 15
    for name, frame in before.items():
        assert_frame_equal(restored[name], frame)


def test_a_copied_home_has_marts_of_its_own_that_can_be_built_on(home, build, objects, tmp_path):
    key = PartitionKey.daily("gaps_quotes", "alpha", sample_lake.DAYS[1])
    late = sample_lake.partitions()[key].with_columns(pl.col("ts_to") + pl.duration(minutes=1))
    before = everything(home)
    copy = Path(shutil.copytree(home, tmp_path / "copy", symlinks=True))
    for name, frame in everything(copy).items():
        assert_frame_equal(frame, before[name])
    build(copy, replaced(objects, key, late, tmp_path / "late.parquet"), *sample_lake.DAYS[1:])
    assert not table(copy, "kpi_gaps_daily").equals(before["kpi_gaps_daily"])
    for name, frame in everything(home).items():
        assert_frame_equal(frame, before[name])


def test_a_row_that_vanished_between_raw_and_clean_fails_the_build(build, objects, tmp_path):
    key = PartitionKey.daily("clean_trades", "alpha", date(2026, 3, 6))
    torn = sample_lake.partitions()[key].slice(1)
    with pytest.raises(LakeError, match="every_row_is_accounted_for"):
        build(tmp_path / "home", replaced(objects, key, torn, tmp_path / "torn.parquet"), *sample_lake.DAYS[:2])


def test_an_empty_lake_builds_empty_marts(build, tmp_path):
    build(tmp_path, [], *sample_lake.DAYS[:2])
    assert {frame.height for frame in everything(tmp_path).values()} == {0}


def test_days_of_lanes_are_judged_by_what_follows_from_them(home, tmp_path):
    days = {day.isoformat(): "ab" for day in sample_lake.DAYS} | {"1999-01-01": "ab"}
    lake = open_lake(tmp_path / "home")
    outcomes = judge_lane_days(lake, marts.embedded(home), days)
    lake.catalog.close()
    assert outcomes["1999-01-01"].passed
    edge = table(home, "kpi_lane_edge_daily").filter(variant="raw", day=sample_lake.FIRST)
    inconclusive = edge.filter(~pl.col("is_conclusive")).height
    assert outcomes[str(sample_lake.FIRST)].metrics["inconclusive_lanes"] == inconclusive > 0
    assert outcomes[str(sample_lake.FIRST)].severity is Severity.WARN
    assert {outcome.metrics["unreconciled_lanes"] for outcome in outcomes.values()} == {0.0}
