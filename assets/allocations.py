"""Allocation assets: what each portfolio's weights are at the close of each session."""

import dagster as dg

from assets.lifecycle import Judge, Look, stage_asset
from expectations.allocation_checks import judge_allocations, weighed_by
from tickline.pipeline.stage import Stage
from tickline.sizing.portfolio import PortfolioSpec

LOOK = Look(
    group="allocations",
    kinds=frozenset({"polars"}),
    describe={
        "allocations": "Each instrument's weight, its share of the risk and the lots it buys, decided at the close"
    },
)


def allocation_assets(graph: list[Stage], spec: PortfolioSpec) -> list[dg.AssetsDefinition]:
    """The weights of a portfolio."""
    judge = Judge(spec.owner, weighed_by([spec]), lambda lake, published: judge_allocations(lake, spec, published))
    others = [stage for stage in graph if stage.venue in (spec.name, spec.venue)]
    return [stage_asset(stage, judge, others, LOOK) for stage in others if stage.venue == spec.name]
