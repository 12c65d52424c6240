"""What the UI shows of a partition: small, and never markup of a venue's making."""

import polars as pl
import pytest

from assets.preview import metadata_of, sparkline
from tickline.lake.keys import PartitionKey
from tickline.workspace import Workspace


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([None, None], ""),
        ([float("nan")], ""),
        ([5.0, 5.0], "▁▁"),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "▁▂▃▄▅▆▇█"),
        ([1.0, None, float("nan"), 8.0], "▁█"),
        ([-3.0, 3.0], "▁█"),
    ],
)
def test_a_series_as_blocks(values: list[float | None], line: str) -> None:
    assert sparkline(pl.Series(values, dtype=pl.Float64)) == line


def test_a_long_series_is_thinned_to_a_line() -> None:
    assert 16 <= len(sparkline(pl.Series(range(10_000)))) <= 32


def test_bars_show_a_line_an_instrument(made: Workspace) -> None:
    publication = made.lake.catalog.current(PartitionKey("bars_1h", "sim", "2026-03-08"))
    assert publication is not None
    preview = metadata_of(made.lake, publication, None)["preview"].value  # type: ignore[attr-defined]
    header, rule, *rows = preview.splitlines()
    assert header == "| instrument | close | volume |"
    assert set(rule) <= set("|- ")
    assert [row.split(" | ")[0] for row in rows] == ["| AAA-USD", "| BBB-USD"]


def test_a_symbol_cannot_become_markup(made: Workspace) -> None:
    """An instrument may be called anything."""
    key = PartitionKey("bars_1d", "sim", "2026-03-08")
    publication = made.lake.catalog.current(key)
    assert publication is not None
    hostile = made.lake.read(key).collect().with_columns(instrument=pl.lit("<img src=x>|[a](javascript:b)`\n#"))
    (path,) = (made.home / "lake" / "objects").rglob(f"*{publication.sha256}*")
    path.chmod(0o600)
    hostile.write_parquet(path)
    preview = metadata_of(made.lake, publication, None)["preview"].value  # type: ignore[attr-defined]
    assert not set(preview) & set("<>[]()`#")
    assert len(preview.splitlines()) == 3
