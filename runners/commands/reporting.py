"""`tickline report` and `tickline compare`: what backtests came to, as a page to read or tables to take away."""

from pathlib import Path
from typing import Annotated

import typer

from runners.commands.answer import AsJson, as_json, finish, people
from runners.commands.backtest import TheStrategy, days_of, strategy_of, write_page
from runners.commands.research import scenarios_of
from tickline.backtest.export import Form, export
from tickline.pipeline.evidence import evidence_of, with_bars, with_fan, with_regimes, with_stress
from tickline.workspace import workspace


def report(
    strategy: TheStrategy,
    out: Annotated[Path | None, typer.Option(help="Where to: a file for a page, a folder for tables.")] = None,
    tables: Annotated[
        Form | None, typer.Option(help="Tables, safe to open in a spreadsheet, in place of a page.")
    ] = None,
    stress: Annotated[bool, typer.Option("--stress", help="Run the stress scenarios for the page, too.")] = False,
    json: AsJson = False,
) -> None:
    """Write what a strategy's published windows came to: one page that needs no network, or its tables.

    Example: tickline report coin_trend --out coin_trend.html
    """
    from tickline.backtest.report.page import report as page

    here = workspace()
    spec = strategy_of(here, strategy)
    evidence = evidence_of(here.lake, spec, here.universe.venues[spec.venue])
    if tables is None:
        path = out or Path(f"{strategy}.html")
        evidence = with_fan(with_regimes(with_bars(evidence, here.lake, spec), here.lake, spec))
        if stress:
            tested = evidence.equity["session_date"]
            days = days_of(here, spec, str(tested.min()), str(tested.max()))
            evidence = with_stress(evidence, scenarios_of(here, spec, days, seed=1, quiet=json))
        write_page(path, page(evidence))
        written = [path]
    else:
        written = export(evidence, out or Path(strategy), form=tables)
    _tell(written, json=json)


def compare(
    first: Annotated[str, typer.Argument(help="A strategy.")],
    second: Annotated[str, typer.Argument(help="The one to compare it with.")],
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
    json: AsJson = False,
) -> None:
    """Write a page that holds two strategies' published windows side by side.

    Example: tickline compare coin_trend coin_breakout --out compare.html
    """
    from tickline.backtest.report.compare import compare as page

    here = workspace()
    both = [strategy_of(here, name) for name in (first, second)]
    evidence = [evidence_of(here.lake, spec, here.universe.venues[spec.venue]) for spec in both]
    path = out or Path(f"{first}-{second}.html")
    write_page(path, page(*evidence))
    _tell([path], json=json)


def _tell(written: list[Path], *, json: bool) -> None:
    if json:
        as_json({"written": [str(path) for path in written]})
    else:
        for path in written:
            people.print(str(path), markup=False, soft_wrap=True)
    finish(ok=True)
