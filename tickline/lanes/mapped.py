"""Mapped pairs as the lanes may use them: which are tradable, and why the others are not."""

import polars as pl

from tickline.lanes.drafts import DRAFT, LIVE
from tickline.markets.model import Basis, Side


def usable(mapping: pl.DataFrame, markets: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a mapping that baskets may stand on, and subject and reason of those they may not.

    A pair is usable if it is tradable and both of its markets are known and not over.
    """
    status = markets.select("venue", "market_id", "status")
    judged = (
        mapping.sort("pair_id", "left_venue", "left_market")
        .join(status, left_on=["left_venue", "left_market"], right_on=["venue", "market_id"], how="left")
        .join(
            status,
            left_on=["right_venue", "right_market"],
            right_on=["venue", "market_id"],
            how="left",
            suffix="_of_right",
        )
        .with_columns(_objection().alias("objection"))
    )
    refused = judged.filter(pl.col("objection").is_not_null())
    return (
        judged.filter(pl.col("objection").is_null()).select(mapping.columns),
        refused.select(pl.col("pair_id").alias("subject"), pl.col("objection").alias("reason")),
    )


def leg_of(pairs: pl.DataFrame, which: str | pl.Expr, side: Side) -> pl.DataFrame:
    """One leg of each pair's basket: `side` of its left or right market; `which` says left or right, or is a column
    that does. `pairs` has draft and kind beside MAPPING."""
    is_left = (pl.lit(which) if isinstance(which, str) else which) == "left"
    made = pairs.with_columns(
        subject=pl.col("pair_id"),
        n=pl.lit(2),
        label=pl.lit(None, pl.String()),
        # What is usable was approved: that is a person's word, whatever brought the two together.
        source=pl.when(pl.col("basis") == Basis.STRICT_ID).then("basis").otherwise(pl.lit(Basis.HUMAN.value)),
        venue=pl.when(is_left).then("left_venue").otherwise("right_venue"),
        market_id=pl.when(is_left).then("left_market").otherwise("right_market"),
        side=pl.lit(side),
    )
    return made.select(pl.col(name).cast(dtype) for name, dtype in DRAFT.items())


def _objection() -> pl.Expr:
    """Why a pair must not be used; null where it may."""
    left, right = pl.col("status"), pl.col("status_of_right")
    return (
        pl.when(pl.col("decision").is_null())
        .then(pl.lit("mapping not approved"))
        .when(pl.col("decision") == "rejected")
        .then(pl.lit("mapping rejected"))
        .when(~pl.col("is_tradable"))
        .then(pl.format("mapping blocked: {}", _flags()))
        .when(left.is_null() | right.is_null())
        .then(pl.lit("market gone"))
        .when(~left.is_in(LIVE))
        .then(pl.format("market {}", left))
        .when(~right.is_in(LIVE))
        .then(pl.format("market {}", right))
    )


def _flags() -> pl.Expr:
    named = pl.col("flags").list.sort().list.join(", ")
    return pl.when(named.str.len_bytes() > 0).then(named).otherwise(pl.lit("terms changed since it was approved"))
