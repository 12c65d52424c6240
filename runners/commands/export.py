"""`tickline export`: rows of a dataset as CSV or Parquet."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from runners.commands.answer import AsJson, as_json, people
from runners.commands.asked import First, Last, OnlyVenue, known
from tickline.errors import ConfigError
from tickline.lake.schemas import DATASETS, TIMEFRAMES
from tickline.lake.storage import os_errors_explained
from tickline.workspace import workspace

# What spreadsheets run, full-width signs included: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS = r"^[=+\-@\t\r\n\x{FF0B}\x{FF0D}\x{FF1D}\x{FF20}']"


def export(
    dataset: Annotated[str, typer.Argument(help="A dataset, or `bars` with --timeframe.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="FILE.csv or FILE.parquet")],
    instrument: Annotated[str | None, typer.Option(help="Only this instrument.")] = None,
    venue: OnlyVenue = None,
    first: First = "",
    last: Last = "",
    timeframe: Annotated[str, typer.Option(help=f"With `bars`: {', '.join(TIMEFRAMES)}.")] = "1m",
    json: AsJson = False,
) -> None:
    """Write rows to a file. In CSV, text that a spreadsheet would run as a formula is prefixed with a quote.

    Example: tickline export bars --timeframe 5m --instrument BTC/USDT --from 2026-03-06 --to 2026-03-10 -o btc.csv
    """
    name = f"bars_{timeframe}" if dataset == "bars" else dataset
    if name not in DATASETS:
        raise ConfigError(f"no dataset {name!r}; there are {', '.join(DATASETS)}")
    here = workspace()
    only = None if venue is None else known(here, venue)
    rows = here.lake.dataset(name, venue=only, first=first or None, last=last or None)
    if instrument is not None:
        rows = rows.filter(pl.col("instrument") == instrument)
    frame = rows.collect()
    with os_errors_explained(f"{output} could not be written", "The lake is as it was"):
        write_rows(frame, output)
    if json:
        as_json({"dataset": name, "rows": frame.height, "file": str(output)})
    else:
        people.print(f"{frame.height:,} rows of {name} in {output}")


def write_rows(frame: pl.DataFrame, output: Path) -> None:
    """Write rows to a .csv or .parquet file. In CSV the prefixed quote is the first character of a text: removing it
    gives the text back, so a text that begins with a quote gets another one. Raises ConfigError for other files."""
    if output.suffix == ".parquet":
        frame.write_parquet(output)
    elif output.suffix == ".csv":
        text = pl.col(pl.String)
        harmless = pl.when(text.str.contains(_FORMULA_STARTS)).then(pl.lit("'") + text).otherwise(text).name.keep()
        frame.with_columns(harmless).write_csv(output)
    else:
        raise ConfigError(f"{output}: the file must end in .csv or .parquet")
