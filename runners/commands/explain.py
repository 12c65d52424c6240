"""`tickline explain`: walk a partition back to the raw objects it came from."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from expectations.mart_checks import MART_SUITE
from runners.commands.answer import AsJson, as_json, people
from tickline.kpi.freshness import MODELS, explain_day, mart_key
from tickline.lake import lineage
from tickline.lake.keys import PartitionKey
from tickline.workspace import Workspace, workspace


def explain(
    partition: Annotated[str, typer.Argument(help="dataset/venue/period, or mart/all/day")],
    json: AsJson = False,
) -> None:
    """The lineage of a partition or a day of a mart: every object, source and configuration it was made from, by which
    code and run.

    Example: tickline explain bars_1m/coinsim/2026-03-06
    """
    root = _explained(workspace(), PartitionKey.parse(partition))
    if json:
        as_json(_plain(root))
    else:
        people.print(_grown(root, Tree(_label(root), guide_style="dim")))


def _explained(here: Workspace, key: PartitionKey) -> lineage.Lineage:
    if key.dataset in MODELS and key.venue == mart_key(key.period).venue:
        return explain_day(here.lake, here.marts, key.dataset, key.period, suite=MART_SUITE.hash)
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
