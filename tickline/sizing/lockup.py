"""What it costs to have money tied up until a market settles, and whether an edge is worth the wait."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tickline.reference.models import Declared, Name, Share

Rate = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]

DAYS_A_YEAR = 365.0


class Lockup(Declared):
    """Rates a year, 0.1 for 10 %.

    `rate` is what the money would earn elsewhere, `venue_rates` what a venue pays on it meanwhile (0 where none is
    named: such promises can be taken back). With probability `dispute` a settlement takes `dispute_days` longer. An
    edge, after all this, must be worth `hurdle` a year. What has no settlement time is taken to take `unknown_days`.
    """

    rate: Rate = 0.08
    venue_rates: dict[Name, Rate] = Field(default={})
    dispute: Share = 0.01
    dispute_days: Annotated[float, Field(ge=0, le=365)] = 4.0
    hurdle: Rate = 0.15
    unknown_days: Annotated[float, Field(gt=0, le=36_500)] = 365.0


@dataclass(frozen=True, slots=True)
class Carry:
    """What waiting costs a unit, in money: until settlement, and for a dispute that may come."""

    days: float
    waiting: float
    dispute: float

    @property
    def total(self) -> float:
        """Both."""
        return self.waiting + self.dispute


def carry(costs: Mapping[str, float], days: float | None, settings: Lockup) -> Carry:
    """What waiting `days` for settlement costs a unit that ties up `costs` (money, by venue).

    cost x (rate - venue's rate) x days / 365 + P(dispute) x cost x rate x dispute days / 365. Never below 0: a venue
    that pays more than the money would earn elsewhere makes no edge.
    """
    wait = max(settings.unknown_days if days is None else days, 0.0)
    rates = settings.venue_rates
    waiting = sum(cost * max(settings.rate - rates.get(venue, 0.0), 0.0) for venue, cost in costs.items())
    tied = sum(costs.values())
    return Carry(
        days=wait,
        waiting=waiting * wait / DAYS_A_YEAR,
        dispute=settings.dispute * tied * settings.rate * settings.dispute_days / DAYS_A_YEAR,
    )


def annualised(edge: float, *, cost: float, days: float) -> float:
    """What an edge on a cost is worth a year, without compounding; infinite, of its sign, where nothing is waited for.

    0 where there is no edge.
    """
    if edge == 0:
        return 0.0
    return edge / (cost * days) * DAYS_A_YEAR if cost * days > 0 else math.copysign(math.inf, edge)
