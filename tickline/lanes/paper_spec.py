"""What a paper simulation of lanes takes for granted, as configuration declares it."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from tickline.reference.models import Declared, Name

Milliseconds = Annotated[float, Field(ge=0, le=3_600_000, allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=0, le=31_536_000)]
PriceStep = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False)]


class PaperSettings(Declared):
    """How paper orders travel, wait and trade, and when a paper position is left before it resolves.

    An order reaches its venue after `latency_ms` and an exponential time of mean `latency_tail_ms` on top; there it
    sees the last quote, unless that is older than `stale_after_s`. Sizes are whole `lot_size`; a level whose size a
    venue does not say holds `unstated_size`. With `remainder` wait, what an entering order could not take at once waits
    for other quotes; with cancel it is gone.

    The thinnest leg may wait `patience_s` for its first fill. From the first fill on, the legs have `legging_s` to
    become equal; then orders are cancelled and what is missing is bought within `hedge_band` above the detected price
    for `hedge_s`; then what has no counterpart is sold at the bid. `queue` is how resting orders move up.

    A position is left after `hold_s`, or where what it could be expected to bring, marked at mid prices, is a loss of
    `ev_stop` of its stake, or where the other sides of its legs can be bought, within `hedge_s`, so that every outcome
    brings at least `hedge_gain` a unit more than its floor, which ties up cash that no cap counts; None is never. A
    void pays half on either side, on the venues of `fair_voids` the last fair price.
    """

    latency_ms: Milliseconds = 250.0
    latency_tail_ms: Milliseconds = 150.0
    stale_after_s: Seconds = 600
    lot_size: Annotated[Decimal, Field(gt=0, le=1_000, decimal_places=6, allow_inf_nan=False)] = Decimal(1)
    unstated_size: Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = Decimal(0)
    remainder: Literal["wait", "cancel"] = "wait"
    patience_s: Seconds = 60
    legging_s: Seconds = 30
    hedge_band: PriceStep = Decimal("0.02")
    hedge_s: Seconds = 30
    queue: Literal["risk_averse", "share", "log", "power"] = "risk_averse"
    hold_s: Seconds | None = None
    ev_stop: Annotated[Decimal, Field(gt=0, le=1, allow_inf_nan=False)] | None = Decimal("0.5")
    hedge_gain: PriceStep | None = None
    fair_voids: tuple[Name, ...] = ()
