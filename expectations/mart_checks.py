"""Judge days of the KPI mart against their suite and write the verdicts into the catalog."""

from collections.abc import Mapping
from datetime import UTC, datetime

from expectations.checks import verdict
from expectations.context import JUDGED, KPI_DATA_QUALITY, Context, Partition
from expectations.evaluate import Outcome, evaluate
from expectations.profiles import profile
from expectations.suites import SUITES
from tickline.kpi.freshness import mart_key
from tickline.kpi.marts import Marts, connect
from tickline.lake.lake import Lake

MART_SUITE = SUITES[KPI_DATA_QUALITY]
"""What a day of the marts is judged by."""


def judge_mart_days(lake: Lake, place: Marts, built: Mapping[str, str]) -> dict[str, Outcome]:
    """Judge days just built, each with the hash of its inputs, as they read in the warehouse; by day."""
    if not built:
        return {}
    columns = JUDGED[KPI_DATA_QUALITY].columns
    with connect(place) as warehouse:
        rows = warehouse.execute(f"select {', '.join(columns)} from {KPI_DATA_QUALITY}").pl()  # noqa: S608 - our names
    by_day = rows.cast(dict(columns)).sort("venue").partition_by("day", as_dict=True)  # type: ignore[arg-type]
    days = {day.isoformat(): frame for (day,), frame in by_day.items() if day.isoformat() in built}
    empty = rows.clear().cast(dict(columns))  # type: ignore[arg-type]
    partitions = [
        Partition(mart_key(day), (frame := days.get(day, empty)).lazy(), frame.height) for day in sorted(built)
    ]
    outcomes = evaluate(MART_SUITE, profile(partitions, Context()))
    evaluated_at = datetime.now(UTC)
    lake.catalog.record_verdicts(
        verdict(mart_key(day), sha256, outcomes[mart_key(day)], evaluated_at) for day, sha256 in built.items()
    )
    return {key.period: outcome for key, outcome in outcomes.items()}
