"""How much less is staked after losses, and how slowly that comes back."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from tickline.reference.models import Declared, Share


class DrawdownCut(Declared):
    """A multiplier of 1 up to a drawdown of `begin`, linearly down to 0 at `end`, but never below `least`.

    It falls at once. It rises by at most `restore` a UTC day, and only where the last `settled` trades, all settled
    since it last fell, together realised `band_low` to `band_high` of what was expected of them.
    """

    begin: Share = 0.03
    end: Share = 0.15
    least: Share = 0.1
    restore: Share = 0.1
    settled: Annotated[int, Field(ge=1, le=1_000)] = 20
    band_low: Annotated[float, Field(ge=-10, le=10)] = 0.7
    band_high: Annotated[float, Field(ge=-10, le=10)] = 2.0

    @model_validator(mode="after")
    def _in_order(self) -> "DrawdownCut":
        if not (self.begin < self.end and self.band_low < self.band_high):
            raise ValueError("begin must lie below end, and band_low below band_high")
        return self


@dataclass(frozen=True, slots=True)
class Restraint:
    """The multiplier, the UTC day (since 1970) it last rose on, and (realised, expected) of trades settled since it
    last fell."""

    multiplier: float = 1.0
    day: int = -1
    recent: tuple[tuple[Decimal, Decimal], ...] = ()


UNRESTRAINED = Restraint()


def multiplier_at(drawdown: float, cut: DrawdownCut) -> float:
    """What a drawdown (share of the highest equity) leaves: clip(1 - (drawdown - begin) / (end - begin), least, 1)."""
    return min(max(1 - (drawdown - cut.begin) / (cut.end - cut.begin), cut.least), 1.0)


def after_settling(restraint: Restraint, realised: Decimal, expected: Decimal, *, cut: DrawdownCut) -> Restraint:
    """One more trade settled; what it did to the drawdown is for `restrained`."""
    return replace(restraint, recent=(*restraint.recent, (realised, expected))[-cut.settled :])


def restrained(restraint: Restraint, drawdown: float, *, day: int, cut: DrawdownCut) -> Restraint:
    """The multiplier on a day (UTC, since 1970) of a drawdown: lower at once, higher a step a day where earned."""
    target = multiplier_at(drawdown, cut)
    if target < restraint.multiplier:
        return Restraint(target, day, ())
    if target == restraint.multiplier or day <= restraint.day or not is_in_band(restraint, cut):
        return restraint
    return replace(restraint, multiplier=min(target, restraint.multiplier + cut.restore), day=day)


def is_in_band(restraint: Restraint, cut: DrawdownCut) -> bool:
    """Whether enough trades settled since it fell, and came to about what was expected of them."""
    realised = sum((one for one, _ in restraint.recent), Decimal(0))
    expected = sum((one for _, one in restraint.recent), Decimal(0))
    return (
        len(restraint.recent) >= cut.settled
        and expected > 0
        and cut.band_low <= float(realised / expected) <= cut.band_high
    )
