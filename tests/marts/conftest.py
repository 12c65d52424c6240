"""Marts built from the sample lake as a backfill builds them."""

import itertools
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from assets.marts import run_dbt
from runners import sample_lake
from tickline.kpi import marts
from tickline.lake.keys import PartitionKey

Build = BuildAt = Callable[..., None]


@pytest.fixture
def build_at(tmp_path: Path) -> BuildAt:
    """Build the days from the first to before the end from some objects into marts; raises what `run_dbt` raises."""
    builds = itertools.count()

    def run(
        place: marts.Marts,
        objects: list[tuple[PartitionKey, str]],
        first: date = sample_lake.DAYS[0],
        end: date = sample_lake.DAYS[-1] + timedelta(days=1),
    ) -> None:
        home = tmp_path / f"build{next(builds)}"
        (home / "marts").mkdir(parents=True)
        last = end - timedelta(days=1)
        with marts.building(place):
            run_dbt(
                place,
                sample_lake.of_days(objects, first, last),
                first=first.isoformat(),
                last=last.isoformat(),
                home=home,
            )

    return run


@pytest.fixture
def build(build_at: BuildAt) -> Build:
    """Build into the marts of a home."""
    return lambda home, objects, *days: build_at(marts.embedded(home), objects, *days)


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[PartitionKey, str]]:
    """The sample lake as written objects."""
    return sample_lake.write(tmp_path_factory.mktemp("objects"))
