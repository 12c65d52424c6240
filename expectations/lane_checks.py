"""Judge what a day of lanes is: every opportunity decided once, every paper position paid for, and families that hold
exactly what was decided."""

import sys
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import polars as pl

from expectations.declared_checks import hash_by, judge
from expectations.evaluate import Outcome
from expectations.suites import Suite, of_partition
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.lanes.spec import LaneSpec

_AS_DECLARED = of_partition("schema_differences", "Columns and types are exactly the declared ones")
_ROUNDED = 1e-9
"""What Float64 may leave of a sum of prices."""

SUITES = {
    "baskets": Suite(
        "baskets",
        (
            _AS_DECLARED,
            of_partition("repeated", "No basket stands twice"),
            of_partition("floorless", "Every basket has legs and pays something for certain"),
            of_partition("unsure", "A basket that rests on a guess cannot be traded"),
        ),
    ),
    "opportunities": Suite(
        "opportunities",
        (
            _AS_DECLARED,
            of_partition("repeated", "No opportunity stands twice"),
            of_partition("edge_off", "Edge is the floor less what legs and fees cost"),
            of_partition("not_finite", "No number is missing, NaN or infinite"),
        ),
    ),
    "decisions": Suite(
        "decisions",
        (
            _AS_DECLARED,
            of_partition("repeated", "No opportunity is decided twice"),
            of_partition("undecided", "Every opportunity is decided, and nothing else"),
            of_partition("unexplained", "What is refused has a reason, what is taken passed every gate"),
            of_partition("unsized", "What is taken has a size, what is refused has none"),
        ),
    ),
    "lane_fills": Suite(
        "lane_fills",
        (
            _AS_DECLARED,
            of_partition("repeated", "No fill stands twice"),
            of_partition("not_positive", "Every fill has a size, and a price within 0..1"),
            of_partition("strangers", "Every fill is of a position of the day"),
        ),
    ),
    "lane_positions": Suite(
        "lane_positions",
        (
            _AS_DECLARED,
            of_partition("repeated", "No position stands twice"),
            of_partition("overfilled", "No position holds more units than were decided"),
            of_partition("unopened", "What was taken on the day is what was opened on it"),
            of_partition(
                "families_off", "Each family has as many positions, of as many units, as were decided, exactly"
            ),
        ),
    ),
}
"""What the partitions of a set of lanes are judged by, by dataset."""


def found_by(declared: Iterable[LaneSpec]) -> dict[tuple[str, str], str]:
    """By set of lanes and dataset, the hash of what a partition is judged by now."""
    by = sys.modules[__name__]
    return {(one.name, name): hash_by(suite, by, None) for one in declared for name, suite in SUITES.items()}


def judge_lanes(lake: Lake, spec: LaneSpec, published: Iterable[Publication]) -> dict[PartitionKey, Outcome]:
    """Judge the partitions of a set of lanes, each beside what was published with it, and record the verdicts."""
    all_of_it = list(published)

    def measure(of: Publication, rows: pl.DataFrame) -> Mapping[str, float | None]:
        def beside(dataset: str) -> pl.DataFrame:
            key = PartitionKey(dataset, of.key.venue, of.key.period)
            return lake.scan([lake.catalog.currents([key])[key]]).collect()

        return {
            "baskets": lambda: _of_baskets(rows),
            "opportunities": lambda: _of_opportunities(rows),
            "decisions": lambda: _of_decisions(rows, beside("opportunities")),
            "lane_fills": lambda: _of_fills(rows, beside("lane_positions")),
            "lane_positions": lambda: _of_positions(rows, beside("decisions"), of.key.date),
        }[of.key.dataset]()

    return judge(lake, all_of_it, SUITES, found_by([spec]), measure)


def _of_baskets(baskets: pl.DataFrame) -> dict[str, float]:
    guessed = pl.col("source").is_in(["heuristic", "fallback", "scored"]) & pl.col("is_tradable")
    return {
        "repeated": _repeated(baskets, "basket_id"),
        "floorless": _count(baskets, (pl.col("legs") < 1) | (pl.col("floor") <= 0)),
        "unsure": _count(baskets, guessed),
    }


def _of_opportunities(found: pl.DataFrame) -> dict[str, float]:
    numbers = ("confidence", "floor", "cost", "fees", "edge", "depth")
    off = (pl.col("floor") - pl.col("cost") - pl.col("fees") - pl.col("edge")).abs() > _ROUNDED
    return {
        "repeated": _repeated(found, "opportunity_id"),
        "edge_off": _count(found, off),
        "not_finite": _count(found, ~pl.all_horizontal(pl.col(numbers).is_finite())),
    }


def _of_decisions(decisions: pl.DataFrame, found: pl.DataFrame) -> dict[str, float]:
    passed = pl.col("gates").list.eval(pl.element().struct.field("passed")).list.all()
    explained = pl.when("is_taken").then(passed & pl.col("reason").is_null()).otherwise(pl.col("reason") != "")
    undecided = decisions.join(found, on="opportunity_id", how="anti").height
    return {
        "repeated": _repeated(decisions, "opportunity_id"),
        "undecided": float(undecided + found.join(decisions, on="opportunity_id", how="anti").height),
        "unexplained": _count(decisions, ~explained),
        "unsized": _count(decisions, pl.col("is_taken") != (pl.col("size") > 0)),
    }


def _of_fills(fills: pl.DataFrame, positions: pl.DataFrame) -> dict[str, float]:
    return {
        "repeated": _repeated(fills, "opportunity_id", "fill"),
        "not_positive": _count(fills, (pl.col("size") <= 0) | (pl.col("price") < 0) | (pl.col("price") > 1)),
        "strangers": float(fills.join(positions, on="opportunity_id", how="anti").height),
    }


def _of_positions(positions: pl.DataFrame, decisions: pl.DataFrame, day: date) -> dict[str, float]:
    opened = positions.filter(pl.col("ts_open").dt.date() == day)
    taken = decisions.filter("is_taken")
    by_family = pl.len().alias("rows"), pl.col("size").sum()
    decided = taken.group_by("family").agg(by_family)
    held = opened.group_by("family").agg(by_family)
    return {
        "repeated": _repeated(positions, "opportunity_id"),
        "overfilled": _count(positions, pl.col("filled") > pl.col("size")),
        "unopened": float(len(set(opened["opportunity_id"]) ^ set(taken["opportunity_id"]))),
        "families_off": float(decided.join(held, on=decided.columns, how="anti").height)
        + float(held.join(decided, on=held.columns, how="anti").height),
    }


def _repeated(rows: pl.DataFrame, *key: str) -> float:
    return float(rows.height - rows.select(key).n_unique()) if rows.height else 0.0


def _count(rows: pl.DataFrame, condition: Any) -> float:
    return float(rows.select(condition.fill_null(True).sum()).item() or 0)
