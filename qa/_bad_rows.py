"""A clean reference feed, and every way to spoil its rows: what `qa firewall` feeds to the firewall.

Written from the meaning of each rule, without the firewall's expressions or the synthetic source: a spoiled row is a
copy of a good one, put right after it, with exactly one thing wrong.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from tickline.lake.schemas import RAW, SESSIONS, Feed
from tickline.reference.models import Venue

DAY = date(2026, 3, 9)
START = 1_773_014_400 * 10**9
SECOND = 10**9
HOUR = 3600 * SECOND

STEP = 10
"""Good rows are numbered in tens, so that a spoiled one fits behind each."""

Row = dict[str, Any]
Spoil = Callable[[Row, np.random.Generator], Row]

VENUE = Venue.model_validate(
    {
        "name": "reference",
        "kind": "crypto",
        "calendar": "always",
        "start": DAY,
        "feeds": {feed: {"kind": "synthetic"} for feed in Feed},
        "instruments": [
            {"name": "ADA", "kind": "spot", "quote": "USD", "tick_size": "0.0001", "lot_size": "0.1"},
            {"name": "BTC", "kind": "spot", "quote": "USD", "tick_size": "0.01", "lot_size": "0.00001"},
            {"name": "ETH", "kind": "spot", "quote": "USD", "tick_size": "0.25", "lot_size": "0.001"},
            {
                "name": "HRS",
                "kind": "equity",
                "quote": "USD",
                "tick_size": "0.01",
                "lot_size": "1",
                "calendar": "hours",
            },
        ],
    }
)
LEVELS = {"ADA": 0.75, "BTC": 61_800.0, "ETH": 2_500.0, "HRS": 120.0}
GRID = {instrument.name: (float(instrument.tick_size), float(instrument.lot_size)) for instrument in VENUE.instruments}


def reference_sessions() -> pl.DataFrame:
    """`always` is open all day, `hours` from nine to five with a lunch break."""
    spans = [("always", 0, 24 * HOUR), ("hours", 9 * HOUR, 12 * HOUR), ("hours", 13 * HOUR, 17 * HOUR)]
    rows = [("reference", name, DAY, "regular", START + opens, START + closes, False) for name, opens, closes in spans]
    physical = pl.Schema(SESSIONS.columns | {"open": pl.Int64(), "close": pl.Int64()})
    return pl.DataFrame(rows, schema=physical, orient="row").cast(pl.Schema(SESSIONS.columns))


def to_raw(feed: Feed, rows: list[Row]) -> pl.DataFrame:
    """Rows with times in nanoseconds as a raw frame; what a row does not say is null."""
    columns = RAW[feed].columns
    physical = {name: pl.Int64() if isinstance(dtype, pl.Datetime) else dtype for name, dtype in columns.items()}
    series = [pl.Series(name, [row.get(name) for row in rows], dtype=dtype) for name, dtype in physical.items()]
    return pl.DataFrame(series).cast(pl.Schema(columns))


def good_rows(feed: Feed, count: int, rng: np.random.Generator) -> list[Row]:
    """About `count` good rows of a feed in time order: random walks on each instrument's grid, inside its hours."""
    return {Feed.TRADES: _trades, Feed.QUOTES: _quotes, Feed.BOOK: _book}[feed](count, rng)


def _walks(count: int, rng: np.random.Generator) -> Iterator[tuple[int, Row, float, float]]:
    """Times, the row they begin, a price on the grid and a lot size, over all instruments in time order."""
    drawn = []
    for name, level in LEVELS.items():
        ts = rng.uniform(0, 24 * HOUR, count // len(LEVELS))
        if name == "HRS":
            ts = np.concatenate([rng.uniform(9, 12, len(ts) // 2), rng.uniform(13, 17, len(ts) // 2)]) * HOUR
        steps = np.cumsum(rng.normal(0, 0.0003, len(ts)))
        drawn += [
            (int(at), name, level * math.exp(step)) for at, step in zip(np.sort(ts), steps - steps.mean(), strict=True)
        ]
    for number, (at, name, price) in enumerate(sorted(drawn)):
        tick, lot = GRID[name]
        ts = START + at
        row = {
            "instrument": name,
            "ts_event": ts,
            "ts_recv": ts + int(rng.exponential(30e6)),
            "seq": number * STEP,
            "delivery": 0,
        }
        yield number, row, round(price / tick) * tick, lot


def _trades(count: int, rng: np.random.Generator) -> list[Row]:
    return [
        row
        | {
            "price": price,
            "size": int(rng.integers(1, 500)) * lot,
            "side": ("buy", "sell", None)[number % 3],
            # Two instruments come without ids, as from a venue that gives none.
            "trade_id": str(row["seq"]) if row["instrument"] in ("BTC", "HRS") else None,
        }
        for number, row, price, lot in _walks(count, rng)
    ]


def _quotes(count: int, rng: np.random.Generator) -> list[Row]:
    rows = []
    for _, row, price, lot in _walks(count, rng):
        tick = GRID[row["instrument"]][0]
        sizes = rng.integers(1, 500, 2) * lot
        rows.append(row | {"bid": price - tick, "bid_size": sizes[0], "ask": price + tick, "ask_size": sizes[1]})
    return rows


def _book(count: int, rng: np.random.Generator) -> list[Row]:
    """Deltas of three levels around each price, numbered without holes, and a snapshot every thousand messages."""
    rows = []
    last = dict.fromkeys(LEVELS, 0)
    seen: dict[str, list[Row]] = {}
    for number, row, _, lot in _walks(count // 3, rng):
        name, tick = row["instrument"], GRID[row["instrument"]][0]
        snapshot = len(seen.get(name, [])) % 1000 == 0
        first, last[name] = last[name] + 1, last[name] + int(rng.integers(1, 4))
        message = row | {"kind": "snapshot" if snapshot else "delta", "last_seq": last[name], "seq": number * STEP}
        if not snapshot:
            message["first_seq"] = first
        middle = LEVELS[name]
        for offset, side in ((-1, "bid"), (1, "ask"), (-2 - number % 5, "bid")):
            size = 0.0 if not snapshot and abs(offset) > 2 and number % 2 else int(rng.integers(1, 500)) * lot
            rows.append(message | {"side": side, "price": round((middle + offset * tick) / tick) * tick, "size": size})
        seen.setdefault(name, []).append(message)
    return rows


@dataclass(frozen=True, slots=True)
class BadClass:
    """One class of bad row: the rule that must name it and the ways a good row is spoiled into it.

    `of` limits which good rows it can be made from.
    """

    feed: Feed
    rule: str
    ways: tuple[Spoil, ...]
    of: Callable[[Row], bool] = lambda row: True


def spoiled(bad: BadClass, good: list[Row], count: int, rng: np.random.Generator) -> list[Row]:
    """`count` bad rows of a class made from good rows spread over the day, all its ways in turn."""
    fit = [row for row in good[1:-1] if bad.of(row)]
    chosen = np.linspace(0, len(fit) - 1, count).astype(int)
    return [_after(fit[place], bad.ways[number % len(bad.ways)], rng) for number, place in enumerate(chosen)]


def _after(row: Row, spoil: Spoil, rng: np.random.Generator) -> Row:
    following = row | {"ts_event": row["ts_event"] + 1000, "seq": row["seq"] + STEP // 2}
    if row.get("trade_id") is not None:
        following["trade_id"] = f"{row['trade_id']}-bad"
    return following | spoil(row, rng)


def _put(**values: Any) -> Spoil:
    return lambda row, rng: values


def _scale(column: str, low: float, high: float) -> Spoil:
    """Multiply a column by something between, evenly in its logarithm."""
    return lambda row, rng: {column: row[column] * math.exp(rng.uniform(math.log(low), math.log(high)))}


def _ticks(column: str, low: float, high: float) -> Spoil:
    """Move a column by a fraction of its grid."""

    def move(row: Row, rng: np.random.Generator) -> Row:
        tick, lot = GRID[row["instrument"]]
        return {column: row[column] + (lot if column == "size" else tick) * rng.uniform(low, high)}

    return move


def _unit(divisor: int) -> Spoil:
    """An event time read in a unit too coarse by the divisor."""
    return lambda row, rng: {"ts_event": row["ts_event"] // divisor}


def _received(before_s: float, up_to_s: float) -> Spoil:
    """Received so many seconds before the event (or, negative, after it)."""
    return lambda row, rng: {"ts_recv": row["ts_event"] - int(rng.uniform(before_s, up_to_s) * SECOND)}


def _back(low_s: float, high_s: float) -> Spoil:
    return lambda row, rng: {"ts_event": row["ts_event"] - int(rng.uniform(low_s, high_s) * SECOND)}


def _moved(factor: float) -> Spoil:
    """The price, or both sides of the quote, at another level of a coarse grid."""

    def move(row: Row, rng: np.random.Generator) -> Row:
        if "price" in row:
            return {"price": round(row["price"] * factor / 0.25) * 0.25}
        bid = round(row["bid"] * factor / 0.25) * 0.25
        return {"bid": bid, "ask": bid + row["ask"] - row["bid"]}

    return move


def _crossing(ticks: int) -> Spoil:
    """A bid that many ticks above the middle of the book, in the same message."""

    def cross(row: Row, rng: np.random.Generator) -> Row:
        name = row["instrument"]
        return {"ts_event": row["ts_event"], "price": LEVELS[name] + ticks * GRID[name][0]}

    return cross


def _times(feed: Feed, max_age_s: float) -> list[BadClass]:
    other_days = (
        _put(ts_event=START - 1, ts_recv=None),
        _put(ts_event=START - 36 * HOUR, ts_recv=None),
        _received(-max_age_s * 100, -max_age_s * 1.001),
    )
    return [
        BadClass(feed, "malformed", (_put(defect="price: 'abc'"), _put(defect="truncated"), _put(defect=""))),
        BadClass(feed, "ts_missing", (_put(ts_event=None), _put(ts_event=None, ts_recv=None))),
        BadClass(
            feed,
            "ts_wrong_unit",
            (_unit(10**3), _unit(10**6), _unit(10**9), _put(ts_event=0), _put(ts_event=-1), _put(ts_event=2**63 - 1)),
        ),
        BadClass(
            feed,
            "ts_future",
            (
                _received(5.001, 60),
                _received(60, 1e6),
                _put(ts_event=START + 24 * HOUR, ts_recv=None),
                _put(ts_event=START + 24 * 365 * HOUR, ts_recv=None),
            ),
        ),
        BadClass(feed, "ts_stale", other_days),
        BadClass(
            feed,
            "unknown_instrument",
            tuple(_put(instrument=name) for name in ("btc", "BTC ", "", "BTC/USD", "../BTC", "BTC\u200b", None)),
        ),
    ]


TRADES = [
    *_times(Feed.TRADES, 86_400),
    BadClass(
        Feed.TRADES,
        "price_not_finite",
        tuple(_put(price=value) for value in (math.nan, math.inf, -math.inf, float("1e400"), None)),
    ),
    BadClass(
        Feed.TRADES,
        "price_not_positive",
        (
            *(_put(price=value) for value in (0.0, -0.0, -1.0, -1e-300, -1e300, -5e-324)),
            lambda row, rng: {"price": -row["price"]},
        ),
    ),
    BadClass(Feed.TRADES, "micro_price", (_put(price=5e-324), _put(price=1e-12), _scale("price", 1e-10, 1e-8))),
    BadClass(Feed.TRADES, "price_implausible", (_put(price=1.7e308), _put(price=1e18), _put(price=100_000_001.0))),
    BadClass(
        Feed.TRADES,
        "price_off_grid",
        (_ticks("price", 0.01, 0.49), _ticks("price", -0.49, -0.01), _ticks("price", 0.5, 0.5)),
    ),
    BadClass(
        Feed.TRADES,
        "size_not_finite",
        tuple(_put(size=value) for value in (math.nan, math.inf, -math.inf, float("1e400"), None)),
    ),
    BadClass(Feed.TRADES, "size_not_positive", tuple(_put(size=value) for value in (0.0, -0.0, -1.0, -1e18, -1e-9))),
    BadClass(Feed.TRADES, "size_implausible", (_put(size=1e18), _put(size=1.7e308), _put(size=1.1e12))),
    BadClass(Feed.TRADES, "size_off_grid", (_ticks("size", 0.01, 0.99), _ticks("size", 0.5, 0.5))),
    BadClass(Feed.TRADES, "unknown_side", tuple(_put(side=side) for side in ("BUY", "b", "", "bid", "none", "buy "))),
    BadClass(
        Feed.TRADES,
        "outside_session",
        tuple(
            _put(ts_event=START + at, ts_recv=START + at)
            for at in (0, 9 * HOUR - 1, 12 * HOUR, 13 * HOUR - 1, 17 * HOUR, 24 * HOUR - 1)
        ),
        of=lambda row: row["instrument"] == "HRS",
    ),
    BadClass(
        Feed.TRADES,
        "out_of_order",
        (_back(1.01, 2), _back(2, 60), _back(60, 1200)),
        of=lambda row: row["instrument"] != "HRS" and row["ts_event"] > START + HOUR,
    ),
    BadClass(
        Feed.TRADES,
        "jump",
        tuple(_moved(factor) for factor in (10, 0.1, 100, 1.5, 0.5, 1.2)),
        of=lambda row: row["instrument"] in ("BTC", "ETH"),
    ),
    BadClass(
        Feed.TRADES,
        "duplicate",
        (
            lambda row, rng: {"trade_id": row["trade_id"], "ts_event": row["ts_event"]},
            lambda row, rng: {"trade_id": row["trade_id"], "ts_event": row["ts_event"], "delivery": 1},
            lambda row, rng: {"trade_id": row["trade_id"], "ts_event": row["ts_event"] + SECOND, "delivery": 2},
        ),
        of=lambda row: row["trade_id"] is not None and row["instrument"] == "BTC",
    ),
    BadClass(
        Feed.TRADES,
        "duplicate",
        (
            lambda row, rng: {"ts_event": row["ts_event"], "delivery": 1},
            lambda row, rng: {"ts_event": row["ts_event"], "delivery": 7, "ts_recv": row["ts_recv"] + HOUR},
        ),
        of=lambda row: row["trade_id"] is None,
    ),
]

QUOTES = [
    *_times(Feed.QUOTES, 60),
    BadClass(
        Feed.QUOTES,
        "quote_not_finite",
        tuple(_put(**{side: value}) for side in ("bid", "ask") for value in (math.nan, math.inf, -math.inf)),
    ),
    BadClass(
        Feed.QUOTES,
        "quote_not_positive",
        tuple(_put(**{side: value}) for side in ("bid", "ask") for value in (0.0, -0.0, -1.0, -1e300)),
    ),
    BadClass(
        Feed.QUOTES,
        "one_sided",
        (_put(bid=None), _put(ask=None), _put(bid=None, bid_size=None), _put(bid=None, ask=None)),
    ),
    BadClass(Feed.QUOTES, "micro_price", (_put(bid=1e-12), _put(ask=5e-324), _scale("bid", 1e-10, 1e-8))),
    BadClass(Feed.QUOTES, "price_implausible", (_put(ask=1e18), _put(bid=1.7e308), _put(bid=2e8, ask=2e8))),
    BadClass(
        Feed.QUOTES, "price_off_grid", (_ticks("bid", -0.49, -0.01), _ticks("ask", 0.01, 0.49), _ticks("ask", 0.5, 0.5))
    ),
    BadClass(
        Feed.QUOTES,
        "quote_size_not_finite",
        tuple(_put(**{side: value}) for side in ("bid_size", "ask_size") for value in (math.nan, math.inf, -math.inf)),
    ),
    BadClass(
        Feed.QUOTES,
        "quote_size_not_positive",
        tuple(_put(**{side: value}) for side in ("bid_size", "ask_size") for value in (0.0, -0.0, -1.0, -1e18)),
    ),
    BadClass(Feed.QUOTES, "size_implausible", (_put(bid_size=1e18), _put(ask_size=1.7e308), _put(ask_size=1.1e12))),
    BadClass(
        Feed.QUOTES,
        "crossed",
        (
            lambda row, rng: {"bid": row["ask"], "ask": row["bid"]},
            lambda row, rng: {"bid": row["ask"] + 10 * GRID[row["instrument"]][0]},
        ),
    ),
    BadClass(Feed.QUOTES, "locked", (lambda row, rng: {"bid": row["ask"]}, lambda row, rng: {"ask": row["bid"]})),
    BadClass(
        Feed.QUOTES,
        "wide_spread",
        (
            lambda row, rng: {"ask": row["ask"] + round(row["ask"] / 0.25) * 0.25},
            lambda row, rng: {"bid": round(row["bid"] * 0.5 / 0.25) * 0.25},
        ),
        of=lambda row: row["instrument"] in ("BTC", "ETH"),
    ),
    BadClass(
        Feed.QUOTES,
        "outside_session",
        tuple(
            _put(ts_event=START + at, ts_recv=START + at)
            for at in (0, 9 * HOUR - 1, 12 * HOUR, 13 * HOUR - 1, 17 * HOUR)
        ),
        of=lambda row: row["instrument"] == "HRS",
    ),
    BadClass(
        Feed.QUOTES,
        "out_of_order",
        (_back(1.01, 2), _back(2, 58)),
        of=lambda row: row["instrument"] != "HRS" and row["ts_event"] > START + HOUR,
    ),
    BadClass(
        Feed.QUOTES,
        "jump",
        tuple(_moved(factor) for factor in (10, 0.1, 100, 1.5, 0.5, 1.2)),
        of=lambda row: row["instrument"] == "BTC",
    ),
    BadClass(
        Feed.QUOTES,
        "duplicate",
        (
            lambda row, rng: {"ts_event": row["ts_event"], "delivery": 1},
            lambda row, rng: {"ts_event": row["ts_event"], "delivery": 7, "seq": row["seq"] - 3},
        ),
    ),
]


def _delta(row: Row) -> bool:
    return bool(row["kind"] == "delta" and row["side"] == "bid" and row["size"] > 0)


BOOK = [
    *(BadClass(bad.feed, bad.rule, bad.ways, of=_delta) for bad in _times(Feed.BOOK, 60)),
    BadClass(Feed.BOOK, "malformed", tuple(_put(kind=kind) for kind in ("update", "", None)), of=_delta),
    BadClass(
        Feed.BOOK,
        "level_not_finite",
        tuple(_put(**{name: value}) for name in ("price", "size") for value in (math.nan, math.inf, -math.inf, None)),
        of=_delta,
    ),
    BadClass(
        Feed.BOOK,
        "level_not_positive",
        (_put(price=0.0), _put(price=-1.0), _put(size=-1.0), _put(size=-1e-300), _put(price=-0.0)),
        of=_delta,
    ),
    BadClass(Feed.BOOK, "price_off_grid", (_ticks("price", -0.49, -0.01), _ticks("price", 0.01, 0.49)), of=_delta),
    BadClass(Feed.BOOK, "unknown_side", tuple(_put(side=side) for side in ("buy", "BID", "", None)), of=_delta),
    BadClass(
        Feed.BOOK,
        "book_crossed",
        tuple(_crossing(ticks) for ticks in (1, 2, 50)),
        of=_delta,
    ),
    BadClass(Feed.BOOK, "duplicate", (lambda row, rng: {"ts_event": row["ts_event"], "delivery": 1},), of=_delta),
]

CLASSES = [*TRADES, *QUOTES, *BOOK]
