"""A history drawn from a seed, and what of it was known by a time: bars of two instruments, quotes, trades and a tape.

The second instrument follows the first and comes back to it; returns have memory in every other stretch and are three
times as large in every third, so that every strategy and every label has something to say.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from qa import _scripted
from qa._scripted import MINUTE, START, TICK
from tickline.backtest.bar_engine import Bars
from tickline.backtest.ticks import CLOSES, LEVEL, TRADE, Tape
from tickline.backtest.ticks import TICK as TICK_RECORD
from tickline.lake.schema import NS

NAMES = ("A", "B")
LONGER = 15
"""A bar of the longer timeframe is as long as this many of the others."""

STRETCH = 250
DELAY = 5_000_000
"""How long after it happened a tick is known (ns)."""

PAUSE = 1_000_000_000
"""Between a close and the next open (ns), so that what is said at the one is told from what happens at the other."""

Ticks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """Bars as the lake keeps them, of minutes and of a longer timeframe; rows of quotes and trades by `ts`; a tape."""

    bars: pl.DataFrame
    longer: pl.DataFrame
    quotes: pl.DataFrame
    trades: pl.DataFrame
    sessions: pl.DataFrame
    tape: Tape

    def known_by(self, ts: int) -> "History":
        """What was known by a time (UTC ns). Sessions are known ahead."""
        closed = pl.col("ts_close").cast(pl.Int64) <= ts
        said = pl.col("ts").cast(pl.Int64) <= ts
        bars, longer = self.bars.filter(closed), self.longer.filter(closed)
        quotes, trades = self.quotes.filter(said), self.trades.filter(said)
        return replace(self, bars=bars, longer=longer, quotes=quotes, trades=trades, tape=_heard(self.tape, ts))


class Candles(NamedTuple):
    """Prices of bars in ticks, and volumes."""

    prices: Ticks
    volume: npt.NDArray[np.float64]


def drawn(seed: int, count: int) -> History:
    """A history of so many minutes."""
    draws = np.random.default_rng(seed)
    closes = _closes(draws, count)
    candles = [_candles(draws, close) for close in closes]
    short = [_bars(one, nth, MINUTE, 0) for nth, one in enumerate(candles)]
    long = [_bars(_longer(one), nth, LONGER * MINUTE, 1) for nth, one in enumerate(candles)]
    base = _scripted.merged(*short)
    return History(
        bars=_framed(base),
        longer=_framed(_scripted.merged(*long)),
        quotes=_quotes(draws, closes[0]),
        trades=_trades(draws, closes[0]),
        sessions=_scripted.sessions(base),
        tape=_tape(draws, closes[0] // 10),
    )


def _closes(draws: np.random.Generator, count: int) -> Ticks:
    """Closes of both instruments in ticks."""
    stretch = np.arange(count) // STRETCH
    noise = draws.normal(0, 0.001, count) * np.where(stretch % 3 == 2, 3.0, 1.0)
    steps = np.zeros(count)
    for at in range(1, count):
        steps[at] = noise[at] + (0.6 * steps[at - 1] if stretch[at] % 2 else 0.0)
    away = np.zeros(count)
    for at in range(1, count):
        away[at] = 0.97 * away[at - 1] + draws.normal(0, 0.001)
    first = np.log(10_000) + np.cumsum(steps)
    return np.maximum(np.rint(np.exp(np.stack([first, first + away]))), 100).astype(np.int64)


def _candles(draws: np.random.Generator, closes: Ticks) -> Candles:
    opens = np.append(closes[0], closes[:-1]) + draws.integers(-2, 3, closes.size)
    high = np.maximum(opens, closes) + draws.integers(0, 9, closes.size)
    low = np.minimum(opens, closes) - draws.integers(0, 9, closes.size)
    return Candles(np.stack([opens, high, low, closes], axis=1), np.rint(draws.lognormal(4, 1, closes.size)) + 1)


def _longer(candles: Candles) -> Candles:
    whole = len(candles.prices) // LONGER * LONGER
    parts = candles.prices[:whole].reshape(-1, LONGER, 4)
    prices = [parts[:, 0, 0], parts[:, :, 1].max(axis=1), parts[:, :, 2].min(axis=1), parts[:, -1, 3]]
    return Candles(np.stack(prices, axis=1), candles.volume[:whole].reshape(-1, LONGER).sum(axis=1))


def _bars(candles: Candles, instrument: int, every: int, stream: int) -> Bars:
    made = _scripted.bars(*candles.prices.tolist(), instrument=instrument, every=every, stream=stream)
    made.events["volume"] = made.bars["volume"] = candles.volume
    made.bars["ts_open"] += PAUSE
    return made


def _framed(bars: Bars) -> pl.DataFrame:
    turnover = (pl.col("close") * pl.col("volume")).cast(pl.Decimal(38, 12))
    return _scripted.frame(bars, *NAMES).with_columns(turnover=turnover)


def _quotes(draws: np.random.Generator, closes: Ticks) -> pl.DataFrame:
    bid = closes - draws.integers(1, 4, closes.size)
    ask = closes + draws.integers(1, 4, closes.size)
    sizes = {f"{side}_size": draws.integers(1, 50, closes.size).astype(float) for side in ("bid", "ask")}
    return pl.DataFrame({"instrument": NAMES[0], "ts": _times(closes), "bid": bid * TICK, "ask": ask * TICK, **sizes})


def _trades(draws: np.random.Generator, closes: Ticks) -> pl.DataFrame:
    size = draws.integers(1, 50, closes.size).astype(float)
    side = draws.choice(["buy", "sell", None], closes.size).tolist()
    return pl.DataFrame({"instrument": NAMES[0], "ts": _times(closes), "size": size, "side": side})


def _times(closes: Ticks) -> pl.Series:
    return pl.Series(START + MINUTE * np.arange(1, closes.size + 1)).cast(NS)


def _tape(draws: np.random.Generator, mids: Ticks) -> Tape:
    """A level a side around a mid price that moves, and a print at one of them, every tenth of a second."""
    made: list[tuple[int, int, int, int, int, int]] = []
    before = None
    for at, mid in enumerate(mids.tolist()):
        ts, size = START + at * 100_000_000, [int(one) for one in draws.integers(1, 30, 3)]
        levels = [(-1, before + 1, 0), (1, before - 1, 0)] if before not in (None, mid) else []
        levels += [(1, mid - 1, size[0]), (-1, mid + 1, size[1])]
        made += [
            (ts, LEVEL, side, price, lots, nth == len(levels) - 1) for nth, (side, price, lots) in enumerate(levels)
        ]
        side = 1 if draws.random() < 0.5 else -1
        made.append((ts + 50_000_000, TRADE, side, mid + side, size[2], 0))
        before = mid
    ticks = np.zeros(len(made), TICK_RECORD)
    for nth, name in enumerate(("ts", "kind", "side", "price", "lots")):
        ticks[name] = [one[nth] for one in made]
    ticks["flags"] = [CLOSES if one[5] else 0 for one in made]
    ticks["ts_recv"], ticks["row"] = ticks["ts"] + DELAY, np.arange(ticks.size)
    return Tape(ticks, np.arange(ticks.size), np.zeros(0, np.int64))


def _heard(tape: Tape, ts: int) -> Tape:
    ticks = tape.ticks[tape.ticks["ts_recv"] <= ts]
    return Tape(ticks, np.argsort(ticks["ts_recv"], kind="stable"), tape.closes)
