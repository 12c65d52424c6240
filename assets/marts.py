"""Mart assets: daily KPIs in SQL, built by dbt into DuckLake for the days whose inputs changed."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import dagster as dg
import orjson
import structlog
import yaml

from assets.lifecycle import DATA_VERSION_TAG, FILL_TAG, REPORTED, asset_key
from assets.preview import Metadata, markdown, number
from expectations.context import KPI_DATA_QUALITY
from expectations.evaluate import Outcome
from expectations.lane_mart_checks import JUDGED_BY, KPI_LANE_EDGE, judge_lane_days
from expectations.mart_checks import judge_mart_days
from expectations.suites import Severity
from orchestration.resources import LakeResource
from tickline.errors import LakeError
from tickline.kpi import marts
from tickline.kpi.freshness import PROJECT, day_inputs, inputs_now, project_sha256, record_built, stale_days
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import ObjectState
from tickline.lake.schemas import Feed
from tickline.pipeline.graph import utc_days
from tickline.pipeline.stage import Cadence, Stage

GROUP = "kpi"
PREFIX = "marts"
_REFERENCES = re.compile(r"ref\('(\w+)'\)|source\('lake', '(\w+)'\)|every_feed\('(\w+)'")
_GOOD = frozenset({"success", "pass", "no-op"})
# Nobody reads one query for longer.
_HISTORY = timedelta(days=7)
_log = structlog.get_logger()


def mart_assets(graph: Sequence[Stage]) -> dg.AssetsDefinition:
    """Every KPI model as an asset, partitioned by day over all venues; one dbt run builds any range of them."""
    partitions = mart_partitions(graph)
    specs = [
        dg.AssetSpec(
            dg.AssetKey([PREFIX, model]),
            deps=_deps(model, graph),
            description=description,
            group_name=GROUP,
            kinds={"dbt", "duckdb"},
            owners=["team:data"],
            partitions_def=partitions,
            code_version=project_sha256()[:16],
        )
        for model, description in models().items()
    ]
    checks = [
        dg.AssetCheckSpec(mart, asset=dg.AssetKey([PREFIX, mart]), blocking=True)
        for mart in (KPI_DATA_QUALITY, KPI_LANE_EDGE)
    ]

    @dg.multi_asset(
        name=PREFIX,
        specs=specs,
        check_specs=checks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        # DuckLake's SQLite catalog takes one writer at a time; readers are never in the way.
        pool="marts",
        op_tags={"dagster/max_runtime": "3600"},
    )
    def _asset(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[object]:
        yield from _build(context, lake.open(), lake.marts(), Path(lake.home))

    return _asset


def mart_partitions(graph: Sequence[Stage]) -> dg.DailyPartitionsDefinition:
    """The days from the first to the last of any venue; without an end where a venue is still running."""
    days = utc_days(graph)
    running = any(stage.running for stage in graph)
    end = None if running else (date.fromisoformat(days[-1]) + timedelta(days=1)).isoformat()
    return dg.DailyPartitionsDefinition(start_date=days[0], end_date=end)


@cache
def models() -> dict[str, str]:
    """The KPI models and their descriptions, as the dbt project declares them."""
    files = sorted((PROJECT / "models" / "kpi").glob("*.yml"))
    declared = [model for file in files for model in yaml.safe_load(file.read_text())["models"]]
    return {model["name"]: " ".join(model["description"].split()) for model in declared}


def upstream(model: str) -> tuple[set[str], set[str]]:
    """What a model reads, through staging: other KPI models, and datasets of the lake."""
    (path,) = (PROJECT / "models").rglob(f"{model}.sql")
    read_models: set[str] = set()
    datasets: set[str] = set()
    for ref, source, feeds in _REFERENCES.findall(path.read_text()):
        if source:
            datasets.add(source)
        elif feeds:
            datasets |= {f"{feeds}_{feed}" for feed in Feed}
        elif ref in models():
            read_models.add(ref)
        else:
            below_models, below_datasets = upstream(ref)
            read_models |= below_models
            datasets |= below_datasets
    return read_models, datasets


def _deps(model: str, graph: Sequence[Stage]) -> list[dg.AssetDep]:
    read_models, datasets = upstream(model)
    same_day = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
    return [dg.AssetDep(dg.AssetKey([PREFIX, read])) for read in sorted(read_models)] + [
        dg.AssetDep(
            asset_key(stage.venue, dataset),
            partition_mapping=None if stage.cadence is Cadence.WHOLE else same_day,
        )
        for stage in graph
        for dataset in stage.datasets
        if dataset in datasets
    ]


def _build(context: dg.AssetExecutionContext, lake: Lake, place: marts.Marts, home: Path) -> Iterator[object]:
    days = list(context.partition_keys)
    suite = JUDGED_BY
    filling = FILL_TAG in context.run.tags
    chosen = stale_days(lake, place, days, suite=suite) if filling else inputs_now(lake, days, suite=suite)
    outcomes: dict[str, Outcome] = {}
    of_lanes: dict[str, Outcome] = {}
    for first, last in stretches(chosen):
        built = {day: sha256 for day, sha256 in chosen.items() if first <= day <= last}
        with marts.building(place):
            counts = run_dbt(place, _objects(lake, first, last), first=first, last=last, home=home)
            outcomes |= judge_mart_days(lake, place, built)
            of_lanes |= judge_lane_days(lake, place, built)
            # Last: days that a run left unjudged are built and judged again.
            record_built(place, built)
            marts.tidy(place, before=datetime.now(UTC) - _HISTORY)
        context.log.info(f"dbt {first} .. {last}: {counts}")
    yield from _reported(context, place, outcomes, chosen)
    yield _judged(KPI_DATA_QUALITY, outcomes)
    yield _judged(KPI_LANE_EDGE, of_lanes)


def _reported(
    context: dg.AssetExecutionContext,
    place: marts.Marts,
    outcomes: Mapping[str, Outcome],
    inputs: Mapping[str, str],
) -> Iterator[object]:
    for day in outcomes:
        _log.info("period.made", stage=PREFIX, period=day)
    for model, by_day in _metadata(place, sorted(outcomes)).items():
        for day, metadata in by_day.items():
            yield dg.AssetMaterialization(
                dg.AssetKey([PREFIX, model]), partition=day, metadata=metadata, tags={DATA_VERSION_TAG: inputs[day]}
            )
    for model in models():
        yield dg.Output(None, output_name=f"{PREFIX}__{model}", metadata=REPORTED)


def _judged(mart: str, outcomes: Mapping[str, Outcome]) -> dg.AssetCheckResult:
    bad = {day: outcome for day, outcome in sorted(outcomes.items()) if not outcome.passed}
    red = any(outcome.severity is Severity.ERROR for outcome in bad.values())
    return dg.AssetCheckResult(
        passed=not bad,
        asset_key=dg.AssetKey([PREFIX, mart]),
        check_name=mart,
        severity=dg.AssetCheckSeverity.ERROR if red or not bad else dg.AssetCheckSeverity.WARN,
        metadata={"judged": len(outcomes), "red": ", ".join(bad) or "none"},
    )


def _metadata(place: marts.Marts, days: Sequence[str]) -> dict[str, dict[str, Metadata]]:
    """What a person sees of days of the marts, by model and day: rows, and of the daily quality a line a venue."""
    if not days:
        return {}
    span = [days[0], days[-1]]
    found: dict[str, dict[str, Metadata]] = {}
    with marts.connect(place) as warehouse:
        for model in models():
            counted = f"select cast(day as varchar), count(*) from {model} where day between ? and ? group by day"  # noqa: S608
            rows = dict(warehouse.execute(counted, span).fetchall())
            found[model] = {day: {"dagster/row_count": rows.get(day, 0)} for day in days}
        header = ("venue", "raw rows", "clean %", "minutes with a bar %", "p95 latency ms", "median spread bps")
        quality = warehouse.execute(
            "select cast(day as varchar), venue, raw_rows, 100 * clean_ratio, 100 * coverage, worst_p95_ms, "
            "median_spread_bps from kpi_data_quality_daily where day between ? and ? order by day, venue",
            span,
        ).fetchall()
    for day, metadata in found[KPI_DATA_QUALITY].items():
        lines = [(venue, *map(number, values)) for of_day, venue, *values in quality if of_day == day]
        metadata["preview"] = dg.MetadataValue.md(markdown(header, lines))
    return found


def stretches(days: Iterable[str]) -> list[tuple[str, str]]:
    """The first and last of each run of consecutive days: dbt builds every day between, wanted or not."""
    found: list[tuple[str, str]] = []
    for day in sorted(days):
        if found and date.fromisoformat(found[-1][1]) + timedelta(days=1) == date.fromisoformat(day):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def run_dbt(
    place: marts.Marts, objects: Sequence[tuple[PartitionKey, str]], *, first: str, last: str, home: Path
) -> dict[str, int]:
    """Build and test the marts for a range of days in a process of its own; returns how many results of each status.

    Raises LakeError naming the first model or test that failed; each day is replaced whole or not at all.
    """
    end = (date.fromisoformat(last) + timedelta(days=1)).isoformat()
    scratch, database = home / "dbt", home / "marts" / "lake.duckdb"
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    results = scratch / "run_results.json"
    results.unlink(missing_ok=True)
    marts.expose(place, objects, database=database)
    folders = ["--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", scratch, "--log-path", scratch]
    window = ["--event-time-start", first, "--event-time-end", end]
    finished = subprocess.run(  # noqa: S603 - our own arguments
        [Path(sys.executable).parent / "dbt", "--quiet", "build", *map(str, folders), *window],
        env=os.environ | marts.profile_env(place, database),
        capture_output=True,
        text=True,
        check=False,
    )
    statuses = _statuses(results)
    bad = [name for name, status in statuses.items() if status not in _GOOD]
    if finished.returncode or bad:
        said = finished.stdout[-2000:] or finished.stderr[-2000:]
        raise LakeError(f"dbt failed at {bad[0] if bad else 'its start'}: {said}")
    return dict(Counter(statuses.values()))


def _statuses(path: Path) -> Mapping[str, str]:
    if not path.exists():
        return {}
    return {result["unique_id"]: result["status"] for result in orjson.loads(path.read_bytes())["results"]}


def _objects(lake: Lake, first: str, last: str) -> list[tuple[PartitionKey, str]]:
    start, days = date.fromisoformat(first), (date.fromisoformat(last) - date.fromisoformat(first)).days + 1
    every_day = [(start + timedelta(days=number)).isoformat() for number in range(days)]
    published = {
        publication.key: publication
        for of_day in day_inputs(lake, every_day).values()
        for publication in of_day
        if publication.state is ObjectState.PRESENT
    }
    return [(key, uri) for key, uri in zip(published, lake.uris(published.values()), strict=True)]
