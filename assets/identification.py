"""Identification assets: how much of what each set of lanes finds is real, by people's own judgement."""

import dagster as dg

from assets.lifecycle import Judge, Look, stage_asset
from expectations.identification_checks import identified_by, judge_identification
from tickline.kpi.identification import IdentificationTarget
from tickline.pipeline.identification import DATASET
from tickline.pipeline.stage import Stage

LOOK = Look(
    group="kpi",
    kinds=frozenset({"polars"}),
    describe={DATASET: "A stable sample of what each lane found, with what people said of each, held to a precision"},
)


def identification_assets(
    graph: list[Stage], name: str, owner: str, target: IdentificationTarget
) -> list[dg.AssetsDefinition]:
    """The adjudicated sample of a set of lanes."""
    judge = Judge(
        owner,
        identified_by({name: target}),
        lambda lake, published: judge_identification(lake, name, target, published),
    )
    others = [stage for stage in graph if stage.venue == name]
    return [stage_asset(stage, judge, others, LOOK) for stage in others if stage.name == DATASET]
