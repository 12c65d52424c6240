"""A small venue of two instruments, one on exchange hours and one that never closes, with flawless rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from expectations.context import JUDGED, KPI_DATA_QUALITY, Context, Partition, Siblings
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import INSTRUMENTS, SESSIONS

MONDAY = date(2026, 3, 9)
SECONDS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400}
PERIODS = {"sessions": "2026", "instruments": "all"}


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour, minutes=minute)


def frame(dataset: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    schema = JUDGED[dataset]
    return pl.DataFrame(rows, schema=schema.columns).sort(schema.sort) if rows else schema.empty()


@dataclass(frozen=True)
class World:
    """The venue's context and, for every dataset, a partition nothing is wrong with."""

    context: Context

    def rows(self, dataset: str) -> pl.DataFrame:
        return frame(dataset, _MAKERS[dataset.partition("_")[0]](dataset))

    def key(self, dataset: str) -> PartitionKey:
        return PartitionKey(dataset, "v", PERIODS.get(dataset, MONDAY.isoformat()))

    def partition(self, dataset: str, change: Callable[[pl.DataFrame], pl.DataFrame] | None = None) -> Partition:
        rows = self.rows(dataset)
        changed = rows if change is None else change(rows)
        siblings = None
        if dataset.startswith("clean_"):
            siblings = Siblings(raw=changed.height + 3, quarantine=3, duplicates=3)
        return Partition(self.key(dataset), changed.lazy(), changed.height, siblings)


def _sessions(_dataset: str) -> list[dict[str, object]]:
    rows = []
    for day in (MONDAY - timedelta(days=1), MONDAY, MONDAY + timedelta(days=1)):
        spans = [("always", "regular", 0, 0, 24, 0)]
        if day.weekday() < 5:
            spans += [("ny", "pre", 8, 0, 13, 30), ("ny", "regular", 13, 30, 20, 0), ("ny", "post", 20, 0, 24, 0)]
        for calendar, segment, *hours in spans:
            times = {"open": at(day, *hours[:2]), "close": at(day, *hours[2:])}
            of = {"venue": "v", "calendar": calendar, "session_date": day, "segment": segment}
            rows.append(of | times | {"is_early_close": False})
    return rows


def _instruments(_dataset: str) -> list[dict[str, object]]:
    a = {"venue": "v", "instrument": "A", "kind": "equity", "base": "A", "quote": "USD", "calendar": "ny"}
    return [
        a | {"tick_size": 0.01, "lot_size": 1.0},
        a | {"instrument": "B", "calendar": "always", "tick_size": 0.5, "lot_size": 0.1},
    ]


def _ticks(dataset: str) -> list[dict[str, object]]:
    stage, _, feed = dataset.partition("_")
    rows = []
    for number in range(40):
        instrument, price = ("A", 100.01) if number < 20 else ("B", 7.5)
        row = {
            "instrument": instrument,
            "ts_event": at(MONDAY, 14, number),
            "ts_recv": at(MONDAY, 14, number) + timedelta(milliseconds=5),
            "seq": number,
            "raw_row": number,
            "delivery": 0,
        }
        row |= {"rule": "jump", "reason": "too far"} if stage == "quarantine" else {}
        row |= {
            "trades": {"price": price, "size": 2.0, "side": "buy", "trade_id": str(number), "sets": 15},
            "quotes": {"bid": price, "ask": price + 0.5, "bid_size": 1.0},
            "book": {"kind": "delta", "side": "bid", "price": price, "size": 0.0, "epoch": 1},
            "markets": {"market_id": "m", "title": "Will it rain?"},
        }[feed]
        rows.append({name: value for name, value in row.items() if name in JUDGED[dataset].columns})
    return rows


def _bars(dataset: str) -> list[dict[str, object]]:
    spans: dict[tuple[str, str, date], list[tuple[datetime, datetime]]] = {}
    timeframe = dataset.removeprefix("bars_")
    instruments = {"ny": ("A", 100.01), "always": ("B", 7.5)}
    for session in _sessions(""):
        day = session["session_date"]
        if timeframe == "1w":
            week = day - timedelta(days=day.weekday())
        if (week if timeframe == "1w" else day) == MONDAY:
            of = (session["calendar"], session["segment"], MONDAY)
            spans.setdefault(of, []).append((session["open"], session["close"]))
    rows = []
    for (calendar, segment, day), sessions in spans.items():
        if timeframe in SECONDS:
            ((opens, closes),) = sessions
            windows = []
            while opens < closes:
                windows.append((opens, min(closes, opens + timedelta(seconds=SECONDS[timeframe]))))
                opens = windows[-1][1]
        else:
            windows = [(sessions[0][0], sessions[-1][1])]
        rows += [_bar(*instruments[calendar], segment, day, window) for window in windows]
    return rows


def _bar(
    instrument: str, price: float, segment: str, day: date, window: tuple[datetime, datetime]
) -> dict[str, object]:
    opens, closes = window
    last = closes - timedelta(microseconds=1)
    prices = {f"{side}{point}": price for side in ("", "bid_") for point in ("open", "high", "low", "close")}
    asks = {f"ask_{point}": price + 0.5 for point in ("open", "high", "low", "close")}
    return (
        {"instrument": instrument, "session_date": day, "segment": segment, "ts_open": opens, "ts_close": closes}
        | prices
        | asks
        | {"volume": 2.0, "turnover": Decimal(2) * Decimal(str(price)), "vwap": price * (1 + 1e-15), "trades": 2}
        | {"ts_first": opens, "ts_last": last, "quotes": 1, "quote_ts_first": opens, "quote_ts_last": opens}
        | {"is_final": True}
    )


def _kpi(_dataset: str) -> list[dict[str, object]]:
    counts = {"raw_rows": 100, "clean_rows": 90, "quarantined_rows": 7, "duplicate_rows": 3}
    latency = {"worst_p50_ms": 1.0, "worst_p95_ms": 2.0, "worst_p99_ms": 3.0}
    minutes = {"session_minutes": 1440, "bar_minutes": 1400, "coverage": 1400 / 1440}
    rest = {"gaps": 0, "gap_minutes": 0.0, "median_spread_bps": 1.5, "trades": 60, "quotes": 30}
    return [{"venue": "v", "day": MONDAY, "clean_ratio": 90 / 97} | counts | latency | minutes | rest]


_MAKERS: dict[str, Callable[[str], list[dict[str, object]]]] = {
    "raw": _ticks,
    "clean": _ticks,
    "quarantine": _ticks,
    "bars": _bars,
    "sessions": _sessions,
    "instruments": _instruments,
    KPI_DATA_QUALITY.partition("_")[0]: _kpi,
}


@pytest.fixture(scope="session")
def world() -> World:
    sessions = pl.DataFrame(_sessions(""), schema=SESSIONS.columns).sort(SESSIONS.sort)
    instruments = pl.DataFrame(_instruments(""), schema=INSTRUMENTS.columns)
    return World(Context(instruments, sessions))


@pytest.fixture(scope="session")
def on_day() -> Callable[[Partition, date], Partition]:
    """The same rows filed under another day."""

    def moved(partition: Partition, day: date) -> Partition:
        return replace(partition, key=replace(partition.key, period=day.isoformat()))

    return moved
