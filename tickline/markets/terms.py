"""What a market pays and costs, as one hash, and the versions of it that a day's looks showed."""

import hashlib

import orjson
import polars as pl

TERMS = (
    *("market_id", "event_id", "title", "yes_label", "no_label", "rules", "resolution_source", "strict_id"),
    *("yes_instrument", "no_instrument", "strike_op", "strike_low", "strike_high", "ts_close", "ts_expiry"),
    *("fee_kind", "fee_taker", "fee_maker", "fee_exponent", "fee_rounding", "fee_places", "balance_places"),
)
"""What decides what a market pays and costs. Its standing, its names for people and its grid do not: Polymarket's
grid follows the price."""


def terms_sha256(markets: pl.DataFrame) -> pl.Series:
    """The hash of each row's terms: the canonical JSON of those columns of TERMS that the frame has."""
    names = [name for name in TERMS if name in markets.columns]
    rows = markets.select(pl.col(name).dt.epoch("ns") if name.startswith("ts_") else pl.col(name) for name in names)
    prefix = orjson.dumps(names)
    hashes = [hashlib.sha256(prefix + orjson.dumps(row)).hexdigest() for row in rows.iter_rows()]
    return pl.Series("terms_sha256", hashes, dtype=pl.String())


def versions(looks: pl.DataFrame) -> pl.DataFrame:
    """One row for each stretch of a market's looks that showed the same terms, in the order shown.

    `looks` have `market_id`, `ts_recv`, `raw_row` and `terms_sha256`. A version says what its first look showed, but
    `status`, `result` and `tick_size` are those of its last; `version` counts from 1, `ts_first` and `ts_last` are the
    times of its first and last look.
    """
    ordered = looks.sort("market_id", "ts_recv", "raw_row")
    changed = (pl.col("terms_sha256") != pl.col("terms_sha256").shift()).over("market_id").fill_null(value=True)
    of_version = ["market_id", "version"]
    standing = ("status", "result", "tick_size")
    first = [name for name in looks.columns if name not in ("market_id", "ts_recv", *standing)]
    return (
        ordered.with_columns(changed.cum_sum().over("market_id").cast(pl.Int32).alias("version"))
        .group_by(of_version, maintain_order=True)
        .agg(
            pl.col(first).first(),
            pl.col(standing).last(),
            ts_first=pl.col("ts_recv").first(),
            ts_last=pl.col("ts_recv").last(),
        )
    )
