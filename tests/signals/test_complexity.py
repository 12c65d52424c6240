"""Permutation entropy and the Hurst exponent against published and known values."""

import math

import numpy as np
import polars as pl
import pytest

from tickline.signals.complexity import hurst, hurst_dfa, hurst_rs, permutation_entropy

pytestmark = pytest.mark.slow


def _noise(h, steps, rng):
    """Fractional Gaussian noise of exponent h, exactly: the steps of fractional Brownian motion.

    By circulant embedding: R. Davies and D. Harte, Tests for Hurst Effect, Biometrika 74 (1987).
    """
    lags = np.arange(steps + 1.0)
    covariance = 0.5 * ((lags + 1) ** (2 * h) - 2 * lags ** (2 * h) + np.abs(lags - 1) ** (2 * h))
    eigenvalues = np.fft.fft(np.r_[covariance, covariance[-2:0:-1]]).real
    assert eigenvalues.min() > 0
    normal = rng.normal(size=2 * steps) + 1j * rng.normal(size=2 * steps)
    return np.fft.fft(np.sqrt(eigenvalues / (2 * steps)) * normal).real[:steps]


def _mean_of(estimator, h):
    rng = np.random.default_rng(17)
    return np.mean([estimator(_noise(h, 4096, rng)) for _ in range(24)])


def test_the_noise_has_the_covariance_it_claims():
    rng, h = np.random.default_rng(1), 0.8
    samples = np.array([_noise(h, 64, rng) for _ in range(4_000)])
    found = [np.mean(samples[:, 0] * samples[:, lag]) for lag in (0, 1, 5)]
    expected = [0.5 * (abs(lag + 1) ** 1.6 - 2 * lag**1.6 + abs(lag - 1) ** 1.6) for lag in (0, 1, 5)]
    assert found == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("h", [0.2, 0.35, 0.5, 0.65, 0.8])
def test_detrended_fluctuations_find_the_exponent_of_fractional_brownian_motion(h):
    assert _mean_of(hurst_dfa, h) == pytest.approx(h, abs=0.03)


@pytest.mark.parametrize("h", [0.2, 0.35, 0.5, 0.65, 0.8])
def test_rescaled_ranges_find_the_exponent_and_lean_to_a_half(h):
    found = _mean_of(hurst_rs, h)
    assert found == pytest.approx(h, abs=0.08)
    assert abs(found - 0.5) < abs(h - 0.5) + 0.02


@pytest.mark.parametrize("estimator", [hurst_dfa, hurst_rs])
def test_too_few_steps_or_none_that_move_have_no_exponent(estimator):
    assert math.isnan(estimator(np.random.default_rng(0).normal(size=127)))
    assert math.isfinite(estimator(np.random.default_rng(0).normal(size=128)))
    assert math.isnan(estimator(np.zeros(256)))


def test_a_rolling_exponent_is_read_of_the_last_returns_and_stands_until_the_next_reading():
    prices = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, 160)))
    said = pl.DataFrame({"x": prices}).select(y=hurst(pl.col("x"), 128, 10))["y"].to_list()
    returns = np.diff(np.log(prices))
    readings = [hurst_dfa(returns[at - 128 : at]) for at in (128, 138, 148, 158)]
    assert said == [None] * 128 + [
        pytest.approx(reading) for reading, rows in zip(readings, (10, 10, 10, 2), strict=True) for _ in range(rows)
    ]


@pytest.mark.parametrize(("order", "bits"), [(2, 0.918), (3, 1.522)])
def test_the_worked_example_of_bandt_and_pompe(order, bits):
    entropy = _entropy([4, 7, 9, 10, 6, 11, 3], 7, order)
    assert entropy * math.log2(math.factorial(order)) == pytest.approx(bits, abs=5e-4)


def test_one_way_is_perfectly_predictable_and_noise_is_not_at_all():
    assert _entropy(range(100), 100, 4) == 0
    assert _entropy(np.random.default_rng(2).normal(size=5_000), 5_000, 4) > 0.99


def test_equal_values_rank_in_order_of_time():
    assert _entropy([5] * 50, 50, 3) == 0
    assert _entropy([1, 1, 2, 2, 3, 3], 6, 3) == 0


def _entropy(values, n, order):
    frame = pl.DataFrame({"x": np.array(values, float)})
    return frame.select(y=permutation_entropy(pl.col("x"), n, order))["y"][-1]
