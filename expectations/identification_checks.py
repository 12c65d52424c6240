"""Judge how much of what lanes find is real: each lane's adjudicated sample against the precision declared."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace

import polars as pl

from expectations.declared_checks import hash_by, judge
from expectations.evaluate import Outcome
from expectations.suites import Severity, Suite, of_partition
from tickline.kpi.identification import IdentificationTarget, Shown, precisions
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication

SUITE = Suite(
    "identification",
    (
        of_partition("schema_differences", "Columns and types are exactly the declared ones"),
        of_partition("repeated", "No bet of a lane's session is in the sample twice"),
        of_partition("imprecise_lanes", "The lower end of every lane's precision reaches what is declared"),
        replace(
            of_partition("unshown_lanes", "Enough of every lane was adjudicated, over enough sessions"),
            severity=Severity.WARN,
        ),
    ),
)
"""What a sample is judged by."""


def identified_by(targets: Mapping[str, IdentificationTarget]) -> dict[tuple[str, str], str]:
    """By set of lanes and dataset, the hash of what its sample is judged by now."""
    by = sys.modules[__name__]
    return {
        (name, SUITE.dataset): hash_by(SUITE, by, target.model_dump(mode="json")) for name, target in targets.items()
    }


def judge_identification(
    lake: Lake, name: str, target: IdentificationTarget, published: Iterable[Publication]
) -> dict[PartitionKey, Outcome]:
    """Judge the sample of a set of lanes, and record the verdict."""

    def measure(_of: Publication, rows: pl.DataFrame) -> Mapping[str, float | None]:
        return measures_of(target, rows)

    return judge(lake, published, {SUITE.dataset: SUITE}, identified_by({name: target}), measure)


def measures_of(target: IdentificationTarget, sample: pl.DataFrame) -> dict[str, float | None]:
    """What the suite bounds, of a sample. Where nothing was found nothing is shown: that is not green either."""
    found = precisions(sample, target)
    too_few = found.filter(shown=Shown.TOO_FEW.value).height
    least = found["least"].min()
    return {
        "repeated": float(sample.select(pl.struct("lane", "session", "family").is_duplicated().sum()).item()),
        "imprecise_lanes": float(found.filter(shown=Shown.IMPRECISE.value).height),
        "unshown_lanes": float(too_few) if found.height else 1.0,
        "least_precision": least if isinstance(least, float) else None,
    }
