"""Everything Dagster is told of the demo universe, as text, against a committed copy.

After a change that was meant: `TICKLINE_UPDATE_GOLDEN=1 pytest tests/orchestration/test_golden_graph.py`, then read
the diff of golden_graph.txt before committing it.
"""

import difflib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph, AssetNode

from orchestration.automation import follow_inputs
from orchestration.definitions import build_definitions
from tickline.universe import load_universe

GOLDEN = Path(__file__).parent / "golden_graph.txt"
CONFIG = Path(__file__).parents[2] / "config"


def told(definitions: dg.Definitions) -> str:
    """Assets with all that is declared of them, then schedules and sensors: a line a thing, nothing that moves."""
    graph = definitions.resolve_asset_graph()
    lines = ["automation condition `follows`: " + _condition(follow_inputs()), ""]
    for key in sorted(graph.get_all_asset_keys()):
        lines += [key.to_user_string(), *(f"  {line}" for line in _asset(graph, graph.get(key)))]
    repository = definitions.get_repository_def()
    lines += [f"schedule {one.name}: {one.cron_schedule}, {one.job_name}" for one in repository.schedule_defs]
    lines += [f"sensor {one.name}: {one.sensor_type.name.lower()}" for one in repository.sensor_defs]
    return "\n".join(lines) + "\n"


def _asset(graph: AssetGraph, node: AssetNode) -> Iterator[str]:
    pools = ", ".join(sorted(node.pools or ()))
    yield f"{node.group_name}, {'+'.join(sorted(node.kinds))}, {', '.join(node.owners)}, pool {pools}"
    yield f"partitions {_partitions(node.partitions_def)}"
    policy = node.backfill_policy
    if policy is not None:
        yield f"backfill {policy.policy_type.value.lower()}"
    if node.automation_condition is not None:
        yield f"automation {'follows' if node.automation_condition == follow_inputs() else 'OTHER'}"
    if node.freshness_policy is not None:
        yield f"freshness {node.freshness_policy}"
    for check in sorted(node.check_keys):
        spec = graph.get_check_spec(check)
        of = "as its asset's" if spec.partitions_def == node.partitions_def else _partitions(spec.partitions_def)
        yield f"check {check.name}{', blocking' if spec.blocking else ''}, partitions {of}"
    for parent in sorted(node.parent_entity_keys):
        if isinstance(parent, dg.AssetKey):
            yield f"from {parent.to_user_string()}{_mapping(node.partition_mappings.get(parent))}"


def _partitions(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "none"
    keys = partitions.get_partition_keys(current_time=datetime(2026, 3, 20, tzinfo=UTC))
    return f"{type(partitions).__name__.removesuffix('PartitionsDefinition').lower()} {' '.join(keys)}"


def _mapping(mapping: dg.PartitionMapping | None) -> str:
    if mapping is None:
        return ""
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    return f" [{mapping.start_offset:+d} .. {mapping.end_offset:+d}]"


def _condition(condition: dg.AutomationCondition[dg.AssetKey]) -> str:
    """The condition's tree down to what has a name."""
    if condition.get_label():
        return str(condition.get_label())
    inside = ", ".join(_condition(child) for child in condition.children)
    return f"{type(condition).__name__.removesuffix('AutomationCondition')}({inside})"


def test_the_graph_is_the_golden_one() -> None:
    definitions = build_definitions(load_universe(CONFIG), now=datetime(2026, 3, 20, tzinfo=UTC))
    now = told(definitions)
    if os.environ.get("TICKLINE_UPDATE_GOLDEN"):
        GOLDEN.write_text(now)
    golden = GOLDEN.read_text()
    if now != golden:
        diff = difflib.unified_diff(
            golden.splitlines(), now.splitlines(), "golden_graph.txt", "the graph now", lineterm=""
        )
        pytest.fail(
            "The asset graph changed. If that was meant, run this test with TICKLINE_UPDATE_GOLDEN=1.\n"
            + "\n".join(diff),
            pytrace=False,
        )
