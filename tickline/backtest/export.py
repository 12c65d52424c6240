"""What a backtest left, as files for a spreadsheet or another tool."""

from enum import StrEnum
from pathlib import Path

import polars as pl

from tickline.backtest.report.evidence import Evidence
from tickline.lake.storage import os_errors_explained

EXPORTED = ("trades", "fills", "equity", "orders")

# What spreadsheets take for the start of a formula, full-width signs included, and the quote that keeps them from it.
_STARTS = r"^[=+\-@\t\r\n\x{FF0B}\x{FF0D}\x{FF1D}\x{FF20}']"
# After one of these a cell may begin, where a spreadsheet separates by something else than commas.
_SEPARATORS = r"([;\t\r\n])"


class Form(StrEnum):
    """A kind of file."""

    CSV = "csv"
    PARQUET = "parquet"


def export(evidence: Evidence, folder: Path, *, form: Form) -> list[Path]:
    """Write trades, fills, equity and orders into a folder, which is made; returns the files. Others are overwritten.

    Parquet keeps every type. CSV has exact decimals, times in UTC with nanoseconds, and text as `harmless` writes it.
    Raises LakeError where a file cannot be written.
    """
    written = []
    with os_errors_explained(f"{folder} could not be written", "What was exported before is whole"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in EXPORTED:
            path = folder / f"{name}.{form}"
            write(getattr(evidence, name), path, form=form)
            written.append(path)
    return written


def write(frame: pl.DataFrame, path: Path, *, form: Form) -> None:
    """Write one frame. Raises OSError where that fails."""
    if form is Form.PARQUET:
        frame.write_parquet(path)
    else:
        frame.with_columns(harmless(pl.col(pl.String))).write_csv(path)


def harmless(text: pl.Expr) -> pl.Expr:
    """Text that no spreadsheet runs as a formula: a quote before what could begin one, and before what a separator
    within the text could begin.

    Numbers are no text and stay as they are. Taking the quote off the start and from after each `;`, tab and line
    break gives the text back, so a text that begins with a quote gets another one.
    Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection
    """
    parted = text.str.replace_all(_SEPARATORS, "${1}'")
    return pl.when(text.str.contains(_STARTS)).then(pl.lit("'") + parted).otherwise(parted).name.keep()
