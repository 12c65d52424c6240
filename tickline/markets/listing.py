"""Listings of venues without a module of their own, as looks: what the rows' columns say, and more from the record.

A record may say `series`, `strict_id`, `resolution_source`, `result`, `strike_op` with `strike_low` and `strike_high`,
`ts_expiry` and `ts_settle`, `exclusive_id` with `exhausts`, `parent_id`, `volume`, and the sizes at the bid and ask.
"""

import polars as pl

from tickline.markets.model import Status
from tickline.markets.payloads import is_true, moment, number, told

STATUSES = {status.value: status for status in Status} | {
    "active": Status.OPEN,
    "initialized": Status.UPCOMING,
    "unopened": Status.UPCOMING,
    "inactive": Status.PAUSED,
    "halted": Status.PAUSED,
    "suspended": Status.PAUSED,
    "determined": Status.CLOSED,
    "resolved": Status.SETTLED,
    "finalized": Status.SETTLED,
    "cancelled": Status.VOIDED,
    "canceled": Status.VOIDED,
}
_TEXTS = ("series", "strict_id", "resolution_source", "result", "strike_op", "exclusive_id", "parent_id")
_OTHERS = ("strike_low", "strike_high", "ts_expiry", "ts_settle", "exhausts", "volume", "bid_size", "ask_size")


def looks(rows: pl.DataFrame) -> pl.DataFrame:
    """Looks of listed markets; see `tickline.markets.looks` for what comes in and goes out."""
    said = told(rows["payload"], {name: name for name in (*_TEXTS, *_OTHERS)})
    frame = pl.concat([rows, said], how="horizontal")
    status = pl.col("status").str.strip_chars().str.to_lowercase()
    return frame.with_columns(
        status.replace_strict(STATUSES, default=None, return_dtype=pl.String()).alias("status"),
        pl.coalesce("yes_label", pl.lit("Yes")),
        pl.coalesce("no_label", pl.lit("No")),
        *(pl.when(pl.col(name) != 0).then(name).alias(name) for name in ("yes_bid", "no_bid")),
        *(pl.when(pl.col(name) != 1).then(name).alias(name) for name in ("yes_ask", "no_ask")),
        number("strike_low").alias("strike_low"),
        number("strike_high").alias("strike_high"),
        pl.coalesce(moment("ts_expiry"), "ts_close").alias("ts_expiry"),
        pl.coalesce(moment("ts_settle"), moment("ts_expiry"), "ts_close").alias("ts_settle"),
        number("volume").alias("volume"),
        number("bid_size").alias("yes_bid_size"),
        number("ask_size").alias("yes_ask_size"),
        is_true("exhausts").alias("exhausts"),
        pl.when(pl.col("exclusive_id").is_not_null()).then(pl.lit(True)).alias("is_exclusive"),
        pl.lit(False).alias("is_mirrored"),
        # A venue may keep no records of its own.
        (pl.col("is_readable") | pl.col("payload").is_null()).alias("is_readable"),
    )
