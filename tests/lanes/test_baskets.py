"""Floors: every world that is not ruled out, enumerated, pays at least what is stated, and one of them no more."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import LaneError
from tickline.lanes.baskets import LEAVES_OUT, basket_id, floor_of, void_floor_of
from tickline.lanes.model import Kind, Leg
from tickline.markets.model import Label, MarketKey, Side

PAIRS = (Kind.CROSS, Kind.COMPLEMENT, Kind.LADDER)
SMALL = [
    *((Kind.INTRA, 1, label) for label in (None, *Label)),
    *((kind, 2, label) for kind in PAIRS for label in (None, *Label)),
    *(
        (kind, n, label)
        for kind in Kind
        if kind is not Kind.INTRA and kind not in PAIRS
        for n in range(1, 6)
        for label in Label
    ),
]


def worlds(kind, n, label):
    """Every world of a kind's markets (the parent first) that what is known of them allows."""
    parent = kind in (Kind.PARENT_NO_CHILDREN_YES, Kind.PARENT_YES_CHILDREN_NO)
    for world in product((False, True), repeat=n + parent):
        of_group = world[1:] if parent else world
        allowed = {
            Kind.INTRA: True,
            Kind.CROSS: len(set(world)) == 1,
            Kind.COMPLEMENT: sum(world) == 1,
            Kind.LADDER: world[0] or not world[-1],
        }.get(kind, sum(of_group) <= 1)
        if parent:
            allowed = allowed and (world[0] or not any(of_group))
            if label is Label.EXHAUSTIVE:
                allowed = allowed and (not world[0] or any(of_group))
        elif label is Label.EXHAUSTIVE and kind in (Kind.ALL_NO, Kind.ALL_YES):
            allowed = allowed and any(of_group)
        if allowed:
            yield world


def bought(kind, n):
    """The ways to buy a kind: (market, side) of each leg."""
    yes, no = True, False
    children = range(1, n + 1)
    return {
        Kind.INTRA: [[(0, yes), (0, no)]],
        Kind.CROSS: [[(0, yes), (1, no)], [(0, no), (1, yes)]],
        Kind.COMPLEMENT: [[(0, yes), (1, yes)], [(0, no), (1, no)]],
        Kind.LADDER: [[(0, yes), (1, no)]],
        Kind.ALL_NO: [[(market, no) for market in range(n)]],
        Kind.ALL_YES: [[(market, yes) for market in range(n)]],
        Kind.PARENT_NO_CHILDREN_YES: [[(0, no), *((child, yes) for child in children)]],
        Kind.PARENT_YES_CHILDREN_NO: [[(0, yes), *((child, no) for child in children)]],
    }[kind]


@pytest.mark.parametrize(("kind", "n", "label"), SMALL)
def test_a_floor_is_the_least_that_any_world_pays(kind, n, label):
    for legs in bought(kind, n):
        least = min(sum(world[market] is side for market, side in legs) for world in worlds(kind, n, label))
        assert (floor_of(kind, n, label) or 0) == least


@pytest.mark.parametrize("kind", LEAVES_OUT)
@pytest.mark.parametrize("n", range(2, 6))
@pytest.mark.parametrize("label", Label)
def test_a_no_that_is_left_out_lowers_the_floor_by_one(kind, n, label):
    (legs,) = bought(kind, n)
    for out in range(1, n):
        left = legs[: len(legs) - out]
        least = min(sum(world[market] is side for market, side in left) for world in worlds(kind, n, label))
        assert floor_of(kind, n, label) - out == least


@pytest.mark.parametrize(("kind", "n", "label"), [of for of in SMALL if of[1] <= 4])
def test_with_voids_it_is_the_least_over_every_choice_of_voided_markets(kind, n, label):
    if floor_of(kind, n, label) is None:
        assert void_floor_of(kind, n, label) is None
        return
    for legs in bought(kind, n):
        markets = sorted({market for market, _ in legs})
        least = min(
            sum(Decimal("0.5") if voided[market] else Decimal(world[market] is side) for market, side in legs)
            for world in worlds(kind, n, label)
            for voided in product((False, True), repeat=len(markets))
        )
        assert void_floor_of(kind, n, label) == least


@pytest.mark.parametrize(("kind", "n"), [(Kind.INTRA, 2), (Kind.CROSS, 3), (Kind.LADDER, 1), (Kind.ALL_NO, 0)])
def test_a_kind_of_other_many_outcomes_is_refused(kind, n):
    with pytest.raises(LaneError, match="outcomes"):
        floor_of(kind, n)


legs = st.lists(
    st.builds(Leg, st.builds(MarketKey, st.sampled_from(["a", "b"]), st.text(max_size=3)), st.sampled_from(Side)),
    min_size=1,
    max_size=5,
    unique=True,
)


@settings(max_examples=20, deadline=None)
@given(legs, st.randoms(use_true_random=False))
def test_the_id_of_a_basket_is_of_its_kind_and_legs_in_any_order(of, random):
    shuffled = random.sample(of, len(of))
    assert basket_id(Kind.ALL_NO, of) == basket_id(Kind.ALL_NO, shuffled)
    assert basket_id(Kind.ALL_NO, of) != basket_id(Kind.ALL_YES, of)
    assert basket_id(Kind.ALL_NO, of) != basket_id(Kind.ALL_NO, of[1:])
