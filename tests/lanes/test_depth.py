"""How much the books hold of a basket, against walking them one contract at a time; and what recent looks were."""

from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa._opportunities import SECOND_NS, START_NS, made_world, opportunity
from tickline.lake.market_schemas import MARKET_QUOTES
from tickline.lanes.depth import Level, QuoteHistory, average, reach
from tickline.lanes.model import Kind, Leg, Style
from tickline.markets.model import MarketKey, Side

CROSS = next(one for one in made_world(2, 1).baskets if one.kind is Kind.CROSS)
FOUND = opportunity(CROSS, START_NS, cost=0.9, depth=40)
LADDERS = st.lists(
    st.tuples(st.integers(30, 60), st.integers(1, 9)), min_size=1, max_size=4, unique_by=lambda one: one[0]
)


def ladder(levels):
    return tuple(Level(Decimal(price) / 100, Decimal(size), Decimal("0.001")) for price, size in sorted(levels))


def contracts(levels):
    return [level.price + level.fee for level in levels for _ in range(int(level.size))]


@settings(max_examples=60, deadline=None)
@given(LADDERS, LADDERS)
def test_walking_levels_finds_what_buying_one_unit_after_another_does(first, second):
    levels = {leg: ladder(of) for leg, of in zip(CROSS.legs, (first, second), strict=True)}
    legs = tuple(
        replace(one, price=levels[one.leg][0].price, fee=levels[one.leg][0].fee, depth=levels[one.leg][0].size)
        for one in FOUND.legs
    )
    found = replace(FOUND, legs=legs, depth=min(one.depth for one in legs))
    least = Decimal("0.02")
    by_hand = 0
    for one, other in zip(*(contracts(levels[leg]) for leg in CROSS.legs), strict=False):
        if 1 - one - other < least:
            break
        by_hand += 1
    got = reach(found, levels, least_edge=least)
    assert got.units == by_hand
    assert all(depth >= got.units for depth in got.depths)
    assert got.tops == tuple(levels[leg][0].size for leg in CROSS.legs)


def test_without_levels_the_best_quotes_are_all_there_is():
    got = reach(replace(FOUND, depth=Decimal(25)), {}, least_edge=Decimal(0))
    assert (got.units, got.depths, got.tops) == (25, (40, 40), (40, 40))


@settings(max_examples=40, deadline=None)
@given(LADDERS, st.integers(1, 40))
def test_the_average_never_tells_less_than_the_contracts_cost(levels, size):
    of = ladder(levels)
    price, fee = average(of, Decimal(size))
    each = contracts(of)
    cost = sum(each[:size]) + max(size - len(each), 0) * each[-1]
    assert cost <= size * (price + fee) <= cost + size * Decimal("0.000002")


def quotes(rows):
    given_ = pl.DataFrame(rows).with_columns(pl.col("ts_recv") * SECOND_NS + START_NS)
    there = set(given_.columns)
    return given_.select(
        (pl.col(name) if name in there else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in MARKET_QUOTES.columns.items()
    )


HISTORY = QuoteHistory(
    {
        "kalshi": quotes(
            [
                {"market_id": "m", "ts_recv": at, "yes_ask": ask, "yes_ask_size": size, "yes_bid": 0.1, "raw_row": at}
                for at, ask, size in ((30, 0.43, 3.0), (0, 0.40, 7.0), (10, None, 9.0), (20, 0.42, None))
            ]
            + [{"market_id": "a", "ts_recv": 5, "yes_ask": 0.9, "yes_ask_size": 1.0, "yes_bid": 0.8, "raw_row": 9}]
        )
    }
)


def looks(at, *, within_s=3_600, most=9, style=Style.TAKER, market="m", venue="kalshi", side=Side.YES):
    leg = Leg(MarketKey(venue, market), side)
    return HISTORY.looks(leg, style, now_ns=START_NS + at * SECOND_NS, within_s=within_s, most=most)


def test_looks_are_those_up_to_the_moment_in_order_without_what_was_not_said():
    assert looks(30).prices == (0.40, 0.42, 0.43)
    assert looks(30).depths == (7.0, 3.0)
    assert looks(29).prices == (0.40, 0.42)
    assert looks(30, within_s=10).prices == (0.42, 0.43)
    assert looks(30, most=1).prices == (0.43,)
    assert looks(30, style=Style.MAKER).prices == (0.1,) * 4
    assert looks(30, market="a").prices == (0.9,)


@pytest.mark.parametrize("unknown", [{"market": "x"}, {"venue": "x"}, {"side": Side.NO}])
def test_what_was_never_quoted_has_no_looks(unknown):
    assert looks(30, **unknown).prices == ()
