"""Prices and sizes as whole numbers of their last decimal place, so that sums of them are exact in any order.

A Float64 on an instrument's grid is the float nearest to a decimal of known places, so `value * 10**places` rounds to
the whole number meant, and dividing that by `10**places` gives the same float back: both operands are exact, and IEEE
division rounds correctly. This holds up to LARGEST; what is larger is refused, never rounded.
"""

from decimal import Decimal
from functools import cache

import numpy as np
import polars as pl

from tickline.errors import ConfigError
from tickline.lake.schemas import BARS

LARGEST = 1 << 50
"""The largest whole number for which two rounded operations still err by less than half of one."""

_TURNOVER_PLACES = 12
assert BARS.columns["turnover"] == pl.Decimal(38, _TURNOVER_PLACES)


def scales(instruments: pl.DataFrame) -> pl.DataFrame:
    """The powers of ten that make each instrument's prices and sizes whole.

    Takes columns of INSTRUMENTS. Returns instrument, calendar, price_scale and size_scale (Float64, exact), and
    spare_places (Int64): the decimal places turnover has beyond price x size; negative where it has too few.
    """
    price_places, size_places = (list(map(_places, instruments[step])) for step in ("tick_size", "lot_size"))
    spare = [_TURNOVER_PLACES - at_price - at_size for at_price, at_size in zip(price_places, size_places, strict=True)]
    return instruments.select(
        "instrument",
        "calendar",
        pl.Series("price_scale", [float(10**places) for places in price_places], dtype=pl.Float64),
        pl.Series("size_scale", [float(10**places) for places in size_places], dtype=pl.Float64),
        pl.Series("spare_places", spare, dtype=pl.Int64),
    )


def units(value: pl.Expr, scale: pl.Expr) -> pl.Expr:
    """A value on the grid as a whole number of its last place (Int64)."""
    return (value * scale).round().cast(pl.Int64)


def divide(dividends: pl.Series, divisors: pl.Series) -> pl.Series:
    """Quotients as IEEE division rounds them, null for 0 / 0; neither side has nulls.

    Polars will not do: where all divisors are one it multiplies by the reciprocal, which rounds twice.
    """
    with np.errstate(invalid="ignore"):
        return pl.Series(dividends.to_numpy() / divisors.to_numpy()).fill_nan(None)


def require_exact(parts: pl.DataFrame) -> None:
    """Refuse volumes that Float64 could not tell from their neighbours.

    Takes columns instrument and volume_units. Raises ConfigError naming the instruments.
    """
    large = parts.filter(pl.col("volume_units") > LARGEST)
    if large.height:
        named = ", ".join(large["instrument"].unique().sort())
        raise ConfigError(
            f"instruments {named}: volume exceeds {LARGEST} times the last place of lot_size and would not be exact; "
            "declare a coarser lot_size"
        )


@cache
def _places(step: float) -> int:
    # repr is the shortest decimal that reads back as this float: the step as configuration spelled it.
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    assert isinstance(exponent, int), f"step {step} is not finite"
    return max(0, -exponent)
