"""How a command answers: a table for people, or one JSON object."""

from collections.abc import Iterable
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]

people = Console()
"""Where tables go."""

progress_to = Console(stderr=True)
"""Where progress goes, so that what is piped is the answer alone."""


def as_json(answer: Any) -> None:
    """Print an answer as one line of JSON."""
    typer.echo(orjson.dumps(answer, default=str).decode())


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a table; cells are text of the data, never markup or control characters."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column)
    for row in rows:
        shown.add_row(*(escape(plain(cell)) for cell in row))
    people.print(shown)


def plain(text: object) -> str:
    """Text of the data without what could move a terminal's cursor or turn its writing round."""
    return "".join(one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in str(text))


def finish(*, ok: bool) -> None:
    """End the command with 0 where all is well and 1 where not."""
    raise typer.Exit(0 if ok else 1)
