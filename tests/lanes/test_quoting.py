"""A book brought up to date quote by quote is the one that all quotes make at once."""

from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import polars as pl
import pytest

from tickline.errors import LaneError
from tickline.lanes.book import Book
from tickline.lanes.model import Origin
from tickline.lanes.quoting import empty_book, quoting, read, updated
from tickline.lanes.structure import KEY

NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
ARRAYS = ("bid", "ask", "bid_size", "ask_size", "ts_quote", "is_open", "fee", "fee_unit")
SCHEDULES = (
    {"fee_kind": "none"},
    {"fee_kind": None, "fee_taker": None, "fee_exponent": None, "fee_rounding": None, "fee_places": None},
    {"fee_kind": "curve", "fee_taker": 0.07, "status": "closed"},
    {"fee_kind": "curve", "fee_taker": 0.25, "fee_exponent": 2.0, "fee_rounding": "half_up", "fee_places": 3},
    {"fee_kind": "curve", "fee_taker": 0.04, "fee_rounding": "down", "fee_places": 5, "status": None},
    {"fee_kind": "bps", "fee_taker": 0.002},
)


@pytest.fixture
def markets(markets_of):
    """A market of each schedule, and one that nobody quotes."""
    rows = [{"market_id": f"m{nth}"} | schedule for nth, schedule in enumerate(SCHEDULES)]
    return markets_of(*rows, {"market_id": "quiet"}).sort(KEY)


def some_quotes(quotes_of, random, count):
    """Quotes out of order, some at the same time, of any market or of none that is listed, with whatever left out."""
    prices = [None, 0.0, 0.01, 0.1, 0.37, 0.5, 0.999, 1.0]
    columns = [f"{side}_{of}" for side in ("yes", "no") for of in ("bid", "ask")]
    rows = []
    for _ in range(count):
        quote = {name: random.choice(prices) for name in columns}
        quote |= {f"{name}_size": random.choice([None, 0.0, 12.5]) for name in columns}
        quote |= {
            "market_id": f"m{random.randint(0, len(SCHEDULES))}",
            "ts": NOW + timedelta(seconds=random.randint(0, 9)),
        }
        rows.append(quote | {"status": random.choice(["open", "paused", None])})
    whence = [random.choice(["a", "b", None]) for _ in rows]
    return quotes_of(*rows).with_columns(
        input=pl.Series(whence, dtype=pl.String),
        input_venue=pl.lit("kalshi"),
        input_period=pl.Series([random.choice(["d1", "d2"]) for _ in rows]),
        input_row=pl.int_range(count, dtype=pl.UInt32),
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_book_after_more_quotes_is_that_of_all_of_them(markets, quotes_of, seed):
    random, by = Random(seed), quoting(markets)
    quotes = some_quotes(quotes_of, random, 40)
    if seed % 3 == 0:
        quotes = quotes.drop("status", "input", "input_venue", "input_period", "input_row")
    book, told = empty_book(by, NOW_NS), quotes.clear()
    for second in range(10):
        now_ns = NOW_NS + second * 10**9
        # What comes late changes nothing where there is something newer.
        parts = [told.clear(), quotes.filter(pl.col("ts").dt.epoch("ns") == now_ns), some_late(told, random)]
        told = pl.concat([told, *parts])
        for part in parts:
            some = read(part, by)
            middle = random.randint(0, some.market.size)
            for rows in (slice(0, middle), slice(middle, some.market.size)):
                book = updated(book, some, now_ns, rows=rows)
        whole = Book.from_frames(markets, told, now_ns)
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(book, name), getattr(whole, name), err_msg=name)
        assert [book.origin(at, side) for at in range(book.size) for side in (0, 1)] == [
            whole.origin(at, side) for at in range(whole.size) for side in (0, 1)
        ]
        assert book.ts_ns == whole.ts_ns == now_ns


def test_a_quote_is_from_its_own_row_wherever_its_market_is_from(markets, quotes_of):
    whence = {"input": "clean_quotes", "input_venue": "kalshi", "input_period": "2026-03-07", "input_row": 7}
    quotes = quotes_of({"market_id": "m1", "yes_ask": 0.5}).with_columns(
        pl.lit(one).alias(of) for of, one in whence.items()
    )
    listed = markets.with_columns(pl.lit("x").alias(name) for name in whence)
    by = quoting(listed)
    for book in (Book.from_frames(listed, quotes, NOW_NS), updated(empty_book(by, NOW_NS), read(quotes, by), NOW_NS)):
        assert [book.origin(at, 0) for at in range(2)] == [None, Origin("clean_quotes", "kalshi", "2026-03-07", 7)]


def some_late(told, random):
    return told.sample(min(told.height, 2), seed=random.randint(0, 99)) if told.height else told


def test_the_book_before_stays_as_it_was(markets, quotes_of):
    by = quoting(markets)
    before = empty_book(by, NOW_NS)
    some = read(quotes_of({"market_id": "m0", "yes_ask": 0.5, "no_ask": 0.4}), by)
    after = updated(before, some, NOW_NS)
    assert np.isnan(before.ask).all()
    assert after.ask[0].tolist() == [0.5, 0.4]


def test_a_quote_from_later_on_is_refused(markets, quotes_of):
    by = quoting(markets)
    some = read(quotes_of({"market_id": "m0", "ts": NOW + timedelta(seconds=1)}), by)
    with pytest.raises(LaneError, match="later than the book"):
        updated(empty_book(by, NOW_NS), some, NOW_NS)
