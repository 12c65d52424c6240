"""Signal assets: each declared set's columns, session by session, from its venue's bars."""

import dagster as dg

from assets.lifecycle import Judge, Look, stage_asset
from expectations.signal_checks import judge_signals, told_by
from tickline.pipeline.stage import Stage
from tickline.signals.spec import SignalSet

LOOK = Look(
    group="signals",
    kinds=frozenset({"numba", "polars"}),
    describe={"signals": "Features and labels of a session's bars, each known at its bar's close"},
)


def signal_assets(graph: list[Stage], declared: SignalSet) -> list[dg.AssetsDefinition]:
    """The columns of a signal set."""
    judge = Judge(declared.owner, told_by([declared]), lambda lake, published: judge_signals(lake, declared, published))
    others = [stage for stage in graph if stage.venue in (declared.name, declared.venue)]
    return [stage_asset(stage, judge, others, LOOK) for stage in others if stage.venue == declared.name]
