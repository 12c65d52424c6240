"""How many units of a basket to buy: every bound on it, each in whole lots, and the smallest of them.

Amounts are exact; what is estimated (chances, slippage, carry) is Float64, and only ever becomes a count of whole lots.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from tickline.reference.models import Declared, Name, Share
from tickline.sizing.bankroll import Bankrolls
from tickline.sizing.caps import ACCOUNT, Caps, Scope, room, whole_lots, worst_loss_cap
from tickline.sizing.drawdown import DrawdownCut
from tickline.sizing.haircut import Haircut, haircut
from tickline.sizing.impact import MOST_UNITS, ImpactCurve, ImpactFitting, best_size, slippage
from tickline.sizing.lockup import Carry, Lockup, annualised, carry
from tickline.sizing.robust import UNSEEN, Looks, Robustness, cautious_depth, cautious_price

NOTHING = Decimal(0)


class LaneSizing(Declared):
    """What is known of a lane's odds and slippage.

    `error` is the standard error of the probability that a basket pays its floor. `miss` is how often a basket pays
    nothing where the mapping or label it stands on is wrong: most such pay all the same.
    """

    error: Share = 0.005
    miss: Share = 0.25
    impact: ImpactCurve = ImpactCurve()


class StakeSettings(Declared):
    """Everything a size follows from.

    `z` is how many standard errors a probability is lowered by. `participation` is the share of the visible depth that
    may be taken. Sizes are whole lots of `lot` units, `least` of them or none. `fills` is into how many parts an order
    is reckoned to be filled at most, each of which the venue rounds.
    """

    z: Annotated[float, Field(ge=0, le=10)] = 1.0
    participation: Annotated[float, Field(gt=0, le=1)] = 0.5
    lot: Annotated[Decimal, Field(gt=0, le=1_000_000)] = Decimal(1)
    least: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    fills: Annotated[int, Field(ge=1, le=1_000)] = 4
    other_lanes: LaneSizing = LaneSizing()
    lanes: dict[Name, LaneSizing] = Field(default={})
    lockup: Lockup = Lockup()
    caps: Caps = Caps()
    drawdown: DrawdownCut = DrawdownCut()
    bankrolls: Bankrolls = Bankrolls()
    robustness: Robustness = Robustness()
    fitting: ImpactFitting = ImpactFitting()

    def of_lane(self, lane: str) -> LaneSizing:
        """What is declared of a lane."""
        return self.lanes.get(lane, self.other_lanes)


@dataclass(frozen=True, slots=True)
class Offer:
    """A contract of each unit: where, at what price and fee, how many there are, and what recent looks showed.

    `depth` is all that may be taken, `top` what there is at the best price, which is what looks show.
    """

    venue: str
    price: Decimal
    fee: Decimal
    depth: Decimal
    top: Decimal
    looks: Looks = UNSEEN


@dataclass(frozen=True, slots=True)
class Proposal:
    """A basket to be sized: one unit is a contract of each offer and pays `floor` at least.

    `depth` is how many units the books hold, `days` how long until all of it is settled.
    """

    lane: str
    event: str
    cluster: str
    floor: int
    confidence: float
    offers: tuple[Offer, ...]
    depth: Decimal
    days: float | None


@dataclass(frozen=True, slots=True)
class Means:
    """What there is to bet with: capital, the lane's part of it, what drawdown leaves, and what is at risk by key."""

    capital: Decimal
    bankroll: Decimal
    multiplier: float
    exposure: Mapping[str, Decimal]
    curve: ImpactCurve


@dataclass(frozen=True, slots=True)
class Stake:
    """A size, and every number on the way to it.

    `unit` is what a unit costs at cautious prices (`costs` by venue), `detected` at those there are; `win` and `edge`
    are of the first. All are with `fees`, those of a unit.
    `limits` are units in whole lots by what limits them, `rooms` what the caps still had room for. Per unit, in
    money: `win` before and `edge` after carry, `slipped` at the size, `net` what is left of the edge after it.
    `expected` is of the whole size and reckons with the chance that the floor is not paid.
    """

    detected: Decimal
    fees: Decimal
    costs: Mapping[str, Decimal]
    unit: Decimal
    chance: float
    win: float
    carry: Carry
    edge: float
    kelly: Haircut
    limits: Mapping[str, Decimal]
    rooms: Mapping[str, Decimal]
    size: Decimal
    binding: str
    slipped: float
    net: float
    yearly: float
    stake: Decimal
    expected: float

    @property
    def kelly_share(self) -> float:
        """The share of the bankroll that Kelly would stake, after the haircut."""
        return min(self.kelly.units * float(self.unit), 1.0)


def stake_of(proposal: Proposal, means: Means, settings: StakeSettings) -> Stake:
    """Size a basket.

    The least of: Kelly after its haircut on the lane's bankroll, times what the drawdown leaves; the best size under
    the impact curve; the visible depth's share; the loss one trade may bring at this confidence; and the room under
    the caps of each venue, the event, its cluster, the lane and the account. A unit is reckoned to lose all it costs.
    """
    declared = settings.of_lane(proposal.lane)
    fees = sum((one.fee for one in proposal.offers), NOTHING)
    detected = sum((one.price for one in proposal.offers), fees)
    by_venue = _cautious_costs(proposal, settings.robustness)
    unit = sum(by_venue.values(), NOTHING)
    cost = float(unit)
    chance = 1 - (1 - proposal.confidence) * declared.miss
    win = float(proposal.floor - unit)
    waiting = carry({venue: float(one) for venue, one in by_venue.items()}, proposal.days, settings.lockup)
    edge = win - waiting.total
    kelly = haircut(chance, declared.error, win=edge, loss=cost, z=settings.z)
    depth = _cautious_depth(proposal)
    rooms = _rooms(proposal, by_venue, means, settings)
    lot = settings.lot
    limits = {
        "kelly": _lots(kelly.units * float(means.bankroll) * means.multiplier, lot),
        "impact": _lots(best_size(means.curve, edge), lot),
        "depth": _lots(depth * settings.participation, lot),
    } | {key: whole_lots(left, unit if of is None else of, lot=lot) for key, (left, of) in rooms.items()}
    binding = min(limits, key=limits.__getitem__)
    size = limits[binding] if limits[binding] >= settings.least * lot else NOTHING
    slipped = slippage(means.curve, float(size))
    net = edge - slipped
    return Stake(
        detected=detected,
        fees=fees,
        costs=by_venue,
        unit=unit,
        chance=chance,
        win=win,
        carry=waiting,
        edge=edge,
        kelly=kelly,
        limits=limits,
        rooms={key: left for key, (left, _) in rooms.items()},
        size=size,
        binding=binding,
        slipped=slipped,
        net=net,
        yearly=annualised(net, cost=cost, days=waiting.days),
        stake=size * unit,
        expected=float(size) * (chance * float(proposal.floor) - cost - waiting.total - slipped),
    )


def _cautious_costs(proposal: Proposal, settings: Robustness) -> dict[str, Decimal]:
    """What a unit's contracts cost at each venue, no leg below what recent looks agree on."""
    costs: dict[str, Decimal] = {}
    for one in proposal.offers:
        price = float(one.price)
        cautious = cautious_price(price, one.looks, settings)
        paid = one.price if cautious <= price else Decimal(str(round(cautious, 6)))
        costs[one.venue] = costs.get(one.venue, NOTHING) + paid + one.fee
    return costs


def _cautious_depth(proposal: Proposal) -> float:
    """Units the books hold, where no leg has more of them than in proportion to what recent looks agree on."""
    units = float(proposal.depth)
    for one in proposal.offers:
        top = float(one.top)
        units = min(units, float(one.depth) * cautious_depth(top, one.looks) / top if top > 0 else 0.0)
    return units


def _rooms(
    proposal: Proposal, by_venue: Mapping[str, Decimal], means: Means, settings: StakeSettings
) -> dict[str, tuple[Decimal, Decimal | None]]:
    """By what limits it: the money left, and what a unit takes of it where that is not all it costs."""
    caps, capital = settings.caps, means.capital
    trade = worst_loss_cap(caps, capital, proposal.confidence)
    rooms: dict[str, tuple[Decimal, Decimal | None]] = {"trade": (trade, None)}
    for venue, cost in by_venue.items():
        key = Scope.VENUE.of(venue)
        rooms[key] = (room(caps, capital, means.exposure, key=key), cost)
    for key in keys_of(proposal):
        rooms[key] = (room(caps, capital, means.exposure, key=key), None)
    return rooms


def keys_of(proposal: Proposal) -> tuple[str, ...]:
    """The keys that all of a proposal's stake counts under."""
    return (
        Scope.EVENT.of(proposal.event),
        Scope.CLUSTER.of(proposal.cluster),
        Scope.LANE.of(proposal.lane),
        ACCOUNT,
    )


def _lots(units: float, lot: Decimal) -> Decimal:
    """Whole lots of a number of units, at most MOST_UNITS."""
    return Decimal(int(min(units, MOST_UNITS) / float(lot))) * lot
