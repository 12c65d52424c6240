"""Lanes in processes of their own see the same structure and quotes, and find the same, as one process would."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tickline.errors import LaneError
from tickline.lanes import cross, intra
from tickline.lanes.book import NEVER, Book
from tickline.lanes.messages import found_from
from tickline.lanes.model import Lane
from tickline.lanes.pricing import PricingSettings, price
from tickline.lanes.sharing import book_arrays, book_from, prepare, structure_arrays
from tickline.lanes.structure import compiled

NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
FINDERS = {Lane.INTRA: intra, Lane.CROSS: cross}


@pytest.fixture
def known(markets_of, mapping_of):
    """Baskets, legs and markets of three mapped pairs."""
    markets = markets_of(*({"venue": venue, "market_id": name} for venue in ("kalshi", "polymarket") for name in "abc"))
    mapping = mapping_of(*({"left": f"kalshi:{name}", "right": f"polymarket:{name}"} for name in "abc"))
    found = [finder.find(markets, mapping) for finder in FINDERS.values()]
    return pl.concat([one.baskets for one in found]), pl.concat([one.legs for one in found]), markets


@pytest.fixture
def quotes(quotes_of):
    """One market cheap on both sides, one pair apart, one market without a quote."""
    prices = {
        ("kalshi", "a"): (0.40, 0.45),
        ("polymarket", "a"): (0.60, 0.41),
        ("kalshi", "b"): (0.30, 0.71),
        ("polymarket", "b"): (0.45, 0.56),
        ("polymarket", "c"): (0.50, 0.51),
    }
    rows = [
        {"venue": venue, "market_id": name, "yes_ask": yes, "no_ask": no, "yes_ask_size": 20.0, "no_ask_size": 30.0}
        for (venue, name), (yes, no) in prices.items()
    ]
    return quotes_of(*rows)


def with_origins(quotes):
    return quotes.with_columns(
        input=pl.lit("market_quotes"),
        input_venue=pl.col("venue"),
        input_period=pl.lit("2026-03-07"),
        input_row=pl.int_range(pl.len(), dtype=pl.UInt32),
    )


@pytest.mark.parametrize("prepared", [lambda quotes: quotes, with_origins])
def test_each_lane_finds_alone_what_all_find_together(known, quotes, prepared):
    baskets, legs, markets = known
    settings = PricingSettings()
    structure = compiled(baskets, legs, markets)
    book = Book.from_frames(structure.markets, prepared(quotes), NOW_NS)
    together = price(structure, book, settings)
    shared = structure_arrays(baskets, legs, markets, settings)
    assert {one.basket.lane for one in together.opportunities} == set(FINDERS)
    for lane in FINDERS:
        found = found_from(prepare(lane, shared)(book_arrays(book), NOW_NS))
        assert found.opportunities == tuple(one for one in together.opportunities if one.basket.lane is lane)
        refused = together.refusals.filter(lane=lane)
        assert dict(found.refused) == dict(refused.group_by("reason").agg(pl.col("count").sum()).iter_rows())


def test_a_book_is_read_as_it_was_written(known, quotes):
    structure = compiled(*known)
    book = Book.from_frames(structure.markets, with_origins(quotes), NOW_NS)
    read = book_from(book_arrays(book), NOW_NS)
    for name in ("bid", "ask", "bid_size", "ask_size", "ts_quote", "is_open", "fee", "fee_unit"):
        np.testing.assert_array_equal(getattr(read, name), getattr(book, name))
    origins = [book.origin(market, side) for market in range(book.size) for side in (0, 1)]
    assert [read.origin(market, side) for market in range(read.size) for side in (0, 1)] == origins
    assert {one.venue for one in origins if one is not None} == {"kalshi", "polymarket"}
    assert [one is not None for one in origins[::2]] == (book.ts_quote != NEVER).tolist()


def test_books_of_the_same_markets_are_laid_out_alike(known, quotes):
    structure = compiled(*known)
    later = with_origins(quotes.head(2).with_columns(ts=pl.lit(NOW + timedelta(seconds=9))))
    books = [Book.from_frames(structure.markets, quoted, NOW_NS + 10**10) for quoted in (quotes, later, later.clear())]
    layouts = {
        tuple((name, array.dtype.str, array.shape) for name, array in book_arrays(book).items()) for book in books
    }
    assert len(layouts) == 1


def test_more_partitions_than_can_be_named_are_refused(known, quotes):
    structure = compiled(*known)
    many = with_origins(quotes).with_columns(input_period=pl.lit("x" * 20_000))
    with pytest.raises(LaneError, match="partitions"):
        book_arrays(Book.from_frames(structure.markets, many, NOW_NS))
