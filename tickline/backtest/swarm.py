"""Particle swarm optimisation in the unit cube (Kennedy and Eberhart 1995), with the constriction of Clerc and Kennedy
(2002, The particle swarm: explosion, stability, and convergence in a multidimensional complex space)."""

from collections.abc import Generator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

INERTIA, PULL = 0.7298, 1.49618
"""How much of its velocity a particle keeps, and the most it is drawn to its own best and to the swarm's."""


def swarm(dimensions: int, *, particles: int, generations: int, seed: int) -> Generator[Floats, Floats, None]:
    """Yields where the particles are, shape (particles, dimensions), and is sent their merits, shape (particles, 1).

    More merit is better, -inf is none. A particle that would leave the cube stops at its wall. Merits are compared and
    nothing else, so the flight does not depend on their scale; of equal ones the first found stays.
    """
    rng = np.random.default_rng(seed)
    places = rng.random((particles, dimensions))
    velocities = (rng.random((particles, dimensions)) - places) / 2  # half the way to another random place
    best, best_merits = places, np.full(particles, -np.inf)
    for _ in range(generations):
        merits = (yield places)[:, 0]
        better = merits > best_merits
        best = np.where(better[:, None], places, best)
        best_merits = np.where(better, merits, best_merits)
        to_own, to_all = PULL * rng.random((2, particles, dimensions))
        leader = best[np.argmax(best_merits)]
        velocities = INERTIA * velocities + to_own * (best - places) + to_all * (leader - places)
        flown = places + velocities
        places = np.clip(flown, 0.0, 1.0)
        velocities = np.where(flown == places, velocities, 0.0)
