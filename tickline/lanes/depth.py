"""How much of a basket the books hold: levels walked leg by leg, or the best quotes where there are no more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tickline.lanes.model import Leg, Opportunity

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Level:
    """So many contracts at one price, and the fee of one of them."""

    price: Decimal
    size: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Reach:
    """Units of a basket worth buying, contracts of each leg down to the last price that is, and of each at its best."""

    units: Decimal
    depths: tuple[Decimal, ...]
    tops: tuple[Decimal, ...]


def reach(opportunity: Opportunity, levels: Mapping[Leg, Sequence[Level]], *, least_edge: Decimal) -> Reach:
    """How many units can be bought while the next one still leaves `least_edge`, fees included.

    `levels` are best first. A leg without any has what was detected of it, at that price. All legs are walked together:
    the unit that crosses into a worse level of one leg pays that level's price.
    """
    if not levels:
        tops = tuple(one.depth for one in opportunity.legs)
        return Reach(min(opportunity.depth, *tops), tops, tops)
    ladders = [levels.get(one.leg) or (Level(one.price, one.depth, one.fee),) for one in opportunity.legs]
    tops = tuple(ladder[0].size for ladder in ladders)
    floor, at = Decimal(opportunity.basket.floor), [0] * len(ladders)
    left, units = list(tops), NOTHING
    while True:
        cost = sum((ladder[nth].price + ladder[nth].fee for ladder, nth in zip(ladders, at, strict=True)), NOTHING)
        if floor - cost < least_edge:
            break
        step = min(left)
        units += step
        left = [one - step for one in left]
        for nth, ladder in enumerate(ladders):
            while not left[nth] and at[nth] + 1 < len(ladder):
                at[nth] += 1
                left[nth] = ladder[at[nth]].size
        if not all(left):
            break
    depths = tuple(
        sum((one.size for one in ladder[: nth + 1]), NOTHING) for ladder, nth in zip(ladders, at, strict=True)
    )
    return Reach(units, depths, tops)


def average(levels: Sequence[Level], size: Decimal) -> tuple[Decimal, Decimal]:
    """The price and the fee of a contract, on average, of the first `size` of what the levels hold.

    What they do not hold is reckoned at the last of them. Rounded as `of_each` rounds.
    """
    paid, fees = NOTHING, NOTHING
    for level, taken in walked(levels, size):
        paid, fees = paid + taken * level.price, fees + taken * level.fee
    return of_each(paid, size), of_each(fees, size)


def walked(levels: Sequence[Level], size: Decimal) -> Iterator[tuple[Level, Decimal]]:
    """The levels that `size` contracts are bought at, and how many at each; the last has all that is left."""
    left = size
    for nth, level in enumerate(levels):
        taken = left if nth == len(levels) - 1 else min(left, level.size)
        left -= taken
        if taken:
            yield level, taken


def of_each(amount: Decimal, size: Decimal) -> Decimal:
    """Each contract's part of an amount, rounded up to 1e-6: the size times it is never less than the amount."""
    return (amount / size).quantize(Decimal("1e-6"), "ROUND_CEILING")
