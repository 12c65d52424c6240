"""Many pairs of questions compared at once: each part is judged once for every two values that meet."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tickline.markets.dates import Extent
from tickline.markets.reading import Question
from tickline.markets.relations import (
    CONFLICTS,
    amounts,
    differs,
    marks_agree,
    metrics_agree,
    timings,
    wordings,
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

EXTENTS = tuple(Extent)
_CODES = {extent: code for code, extent in enumerate(EXTENTS)}
_NEAR = 0.4  # pairs with a smaller share of words in common are not looked at more closely


@dataclass(frozen=True, slots=True)
class Compared:
    """The parts of each pair side by side; one entry a pair."""

    coverage: Floats
    numbers: Ints  # positions in EXTENTS
    dates: Ints
    is_aligned: Bools
    conflicts: Bools  # pairs x CONFLICTS


def compare_all(left: Sequence[Question], right: Sequence[Question], at_left: Ints, at_right: Ints) -> Compared:
    """What `relations.compare` says of each pair of positions.

    Where numbers, dates, marks or the kind of outcome rule equivalence out already, or few words are shared, words are
    compared as they are: without aliases and without what the event's title adds.
    """

    def distinct(key: Callable[[Question], Hashable], judge: Callable[..., int]) -> Ints:
        return _by_distinct([key(one) for one in left], [key(one) for one in right], at_left, at_right, judge=judge)

    amount = distinct(lambda one: one.intervals, _amount)
    numbers, is_operator = amount // 2, amount % 2 == 1
    when = distinct(lambda one: one.timing, lambda one, other: _CODES[timings(one, other)])
    marks = distinct(lambda one: (one.marks, one.context_marks), lambda one, other: int(marks_agree(*one, *other))) == 1
    metric = distinct(lambda one: one.metric, lambda one, other: int(metrics_agree(one, other))) == 1
    signs = [np.array([one.sign for one in side]) for side in (left, right)]
    is_aligned = (signs[0][at_left] == signs[1][at_right]) != (numbers == _CODES[Extent.OPPOSITE])
    catch_all = [np.array([one.is_catch_all for one in side]) for side in (left, right)]
    differ = np.array([[differs(extent, is_aligned=way) for way in (False, True)] for extent in EXTENTS])
    is_other_amount = differ[numbers, is_aligned.astype(np.int64)]
    coverage, is_same = word_coverage(left, right, at_left, at_right)
    worth = marks & metric & (when != _CODES[Extent.APART]) & (numbers != _CODES[Extent.APART]) & (coverage >= _NEAR)
    for at in np.flatnonzero(worth):
        closer = wordings(left[at_left[at]], right[at_right[at]])
        coverage[at], is_same[at] = closer.coverage, closer.is_same
    found = {
        "ambiguous": catch_all[0][at_left] | catch_all[1][at_right],
        "entity": ~is_same,
        "number": ~marks | (is_other_amount & ~is_operator),
        "operator": is_other_amount & is_operator,
        "date": ~np.isin(when, [_CODES[Extent.SAME], _CODES[Extent.UNKNOWN]]),
        "metric": ~metric,
        "polarity": ~is_aligned,
    }
    return Compared(coverage, numbers, when, is_aligned, np.stack([found[name] for name in CONFLICTS], axis=1))


def word_coverage(
    left: Sequence[Question], right: Sequence[Question], at_left: Ints, at_right: Ints
) -> tuple[Floats, Bools]:
    """The share of words that both say, weighted, and whether neither side says anything of its own that counts."""
    index: dict[str, int] = {}
    rows = [_weights(side, index) for side in (left, right)]
    one, other = (side_rows(row, len(index)) for row in rows)
    shared = np.asarray(one[at_left].multiply(other[at_right].sign()).sum(axis=1)).ravel()
    lost = [np.asarray(side.sum(axis=1)).ravel()[at] - shared for side, at in ((one, at_left), (other, at_right))]
    most = np.maximum(*lost).clip(0)
    total = shared + most
    return np.where(total > 0, shared / np.where(total > 0, total, 1), 0.0), most < 1


def side_rows(of_each: Sequence[dict[int, float]], width: int) -> sparse.csr_matrix:
    """A sparse matrix of the given values, a row for each dict of columns."""
    starts = np.concatenate([[0], np.cumsum([len(row) for row in of_each])])
    columns = np.array([column for row in of_each for column in row], dtype=np.int64)
    values = np.array([value for row in of_each for value in row.values()], dtype=np.float64)
    return sparse.csr_matrix((values, columns, starts), shape=(len(of_each), max(width, 1)))


def _weights(side: Sequence[Question], index: dict[str, int]) -> list[dict[int, float]]:
    return [{index.setdefault(word.stem, len(index)): word.weight for word in question.words} for question in side]


def _amount(one: tuple[object, ...], other: tuple[object, ...]) -> int:
    extent, is_operator = amounts(one, other)  # type: ignore[arg-type]
    return 2 * _CODES[extent] + is_operator


def _by_distinct(
    left: Sequence[Hashable],
    right: Sequence[Hashable],
    at_left: Ints,
    at_right: Ints,
    *,
    judge: Callable[..., int],
) -> Ints:
    """A judgement of each pair, made once for every two distinct values."""
    values: dict[Hashable, int] = {}
    codes = [np.array([values.setdefault(one, len(values)) for one in side], dtype=np.int64) for side in (left, right)]
    named = list(values)
    met, where = np.unique(codes[0][at_left] * len(named) + codes[1][at_right], return_inverse=True)
    judged = [judge(named[code // len(named)], named[code % len(named)]) for code in met.tolist()]
    return np.array(judged, dtype=np.int64)[where]
