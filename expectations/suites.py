"""The suites: what every partition of a dataset is expected to be, declared once and judged by Great Expectations.

An expectation bounds one measure of the profile. ERROR stops what is made from the partition; it is exact, never
`mostly`. WARN is a measure of quality below its goal: the partition is right, but not good.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import orjson

from expectations.context import JUDGED, KPI_DATA_QUALITY
from expectations.profiles import PARTITION, SUBJECT, code_version
from tickline.lake.schema import Schema
from tickline.lake.schemas import DATASETS


class Severity(StrEnum):
    """How much a failure weighs."""

    ERROR = "ERROR"
    WARN = "WARN"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The measure of this name lies within bounds, both inclusive, in the profile's rows of some scopes."""

    name: str
    why: str
    scopes: tuple[str, ...] = (PARTITION, SUBJECT)
    low: float = 0
    high: float = 0
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Suite:
    """The expectations of one dataset."""

    dataset: str
    expectations: tuple[Expectation, ...]

    @property
    def name(self) -> str:
        """The suite's name in verdicts, checks and data docs: its dataset's."""
        return self.dataset

    @property
    def hash(self) -> str:
        """The sha256 of everything that decides an outcome: expectations, declared columns and measuring code."""
        # The columns of a mart are the SQL project's to declare, and it enforces them.
        schema = JUDGED.get(self.dataset) or DATASETS.get(self.dataset) or Schema({}, ())
        content = {
            "dataset": self.dataset,
            "columns": {name: str(dtype) for name, dtype in schema.columns.items()},
            "sort": schema.sort,
            "schema_version": schema.version,
            "measured_by": code_version(),
            "expectations": [asdict(expectation) for expectation in self.expectations],
        }
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def of_partition(name: str, why: str) -> Expectation:
    """An expectation of the partition as a whole."""
    return Expectation(name, why, (PARTITION,))


_PRESENT = (
    of_partition("schema_differences", "Columns and types are exactly the declared ones"),
    Expectation("rows_short", "As many rows as a day with a session must have"),
)
_SORTED = Expectation("out_of_order", "Rows stand in the dataset's sort order")
_COMPLETE = Expectation("nulls", "What a row cannot do without is there")
_FINITE = Expectation("not_finite", "No number is NaN or infinite")
_POSITIVE = Expectation("not_positive", "No price or size is zero or less")
_ON_GRID = Expectation("off_grid", "Prices and sizes are multiples of the instrument's tick and lot")
_LISTED = Expectation("unknown_instruments", "Every instrument is one the venue lists")
_UNIQUE = Expectation("duplicates", "No key stands twice")
_NOT_CROSSED = Expectation("crossed", "No bid stands above its ask")
_OF_DAY = Expectation("outside_day", "Every row belongs to the partition's day")
_ONCE = of_partition("repeated_rows", "No raw row came out twice")

_RAW = (
    *_PRESENT,
    _SORTED,
    of_partition("blank_columns", "No column a feed lives by is null or NaN throughout"),
)

_CLEAN = (
    *_PRESENT,
    _SORTED,
    _COMPLETE,
    _FINITE,
    _POSITIVE,
    _ON_GRID,
    _LISTED,
    _OF_DAY,
    _ONCE,
    of_partition("unreconciled", "Raw rows are clean and quarantined rows, no more and no fewer"),
    replace(
        of_partition("clean_ratio_short", "Nearly every row that is no duplicate is clean"), severity=Severity.WARN
    ),
)
_IN_SESSION = Expectation("outside_session", "Every row falls in a session of its instrument")
_SIDES = Expectation("unknown_sides", "Sides and kinds are among the known ones")

_BARS = (
    *_PRESENT,
    _SORTED,
    _COMPLETE,
    _UNIQUE,
    _LISTED,
    _FINITE,
    _POSITIVE,
    _ON_GRID,
    _NOT_CROSSED,
    Expectation("misaligned", "Every bar is a window of its session: from the open in steps, cut at the close"),
    Expectation("high_below_low", "No high lies below its low"),
    Expectation("outside_range", "Open and close lie in [low, high]"),
    Expectation("vwap_outside", "The vwap lies in [low, high]"),
    Expectation("negative", "No volume, turnover or count is negative"),
    Expectation("misplaced_prints", "First and last print lie in the bar's window, in this order"),
    Expectation("empty_bars", "A bar without a tick has no row"),
    Expectation("coverage_short", "Enough regular windows have a bar", severity=Severity.WARN),
)

_SESSIONS = (
    *_PRESENT,
    _SORTED,
    _COMPLETE,
    _UNIQUE,
    Expectation("empty_sessions", "Every session closes after it opens"),
    Expectation("overlaps", "No session opens before the one before it closed"),
    Expectation("unknown_segments", "Segments are pre, regular or post"),
    Expectation("far_from_date", "Sessions lie within three days of their date"),
)

_KPI = (
    *_PRESENT,
    _COMPLETE,
    _UNIQUE,
    _FINITE,
    _OF_DAY,
    Expectation("negative", "No count, ratio or spread is negative"),
    Expectation("unreconciled_rows", "Raw rows are clean, quarantined and duplicate rows"),
    Expectation("ratio_above_one", "Ratios are at most 1"),
    Expectation("unordered_percentiles", "Latency percentiles rise"),
)

SUITES: dict[str, Suite] = {
    dataset: Suite(dataset, expectations)
    for dataset, expectations in (
        ("raw_trades", _RAW),
        ("raw_quotes", _RAW),
        ("raw_book", _RAW),
        ("raw_markets", _RAW),
        ("clean_trades", (*_CLEAN, _UNIQUE, _IN_SESSION, _SIDES)),
        ("clean_quotes", (*_CLEAN, _IN_SESSION, _NOT_CROSSED)),
        ("clean_book", (*_CLEAN, _SIDES)),
        *((f"quarantine_{feed}", (*_PRESENT, _SORTED, _COMPLETE, _ONCE)) for feed in ("trades", "quotes", "book")),
        *((dataset, _BARS) for dataset in JUDGED if dataset.startswith("bars_")),
        ("sessions", _SESSIONS),
        ("instruments", (*_PRESENT, _SORTED, _COMPLETE, _UNIQUE, _FINITE, _POSITIVE)),
        (KPI_DATA_QUALITY, _KPI),
    )
}
"""Every suite by its dataset."""
