"""`tickline quarantine show`: the rows the firewall refused, and why."""

from typing import Annotated

import polars as pl
import typer

from runners.commands.answer import AsJson, as_json, table
from runners.commands.asked import Day, known
from tickline.lake.schemas import Feed
from tickline.workspace import workspace

app = typer.Typer(no_args_is_help=True, help="The rows the firewall refused.")


@app.callback()
def _group() -> None:
    """The rows the firewall refused."""


@app.command("show")
def show(
    venue: Annotated[str, typer.Argument(help="The venue.")],
    feed: Annotated[Feed, typer.Argument(help="The feed.")] = Feed.TRADES,
    day: Day = None,
    rule: Annotated[str | None, typer.Option(help="Only rows this rule refused.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 20,
    json: AsJson = False,
) -> None:
    """Counts by rule, and the first refused rows with their reason.

    Example: tickline quarantine show coinsim trades --day 2026-03-06 --rule jump
    """
    here = workspace()
    refused = here.lake.dataset(f"quarantine_{feed}", venue=known(here, venue), first=day, last=day)
    if rule is not None:
        refused = refused.filter(pl.col("rule") == rule)
    by_rule = refused.group_by("rule").agg(pl.col("reason").first().alias("first reason"), pl.len().alias("rows"))
    counts = by_rule.sort("rows", "rule", descending=[True, False]).collect()
    shown = refused.head(rows).collect()
    if json:
        as_json({"counts": counts.to_dicts(), "rows": shown.to_dicts()})
        return
    table("Refused", counts.columns, counts.iter_rows())
    columns = [name for name in shown.columns if name not in ("reason", "defect", "conditions", "exchange")]
    table(f"First {shown.height}", columns, shown.select(columns).iter_rows())
