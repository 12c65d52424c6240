"""Small lakes for the lake's own qa commands."""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from tickline.lake.archive import DirectoryArchive
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output, open_lake
from tickline.lake.records import Publication
from tickline.lake.schemas import GAPS
from tickline.lake.storage import DirectoryStorage, object_name


class Desk:
    """A folder with a lake and an archive of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = open_lake(folder / "home")
        self.archive = DirectoryArchive(folder / "archive")

    def published(self, number: int) -> Publication:
        """The current publication of a partition."""
        return self.lake.catalog.currents([key_of(number)])[key_of(number)]

    def close(self) -> None:
        """Let go of the catalog."""
        self.lake.catalog.close()


def rows(mark: int, count: int = 20) -> pl.DataFrame:
    """Rows that carry a mark, different for each mark, and hardly compress: about 8 bytes a row when stored."""
    number = pl.int_range(count, dtype=pl.Int64)
    blank = {name: pl.repeat(None, count, dtype=dtype, eager=True) for name, dtype in GAPS.columns.items()}
    return pl.DataFrame(blank).with_columns(
        instrument=pl.lit("MARK"), seq_from=pl.lit(mark, pl.Int64), missing=number.hash(mark).reinterpret(signed=True)
    )


def key_of(number: int) -> PartitionKey:
    """A partition for each number."""
    return PartitionKey.daily("gaps_trades", "qa", date(2000, 1, 1) + timedelta(days=number))


def publish(lake: Lake, outputs: Iterable[Output]) -> list[Publication]:
    """Publish outputs together."""
    with lake.lease("qa") as lease:
        return lake.publish(list(outputs), made_from=(), code="0" * 64, run="qa", lease=lease)


def publish_some(lake: Lake, numbers: Iterable[int], *, count: int = 20) -> list[Publication]:
    """Publish the partitions of these numbers together, each with rows of its number's mark."""
    return publish(lake, [Output(key_of(number), rows(number, count)) for number in numbers])


def path_of(lake: Lake, sha256: str) -> Path:
    """The file of an object in a directory lake."""
    assert isinstance(lake.storage, DirectoryStorage)
    return lake.storage.root / object_name(sha256)


def is_sound(lake: Lake, number: int) -> bool:
    """Whether a partition was published and its bytes are in the lake and hash to their name."""
    found = lake.catalog.current(key_of(number))
    return found is not None and lake.storage.sha256(object_name(found.sha256)) == found.sha256
