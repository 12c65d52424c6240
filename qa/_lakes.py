"""Small lakes for the lake's own qa commands."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from tickline.lake.catalog import Publication
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output
from tickline.lake.schemas import GAPS
from tickline.lake.storage import DirectoryStorage, object_name


def rows(mark: int, count: int = 20) -> pl.DataFrame:
    """Rows that carry a mark, different for each mark."""
    blank = {name: pl.repeat(None, count, dtype=dtype, eager=True) for name, dtype in GAPS.columns.items()}
    return pl.DataFrame(blank).with_columns(
        instrument=pl.lit("MARK"), seq_from=pl.lit(mark, pl.Int64), missing=pl.int_range(count, dtype=pl.Int64)
    )


def key_of(number: int) -> PartitionKey:
    """A partition for each number."""
    return PartitionKey.daily("gaps_trades", "qa", date(2000, 1, 1) + timedelta(days=number))


def publish_one(lake: Lake, number: int, *, mark: int | None = None, count: int = 20) -> Publication:
    """Publish partition `number` with rows of a mark (by default its number)."""
    key = key_of(number)
    with lake.lease(str(key)) as lease:
        output = Output(key, rows(number if mark is None else mark, count))
        return lake.publish([output], made_from=(), code="0" * 64, run="qa", lease=lease)[0]


def publish_some(lake: Lake, count: int) -> list[Publication]:
    """Publish partitions 0 .. count - 1, each another object."""
    return [publish_one(lake, number) for number in range(count)]


def path_of(lake: Lake, publication: Publication) -> Path:
    """The file of an object in a directory lake."""
    assert isinstance(lake.storage, DirectoryStorage)
    return lake.storage.root / object_name(publication.sha256)
