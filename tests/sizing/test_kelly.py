"""Kelly sizes against the growth they are to maximise, and what doubt leaves of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.sizing.haircut import haircut
from tickline.sizing.kelly import break_even, kelly_fraction, kelly_units

CHANCES = st.floats(0.01, 0.999)
AMOUNTS = st.floats(0.005, 5)


def growth(units, chance, win, loss):
    return chance * math.log1p(units * win) + (1 - chance) * math.log1p(-units * loss)


@settings(max_examples=60, deadline=None)
@given(CHANCES, AMOUNTS, AMOUNTS)
def test_no_other_size_grows_faster(chance, win, loss):
    best = kelly_units(chance, win=win, loss=loss)
    assert 0 <= best < 1 / loss
    others = np.linspace(0, 0.999 / loss, 50)
    assert all(growth(best, chance, win, loss) >= growth(float(one), chance, win, loss) - 1e-12 for one in others)


@settings(max_examples=40, deadline=None)
@given(CHANCES, st.floats(0.01, 0.99))
def test_a_contract_is_bought_with_the_share_of_the_textbook(chance, cost):
    assert kelly_fraction(chance, cost) == pytest.approx(max(0, (chance - cost) / (1 - cost)), abs=1e-9)


@pytest.mark.parametrize("cost", [0.0, 1.0, 1.2, -0.1])
def test_nothing_is_bet_on_a_contract_that_cannot_be_one(cost):
    assert kelly_fraction(0.9, cost) == 0


def test_nothing_to_win_is_no_bet_and_nothing_to_lose_is_any():
    assert kelly_units(1.0, win=0.0, loss=1.0) == kelly_units(1.0, win=-0.1, loss=1.0) == 0
    assert kelly_units(0.5, win=0.1, loss=0.0) == math.inf


@settings(max_examples=40, deadline=None)
@given(AMOUNTS, AMOUNTS)
def test_at_break_even_nothing_is_expected_and_nothing_bet(win, loss):
    chance = break_even(win=win, loss=loss)
    assert chance * win - (1 - chance) * loss == pytest.approx(0, abs=1e-12)
    assert kelly_units(chance, win=win, loss=loss) == pytest.approx(0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(CHANCES, st.floats(0, 0.2), AMOUNTS, AMOUNTS, st.floats(0, 3))
def test_doubt_only_ever_takes_away_and_more_of_it_more(chance, error, win, loss, z):
    doubted = haircut(chance, error, win=win, loss=loss, z=z)
    more = haircut(chance, error + 0.05, win=win, loss=loss, z=z)
    assert 0 <= more.units <= doubted.units <= doubted.full
    assert doubted.units == min(doubted.lowered, doubted.shrunk)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.9), st.floats(0, 0.09), st.floats(0, 0.2), AMOUNTS, AMOUNTS)
def test_a_surer_estimate_is_never_bet_less_on(chance, surer, error, win, loss):
    less = haircut(chance, error, win=win, loss=loss, z=1)
    more = haircut(chance + surer, error, win=win, loss=loss, z=1)
    assert more.lowered >= less.lowered
    assert more.shrunk >= less.shrunk * (1 - 1e-9)


def test_an_exact_estimate_is_believed():
    exact = haircut(0.6, 0.0, win=1.0, loss=1.0, z=2)
    assert exact.full == exact.lowered == exact.shrunk == pytest.approx(0.2)


@pytest.mark.parametrize(("error", "grows"), [(0.03, True), (0.05, True), (0.10, False)])
def test_a_haircut_beats_the_full_size_where_the_estimate_is_off(error, grows):
    """A true 0.50 at a cost of 0.45. Doubt is judged by the estimate itself, so where it is far off both lose."""
    estimates = np.clip(0.5 + error * np.random.default_rng(1).standard_normal(5_000), 0.01, 0.99)
    full, doubted = [], []
    for estimate in estimates.tolist():
        sizes = haircut(estimate, error, win=0.55, loss=0.45, z=1)
        full.append(growth(sizes.full, 0.5, 0.55, 0.45))
        doubted.append(growth(sizes.units, 0.5, 0.55, 0.45))
    assert (np.mean(doubted) > 0) == grows
    if np.mean(full) < 0:
        assert np.mean(doubted) > np.mean(full) / 5
    assert np.std(doubted) < np.std(full)
