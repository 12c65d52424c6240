"""The `tickline` command."""

import sys
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from runners.commands import (
    approving,
    archiving,
    backfill,
    backtest,
    demo,
    docs,
    explain,
    export,
    kpi,
    lanes,
    mapping,
    markets,
    packet,
    poll,
    quarantine,
    reporting,
    research,
    status,
    verify,
)
from tickline.errors import TicklineError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Market data from the first raw tick to the last fill. Every command takes --json and ends with 0 only when "
    "all is well. TICKLINE_CONFIG (default config/) says what to collect, TICKLINE_HOME (default .tickline/) where to.",
)
app.command("demo")(demo.demo)
app.command("status")(status.status)
app.command("poll")(poll.poll)
app.command("backfill")(backfill.backfill)
app.command("backtest")(backtest.backtest)
app.command("walkforward")(backtest.walkforward)
app.command("sweep")(research.sweep)
app.command("montecarlo")(research.montecarlo)
app.command("stress")(research.stress)
app.command("report")(reporting.report)
app.command("compare")(reporting.compare)
app.command("strategies")(approving.strategies)
app.command("approve")(approving.approve)
app.command("mirror")(approving.mirror)
app.command("export")(export.export)
app.command("explain")(explain.explain)
app.command("docs")(docs.docs)
app.command("verify")(verify.verify)
app.command("scrub")(verify.scrub)
app.command("archive")(archiving.archive)
app.command("expire")(archiving.expire)
app.command("restore")(archiving.restore)
app.command("kpi")(kpi.kpi)
app.command("adjudicate")(kpi.adjudicate_one)
app.command("packet")(packet.write_packet)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(markets.app, name="markets")
app.add_typer(mapping.app, name="mapping")
app.add_typer(lanes.app, name="lanes")


def main() -> NoReturn:
    """Run the command; a deliberate error is one line on stderr and exit code 1."""
    try:
        app()
    except TicklineError as error:
        # A message may hold a venue's text: it is neither markup nor wrapped.
        told = f"[red]{type(error).__name__}[/]: {escape(str(error))}"
        Console(stderr=True).print(told, highlight=False, soft_wrap=True)
        sys.exit(1)
    sys.exit(0)
