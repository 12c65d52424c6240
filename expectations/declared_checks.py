"""Judge what was made as some declaration says: by a suite of its own, on numbers measured from each partition."""

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, TypeAlias

import orjson
import polars as pl

from expectations.checks import verdict
from expectations.evaluate import Outcome, evaluate
from expectations.profiles import PARTITION, differences
from expectations.suites import Suite
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.lake.schemas import DATASETS

Measure: TypeAlias = Callable[[Publication, pl.DataFrame], Mapping[str, float | None]]
"""What a suite bounds, by name, of the rows of a partition whose columns are as declared."""


def hash_by(suite: Suite, measured_by: ModuleType, declared: object) -> str:
    """The hash of what a partition is judged by: its suite, the code that measures, and what was declared."""
    code = [inspect.getsource(module) for module in (sys.modules[__name__], measured_by)]
    return hashlib.sha256(orjson.dumps([asdict(suite), *code, declared], option=orjson.OPT_SORT_KEYS)).hexdigest()


def judge(
    lake: Lake,
    published: Iterable[Publication],
    suites: Mapping[str, Suite],
    hashes: Mapping[tuple[str, str], str],
    measure: Measure,
) -> dict[PartitionKey, Outcome]:
    """Judge those partitions that have a suite, by dataset, and record the verdicts under the hashes of (name,
    dataset)."""
    judged = [publication for publication in published if publication.key.dataset in suites]
    outcomes: dict[PartitionKey, Outcome] = {}
    for dataset in sorted({publication.key.dataset for publication in judged}):
        profiles = [_profile(lake, one, measure) for one in judged if one.key.dataset == dataset]
        outcomes |= evaluate(suites[dataset], pl.DataFrame(profiles))
    outcomes = {key: replace(outcome, suite_hash=hashes[key.venue, key.dataset]) for key, outcome in outcomes.items()}
    evaluated_at = datetime.now(UTC)
    lake.catalog.record_verdicts(verdict(one.key, one.sha256, outcomes[one.key], evaluated_at) for one in judged)
    return outcomes


def _profile(lake: Lake, publication: Publication, measure: Measure) -> dict[str, Any]:
    frame = lake.scan([publication]).collect()
    key = publication.key
    drift = differences(frame.lazy(), DATASETS[key.dataset])
    whose = {"venue": key.venue, "period": key.period, "scope": PARTITION, "subject": None}
    measured = {} if drift else measure(publication, frame)
    return whose | {"schema_differences": len(drift), "schema_drift": "; ".join(drift)} | dict(measured)
