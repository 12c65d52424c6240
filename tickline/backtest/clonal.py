"""Clonal selection in the unit cube (de Castro and Von Zuben 2002, Learning and optimization using the clonal selection
principle, CLONALG): a population of parameter sets that adapts from one walk-forward window to the next."""

from collections.abc import Generator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WIDEST, DECAY = 0.3, 3.0
"""A clone of the worst cell lands as far away as this half of the time, one of the best exp(-DECAY) as far."""

NEWCOMERS = 10
"""One in so many of a generation is new, drawn at random."""


def clonal(cells: Floats, *, generations: int, seed: int) -> Generator[Floats, Floats, Floats]:
    """Yields the points of each generation, shape (cells, dimensions), is sent their merits, shape (cells, 1), and
    returns the cells as they are at the end, best first.

    More merit is better, -inf is none. The first generation is the cells themselves: what they were worth in the window
    before says nothing of this one. In every other, the better a cell the more clones it has and the less they mutate;
    a cell gives way to the best of its clones where that is better, and the worst cells give way to newcomers. Merits
    are compared and nothing else; of equal ones the elder stays.
    """
    rng = np.random.default_rng(seed)
    merits = (yield cells)[:, 0]
    parents = _parents(len(cells))
    for _ in range(generations - 1):
        cells, merits = _ranked(cells, merits)
        clones = _mutated(cells, parents, rng)
        newcomers = rng.random((len(cells) - parents.size, cells.shape[1]))
        sent = (yield np.concatenate([clones, newcomers]))[:, 0]
        for parent, clone, merit in zip(parents, clones, sent, strict=False):
            if merit > merits[parent]:
                cells[parent], merits[parent] = clone, merit
        cells, merits = _ranked(cells, merits)
        cells[parents.size :], merits[parents.size :] = newcomers, sent[parents.size :]
    return _ranked(cells, merits)[0]


def _ranked(cells: Floats, merits: Floats) -> tuple[Floats, Floats]:
    """Copies of both, best first."""
    order = np.argsort(-merits, kind="stable")
    return cells[order], merits[order]


def _parents(count: int) -> Ints:
    """Which cell, counted from the best, each clone is of: shares fall with the rank, as 1, 1/2, 1/3 ..."""
    clones = count - max(count // NEWCOMERS, 1)
    shares = 1 / np.arange(1, count + 1)
    shares *= clones / shares.sum()
    owed = np.floor(shares).astype(np.int64)
    owed[np.argsort(owed - shares, kind="stable")[: clones - owed.sum()]] += 1
    return np.repeat(np.arange(count), owed)


def _mutated(cells: Floats, parents: Ints, rng: np.random.Generator) -> Floats:
    """Clones of cells, which stand best first.

    Thrown by a Cauchy, whose long tails leave a local optimum (Yao, Liu and Lin 1999, Evolutionary programming made
    faster).
    """
    affinity = 1 - parents / max(len(cells) - 1, 1)
    widths = WIDEST * np.exp(-DECAY * affinity)
    thrown = cells[parents] + widths[:, None] * rng.standard_cauchy((parents.size, cells.shape[1]))
    return np.clip(thrown, 0.0, 1.0)
