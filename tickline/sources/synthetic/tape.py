"""The true ticks of one instrument on one UTC day, before anything goes wrong with them.

Quotes are the instrument's path seen through a spread, at bursts of times; a trade takes the quote that stands when
it happens. Every stream draws from random numbers of its own, so a trade feed and a quote feed made apart agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tickline.lake.schema import NS
from tickline.lake.schemas import Feed
from tickline.reference.models import Instrument, InstrumentKind
from tickline.sources.synthetic.paths import EPOCH, Floats, arrivals, bridge, clustering, generator, path
from tickline.sources.synthetic.settings import Process, Settings

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SIDE_PERSISTENCE = 0.7
"""The chance that a trade has the same aggressor as the one before it."""

INSIDE_SPREAD = 0.05
"""The share of trades in the middle of the spread."""

SIZE_SPREAD = 0.9
"""The standard deviation of the logarithm of sizes."""

SEQ_BLOCK = 10**9
"""More messages than any instrument has in a day."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One instrument on one UTC day.

    `origin` is the day at whose start its price is the process's level. `busy` is how busy trading is at each second
    of the day, and `extended` whether that second lies in a pre or post segment. `parameters` are the firewall's for
    this instrument, as far as its venue states them.
    """

    settings: Settings
    venue: str
    instrument: Instrument
    day: date
    origin: date
    busy: Floats
    extended: Flags
    parameters: Mapping[str, float]

    @property
    def process(self) -> Process:
        """How the instrument moves and trades."""
        return self.settings.processes[self.instrument.name]

    @property
    def midnight(self) -> datetime:
        """The start of the day."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)

    @property
    def path_key(self) -> tuple[object, ...]:
        """What the random numbers of the path depend on."""
        return (self.settings.seed, self.process.path or f"{self.venue}/{self.instrument.name}")

    @property
    def is_outcome(self) -> bool:
        """Whether the price is a probability."""
        return self.instrument.kind is InstrumentKind.OUTCOME

    def random(self, purpose: str) -> np.random.Generator:
        """Random numbers of this instrument, day and purpose alone."""
        return generator(self.settings.seed, self.venue, self.instrument.name, self.day, purpose)

    def times(self, purpose: str, per_hour: float) -> Floats:
        """When something happens, in seconds of the day, sorted; busier where the path is more volatile."""
        clusters = clustering(generator(*self.path_key, "clusters", self.day))
        return arrivals(self.busy * clusters, per_hour, self.random(purpose))


@dataclass(frozen=True, slots=True)
class Touch:
    """The best bid and ask in ticks, and the times in seconds of the day from which each pair stands."""

    seconds: Floats
    bid: Ints
    ask: Ints

    @property
    def is_still(self) -> Flags:
        """Whether each pair is the one before."""
        return np.asarray((np.diff(self.bid, prepend=0) == 0) & (np.diff(self.ask, prepend=0) == 0))


def touch(scene: Scene) -> Touch:
    """Every best bid and ask of the day."""
    process = scene.process
    seconds = scene.times("quotes", process.quotes_per_hour)
    noise = np.exp(0.2 * scene.random("spread").standard_normal(len(seconds)))
    spread = np.maximum(1, np.rint(process.spread_ticks * noise)).astype(np.int64)
    highest = round(1 / scene.instrument.tick_size) - 1 if scene.is_outcome else 2**53
    spread = np.minimum(spread, highest - 1)
    middle = _middle(scene, seconds) / float(scene.instrument.tick_size)
    bid = np.clip(np.rint(middle - spread / 2).astype(np.int64), 1, highest - spread)
    return Touch(seconds, bid, bid + spread)


def quotes(scene: Scene) -> pl.DataFrame:
    """The day's quotes: `seconds` of the day and what a quote says."""
    best, rng = touch(scene), scene.random("quote sizes")
    tick = scene.instrument.tick_size
    return pl.DataFrame(
        {
            "seconds": best.seconds,
            "bid": on_grid(best.bid, tick),
            "bid_size": sizes(scene, scene.process.quote_size, len(best.bid), rng),
            "ask": on_grid(best.ask, tick),
            "ask_size": sizes(scene, scene.process.quote_size, len(best.bid), rng),
        }
    )


def trades(scene: Scene) -> pl.DataFrame:
    """The day's trades: `seconds` of the day and what a trade says."""
    best, rng = touch(scene), scene.random("prints")
    seconds = scene.times("trades", scene.process.trades_per_hour)
    standing = np.searchsorted(best.seconds, seconds, side="right") - 1
    seconds, standing = seconds[standing >= 0], standing[standing >= 0]
    count = len(seconds)
    bid, ask = best.bid[standing], best.ask[standing]
    is_buy = np.cumsum(rng.random(count) > SIDE_PERSISTENCE) % 2 == 1
    ticks = np.where(rng.random(count) < INSIDE_SPREAD, (bid + ask) // 2, np.where(is_buy, ask, bid))
    condition, away = _conditions(scene, seconds, rng)
    ticks = np.maximum(1, ticks + np.rint(ticks * away).astype(np.int64))
    return pl.DataFrame(
        {
            "seconds": seconds,
            "price": on_grid(ticks, scene.instrument.tick_size),
            "size": sizes(scene, scene.process.trade_size, count, rng),
            "side": pl.Series(["sell", "buy"])[is_buy.astype(np.uint32)],
            "conditions": condition,
            "exchange": _exchanges(scene, count, rng),
        }
    )


@dataclass(frozen=True, slots=True)
class Times:
    """When each message of a day happens and is received, in microseconds of the day; both ascend."""

    event_us: Ints
    recv_us: Ints

    @classmethod
    def of(cls, scene: Scene, feed: Feed, seconds: Floats) -> "Times":
        """Messages at `seconds` of the day, each received after a log-normal latency but never before the last."""
        noise = np.exp(0.4 * scene.random(f"latency of {feed}").standard_normal(len(seconds)))
        event_us = (seconds * 1e6).astype(np.int64)
        latency_us = (noise * scene.settings.latency_ms * 1e3).astype(np.int64)
        return cls(event_us, np.maximum.accumulate(event_us + latency_us))


def numbered(scene: Scene, feed: Feed, frame: pl.DataFrame, times: Times) -> pl.DataFrame:
    """The rows as the venue numbers and we receive them: the RAW columns of the feed, besides those `frame` has.

    `frame` has `message`, the number of the message each row came in.
    """
    message = frame["message"].to_numpy()
    midnight_us = int(scene.midnight.timestamp()) * 10**6
    seq = pl.Series("seq", seq_of(scene.day, message))
    numbered_rows = frame.with_columns(
        pl.lit(scene.instrument.name).alias("instrument"),
        pl.Series("ts_event", (times.event_us[message] + midnight_us) * 1000).cast(NS),
        pl.Series("ts_recv", (times.recv_us[message] + midnight_us) * 1000).cast(NS),
        seq,
        pl.lit(None, pl.String).alias("defect"),
    )
    number = pl.col("seq")
    if feed is Feed.TRADES:
        return numbered_rows.with_columns(number.cast(pl.String).alias("trade_id"))
    if feed is Feed.BOOK:
        return numbered_rows.with_columns(first_seq=number, last_seq=number, prev_seq=number - 1)
    return numbered_rows


def seq_of(day: date, message: Ints) -> Ints:
    """The numbers of a day's messages: consecutive within the day, and rising from day to day."""
    return message + 1 + (day - EPOCH).days * SEQ_BLOCK


def on_grid(steps: Ints, step: Decimal) -> Floats:
    """The doubles nearest to whole multiples of a decimal step."""
    numerator, denominator = step.as_integer_ratio()
    return steps * numerator / denominator


def sizes(scene: Scene, median: float, count: int, rng: np.random.Generator) -> Floats:
    """Log-normal sizes on the instrument's lot grid, at least one lot."""
    lots = np.exp(SIZE_SPREAD * rng.standard_normal(count)) * (median / float(scene.instrument.lot_size))
    return on_grid(np.maximum(1, np.rint(lots)).astype(np.int64), scene.instrument.lot_size)


def _middle(scene: Scene, seconds: Floats) -> Floats:
    """The price between bid and ask at some times: the path, this venue's deviation from it, and shifts of level."""
    process, key = scene.process, scene.path_key
    # The path is 0 at the origin's midnight, so that the price is the level there.
    logarithm = path(scene.day, scene.busy, *key, volatility=process.volatility, origin=scene.origin)
    if process.opposite:
        logarithm = -logarithm
    if process.basis:
        even = np.full(len(scene.busy), process.basis**2 / len(scene.busy))
        logarithm = logarithm + bridge(even, scene.random("basis"), rise=0.0)
    for shift in process.shifts:
        since = (shift.at - scene.midnight).total_seconds()
        logarithm[np.arange(len(logarithm)) >= since] += np.log(shift.factor)
    second = seconds.astype(np.int64)
    part = seconds - second
    logarithm = logarithm[second] * (1 - part) + logarithm[second + 1] * part
    if scene.is_outcome:
        return np.asarray(1 / (1 + (1 / process.level - 1) * np.exp(-logarithm)))
    return np.asarray(process.level * np.exp(logarithm))


def _conditions(scene: Scene, seconds: Floats, rng: np.random.Generator) -> tuple[pl.Series, Floats]:
    """Each print's sale conditions as delivered, and how far from the market they put it."""
    declared = scene.settings.conditions
    upto = np.cumsum([condition.share for condition in declared.values()])
    drawn = np.searchsorted(upto, rng.random(len(seconds)), side="right") if declared else np.zeros(len(seconds), int)
    letters = [*declared, ""]
    extended = scene.extended[seconds.astype(np.int64)] & (scene.settings.extended is not None)
    texts = [first + letter or None for first in ("", scene.settings.extended or "") for letter in letters]
    away = np.array([*(condition.away for condition in declared.values()), 0.0])[drawn]
    codes = drawn + extended * len(letters)
    return pl.Series(texts, dtype=pl.String)[codes.astype(np.uint32)], away * rng.choice([-1, 1], len(seconds))


def _exchanges(scene: Scene, count: int, rng: np.random.Generator) -> pl.Series:
    names = pl.Series(scene.settings.exchanges or [None], dtype=pl.String)
    return names[rng.integers(len(names), size=count, dtype=np.uint32)]
