"""`tickline explain`: walk a partition back to the raw objects it came from."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from expectations.lane_mart_checks import JUDGED_BY
from runners.commands.answer import AsJson, as_json, people, table
from tickline.kpi.freshness import MODELS, explain_day, mart_key
from tickline.lake import lineage
from tickline.lake.keys import PartitionKey
from tickline.pipeline.tracing import Traced, trace
from tickline.workspace import Workspace, workspace

_SHOWN = 10


def explain(
    partition: Annotated[str, typer.Argument(help="dataset/venue/period, or mart/all/day")],
    row: Annotated[
        int | None, typer.Option(min=0, help="One row that names what it follows from, counted from 0.")
    ] = None,
    json: AsJson = False,
) -> None:
    """The lineage of a partition or a day of a mart: every object, source and configuration it was made from, by which
    code and run. With --row, one fill of a backtest or of a lane, one leg of an opportunity, or the price of one
    weight, back to the raw rows behind it.

    Example: tickline explain bars_1m/coinsim/2026-03-06
    """
    if row is not None:
        _tell_traced(trace(workspace().lake, PartitionKey.parse(partition), row), json=json)
        return
    root = _explained(workspace(), PartitionKey.parse(partition))
    if json:
        as_json(_plain(root))
    else:
        people.print(_grown(root, Tree(_label(root), guide_style="dim")))


_TIMES = ("ts_event", "ts_recv", "ts_first")
_UNSHOWN = ("conditions", "exchange", "defect", "rules", "payload")


def _tell_traced(traced: Traced, *, json: bool) -> None:
    if json:
        frames = {"clean": traced.clean, "raw": traced.raw}
        plain = {name: {key: frame.to_dicts() for key, frame in of.items()} for name, of in frames.items()}
        as_json({"asked": traced.asked, "row": traced.row, **plain, "sources": traced.sources})
        return
    table("The row", ("column", "value"), traced.asked.items())
    named = f"{traced.asked['input']} row {traced.asked['input_row']} of {traced.asked['input_period']}"
    table(f"follows from {named}", ("column", "value"), traced.row.items())
    for (clean, ticks), (raw, rows) in zip(traced.clean.items(), traced.raw.items(), strict=True):
        times = next(ticks[name] for name in _TIMES if name in ticks.columns)
        span = " to ".join(str(end) for end in (times.min(), times.max()))
        shown = rows.head(_SHOWN).drop(_UNSHOWN, strict=False)
        people.print(f"made of {ticks.height} rows of {clean}, {span}", markup=False, highlight=False)
        table(f"which were these rows of {raw} (first {shown.height})", shown.columns, shown.iter_rows())
    table("that came in", ("source", "sha256"), traced.sources.items())


def _explained(here: Workspace, key: PartitionKey) -> lineage.Lineage:
    if key.dataset in MODELS and key.venue == mart_key(key.period).venue:
        return explain_day(here.lake, here.marts, key.dataset, key.period, suite=JUDGED_BY)
    return lineage.explain(here.lake.catalog, key)


def _plain(node: lineage.Lineage) -> dict[str, Any]:
    return {
        "kind": node.kind,
        "name": node.name,
        "sha256": node.sha256,
        "code": node.code,
        "run": node.run,
        "rows": node.rows,
        "inputs": [_plain(child) for child in node.inputs],
    }


def _grown(node: lineage.Lineage, tree: Tree) -> Tree:
    for child in node.inputs:
        _grown(child, tree.add(_label(child)))
    return tree


def _label(node: lineage.Lineage) -> str:
    if node.kind == "object":
        rows = "" if node.rows is None else f" {node.rows:,} rows"
        made = f"[dim]code {node.code[:12]} run {node.run[:8]}[/]"
        return f"[bold]{escape(node.name)}[/] [cyan]{node.sha256[:16]}[/]{rows} {made}"
    return f"[dim]{node.kind}[/] {escape(node.name)} [cyan]{node.sha256[:16]}[/]"
