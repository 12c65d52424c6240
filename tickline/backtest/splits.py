"""Which samples a strategy is fitted on and which it is judged by in purged cross-validation.

A split holds positions into the sequence it was made of, so it indexes arrays and gathers from frames alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tickline.errors import ConfigError

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Positions (Int64, increasing) to train on and to test on."""

    train: Ints
    test: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Combinatorial:
    """The splits of combinatorial purged cross-validation, and how their tests join into backtest paths.

    `splits` has one for each choice of test groups, in lexicographic order. `paths` (paths x groups) names the split
    whose test covers a group on a path: on each path every sample is tested exactly once.
    """

    splits: tuple[Split, ...]
    groups: tuple[Ints, ...]
    paths: Ints

    def assemble(self, tested: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """The values of each path (paths x samples) out of each split's values, in the order of its `test`."""
        samples = sum(group.size for group in self.groups)
        assembled = np.empty((len(self.paths), samples))
        for path, splits in enumerate(self.paths):
            for group, split in zip(self.groups, splits, strict=True):
                at = np.searchsorted(self.splits[split].test, group)
                assembled[path, group] = np.asarray(tested[split])[at]
        return assembled


def combinatorial(
    starts: npt.ArrayLike, ends: npt.ArrayLike, *, groups: int, tested: int, embargo: int = 0
) -> Combinatorial:
    """Cross-validation that trains on nothing the test knows: Lopez de Prado (2018), Advances in Financial Machine
    Learning. With one group tested it is purged K-fold (chapter 7), with more combinatorial (chapter 12).

    Sample i was decided at starts[i] and its label known at ends[i], both included, in any unit of Int64 (UTC ns,
    session numbers), ordered by start. Each choice of `tested` out of `groups` stretches of neighbouring samples is
    one split. Samples whose label overlaps one of a tested stretch are purged from training, and so are the `embargo`
    first samples that start after its last label ended. The tests join into C(groups, tested) * tested / groups paths,
    on each of which every sample is tested once. Raises ConfigError where labels are impossible, nothing is left to
    train on, or unless 1 <= tested < groups.
    """
    if not 1 <= tested < groups:
        raise ConfigError(f"{tested} of {groups} groups tested: test at least one and leave at least one to train on")
    first, last = _labels(starts, ends)
    stretches = _groups(first.size, groups)
    kept = [_not_near(group, first, last, embargo) for group in stretches]
    choices = list(combinations(range(groups), tested))
    splits = tuple(
        _split(np.concatenate([stretches[group] for group in choice]), np.all([kept[g] for g in choice], axis=0))
        for choice in choices
    )
    # The n-th path tests each group where that group is chosen for the n-th time.
    chosen = [[at for at, choice in enumerate(choices) if group in choice] for group in range(groups)]
    return Combinatorial(splits, tuple(stretches), np.array(chosen, dtype=np.int64).T)


def _labels(starts: npt.ArrayLike, ends: npt.ArrayLike) -> tuple[Ints, Ints]:
    first, last = np.asarray(starts, dtype=np.int64), np.asarray(ends, dtype=np.int64)
    if first.ndim != 1 or first.shape != last.shape:
        raise ConfigError(f"labels of shapes {first.shape} and {last.shape}: give one start and one end a sample")
    if (np.diff(first) < 0).any():
        raise ConfigError("samples are not ordered by the start of their labels: sort them")
    if (last < first).any():
        at = int(np.argmax(last < first))
        raise ConfigError(f"the label of sample {at} ends at {last[at]}, before it starts at {first[at]}")
    return first, last


def _groups(samples: int, groups: int) -> list[Ints]:
    if not 2 <= groups <= samples:
        raise ConfigError(f"{samples} samples cannot be split into {groups} groups: take 2 to {samples}")
    return np.array_split(np.arange(samples), groups)


def _not_near(group: Ints, first: Ints, last: Ints, embargo: int) -> npt.NDArray[np.bool_]:
    """Which samples may be trained on when a stretch of neighbouring ones is tested."""
    if embargo < 0:
        raise ConfigError(f"an embargo of {embargo} samples: give 0 or more")
    ended = last[group].max()
    # Starts are in order, so overlapping the whole stretch is overlapping one of its samples.
    keep: npt.NDArray[np.bool_] = (last < first[group[0]]) | (first > ended)
    keep[group] = False
    after = int(np.searchsorted(first, ended, side="right"))
    keep[after : after + embargo] = False
    return keep


def _split(test: Ints, keep: npt.NDArray[np.bool_]) -> Split:
    if not keep.any():
        raise ConfigError(
            f"nothing is left to train on when samples {test[0]} to {test[-1]} are tested: "
            "take more samples, shorter labels or a smaller embargo"
        )
    return Split(np.flatnonzero(keep), test)
