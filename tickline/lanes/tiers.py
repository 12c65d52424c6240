"""How hot a market is, and so how often it is looked at: hot, warm or cold, with thresholds that do not flutter."""

from enum import StrEnum

import polars as pl

from tickline.lanes.scheduler_spec import Tiering


class Tier(StrEnum):
    """How often a market is looked at, the oftenest first."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


def tiered(markets: pl.DataFrame, now_ns: int, tiering: Tiering) -> pl.DataFrame:
    """Markets with `heat` (0 to 1) and the tier they are in now.

    `markets` has ts_edge (when an edge was last seen in it) and ts_close (ns, UTC), activity (quote changes an hour),
    has_position, and tier, the one it was in; all but has_position are null where there is none. What is unknown, or
    closed already, adds no heat.
    """
    return markets.with_columns(heat(now_ns, tiering).alias("heat")).with_columns(_tier(tiering).alias("tier"))


def heat(now_ns: int, tiering: Tiering) -> pl.Expr:
    """The greatest of what each reason to look says; see `Tiering` for the formulas."""
    since_edge_s = (now_ns - pl.col("ts_edge").dt.epoch("ns")) / 1e9
    to_close_s = (pl.col("ts_close").dt.epoch("ns") - now_ns) / 1e9
    activity = pl.col("activity").fill_nan(None).clip(0, 1e12)
    reasons = (
        pl.col("has_position").cast(pl.Float64),
        _halving(since_edge_s.clip(0), tiering.edge_half_s),
        pl.when(to_close_s >= 0).then(_halving(to_close_s, tiering.close_half_s)),
        activity / (activity + tiering.activity_half),
    )
    return pl.max_horizontal(reason.fill_null(0.0) for reason in reasons)


def _halving(elapsed_s: pl.Expr, half_s: float) -> pl.Expr:
    return pl.lit(0.5).pow(elapsed_s / half_s)


def _tier(tiering: Tiering) -> pl.Expr:
    was = pl.col("tier")
    hot_from = pl.when(was == Tier.HOT).then(tiering.hot_leave).otherwise(tiering.hot_enter)
    warm_from = pl.when(was.is_in([Tier.HOT, Tier.WARM])).then(tiering.warm_leave).otherwise(tiering.warm_enter)
    return (
        pl.when(pl.col("heat") >= hot_from)
        .then(pl.lit(Tier.HOT.value))
        .when(pl.col("heat") >= warm_from)
        .then(pl.lit(Tier.WARM.value))
        .otherwise(pl.lit(Tier.COLD.value))
    )
