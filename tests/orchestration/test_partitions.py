"""Dagster's partitions are the stages' periods, and its mappings reach every partition a stage needs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from orchestration.definitions import build_definitions
from orchestration.partitions import mapping, partitions_of
from tickline.pipeline.graph import stages, venue_stages
from tickline.pipeline.stage import Cadence, Stage
from tickline.universe import Universe, load_universe

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "config"
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
# Moments of a running venue: mid-week in summer time; the hour in which a UTC day ends in winter, when New York's
# after-hours are still going on; a Monday; New Year's Day.
MOMENTS = [
    (False, NOW),
    (True, NOW),
    (True, datetime(2026, 2, 4, 0, 30, tzinfo=UTC)),
    (True, datetime(2026, 2, 9, 0, 0, 1, tzinfo=UTC)),
    (True, datetime(2026, 1, 1, 9, tzinfo=UTC)),
]
WHOLE = ("summary", "identification")
"""Stages that are made of all periods there are of another."""

at_each_moment = pytest.mark.parametrize(("running", "now"), MOMENTS)


@cache
def universe(*, running: bool, now: datetime) -> Universe:
    """The demo universe; `running` venues of each kind of calendar have no end and began ten days ago."""
    declared = load_universe(CONFIG)
    if not running:
        return declared
    since = now.date() - timedelta(days=10)
    venues = {
        name: declared.venues[name].model_copy(update={"start": since, "end": None})
        for name in ("coinsim", "fxsim", "nysim")
    }
    return replace(declared, venues=venues, mappings={}, lanes={})


@cache
def graph(*, running: bool, now: datetime) -> list[Stage]:
    """The stages as the definitions see them: those of a running venue reach into the future."""
    return stages(universe(running=running, now=now), today=now.date() + timedelta(days=370))


@cache
def periods_now(*, running: bool, now: datetime) -> dict[str, tuple[str, ...]]:
    """The periods of each stage as the command line sees them at a moment."""
    return {str(stage): stage.periods for stage in stages(universe(running=running, now=now), today=now.date())}


def pairs(stage_list: list[Stage]) -> Iterator[tuple[Stage, Stage, str]]:
    """Every stage, stage above it and dataset it needs from there."""
    makers = {(one.venue, dataset): one for one in stage_list for dataset in one.datasets}
    for one in stage_list:
        needed = {(need.key.venue, need.key.dataset) for period in one.periods for need in one.needs_above(period)}
        for venue, dataset in sorted(needed):
            yield one, makers[venue, dataset], dataset


@at_each_moment
def test_partitions_are_the_periods_the_command_line_sees(*, running: bool, now: datetime) -> None:
    for stage in graph(running=running, now=now):
        partitions = partitions_of(stage)
        if partitions is None:
            assert stage.cadence is Cadence.WHOLE
            continue
        keys = partitions.get_partition_keys(current_time=now)
        if stage.cadence is Cadence.YEAR:
            # A year is Dagster's from its first day on, a day before the first session in it is over.
            keys = [
                year
                for year in keys
                if year != str(now.year) or year in periods_now(running=running, now=now)[str(stage)]
            ]
        assert tuple(keys) == periods_now(running=running, now=now)[str(stage)], str(stage)


@at_each_moment
def test_every_partition_a_period_needs_is_among_the_mapped_ones(*, running: bool, now: datetime) -> None:
    checked = 0
    for stage, above, dataset in pairs(graph(running=running, now=now)):
        upstream, downstream = partitions_of(above), partitions_of(stage)
        if upstream is None or stage.name in WHOLE:
            continue
        assert downstream is not None, f"{stage} needs {above} of some period, whichever"
        there = set(periods_now(running=running, now=now)[str(above)])
        how = mapping(stage, above)
        assert how is not None
        for period in periods_now(running=running, now=now)[str(stage)]:
            needed = {need.key.period for need in stage.needs(period) if need.key.dataset == dataset} & there
            result = how.get_upstream_mapped_partitions_result_for_partitions(
                downstream.subset_with_partition_keys([period]), downstream, upstream, current_time=now
            )
            mapped = set(result.partitions_subset.get_partition_keys())
            assert needed <= mapped, f"{stage}/{period} from {above}"
            checked += 1
    assert checked > 20


@at_each_moment
def test_an_update_of_an_input_reaches_every_period_that_needs_it(*, running: bool, now: datetime) -> None:
    for stage, above, dataset in pairs(graph(running=running, now=now)):
        upstream, downstream = partitions_of(above), partitions_of(stage)
        if upstream is None or downstream is None:
            continue
        there = set(periods_now(running=running, now=now)[str(above)])
        how = mapping(stage, above)
        assert how is not None
        needing: dict[str, set[str]] = {}
        for period in periods_now(running=running, now=now)[str(stage)]:
            for need in stage.needs(period):
                if need.key.dataset == dataset and need.key.period in there:
                    needing.setdefault(need.key.period, set()).add(period)
        with partition_loading_context(effective_dt=now):
            for period, expected in needing.items():
                reached = how.get_downstream_partitions_for_partitions(
                    upstream.subset_with_partition_keys([period]), upstream, downstream, current_time=now
                )
                assert expected <= set(reached.get_partition_keys()), f"{above}/{period} to {stage}"


def test_assets_depend_on_exactly_what_their_stages_need_of_others() -> None:
    definitions = build_definitions(universe(running=False, now=NOW), now=NOW)
    assets = definitions.resolve_asset_graph()
    expected: dict[dg.AssetKey, set[dg.AssetKey]] = {}
    for stage in graph(running=False, now=NOW):
        needed = {
            dg.AssetKey([need.key.venue, need.key.dataset])
            for period in stage.periods
            for need in stage.needs_above(period)
        }
        expected |= {dg.AssetKey([stage.venue, dataset]): needed for dataset in stage.datasets}
    for key, needed in expected.items():
        assert {parent for parent in assets.get(key).parent_entity_keys if isinstance(parent, dg.AssetKey)} == needed


def test_a_venue_without_a_finished_day_has_no_partitions_yet() -> None:
    venue = universe(running=False, now=NOW).venues["fxsim"].model_copy(update={"start": NOW.date(), "end": None})
    for stage in venue_stages(universe(running=False, now=NOW), venue, today=NOW.date()):
        partitions = partitions_of(stage)
        assert partitions is None or list(partitions.get_partition_keys(current_time=NOW)) == []
