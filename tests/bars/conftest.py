"""Small markets to make bars of: a cash market with breaks and an early close, and one that never closes."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tickline.lake.schemas import CLEAN, SESSIONS, Feed

Frame = Callable[..., pl.DataFrame]

THURSDAY, FRIDAY, MONDAY = date(2026, 3, 5), date(2026, 3, 6), date(2026, 3, 9)


def _at(day: date, clock: str) -> datetime:
    hours, minutes, *seconds = clock.split(":")
    clocked = timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds[0]) if seconds else 0)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + clocked


@pytest.fixture(scope="session")
def at() -> Callable[[date, str], datetime]:
    """A UTC time of day."""
    return _at


@pytest.fixture(scope="session")
def sessions() -> pl.DataFrame:
    """SESSIONS of `cash` (a pre-market, a lunch break, a close half a minute past, an early close) and `always`."""
    rows = [
        ("cash", THURSDAY, "regular", "10:00", "10:17", False),
        ("cash", FRIDAY, "pre", "09:53", "10:00", True),
        ("cash", FRIDAY, "regular", "10:00", "10:17", True),
        ("cash", FRIDAY, "regular", "10:30", "10:42:30", True),
        ("cash", FRIDAY, "post", "10:42:30", "10:50", True),
        ("cash", MONDAY, "regular", "10:00", "10:17", False),
        ("cash", MONDAY, "regular", "10:30", "11:00", False),
        ("always", FRIDAY, "regular", "00:00", "24:00", False),
        ("always", MONDAY, "regular", "00:00", "24:00", False),
    ]
    timed = [("v", *row[:3], _at(row[1], row[3]), _at(row[1], row[4]), row[5]) for row in rows]
    return pl.DataFrame(timed, schema=SESSIONS.columns, orient="row")


@pytest.fixture(scope="session")
def instruments() -> pl.DataFrame:
    """Columns of INSTRUMENTS that bars need. ACME trades in steps that are no power of ten."""
    return pl.DataFrame(
        {
            "instrument": ["ACME", "COIN", "DUST"],
            "calendar": ["cash", "always", "always"],
            "tick_size": [0.05, 0.01, 1e-8],
            "lot_size": [100.0, 0.001, 0.0001],
        }
    )


@pytest.fixture(scope="session")
def trades() -> Frame:
    """Clean trades out of (instrument, ts_event, seq, price, size, sets)."""

    def build(*rows: Sequence[Any]) -> pl.DataFrame:
        return _clean(Feed.TRADES, rows, ("instrument", "ts_event", "seq", "price", "size", "sets"))

    return build


@pytest.fixture(scope="session")
def quotes() -> Frame:
    """Clean quotes out of (instrument, ts_event, seq, bid, ask)."""

    def build(*rows: Sequence[Any]) -> pl.DataFrame:
        return _clean(Feed.QUOTES, rows, ("instrument", "ts_event", "seq", "bid", "ask"))

    return build


def _clean(feed: Feed, rows: Sequence[Sequence[Any]], names: tuple[str, ...]) -> pl.DataFrame:
    schema = CLEAN[feed].columns
    given = pl.DataFrame([tuple(row) for row in rows], schema={name: schema[name] for name in names}, orient="row")
    return (
        given.with_columns(pl.lit(None, schema[name]).alias(name) for name in schema.keys() - set(names))
        .with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias("raw_row"))
        .select(*schema)
        .sort(CLEAN[feed].sort)
    )
