"""Every storage and every catalog database a lake test runs against."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tickline.lake.catalog import Catalog
from tickline.lake.lake import Lake
from tickline.lake.s3 import S3Storage
from tickline.lake.storage import DirectoryStorage, Storage


@pytest.fixture(params=["directory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "directory":
        return DirectoryStorage(tmp_path / "objects")
    endpoint, name = request.getfixturevalue("s3_endpoint"), request.getfixturevalue("bucket")
    return S3Storage(name, "lake", endpoint=endpoint, scratch=tmp_path / "scratch")


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty catalog database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    url: str = request.getfixturevalue("database")
    return url


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    opened = Catalog(catalog_url)
    yield opened
    opened.close()


@pytest.fixture
def lake(storage: Storage, tmp_path: Path) -> Iterator[Lake]:
    """A lake on each kind of storage, with an embedded catalog."""
    opened = Catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield Lake(storage, opened)
    opened.close()
