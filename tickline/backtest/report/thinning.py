"""Long series made as short as a screen can show, without losing what matters in them: extremes, and bars of trades."""

import polars as pl

BUCKETS = 500
"""A screen has few more columns than this. A bucket of a line leaves four points at most."""


def thin(series: pl.DataFrame, value: str, *, buckets: int = BUCKETS) -> pl.DataFrame:
    """The first, last, lowest and highest row by `value` of each of so many runs of rows, in their order.

    Drawn, the line is the same to within a pixel where rows are evenly spaced: Jugel, Jerzak, Hackenbroich and Markl
    (2014), M4: A Visualization-Oriented Time Series Data Aggregation, PVLDB 7(10).
    """
    if series.height <= 4 * buckets:
        return series
    rows = series.lazy().with_row_index("row")
    at = pl.col("row")
    kept = (
        rows.group_by(at.cast(pl.UInt64) * buckets // series.height)
        .agg(
            at.first().alias("first"),
            at.last().alias("last"),
            at.gather(pl.col(value).arg_min()).first().alias("lowest"),
            at.gather(pl.col(value).arg_max()).first().alias("highest"),
        )
        .select(pl.concat_list("first", "last", "lowest", "highest").explode().alias("row"))
        .unique()
        .drop_nulls()
    )
    return rows.join(kept, on="row", how="semi").sort("row").drop("row").collect()


def thin_bars(bars: pl.DataFrame, at: pl.Series, *, buckets: int = 2 * BUCKETS) -> pl.DataFrame:
    """Bars of one instrument (BARS) merged into so many runs; a bar that holds one of the times `at` stays itself.

    Columns: ts (start of the run), high, low and close (Float64). Without prints a bar has the middle of its quotes;
    bars with neither are left out. Runs on each side of a kept bar are merged apart, so time stays in order.
    """
    priced = (
        bars.sort("ts_open")
        .select(
            pl.col("ts_open").alias("ts"),
            *(
                pl.coalesce(name, (pl.col(f"bid_{name}") + pl.col(f"ask_{name}")) / 2).alias(name)
                for name in ("high", "low", "close")
            ),
        )
        .drop_nulls()
        .with_row_index("row")
    )
    if priced.height <= buckets:
        return priced.drop("row")
    holding = (
        at.drop_nulls()
        .unique()
        .sort()
        .to_frame("ts")
        .join_asof(priced.select("ts", "row"), on="ts", strategy="backward")
        .select("row")
        .drop_nulls()
    )
    is_kept = pl.col("row").is_in(holding["row"].implode())
    merged_with = pl.col("row").cast(pl.UInt64) * buckets // priced.height
    begins = is_kept | is_kept.shift(1, fill_value=True) | (merged_with != merged_with.shift(1))
    return (
        priced.lazy()
        .group_by(begins.cum_sum().alias("run"), maintain_order=True)
        .agg(pl.col("ts").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last())
        .select("ts", "high", "low", "close")
        .collect()
    )
