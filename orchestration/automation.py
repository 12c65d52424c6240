"""Policies laid over the whole graph at once: what updates by itself, and how old it may grow."""

from datetime import timedelta

import dagster as dg

from tickline.universe import Universe

_CURRENT_GROUPS = frozenset({"raw", "clean", "bars"})


def with_policies(assets: list[dg.AssetsDefinition], universe: Universe) -> list[dg.AssetsDefinition]:
    """The assets with an automation condition, and a freshness policy where their venue is still running."""
    running = {name for name, venue in universe.venues.items() if venue.end is None}
    return [asset.map_asset_specs(lambda spec: _policed(spec, running)) for asset in assets]


def follow_inputs() -> dg.AutomationCondition[dg.AssetKey]:
    """Make a partition when it is missing or an input changed, whichever day it is of, once its inputs are green.

    Dagster's own `eager` looks at the newest partition only; late ticks re-open older ones.
    """
    return (
        dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    )


def _policed(spec: dg.AssetSpec, running: set[str]) -> dg.AssetSpec:
    if spec.deps:
        spec = spec.replace_attributes(automation_condition=follow_inputs())
    if spec.tags.get("venue") in running and spec.group_name in _CURRENT_GROUPS:
        fresh = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50), warn_window=timedelta(hours=26))
        spec = spec.replace_attributes(freshness_policy=fresh)
    return spec
