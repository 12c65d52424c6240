"""Prices and depths that a size may stand on: what several recent looks agree on, so that no single one can set it.

A median moves, when one look is replaced by anything at all, no further than to the next look beside it (Huber 1981,
Robust Statistics, 1.4). What follows from medians alone is therefore bounded by the other looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tickline.reference.models import Declared, Share

TO_DEVIATION = 1.4826
"""The standard deviation of a normal distribution, in median absolute deviations."""


class Robustness(Declared):
    """How many looks at a leg it takes, and what is believed of them.

    A price counts as no lower than `deviations` of the looks' spread below their median; the spread is taken to be at
    least `least_spread`. Looks older than `within_s` do not count, and of the others the last `most`.
    """

    fewest: Annotated[int, Field(ge=1, le=100)] = 3
    most: Annotated[int, Field(ge=1, le=100)] = 9
    within_s: Annotated[int, Field(ge=1, le=604_800)] = 7_200
    deviations: Annotated[float, Field(ge=0, le=20)] = 2.0
    least_spread: Share = 0.005


@dataclass(frozen=True, slots=True)
class Looks:
    """A leg's price and depth (contracts) at its last looks, in order of time; depths only where a venue says them."""

    prices: tuple[float, ...] = ()
    depths: tuple[float, ...] = ()


UNSEEN = Looks()


def median(values: Sequence[float]) -> float:
    """The middle of one or more values, or the mean of the two in the middle."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def spread(values: Sequence[float]) -> float:
    """The median absolute deviation of one or more values, scaled to a standard deviation."""
    middle = median(values)
    return TO_DEVIATION * median([abs(value - middle) for value in values])


def least_believed(values: Sequence[float], *, deviations: float, least_spread: float) -> float:
    """The lowest that one or more values are not moved up from: so many spreads below their median (Winsorising)."""
    return median(values) - deviations * max(spread(values), least_spread)


def cautious_price(price: float, looks: Looks, settings: Robustness) -> float:
    """The price to reckon with: the one there is, but not far below what recent looks agree on."""
    if not looks.prices:
        return price
    lowest = least_believed(looks.prices, deviations=settings.deviations, least_spread=settings.least_spread)
    return max(price, lowest)


def cautious_depth(depth: float, looks: Looks) -> float:
    """The contracts to reckon with: those there are, but no more than recent looks agree on."""
    return min(depth, median(looks.depths)) if looks.depths else depth
