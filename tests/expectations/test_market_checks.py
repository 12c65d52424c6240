"""The suites of a venue's listings see what is wrong with them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from expectations.market_checks import SUITES, of_markets, of_quotes, of_refused, unreconciled
from tickline.lake.keys import PartitionKey
from tickline.lake.records import ObjectState, Publication
from tickline.lake.schemas import MARKETS
from tickline.markets.cleaning import Cleaned, clean
from tickline.reference.models import SourceSpec, Venue, VenueKind

DAY = date(2026, 3, 6)
NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
VENUE = Venue(
    name="somewhere", kind=VenueKind.PREDICTION, calendar="always", start=DAY, markets=SourceSpec(kind="synthetic")
)


def listed() -> Cleaned:
    """Two markets of one group, both quoted, and one that is closed."""
    rows = [
        {
            "instrument": name,
            "ts_recv": NOON,
            "event_id": "RACE",
            "market_id": name,
            "title": f"Will {name} win?",
            "outcome": "Yes",
            "status": status,
            "ts_open": NOON - timedelta(days=1),
            "ts_close": NOON + timedelta(days=1),
            "tick_size": 0.01,
            "bid": 0.4,
            "ask": 0.45,
            "payload": '{"exclusive_id": "RACE"}',
            "delivery": 0,
        }
        for name, status in (("A", "open"), ("B", "open"), ("C", "closed"))
    ]
    return clean(pl.DataFrame(rows, schema=MARKETS.columns), VENUE, DAY)


def put(name: str, value: Any) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Writes a value into the first row."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        first = pl.int_range(pl.len()) == 0
        return frame.with_columns(pl.when(first).then(pl.lit(value, frame.schema[name])).otherwise(name).alias(name))

    return change


def found(measured: dict[str, float | None]) -> set[str]:
    return {name for name, value in measured.items() if value}


def test_a_flawless_day_has_no_finding_and_every_measure_is_bounded() -> None:
    result = listed()
    measured = {
        "clean_markets": of_markets(result.markets),
        "market_quotes": of_quotes(result.quotes),
        "quarantine_markets": of_refused(result.quarantine),
    }
    for dataset, numbers in measured.items():
        assert found(numbers) == set()
        assert numbers.keys() <= {each.name for each in SUITES[dataset].expectations}


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda rows: pl.concat([rows, rows[:1]]), {"repeated"}),
        (put("version", 2), {"repeated"}),
        (put("title", None), {"incomplete", "unhashed"}),
        (put("yes_instrument", None), {"incomplete", "unhashed"}),
        (put("status", "odd"), {"strangers"}),
        (put("label", "surely"), {"strangers"}),
        (put("ts_open", NOON + timedelta(days=3)), {"disordered"}),
        (put("rules", "Yes, always."), {"unhashed"}),
        (put("fee_taker", 0.5), {"unhashed"}),
        (put("group_id", "alone"), {"lonely"}),
        (put("parent_id", "nobody"), {"lonely"}),
    ],
)
def test_what_is_wrong_with_markets_is_seen(change: Callable[[pl.DataFrame], pl.DataFrame], finding: set[str]) -> None:
    assert found(of_markets(change(listed().markets))) == finding


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda rows: pl.concat([rows, rows[:1]]), {"repeated"}),
        (put("yes_ask", 1.2), {"outside"}),
        (put("yes_bid", 0.0), {"outside"}),
        (put("yes_bid", float("nan")), {"outside", "crossed"}),
        (put("yes_bid", 0.6), {"crossed"}),
        (lambda rows: put("yes_ask", None)(put("yes_bid", None)(rows)), {"empty"}),
        (put("status", "settled"), {"not_trading"}),
        (put("status", None), {"not_trading"}),
    ],
)
def test_what_is_wrong_with_quotes_is_seen(change: Callable[[pl.DataFrame], pl.DataFrame], finding: set[str]) -> None:
    assert found(of_quotes(change(listed().quotes))) == finding


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda rows: pl.concat([rows, rows]), {"repeated"}),
        (put("rule", "because"), {"unexplained"}),
        (put("reason", None), {"unexplained"}),
    ],
)
def test_what_is_wrong_with_refusals_is_seen(change: Callable[[pl.DataFrame], pl.DataFrame], finding: set[str]) -> None:
    assert found(of_refused(change(listed().quarantine))) == finding


@pytest.mark.parametrize(
    ("dataset", "rows", "changed", "apart"),
    [
        ("market_quotes", 2, {}, 0),
        ("quarantine_markets", 1, {}, 0),
        ("clean_markets", 3, {}, 0),
        ("market_quotes", 2, {"raw": 4}, 2),
        ("market_quotes", 2, {"refused_not_trading": 2}, 1),
        ("market_quotes", 2, {"quoted": 3}, 1),
        ("market_quotes", 3, {}, 1),
        ("quarantine_markets", 2, {}, 1),
    ],
)
def test_counts_that_do_not_add_up_are_seen(dataset: str, rows: int, changed: dict[str, int], apart: int) -> None:
    published = Publication(
        key=PartitionKey(dataset, "somewhere", str(DAY)),
        sha256="",
        generation=1,
        rows=rows,
        bytes=0,
        facts={"counts": dict(listed().counts) | changed},
        code="",
        run="",
        committed_at=NOON,
        id=1,
        state=ObjectState.PRESENT,
    )
    assert unreconciled(published, 3) == apart
    assert unreconciled(published, None) is None
