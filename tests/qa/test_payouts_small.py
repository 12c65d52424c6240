"""The payouts command's checks see what they are there to see: floors as they are, and each planted error."""

import pytest

from qa import _structures, _trades, _worlds, payouts
from tickline.lanes.baskets import floor_of
from tickline.lanes.model import Kind
from tickline.markets.model import Label

SIZES = range(2, 5)


@pytest.fixture(scope="module")
def least():
    return payouts._least(SIZES)[0]


def test_nothing_is_wrong_with_the_floors(least):
    assert not payouts._wrong(floor_of, least)


@pytest.mark.parametrize("name", payouts.WRONG_FLOORS)
def test_a_wrong_floor_is_seen(least, name):
    assert payouts._wrong(payouts.WRONG_FLOORS[name], least)


def test_worlds_tried_and_worlds_solved_say_the_same():
    for kind in (Kind.ALL_NO, Kind.PARENT_NO_CHILDREN_YES, Kind.PARENT_YES_CHILDREN_NO):
        for label in Label:
            for legs, known in _worlds.bought(kind, 9, label):
                assert _worlds.least_tried(legs, known) == _worlds.least_solved(legs, known)


def test_a_void_is_worth_a_half():
    (legs, known), _ = _worlds.bought(Kind.CROSS, 2, Label.UNKNOWN)
    assert _worlds.least_with_voids(legs, known) == 0.5


def test_a_found_basket_with_a_leg_turned_round_is_seen():
    scenes = list(_structures.scenes(range(3, 4)))
    found = payouts._found(scenes)
    assert payouts._missing(found, range(3, 4)) == 0
    assert payouts._wrong_found(scenes, found) == 0
    turned = found.with_columns(payouts._first_leg_turned().alias("side"))
    assert payouts._wrong_found(scenes, turned) == found.height


def test_trades_realise_what_is_stated_and_not_what_leaves_fees_out():
    assert _trades.short_of_stated(60, 3, _trades.at_most) == 0
    assert _trades.short_of_stated(60, 3, _trades.as_one_fill) > 0
