"""Prices and sizes as whole numbers of their last decimal place, so that sums of them are exact in any order.

A Float64 on an instrument's grid is the float nearest to a decimal of known places, so `value * 10**places` rounds to
the whole number meant, and dividing that by `10**places` gives the same float back: both operands are exact, and IEEE
division rounds correctly. This holds up to LARGEST; what is larger is refused, never rounded.
"""

from collections.abc import Iterable, Set
from decimal import Decimal
from functools import cache

import polars as pl

from tickline.errors import ConfigError
from tickline.lake.schemas import BARS

LARGEST = 1 << 50
"""The largest whole number for which two rounded operations still err by less than half of one."""

_TURNOVER_PLACES = 12
assert BARS.columns["turnover"] == pl.Decimal(38, _TURNOVER_PLACES)


def scales(instruments: pl.DataFrame) -> pl.DataFrame:
    """The powers of ten that make each instrument's prices and sizes whole.

    Takes columns of INSTRUMENTS. Returns, sorted by instrument, instrument, calendar, price_scale and size_scale
    (Float64, exact), and spare_places (Int64): the decimal places turnover has beyond price x size; negative where it
    has too few.
    """
    price_places, size_places = (list(map(_places, instruments[step])) for step in ("tick_size", "lot_size"))
    spare = [_TURNOVER_PLACES - at_price - at_size for at_price, at_size in zip(price_places, size_places, strict=True)]
    return instruments.select(
        "instrument",
        "calendar",
        pl.Series("price_scale", [float(10**places) for places in price_places], dtype=pl.Float64),
        pl.Series("size_scale", [float(10**places) for places in size_places], dtype=pl.Float64),
        pl.Series("spare_places", spare, dtype=pl.Int64),
    ).sort("instrument")


def require_listed(names: Iterable[str], listed: Set[str]) -> None:
    """Raise ConfigError where ticks or bars are of instruments that are not listed, naming them."""
    unknown = sorted(map(str, set(names) - listed))
    if unknown:
        raise ConfigError(f"ticks or bars of {', '.join(unknown)}, not among the venue's instruments; declare them")


@cache
def _places(step: float) -> int:
    # repr is the shortest decimal that reads back as this float: the step as configuration spelled it.
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    assert isinstance(exponent, int), f"step {step} is not finite"
    return max(0, -exponent)
