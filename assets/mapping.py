"""Mapping assets: which markets of two venues are one question, day by day, and what became of them."""

from pathlib import Path

import dagster as dg

from assets.lifecycle import Judge, Look, stage_asset
from expectations.mapping_checks import judge_mapping, mapped_by
from tickline.markets.spec import MappingSpec
from tickline.pipeline.stage import Stage

LOOK = Look(
    group="mapping",
    kinds=frozenset({"polars"}),
    describe={
        "candidates": "Markets that may be one question, with every signal, what conflicts, and what follows",
        "mapping": "Pairs of markets, what they are flagged for, what people decided, and which may be traded",
        "mapping_drift": "Changed terms, stale links, prices apart and markets in several pairs, by how bad that is",
    },
)


def mapping_assets(graph: list[Stage], spec: MappingSpec, decisions: Path) -> list[dg.AssetsDefinition]:
    """The candidates, pairs and drift of a mapping."""
    judge = Judge(
        spec.owner, mapped_by([spec]), lambda lake, published: judge_mapping(lake, spec, decisions, published)
    )
    others = [stage for stage in graph if stage.venue in (spec.name, spec.left, spec.right)]
    return [stage_asset(stage, judge, others, LOOK) for stage in others if stage.venue == spec.name]
