"""How much the books hold of a basket, against walking them one contract at a time."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from qa._opportunities import START_NS, made_world, opportunity
from tickline.lanes.depth import Level, average, reach
from tickline.lanes.model import Kind

CROSS = next(one for one in made_world(2, 1).baskets if one.kind is Kind.CROSS)
FOUND = opportunity(CROSS, START_NS, cost=0.9, depth=40)
LADDERS = st.lists(
    st.tuples(st.integers(30, 60), st.integers(1, 9)), min_size=1, max_size=4, unique_by=lambda one: one[0]
)


def ladder(levels):
    return tuple(Level(Decimal(price) / 100, Decimal(size), Decimal("0.005")) for price, size in sorted(levels))


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
