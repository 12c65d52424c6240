"""What several looks agree on is not set by any one of them."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.sizing.robust import Looks, Robustness, cautious_depth, cautious_price, least_believed, median

VALUES = st.lists(st.floats(0.01, 0.99), min_size=3, max_size=9)
EXTREMES = st.one_of(st.sampled_from([0.0, 1e-9, 1e12]), st.floats(0, 1e6))


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_the_median_is_the_textbooks(values):
    assert median(values) == statistics.median(values)


@settings(max_examples=80, deadline=None)
@given(VALUES, st.data(), EXTREMES)
def test_replacing_one_look_moves_the_median_no_further_than_to_its_neighbours(values, data, extreme):
    at = data.draw(st.integers(0, len(values) - 1))
    replaced = [*values[:at], extreme, *values[at + 1 :]]
    ordered, half = sorted(values), len(values) // 2
    assert (
        ordered[max(half - 1 - (len(values) + 1) % 2, 0)] <= median(replaced) <= ordered[min(half + 1, len(values) - 1)]
    )


@settings(max_examples=60, deadline=None)
@given(VALUES, st.floats(0, 5))
def test_what_is_not_believed_is_below_the_middle_by_more_than_the_spread(values, deviations):
    lowest = least_believed(values, deviations=deviations, least_spread=0.005)
    middle = statistics.median(values)
    spread_by_hand = 1.4826 * statistics.median(abs(value - middle) for value in values)
    assert lowest == pytest.approx(middle - deviations * max(spread_by_hand, 0.005))
    assert sum(value >= lowest for value in values) * 2 >= len(values)


def test_a_price_far_below_what_was_seen_is_not_believed_and_one_above_is():
    looks = Looks((0.40, 0.41, 0.40, 0.02))
    settings_ = Robustness(deviations=2, least_spread=0.005)
    assert 0.37 < cautious_price(0.02, looks, settings_) <= 0.40
    assert cautious_price(0.60, looks, settings_) == 0.60
    assert cautious_price(0.395, looks, settings_) == 0.395
    assert cautious_price(0.02, Looks(), settings_) == 0.02


def test_a_depth_that_was_not_there_before_is_not_counted_on():
    assert cautious_depth(10_000, Looks((), (100, 120, 10_000))) == 120
    assert cautious_depth(5, Looks((), (100, 120, 5))) == 5
    assert cautious_depth(7, Looks()) == 7
