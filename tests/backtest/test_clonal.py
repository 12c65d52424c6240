"""Clonal selection: how clones are shared out and mutate, and that a population follows an optimum that moves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickline.backtest.clonal import _mutated, _parents, clonal


def grow(cells, merit, *, generations=40, seed=0):
    """Every generation's points, and the cells that are left."""
    selection = clonal(cells, generations=generations, seed=seed)
    points, grown = next(selection), []
    while True:
        grown.append(points)
        try:
            points = selection.send(merit(points)[:, None])
        except StopIteration as end:
            return np.array(grown), end.value


def peak(at):
    return lambda points: -((points - at) ** 2).sum(axis=1)


@given(count=st.integers(4, 200))
def test_clones_and_newcomers_fill_a_generation_and_better_cells_have_more_clones(count):
    parents = _parents(count)
    owed = np.bincount(parents, minlength=count)
    assert count - parents.size == max(count // 10, 1)
    assert (np.diff(owed) <= 0).all()
    shares = 1 / np.arange(1, count + 1)
    assert np.abs(owed - parents.size * shares / shares.sum()).max() < 1


def test_mutation_is_the_wider_the_worse_the_parent():
    cells = np.full((20, 4), 0.5)
    parents = np.repeat([0, 10, 19], 2000)
    spread = np.median(np.abs(_mutated(cells, parents, np.random.default_rng(0)) - 0.5).reshape(3, -1), axis=1)
    assert spread == pytest.approx(0.3 * np.exp(-3 * np.array([1, 9 / 19, 0])), rel=0.1)


def test_the_population_it_was_given_is_judged_first_and_as_it_is():
    cells = np.random.default_rng(1).random((8, 2))
    grown, _ = grow(cells, peak(0.5), generations=3)
    assert (grown[0] == cells).all()
    assert grown.shape == (3, 8, 2)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_cell_is_never_lost_and_comes_to_the_peak(seed):
    cells = np.random.default_rng(seed).random((20, 3))
    grown, left = grow(cells, peak(0.3), seed=seed)
    merits = peak(0.3)(grown.reshape(-1, 3))
    assert peak(0.3)(left)[0] == merits.max()
    assert (np.diff(peak(0.3)(left)) <= 0).all()
    assert np.abs(left[0] - 0.3).max() < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_a_population_that_adapted_finds_a_peak_that_moved_a_little_sooner_than_one_from_scratch(seed):
    rng = np.random.default_rng(seed)
    cells = rng.random((20, 5))
    _, adapted = grow(cells, peak(0.40), seed=seed)
    again, _ = grow(adapted, peak(0.43), generations=6, seed=seed)
    scratch, _ = grow(rng.random((20, 5)), peak(0.43), generations=6, seed=seed)
    assert peak(0.43)(again.reshape(-1, 5)).max() > peak(0.43)(scratch.reshape(-1, 5)).max()


def test_points_stay_in_the_cube_where_the_peak_lies_outside_and_nothing_is_changed_in_place():
    cells = np.random.default_rng(0).random((12, 2))
    before = cells.copy()
    grown, left = grow(cells, peak(1.4))
    assert ((grown >= 0) & (grown <= 1)).all()
    assert left[0] == pytest.approx([1.0, 1.0])
    assert (cells == before).all()


def test_where_all_are_refused_the_population_still_changes():
    cells = np.random.default_rng(0).random((10, 2))
    grown, left = grow(cells, lambda points: np.full(len(points), -np.inf), generations=3)
    assert not (grown[1] == grown[2]).all()
    assert np.isfinite(left).all()
