"""What may happen to markets, as linear rules over their outcomes, and the least that contracts pay then.

An outcome is 1 for yes. The least is found in two ways that share nothing but the rules: by trying every one of the
2^m worlds, and as a mixed-integer program (HiGHS), which also goes where there are too many to try.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp

from tickline.lanes.model import Kind
from tickline.markets.model import Label

MOST_TRIED = 17
"""Markets up to which every world is tried."""

YES, NO = 1, 0
Legs = tuple[tuple[int, int], ...]
"""Contracts: (market, YES or NO)."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of `markets` markets: low <= weights . outcomes <= high for each rule."""

    markets: int
    weights: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    @classmethod
    def of(cls, markets: int, rules: Sequence[tuple[dict[int, int], float, float]]) -> "Known":
        """Rules as {market: weight}, low, high."""
        weights = np.zeros((len(rules), markets))
        for row, (terms, _, _) in enumerate(rules):
            for market, weight in terms.items():
                weights[row, market] = weight
        return cls(markets, weights, np.array([low for _, low, _ in rules]), np.array([high for *_, high in rules]))


def bought(kind: Kind, n: int, label: Label) -> Iterator[tuple[Legs, Known]]:
    """Each way to buy a kind over n outcomes, and what is known of its markets; of a tree the parent is the first."""
    group = dict.fromkeys(range(n), 1)
    children = dict.fromkeys(range(1, n + 1), 1)
    at_least = 1 if label is Label.EXHAUSTIVE else 0
    if kind is Kind.INTRA:
        yield ((0, YES), (0, NO)), Known.of(1, [])
    elif kind is Kind.CROSS:
        same = Known.of(2, [({0: 1, 1: -1}, 0, 0)])
        yield from ((((0, YES), (1, NO)), same), (((0, NO), (1, YES)), same))
    elif kind is Kind.COMPLEMENT:
        one = Known.of(2, [({0: 1, 1: 1}, 1, 1)])
        yield from ((((0, YES), (1, YES)), one), (((0, NO), (1, NO)), one))
    elif kind is Kind.LADDER:
        yield ((0, YES), (1, NO)), Known.of(2, [({0: 1, 1: -1}, 0, 1)])  # 1 implies 0
    elif kind in (Kind.ALL_NO, Kind.ALL_YES):
        side = NO if kind is Kind.ALL_NO else YES
        yield tuple((market, side) for market in range(n)), Known.of(n, [(group, at_least, 1)])
    else:
        side = YES if kind is Kind.PARENT_NO_CHILDREN_YES else NO
        tree = [(children, 0, 1), *(({0: 1, child: -1}, 0, 1) for child in children)]
        if at_least:
            tree.append((children | {0: -1}, 0, n))
        yield ((0, 1 - side), *((child, side) for child in children)), Known.of(n + 1, tree)


def least_tried(legs: Legs, known: Known) -> int:
    """The least that the contracts pay over every world that is not ruled out, each tried."""
    assert known.markets <= MOST_TRIED
    worlds = (np.arange(2**known.markets, dtype=np.uint32)[:, None] >> np.arange(known.markets, dtype=np.uint32)) & 1
    told = worlds @ known.weights.T
    possible = worlds[((told >= known.low) & (told <= known.high)).all(axis=1)]
    return int(sum((possible[:, market] == side).astype(int) for market, side in legs).min())


def least_solved(legs: Legs, known: Known) -> int:
    """The same as the solution of an integer program."""
    gain = np.zeros(known.markets)
    for market, side in legs:
        gain[market] += 1 if side == YES else -1
    certain = sum(side == NO for _, side in legs)
    if not gain.any():
        return certain
    rules = [LinearConstraint(known.weights, known.low, known.high)] if known.low.size else []
    solved = milp(gain, constraints=rules, integrality=np.ones(known.markets), bounds=Bounds(0, 1))
    assert solved.success, solved.message
    return round(float(solved.fun)) + certain


def least_with_voids(legs: Legs, known: Known) -> float:
    """The least where any market may also be voided, whatever would have been its outcome: it then pays a half.

    A market is in one of four states: yes, no, voided instead of yes, voided instead of no.
    """
    size = known.markets
    gain = np.zeros(4 * size)
    for market, side in legs:
        gain[4 * market : 4 * market + 4] += (side == YES, side == NO, 0.5, 0.5)
    one_state = np.kron(np.eye(size), np.ones(4))
    rules = [LinearConstraint(one_state, 1, 1)]
    if known.low.size:
        rules.append(LinearConstraint(np.kron(known.weights, np.array([1, 0, 1, 0])), known.low, known.high))
    solved = milp(gain, constraints=rules, integrality=np.ones(4 * size), bounds=Bounds(0, 1))
    assert solved.success, solved.message
    return round(2 * float(solved.fun)) / 2
