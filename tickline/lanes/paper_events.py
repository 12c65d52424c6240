"""What a paper position can see happen in one market."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tickline.lanes.model import Origin
from tickline.markets.model import MarketKey, Side

Level = tuple[Decimal, Decimal | None]
"""A price and the contracts there; None where the venue does not say."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Who wants to trade one side's contracts, the best price first, and the row that says so."""

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A market's book as seen at a moment: top of book, or as many levels as are known. Empty while it is paused."""

    ts_ns: int
    market: MarketKey
    yes: Ladder
    no: Ladder

    def of(self, side: Side) -> Ladder:
        """The book of one side."""
        return self.yes if side is Side.YES else self.no


@dataclass(frozen=True, slots=True)
class Trade:
    """Contracts of one side that others traded. Where both sides share a book, it is told of both."""

    ts_ns: int
    market: MarketKey
    side: Side
    price: Decimal
    size: Decimal
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """All that happened before this moment has been told."""

    ts_ns: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The market trades no more."""

    ts_ns: int
    market: MarketKey


@dataclass(frozen=True, slots=True)
class Resolved:
    """The result is known; it is paid at `ts_settle_ns`, at once where that is None or over. `fair` is the price of YES
    that a void is paid at, where the venue said one."""

    ts_ns: int
    market: MarketKey
    result: Literal["yes", "no", "void"]
    ts_settle_ns: int | None = None
    fair: Decimal | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What the position stands on holds no more: a mapping was revoked, terms changed, the lane was stopped."""

    ts_ns: int
    market: MarketKey
    reason: str


Event = Quote | Trade | Passed | Closed | Resolved | Withdrawn
