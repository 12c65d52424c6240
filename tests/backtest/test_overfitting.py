"""Deflated Sharpe ratios against the examples their authors published and against SciPy; overfitting by simulation."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tickline.backtest.overfitting import (
    Estimate,
    backtest_overfitting,
    deflate,
    deflated_sharpe,
    effective_trials,
    estimate,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
)
from tickline.errors import ConfigError

# Bailey and Lopez de Prado (2014), "A numerical example": 2.5 a year, five years of 250 days, variance 1/2 a year.
PUBLISHED = Estimate(2.5 / math.sqrt(250), 1250, skewness=-3, kurtosis=10)
VARIANCE = 0.5 / 250


def noise(rows, trials, seed=1):
    return np.random.default_rng(seed).normal(0, 0.01, (rows, trials))


def test_the_published_example_of_a_deflated_sharpe_ratio():
    assert expected_maximum_sharpe(trials=100, variance=VARIANCE) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(PUBLISHED, trials=100, variance=VARIANCE) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(PUBLISHED, trials=46, variance=VARIANCE) == pytest.approx(0.9505, abs=5e-5)
    normal = Estimate(PUBLISHED.sharpe, 1250)
    assert deflated_sharpe(normal, trials=88, variance=VARIANCE) == pytest.approx(0.9505, abs=5e-5)


def test_the_published_examples_of_a_probabilistic_sharpe_ratio():
    # Bailey and Lopez de Prado (2012): two years of months, mean 3.6 %, deviation 7.9 %.
    monthly = 0.036 / 0.079
    assert probabilistic_sharpe(Estimate(monthly, 24)) == pytest.approx(0.982, abs=1e-3)
    assert probabilistic_sharpe(Estimate(monthly, 24, -2.448, 10.164)) == pytest.approx(0.913, abs=1e-3)


@pytest.mark.parametrize(("periods", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_published_track_records_that_tell_a_sharpe_of_two_from_one(periods, years):
    of = Estimate(2 / math.sqrt(periods), 100)
    assert minimum_track_record(of, benchmark=1 / math.sqrt(periods)) / periods == pytest.approx(years, abs=5e-3)


def test_a_sharpe_below_its_benchmark_has_no_track_record_that_shows_it_above():
    assert minimum_track_record(Estimate(0.1, 100), benchmark=0.1) is None


@settings(max_examples=30, deadline=None)
@given(sharpe=st.floats(0.02, 0.5), benchmark=st.floats(-0.1, 0.01), skewness=st.floats(-1, 1), extra=st.floats(0, 9))
def test_the_minimum_track_record_is_just_long_enough(sharpe, benchmark, skewness, extra):
    of = Estimate(sharpe, 2, skewness, 3 + extra)
    enough = minimum_track_record(of, benchmark=benchmark)
    longer, shorter = (Estimate(sharpe, samples, skewness, 3 + extra) for samples in (int(enough) + 2, int(enough)))
    assert probabilistic_sharpe(longer, benchmark=benchmark) >= 0.95
    if shorter.samples >= 2:
        assert probabilistic_sharpe(shorter, benchmark=benchmark) <= 0.95 + 1e-12


def test_moments_are_those_of_scipy():
    sample = np.random.default_rng(3).standard_t(5, 400) * 0.01
    got = estimate(sample)
    assert got.samples == 400
    assert got.sharpe == pytest.approx(sample.mean() / stats.tstd(sample))
    assert got.skewness == pytest.approx(stats.skew(sample))
    assert got.kurtosis == pytest.approx(stats.kurtosis(sample, fisher=False))


def test_the_expected_maximum_is_what_simulated_maxima_average_to():
    for trials in (5, 50, 500):
        maxima = np.random.default_rng(trials).normal(0, 0.3, (4000, trials)).max(axis=1)
        assert expected_maximum_sharpe(trials=trials, variance=0.09) == pytest.approx(maxima.mean(), rel=0.03)
    assert [expected_maximum_sharpe(trials=trials, variance=1.0) for trials in (0, 1, 1.01)] == [0, 0, 0]


def test_equally_correlated_trials_count_for_what_their_correlation_leaves():
    random = np.random.default_rng(5)
    common = random.normal(size=(4000, 1))
    trials = math.sqrt(0.25) * common + math.sqrt(0.75) * random.normal(size=(4000, 30))
    mean = np.corrcoef(trials.T)[np.triu_indices(30, 1)].mean()
    assert effective_trials(trials) == pytest.approx(mean + (1 - mean) * 30)
    assert effective_trials(trials) == pytest.approx(0.25 + 0.75 * 30, rel=0.05)
    assert effective_trials(np.repeat(common, 7, axis=1)) == pytest.approx(1)
    assert effective_trials(common) == 1


def test_the_best_of_pure_noise_is_deflated_to_nothing_special():
    got = deflate(noise(1000, 200))
    assert got.trials == 200
    assert got.probabilistic > 0.97
    assert 0.1 < got.deflated < 0.9
    best = noise(1000, 200)[:, got.trial]
    assert got.estimate.sharpe == pytest.approx(best.mean() / best.std(ddof=1))


def test_a_truly_good_trial_among_noise_stays_good():
    returns = noise(1000, 200)
    returns[:, 17] += 0.0025
    got = deflate(returns)
    assert got.trial == 17
    assert got.deflated > 0.99
    assert got.track_record < 1000


def test_trials_that_never_moved_neither_win_nor_count():
    returns = np.column_stack([np.zeros(500), noise(500, 3) - 0.001, np.zeros(500)])
    got = deflate(returns)
    assert 1 <= got.trial <= 3
    assert got.effective_trials == pytest.approx(effective_trials(returns[:, 1:4]))
    with pytest.raises(ConfigError, match="none of 2 trials ever moved"):
        deflate(np.zeros((10, 2)))


def _by_hand(returns, blocks):
    """CSCV as the paper tells it, one halving after the other."""
    pieces = np.array_split(returns, blocks)
    logits = []
    for half in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([pieces[at] for at in half])
        outside = np.concatenate([pieces[at] for at in range(blocks) if at not in half])
        best = np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1))
        ranks = stats.rankdata(outside.mean(axis=0) / outside.std(axis=0, ddof=1))
        relative = ranks[best] / (returns.shape[1] + 1)
        logits.append(math.log(relative / (1 - relative)))
    return logits


@pytest.mark.parametrize(("rows", "blocks"), [(64, 8), (67, 6), (8, 4)])
def test_logits_are_those_of_ranking_every_halving_by_hand(rows, blocks):
    returns = noise(rows, 9, seed=rows)
    assert backtest_overfitting(returns, blocks=blocks).logits == pytest.approx(_by_hand(returns, blocks))


def test_choosing_among_noise_is_overfitting_half_of_the_time():
    found = [backtest_overfitting(noise(400, 40, seed), blocks=10).probability for seed in range(30)]
    # Halves of one sample mirror each other: what was lucky in one is unlucky in the other.
    assert 0.45 < np.mean(found) < 0.75


def test_choosing_a_truly_good_trial_is_not_overfitting():
    returns = noise(400, 40)
    returns[:, 3] += 0.004
    got = backtest_overfitting(returns, blocks=10)
    assert got.probability < 0.01
    assert got.probability_of_loss < 0.01
    assert (got.in_sample > 0).all()
    assert len(got.logits) == math.comb(10, 5)


def test_choosing_what_reverses_is_always_overfitting():
    # Each trial earns in one block what it loses in all others.
    returns = np.full((80, 8), -0.001) + noise(80, 8) * 0.01
    for block in range(8):
        returns[block * 10 : block * 10 + 10, block] = 0.01 + noise(10, 1)[:, 0] * 0.01
    assert backtest_overfitting(returns, blocks=8).probability == 1


def test_overfitting_is_the_same_in_one_chunk_or_many(monkeypatch):
    returns = noise(200, 5)
    whole = backtest_overfitting(returns, blocks=8)
    monkeypatch.setattr("tickline.backtest.overfitting._CHUNK", 50)
    assert backtest_overfitting(returns, blocks=8).logits.tolist() == whole.logits.tolist()


@pytest.mark.parametrize(
    ("returns", "blocks", "finding"),
    [
        (noise(100, 1), 4, "one trial"),
        (noise(100, 3), 5, "even number of blocks"),
        (noise(100, 3), 22, "even number of blocks"),
        (noise(7, 3), 4, "two rows in each"),
        (noise(9, 3)[:, 0], 4, "a row for each"),
        (np.where(np.arange(3) == 1, np.nan, noise(100, 3)), 4, "trial 1 has returns"),
    ],
)
def test_trials_that_cannot_be_judged_are_refused(returns, blocks, finding):
    with pytest.raises(ConfigError, match=finding):
        backtest_overfitting(returns, blocks=blocks)


@pytest.mark.parametrize("returns", [[0.1], [0.1, math.nan], [0.1, 0.1, 0.1]])
def test_returns_without_a_sharpe_ratio_are_refused(returns):
    with pytest.raises(ConfigError):
        estimate(returns)


def test_a_shape_no_returns_have_is_refused():
    with pytest.raises(ConfigError, match="no returns have this shape"):
        probabilistic_sharpe(Estimate(2.0, 100, skewness=5, kurtosis=1))
