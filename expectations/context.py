"""What is judged, and against what: partitions, and the instruments, sessions and floors they must agree with."""

from dataclasses import dataclass, field

import polars as pl

from tickline.lake.keys import PartitionKey
from tickline.lake.lane_schemas import LANES
from tickline.lake.market_schemas import MAPPINGS, MARKET_STAGE
from tickline.lake.schema import Schema
from tickline.lake.schemas import BACKTESTS, CARRIED, DATASETS, INSTRUMENTS, SESSIONS

KPI_DATA_QUALITY = "kpi_data_quality_daily"
_UNJUDGED = {"allocations", "signals", "identification", *MARKET_STAGE, *MAPPINGS, *LANES}

JUDGED: dict[str, Schema] = {
    name: schema
    for name, schema in DATASETS.items()
    if name not in CARRIED and name not in BACKTESTS and name not in _UNJUDGED and not name.startswith("gaps_")
} | {
    KPI_DATA_QUALITY: Schema(
        {
            "venue": pl.String(),
            "day": pl.Date(),
            "raw_rows": pl.Int64(),
            "clean_rows": pl.Int64(),
            "quarantined_rows": pl.Int64(),
            "duplicate_rows": pl.Int64(),
            "clean_ratio": pl.Float64(),
            "session_minutes": pl.Int64(),
            "bar_minutes": pl.Int64(),
            "coverage": pl.Float64(),
            "worst_p50_ms": pl.Float64(),
            "worst_p95_ms": pl.Float64(),
            "worst_p99_ms": pl.Float64(),
            "gaps": pl.Int64(),
            "gap_minutes": pl.Float64(),
            "median_spread_bps": pl.Float64(),
            "trades": pl.Int64(),
            "quotes": pl.Int64(),
        },
        ("venue", "day"),
    )
}
"""Every dataset of a venue that has a suite, with the columns it must have."""


@dataclass(frozen=True, slots=True)
class Siblings:
    """Row counts of the partitions a clean one must add up with: raw = clean + quarantine.

    `duplicates` are those rows of the quarantine that repeat another.
    """

    raw: int
    quarantine: int
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition to judge: its rows to scan, and how many the catalog says there are."""

    key: PartitionKey
    frame: pl.LazyFrame
    rows: int
    siblings: Siblings | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a venue's partitions are judged against.

    `instruments` and `sessions` are the venue's (rows of INSTRUMENTS and SESSIONS; every venue's for the marts) and
    may span more days than are judged. `min_rows` is the least a partition with a regular session may hold,
    `min_rows_each` the same for each instrument, `min_clean_ratio` the share of its raw rows (duplicates aside) that
    should come out clean, `min_coverage` the share of an instrument's regular windows that should have a bar.
    `max_cross_bps` is how far the firewall lets a bid stand above its ask. `conditions` says that sale conditions
    keep some prints from setting prices, so that a vwap may lie outside [low, high].
    """

    instruments: pl.DataFrame = field(default_factory=INSTRUMENTS.empty)
    sessions: pl.DataFrame = field(default_factory=SESSIONS.empty)
    min_rows: int = 1
    min_rows_each: int = 0
    min_clean_ratio: float = 0.9995
    min_coverage: float = 0.0
    max_cross_bps: float = 0.0
    conditions: bool = False
