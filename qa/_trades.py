"""Baskets bought at random prices and sizes, fill by fill, with the fees their venues charge for each.

What was paid and what came back in the worst world is compared with what is stated before: the floor, the asks and
the fees. All of it is exact.
"""

from collections.abc import Callable
from decimal import Decimal
from random import Random

from qa import _worlds
from tickline.lanes.baskets import floor_of
from tickline.lanes.model import Kind
from tickline.markets.fees import FeeKind, Fees, OrderFees, Rounding, most_fee, trade_fee
from tickline.markets.model import Label

Stated = Callable[[Fees, Decimal, Decimal, bool, int], Decimal]
"""The fees stated of an order: schedule, price, size, whether it is a maker's, and in how many fills at most."""

SCHEDULES = (
    Fees(FeeKind.CURVE, Decimal("0.07"), Decimal("0.0175"), places=4, balance_places=2),
    Fees(FeeKind.CURVE, Decimal("0.07"), Decimal("0.0175"), places=4, balance_places=4),
    Fees(FeeKind.CURVE, Decimal("0.035"), Decimal(0), places=2),
    Fees(FeeKind.CURVE, Decimal("0.04"), Decimal(0), rounding=Rounding.DOWN, places=5),
    Fees(FeeKind.CURVE, Decimal("0.25"), Decimal(0), exponent=Decimal(2), rounding=Rounding.HALF_UP, places=5),
    Fees(FeeKind.BPS, Decimal("0.01"), Decimal("0.002"), rounding=Rounding.HALF_UP, places=2),
    Fees(),
)
_MOST_OUTCOMES, _MOST_FILLS = 8, 6
_KINDS = tuple(
    (kind, n, label)
    for kind in Kind
    for label in Label
    for n in (
        (1,) if kind is Kind.INTRA else (2,) if kind in (Kind.CROSS, Kind.COMPLEMENT, Kind.LADDER) else range(2, 9)
    )
    if floor_of(kind, n, label) is not None
)


def at_most(fees: Fees, price: Decimal, size: Decimal, is_maker: bool, fills: int) -> Decimal:
    """What Tickline states."""
    return most_fee(fees, price, size, is_maker=is_maker, fills=fills)


def as_one_fill(fees: Fees, price: Decimal, size: Decimal, is_maker: bool, fills: int) -> Decimal:
    """What would be stated if an order always came in one fill and cash were not rounded: planted, and wrong."""
    del fills
    return trade_fee(fees, price, size, is_maker=is_maker)


def short_of_stated(trades: int, seed: int, stated: Stated) -> int:
    """How many of so many trades realise less in their worst world than was stated."""
    random = Random(seed)  # noqa: S311
    least = {of: [(legs, _worlds.least_tried(legs, known)) for legs, known in _worlds.bought(*of)] for of in _KINDS}
    return sum(_is_short(random, least, stated) for _ in range(trades))


def _is_short(
    random: Random, least: dict[tuple[Kind, int, Label], list[tuple[_worlds.Legs, int]]], stated: Stated
) -> bool:
    of = random.choice(_KINDS)
    legs, pays = random.choice(least[of])
    size = Decimal(random.randint(1, 30_000)).scaleb(-2)
    paid = promised = Decimal(0)
    for _ in legs:
        fees, is_maker = random.choice(SCHEDULES), random.random() < 0.3
        price = Decimal(random.randint(1, 999)).scaleb(-3)
        fills = _split(random, size)
        order = OrderFees(fees)
        for part in fills:
            order, charged = order.after(price, part, is_buy=True, is_maker=is_maker)
            paid += price * part + charged
        promised += price * size + stated(fees, price, size, is_maker, len(fills))
    floor = floor_of(*of)
    assert floor is not None
    return pays * size - paid < floor * size - promised


def _split(random: Random, size: Decimal) -> list[Decimal]:
    """An order's fills, in hundredths of a contract."""
    hundredths = int(size * 100)
    cuts = sorted({random.randint(1, hundredths) for _ in range(random.randint(0, _MOST_FILLS - 1))} | {hundredths})
    return [Decimal(end - start).scaleb(-2) for start, end in zip([0, *cuts], cuts, strict=False)]
