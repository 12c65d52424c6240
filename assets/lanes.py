"""Lane assets: what each set of lanes finds, decides and, on paper, trades in a day."""

import dagster as dg

from assets.lifecycle import Judge, Look, stage_asset
from expectations.lane_checks import found_by, judge_lanes
from tickline.lanes.spec import LaneSpec
from tickline.pipeline.lanes import STAGE
from tickline.pipeline.stage import Stage

LOOK = Look(
    group="lanes",
    kinds=frozenset({"polars"}),
    describe={
        "baskets": "Contracts that pay something for certain when they are bought together, whatever they cost",
        "basket_legs": "The contracts of each basket",
        "lane_diagnostics": "Why a market, group, event or mapping gave no basket, or a basket no opportunity",
        "opportunities": "Baskets whose floor is above what they cost, as they were detected",
        "opportunity_legs": "The contracts of each opportunity, each naming the row its price is from",
        "decisions": "What every gate said to each opportunity, and at what size it was taken",
        "lane_fills": "Paper fills of the legs of what was taken, until they are settled",
        "lane_positions": "What was taken: expected and simulated outcome, of all that was open on the day",
        "lane_state": "What the day leaves to the next: open positions, cooldowns and exposure",
    },
)


def lane_assets(graph: list[Stage], spec: LaneSpec) -> list[dg.AssetsDefinition]:
    """The assets of a set of lanes."""
    judge = Judge(spec.owner, found_by([spec]), lambda lake, published: judge_lanes(lake, spec, published))
    others = [stage for stage in graph if stage.venue in (spec.name, *spec.venues, *spec.mappings)]
    return [
        stage_asset(stage, judge, others, LOOK) for stage in others if (stage.venue, stage.name) == (spec.name, STAGE)
    ]
