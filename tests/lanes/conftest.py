"""Markets, mappings and quotes as the lanes take them, made from what a test cares about."""

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from tickline.lake.market_schemas import CLEAN_MARKETS, MAPPING, MARKET_QUOTES

NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)
Rows = Callable[..., pl.DataFrame]

_MARKET = {
    "event_id": "E",
    "status": "open",
    "ts_close": NOW,
    "fee_kind": "none",
    "fee_taker": 0.0,
    "fee_maker": 0.0,
    "fee_exponent": 1.0,
    "fee_rounding": "up",
    "fee_places": 4,
    "version": 1,
}
_PAIR = {
    "relation": "equivalent",
    "basis": "human",
    "confidence": 0.97,
    "flags": [],
    "severity": "none",
    "decision": "approved",
    "is_tradable": True,
}


@pytest.fixture
def markets_of() -> Rows:
    """Markets out of dicts: (venue and) market_id and whatever else of CLEAN_MARKETS matters."""

    def make(*rows: dict) -> pl.DataFrame:
        return pl.DataFrame(
            [{"venue": "kalshi"} | _MARKET | row for row in rows],
            schema={"venue": pl.String()} | CLEAN_MARKETS.columns,
        )

    return make


@pytest.fixture
def mapping_of() -> Rows:
    """Mapped pairs out of dicts: left and right as "venue:market" and whatever else of MAPPING matters."""

    def make(*rows: dict) -> pl.DataFrame:
        return pl.DataFrame([_PAIR | _sides(row) for row in rows], schema=MAPPING.columns)

    return make


@pytest.fixture
def quotes_of() -> Rows:
    """Quotes out of dicts: (venue and) market_id, ts and whatever else of MARKET_QUOTES matters."""
    columns = {name: dtype for name, dtype in MARKET_QUOTES.columns.items() if name not in ("ts_recv", "raw_row")}

    def make(*rows: dict) -> pl.DataFrame:
        return pl.DataFrame(
            [{"venue": "kalshi", "ts": NOW, "status": "open"} | row for row in rows],
            schema={"venue": pl.String(), "ts": pl.Datetime("ns", "UTC")} | columns,
        )

    return make


def _sides(row: dict) -> dict:
    (left_venue, left), (right_venue, right) = row["left"].split(":"), row["right"].split(":")
    others = {name: value for name, value in row.items() if name not in ("left", "right")}
    return {
        "pair_id": f"{left}={right}",
        "left_venue": left_venue,
        "left_market": left,
        "right_venue": right_venue,
        "right_market": right,
    } | others
