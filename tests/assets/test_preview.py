"""What the UI shows of a partition: small, and never markup of a venue's making."""

import polars as pl
import pytest

from assets.preview import metadata_of, size, sparkline
from expectations.evaluate import Outcome
from expectations.suites import Severity
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


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (999_999, "1000 kB"),
        (1_238_112, "1.238 MB"),
        (5 * 10**9, "5 GB"),
        (2 * 10**15, "2000 TB"),
    ],
)
def test_bytes_have_a_unit(count: int, text: str) -> None:
    assert size(count) == text


def test_ratios_are_shown_with_six_digits_and_kept_with_all(made: Workspace) -> None:
    publication = made.lake.catalog.current(PartitionKey("clean_trades", "sim", "2026-03-08"))
    assert publication is not None
    ratio = 0.9997123456789012
    outcome = Outcome("clean_trades", "0" * 64, True, Severity.ERROR, (), {"clean_ratio": ratio, "rows": 288.0})
    shown = metadata_of(made.lake, publication, outcome)
    assert shown["clean_ratio"] == 0.999712
    assert outcome.metrics["clean_ratio"] == ratio
    assert shown["size"] == size(publication.bytes)


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
