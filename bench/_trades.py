"""Raw trades of a crypto venue as it delivers them: what `bench ingest` takes in."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from tickline.lake.schemas import RAW, Feed
from tickline.reference.models import Venue

FIRST_DAY = date(2026, 3, 1)
DAY_ROWS = 1_000_000
REPEATED, SPOILED = DAY_ROWS // 500, DAY_ROWS // 1000
REFUSED_ROWS = REPEATED + SPOILED

_MARKETS = {  # level, decimals of a price and of a size, share of the venue's trades
    "BTC-USDT": (61_800.0, 1, 5, 0.34),
    "ETH-USDT": (2_450.0, 2, 4, 0.24),
    "SOL-USDT": (138.0, 2, 3, 0.15),
    "XRP-USDT": (0.61, 4, 1, 0.10),
    "DOGE-USDT": (0.124, 5, 0, 0.07),
    "ADA-USDT": (0.43, 4, 1, 0.05),
    "LINK-USDT": (13.2, 3, 2, 0.03),
    "LTC-USDT": (71.0, 2, 3, 0.02),
}
_DAILY_VOLATILITY = 0.03
_TRADE_USD = 800.0
_MS = 10**6
_DAY_MS = 86_400_000

VENUE = Venue.model_validate(
    {
        "name": "bench",
        "kind": "crypto",
        "calendar": "always",
        "start": FIRST_DAY,
        "feeds": {"trades": {"kind": "table"}},
        "parameters": {"consecutive_seq": 1},
        "instruments": [
            {"name": name, "kind": "spot", "quote": "USDT", "tick_size": f"1e-{price}", "lot_size": f"1e-{size}"}
            for name, (_, price, size, _) in _MARKETS.items()
        ],
    }
)


def delivered(day: date) -> pl.DataFrame:
    """A UTC day of DAY_ROWS raw trades as received, over all instruments.

    The connection breaks once, and the next one begins with the last REPEATED trades of the first. SPOILED others,
    spread over the day, have one field wrong.
    """
    rng = np.random.default_rng(day.toordinal())
    trades = pl.concat(_walk(name, day, rng) for name in _MARKETS).sort("ts_recv", "instrument", "seq")
    again = int(rng.uniform(0.3, 0.7) * trades.height)
    once = np.r_[:again, again + REPEATED : trades.height]
    wrong = np.zeros(trades.height, dtype=np.int8)
    wrong[rng.choice(once, SPOILED, replace=False)] = rng.integers(1, 8, SPOILED)
    spoilt = _spoilt(trades.with_columns(wrong=pl.Series(wrong))).select(*RAW[Feed.TRADES].columns)
    first, second = spoilt[: again + REPEATED], spoilt[again:].with_columns(delivery=pl.lit(1, pl.Int32))
    return pl.concat([first, second])


def _walk(name: str, day: date, rng: np.random.Generator) -> pl.DataFrame:
    """One instrument's trades: a random walk on its grid, bouncing between bid and ask, sizes long-tailed."""
    level, price_decimals, size_decimals, share = _MARKETS[name]
    count = round(share * (DAY_ROWS - REPEATED))
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    ts_ms = start + np.sort(rng.integers(0, _DAY_MS, count))
    buys = rng.random(count) < 0.5
    mid = level * np.exp(np.cumsum(rng.normal(0, _DAILY_VOLATILITY / np.sqrt(count), count)))
    tick, lot = 10.0**-price_decimals, 10.0**-size_decimals
    size = np.maximum(rng.lognormal(0, 1.4, count) * _TRADE_USD / level, lot)
    seq = (day - FIRST_DAY).days * DAY_ROWS + np.arange(count)
    return pl.DataFrame(
        {
            "instrument": pl.repeat(name, count, eager=True),
            "ts_event": ts_ms * _MS,
            "ts_recv": ts_ms * _MS + (4 * _MS + rng.exponential(12 * _MS, count)).astype(np.int64),
            "price": np.round(mid + np.where(buys, tick, -tick), price_decimals),
            "size": np.round(size, size_decimals),
            "side": pl.Series(np.where(buys, "buy", "sell")),
            "trade_id": pl.Series(seq).cast(pl.String),
            "seq": seq,
        }
    ).with_columns(
        pl.col("ts_event", "ts_recv").cast(pl.Datetime("ns", "UTC")),
        pl.lit(None, pl.String).alias("conditions"),
        pl.lit(None, pl.String).alias("exchange"),
        pl.lit(None, pl.String).alias("defect"),
        delivery=pl.lit(0, pl.Int32),
    )


def _spoilt(trades: pl.DataFrame) -> pl.DataFrame:
    """The rows marked `wrong`, wrong: each of its values is another way."""

    def where(way: int, column: str, value: pl.Expr) -> pl.Expr:
        return pl.when(pl.col("wrong") == way).then(value).otherwise(pl.col(column)).alias(column)

    return (
        trades.with_columns(where(1, "price", pl.lit(float("nan"))))
        .with_columns(where(2, "price", -pl.col("price")))
        .with_columns(where(3, "price", pl.col("price") * 10))
        .with_columns(
            where(4, "size", pl.lit(0.0)),
            where(5, "ts_event", pl.col("ts_event") - pl.duration(days=2, time_unit="ns")),
            where(6, "side", pl.lit("unknown")),
            where(7, "defect", pl.lit("no JSON")),
        )
    )
