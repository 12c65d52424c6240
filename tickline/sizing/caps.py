"""The most that may be at risk: in one trade, and together at a venue, on an event, a cluster, in a lane, in all."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tickline.reference.models import Declared, Name

ExactShare = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False)]


class Scope(StrEnum):
    """What amounts at risk are added up by."""

    VENUE = "venue"
    EVENT = "event"
    CLUSTER = "cluster"  # events whose outcomes move together
    LANE = "lane"
    ACCOUNT = "account"

    def of(self, name: str) -> str:
        """The key of one of these, as exposures are kept by."""
        return self + ":" + name


ACCOUNT = Scope.ACCOUNT.of("all")
"""The key of everything at risk."""


class Caps(Declared):
    """Shares of capital. `trade` is what one trade may lose in the worst world at a confidence of 1.

    `venues` and `lanes` override the share of those named.
    """

    trade: ExactShare = Decimal("0.02")
    venue: ExactShare = Decimal("0.5")
    event: ExactShare = Decimal("0.05")
    cluster: ExactShare = Decimal("0.10")
    lane: ExactShare = Decimal("0.4")
    account: ExactShare = Decimal("0.8")
    venues: dict[Name, ExactShare] = Field(default={})
    lanes: dict[Name, ExactShare] = Field(default={})

    def share_of(self, key: str) -> Decimal:
        """The share that the amounts under a key may reach."""
        scope, _, name = key.partition(":")
        if scope == Scope.VENUE and name in self.venues:
            return self.venues[name]
        if scope == Scope.LANE and name in self.lanes:
            return self.lanes[name]
        share: Decimal = getattr(self, scope)
        return share


def worst_loss_cap(caps: Caps, capital: Decimal, confidence: float) -> Decimal:
    """What one trade may lose in the worst world: the less sure what it stands on is, the less."""
    return capital * caps.trade * Decimal(str(confidence))


def room(caps: Caps, capital: Decimal, exposure: Mapping[str, Decimal], *, key: str) -> Decimal:
    """What may still be put at risk under a key; 0 where its cap is reached or passed."""
    return max(capital * caps.share_of(key) - exposure.get(key, Decimal(0)), Decimal(0))


def whole_lots(amount: Decimal, unit: Decimal, *, lot: Decimal) -> Decimal:
    """The most units, in whole lots, that cost no more than `amount` at `unit` each."""
    return amount // (unit * lot) * lot if unit > 0 else Decimal(0)
