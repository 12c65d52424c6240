"""The words of the lanes: baskets and what they guarantee, opportunities found in them, decisions and paper fills.

What is stored of them is in `tickline.lake.lane_schemas`. Money and sizes are Decimal; a unit of a basket is one
contract of each of its legs; a contract pays 1 if it wins. Times are UTC ns.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tickline.markets.model import Basis, Label, MarketKey, Side


class Lane(StrEnum):
    """A family of structural opportunities."""

    INTRA = "intra"
    CROSS = "cross"
    PARITY = "parity"
    BUCKET = "bucket"
    EVENT_TREE = "event_tree"


class Kind(StrEnum):
    """A structural rule: which contracts are bought together, and so what they pay at least."""

    INTRA = "intra"  # YES + NO of one market
    CROSS = "cross"  # YES on one venue + NO of an equivalent market on another
    COMPLEMENT = "complement"  # YES + YES, or NO + NO, of two markets of which exactly one resolves to yes
    LADDER = "ladder"  # YES(X >= a) + NO(X >= b), a < b; and any implication: YES(implied) + NO(implying)
    ALL_NO = "all_no"  # NO of every market of an exclusive group
    ALL_YES = "all_yes"  # YES of every market of an exclusive, exhaustive group
    PARENT_NO_CHILDREN_YES = "parent_no_children_yes"
    PARENT_YES_CHILDREN_NO = "parent_yes_children_no"


class Style(StrEnum):
    """How the legs are meant to be bought."""

    TAKER = "taker"
    MAKER = "maker"


@dataclass(frozen=True, slots=True, order=True)
class Leg:
    """One contract of a basket's unit: YES or NO of a market, bought."""

    market: MarketKey
    side: Side


@dataclass(frozen=True, slots=True)
class Basket:
    """Contracts bought together, and what one of each pays at least, before any price is known."""

    basket_id: str
    lane: Lane
    kind: Kind
    legs: tuple[Leg, ...]
    floor: int
    family: str
    event: str
    source: Basis
    label: Label | None = None
    pair_id: str | None = None
    confidence: float = 1.0
    is_tradable: bool = True
    ts_settle_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The row of the partition that a price is from."""

    dataset: str
    venue: str
    period: str
    row: int


@dataclass(frozen=True, slots=True)
class PricedLeg:
    """A leg at the price it was detected at: what a contract costs, its fee, and how many there are at that price."""

    leg: Leg
    instrument: str | None
    price: Decimal
    fee: Decimal
    depth: Decimal
    ts_quote_ns: int
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A basket whose floor is above what its legs cost, as detected at one moment."""

    opportunity_id: str
    basket: Basket
    style: Style
    ts_ns: int
    bucket_ns: int
    legs: tuple[PricedLeg, ...]
    cost: Decimal
    fees: Decimal
    edge: Decimal
    depth: Decimal
    is_micro: bool = False


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What one gate said to an opportunity, and on what ground."""

    gate: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an opportunity is taken, at what size, and what every gate said to it."""

    opportunity: Opportunity
    ts_ns: int
    answers: tuple[GateAnswer, ...]
    size: Decimal
    stake: Decimal
    worst_loss: Decimal
    expected: Decimal
    kelly: float
    multiplier: float

    @property
    def is_taken(self) -> bool:
        """Whether every gate let it pass."""
        return all(answer.passed for answer in self.answers)

    @property
    def reason(self) -> str | None:
        """The first gate that refused it, and why; None where it was taken."""
        return next((f"{one.gate}: {one.detail}" for one in self.answers if not one.passed), None)


class Action(StrEnum):
    """What a paper fill was for."""

    ENTER = "enter"
    HEDGE = "hedge"
    UNWIND = "unwind"
    EXIT = "exit"
    SETTLE = "settle"


class PositionStatus(StrEnum):
    """How an opened opportunity stands, or ended."""

    OPEN = "open"
    SETTLED = "settled"
    TIME_STOP = "time_stop"
    EV_STOP = "ev_stop"
    HEDGED = "hedged"
    ABANDONED = "abandoned"
    UNFILLED = "unfilled"


@dataclass(frozen=True, slots=True)
class LaneFill:
    """A paper trade of one leg; settling is a sale at what the contract pays."""

    opportunity_id: str
    fill: int
    leg: int
    action: Action
    ts_ns: int
    market: MarketKey
    side: Side
    is_buy: bool
    expected_price: Decimal
    price: Decimal
    size: Decimal
    fee: Decimal
    is_maker: bool
    origin: Origin | None = None
