"""Fills carried out by Dagster: a period that fails costs its own later stages and nobody else's."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from assets.bars import bar_assets
from assets.clean import clean_assets
from assets.raw import raw_assets
from orchestration.filling import fills, run_fills
from orchestration.resources import lake_resource
from tickline.pipeline.plan import standings
from tickline.workspace import Workspace

FIRST, SECOND, THIRD = "2026-03-07", "2026-03-08", "2026-03-09"
STAGES = ("raw_trades", "clean_trades", "bars_1m")


def test_later_stages_go_on_for_the_periods_that_did_not_fail(
    small: Workspace, make: Callable[..., object], drop: Callable[..., Path]
) -> None:
    make(small, venue="desk", upto="sessions")
    # What the last file would say of the day before is not known either.
    (small.home.parent / "drop" / f"{THIRD}.csv").write_text("another,kind,of,table\n1,2,3,4\n")
    venue = small.universe.venues["desk"]
    graph = [stage for stage in small.graph if stage.venue == "desk" and stage.name in STAGES]
    definitions = dg.Definitions(
        [asset for factory in (raw_assets, clean_assets, bar_assets) for asset in factory(graph, venue)],
        resources={"lake": lake_resource()},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        failed = [
            line
            for of_fill in run_fills(definitions, instance, fills(standings(small.lake, graph)))
            for line in of_fill
        ]
        runs = instance.get_runs()
    made = small.lake.catalog.everything(venue="desk")
    assert {(key.dataset, key.period) for key in made if key.dataset in STAGES} == {(stage, FIRST) for stage in STAGES}
    assert "2 of 3 periods of desk/raw_trades failed" in failed[0]
    assert f"{THIRD}.csv" in failed[0]
    assert f"desk/clean_trades/{SECOND} needs raw_trades/desk/{SECOND}, which is not in the lake" in failed[1]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.FAILURE}
