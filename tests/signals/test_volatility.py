"""Volatility estimators against their formulas written out, and against walks of known volatility."""

import math
import statistics
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from tickline.signals import volatility

OPEN, HIGH, LOW, CLOSE = (pl.col(name) for name in ("open", "high", "low", "close"))
BARS = pl.DataFrame(
    {
        "open": [100.0, 101.0, 99.5, 100.5, 103.0],
        "high": [102.0, 101.5, 100.0, 103.0, 103.5],
        "low": [99.0, 99.0, 98.0, 100.0, 101.0],
        "close": [101.5, 99.2, 99.8, 102.5, 101.2],
    }
)


def _last(expression):
    return BARS.select(y=expression)["y"][-1]


def _rogers_satchell(bar):
    up, down, move = (math.log(bar[name] / bar["open"]) for name in ("high", "low", "close"))
    return up * (up - move) + down * (down - move)


def test_close_to_close_is_the_sample_deviation_of_log_returns():
    closes = BARS["close"].to_list()
    returns = [math.log(after / before) for before, after in pairwise(closes)]
    assert _last(volatility.close_to_close(CLOSE, 4)) == pytest.approx(statistics.stdev(returns), rel=1e-12)


def test_parkinson_reads_the_ranges():
    squares = [math.log(bar["high"] / bar["low"]) ** 2 for bar in BARS[-3:].rows(named=True)]
    expected = math.sqrt(sum(squares) / (3 * 4 * math.log(2)))
    assert _last(volatility.parkinson(HIGH, LOW, 3)) == pytest.approx(expected, rel=1e-12)


def test_garman_klass_takes_the_move_off_the_range():
    terms = [
        math.log(bar["high"] / bar["low"]) ** 2 / 2 - (2 * math.log(2) - 1) * math.log(bar["close"] / bar["open"]) ** 2
        for bar in BARS[-3:].rows(named=True)
    ]
    expected = math.sqrt(statistics.mean(terms))
    assert _last(volatility.garman_klass(OPEN, HIGH, LOW, CLOSE, 3)) == pytest.approx(expected, rel=1e-12)


def test_rogers_satchell_reads_the_way_up_and_down_from_both_ends():
    expected = math.sqrt(statistics.mean(_rogers_satchell(bar) for bar in BARS[-3:].rows(named=True)))
    assert _last(volatility.rogers_satchell(OPEN, HIGH, LOW, CLOSE, 3)) == pytest.approx(expected, rel=1e-12)


def test_yang_zhang_adds_gaps_moves_and_ranges():
    bars, n = BARS.rows(named=True), 4
    gaps = [math.log(bar["open"] / before["close"]) for before, bar in pairwise(bars)]
    moves = [math.log(bar["close"] / bar["open"]) for bar in bars[1:]]
    inside = statistics.mean(map(_rogers_satchell, bars[1:]))
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    expected = math.sqrt(statistics.variance(gaps) + k * statistics.variance(moves) + (1 - k) * inside)
    assert _last(volatility.yang_zhang(OPEN, HIGH, LOW, CLOSE, n)) == pytest.approx(expected, rel=1e-12)


def _walk(*, drift, gap):
    """1,000 bars of 2,500 steps whose volatility inside the bar is 0.01, with gaps between them of `gap`."""
    rng = np.random.default_rng(3)
    steps = rng.normal(drift / 2_500, 0.01 / 50, (1_000, 2_500))
    inside = np.cumsum(steps, axis=1)
    opens = np.cumsum(rng.normal(0, gap, 1_000) + np.r_[0, inside[:-1, -1]])
    prices = np.exp(opens[:, None] + np.c_[np.zeros(1_000), inside])
    return pl.DataFrame(
        {"open": prices[:, 0], "high": prices.max(axis=1), "low": prices.min(axis=1), "close": prices[:, -1]}
    )


@pytest.mark.parametrize(
    ("expression", "drift", "gap", "truth"),
    [
        pytest.param(volatility.close_to_close(CLOSE, 999), 0.02, 0.007, 0.0122, id="close to close"),
        pytest.param(volatility.parkinson(HIGH, LOW, 1_000), 0, 0.007, 0.01, id="parkinson"),
        pytest.param(volatility.garman_klass(OPEN, HIGH, LOW, CLOSE, 1_000), 0, 0.007, 0.01, id="garman klass"),
        pytest.param(
            volatility.rogers_satchell(OPEN, HIGH, LOW, CLOSE, 1_000), 0.02, 0.007, 0.01, id="rogers satchell"
        ),
        pytest.param(volatility.yang_zhang(OPEN, HIGH, LOW, CLOSE, 999), 0.02, 0.007, 0.0122, id="yang zhang"),
    ],
)
def test_the_volatility_of_a_walk_is_found(expression, drift, gap, truth):
    # Ranges of 2,500 steps are some 2 to 3 % short of those of a continuous walk.
    assert _walk(drift=drift, gap=gap).select(y=expression)["y"][-1] == pytest.approx(truth, rel=0.06)


@pytest.mark.parametrize(
    "expression",
    [
        volatility.close_to_close(CLOSE, 3),
        volatility.parkinson(HIGH, LOW, 3),
        volatility.garman_klass(OPEN, HIGH, LOW, CLOSE, 3),
        volatility.rogers_satchell(OPEN, HIGH, LOW, CLOSE, 3),
        volatility.yang_zhang(OPEN, HIGH, LOW, CLOSE, 3),
    ],
)
def test_a_market_that_stands_still_after_a_storm_has_no_volatility(expression):
    still = pl.concat([BARS, *[BARS[:1].select(pl.all() * 0 + 7.7)] * 5])
    assert still.select(y=expression)["y"][-1] == 0
