"""Marts in a bucket and in PostgreSQL: the same rows as on one machine, and no secret left anywhere."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import SecretStr
from sqlalchemy import make_url

from assets.marts import run_dbt
from runners import sample_lake
from tickline.errors import LakeError
from tickline.kpi import marts
from tickline.kpi.freshness import built_from, record_built
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output, open_lake
from tickline.workspace import Workspace

pytestmark = pytest.mark.slow

FIRST, SECOND = sample_lake.DAYS[:2]
Settings = dict[str, str | None]


def everything(place: marts.Marts) -> dict[str, pl.DataFrame]:
    """Every mart, sorted."""
    with marts.connect(place) as connection:
        names = connection.execute("select table_name from duckdb_tables() where table_name like 'kpi_%'").fetchall()
        return {name: connection.table(name).pl().sort(pl.all()) for (name,) in names}


def assert_same_marts(found: marts.Marts, expected: marts.Marts, *, empty: str = "none") -> None:
    """The same rows, and some in each mart but those whose names begin with `empty`."""
    there, here = everything(found), everything(expected)
    assert there.keys() == here.keys()
    assert all((frame.height > 0) != name.startswith(empty) for name, frame in here.items())
    for name, frame in here.items():
        assert_frame_equal(there[name], frame)


def filled(lake: Lake) -> list[tuple[PartitionKey, str]]:
    """The objects of a lake that holds the sample's first day."""
    partitions = sample_lake.partitions().items()
    chosen = [Output(key, frame) for key, frame in partitions if not key.is_daily or key.date == FIRST]
    with lake.lease("sample") as lease:
        published = lake.publish(chosen, made_from=(), code="c" * 64, run="sample", lease=lease)
    return [(one.key, uri) for one, uri in zip(published, lake.uris(published), strict=True)]


@pytest.fixture
def in_bucket(s3_endpoint: str, bucket: str) -> Settings:
    return {"root": f"s3://{bucket}/desk", "endpoint": s3_endpoint}


@pytest.fixture
def in_postgres(database: str) -> Settings:
    return {"catalog": database}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[Settings], Lake]]:
    """Opens the lake of `tmp_path/home` with settings."""
    lakes: list[Lake] = []

    def of(settings: Settings) -> Lake:
        lakes.append(open_lake(tmp_path / "home", **settings))
        return lakes[-1]

    yield of
    for lake in lakes:
        lake.catalog.close()


# In a bucket and PostgreSQL at once: by the backfill below.
@pytest.mark.slow
@pytest.mark.parametrize("settings", ["in_bucket", "in_postgres"])
def test_marts_elsewhere_hold_the_rows_of_those_on_one_machine(settings, request, opened, build_at, alone, tmp_path):
    lake = opened(request.getfixturevalue(settings))
    place = marts.marts_of(lake, tmp_path / "home")
    build_at(place, filled(lake), FIRST, SECOND)
    assert_same_marts(place, alone)
    assert not (tmp_path / "home" / "marts" / "data").exists()


@pytest.fixture(scope="module")
def alone(objects: list[tuple[PartitionKey, str]], tmp_path_factory: pytest.TempPathFactory) -> marts.Marts:
    """The marts of the sample's first day on one machine."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "marts").mkdir()
    place = marts.embedded(folder)
    with marts.building(place):
        shown = sample_lake.of_days(objects, FIRST, FIRST)
        run_dbt(place, shown, first=FIRST.isoformat(), last=FIRST.isoformat(), home=folder)
    return place


def test_rows_go_from_a_bucket_through_postgresql_into_the_bucket_and_back(opened, in_bucket, in_postgres, tmp_path):
    lake, database = opened(in_bucket | in_postgres), tmp_path / "lake.duckdb"
    place = marts.marts_of(lake, tmp_path / "home")
    marts.expose(place, filled(lake), database=database)
    with marts.building(place), marts.connect_to_write(place) as connection:
        connection.execute(f"attach '{database}' as lake (read_only)")
        connection.execute("create table copied as select * from lake.clean_trades")
    with marts.connect(place) as connection:
        copied = connection.table("copied").pl()
        files = connection.execute("select data_file from ducklake_list_files('marts', 'copied')").fetchall()
    assert {file.startswith(f"{in_bucket['root']}/marts/") for (file,) in files} == {True}
    clean = {key: frame for key, frame in sample_lake.partitions().items() if key.dataset == "clean_trades"}
    expected = pl.concat(frame for key, frame in clean.items() if key.date == FIRST)
    columns = ["instrument", "price", "size", "seq"]
    assert_frame_equal(copied.select(columns).sort(columns), expected.select(columns).sort(columns))


def test_a_lake_in_a_directory_with_its_catalog_in_sqlite_has_its_marts_under_the_home(opened, tmp_path):
    assert marts.marts_of(opened({}), tmp_path / "home") == marts.embedded(tmp_path / "home")
    assert marts.marts_of(opened({"root": str(tmp_path / "other")}), tmp_path / "home") == marts.embedded(
        tmp_path / "home"
    )


def test_what_days_were_built_from_is_kept_in_postgresql_for_every_home(opened, in_postgres, tmp_path):
    lake = opened(in_postgres)
    one, other = (marts.marts_of(lake, tmp_path / home) for home in ("one", "other"))
    assert built_from(one) == {}
    record_built(one, {"2026-03-06": "a" * 64, "2026-03-07": "b" * 64})
    record_built(one, {"2026-03-07": "c" * 64})
    assert built_from(other) == {"2026-03-06": "a" * 64, "2026-03-07": "c" * 64}


def test_no_message_repeats_a_password(opened, in_postgres, tmp_path):
    unbuilt = marts.marts_of(opened(in_postgres), tmp_path)
    secret = make_url(in_postgres["catalog"]).password
    assert unbuilt.password == SecretStr(secret)
    mistyped = replace(unbuilt, password=SecretStr(f"not {secret}"))
    said = [repr(unbuilt)]
    with pytest.raises(LakeError, match="build them first") as refused:
        marts.connect(unbuilt)
    said += [str(refused.value), repr(refused.value.__cause__)]
    with pytest.raises(LakeError, match="password authentication failed") as refused:
        marts.connect(mistyped)
    said += [str(refused.value), repr(refused.value.__cause__)]
    with pytest.raises(LakeError, match="password authentication failed") as refused, marts.building(mistyped):
        pass
    said += [str(refused.value), repr(refused.value.__cause__)]
    assert secret not in " ".join(said)


def test_builders_over_postgresql_take_turns(opened, in_postgres, tmp_path):
    place = marts.marts_of(opened(in_postgres), tmp_path)
    entered = threading.Event()

    def second() -> None:
        with marts.building(place):
            entered.set()

    waiting = threading.Thread(target=second)
    with marts.building(place):
        waiting.start()
        assert not entered.wait(1)
    assert entered.wait(10)
    waiting.join()


@pytest.mark.slow
def test_a_backfill_over_a_bucket_and_postgresql_builds_the_marts_and_leaves_no_secret(
    made, drops, in_bucket, in_postgres, monkeypatch, tmp_path
):
    """The command as it is typed, against what it builds on one machine from the same files."""
    record_built(made.marts, {"2026-03-07": "of something else"})
    day = ("--from", "2026-03-07", "--to", "2026-03-07")
    assert backfilled(*day, "--stage", "marts") == {"made": 1, "left": [], "failed": []}
    there = Workspace(made.config, tmp_path / "there")
    monkeypatch.setenv("TICKLINE_HOME", str(there.home))
    monkeypatch.setenv("DAGSTER_HOME", str(there.home / "dagster"))
    monkeypatch.setenv("TICKLINE_LAKE", in_bucket["root"])
    monkeypatch.setenv("TICKLINE_S3_ENDPOINT", in_bucket["endpoint"])
    monkeypatch.setenv("TICKLINE_CATALOG", in_postgres["catalog"])
    answer = backfilled(*day)
    assert (answer["failed"], answer["left"]) == ([], [])
    # No lanes are declared there.
    assert_same_marts(there.marts, marts.embedded(made.home), empty="kpi_lane_")
    secrets = [make_url(in_postgres["catalog"]).password.encode(), os.environ["AWS_SECRET_ACCESS_KEY"].encode()]
    left = [path for path in there.home.rglob("*") if path.is_file() and holds(path, secrets)]
    assert left == []
    assert backfilled(*day) == {"made": 0, "left": [], "failed": []}


def backfilled(*options: str) -> dict[str, object]:
    """What `tickline backfill` says."""
    tickline = Path(sys.executable).parent / "tickline"
    finished = subprocess.run([tickline, "backfill", *options, "--json"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def holds(path: Path, secrets: list[bytes]) -> bool:
    content = path.read_bytes()
    return any(secret in content for secret in secrets)
