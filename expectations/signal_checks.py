"""Judge what a signal set's sessions are: each bar's columns as declared, each once, each a number or not known yet."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

import polars as pl

from expectations.declared_checks import hash_by, judge
from expectations.evaluate import Outcome
from expectations.suites import Severity, Suite, of_partition
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.signals.spec import KEYS, SignalSet

SUITE = Suite(
    "signals",
    (
        of_partition("schema_differences", "Columns and types are exactly the declared ones"),
        of_partition("strangers", "Every value is of a declared column, instrument and segment, and of this session"),
        of_partition("uneven", "Every bar has each declared column once"),
        of_partition("not_finite", "What is not known is null, never NaN or infinite"),
        replace(of_partition("silent", "Every column knows something by the session's end"), severity=Severity.WARN),
    ),
)
"""What a signal set's partitions are judged by."""


def told_by(sets: Iterable[SignalSet]) -> dict[tuple[str, str], str]:
    """By signal set and dataset, the hash of what a partition is judged by now: the suite, and what is declared."""
    by = sys.modules[__name__]
    return {
        (one.name, SUITE.dataset): hash_by(SUITE, by, [one.instruments, one.segments, list(one.columns)])
        for one in sets
    }


def judge_signals(lake: Lake, declared: SignalSet, published: Iterable[Publication]) -> dict[PartitionKey, Outcome]:
    """Judge a signal set's partitions, and record the verdicts."""

    def measure(of: Publication, rows: pl.DataFrame) -> Mapping[str, float | None]:
        return measures_of(declared, date.fromisoformat(of.key.period), rows)

    return judge(lake, published, {SUITE.dataset: SUITE}, told_by([declared]), measure)


def measures_of(declared: SignalSet, session: date, signals: pl.DataFrame) -> dict[str, float | None]:
    """What the suite bounds, of the rows of one session."""
    names = list(declared.columns)
    own = (
        pl.col("name").is_in(names)
        & pl.col("instrument").is_in(declared.instruments)
        & pl.col("segment").is_in(declared.segments)
        & (pl.col("session_date") == session)
    )
    of_bars = signals.group_by(KEYS).agg(rows=pl.len(), columns=pl.col("name").n_unique())
    known = signals.filter(pl.col("value").is_not_null())["name"].unique()
    return {
        "strangers": float(signals.select((~own).fill_null(True).sum()).item()),
        "uneven": float(of_bars.filter((pl.col("rows") != len(names)) | (pl.col("columns") != len(names))).height),
        "not_finite": float(signals.select((~pl.col("value").is_finite()).sum()).item()),
        "silent": float(len(set(names) - set(known))) if signals.height else 0.0,
    }
