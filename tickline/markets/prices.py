"""Whether the prices of two markets fit one question: they stand at the same level and move together."""

import polars as pl

from tickline.markets.spec import Scoring


def coherence(pairs: pl.DataFrame, prices: pl.DataFrame, spec: Scoring) -> pl.Series:
    """0 (they contradict) to 1 (they fit) for each pair, null where they do not quote at the same times.

    `pairs` names left_venue, left_market, right_venue and right_market; `prices` has venue, market_id, ts and mid.
    Mids are compared in buckets of `spec.price_bucket`. Level counts for the mean distance of both; from
    `spec.price_points` buckets on, co-movement (Pearson's r of the changes) counts as much.
    """
    quoted = (
        prices.with_columns(bucket=pl.col("ts").dt.truncate(spec.price_bucket))
        .group_by("venue", "market_id", "bucket")
        .agg(mid=pl.col("mid").sort_by("ts").last())
    )
    named = pairs.select("left_venue", "left_market", "right_venue", "right_market").with_row_index("pair")
    both = (
        named.join(quoted, left_on=["left_venue", "left_market"], right_on=["venue", "market_id"])
        .join(quoted, left_on=["right_venue", "right_market", "bucket"], right_on=["venue", "market_id", "bucket"])
        .sort("pair", "bucket")
    )
    change = [pl.col(name).diff().over("pair") for name in ("mid", "mid_right")]
    judged = (
        both.with_columns(change=change[0], change_right=change[1])
        .group_by("pair")
        .agg(
            points=pl.len(),
            apart=(pl.col("mid") - pl.col("mid_right")).abs().mean(),
            together=pl.corr("change", "change_right"),
        )
        .with_columns(level=(1 - pl.col("apart") / spec.price_apart).clip(0, 1))
        .with_columns(
            price=pl.when((pl.col("points") >= spec.price_points) & pl.col("together").is_finite())
            .then((pl.col("level") + pl.col("together").clip(0, 1)) / 2)
            .otherwise(pl.col("level"))
        )
    )
    return named.join(judged, on="pair", how="left", maintain_order="left")["price"]
