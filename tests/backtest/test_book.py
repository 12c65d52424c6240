"""The dense book against a dictionary."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.backtest.book import MOST_TICKS, NO_ASK, NO_BID, clear, lots_at, open_books, put
from tickline.backtest.ticks import TICK
from tickline.errors import ConfigError

LOW, HIGH = 90, 110
CHANGES = st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(LOW, HIGH), st.integers(0, 5)), max_size=60)


def opened(*prices, instruments=1):
    ticks = np.zeros(len(prices), TICK)
    ticks["price"] = prices
    return open_books(ticks, instruments)


def changed(books, side, price, lots):
    own, other = (books.sides[0], books.sides[1]) if side > 0 else (books.sides[1], books.sides[0])
    return put(own, other, books.lots, price, lots)


@settings(deadline=None)
@given(CHANGES)
def test_levels_best_and_counts_are_those_of_a_dictionary(changes):
    books, levels = opened(LOW, HIGH), {1: {}, -1: {}}
    for side, price, lots in changes:
        crossed = [other for other in levels[-side] if lots and side * (price - other) >= 0]
        before = changed(books, side, price, lots)
        assert before == levels[side].pop(price, 0)
        for other in crossed:
            del levels[-side][other]
        if lots:
            levels[side][price] = lots
        for nth, sign, empty in ((0, 1, NO_BID), (1, -1, NO_ASK)):
            held = levels[sign]
            best = max(held, key=lambda price: sign * price) if held else empty
            assert (books.sides[nth]["best"], books.sides[nth]["levels"]) == (best, len(held))
            assert all(lots_at(books.sides[nth], books.lots, at) == held.get(at, 0) for at in range(LOW, HIGH + 1))


@settings(deadline=None)
@given(CHANGES)
def test_a_cleared_side_is_empty_and_the_other_as_it_was(changes):
    books = opened(LOW, HIGH)
    for change in changes:
        changed(books, *change)
    asks = [int(lots_at(books.sides[1], books.lots, at)) for at in range(LOW, HIGH + 1)]
    clear(books.sides[0], books.lots)
    assert (books.sides[0]["best"], books.sides[0]["levels"]) == (NO_BID, 0)
    assert not any(lots_at(books.sides[0], books.lots, at) for at in range(LOW, HIGH + 1))
    assert [int(lots_at(books.sides[1], books.lots, at)) for at in range(LOW, HIGH + 1)] == asks


@pytest.mark.parametrize(
    ("side", "price", "lots", "is_news"),
    [
        (1, 99, 3, False),
        (1, 100, 5, False),
        (1, 100, 4, True),
        (1, 101, 1, True),
        (1, 100, 0, True),
        (-1, 104, 2, False),
        (-1, 103, 2, True),
        (-1, 102, 2, True),
    ],
)
def test_only_another_best_or_another_size_there_is_news(side, price, lots, is_news):
    books = opened(LOW, HIGH)
    changed(books, 1, 100, 5)
    changed(books, -1, 103, 5)
    books.sides["changed"] = 0
    changed(books, side, price, lots)
    assert bool(books.sides["changed"].any()) == is_news


def test_a_price_no_tick_had_holds_nothing():
    books = opened(LOW, HIGH)
    assert [lots_at(books.sides[0], books.lots, at) for at in (0, LOW - 1, HIGH + 1, 10**12)] == [0] * 4


def test_instruments_have_books_of_their_own():
    ticks = np.zeros(4, TICK)
    ticks["price"], ticks["instrument"] = (90, 95, 5_000, 5_003), (0, 0, 1, 1)
    books = open_books(ticks, 3)
    for nth, price in ((0, 92), (1, 5_001)):
        put(books.sides[2 * nth], books.sides[2 * nth + 1], books.lots, price, 7)
    assert [int(side["best"]) for side in books.sides[::2]] == [92, 5_001, NO_BID]
    assert books.lots.sum() == 14


def test_prices_that_span_more_than_memory_holds_are_refused():
    with pytest.raises(ConfigError, match="refuse the rows"):
        opened(1, MOST_TICKS + 1)
