"""Judge what a portfolio's weights are: whole, within what the portfolio declares, and weighed by real closes."""

import sys
from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from expectations.declared_checks import hash_by, judge
from expectations.evaluate import Outcome
from expectations.suites import Severity, Suite, of_partition
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.sizing.portfolio import PortfolioSpec

_NUMBERS = ("base_weight", "exposure", "weight", "volatility", "risk_share", "price", "notional", "size")
_ROUNDED = 1e-9
"""What rounding each weight may leave of a sum."""

SUITE = Suite(
    "allocations",
    (
        of_partition("schema_differences", "Columns and types are exactly the declared ones"),
        of_partition("strangers", "Every instrument of the portfolio stands once, and no other"),
        of_partition("not_finite", "No number is missing, NaN or infinite"),
        replace(of_partition("base_off", "The method's weights add up to 1"), high=_ROUNDED),
        replace(of_partition("risk_off", "The shares of risk add up to 1"), high=_ROUNDED),
        of_partition("over_exposed", "Exposure lies between none and what the overlays allow"),
        of_partition("over_cap", "No weight is above the portfolio's cap"),
        of_partition("overweight", "No weight is further from nothing than the method and the exposure say"),
        of_partition("over_notional", "No size is worth more than its weight of the capital"),
        replace(
            of_partition("thin", "Nine in ten of the prices of each instrument are closes of its own"),
            severity=Severity.WARN,
        ),
    ),
)
"""What a portfolio's partitions are judged by."""


def weighed_by(portfolios: Iterable[PortfolioSpec]) -> dict[tuple[str, str], str]:
    """By portfolio and dataset, the hash of what a partition is judged by now: the suite, and what is declared."""
    by = sys.modules[__name__]
    return {
        (spec.name, SUITE.dataset): hash_by(SUITE, by, [spec.instruments, spec.cap, spec.max_exposure])
        for spec in portfolios
    }


def judge_allocations(lake: Lake, spec: PortfolioSpec, published: Iterable[Publication]) -> dict[PartitionKey, Outcome]:
    """Judge a portfolio's partitions, and record the verdicts."""
    hashes = weighed_by([spec])
    return judge(lake, published, {SUITE.dataset: SUITE}, hashes, lambda _, weights: measures_of(spec, weights))


def measures_of(spec: PortfolioSpec, weights: pl.DataFrame) -> dict[str, float]:
    """What the suite bounds, of the rows of one session."""
    whole = pl.col("base_weight") * pl.col("exposure")
    worth = pl.col("size").cast(pl.Float64).abs() * pl.col("price")
    counted = weights.select(
        not_finite=pl.sum_horizontal((~pl.col(name).cast(pl.Float64).is_finite()).fill_null(True) for name in _NUMBERS),
        over_exposed=~pl.col("exposure").is_between(0, spec.max_exposure),
        over_cap=pl.col("weight").abs() > spec.cap + _ROUNDED,
        overweight=(pl.col("weight").abs() > whole.abs() + _ROUNDED) | (pl.col("weight") * whole < 0),
        over_notional=worth > pl.col("notional").cast(pl.Float64).abs() * (1 + _ROUNDED),
        thin=pl.col("closes") < 0.9 * (pl.col("returns") + 1),
    ).sum()
    names = weights["instrument"].to_list()
    return {name: float(value or 0) for name, value in counted.row(0, named=True).items()} | {
        "strangers": float(len(set(names) ^ set(spec.instruments)) + len(names) - len(set(names))),
        "base_off": abs(float(weights["base_weight"].sum()) - 1),
        "risk_off": abs(float(weights["risk_share"].sum()) - 1),
    }
