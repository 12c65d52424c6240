"""Random order streams: scripts of random intents on random bars of one to three instruments, run in batches.

Everything of a batch follows from its seed. Prices lie where orders will meet them; every kind, flag, group and end of
an order comes up, and so do gaps, missing bars, thin volume, longer bars, funding, margin calls and small accounts.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qa._scripted import BARS_SEEN, PLAY, SCRIPTED, START, Script
from tickline.backtest.assumptions import VENUE
from tickline.backtest.bar_engine import Bars, Charges, Place, build
from tickline.backtest.bar_matching import BAR
from tickline.backtest.matching import FILL, Seat, new_log
from tickline.signals.desk import (
    DESK,
    EVENT,
    INSTRUMENT,
    NEVER,
    ORDER,
    Action,
    EventKind,
    Flag,
    Grouping,
    Ints,
    Kind,
    Records,
    TimeInForce,
    open_desk,
)
from tickline.signals.strategy import engine_for

STEP = 60_000_000_000
TIMES, PLAYS, INSTRUMENTS = 16, 36, 3
LONGER = 4
"""A bar of the longer timeframe is as long as this many of the others."""

ENTRIES = 20_000


class Streams(NamedTuple):
    """Some streams before they are run: for each its bars, script, grid, assumptions, charges and capital."""

    bars: list[Bars]
    plays: Records
    grids: Records
    venues: Records
    charges: list[Charges]
    capital: Ints


@dataclass(frozen=True)
class Outcome:
    """What came of streams: `fills` and `orders` (ended or alive, and refused intents) of all, and which stream each is
    of; a DESK and the last equity and cash of each."""

    streams: Streams
    fills: Records
    fills_of: Ints
    orders: Records
    orders_of: Ints
    desks: Records
    tracks: Ints


def drawn(seed: int, count: int) -> Streams:
    """So many streams."""
    draws = np.random.default_rng(seed)
    listed = draws.integers(1, INSTRUMENTS + 1, count)
    base = draws.choice([40, 900, 30_000], (count, INSTRUMENTS, 1))
    width = np.maximum(base // draws.choice([100, 100, 10], (count, 1, 1)), 2)
    closes = np.maximum(base + np.cumsum(draws.integers(-width, width + 1, (count, INSTRUMENTS, TIMES)), axis=2), 5)
    bars = _bars(draws, listed, closes, width)
    grids = np.zeros((count, INSTRUMENTS), INSTRUMENT)
    grids["tick_size"], grids["lot_size"] = 0.01, draws.choice([1.0, 0.1], (count, 1))
    grids["tick_value"] = draws.choice([1, 7, 1_000_000], (count, INSTRUMENTS))
    worth = (base[:, :, 0] * grids["tick_value"]).max(axis=1)
    capital = worth * draws.choice([2, 20, 200, 5_000], count)
    return Streams(
        bars, plays_of(draws, listed, closes, width), grids, venues_of(draws, count), _charges(draws, listed), capital
    )


def run(streams: Streams) -> Outcome:
    """What comes of streams. The engine runs compiled; each stream has an account of its own."""
    engine, log, event = engine_for(build, SCRIPTED), new_log(ENTRIES), np.zeros(1, EVENT)
    count = len(streams.bars)
    desks, tracks = np.zeros(count, DESK), np.zeros((count, 2), np.int64)
    fills, orders = [], []
    for nth, market in enumerate(streams.bars):
        _clear(log.tally)
        listed = int(market.events["instrument"].max()) + 1
        desks[nth : nth + 1] = open_desk(streams.grids[nth, :listed], capital=int(streams.capital[nth]), unit=1e-8)
        track = np.zeros((market.events.size, 2), np.int64)
        seat, place = Seat(desks[nth], log, event[0]), Place(streams.venues[nth], streams.charges[nth])
        script, memory = Script(streams.plays[nth], 0), np.zeros(BARS_SEEN + 2)
        if engine(script, memory, seat, place, market, track, 0) < market.events.size:
            raise RuntimeError(f"stream {nth} filled a log of {ENTRIES} entries")
        tracks[nth] = track[-1]
        desk = desks[nth]
        fills.append(log.fills[: log.tally["fills"]].copy())
        orders.append(np.concatenate([log.ended[: log.tally["ended"]], desk["orders"][: desk["working"]]]))
    return Outcome(streams, *joined(fills, FILL), *joined(orders, ORDER), desks, tracks)


def _clear(tally: Records) -> None:
    for name in ("fills", "ended", "told_fills", "told_ended", "charged", "ts", "row"):
        tally[name] = 0


def joined(parts: list[Records], dtype: np.dtype[np.void]) -> tuple[Records, Ints]:
    """The records of several streams one after the other, and which stream each is of."""
    sizes = [part.size for part in parts]
    return np.concatenate([np.zeros(0, dtype), *parts]), np.repeat(np.arange(len(parts)), sizes)


def _bars(draws: np.random.Generator, listed: Ints, closes: Ints, width: Ints) -> list[Bars]:
    """Rows of all times: first the longer bar where one closes, then the instruments; some are missing."""
    count = len(listed)
    gaps = draws.integers(-width, width + 1, closes.shape) * (draws.random(closes.shape) < 0.3)
    opens = np.maximum(np.concatenate([closes[:, :, :1], closes[:, :, :-1]], axis=2) + gaps, 5)
    high = np.maximum(opens, closes) + draws.integers(0, width + 1, closes.shape)
    low = np.maximum(np.minimum(opens, closes) - draws.integers(0, width + 1, closes.shape), 1)
    spread = draws.choice([0, 0, 1, 3], (count, 1, 1))
    volume = np.where(draws.random((count, 1, 1)) < 0.5, 1e6, draws.integers(0, 40, closes.shape).astype(float))
    rows = np.zeros((count, TIMES, INSTRUMENTS + 1), BAR)
    own = rows[:, :, 1:]
    ts_open = (START + STEP * np.arange(TIMES))[None, :, None]
    own["ts_open"], own["ts_close"] = ts_open, ts_open + STEP
    own["instrument"] = np.arange(INSTRUMENTS)
    own["volume"] = np.swapaxes(volume, 1, 2)
    for name, values in (("open", opens), ("high", high), ("low", low), ("close", closes)):
        own["bid"][name], own["ask"][name] = np.swapaxes(values, 1, 2), np.swapaxes(values + spread, 1, 2)
    own["mark"] = (own["ask"]["close"] + own["bid"]["close"]) // 2
    longer = rows[:, :, 0]
    longer["ts_close"] = own["ts_close"][:, :, 0]
    longer["ts_open"] = longer["ts_close"] - LONGER * STEP
    for side in ("bid", "ask"):  # nothing may ever trade here
        longer[side]["high"], longer[side]["low"] = 2**40, 1
    there = draws.random(rows.shape) < 0.95
    there[:, :, 0] = (np.arange(TIMES) % LONGER == LONGER - 1) & (draws.random((count, 1)) < 0.5)
    there[:, :, 1:] &= np.arange(INSTRUMENTS) < listed[:, None, None]
    there[:, 0, 1] = True
    streams = np.zeros(rows.shape, np.int16)
    streams[:, :, 0] = 1
    return [_shown(rows[nth][there[nth]], streams[nth][there[nth]]) for nth in range(count)]


def _shown(rows: Records, streams: npt.NDArray[np.int16]) -> Bars:
    events = np.zeros(rows.size, EVENT)
    events["kind"], events["stream"], events["instrument"] = EventKind.BAR, streams, rows["instrument"]
    events["ts"] = rows["ts_close"]
    events["session_close"] = START + STEP * TIMES // 2 * (1 + (rows["ts_close"] > START + STEP * TIMES // 2))
    for name in ("open", "high", "low", "close"):
        events[name] = rows["bid"][name] * 0.01
    events["volume"] = rows["volume"]
    return Bars(events, rows, np.zeros((rows.size, 0)))


def plays_of(draws: np.random.Generator, listed: Ints, closes: Ints, width: Ints) -> Records:
    """PLAY records, PLAYS of each stream, with prices about the closes (streams x instruments x times) in ticks."""
    count, times = len(closes), closes.shape[2]
    shape = (count, PLAYS)
    plays = np.zeros(shape, PLAY)
    whole = draws.random(shape)
    plays["on"] = np.select([whole < 0.8, whole < 0.92], [EventKind.BAR, EventKind.FILL], EventKind.CLOSED)
    tags = draws.integers(0, 8, shape)
    plays["at"] = np.where(plays["on"] == EventKind.BAR, draws.integers(0, 2 * TIMES, shape), tags)
    plays["action"] = np.where(draws.random(shape) < 0.1, Action.CANCEL, Action.SUBMIT)
    plays["target"], plays["tag"] = draws.integers(0, 8, shape), draws.integers(0, 8, shape)
    plays["instrument"] = draws.integers(0, INSTRUMENTS, shape) % listed[:, None]
    plays["lots"] = draws.integers(-15, 16, shape) * np.where(draws.random(shape) < 0.02, 10_000, 1)
    plays["kind"] = draws.integers(0, len(Kind), shape)
    plays["tif"] = draws.choice([TimeInForce.GTC, *TimeInForce], shape)
    plays["flags"] = draws.choice([0, 0, 0, Flag.POST_ONLY, Flag.REDUCE_ONLY, Flag.POST_ONLY | Flag.REDUCE_ONLY], shape)
    near = np.take_along_axis(
        closes.reshape(count, -1), plays["instrument"] * times + draws.integers(0, times, shape), 1
    )
    off = np.take_along_axis(width[:, :, 0], plays["instrument"], 1)
    for name in ("price", "trigger"):
        asked = near + draws.integers(-2 * off, 2 * off + 1)
        plays[name] = np.where(draws.random(shape) < 0.02, draws.choice([NEVER, 0, -3], shape), np.maximum(asked, 1))
    plays["lasts"] = draws.integers(0, 6, shape) * STEP
    plays["grouping"] = draws.choice([Grouping.NONE] * 3 + [Grouping.OCO, Grouping.LEGS], shape)
    plays["group"] = draws.integers(1, 4, shape) * (plays["grouping"] != Grouping.NONE)
    plays["instrument"] += INSTRUMENTS * (draws.random(shape) < 0.01)
    return plays


def venues_of(draws: np.random.Generator, count: int) -> Records:
    """A VENUE of assumptions for each stream."""
    venues = np.zeros(count, VENUE)
    venues["at_close"] = draws.random(count) < 0.2
    venues["through"] = draws.random(count) < 0.3
    venues["order_latency"] = draws.choice([0, 0, 0, 1, STEP + 1], count)
    venues["participation"] = draws.choice([np.inf, np.inf, 1.0, 0.3], count)
    costs = venues["costs"]
    costs["maker"] = draws.choice([0, -25_000, 100_003], (count, 1))
    costs["taker"] = draws.choice([0, 50_000, 777_777], (count, 1))
    costs["slippage_ticks"] = draws.choice([0, 0, 1, 3], (count, 1))
    costs["slippage"] = draws.choice([0, 0, 1_000_000], (count, 1))
    costs["impact"] = draws.choice([0.0, 0.0, 5_000_000.0], (count, 1))
    margin = draws.choice([1_000_000_000, 500_000_000, 50_000_000], (count, 1))
    costs["margin"] = margin
    costs["maintenance"] = margin // 2 * (draws.random((count, 1)) < 0.4)
    costs["can_short"] = draws.random((count, 1)) < 0.7
    return venues


def _charges(draws: np.random.Generator, listed: Ints) -> list[Charges]:
    made = []
    for instruments in listed:
        due = 2 * int(draws.integers(0, 4))
        ts = np.sort(START + draws.integers(0, TIMES, due) * STEP + draws.integers(-1, 2, due))
        rates = draws.integers(-2_000_000, 2_000_000, due)
        made.append(Charges(ts, draws.integers(0, instruments, due), rates, draws.integers(0, 2, due)))
    return made
