"""How capital is split between lanes: by what each made of its risk so far, shrunk, within a floor and a ceiling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Annotated

from pydantic import Field

from tickline.errors import ConfigError
from tickline.reference.models import Declared, Share

CENT = Decimal("0.01")


class Bankrolls(Declared):
    """Shares of capital that a lane has at least and at most.

    A lane's efficiency is the mean of its trades' returns over their deviation, as if `prior_trades` more trades had
    shown `prior`.
    """

    floor: Share = 0.05
    ceiling: Share = 0.5
    prior: Annotated[float, Field(ge=0, le=10)] = 0.2
    prior_trades: Annotated[int, Field(ge=1, le=100_000)] = 50


@dataclass(frozen=True, slots=True)
class Record:
    """How many trades of a lane were closed, the mean of their returns on stake, and the sum of squares about it."""

    trades: int = 0
    mean: float = 0.0
    squares: float = 0.0


def recorded(record: Record, gained: float) -> Record:
    """One more return (Welford 1962)."""
    trades = record.trades + 1
    mean = record.mean + (gained - record.mean) / trades
    return Record(trades, mean, record.squares + (gained - record.mean) * (gained - mean))


def efficiency(record: Record, settings: Bankrolls) -> float:
    """Mean over standard deviation of a lane's returns, shrunk to the prior by how few they are.

    Returns that never differed are as good as the prior where they gained, and worth nothing where they did not.
    """
    deviation = (record.squares / (record.trades - 1)) ** 0.5 if record.trades > 1 else 0.0
    if deviation > 0:
        shown = record.mean / deviation
    else:
        shown = settings.prior if record.mean > 0 or not record.trades else 0.0
    return (record.trades * shown + settings.prior_trades * settings.prior) / (record.trades + settings.prior_trades)


def shares(records: Mapping[str, Record], lanes: Sequence[str], settings: Bankrolls) -> dict[str, float]:
    """Each lane's share of capital: in proportion to its efficiency between floor and ceiling, adding up to 1.

    A lane of no or negative efficiency has the floor. One lane alone has all. Raises ConfigError where floor and
    ceiling leave no such shares for so many lanes.
    """
    if len(lanes) == 1:
        return {lanes[0]: 1.0}
    if not settings.floor * len(lanes) <= 1 <= settings.ceiling * len(lanes):
        raise ConfigError(
            f"no {len(lanes)} shares from {settings.floor} to {settings.ceiling} add up to 1; "
            "lower the floor or raise the ceiling of the bankrolls"
        )
    earned = [max(efficiency(records.get(lane, Record()), settings), 1e-9) for lane in lanes]
    return dict(zip(lanes, _within(earned, settings.floor, settings.ceiling), strict=True))


def bankrolls(capital: Decimal, split: Mapping[str, float]) -> dict[str, Decimal]:
    """Each lane's money in whole cents, adding up to capital exactly: what rounding leaves goes to the largest."""
    money = {lane: (capital * Decimal(str(share))).quantize(CENT, ROUND_FLOOR) for lane, share in split.items()}
    largest = max(split, key=lambda lane: (split[lane], lane))
    return money | {largest: money[largest] + capital - sum(money.values())}


def _within(earned: Sequence[float], floor: float, ceiling: float) -> list[float]:
    """Shares clip(scale x earned, floor, ceiling) at the scale at which they add up to 1.

    Their sum grows with the scale, straight between the scales at which one leaves the floor or reaches the ceiling.
    """

    def at(scale: float) -> list[float]:
        return [min(max(scale * one, floor), ceiling) for one in earned]

    low, low_sum = 0.0, floor * len(earned)
    for bend in sorted(bound / one for one in earned for bound in (floor, ceiling)):
        bend_sum = sum(at(bend))
        if bend_sum >= 1:
            part = (1 - low_sum) / (bend_sum - low_sum) if bend_sum > low_sum else 1.0
            return at(low + part * (bend - low))
        low, low_sum = bend, bend_sum
    return at(low)
