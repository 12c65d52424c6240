from pathlib import Path

import duckdb
import polars as pl
import pytest

from runners import sample_lake
from tickline.errors import LakeError
from tickline.kpi import marts
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import DATASETS


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "lake.duckdb"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> marts.Marts:
    return marts.embedded(tmp_path_factory.mktemp("place"))


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_exposed_rows_are_the_objects_rows_with_their_partition(place, database, objects):
    marts.expose(place, objects, database=database)
    with duckdb.connect(str(database), read_only=True) as connection:
        seen = connection.execute("select * from clean_quotes").pl()
    expected = pl.concat(
        frame.select(pl.lit(key.venue).alias("venue"), pl.lit(key.date).alias("day"), pl.all())
        for key, frame in sample_lake.partitions().items()
        if key.dataset == "clean_quotes"
    )
    columns = ["venue", "day", "instrument", "bid", "ask", "seq"]
    assert seen.select(columns).sort(columns).equals(expected.select(columns).sort(columns))


def test_a_dataset_without_objects_is_empty_and_has_the_columns_of_a_full_one(place, database, objects, tmp_path):
    marts.expose(place, objects, database=database)
    marts.expose(place, [], database=tmp_path / "empty.duckdb")
    for dataset in ("raw_trades", "bars_1m", "sessions"):
        describe = f"select column_name, column_type from (describe {dataset})"
        assert rows(tmp_path / "empty.duckdb", describe) == rows(database, describe)
        assert rows(tmp_path / "empty.duckdb", f"select count(*) from {dataset}") == [(0,)]


def test_every_dataset_of_the_lake_is_exposed(place, database):
    marts.expose(place, [], database=database)
    assert {name for (name,) in rows(database, "select table_name from duckdb_tables()")} == {*DATASETS, "objects"}


def test_partitions_that_share_one_object_each_have_its_rows(place, database, tmp_path):
    frame = sample_lake.partitions()[PartitionKey.daily("raw_trades", "alpha", sample_lake.FIRST)]
    frame.write_parquet(tmp_path / "shared.parquet")
    keys = [PartitionKey.daily("raw_trades", venue, sample_lake.FIRST) for venue in ("one", "two")]
    marts.expose(place, [(key, str(tmp_path / "shared.parquet")) for key in keys], database=database)
    counts = "select venue, count(*) from raw_trades group by venue order by venue"
    assert rows(database, counts) == [("one", frame.height), ("two", frame.height)]


def test_a_day_is_read_without_opening_the_objects_of_other_days(place, database, objects, tmp_path):
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1")
    key = PartitionKey.daily("raw_trades", "beta", sample_lake.DAYS[1])
    damaged = [(found, str(torn) if found == key else uri) for found, uri in objects]
    marts.expose(place, damaged, database=database)
    day = "select count(instrument) from raw_trades where venue = 'alpha' and day = date '2026-03-06'"
    assert rows(database, day) == [(297,)]
    with pytest.raises(duckdb.Error, match="torn"):
        rows(database, "select count(instrument) from raw_trades")


def test_a_quote_in_a_path_stays_text(place, database, tmp_path):
    folder = tmp_path / "it's"
    marts.expose(place, sample_lake.write(folder), database=database)
    assert rows(database, "select count(*) from raw_trades") == [(1500,)]


def test_an_unknown_dataset_is_refused_by_name(place, database):
    with pytest.raises(LakeError, match="clean_options"):
        marts.expose(place, [(PartitionKey.daily("clean_options", "alpha", sample_lake.FIRST), "x")], database=database)


def test_a_missing_object_is_an_error_that_names_it(place, database, tmp_path):
    key = PartitionKey.daily("raw_trades", "alpha", sample_lake.FIRST)
    with pytest.raises(LakeError, match=r"absent\.parquet"):
        marts.expose(place, [(key, str(tmp_path / "absent.parquet"))], database=database)


def test_marts_that_were_never_built_are_an_error_that_says_so(tmp_path):
    with pytest.raises(LakeError, match="build them first"):
        marts.connect(marts.embedded(tmp_path))


def test_what_the_tables_no_longer_hold_is_removed_and_readers_since_then_are_not_disturbed(tmp_path):
    place = marts.embedded(tmp_path)
    with marts.connect_to_write(place) as warehouse:
        warehouse.execute("create table days (day date, rows int)")
        for rows in range(5):
            warehouse.execute("delete from days")
            warehouse.execute("insert into days select date '2026-03-06', ? from range(20000)", [rows])
        (moment,) = warehouse.execute("select max(snapshot_time) from ducklake_snapshots('marts')").fetchone()
    before = sorted((tmp_path / "marts" / "data").rglob("*.parquet"))
    with marts.connect(place) as reader:
        reader.execute("begin")
        held = "select count(*), min(rows) from days"
        assert reader.execute(held).fetchone() == (20000, 4)
        with marts.building(place):
            assert marts.tidy(place, before=moment) == 4
        assert reader.execute(held).fetchone() == (20000, 4)
    (kept,) = (tmp_path / "marts" / "data").rglob("*.parquet")
    assert kept in before
    with marts.building(place):
        assert marts.tidy(place, before=moment) == 0


def test_linking_extensions_again_repairs_a_stale_link(tmp_path):
    folder = marts.link_extensions(tmp_path)
    links = sorted(folder.glob("*/*/*.duckdb_extension"))
    assert [link.name.split(".")[0] for link in links] == sorted(marts.EXTENSIONS)
    links[0].unlink()
    links[0].symlink_to(tmp_path / "elsewhere")
    marts.link_extensions(tmp_path)
    assert all(link.is_file() for link in links)
