"""Which samples a strategy is fitted on and which it is judged by: walk-forward windows, and purged cross-validation.

A split holds positions into the sequence it was made of, so it indexes arrays and gathers from frames alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations, pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tickline.errors import ConfigError

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Positions (Int64, increasing) to train on and to test on."""

    train: Ints
    test: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Combinatorial:
    """The splits of combinatorial purged cross-validation, and how their tests join into backtest paths.

    `windows` has a split for each choice of test groups, in lexicographic order. `paths` (paths x groups) names the
    window whose test covers a group on a path: on each path every sample is tested exactly once.
    """

    windows: tuple[Window, ...]
    groups: tuple[Ints, ...]
    paths: Ints

    def assemble(self, tested: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """The values of each path (paths x samples) out of each window's values, in the order of its `test`."""
        samples = sum(group.size for group in self.groups)
        assembled = np.empty((len(self.paths), samples))
        for path, windows in enumerate(self.paths):
            for group, window in zip(self.groups, windows, strict=True):
                at = np.searchsorted(self.windows[window].test, group)
                assembled[path, group] = np.asarray(tested[window])[at]
        return assembled


def rolling(
    sessions: Sequence[date], *, train: int, test: int, step: int | None = None, gap: int = 0
) -> tuple[Window, ...]:
    """Walk-forward windows of constant training length over session dates (increasing).

    Each trains on `train` sessions, leaves out `gap` and tests on the `test` after them; the next begins `step` later
    (by default `test`, so every session after the first training is tested once). The last tests what is left, which
    may be less. Raises ConfigError where sizes are out of range or sessions too few for one window.

    """
    step = test if step is None else step
    _require_sizes(sessions, train=train, test=test, step=step, gap=gap)
    return _walk(len(sessions), train + gap, test, step, lambda stop: np.arange(stop - gap - train, stop - gap))


def anchored(
    sessions: Sequence[date], *, train: int, test: int, step: int | None = None, gap: int = 0
) -> tuple[Window, ...]:
    """Walk-forward windows that train on everything from the first session on, at least `train`; else as `rolling`."""
    step = test if step is None else step
    _require_sizes(sessions, train=train, test=test, step=step, gap=gap)
    return _walk(len(sessions), train + gap, test, step, lambda stop: np.arange(stop - gap))


def purged_folds(starts: npt.ArrayLike, ends: npt.ArrayLike, *, folds: int, embargo: int = 0) -> tuple[Window, ...]:
    """K-fold cross-validation that trains on nothing the test knows: Lopez de Prado (2018), Advances in Financial
    Machine Learning, chapter 7.

    Sample i was decided at starts[i] and its label known at ends[i], both included, in any unit of Int64 (UTC ns,
    session numbers), ordered by start. Each fold of neighbouring samples is tested once. Samples whose label overlaps
    one of the fold's are purged from training, and so are the `embargo` first samples that start after the fold's
    last label ended. Raises ConfigError where labels are impossible or nothing is left to train on.
    """
    first, last = _labels(starts, ends)
    groups = _groups(first.size, folds)
    kept = [_not_near(group, first, last, embargo) for group in groups]
    return tuple(_window(group, keep) for group, keep in zip(groups, kept, strict=True))


def combinatorial(
    starts: npt.ArrayLike, ends: npt.ArrayLike, *, groups: int, tested: int, embargo: int = 0
) -> Combinatorial:
    """Combinatorial purged cross-validation: Lopez de Prado (2018), chapter 12.

    Each choice of `tested` out of `groups` stretches of samples is one split, purged and embargoed around every
    stretch as in `purged_folds`. The tests join into C(groups, tested) * tested / groups whole backtest paths.
    Raises ConfigError as `purged_folds` does, and unless 1 <= tested < groups.
    """
    if not 1 <= tested < groups:
        raise ConfigError(f"{tested} of {groups} groups tested: test at least one and leave at least one to train on")
    first, last = _labels(starts, ends)
    stretches = _groups(first.size, groups)
    kept = [_not_near(group, first, last, embargo) for group in stretches]
    choices = list(combinations(range(groups), tested))
    windows = tuple(
        _window(np.concatenate([stretches[group] for group in choice]), np.all([kept[g] for g in choice], axis=0))
        for choice in choices
    )
    # The n-th path tests each group where that group is chosen for the n-th time.
    chosen = [[at for at, choice in enumerate(choices) if group in choice] for group in range(groups)]
    return Combinatorial(windows, tuple(stretches), np.array(chosen, dtype=np.int64).T)


def _walk(count: int, first_test: int, test: int, step: int, trained: Callable[[int], Ints]) -> tuple[Window, ...]:
    """Windows from the first test on until one reaches the end; `trained` gives what is trained before a test."""
    windows = []
    for start in range(first_test, count, step):
        windows.append(Window(trained(start), np.arange(start, min(start + test, count))))
        if start + test >= count:
            break
    return tuple(windows)


def _require_sizes(sessions: Sequence[date], *, train: int, test: int, step: int, gap: int) -> None:
    if min(train, test, step) < 1 or gap < 0:
        raise ConfigError(
            f"walk-forward of train {train}, test {test}, step {step}, gap {gap} sessions: "
            "train, test and step are at least 1, gap at least 0"
        )
    if any(later <= earlier for earlier, later in pairwise(sessions)):
        raise ConfigError("session dates do not increase: sort them and name each once")
    if len(sessions) < train + gap + test:
        span = f", {sessions[0]} to {sessions[-1]}" if sessions else ""
        raise ConfigError(
            f"walk-forward of train {train}, gap {gap}, test {test} needs {train + gap + test} sessions and has "
            f"{len(sessions)}{span}: take a longer span or smaller windows"
        )


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


def _window(test: Ints, keep: npt.NDArray[np.bool_]) -> Window:
    if not keep.any():
        raise ConfigError(
            f"nothing is left to train on when samples {test[0]} to {test[-1]} are tested: "
            "take more samples, shorter labels or a smaller embargo"
        )
    return Window(np.flatnonzero(keep), test)
