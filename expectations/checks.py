"""Judge published partitions against their suites and write the verdicts into the catalog."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import polars as pl

from expectations.context import Context, Partition, Siblings
from expectations.evaluate import Outcome, evaluate
from expectations.profiles import profile
from expectations.suites import SUITES
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication, Verdict
from tickline.lake.schema import Schema
from tickline.lake.schemas import INSTRUMENTS, SESSIONS
from tickline.reference.models import Venue


def judged_by(venues: Iterable[Venue]) -> dict[tuple[str, str], str]:
    """By venue and dataset, the hash of what a partition is judged by now: its suite and the bounds its venue sets.

    A verdict under another hash is on the same rows, but by what was expected then.
    """
    suites = {dataset: suite.hash for dataset, suite in SUITES.items()}
    return {
        (venue.name, dataset): hashlib.sha256(suite.encode() + bounds).hexdigest()
        for venue in venues
        for bounds in (orjson.dumps(_bounds(venue), option=orjson.OPT_SORT_KEYS),)
        for dataset, suite in suites.items()
    }


def judge_partitions(lake: Lake, venue: Venue, published: Iterable[Publication]) -> dict[PartitionKey, Outcome]:
    """Profile every published partition that has a suite, judge each dataset's together, record the verdicts.

    A partition's neighbours (sessions, instruments, sibling counts) are read from the lake as they are now.
    """
    judged = [publication for publication in published if publication.key.dataset in SUITES]
    if not judged:
        return {}
    context = _context(lake, venue, judged)
    partitions: dict[str, list[Partition]] = {}
    siblings = _siblings(lake, judged)
    for publication in judged:
        key = publication.key
        partition = Partition(key, lake.scan([publication]), publication.rows, siblings.get(key))
        partitions.setdefault(key.dataset, []).append(partition)
    outcomes: dict[PartitionKey, Outcome] = {}
    for dataset, of_dataset in partitions.items():
        outcomes |= evaluate(SUITES[dataset], profile(of_dataset, context))
    hashes = judged_by([venue])
    outcomes = {key: replace(outcome, suite_hash=hashes[venue.name, key.dataset]) for key, outcome in outcomes.items()}
    evaluated_at = datetime.now(UTC)
    lake.catalog.record_verdicts(
        verdict(publication.key, publication.sha256, outcomes[publication.key], evaluated_at) for publication in judged
    )
    return outcomes


def _context(lake: Lake, venue: Venue, judged: list[Publication]) -> Context:
    # A week or an FX day near New Year reaches into the year beside its own.
    years = {int(publication.key.period[:4]) for publication in judged if publication.key.period != WHOLE}
    sessions = {PartitionKey("sessions", venue.name, str(year + step)) for year in years for step in (-1, 0, 1)}
    instruments = PartitionKey.whole("instruments", venue.name)
    current = lake.catalog.currents({instruments, *sessions})
    return Context(
        instruments=_rows(lake, [current[key] for key in [instruments] if key in current], INSTRUMENTS),
        sessions=_rows(lake, [current[key] for key in sorted(sessions) if key in current], SESSIONS),
        **_bounds(venue),
    )


def _bounds(venue: Venue) -> dict[str, Any]:
    """What a venue's configuration says its partitions must keep to, as `Context` names it."""
    return {
        "min_rows": venue.floors.rows,
        "min_rows_each": venue.floors.rows_each,
        "min_clean_ratio": venue.floors.clean_ratio,
        "min_coverage": venue.floors.coverage,
        "max_cross_bps": _most(venue, "max_cross_bps"),
        "conditions": venue.conditions is not None,
    }


def _rows(lake: Lake, publications: list[Publication], schema: Schema) -> pl.DataFrame:
    return lake.scan(publications).collect() if publications else schema.empty()


def _most(venue: Venue, parameter: str) -> float:
    """The widest a venue or one of its instruments sets a firewall parameter."""
    declared = [venue.parameters, *(instrument.parameters for instrument in venue.instruments)]
    return max((parameters[parameter] for parameters in declared if parameter in parameters), default=0.0)


def _siblings(lake: Lake, judged: list[Publication]) -> dict[PartitionKey, Siblings]:
    """What each clean partition must add up with, where both siblings are there."""
    clean = {p.key: p for p in judged if p.key.dataset.startswith("clean_")}
    raw = {key: _beside(key, "raw") for key in clean}
    quarantine = {key: _beside(key, "quarantine") for key in clean}
    current = lake.catalog.currents({*raw.values(), *quarantine.values()})
    return {
        key: Siblings(
            raw=current[raw[key]].rows,
            quarantine=current[quarantine[key]].rows,
            duplicates=publication.facts["counts"].get("duplicate", 0),
        )
        for key, publication in clean.items()
        if raw[key] in current and quarantine[key] in current
    }


def _beside(key: PartitionKey, stage: str) -> PartitionKey:
    return replace(key, dataset=key.dataset.replace("clean", stage, 1))


def verdict(key: PartitionKey, sha256: str, outcome: Outcome, evaluated_at: datetime) -> Verdict:
    """An outcome as the catalog keeps it; `sha256` names the very content that was judged."""
    return Verdict(
        key=key,
        sha256=sha256,
        suite=outcome.suite,
        suite_hash=outcome.suite_hash,
        passed=outcome.passed,
        severity=outcome.severity.value,
        evaluated_at=evaluated_at,
        metrics=outcome.metrics,
        results=outcome.rows,
    )
