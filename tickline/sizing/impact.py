"""What buying more costs beyond the price it was detected at, as a curve of size that own fills re-fit."""

import math
from collections.abc import Mapping
from typing import Annotated

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from tickline.reference.models import Declared

MOST_UNITS = 1e9
"""Where a curve sets no bound of its own."""


class ImpactCurve(Declared):
    """Slippage of `alpha` x units ^ `power`, in money per unit."""

    alpha: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.0002
    power: Annotated[float, Field(gt=0, le=4, allow_inf_nan=False)] = 0.6


class ImpactFitting(Declared):
    """When own fills are believed over a declared curve: from `fewest` entries of a lane on.

    Powers outside `least_power` to `most_power` are not considered.
    """

    fewest: Annotated[int, Field(ge=8, le=1_000_000)] = 50
    least_power: Annotated[float, Field(gt=0, le=4)] = 0.2
    most_power: Annotated[float, Field(gt=0, le=4)] = 2.0


def slippage(curve: ImpactCurve, units: float) -> float:
    """What each of so many units costs beyond its price."""
    return curve.alpha * units**curve.power if units > 0 else 0.0


def best_size(curve: ImpactCurve, edge: float) -> float:
    """The units q at which q (edge - alpha q^d) is most: (edge / (alpha (1 + d))) ^ (1 / d), `edge` in money per unit.

    At most MOST_UNITS; 0 where there is no edge.
    """
    if edge <= 0:
        return 0.0
    if curve.alpha == 0:
        return MOST_UNITS
    exponent = math.log(edge / (curve.alpha * (1 + curve.power))) / curve.power
    return min(math.exp(min(exponent, 50.0)), MOST_UNITS)


def entries(fills: pl.DataFrame) -> pl.DataFrame:
    """What each entry of `lane_fills` slipped: lane (String), size and slippage (Float64; money per contract)."""
    sign = pl.when(pl.col("direction") == "buy").then(1.0).otherwise(-1.0)
    return fills.filter(pl.col("action") == "enter").select(
        "lane",
        pl.col("size").cast(pl.Float64),
        ((pl.col("price") - pl.col("expected_price")).cast(pl.Float64) * sign).alias("slippage"),
    )


def refit(fills: pl.DataFrame, declared: Mapping[str, ImpactCurve], fitting: ImpactFitting) -> dict[str, ImpactCurve]:
    """The curve of each lane in `declared`, out of its entries in `lane_fills` where there are enough of them.

    Robust non-linear least squares: soft L1, then Cauchy's loss at the scale of the median absolute residual (Huber
    1981, Robust Statistics, 7), so that a few wild fills do not bend it. Fills that slipped nothing count as they are.
    """
    by_lane = entries(fills).filter(pl.col("size") > 0, pl.col("slippage").is_finite()).sort("lane", "size", "slippage")
    curves = {}
    for lane, curve in declared.items():
        own = by_lane.filter(pl.col("lane") == lane)
        enough = own.height >= fitting.fewest and own["size"].n_unique() > 1
        curves[lane] = _fitted(own["size"].to_numpy(), own["slippage"].to_numpy(), fitting) if enough else curve
    return curves


def _fitted(sizes: npt.NDArray[np.float64], slipped: npt.NDArray[np.float64], fitting: ImpactFitting) -> ImpactCurve:
    from scipy.optimize import least_squares

    middle = float(np.exp(np.median(np.log(sizes))))  # scaled by it, alpha and power hardly depend on each other
    scaled = sizes / middle
    typical = max(float(np.median(slipped)), 1e-9)
    start = np.array([typical, (fitting.least_power + fitting.most_power) / 2])
    noise = max(float(np.median(np.abs(slipped - np.median(slipped)))), 1e-9)
    bounds = ([0.0, fitting.least_power], [10.0, fitting.most_power])

    def residuals(of: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        gone: npt.NDArray[np.float64] = (of[0] * scaled ** of[1] - slipped) / noise
        return gone

    found = least_squares(residuals, start, bounds=bounds, loss="soft_l1", x_scale=[typical, 1.0])
    noise = max(1.4826 * float(np.median(np.abs(residuals(found.x)))) * noise, 1e-9)
    found = least_squares(residuals, found.x, bounds=bounds, loss="cauchy", x_scale=[typical, 1.0])
    level, power = float(found.x[0]), float(found.x[1])
    return ImpactCurve(alpha=round(min(level / middle**power, 10.0), 12), power=round(power, 6))
