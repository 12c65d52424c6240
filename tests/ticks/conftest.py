"""A small venue with its rules and sessions, and builders of its rows."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tickline.lake.schemas import RAW, SESSIONS, Feed
from tickline.reference.models import Venue
from tickline.ticks.firewall import Judged, judge
from tickline.ticks.live import Firewall, Outcome
from tickline.ticks.rules import RuleSet, load_rules

RULES = Path(__file__).parent.parent.parent / "config" / "rules.yaml"
DAY = date(2026, 3, 9)
START = 1_773_014_400 * 10**9
HOUR = 3600 * 10**9


@dataclass(frozen=True)
class Market:
    """One crypto venue on one day: AAA and BBB trade all day, HRS from nine to five with a lunch break."""

    rules: RuleSet
    sessions: pl.DataFrame
    day: date = DAY
    start: int = START

    def venue(self, **changes: Any) -> Venue:
        declared = {
            "name": "coin",
            "kind": "crypto",
            "calendar": "always",
            "start": DAY,
            "feeds": {feed: {"kind": "synthetic"} for feed in Feed},
            "instruments": [
                {"name": "AAA", "kind": "spot", "quote": "USD", "tick_size": "0.01", "lot_size": "0.001"},
                {"name": "BBB", "kind": "spot", "quote": "USD", "tick_size": "0.5", "lot_size": "1"},
                {"name": "HRS", "kind": "spot", "quote": "USD", "tick_size": "1", "lot_size": "1", "calendar": "hours"},
            ],
        }
        return Venue.model_validate(declared | changes)

    def trade(self, ms: int, **changes: Any) -> dict[str, Any]:
        """A good trade so many milliseconds into the day."""
        ts = START + ms * 1_000_000
        good = {"instrument": "AAA", "ts_event": ts, "ts_recv": ts + 20_000_000, "seq": ms}
        return good | {"price": 100.0, "size": 1.0, "side": "buy"} | changes

    def quote(self, ms: int, **changes: Any) -> dict[str, Any]:
        """A good quote so many milliseconds into the day."""
        ts = START + ms * 1_000_000
        good = {"instrument": "AAA", "ts_event": ts, "ts_recv": ts + 20_000_000, "seq": ms}
        return good | {"bid": 99.99, "bid_size": 1.0 + ms % 7, "ask": 100.01, "ask_size": 2.0} | changes

    def raw(self, feed: Feed, rows: list[dict[str, Any]]) -> pl.DataFrame:
        """Raw rows of a feed; what a row does not say is null."""
        columns = RAW[feed].columns
        physical = {name: pl.Int64() if isinstance(dtype, pl.Datetime) else dtype for name, dtype in columns.items()}
        full = [dict.fromkeys(columns) | {"delivery": 0} | row for row in rows]
        return pl.DataFrame(full, schema=physical, orient="row").cast(pl.Schema(columns))

    def judge(self, feed: Feed, rows: list[dict[str, Any]] | pl.DataFrame, **changes: Any) -> Judged:
        """The batch firewall's verdict on rows of the day."""
        frame = rows if isinstance(rows, pl.DataFrame) else self.raw(feed, rows)
        given = {"venue": self.venue(), "day": DAY, "sessions": self.sessions, "rules": self.rules} | changes
        return judge(frame, feed, given.pop("venue"), **given)

    def live(self, feed: Feed, rows: pl.DataFrame, **changes: Any) -> list[Outcome]:
        """The live firewall's outcomes for rows fed one at a time as they lie."""
        given = {"venue": self.venue(), "day": DAY, "sessions": self.sessions, "rules": self.rules} | changes
        firewall = Firewall(feed, given.pop("venue"), **given)
        physical = rows.with_columns(pl.col("ts_event", "ts_recv").to_physical())
        return [outcome for row in physical.iter_rows(named=True) for outcome in firewall.step(row)] + firewall.finish()


@pytest.fixture(scope="session")
def market() -> Market:
    """The small venue under the rules as shipped."""
    spans = [
        ("always", 0, 24 * HOUR),
        ("hours", 9 * HOUR, 12 * HOUR),
        ("hours", 13 * HOUR, 17 * HOUR),
    ]
    rows = [
        ("coin", calendar, DAY, "regular", START + opens, START + closes, False) for calendar, opens, closes in spans
    ]
    physical = pl.Schema(SESSIONS.columns | {"open": pl.Int64(), "close": pl.Int64()})
    sessions = pl.DataFrame(rows, schema=physical, orient="row").cast(pl.Schema(SESSIONS.columns))
    return Market(load_rules(RULES), sessions)
