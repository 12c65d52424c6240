"""Overlays against the same sums done by hand, and what they may know."""

import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import ConfigError
from tickline.sizing.overlays import drawdown_cut, volatility_target

RETURNS = np.random.default_rng(5).normal(0, 0.01, 300) * np.repeat([1.0, 4.0, 0.2], 100)
EQUITY = np.cumprod(1 + RETURNS)


def targeted(values, *, target=0.1, window=20, sessions_per_year=252, max_leverage=3.0):
    scale = volatility_target(
        pl.col("x"), target=target, window=window, sessions_per_year=sessions_per_year, max_leverage=max_leverage
    )
    return pl.DataFrame({"x": values}, schema={"x": pl.Float64}).select(scale.alias("scale"))["scale"].to_list()


def cut(values, *, begin=0.05, end=0.15):
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    return frame.select(drawdown_cut(pl.col("x"), begin=begin, end=end).alias("scale"))["scale"].to_list()


def test_exposure_is_the_target_over_the_volatility_of_the_sessions_before():
    scales = targeted(RETURNS)
    assert scales[:20] == [0.0] * 20
    for at in range(20, 300):
        volatility = statistics.stdev(RETURNS[at - 20 : at]) * 252**0.5
        assert scales[at] == pytest.approx(min(0.1 / volatility, 3.0), rel=1e-9)
    assert max(scales) == 3.0


def test_scaled_returns_are_about_as_volatile_as_the_target_where_leverage_allows():
    volatile = np.random.default_rng(1).normal(0, 0.02, 20_000) * np.repeat(np.linspace(0.5, 3, 20), 1000)
    scaled = volatile * np.array(targeted(volatile, window=60, max_leverage=100.0))
    assert np.std(scaled[60:]) * 252**0.5 == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("hole", [None, float("nan")])
def test_nothing_is_held_while_a_return_is_missing_from_the_window(hole):
    values = [*RETURNS[:60].tolist()]
    values[30] = hole
    scales = targeted(values, window=5)
    assert scales[31:36] == [0.0] * 5
    assert scales[:31] + scales[36:] == pytest.approx(targeted(RETURNS[:60], window=5)[:31] + scales[36:])
    assert min(scales[5:31] + scales[36:]) > 0


def test_what_did_not_move_is_of_unknown_volatility():
    assert targeted([0.0] * 30, window=5) == [0.0] * 30


@pytest.mark.parametrize("overlay", [targeted, cut])
@settings(max_examples=40, deadline=None)
@given(at=st.integers(25, 299), shock=st.floats(0.5, 1.5), data=st.data())
def test_no_exposure_changes_when_its_own_session_or_the_future_does(overlay, at, shock, data):
    values = (RETURNS if overlay is targeted else EQUITY).tolist()
    scales = overlay(values)
    assert overlay(values[:at]) == scales[:at]
    changed = overlay([*values[:at], *(value * shock for value in values[at:])])
    assert changed[: at + 1] == scales[: at + 1]


@pytest.mark.parametrize(
    "said",
    [
        {"target": 0.0},
        {"target": float("nan")},
        {"window": 1},
        {"sessions_per_year": 0},
        {"max_leverage": float("inf")},
    ],
)
def test_a_volatility_target_of_nonsense_is_refused(said):
    with pytest.raises(ConfigError, match="target is 0 to 10"):
        targeted(RETURNS, **said)


def test_exposure_falls_linearly_with_the_drawdown_of_the_close_before_and_comes_back():
    equity = [100, 110, 104.5, 99, 93.5, 88, 99, 110, 121]  # drawdowns 0 0 5 10 15 20 10 0 0 %
    assert cut(equity) == pytest.approx([1, 1, 1, 1, 0.5, 0, 0, 0.5, 1])


def test_a_close_without_equity_leaves_no_exposure_to_the_next_session():
    assert cut([100, None, 100, float("nan"), 100, 100]) == [1, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("levels", [(0.1, 0.1), (0.2, 0.1), (-0.1, 0.1), (0.5, 1.1), (0.1, float("nan"))])
def test_drawdown_levels_out_of_order_are_refused(levels):
    with pytest.raises(ConfigError, match="the lower first"):
        cut(EQUITY, begin=levels[0], end=levels[1])
