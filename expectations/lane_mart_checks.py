"""Judge days of the lanes' marts: what they add up to, and whether anything follows from it.

A day on which a lane's result turns with one trade is not wrong, but no conclusion stands on it: it is a warning.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from expectations.checks import verdict
from expectations.declared_checks import hash_by
from expectations.evaluate import Outcome, evaluate
from expectations.mart_checks import MART_SUITE
from expectations.profiles import PARTITION
from expectations.suites import Severity, Suite, of_partition
from tickline.kpi.marts import Marts, connect
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake

KPI_LANE_EDGE = "kpi_lane_edge_daily"

SUITE = Suite(
    KPI_LANE_EDGE,
    (
        of_partition("unreconciled_lanes", "A lane's result is that of its families, to the last digit"),
        replace(
            of_partition("inconclusive_lanes", "No lane's result turns by one trade, or without micro prices"),
            severity=Severity.WARN,
        ),
    ),
)
"""What a day of the lanes' marts is judged by."""

SUITE_HASH = hash_by(SUITE, sys.modules[__name__], None)

JUDGED_BY = hashlib.sha256(f"{MART_SUITE.hash} {SUITE_HASH}".encode()).hexdigest()
"""The hash of everything that a day of the marts is judged by."""

_MEASURED = """
with
families as (
    select lane_set, day, lane, sum(realised_edge) as realised, sum(closed) as trades
    from kpi_lane_families_daily
    group by lane_set, day, lane
    having sum(closed) > 0
),
edges as (
    select lane_set, day, lane, realised, trades, is_conclusive
    from kpi_lane_edge_daily
    where variant = 'raw'
)
select
    cast(coalesce(edges.day, families.day) as varchar) as period,
    cast(count(*) filter (
        where edges.realised is distinct from families.realised or edges.trades is distinct from families.trades
    ) as double) as unreconciled_lanes,
    cast(count(*) filter (where not edges.is_conclusive) as double) as inconclusive_lanes
from edges
full join families using (lane_set, day, lane)
group by period
"""


def judge_lane_days(lake: Lake, place: Marts, built: Mapping[str, str]) -> dict[str, Outcome]:
    """Judge days just built, each with the hash of its inputs, as they read in the warehouse; by day.

    A day on which no lane closed anything is green: there is nothing to conclude.
    """
    if not built:
        return {}
    with connect(place) as warehouse:
        measured = warehouse.execute(_MEASURED).pl()
    days = pl.DataFrame({"period": sorted(built)})
    profiles = days.join(measured, on="period", how="left").with_columns(
        pl.col("unreconciled_lanes", "inconclusive_lanes").fill_null(0.0),
        venue=pl.lit(_key("").venue),
        scope=pl.lit(PARTITION),
    )
    outcomes = {key: replace(one, suite_hash=SUITE_HASH) for key, one in evaluate(SUITE, profiles).items()}
    at = datetime.now(UTC)
    lake.catalog.record_verdicts(
        verdict(_key(day), sha256, outcomes[_key(day)], at) for day, sha256 in sorted(built.items())
    )
    return {key.period: one for key, one in outcomes.items()}


def _key(day: str) -> PartitionKey:
    return PartitionKey(KPI_LANE_EDGE, "all", day)
