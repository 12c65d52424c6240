"""A stage as a Dagster asset: build the periods asked for, judge them, report what happened.

A run over a range does each period by itself: one that fails leaves the others published. A run with the tag
`tickline/fill` builds only what is missing or stale, whatever range it spans, so any set of holes is one run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import structlog
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.storage.tags import EXTERNALLY_MANAGED_ASSETS_TAG

from assets.preview import Metadata, metadata_of
from expectations.checks import judge_partitions, judged_by
from expectations.evaluate import Outcome
from orchestration.partitions import mapping, partitions_of
from orchestration.resources import LakeResource
from tickline.errors import TicklineError
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.pipeline.plan import State, Suites, standing
from tickline.pipeline.stage import Stage, materialise
from tickline.reference.models import Venue

FILL_TAG = "tickline/fill"
FILL_TAGS = {FILL_TAG: "holes", EXTERNALLY_MANAGED_ASSETS_TAG: "true"}
"""Tags of a run that fills holes and reports just the partitions it made."""

REPORTED = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
"""Dagster's own mark of an output whose events the step has logged itself: without it a range run would report each
partition a second time, with a data version that is not its content's hash."""

DATA_VERSION_TAG = "dagster/data_version"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """How a stage's assets show in the UI."""

    group: str
    kinds: frozenset[str]
    describe: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Judge:
    """Who answers for some partitions, and how they are judged: by which suites, and the judging itself."""

    owner: str
    suites: Suites
    judge: Callable[[Lake, Iterable[Publication]], Mapping[PartitionKey, Outcome]]


@dataclass(slots=True)
class Made:
    """What a run made so far."""

    published: dict[PartitionKey, Publication] = field(default_factory=dict)
    failed: dict[str, TicklineError] = field(default_factory=dict)


def asset_key(venue: str, dataset: str) -> dg.AssetKey:
    """The asset of a dataset of a venue."""
    return dg.AssetKey([venue, dataset])


def step_of(stage: Stage) -> str:
    """The step of a run that makes a stage."""
    return f"{stage.venue}__{stage.name}"


def assets_of(graph: Sequence[Stage], venue: Venue, names: Sequence[str], look: Look) -> list[dg.AssetsDefinition]:
    """The assets of those of a venue's stages that are named, in the graph's order."""
    of_venue = [stage for stage in graph if stage.venue == venue.name]
    judge = Judge(venue.owner, judged_by([venue]), lambda lake, published: judge_partitions(lake, venue, published))
    return [stage_asset(stage, judge, of_venue, look) for stage in of_venue if stage.name in names]


def stage_asset(stage: Stage, judge: Judge, others: Sequence[Stage], look: Look) -> dg.AssetsDefinition:
    """The assets of one stage: a spec for each dataset, a blocking check for each that has a suite.

    What it stands on is looked for among the `others`.
    """
    partitions = partitions_of(stage)
    deps = [
        dg.AssetDep(asset_key(above.venue, dataset), partition_mapping=mapping(stage, above))
        for above in others
        for dataset in above.datasets
        if (above.venue, dataset) in _needed(stage)
    ]
    specs = [
        dg.AssetSpec(
            asset_key(stage.venue, dataset),
            deps=deps,
            description=look.describe[dataset],
            group_name=look.group,
            kinds=set(look.kinds),
            owners=[judge.owner],
            code_version=f"{stage.code[:16]}-{stage.config_sha256[:16]}",
            partitions_def=partitions,
            tags={"venue": stage.venue, "stage": stage.name},
        )
        for dataset in stage.datasets
    ]
    checks = [
        dg.AssetCheckSpec(
            dataset,
            asset=asset_key(stage.venue, dataset),
            blocking=True,
            description=f"Every expectation of suite {dataset}, on exact counts over every row",
            partitions_def=partitions,
        )
        for dataset in stage.datasets
        if (stage.venue, dataset) in judge.suites
    ]

    @dg.multi_asset(
        name=step_of(stage),
        specs=specs,
        check_specs=checks,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        pool=f"{look.group}",
        op_tags={"dagster/max_runtime": "3600"},
    )
    def _asset(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[object]:
        yield from run_stage(context, lake.open(), stage, judge)

    return _asset


def run_stage(context: dg.AssetExecutionContext, lake: Lake, stage: Stage, judge: Judge) -> Iterator[object]:
    """Build, judge and report the periods of this run."""
    periods = list(context.partition_keys) if context.has_partition_key_range or context.has_partition_key else [WHOLE]
    filling = FILL_TAG in context.run.tags
    made = _make(context, lake, stage, periods, suites=judge.suites if filling else None)
    outcomes = judge.judge(lake, made.published.values())
    if len(periods) == 1 and not filling and not made.failed:
        yield from _results(stage, lake, made, outcomes)
        return
    for event in _events(stage, lake, made, outcomes, partitioned=periods != [WHOLE]):
        context.log_event(event)
    # A step that raises loses what it logged and did not hand over.
    yield from context.consume_events()
    if made.failed:
        period, error = next(iter(made.failed.items()))
        others = ", the others are published" if len(periods) > len(made.failed) else ""
        raise dg.Failure(
            f"{len(made.failed)} of {len(periods)} periods of {stage} failed{others}. {period}: {error}",
            metadata={period: str(error) for period, error in made.failed.items()},
            allow_retries=False,
        ) from error
    yield from _summary(stage, judge, outcomes)


def _make(
    context: dg.AssetExecutionContext, lake: Lake, stage: Stage, periods: Sequence[str], *, suites: Suites | None
) -> Made:
    """Build the periods; with `suites` only those missing or stale, and those no check judged are left as they are."""
    made = Made()
    for period in periods:
        state = standing(lake, stage, period, suites=suites).state if suites is not None else State.STALE
        if state is State.FRESH:
            continue
        try:
            made.published |= (
                lake.catalog.currents(stage.keys(period))
                if state is State.UNJUDGED
                else {one.key: one for one in materialise(lake, stage, period, run=context.run_id)}
            )
            _log.info("period.made", stage=str(stage), period=period)
        except TicklineError as error:
            context.log.error(f"{stage}/{period}: {error}")
            made.failed[period] = error
    return made


def _results(
    stage: Stage, lake: Lake, made: Made, outcomes: Mapping[PartitionKey, Outcome]
) -> Iterator[dg.MaterializeResult[Any]]:
    for publication in made.published.values():
        key = publication.key
        yield dg.MaterializeResult(
            asset_key(stage.venue, key.dataset),
            metadata=metadata_of(lake, publication, outcomes.get(key)),
            data_version=dg.DataVersion(publication.sha256),
            check_results=[_check_result(stage, key, outcomes[key])] if key in outcomes else [],
        )


def _events(
    stage: Stage, lake: Lake, made: Made, outcomes: Mapping[PartitionKey, Outcome], *, partitioned: bool
) -> Iterator[dg.AssetMaterialization | AssetCheckEvaluation]:
    for publication in made.published.values():
        key = publication.key
        period = key.period if partitioned else None
        yield dg.AssetMaterialization(
            asset_key(stage.venue, key.dataset),
            partition=period,
            metadata=metadata_of(lake, publication, outcomes.get(key)),
            tags={DATA_VERSION_TAG: publication.sha256},
        )
        if key in outcomes:
            outcome = outcomes[key]
            yield AssetCheckEvaluation(
                asset_key=asset_key(stage.venue, key.dataset),
                check_name=key.dataset,
                passed=outcome.passed,
                severity=dg.AssetCheckSeverity[outcome.severity.value],
                metadata=_findings(outcome),
                blocking=True,
                partition=period,
            )


def _summary(
    stage: Stage, judge: Judge, outcomes: Mapping[PartitionKey, Outcome]
) -> Iterator[dg.AssetCheckResult | dg.Output[None]]:
    # Red partitions of a range are WARN here: the run goes on for the green ones, and whatever reads a red one is
    # refused by its verdict, in this run and every later one.
    for dataset in stage.datasets:
        yield dg.Output(None, output_name=f"{stage.venue}__{dataset}", metadata=REPORTED)
        if (stage.venue, dataset) in judge.suites:
            red = [key.period for key, outcome in outcomes.items() if key.dataset == dataset and not outcome.passed]
            judged = sum(key.dataset == dataset for key in outcomes)
            yield dg.AssetCheckResult(
                passed=not red,
                asset_key=asset_key(stage.venue, dataset),
                check_name=dataset,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"judged": judged, "red": ", ".join(sorted(red)) or "none"},
            )


def _check_result(stage: Stage, key: PartitionKey, outcome: Outcome) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=outcome.passed,
        asset_key=asset_key(stage.venue, key.dataset),
        check_name=key.dataset,
        severity=dg.AssetCheckSeverity[outcome.severity.value],
        metadata=_findings(outcome),
    )


def _findings(outcome: Outcome) -> Metadata:
    failures = [result for result in outcome.results if not result.success]
    return {
        "suite": outcome.suite_hash[:16],
        "failures": "; ".join(
            f"{result.name} ({result.severity}): {result.unexpected} out of bounds. {result.why}" for result in failures
        )
        or "none",
    }


def _needed(stage: Stage) -> set[tuple[str, str]]:
    # What a stage left itself the day before is no dependency to Dagster: of assets made together of which one depends
    # on an earlier partition of its own, its automation asks for that partition too, each time (1.13).
    return {(need.key.venue, need.key.dataset) for period in stage.periods[:1] for need in stage.needs_above(period)}
