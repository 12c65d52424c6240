"""Whether an exclusive group is still listed whole."""

import polars as pl

from tickline.markets.model import Label

_GROUP = ["venue", "group_id"]


def as_listed(markets: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The markets (CLEAN_MARKETS with `venue`), no group called exhaustive that lost a member since the day `before`.

    A venue may stop listing what resolved: where that was not seen to be a no, the member that is gone may be the one
    that won, and nothing need be left to win of the others.
    """
    last = before.sort("version").unique(["venue", "market_id"], keep="last", maintain_order=True)
    gone = last.join(markets, on=["venue", "market_id"], how="anti").filter(pl.col("result").ne_missing("no"))
    lost = gone.drop_nulls("group_id").select(*_GROUP, has_lost=pl.lit(value=True)).unique()
    told = markets.join(lost, on=_GROUP, how="left", maintain_order="left")
    is_doubtful = (pl.col("label") == Label.EXHAUSTIVE) & pl.col("has_lost").fill_null(value=False)
    label = pl.when(is_doubtful).then(pl.lit(Label.UNKNOWN.value)).otherwise("label").alias("label")
    return told.with_columns(label).drop("has_lost")
