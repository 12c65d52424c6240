"""Particle swarm: where it flies to, and that it sees the order of merits alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.backtest.swarm import swarm

OPTIMUM = np.array([0.2, 0.7, 0.45])


def fly(merit, *, generations=60, particles=16, seed=0, dimensions=3):
    """Every generation's places."""
    flight = swarm(dimensions, particles=particles, generations=generations, seed=seed)
    places, flown = next(flight), []
    while True:
        flown.append(places)
        try:
            places = flight.send(merit(places)[:, None])
        except StopIteration:
            return np.array(flown)


def bowl(places):
    return -((places - OPTIMUM) ** 2).sum(axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_the_swarm_settles_on_the_optimum_of_a_bowl(seed):
    flown = fly(bowl, seed=seed, generations=150)
    assert flown.shape == (150, 16, 3)
    assert np.abs(flown[-1] - OPTIMUM).max() < 1e-3


def test_an_optimum_beyond_the_wall_is_found_at_the_wall():
    flown = fly(lambda places: places @ np.array([1.0, -1.0, 2.0]))
    assert np.abs(flown[-1] - [1, 0, 1]).max() < 1e-3


def test_a_particle_that_flew_into_a_wall_leaves_it_at_once_for_the_best_it_knows():
    hits = 0
    for seed in range(20):
        flown = fly(lambda places: -((places[:, 0] - 0.5) ** 2), seed=seed, dimensions=1, generations=20)
        for wall in (0, 1):
            at_wall = flown == wall
            hits += at_wall.sum()
            assert not (at_wall[1:] & at_wall[:-1]).any()
    assert hits > 10


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_particles_stay_in_the_cube_and_fly_alike_under_any_rising_function_of_merit(seed):
    flown = fly(bowl, seed=seed, generations=12)
    assert ((flown >= 0) & (flown <= 1)).all()
    assert (flown == fly(lambda places: np.exp(9 * bowl(places)), seed=seed, generations=12)).all()


def test_what_has_no_merit_draws_nobody():
    def left_half(places):
        return np.where(places[:, 0] < 0.5, -places[:, 0], -np.inf)  # the refused half would lead to the right

    assert fly(left_half)[-1][:, 0].max() < 1e-3
    unmoved = fly(lambda places: np.full(len(places), -np.inf), generations=5)
    assert np.isfinite(unmoved).all()
