"""The structural rules: what each kind of basket buys, and what one unit of it pays at least whatever happens.

Theory. A contract pays 1 if its side wins, else 0. A world says of every market whether it resolves to yes; what is
known of the markets rules worlds out. The floor of a basket is the least it pays over the worlds that are left, so a
basket bought for less than its floor gains in all of them. With n outcomes:

====================== ====================== ============================== ===========================================
kind                   buys                   floor                          why
====================== ====================== ============================== ===========================================
intra                  YES + NO of one market 1                              exactly one of the two wins
cross                  YES(A) + NO(B)         1                              A and B are equivalent: both or neither
complement             YES + YES or NO + NO   1                              exactly one of A and B resolves to yes
ladder                 YES(implied) +         1 (2 where the implied alone   the implying cannot be yes while the
                       NO(implying)           is yes)                        implied is no
all_no                 NO of n                n - 1, whatever the label      at most one of them is yes
all_yes                YES of n               1 if exhaustive, else nothing  one of them has to be yes
parent_no_children_yes NO(P) + YES of n       1 if exhaustive, else nothing  P is no, or it is yes and so is a child
parent_yes_children_no YES(P) + NO of n       n, whatever the label          no child: n NOs; one child: P and n - 1 NOs
====================== ====================== ============================== ===========================================

`all_no` and `parent_yes_children_no` hold for any subset of an exclusive group: a NO that is left out lowers the floor
by one, and what is closed, or not offered for less than the 1 it adds, is left out. For `parent_no_children_yes`,
exhaustive means of the parent: one of the children is yes if it is.

All of this is of markets that resolve. A venue that voids one pays half a contract on either side, and then only
`intra` keeps its floor: see `void_floor_of`. Whether a market may be voided is in its rules, and no basket says so.
"""

import hashlib
from collections.abc import Sequence
from decimal import Decimal

from tickline.errors import LaneError
from tickline.lanes.model import Kind, Leg
from tickline.markets.model import Label

_OUTCOMES = {Kind.INTRA: 1, Kind.CROSS: 2, Kind.COMPLEMENT: 2, Kind.LADDER: 2}
_NEEDS_EXHAUSTIVE = (Kind.ALL_YES, Kind.PARENT_NO_CHILDREN_YES)


LEAVES_OUT = (Kind.ALL_NO, Kind.PARENT_YES_CHILDREN_NO)
"""Kinds of which any NO may be left out, for one less of the floor."""


def floor_of(kind: Kind, n: int, label: Label | None = None) -> int | None:
    """What a unit of `kind` over `n` outcomes (markets of a group, children of a parent) pays at least.

    None where nothing is guaranteed, so that it is no basket. Raises LaneError where the kind has not n outcomes.
    """
    if n < 1 or n != _OUTCOMES.get(kind, n):
        raise LaneError(f"{kind} is not of {n} outcomes but of {_OUTCOMES.get(kind, 'one or more')}")
    if kind in _NEEDS_EXHAUSTIVE and label is not Label.EXHAUSTIVE:
        return None
    if kind is Kind.ALL_NO:
        return n - 1 or None
    return n if kind is Kind.PARENT_YES_CHILDREN_NO else 1


def void_floor_of(kind: Kind, n: int, label: Label | None = None) -> Decimal | None:
    """What that unit pays at least if its markets may be voided, each for itself, which pays half on either side.

    Worst is for pairs and for what is bought as YES that the winning market alone is voided; for all_no that all but
    the winning one are; for parent_yes_children_no that all children are while the parent is no.
    """
    floor = floor_of(kind, n, label)
    if floor is None:
        return None
    return Decimal(floor) if kind is Kind.INTRA else Decimal(floor) / 2


def basket_id(kind: Kind, legs: Sequence[Leg]) -> str:
    """The id of a basket: 24 hex digits, the same whatever the order of its legs."""
    return id_of(kind, " ".join(f"{leg.market}:{leg.side}" for leg in sorted(legs)))


def id_of(kind: str, *parts: str) -> str:
    """24 hex digits of a kind and what else tells apart those of it."""
    return hashlib.sha256("\n".join((kind, *parts)).encode()).hexdigest()[:24]
