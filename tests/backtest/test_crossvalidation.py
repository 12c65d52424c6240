"""What choosing by the past comes to, against a loop over splits, and on trials whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.backtest.crossvalidation import cross_validate
from tickline.backtest.folds import PIECES, trust_in
from tickline.backtest.splits import combinatorial
from tickline.backtest.study import Score, Trial
from tickline.errors import ConfigError


def noise(trials, *, seed, rows=PIECES):
    return np.random.default_rng(seed).normal(0, 0.01, (rows, trials))


def ratio(returns):
    spread = returns.std(ddof=1)
    return returns.mean() / spread if spread > 1e-12 else 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), trials=st.integers(1, 6), tested=st.integers(1, 3), reach=st.integers(0, 3))
def test_each_path_joins_what_was_chosen_without_it(seed, trials, tested, reach):
    returns = noise(trials, seed=seed)
    found = cross_validate(returns, groups=6, tested=tested, reach=reach, embargo=1)
    made = combinatorial(range(32), np.arange(32) + reach, groups=6, tested=tested, embargo=1)
    choices = [max(range(trials), key=lambda n, s=split: ratio(returns[s.train, n])) for split in made.splits]
    for nth, (split, choice) in enumerate(zip(made.splits, choices, strict=True)):
        assert found.in_sample[nth] == pytest.approx(ratio(returns[split.train, choice]))
    for nth, path in enumerate(made.paths):
        joined = np.concatenate([returns[group, choices[at]] for group, at in zip(made.groups, path, strict=True)])
        assert found.out_of_sample[nth] == pytest.approx(ratio(joined), abs=1e-12)


def test_an_edge_shows_out_of_sample_and_luck_does_not():
    worthless = noise(50, seed=3)
    worthless -= worthless.mean(axis=0)  # none made anything over the whole time
    lucky = cross_validate(worthless, groups=8)
    assert lucky.in_sample.mean() > 0.05
    assert lucky.out_of_sample[0] < 0
    worthless[:, 7] += 0.01
    good = cross_validate(worthless, groups=8, tested=2)
    assert good.out_of_sample.size == 7
    assert good.out_of_sample.min() > 0.5


def test_a_trial_that_never_moved_has_a_ratio_of_nought():
    assert cross_validate(np.zeros((12, 3)), groups=3).out_of_sample.tolist() == [0.0]


def test_positions_held_too_long_leave_nothing_to_train_on():
    with pytest.raises(ConfigError, match="nothing is left to train on"):
        cross_validate(noise(3, seed=1), groups=4, tested=2, reach=16)


def tried(returns, *, reach=1):
    scores = [Score((1.0,), 50, returns=tuple(column), reach=reach) for column in returns.T]
    return [Trial(n, f"{n:02d}", {"n": n}, score, None) for n, score in enumerate(scores)]


def test_trust_tells_an_edge_from_luck_by_every_measure():
    returns = noise(20, seed=5)
    luck = trust_in(tried(returns), groups=8, tested=2, embargo=1)
    returns[:, 3] += 0.01
    edge = trust_in(tried(returns), groups=8, tested=2, embargo=1)
    assert luck["unknown"] is None
    assert edge["unknown"] is None
    for name in ("deflated_sharpe", "kfold", "cpcv_low", "cpcv_median"):
        assert edge[name] > luck[name], name
    for name in ("pbo", "cpcv_loss"):
        assert edge[name] < luck[name], name


def test_trust_says_why_it_is_unknown():
    told = trust_in(tried(noise(5, seed=2), reach=20), groups=4, tested=2, embargo=0)
    assert told["pbo"] is not None
    assert told["cpcv_low"] is None
    assert "held over up to 20 of 32 pieces, and nothing is left to train on" in told["unknown"]
    failed = [Trial(0, "00", {}, Score(failure="no"), "no")]
    assert "0 trials of 32 pieces" in trust_in(failed, groups=4, tested=2, embargo=0)["unknown"]
