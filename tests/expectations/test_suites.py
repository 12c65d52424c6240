"""Every suite passes flawless rows, and every way to be wrong fails the expectations that name it and no other."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from expectations.context import JUDGED, Context, Siblings
from expectations.evaluate import Outcome, evaluate
from expectations.profiles import profile
from expectations.suites import SUITES, Expectation, Severity, Suite
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import TIMEFRAMES

Change = Callable[[pl.DataFrame], pl.DataFrame]


def put(column: str, value: object, row: int = 3) -> Change:
    """The frame with one cell overwritten; the rows keep their places."""

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        cell = value(rows[column][row]) if callable(value) else value
        here = pl.int_range(pl.len()) == row % rows.height
        return rows.with_columns(pl.when(here).then(pl.lit(cell, rows.schema[column])).otherwise(column).alias(column))

    return change


def blank(column: str, value: object = None) -> Change:
    return lambda rows: rows.with_columns(pl.lit(value, rows.schema[column]).alias(column))


def swap(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows[:2], rows[3], rows[2], rows[4:]])


def again(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows[:4], rows[3:]])


def empty(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.clear()


NAN, INF = float("nan"), float("inf")
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)

CASES: list[tuple[str, str, Change, set[str]]] = [
    *[(dataset, "flawless", lambda rows: rows, set()) for dataset in SUITES],
    *[(f"raw_{feed}", "no rows", empty, {"rows_short"}) for feed in ("trades", "quotes", "book", "markets")],
    *[(f"raw_{feed}", "unsorted", swap, {"out_of_order"}) for feed in ("trades", "quotes", "book")],
    ("raw_trades", "prices all NaN", blank("price", NAN), {"blank_columns"}),
    ("raw_trades", "sizes all null", blank("size"), {"blank_columns"}),
    ("raw_quotes", "asks all null", blank("ask"), {"blank_columns"}),
    ("raw_book", "sides all null", blank("side"), {"blank_columns"}),
    ("raw_markets", "titles all null", blank("title"), {"blank_columns"}),
    ("raw_trades", "one NaN is the firewall's to refuse", put("price", NAN), set()),
    ("clean_trades", "no rows", empty, {"rows_short"}),
    ("clean_trades", "null price", put("price", None), {"nulls"}),
    ("clean_trades", "NaN price", put("price", NAN), {"not_finite"}),
    ("clean_trades", "NaN size", put("size", NAN), {"not_finite"}),
    ("clean_trades", "prices all NaN", blank("price", NAN), {"not_finite"}),
    ("clean_trades", "negative price", put("price", -100.01), {"not_positive"}),
    ("clean_trades", "zero size", put("size", 0.0), {"not_positive"}),
    ("clean_trades", "price between ticks", put("price", 100.013), {"off_grid"}),
    ("clean_trades", "size between lots", put("size", 1.5), {"off_grid"}),
    ("clean_trades", "unlisted instrument", put("instrument", "AA", 19), {"unknown_instruments"}),
    ("clean_trades", "another day", put("ts_event", lambda ts: ts + DAY, 19), {"outside_day"}),
    ("clean_trades", "before the open", put("ts_event", lambda ts: ts - timedelta(hours=7), 0), {"outside_session"}),
    ("clean_trades", "unsorted", swap, {"out_of_order"}),
    ("clean_trades", "trade id twice", put("trade_id", "7"), {"duplicates"}),
    ("clean_trades", "raw row twice", put("raw_row", 7), {"repeated_rows"}),
    ("clean_trades", "row twice", again, {"duplicates", "repeated_rows"}),
    ("clean_trades", "unknown side", put("side", "short"), {"unknown_sides"}),
    ("clean_trades", "side unsaid", put("side", None), set()),
    ("clean_trades", "no trade ids", blank("trade_id"), set()),
    ("clean_quotes", "no rows", empty, {"rows_short"}),
    ("clean_quotes", "one side missing", put("bid", None), {"nulls"}),
    ("clean_quotes", "infinite size", put("bid_size", INF), {"not_finite"}),
    ("clean_quotes", "no sizes", blank("bid_size"), set()),
    ("clean_quotes", "crossed", put("ask", 99.0), {"crossed"}),
    ("clean_quotes", "locked is the firewall's", put("ask", 100.01), set()),
    ("clean_quotes", "after the close", put("ts_event", lambda ts: ts - timedelta(hours=12), 0), {"outside_session"}),
    ("clean_book", "no rows", empty, {"rows_short"}),
    ("clean_book", "negative size", put("size", -1.0), {"not_positive"}),
    ("clean_book", "zero price", put("price", 0.0), {"not_positive"}),
    ("clean_book", "unknown kind", put("kind", "patch"), {"unknown_sides"}),
    ("clean_book", "no epoch", put("epoch", None), {"nulls"}),
    ("clean_book", "while closed", put("ts_event", lambda ts: ts - timedelta(hours=12), 0), set()),
    ("quarantine_trades", "no rows", empty, set()),
    ("quarantine_trades", "no rule", put("rule", None), {"nulls"}),
    ("quarantine_quotes", "raw row twice", put("raw_row", 7), {"repeated_rows"}),
    ("quarantine_book", "unsorted", swap, {"out_of_order"}),
    *[(f"bars_{timeframe}", "no rows", empty, {"rows_short"}) for timeframe in TIMEFRAMES],
    ("bars_1m", "shifted", put("ts_open", lambda ts: ts + SECOND), {"misaligned", "misplaced_prints"}),
    ("bars_1m", "beyond the close", put("ts_close", lambda ts: ts + SECOND, -1), {"misaligned"}),
    (
        "bars_5m",
        "of another timeframe",
        put("ts_close", lambda ts: ts - 240 * SECOND, 0),
        {"misaligned", "misplaced_prints"},
    ),
    ("bars_1h", "in another segment", put("segment", "post"), {"misaligned"}),
    ("bars_1d", "of another session", put("session_date", lambda day: day + DAY, 0), {"misaligned"}),
    ("bars_1w", "half a week", put("ts_close", lambda ts: ts - DAY, 0), {"misaligned", "misplaced_prints"}),
    ("bars_1m", "bar twice", again, {"duplicates"}),
    ("bars_1m", "unsorted", swap, {"out_of_order"}),
    ("bars_1m", "high below low", put("high", 100.0), {"high_below_low", "outside_range", "vwap_outside"}),
    ("bars_1m", "open above high", put("open", 100.02), {"outside_range"}),
    ("bars_1m", "bid close below low", put("bid_close", 100.0), {"outside_range"}),
    ("bars_1m", "vwap above high", put("vwap", 100.02), {"vwap_outside"}),
    ("bars_1m", "negative volume", put("volume", -1.0), {"negative"}),
    ("bars_1m", "NaN high", put("high", NAN), {"not_finite"}),
    ("bars_1m", "infinite vwap", put("vwap", INF), {"not_finite", "vwap_outside"}),
    ("bars_1m", "between ticks", lambda rows: put("open", 100.013)(put("high", 100.02)(rows)), {"off_grid"}),
    ("bars_1m", "ask below bid", lambda rows: put("ask_low", 90.0)(put("ask_open", 90.0)(rows)), {"crossed"}),
    ("bars_1m", "no ticks", lambda rows: put("trades", 0)(put("quotes", 0)(rows)), {"empty_bars"}),
    ("bars_1m", "counts unsaid", lambda rows: put("trades", None)(put("quotes", None)(rows)), {"empty_bars"}),
    ("bars_1m", "last print after the bar", put("ts_last", lambda ts: ts + SECOND), {"misplaced_prints"}),
    ("bars_1m", "unlisted", put("instrument", "C", -1), {"unknown_instruments", "misaligned"}),
    ("bars_1m", "may set no price", lambda rows: put("open", None)(put("vwap", None)(rows)), set()),
    ("sessions", "no rows", empty, {"rows_short"}),
    ("sessions", "closes before it opens", put("close", lambda ts: ts - 2 * DAY, -1), {"empty_sessions"}),
    ("sessions", "overlap", put("close", lambda ts: ts + SECOND, 0), {"overlaps"}),
    ("sessions", "unknown segment", put("segment", "lunch"), {"unknown_segments"}),
    ("sessions", "far away", put("session_date", lambda day: day + 9 * DAY), {"far_from_date"}),
    ("sessions", "calendar missing", lambda rows: rows.filter(calendar="always"), {"rows_short"}),
    ("instruments", "no rows", empty, {"rows_short"}),
    ("instruments", "listed twice", lambda rows: pl.concat([rows, rows[1]]), {"duplicates"}),
    ("instruments", "NaN tick", put("tick_size", NAN, 0), {"not_finite"}),
    ("instruments", "no lot", put("lot_size", 0.0, 0), {"not_positive"}),
    ("instruments", "no calendar", put("calendar", None, 0), {"nulls"}),
    ("kpi_data_quality_daily", "venue missing", empty, {"rows_short"}),
    ("kpi_data_quality_daily", "rows lost", put("clean_rows", 89, 0), {"unreconciled_rows"}),
    ("kpi_data_quality_daily", "ratio above one", put("coverage", 1.01, 0), {"ratio_above_one"}),
    ("kpi_data_quality_daily", "NaN ratio", put("clean_ratio", NAN, 0), {"not_finite", "ratio_above_one"}),
    ("kpi_data_quality_daily", "percentiles fall", put("worst_p50_ms", 2.5, 0), {"unordered_percentiles"}),
    ("kpi_data_quality_daily", "another day", put("day", lambda day: day + DAY, 0), {"outside_day"}),
    ("kpi_data_quality_daily", "no latency known", put("worst_p50_ms", None, 0), set()),
]


def failures(outcome: Outcome) -> set[str]:
    return {result.name for result in outcome.results if not result.success}


@pytest.fixture(scope="module")
def judged(world) -> dict[tuple[str, str], Outcome]:
    """Every case as a partition of a venue of its own, so that GX runs once a dataset."""
    tables: dict[str, list[pl.DataFrame]] = {}
    for dataset, case, change, _ in CASES:
        partition = world.partition(dataset, change)
        named = replace(partition, key=replace(partition.key, venue=case))
        tables.setdefault(dataset, []).append(profile([named], world.context))
    outcomes = {}
    for dataset, profiles in tables.items():
        for key, outcome in evaluate(SUITES[dataset], pl.concat(profiles, how="diagonal")).items():
            outcomes[dataset, key.venue] = outcome
    return outcomes


@pytest.mark.parametrize(("dataset", "case", "expected"), [(d, c, e) for d, c, _, e in CASES])
def test_a_flaw_fails_what_names_it(dataset, case, expected, judged):
    assert failures(judged[dataset, case]) == expected
    assert judged[dataset, case].passed == (not expected)
    assert judged[dataset, case].severity is Severity.ERROR


DRIFTS: dict[str, Change] = {
    "missing": lambda rows: rows.drop("price"),
    "renamed": lambda rows: rows.rename({"price": "px"}),
    "unexpected": lambda rows: rows.with_columns(extra=1),
    "retyped": lambda rows: rows.with_columns(pl.col("price").cast(pl.Float32)),
    "as text": lambda rows: rows.with_columns(pl.col("price").cast(pl.String)),
    "without a zone": lambda rows: rows.with_columns(pl.col("ts_event").dt.replace_time_zone(None)),
    "reordered": lambda rows: rows.select(reversed(rows.columns)),
    "no columns": lambda rows: rows.select(),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_drifted_schema_fails_everything_and_says_how(drift, world):
    partition = world.partition("clean_trades", DRIFTS[drift])

    (outcome,) = evaluate(SUITES["clean_trades"], profile([partition], world.context)).values()

    assert failures(outcome) == {result.name for result in outcome.results}
    schema = next(result for result in outcome.results if result.name == "schema_differences")
    assert "ts_event" in schema.detail or "price" in schema.detail or "extra" in schema.detail
    assert {result.detail for result in outcome.results} == {schema.detail, "not measured"}


@pytest.mark.parametrize("dataset", ["raw_trades", "clean_trades", "bars_1m", "bars_1w"])
def test_a_day_without_a_session_may_be_empty(dataset, world):
    closed = Context(world.context.instruments.filter(instrument="A"), world.context.sessions)
    partition = world.partition(dataset, empty)
    saturday = replace(partition, key=replace(partition.key, period="2026-03-07"), siblings=Siblings(0, 0))

    (outcome,) = evaluate(SUITES[dataset], profile([saturday], closed)).values()

    assert outcome.passed, failures(outcome)


@pytest.mark.parametrize("lost", ["sessions", "instruments"])
def test_an_empty_day_is_not_taken_for_a_holiday_where_the_calendar_is_not_known(lost, world):
    blind = replace(world.context, **{lost: getattr(world.context, lost).clear()})
    saturday = replace(world.partition("raw_trades", empty), key=PartitionKey("raw_trades", "v", "2026-03-07"))

    (outcome,) = evaluate(SUITES["raw_trades"], profile([saturday], blind)).values()

    assert failures(outcome) == {"rows_short"}


def test_a_quiet_instrument_fails_its_own_floor(world):
    context = replace(world.context, min_rows_each=20)
    partition = world.partition("clean_trades", lambda rows: rows.filter(instrument="A"))

    (outcome,) = evaluate(SUITES["clean_trades"], profile([partition], context)).values()

    assert failures(outcome) == {"rows_short"}
    (short,) = [result for result in outcome.results if not result.success]
    assert short.examples == [{"subject": "B", "value": 20.0}]


def test_a_floor_one_above_the_rows_fails_the_partition(world):
    for floor, passed in ((40, True), (41, False)):
        context = replace(world.context, min_rows=floor)
        (outcome,) = evaluate(SUITES["raw_trades"], profile([world.partition("raw_trades")], context)).values()
        assert outcome.passed is passed


@pytest.mark.parametrize(
    ("siblings", "expected"),
    [
        (Siblings(raw=43, quarantine=3, duplicates=3), set()),
        (Siblings(raw=44, quarantine=3, duplicates=4), {"unreconciled"}),
        (Siblings(raw=42, quarantine=3, duplicates=2), {"unreconciled"}),
        (None, {"unreconciled", "clean_ratio_short"}),
    ],
)
def test_raw_is_clean_plus_quarantine_exactly(siblings, expected, world):
    partition = replace(world.partition("clean_trades"), siblings=siblings)

    (outcome,) = evaluate(SUITES["clean_trades"], profile([partition], world.context)).values()

    assert failures(outcome) == expected


def test_too_few_clean_rows_warn_but_do_not_block(world):
    partition = replace(world.partition("clean_trades"), siblings=Siblings(raw=41, quarantine=1))

    (outcome,) = evaluate(SUITES["clean_trades"], profile([partition], world.context)).values()

    assert (outcome.passed, outcome.severity, failures(outcome)) == (False, Severity.WARN, {"clean_ratio_short"})
    assert outcome.metrics["clean_ratio"] == 40 / 41
    (lenient,) = evaluate(
        SUITES["clean_trades"], profile([partition], replace(world.context, min_clean_ratio=40 / 41))
    ).values()
    assert lenient.passed


def test_missing_bars_warn_where_a_coverage_is_asked_for(world):
    context = replace(world.context, min_coverage=0.9)
    partition = world.partition("bars_1m", lambda rows: rows.filter(pl.int_range(pl.len()).over("instrument") % 2 == 0))

    (outcome,) = evaluate(SUITES["bars_1m"], profile([partition], context)).values()

    assert (outcome.severity, failures(outcome)) == (Severity.WARN, {"coverage_short"})
    # Regular windows: 390 of A, 1440 of B; every other bar is there.
    assert outcome.metrics["windows"] == 390 + 1440
    assert outcome.metrics["coverage"] == 0.5


def test_sale_conditions_let_a_vwap_leave_the_range(world):
    partition = world.partition("bars_1m", put("vwap", 100.02))

    (outcome,) = evaluate(SUITES["bars_1m"], profile([partition], replace(world.context, conditions=True))).values()

    assert outcome.passed


def test_a_merged_feed_may_cross_itself_as_far_as_its_firewall_allows(world):
    partition = world.partition("clean_quotes", put("ask", 99.99))  # 2 bps below a bid of 100.01
    for allowed, passed in ((3.0, True), (1.0, False)):
        context = replace(world.context, max_cross_bps=allowed)
        (outcome,) = evaluate(SUITES["clean_quotes"], profile([partition], context)).values()
        assert outcome.passed is passed


def test_every_judged_dataset_has_a_suite_named_after_it():
    assert SUITES.keys() == JUDGED.keys()
    assert all(suite.name == dataset for dataset, suite in SUITES.items())


def test_no_suite_tolerates_a_share_of_errors():
    blocking = [each for suite in SUITES.values() for each in suite.expectations if each.severity is Severity.ERROR]
    assert {(each.low, each.high) for each in blocking} == {(0, 0)}


def test_the_hash_follows_the_bounds_the_columns_and_the_measuring_code(monkeypatch):
    suite = Suite("clean_trades", (Expectation("nulls", "none"),))
    hashes = {
        suite.hash,
        Suite("clean_quotes", suite.expectations).hash,
        Suite("clean_trades", (Expectation("nulls", "none", high=1),)).hash,
        Suite("clean_trades", (Expectation("nulls", "none", severity=Severity.WARN),)).hash,
    }
    assert Suite("clean_trades", (Expectation("nulls", "none"),)).hash == suite.hash
    monkeypatch.setattr("expectations.suites.code_version", lambda: "other")
    hashes.add(suite.hash)
    assert len(hashes) == 5


def test_the_hash_needs_neither_gx_nor_luck():
    code = "import sys; from expectations.suites import SUITES; print(SUITES['bars_1m'].hash, *sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert printed[0] == SUITES["bars_1m"].hash
    assert "great_expectations" not in printed
