"""The drawdown's multiplier: down at once, up slowly and only where trades came to what was expected of them."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tickline.sizing.drawdown import DrawdownCut, Restraint, after_settling, multiplier_at, restrained

CUT = DrawdownCut(begin=0.05, end=0.15, least=0.2, restore=0.1, settled=3, band_low=0.5, band_high=1.5)
AS_EXPECTED = (Decimal(1), Decimal(1))


def settled(restraint, *trades):
    for realised, expected in trades:
        restraint = after_settling(restraint, Decimal(realised), Decimal(expected), cut=CUT)
    return restraint


@pytest.mark.parametrize(("drawdown", "left"), [(0, 1), (0.05, 1), (0.10, 0.5), (0.13, 0.2), (0.9, 0.2)])
def test_it_falls_in_a_line_between_its_bounds(drawdown, left):
    assert multiplier_at(drawdown, CUT) == pytest.approx(left)


def test_it_falls_at_once_and_rises_a_step_a_day_once_trades_came_to_what_was_expected():
    low = restrained(settled(Restraint(), *[AS_EXPECTED] * 5), 0.10, day=1, cut=CUT)
    assert low.multiplier == pytest.approx(0.5)
    assert restrained(low, 0.0, day=2, cut=CUT).multiplier == pytest.approx(0.5), "nothing settled since it fell"
    earned = settled(low, *[AS_EXPECTED] * 3)
    assert restrained(earned, 0.0, day=1, cut=CUT) == earned, "not on the day it fell"
    once = restrained(earned, 0.0, day=2, cut=CUT)
    assert once.multiplier == pytest.approx(0.6)
    assert restrained(once, 0.0, day=2, cut=CUT) == once
    assert restrained(once, 0.0, day=3, cut=CUT).multiplier == pytest.approx(0.7)
    assert restrained(once, 0.09, day=3, cut=CUT).multiplier == pytest.approx(0.6), "no further than the drawdown lets"


@pytest.mark.parametrize("trades", [[(1, 1)] * 2, [(1, 3)] * 3, [(9, 1)] * 3, [(1, 0)] * 3, [(-1, -1)] * 3])
def test_too_few_trades_or_out_of_band_ones_restore_nothing(trades):
    low = settled(Restraint(0.5, 1, ()), *trades)
    assert restrained(low, 0.0, day=9, cut=CUT).multiplier == 0.5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.3), st.integers(0, 2), st.floats(-1, 2)), max_size=30))
def test_it_stays_within_its_bounds_and_never_rises_faster_than_a_step_a_day(steps):
    restraint, day, risen = Restraint(), 0, {}
    for drawdown, later, realised in steps:
        day += later
        before = restraint.multiplier
        restraint = restrained(settled(restraint, (Decimal(str(realised)), 1)), drawdown, day=day, cut=CUT)
        assert CUT.least <= restraint.multiplier <= max(multiplier_at(drawdown, CUT), before)
        risen[day] = risen.get(day, 0.0) + max(restraint.multiplier - before, 0)
    assert all(one <= CUT.restore + 1e-12 for one in risen.values())


def test_bounds_out_of_order_are_refused():
    with pytest.raises(ValidationError, match="begin must lie below end"):
        DrawdownCut(begin=0.2, end=0.1)
