"""When a held position may have something to do, told for many quotes at once.

Nearly all quotes leave a held position as it is. What `exits.exit_of` decides exactly, quote by quote, is bounded here
in Float64: where this says no, it would say no.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tickline.lanes.filling import SECOND_NS
from tickline.lanes.paper_spec import PaperSettings
from tickline.lanes.positions import Phase, Position
from tickline.lanes.structure import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The last quote of a leg's market at each of many moments: when it was, the mid price of the leg's side (its bid
    where nobody asks, 0 without one), and the ask of the other side, NaN without one."""

    ts: Indices
    mark: Floats
    other_ask: Floats


def is_idle(position: Position) -> bool:
    """Whether a position only waits: for a reason to leave, for time to pass or for its markets to end."""
    return position.phase is Phase.HOLDING and position.withdrawn is None and not position.orders


def may_leave(position: Position, legs: Sequence[Seen], now: Indices, settings: PaperSettings) -> npt.NDArray[np.bool_]:
    """At which moments (UTC ns) an idle position may have a reason to leave that quotes give; `legs` is what is seen of
    each leg at each of them."""
    held = np.array([float(holding.held) for holding in position.holdings])
    is_fresh = [
        (leg.ts > position.terms.ts_open_ns) & (now - leg.ts <= settings.stale_after_s * SECOND_NS) for leg in legs
    ]
    may = np.zeros(now.size, dtype=np.bool_)
    if settings.ev_stop is not None:
        value = float(position.cash.realised) + sum(size * leg.mark for size, leg in zip(held, legs, strict=True))
        least = -float(settings.ev_stop) * float(position.cash.stake)
        is_known = np.all([fresh for fresh, size in zip(is_fresh, held, strict=True) if size], axis=0)
        may |= is_known & (value < least + _SLACK * (1 + held.sum()))
    if settings.hedge_gain is not None and all(one.held == position.matched for one in position.holdings):
        locked = len(legs) - sum(leg.other_ask for leg in legs)
        may |= np.all(is_fresh, axis=0) & (locked >= position.terms.floor + float(settings.hedge_gain) - _SLACK)
    return may


_SLACK = 1e-6  # far more than prices lose by rounding to the ninth place
