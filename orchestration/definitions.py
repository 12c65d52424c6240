"""The roof: everything Dagster knows of, put together from the configuration in force."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.allocations import allocation_assets
from assets.backtests import backtest_assets
from assets.bars import bar_assets
from assets.clean import clean_assets
from assets.identification import identification_assets
from assets.lanes import lane_assets
from assets.mapping import mapping_assets
from assets.markets import market_assets
from assets.marts import mart_assets, mart_partitions
from assets.raw import raw_assets
from assets.reference import reference_assets
from assets.retention import retention_assets
from assets.signals import signal_assets
from orchestration.automation import with_policies
from orchestration.resources import lake_resource
from orchestration.schedules import schedules
from sensors.alerts import failed_checks, failed_runs
from sensors.new_data import new_data_sensor
from tickline.pipeline.graph import stages
from tickline.universe import Universe
from tickline.workspace import workspace

# The partitions of a running venue are worked out this far ahead, so that its weekends and holidays are known.
_AHEAD = timedelta(days=370)


def build_definitions(universe: Universe, *, now: datetime) -> dg.Definitions:
    """All definitions of a universe as seen at a moment."""
    graph = stages(universe, today=(now + _AHEAD).date())
    assets = [
        asset
        for venue in universe.venues.values()
        for make in (reference_assets, raw_assets, market_assets, clean_assets, bar_assets)
        for asset in make(graph, venue)
    ]
    mappings = [
        asset
        for spec in universe.mappings.values()
        for asset in mapping_assets(graph, spec, universe.decisions[spec.name])
    ]
    lanes = [
        asset
        for spec in universe.lanes.values()
        for asset in (
            *lane_assets(graph, spec),
            *identification_assets(graph, spec.name, spec.owner, spec.kpi.identification),
        )
    ]
    signals = [asset for declared in universe.signals.values() for asset in signal_assets(graph, declared)]
    backtests = [asset for spec in universe.strategies.values() for asset in backtest_assets(graph, spec)]
    allocations = [asset for spec in universe.portfolios.values() for asset in allocation_assets(graph, spec)]
    # What people decide about a mapping, or say of what lanes found, is no data that arrived.
    raw = [stage for stage in graph if stage.sources and stage.venue in universe.venues]
    return dg.Definitions(
        assets=with_policies(
            [
                *assets,
                *mappings,
                *lanes,
                *signals,
                *backtests,
                *allocations,
                mart_assets(graph),
                *retention_assets(universe.retention),
            ],
            universe,
        ),
        schedules=schedules(mart_partitions(graph)),
        sensors=[new_data_sensor(raw, today=lambda: datetime.now(UTC).date()), failed_checks, failed_runs],
        resources={"lake": lake_resource()},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of TICKLINE_CONFIG."""
    return build_definitions(workspace().universe, now=datetime.now(UTC))
