"""Backtest assets: each strategy's windows, and the summary of them that its gates judge."""

import dagster as dg

from assets.lifecycle import Judge, Look, stage_asset
from expectations.backtest_checks import gated_by, judge_backtests
from tickline.backtest.spec import StrategySpec
from tickline.pipeline.stage import Stage

LOOK = Look(
    group="backtests",
    kinds=frozenset({"numba", "polars"}),
    describe={
        "backtest_run": "One window's run: parameters, what it was shown, and its books to the unit",
        "backtest_orders": "Every order and every refused intent of a window",
        "backtest_fills": "Every fill of a window, each naming the row of the bar or tick it follows from",
        "backtest_trades": "The round trips of a window, first in first out",
        "backtest_equity": "Equity, drawdown and exposure after each bar of a window's test sessions",
        "backtest_folds": "Every trial on a window's training sessions, and which was chosen",
        "backtest_summary": "What all windows come to, one after the other, judged by the strategy's gates",
    },
)


def backtest_assets(graph: list[Stage], spec: StrategySpec) -> list[dg.AssetsDefinition]:
    """The windows and the summary of a strategy."""
    judge = Judge(spec.owner, gated_by([spec]), lambda lake, published: judge_backtests(lake, spec, published))
    others = [stage for stage in graph if stage.venue in (spec.name, spec.venue, spec.signals)]
    return [stage_asset(stage, judge, others, LOOK) for stage in others if stage.venue == spec.name]
