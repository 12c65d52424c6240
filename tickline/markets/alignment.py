"""The prices of two markets side by side, look by look."""

import polars as pl

ALIGNED = ("pair_id", "ts", "left_mid", "right_mid")
"""Columns of looks at both markets of pairs."""


def aligned(pairs: pl.DataFrame, prices: pl.DataFrame, *, within_s: int) -> pl.DataFrame:
    """Each look at the left market of a pair with the newest of its right market before it, ALIGNED columns.

    `pairs` have pair_id and both markets' venue and id, `prices` the columns venue, market_id, ts and mid (of YES).
    A look at the right market older than `within_s` seconds is none.
    """
    right = _of(pairs, prices, "right").rename({"mid": "right_mid"})
    return (
        _of(pairs, prices, "left")
        .rename({"mid": "left_mid"})
        .join_asof(right, on="ts", by="pair_id", strategy="backward", tolerance=f"{within_s}s", check_sortedness=False)
        .drop_nulls("right_mid")
        .select(ALIGNED)
        .sort("pair_id", "ts")
    )


def _of(pairs: pl.DataFrame, prices: pl.DataFrame, side: str) -> pl.DataFrame:
    """The looks at one side of each pair, by time: pair_id, ts, mid."""
    named = {f"{side}_venue": "venue", f"{side}_market": "market_id"}
    return (
        pairs.select("pair_id", *named)
        .rename(named)
        .join(prices.drop_nulls("mid"), on=["venue", "market_id"])
        .select("pair_id", "ts", "mid")
        .sort("ts", "pair_id")
    )
