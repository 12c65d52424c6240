"""What a sandbox exchange serves: instruments, trades, books and prediction markets, as frames."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tickline.lake.schema import NS

TRADES = {
    "instrument": pl.String(),
    "ts_event": NS,
    "price": pl.Float64(),
    "size": pl.Float64(),
    "side": pl.String(),
    "trade_id": pl.String(),
}
LEVELS = {"instrument": pl.String(), "side": pl.String(), "price": pl.Float64(), "size": pl.Float64()}
INSTRUMENTS = {
    "instrument": pl.String(),
    "base": pl.String(),
    "quote": pl.String(),
    "tick_size": pl.Float64(),
    "lot_size": pl.Float64(),
}
MARKETS = {
    "instrument": pl.String(),
    "event_id": pl.String(),
    "event_title": pl.String(),
    "title": pl.String(),
    "rules": pl.String(),
    "category": pl.String(),
    "status": pl.String(),
    "ts_open": NS,
    "ts_close": NS,
    "tick_size": pl.Float64(),
    "bid": pl.Float64(),
    "ask": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class Universe:
    """Frames with the columns above. Trades are in the venue's order, oldest first.

    A spot market is a row of `instruments`, a prediction market a row of `markets`; `instrument` is the venue's own
    spelling in both.
    """

    trades: pl.DataFrame
    levels: pl.DataFrame
    instruments: pl.DataFrame
    markets: pl.DataFrame

    def trades_of(self, instrument: str) -> pl.DataFrame:
        """An instrument's trades, oldest first."""
        return self.trades.filter(pl.col("instrument") == instrument)

    def levels_of(self, instrument: str, side: str) -> list[list[float]]:
        """One side of a book as [price, size], best first."""
        of_side = self.levels.filter((pl.col("instrument") == instrument) & (pl.col("side") == side))
        return [list(row) for row in of_side.sort("price", descending=side == "bid").select("price", "size").rows()]


def demo(*, seed: int = 1, trades: int = 20_000) -> Universe:
    """Two spot markets and one prediction event of two markets, with a few hours of trades each."""
    rng = np.random.default_rng(seed)
    start = datetime(2026, 3, 6, tzinfo=UTC)
    spot = [("BTCUSDT", 60_000.0, 0.01), ("ETHUSDT", 3_000.0, 0.01)]
    questions = [("KXRAIN-26MAR10-NYC", 0.42, 0.01), ("KXRAIN-26MAR10-LON", 0.71, 0.01)]
    return Universe(
        trades=pl.concat(
            [_walk(rng, name, start, trades, price=price, tick=tick) for name, price, tick in spot + questions]
        ),
        levels=pl.concat([_ladder(name, price=price, tick=tick) for name, price, tick in spot + questions]),
        instruments=pl.DataFrame(
            [(name, name.removesuffix("USDT"), "USDT", tick, 0.00001) for name, _, tick in spot],
            schema=INSTRUMENTS,
            orient="row",
        ),
        markets=pl.DataFrame(
            [
                {
                    "instrument": name,
                    "event_id": "KXRAIN-26MAR10",
                    "event_title": "Where will it rain on March 10?",
                    "title": f"Will it rain in {name[-3:]} on March 10?",
                    "rules": "Resolves to Yes if the station reports measurable precipitation.",
                    "category": "Climate",
                    "status": "active",
                    "ts_open": start,
                    "ts_close": start + timedelta(days=4),
                    "tick_size": tick,
                    "bid": price - tick,
                    "ask": price + tick,
                }
                for name, price, tick in questions
            ],
            schema=MARKETS,
        ),
    )


def _walk(
    rng: np.random.Generator, name: str, start: datetime, count: int, *, price: float, tick: float
) -> pl.DataFrame:
    steps = price / tick + np.cumsum(rng.integers(-1, 2, count))
    low, high = (1, round(1 / tick) - 1) if price < 1 else (1, None)
    # Whole hundreds of milliseconds: many trades share one, as they do on a busy venue.
    waited_ms = np.cumsum(rng.integers(0, 3, count)) * 100
    return pl.DataFrame(
        {
            "instrument": [name] * count,
            "ts_event": pl.Series(waited_ms + int(start.timestamp()) * 1000).cast(pl.Datetime("ms", "UTC")).cast(NS),
            "price": np.round(np.clip(steps, low, high) * tick, 8),
            "size": rng.integers(1, 1000, count) / (100 if price > 1 else 1),
            "side": np.where(rng.random(count) < 0.5, "buy", "sell"),
            "trade_id": [str(number) for number in range(count)],
        },
        schema=TRADES,
    )


def _ladder(name: str, *, price: float, tick: float) -> pl.DataFrame:
    rungs = np.arange(1, 21)
    return pl.DataFrame(
        {
            "instrument": [name] * 40,
            "side": ["bid"] * 20 + ["ask"] * 20,
            "price": np.round(np.concatenate([price - rungs * tick, price + rungs * tick]), 8),
            "size": np.concatenate([rungs, rungs]).astype(float),
        },
        schema=LEVELS,
    )
