"""Exact profiles: partitions of any size, counted over every row into one small table that suites can judge.

A profile has, for each partition, one row of scope `partition` and one per subject (instrument, calendar or venue)
present or expected:

    venue, period           which partition of the dataset
    scope, subject          whom the row is about; the partition's own row has no subject
    rows, rows_short        how many rows there are, and how many fewer than the floor
    silent                  subjects that were expected and have no row
    duplicates              repeats of the key
    <predicate>             rows for which that predicate of `measures` is true
    windows, covered        bar windows of regular sessions, and those that have a bar
    coverage, ~_short       their ratio, and how far it lies below its floor
    ts_min, ts_max          span of the first time column

and of the partition alone:

    schema_differences      columns that are not as declared; `schema_drift` says which
    blank_columns           essential columns that are null or NaN in every row
    repeated_rows           rows whose row_id another row has
    raw_rows, quarantine_rows, fresh_rows   of the sibling partitions; fresh are raw rows that are no duplicates
    unreconciled            rows by which raw differs from clean + quarantine
    clean_ratio, ~_short    rows / fresh_rows, and how far it lies below its floor

A null is something that was not measured, and no suite accepts it: of a frame whose schema drifted, nothing is known
but its differences.
"""

import hashlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache

import polars as pl

from expectations import context as context_module
from expectations import measures as measures_module
from expectations import predicates
from expectations.context import JUDGED, Context, Partition
from expectations.measures import Measures, measures
from tickline.lake.schema import NS, Schema
from tickline.reference import sessions as sessions_module

PARTITION, SUBJECT = "partition", "subject"
"""The scopes of a profile's rows."""

BATCH_ROWS = 20_000_000
"""Partitions are counted together up to this many rows: a plan costs milliseconds, distinct counts cost memory."""

EAGER_ROWS = 1_000_000
"""Up to this many rows are read first, because opening many small objects costs more than their rows do."""


def profile(partitions: Sequence[Partition], context: Context) -> pl.DataFrame:
    """Count partitions of one dataset and venue into their profile, streaming over their rows.

    A partition's part of it does not depend on which others are counted with it. Raises KeyError where the dataset
    has no suite.
    """
    parts = [_counted_together(batch, context) for batch in _batches(partitions)]
    return pl.concat(parts, how="diagonal")


def differences(frame: pl.LazyFrame, schema: Schema) -> list[str]:
    """In words, how a frame's columns differ from the declared ones."""
    found, declared = dict(frame.collect_schema()), schema.columns
    changed = [f"{name} is missing" for name in declared if name not in found]
    changed += [f"{name} is unexpected" for name in found if name not in declared]
    changed += [
        f"{name} is {found[name]}, not {dtype}"
        for name, dtype in declared.items()
        if name in found and found[name] != dtype
    ]
    if not changed and list(found) != list(declared):
        changed.append(f"columns stand in the order {', '.join(found)}")
    return changed


@cache
def code_version() -> str:
    """The sha256 of the code that measures: counting in another way makes another suite hash."""
    modules = (context_module, predicates, measures_module, sessions_module, sys.modules[__name__])
    return hashlib.sha256("".join(inspect.getsource(module) for module in modules).encode()).hexdigest()


def _batches(partitions: Sequence[Partition]) -> Iterator[list[Partition]]:
    batch: list[Partition] = []
    for partition in partitions:
        if batch and sum(each.rows for each in batch) + partition.rows > BATCH_ROWS:
            yield batch
            batch = []
        batch.append(partition)
    yield batch


def _counted_together(partitions: list[Partition], context: Context) -> pl.DataFrame:
    schema = JUDGED[partitions[0].key.dataset]
    drifts = [differences(partition.frame, schema) for partition in partitions]
    sound = [partition for partition, drift in zip(partitions, drifts, strict=True) if not drift]
    drifted = [_drifted(partition, drift) for partition, drift in zip(partitions, drifts, strict=True) if drift]
    return pl.concat([*drifted, *([_measured(sound, schema, context)] if sound else [])], how="diagonal")


def _drifted(partition: Partition, drift: list[str]) -> pl.DataFrame:
    return partition.frame.select(
        venue=pl.lit(partition.key.venue),
        period=pl.lit(partition.key.period),
        scope=pl.lit(PARTITION),
        subject=pl.lit(None, pl.String),
        rows=pl.len().cast(pl.Int64),
        schema_differences=pl.lit(len(drift), pl.Int64),
        schema_drift=pl.lit("; ".join(drift)),
    ).collect()


def _measured(partitions: list[Partition], schema: Schema, context: Context) -> pl.DataFrame:
    key = partitions[0].key
    how = measures(key.dataset, [partition.key.period for partition in partitions], context)
    rows = _stacked(partitions, how)
    if sum(partition.rows for partition in partitions) <= EAGER_ROWS:
        rows = rows.collect(engine="streaming").lazy()
    counted = [_by_subject(rows, schema, how), _by_partition(rows, schema, how)]
    counts, whole = pl.collect_all(counted, engine="streaming")
    subjects = _with_expected(_exact_duplicates(counts, rows, how), how)
    table = pl.concat([_partitions(partitions, subjects, whole, how), subjects], how="diagonal")
    held = _against_floors(table, context).with_columns(venue=pl.lit(key.venue))
    first = ("venue", "period", "scope", "subject", "rows", "rows_short")
    return held.select(*first, pl.exclude(*first)).sort("period", "scope", "subject")


def _stacked(partitions: list[Partition], how: Measures) -> pl.LazyFrame:
    """All rows, knowing their partition; what compares neighbours is judged here, before a join moves them."""
    frames = [
        partition.frame.with_columns(
            period=pl.lit(partition.key.period),
            partition_day=pl.lit(_day(partition.key.period), pl.Date),
        )
        for partition in partitions
    ]
    follows = pl.col("period") == pl.col("period").shift()
    return pl.concat(frames).with_columns((follows & wrong).alias(name) for name, wrong in how.disordered.items())


def _day(period: str) -> date | None:
    try:
        return date.fromisoformat(period)
    except ValueError:
        return None


def _by_subject(rows: pl.LazyFrame, schema: Schema, how: Measures) -> pl.LazyFrame:
    """One row per subject that is there: how many rows it has and how many of them each predicate is true for."""
    predicates = how.bad if how.covers is None else how.bad | {"covered": how.covers}
    for table, columns in how.lookups:
        rows = rows.join(table.lazy(), on=columns, how="left")
    time = next((pl.col(name) for name, dtype in schema.columns.items() if dtype == NS), pl.lit(None, NS))
    judged = rows.select(
        pl.col(how.subject).alias("subject"),
        pl.col("period", *how.disordered),
        *(predicate.alias(name) for name, predicate in predicates.items()),
        time.alias("ts"),
        (pl.lit(None, pl.Int64) if how.key is None else _short(how.key, schema)).alias("key"),
    )
    return judged.group_by("period", "subject").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col(*how.disordered, *predicates).sum().cast(pl.Int64),
        (pl.col("key").count() - pl.col("key").drop_nulls().n_unique()).cast(pl.Int64).alias("duplicates"),
        pl.col("ts").min().alias("ts_min"),
        pl.col("ts").max().alias("ts_max"),
    )


def _short(key: str, schema: Schema) -> pl.Expr:
    """A key to look for repeats of. Texts are hashed: hashes that are all distinct prove that the texts are."""
    column = pl.col(key)
    return pl.when(column.is_not_null()).then(column.hash()) if schema.columns[key] == pl.String else column


def _exact_duplicates(counts: pl.DataFrame, rows: pl.LazyFrame, how: Measures) -> pl.DataFrame:
    """Count again, by the key itself, where its hashes repeat."""
    if how.key is None or counts["duplicates"].sum() == 0:
        return counts
    by = ["period", "subject"]
    keys = rows.select("period", subject=how.subject, key=how.key).drop_nulls("key")
    repeats = keys.group_by(by).agg(duplicates=(pl.len() - pl.col("key").n_unique()).cast(pl.Int64))
    exact = counts.drop("duplicates").join(repeats.collect(engine="streaming"), on=by, how="left", nulls_equal=True)
    return exact.with_columns(pl.col("duplicates").fill_null(0))


def _by_partition(rows: pl.LazyFrame, schema: Schema, how: Measures) -> pl.LazyFrame:
    """What can only be said of all rows of a partition together."""
    blank = [(~_holds(column, schema).any()).cast(pl.Int64) for column in how.essential]
    repeated = pl.lit(0) if how.row_id is None else pl.len() - pl.col(how.row_id).n_unique()
    return rows.group_by("period").agg(
        blank_columns=pl.sum_horizontal(blank) if blank else pl.lit(0, pl.Int64),
        repeated_rows=repeated.cast(pl.Int64),
    )


def _holds(column: str, schema: Schema) -> pl.Expr:
    value = pl.col(column)
    return value.is_not_null() & value.is_not_nan() if schema.columns[column].is_float() else value.is_not_null()


def _with_expected(counts: pl.DataFrame, how: Measures) -> pl.DataFrame:
    """The counted subjects and those that should be there, which count nothing."""
    joined = counts.join(how.expected.subjects, on=["period", "subject"], how="full", coalesce=True)
    return joined.with_columns(
        pl.col(pl.Int64).fill_null(0),
        scope=pl.lit(SUBJECT),
        silent=pl.col("rows").is_null().cast(pl.Int64),
    )


def _partitions(
    partitions: list[Partition], subjects: pl.DataFrame, whole: pl.DataFrame, how: Measures
) -> pl.DataFrame:
    """The partitions' own rows: sums over their subjects, and what was counted of the whole."""
    totals = subjects.group_by("period").agg(
        pl.col(pl.Int64).exclude("floor").sum(), pl.col("ts_min").min(), pl.col("ts_max").max()
    )
    floors = {"period": list(how.expected.floors), "floor": list(how.expected.floors.values())}
    # An empty partition has no totals: nothing is wrong with any row of it.
    own = pl.DataFrame(floors).join(totals, on="period", how="left").join(whole, on="period", how="left")
    counted = own.with_columns(pl.col(pl.Int64).fill_null(0))
    return counted.join(_siblings(partitions), on="period", how="left").with_columns(
        scope=pl.lit(PARTITION),
        schema_differences=pl.lit(0, pl.Int64),
    )


def _against_floors(table: pl.DataFrame, context: Context) -> pl.DataFrame:
    """What is short of what: of rows, of the sibling partitions' rows, of quality."""
    clean_ratio = _ratio("rows", "fresh_rows")
    table = table.with_columns(
        rows_short=(pl.col("floor") - pl.col("rows")).clip(lower_bound=0),
        unreconciled=(pl.col("raw_rows") - pl.col("rows") - pl.col("quarantine_rows")).abs(),
        clean_ratio=clean_ratio,
        clean_ratio_short=(context.min_clean_ratio - clean_ratio).clip(lower_bound=0.0),
    ).drop("floor")
    if "covered" not in table.columns:
        return table.drop("windows")
    coverage = _ratio("covered", "windows")
    return table.with_columns(coverage=coverage, coverage_short=(context.min_coverage - coverage).clip(lower_bound=0.0))


def _ratio(part: str, whole: str) -> pl.Expr:
    """A share; all of nothing is 1."""
    return pl.when(pl.col(whole) == 0).then(1.0).otherwise(pl.col(part) / pl.col(whole))


def _siblings(partitions: list[Partition]) -> pl.DataFrame:
    counts = [
        (partition.key.period, of.raw, of.quarantine, of.raw - of.duplicates)
        for partition in partitions
        if (of := partition.siblings) is not None
    ]
    names = ("raw_rows", "quarantine_rows", "fresh_rows")
    return pl.DataFrame(counts, schema={"period": pl.String} | dict.fromkeys(names, pl.Int64), orient="row")
