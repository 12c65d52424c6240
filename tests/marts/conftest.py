"""Marts built from the sample lake, by dbt in this process."""

import itertools
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner

from runners import sample_lake
from tickline.kpi import marts
from tickline.lake.keys import PartitionKey

PROJECT = Path(__file__).parents[2] / "dbt_project"
Build = BuildAt = Callable[..., bool]


def dbt_arguments(command: str, scratch: Path) -> list[str]:
    """A dbt command over the project that leaves its own files in a scratch folder."""
    folders = ["--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", scratch, "--log-path", scratch]
    return ["--quiet", command, *map(str, folders)]


def window(first: date, end: date) -> list[str]:
    """The days from `first` to before `end`."""
    return ["--event-time-start", str(first), "--event-time-end", str(end)]


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> dbtRunner:
    """dbt with the project already parsed, which otherwise takes longer than a build."""
    scratch = tmp_path_factory.mktemp("parsed")
    parsed = dbtRunner().invoke(dbt_arguments("parse", scratch))
    assert parsed.success, parsed.exception
    return dbtRunner(manifest=parsed.result)


@pytest.fixture
def build_at(dbt: dbtRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BuildAt:
    """Build some days from some objects into marts; whether models and tests all passed."""
    builds = itertools.count()

    def run(
        place: marts.Marts,
        objects: list[tuple[PartitionKey, str]],
        first: date = sample_lake.DAYS[0],
        end: date = sample_lake.DAYS[-1] + timedelta(days=1),
    ) -> bool:
        # dbt keeps the file attached as long as this process lives
        database = tmp_path / f"lake{next(builds)}.duckdb"
        marts.expose(place, objects, database=database)
        with marts.building(place), monkeypatch.context() as environment:
            for name, value in marts.profile_env(place, database).items():
                environment.setenv(name, value)
            return dbt.invoke([*dbt_arguments("build", tmp_path), *window(first, end)]).success

    return run


@pytest.fixture
def build(build_at: BuildAt) -> Build:
    """Build into the marts of a home."""
    return lambda home, objects, *days: build_at(marts.embedded(home), objects, *days)


@pytest.fixture
def dbt_command() -> Callable[[Path, date, date], list[str]]:
    """The command line of a build in a process of its own."""
    executable = str(Path(sys.executable).parent / "dbt")
    return lambda scratch, first, end: [executable, *dbt_arguments("build", scratch), *window(first, end)]


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[PartitionKey, str]]:
    """The sample lake as written objects."""
    return sample_lake.write(tmp_path_factory.mktemp("objects"))
