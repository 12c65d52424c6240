"""Predictable and stochastic regimes: what they call series that are known to be one or the other."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.signals.regimes import Regime, Thresholds, regime_online, regime_size, regimes

pytestmark = pytest.mark.slow

SMALL = Thresholds(patterns=60, order=3, memory=128, every=8, entropy_enter=0.95, entropy_leave=0.97)


def bars(steps, name="A"):
    """Bars of a minute whose log returns are these."""
    ts = pl.Series(np.arange(len(steps)) * 60_000_000_000).cast(NS)
    return pl.DataFrame({"instrument": name, "ts_close": ts, "close": 100 * np.exp(np.cumsum(steps))})


def normal(rows, seed=0):
    return np.random.default_rng(seed).normal(0, 1e-3, rows)


def repeating(steps, share):
    """Steps that each repeat a share of the one before."""
    found = steps.copy()
    for at in range(1, found.size):
        found[at] += share * found[at - 1]
    return found


def label(frame, thresholds=None):
    return regimes(frame.lazy(), thresholds).collect()


def share_predictable(steps):
    return label(bars(steps))["label"].mean()


def test_a_random_walk_is_stochastic_and_a_walk_with_memory_predictable():
    assert share_predictable(normal(30_000)) < 0.10
    assert share_predictable(repeating(normal(10_000), 0.5)) > 0.90
    assert share_predictable(repeating(normal(10_000), -0.5)) > 0.90


def test_nothing_is_said_before_both_windows_are_full():
    found = label(bars(normal(600)), SMALL)
    assert found.columns == ["instrument", "ts", "label", "entropy", "hurst"]
    assert found["label"].is_null().sum() == 128  # returns, and a price before the first of them
    assert set(found["label"].drop_nulls()) <= {Regime.STOCHASTIC, Regime.PREDICTABLE}


@given(st.integers(0, 1_000), st.floats(-0.6, 0.6), st.integers(150, 399))
@settings(max_examples=15, deadline=None)
def test_the_future_changes_no_label(seed, share, cut):
    whole = bars(repeating(normal(400, seed), share))
    assert_frame_equal(label(whole.head(cut), SMALL), label(whole, SMALL).head(cut))


def test_between_entering_and_leaving_a_regime_stays():
    found = label(bars(repeating(normal(6_000, 3), 0.25)), SMALL).drop_nulls()
    away = (found["hurst"] - 0.5).abs()
    is_in = (found["entropy"] <= SMALL.entropy_enter) | (away >= SMALL.hurst_enter)
    is_out = (found["entropy"] >= SMALL.entropy_leave) & (away <= SMALL.hurst_leave)
    labels, before = found["label"], found["label"].shift(1, fill_value=0)
    assert labels.filter(is_in).eq(1).all()
    assert labels.filter(is_out).eq(0).all()
    assert (labels == before).filter(~is_in & ~is_out).all()
    assert (~is_in & ~is_out).sum() > 100


def test_instruments_do_not_mix_and_rows_without_a_price_are_passed_over():
    first, second = bars(normal(300, 1)), bars(normal(300, 2), "B")
    holes = pl.DataFrame({"close": [None, float("nan"), 0.0, -1.0]}).join(first.head(1).drop("close"), how="cross")
    mixed = pl.concat((first, second, holes.select(first.columns))).sort("ts_close", maintain_order=True)
    found = label(mixed, SMALL)
    for name, alone in (("A", first), ("B", second)):
        assert_frame_equal(found.filter(pl.col("instrument") == name), label(alone, SMALL))


def test_event_by_event_says_the_same():
    frame = bars(np.concatenate((normal(1_500, 4), repeating(normal(1_500, 5), 0.4), normal(1_500, 6))))
    batch = label(frame, SMALL)["label"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    state = np.zeros(regime_size(SMALL))
    said = [regime_online(state, close, SMALL) for close in frame["close"]]
    np.testing.assert_array_equal(said, batch)
    assert {0.0, 1.0} <= set(batch)


@pytest.mark.parametrize("wrong", [{"entropy_enter": 0.99}, {"hurst_leave": 0.3}, {"entropy_leave": 1.5}])
def test_thresholds_without_room_between_them_are_refused(wrong):
    with pytest.raises(ConfigError, match="flicker"):
        regimes(bars(normal(5)).lazy(), Thresholds()._replace(**wrong))
