"""Exports: every value comes back, and no spreadsheet runs any of them."""

import csv
import io
import re
from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tickline.backtest.export import EXPORTED, Form, export, harmless
from tickline.errors import LakeError

RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
ATTACKS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "=cmd|' /C calc'!A0",
    "'=1",
    "\uff1d1",
    'a";=cmd|x',
    "a\n=1",
    "'",
]


@pytest.fixture(scope="module")
def evidence(simulate):
    return simulate(windows=1)


def given_back(text: str) -> str:
    """What `harmless` was given, as its docstring says."""
    return re.sub(r"([;\t\r\n])'", r"\1", text.removeprefix("'"))


def written(text: str) -> str:
    frame = pl.DataFrame({"text": [text], "number": [-1.5]}, schema={"text": pl.String, "number": pl.Float64})
    return frame.with_columns(harmless(pl.col(pl.String))).write_csv()


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("=+-@\t\r\n;,'\"a1 \uff1d") | st.characters(codec="utf-8"), max_size=12))
@example("=1")
@example("'=1")
@example(";'=1")
def test_text_is_no_formula_and_comes_back(text: str) -> None:
    (_, (cell, number)) = csv.reader(io.StringIO(written(text), newline=""))
    assert not cell.startswith(RUN_BY_SPREADSHEETS)
    assert given_back(cell) == text
    assert number == "-1.5"


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_is_a_formula_whatever_separates_cells(attack: str, separator: str) -> None:
    # A spreadsheet of another language splits where no comma is, and takes quotes for text there.
    line = written(attack).split("\n", 1)[1]
    cells = [cell for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator) for cell in row]
    loose = re.split(r"[;\t\r\n]", line)
    texts = [cell for cell in [*cells, *loose] if cell not in ("-1.5", "")]
    assert [cell for cell in texts if cell.lstrip('"').startswith(RUN_BY_SPREADSHEETS)] == []


def test_csv_holds_every_row_and_number(evidence, tmp_path) -> None:
    files = export(evidence, tmp_path / "new" / "folder", form=Form.CSV)
    assert [file.name for file in files] == [f"{name}.csv" for name in EXPORTED]
    for file, name in zip(files, EXPORTED, strict=True):
        frame = getattr(evidence, name)
        back = pl.read_csv(file, schema_overrides=dict.fromkeys(frame.columns, pl.String))
        assert back.columns == frame.columns
        for column, dtype in frame.schema.items():
            if dtype.is_numeric():
                assert back[column].cast(dtype).equals(frame[column]), (name, column)
    first = csv.DictReader(io.StringIO(files[0].read_text())).__next__()
    assert datetime.fromisoformat(first["ts_entry"]) == evidence.trades["ts_entry"][0]
    assert float(first["net"]) == evidence.trades["net"][0]


def test_negative_numbers_stay_numbers(evidence, tmp_path) -> None:
    assert (evidence.trades["net"] < 0).any()
    (path, *_) = export(evidence, tmp_path, form=Form.CSV)
    assert pl.read_csv(path)["net"].equals(evidence.trades["net"])


def test_hostile_symbols_are_quoted(evidence, tmp_path) -> None:
    hostile = replace(evidence, trades=evidence.trades.with_columns(instrument=pl.lit("=cmd|' /C calc'!A0")))
    (path, *_) = export(hostile, tmp_path, form=Form.CSV)
    assert {row["instrument"] for row in csv.DictReader(path.open(newline=""))} == {"'=cmd|' /C calc'!A0"}


def test_parquet_comes_back_as_it_was(evidence, tmp_path) -> None:
    for file, name in zip(export(evidence, tmp_path, form=Form.PARQUET), EXPORTED, strict=True):
        assert_frame_equal(pl.read_parquet(file), getattr(evidence, name))


def test_a_folder_that_cannot_be_is_an_error_that_says_so(evidence, tmp_path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(LakeError, match="taken could not be written"):
        export(evidence, tmp_path / "taken", form=Form.CSV)
