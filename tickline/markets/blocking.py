"""Which markets are worth comparing: those that share a rare key. Work grows with the number of keys, not with N x M.

A key is a word, a mark, or a word together with a date, a number or another word. Only keys whose block (left times
right markets that have it) stays under a bound are used, so a frequent word costs nothing and a rare one finds its few.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tickline.markets.reading import Question

KINDS = ("text", "name", "mark", "word", "dated", "numbered", "pair")
"""What a key is made of, in the order of their codes."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Candidate pairs, as positions in left and right, with the kinds of key that brought each together."""

    left: Ints
    right: Ints
    kinds: npt.NDArray[np.bool_]  # pairs x KINDS


def block(left: Sequence[Question], right: Sequence[Question], *, largest_block: int, most: int) -> Blocks:
    """Pairs that share a key of at most `largest_block` pairs: each market's `most` rarest."""
    keys: dict[tuple[int, object], int] = {}
    rows = [_incidence(side, keys) for side in (left, right)]
    counts = [np.bincount(columns, minlength=len(keys)) for _, columns in rows]
    product = counts[0].astype(float) * counts[1]
    used = (product > 0) & (product <= largest_block)
    rarity = np.where(used, np.log1p((len(left) + len(right)) / np.maximum(counts[0] + counts[1], 1)), 0.0)
    matrices = [
        sparse.csr_matrix((used[columns].astype(float), (owner, columns)), shape=(len(side), len(keys)))
        for side, (owner, columns) in zip((left, right), rows, strict=True)
    ]
    shared = (matrices[0] @ sparse.diags(rarity) @ matrices[1].T).tocoo()
    kept = _best(shared.row, shared.data, most) | _best(shared.col, shared.data, most)
    kept &= shared.data > 0
    order = np.lexsort((shared.col[kept], shared.row[kept]))
    at_left, at_right = shared.row[kept][order].astype(np.int64), shared.col[kept][order].astype(np.int64)
    kind_of = np.fromiter((kind for kind, _ in keys), dtype=np.int64, count=len(keys))
    return Blocks(at_left, at_right, _kinds(matrices, kind_of, at_left, at_right))


def with_pairs(blocks: Blocks, left: Ints, right: Ints) -> Blocks:
    """Blocks and further pairs, each pair once, sorted; what is new was brought together by no kind of key."""
    at_left, at_right = np.concatenate([blocks.left, left]), np.concatenate([blocks.right, right])
    kinds = np.concatenate([blocks.kinds, np.zeros((left.size, len(KINDS)), dtype=np.bool_)])
    _, first = np.unique(np.stack([at_left, at_right]), axis=1, return_index=True)
    return Blocks(at_left[first], at_right[first], kinds[first])


def _incidence(side: Sequence[Question], keys: dict[tuple[int, object], int]) -> tuple[Ints, Ints]:
    owner: list[int] = []
    columns: list[int] = []
    for at, question in enumerate(side):
        for key in dict.fromkeys(_keys(question)):
            owner.append(at)
            columns.append(keys.setdefault(key, len(keys)))
    return np.array(owner, dtype=np.int64), np.array(columns, dtype=np.int64)


def _keys(question: Question) -> Iterator[tuple[int, object]]:
    yield 0, question.text
    stems = [word.stem for word in question.words if word.weight == 1]
    names = dict.fromkeys(word.stem for word in question.words if word.weight == 1 and (word.is_name or word.is_key))
    teams = sorted({stem for team in question.teams for stem in team})
    for word in question.words:
        yield (1 if word.is_name else 3), word.stem
    for stem in (*teams, *sorted(question.context)):
        yield 3, stem
    for mark in question.marks:
        yield 2, mark
        yield from ((2, (mark, stem)) for stem in names)
    days = [span.end for span in question.spans] or ([question.near] if question.near else [])
    for stem in dict.fromkeys((*names, *teams)):
        yield from ((4, (stem, day + step)) for day in days for step in (0, 1))
    bounds = [one.low if one.low > float("-inf") else one.high for one in question.intervals]
    yield from ((5, (stem, bound)) for bound in bounds for stem in dict.fromkeys(stems))
    # Some venues title an outcome with nothing but its threshold or its deadline.
    yield from ((5, (bound, day + step)) for bound in bounds for day in days for step in (0, 1))
    for span in question.spans:
        yield 4, (span.end, question.near)
        if span.minute >= 0:
            yield from ((4, (stem, span)) for stem in dict.fromkeys(stems))
    unique = sorted(dict.fromkeys(stems))[:12]
    for at, one_stem in enumerate(unique):
        yield from ((6, (one_stem, other)) for other in unique[at + 1 :])


def _best(group: npt.NDArray[np.int32], value: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.bool_]:
    """Of each group its `most` highest values, and those equal to the last of them."""
    order = np.lexsort((-value, group))
    starts = np.searchsorted(group[order], group[order], side="left")
    place = np.arange(group.size) - starts
    last = np.minimum(starts + most - 1, np.searchsorted(group[order], group[order], side="right") - 1)
    kept = np.zeros(group.size, dtype=np.bool_)
    kept[order] = (place < most) | (value[order] >= value[order][last])
    return kept


def _kinds(
    matrices: Sequence[sparse.csr_matrix], kind_of: Ints, at_left: Ints, at_right: Ints
) -> npt.NDArray[np.bool_]:
    found = np.zeros((at_left.size, len(KINDS)), dtype=np.bool_)
    for kind in range(len(KINDS)):
        of_kind = np.flatnonzero(kind_of == kind)
        one, other = matrices[0][:, of_kind], matrices[1][:, of_kind]
        found[:, kind] = np.asarray(one[at_left].multiply(other[at_right]).sum(axis=1)).ravel() > 0
    return found
