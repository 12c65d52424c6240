"""Great Expectations over profiles: many partitions of one dataset judged at once, one outcome each.

GX takes seconds to import and some ten milliseconds an expectation however short the table, so the profiles of a
run's partitions are stacked and each suite runs once. What GX lets pass fails here: a measure that is null or absent,
an expectation that raised or did not see every row, a partition without a profile.
"""

import os
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import polars as pl

from expectations.profiles import PARTITION
from expectations.suites import Expectation, Severity, Suite
from tickline.lake.keys import PartitionKey

EXAMPLES = 5
"""How many failing subjects a result names."""


@dataclass(frozen=True, slots=True)
class Result:
    """One expectation held against one partition.

    `observed` is the partition's own value (null: not measured), `unexpected` the number of profile rows out of
    bounds, `examples` the first subjects among them with their values. `detail` says what the numbers do not.
    """

    name: str
    why: str
    severity: Severity
    low: float
    high: float
    success: bool
    observed: float | None
    unexpected: int
    examples: list[dict[str, Any]]
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a suite said of one partition.

    `severity` is the worst of the failures, ERROR where there is none. `metrics` are the partition's own measures.
    """

    suite: str
    suite_hash: str
    passed: bool
    severity: Severity
    results: tuple[Result, ...]
    metrics: dict[str, float]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The results as plain data, ready for JSON."""
        return [asdict(result) for result in self.results]


def great_expectations() -> Any:
    """The GX module, imported late and with its telemetry off."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations

    return great_expectations


def evaluate(suite: Suite, profile: pl.DataFrame) -> dict[PartitionKey, Outcome]:
    """Judge every partition in a profile of the suite's dataset, in one pass of GX over all of them.

    The outcome of a partition does not depend on which others are judged with it.
    """
    table = _conformed(suite, profile)
    answers = _answers(suite, table)
    failing = table.select(*_KEY, *(_failing(each, table, answers.get(each.name)) for each in suite.expectations))
    unexpected = failing.group_by(_KEY).agg(pl.exclude(_KEY).sum()).rows_by_key(_KEY, named=True, unique=True)
    metrics = _own_rows(profile.select(*_KEY, "scope", pl.col(pl.Int64, pl.Float64).cast(pl.Float64)))
    outcomes = {}
    for of, own in _own_rows(table).items():
        results = tuple(
            _result(each, own, unexpected[of][each.name], _examples(table, failing[each.name], of, each.name))
            for each in suite.expectations
        )
        numbers = {name: value for name, value in metrics.get(of, {}).items() if isinstance(value, float)}
        outcomes[PartitionKey(suite.dataset, *of)] = _outcome(suite, results, numbers)
    return outcomes


_KEY = ("venue", "period")


def _conformed(suite: Suite, profile: pl.DataFrame) -> pl.DataFrame:
    """A profile reduced to the suite's measures: nulls for what it lacks, were it a partition's whole own row."""
    texts = dict.fromkeys((*_KEY, "scope", "subject", "schema_drift"), pl.String())
    columns = texts | dict.fromkeys(_names(suite), pl.Float64())
    cast = [pl.col(name).cast(dtype) for name, dtype in columns.items() if name in profile.columns]
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in columns.items() if name not in profile.columns]
    # NaN is no measure either.
    rows = profile.select(cast).with_columns(lacking).select(*texts, pl.col(_names(suite)).fill_nan(None))
    partitions = rows.select(*_KEY, scope=pl.lit(PARTITION)).unique(maintain_order=True)
    own = partitions.join(rows, on=[*_KEY, "scope"], how="left", maintain_order="left")
    return pl.concat([own, rows.filter(pl.col("scope") != PARTITION)])


def _names(suite: Suite) -> list[str]:
    return [expectation.name for expectation in suite.expectations]


def _own_rows(table: pl.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    own = table.filter(scope=PARTITION)
    return {(row["venue"], row["period"]): row for row in own.iter_rows(named=True)}


def _answers(suite: Suite, table: pl.DataFrame) -> dict[str, Any]:
    """What GX says of each measure over all rows."""
    batch = _whole_frame().get_batch({"dataframe": table.select(_names(suite)).to_pandas()})
    found = batch.validate(_gx_suite(suite), result_format="COMPLETE")
    return {answer.expectation_config.kwargs["column"]: answer for answer in found.results}


@cache
def _whole_frame() -> Any:
    """One ephemeral context a process; its only asset takes whichever frame it is given."""
    context = great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("profiles").add_dataframe_asset("profile")
    return asset.add_batch_definition_whole_dataframe("whole")


@cache
def _gx_suite(suite: Suite) -> Any:
    return great_expectations().ExpectationSuite(
        suite.name, expectations=[gx_form(each) for each in suite.expectations]
    )


def gx_form(each: Expectation | Result) -> dict[str, Any]:
    """An expectation as GX writes it."""
    return {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": each.name, "min_value": each.low, "max_value": each.high},
        "severity": "critical" if each.severity is Severity.ERROR else "warning",
        "description": each.why,
        "meta": {},
    }


def _failing(expectation: Expectation, table: pl.DataFrame, answer: Any) -> pl.Series:
    """Which rows fail: those GX found out of bounds, and those in scope that were not measured.

    GX skips nulls and gives no result for what raised: where it did not see every row, every row fails.
    """
    measured = table[expectation.name]
    seen = {} if answer is None else answer.result
    if (seen.get("element_count"), seen.get("missing_count")) != (table.height, measured.null_count()):
        return pl.repeat(value=True, n=table.height, eager=True).alias(expectation.name)
    unmeasured = measured.is_null() & table["scope"].is_in(expectation.scopes)
    return unmeasured.scatter(seen["unexpected_index_list"], values=True).alias(expectation.name)


def _result(each: Expectation, own: dict[str, Any], unexpected: int, examples: list[dict[str, Any]]) -> Result:
    observed = own[each.name]
    drift = own["schema_drift"] if each.name == "schema_differences" else None
    return Result(
        name=each.name,
        why=each.why,
        severity=each.severity,
        low=each.low,
        high=each.high,
        success=not unexpected,
        observed=observed,
        unexpected=unexpected,
        examples=examples,
        detail="not measured" if observed is None else drift,
    )


def _examples(table: pl.DataFrame, failing: pl.Series, of: tuple[str, str], measure: str) -> list[dict[str, Any]]:
    """The first failing subjects of a partition."""
    if not failing.any():
        return []
    venue, period = of
    subjects = table.filter(failing, pl.col("scope") != PARTITION, venue=venue, period=period)
    return subjects.head(EXAMPLES).select("subject", value=measure).to_dicts()


def _outcome(suite: Suite, results: tuple[Result, ...], metrics: dict[str, float]) -> Outcome:
    failed = {result.severity for result in results if not result.success}
    return Outcome(
        suite=suite.name,
        suite_hash=suite.hash,
        passed=not failed,
        severity=Severity.WARN if failed == {Severity.WARN} else Severity.ERROR,
        results=results,
        metrics=metrics,
    )
