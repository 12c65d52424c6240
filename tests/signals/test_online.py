"""The compiled twins by themselves: exact over long streams and after jumps, and at home in a strategy's loop."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from tickline.signals import online

numbers = st.lists(st.integers(-9, 9), min_size=1, max_size=40)


def _run(update, size, values, *parameters):
    state = np.zeros(size)
    return [update(state, float(value), *parameters) for value in values]


@njit
def _crossings(prices, parameters, state):
    """A strategy's loop: two means in one vector, parameters as floats, sizes asked for in compiled code."""
    half = online.sma_size(parameters[0])
    above = 0
    for price in prices:
        fast = online.sma(state[:half], price, parameters[0])
        slow = online.ema(state[half : half + online.ema_size(parameters[1])], price, parameters[1])
        above += fast > slow
    return above


def test_a_compiled_loop_holds_several_states_in_one_vector():
    prices, parameters = np.array([1.0, 2.0, 3.0, 5.0, 1.0, 1.0]), np.array([2.0, 3.0])
    state = np.zeros(online.sma_size(2.0) + online.ema_size(3.0))
    # Means of two: 2.5, 4, 3, 1; the slow one from the third price on: 2, 3.5, 2.25, 1.625.
    assert _crossings(prices, parameters, state) == 3


@settings(deadline=None)
@given(values=numbers, n=st.integers(1, 12))
def test_the_largest_and_smallest_are_those_of_the_window(values, n):
    windows = [values[at + 1 - n : at + 1] if at + 1 >= n else [np.nan] for at in range(len(values))]
    assert np.array_equal(
        _run(online.highest, online.highest_size(n), values, n), [max(window) for window in windows], equal_nan=True
    )
    assert np.array_equal(
        _run(online.lowest, online.lowest_size(n), values, n), [min(window) for window in windows], equal_nan=True
    )


def test_a_mean_of_ticks_does_not_drift_over_a_long_stream():
    levels = 6_000_000 + np.cumsum(np.random.default_rng(0).integers(-50, 51, 60_000))
    means = _run(online.sma, online.sma_size(37), levels * 0.01, 37)
    exact = np.convolve(levels, np.ones(37, int), "valid") / 37 * 0.01
    assert means[36:] == pytest.approx(exact, rel=1e-14)


@settings(max_examples=30, deadline=None)
@given(
    loud=st.lists(st.floats(-1e9, 1e9), min_size=8, max_size=20),
    quiet=st.lists(st.integers(-5, 5), min_size=4, max_size=12),
)
def test_deviation_and_sums_are_exact_after_what_was_loud_has_left(loud, quiet):
    """Against rational arithmetic: a running sum of floats would keep the rounding of the loud values for good."""
    values = [*loud, *(100 + tick * 0.01 for tick in quiet)]
    mean, variance = np.zeros(online.moments_size(4)), None
    total = np.zeros(online.window_sum_size(4))
    for value in values:
        mean_said, variance = online.moments(mean, value, 4)
        total_said = online.window_sum(total, value, 4)
    window = [Fraction(value) for value in values[-4:]]
    exact = sum(window) / 4
    assert mean_said == pytest.approx(float(exact), rel=1e-14)
    assert total_said == pytest.approx(float(sum(window)), rel=1e-14)
    assert variance == pytest.approx(float(sum((value - exact) ** 2 for value in window) / 4), rel=1e-9)


@settings(deadline=None)
@given(a=st.floats(-1e100, 1e100, allow_subnormal=False), b=st.floats(-1e100, 1e100, allow_subnormal=False))
def test_sums_and_products_of_two_floats_are_exact(a, b):
    assert sum(map(Fraction, online.two_sum(a, b))) == Fraction(a) + Fraction(b)
    if a == 0 or b == 0 or abs(a * b) > 1e-250:  # the rest of a smaller product is no float
        assert sum(map(Fraction, online.two_product(a, b))) == Fraction(a) * Fraction(b)


@pytest.mark.parametrize(
    ("update", "size", "parameters"),
    [
        (online.sma, online.sma_size(3), (3,)),
        (online.ema, online.ema_size(3), (3,)),
        (online.rsi, online.rsi_size(3), (3,)),
        (online.zscore, online.zscore_size(3), (3,)),
        (online.macd, online.macd_size(2, 3, 2), (2, 3, 2)),
    ],
)
def test_parameters_may_be_floats_or_integers(update, size, parameters):
    values = [1, 5, 2, 8, 3, 9, 4]
    floats = _run(update, size, values, *map(float, parameters))
    assert np.array_equal(_run(update, size, values, *parameters), floats, equal_nan=True)


@pytest.mark.parametrize(
    ("update", "size", "inputs", "parameters"),
    [
        (online.sma, online.sma_size(2.0), (np.nan,), (2.0,)),
        (online.wma, online.wma_size(2.0), (np.nan,), (2.0,)),
        (online.rsi, online.rsi_size(2.0), (np.nan,), (2.0,)),
        (online.atr, online.atr_size(2.0), (5.0, np.nan, 4.0), (2.0,)),
        (online.donchian, online.donchian_size(2.0), (5.0, np.nan), (2.0,)),
        (online.macd, online.macd_size(2.0, 3.0, 2.0), (np.nan,), (2.0, 3.0, 2.0)),
        (online.session_vwap, online.session_vwap_size(), (5.0, 1.0, np.nan), ()),
    ],
)
def test_a_missing_input_gives_nothing_and_leaves_the_state_alone(update, size, inputs, parameters):
    state = np.arange(1.0, size + 1.0)
    assert np.isnan(update(state, *inputs, *parameters)).all()
    assert np.array_equal(state, np.arange(1.0, size + 1.0))
