"""The quoting maker over more than five million ticks, side by side with hftbacktest.

The ticks are the recorded BTCUSDT perpetual stream, five minutes after the firewall, repeated end to end. Left out are
levels further than a twentieth from what traded: hftbacktest's array book covers a band of prices, and both sides read
the same rows. Its engine runs in an environment of its own (bench/peers/hftbacktest_maker.py) and is warm when it is
timed. Both sides make the same quotes at the same wakes under the same queue model and latencies, and must end with the
same orders, fills and position. Seconds are of the CPU, as each side runs one thread. A second process must start from
the cache on disk, without compiling.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import polars as pl
import typer

from tickline.backtest.assumptions import Assumptions, venue_of
from tickline.backtest.bar_engine import Charges, Place
from tickline.backtest.floor import Clocks
from tickline.backtest.matching import Seat, new_log
from tickline.backtest.tick_engine import build, open_floor
from tickline.backtest.ticks import Frames, Tape, tape_of
from tickline.lake.schemas import Feed
from tickline.pipeline.raw import read_day
from tickline.reference.loading import VARIABLES
from tickline.reference.models import FeeSchedule
from tickline.reference.sessions import venue_sessions
from tickline.signals.desk import EVENT, INSTRUMENT, Records, open_desk
from tickline.signals.strategies.maker import STRATEGY
from tickline.signals.strategy import engine_for, fresh_memory
from tickline.sources.opening import open_source
from tickline.ticks.firewall import judge
from tickline.universe import load_universe

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "bench" / "peers" / "hftbacktest_maker.py"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
RECORDED = Path(os.environ.get("TICKLINE_REAL_DATA") or VARIABLES["TICKLINE_REAL_DATA"])
VENUE, NAME, DAY = "binance_usdm", "BTCUSDT", date(2024, 8, 8)
TIMES, SMALL_TIMES = 12, 2
BAND = 0.05
MAKER = {"lots": 10, "inventory": 100}
CLOCKS = Clocks(wake=100_000_000)
ASSUMED = Assumptions(order_latency_ms=10, answer_latency_ms=10, queue="log", partial_fills=False)
ENTRIES = 100_000
GOAL = 1.0
SECOND = 1_000_000_000


class Ran(NamedTuple):
    """What a run of ours took and did, and how often its engine came from the cache and was compiled."""

    seconds: float
    orders: int
    fills: int
    position: int
    cached: int
    compiled: int


def run(
    *,
    small: Annotated[bool, typer.Option("--small", help="CI's size: under a million ticks.")] = False,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often hftbacktest is timed, and half as often as we are.")
    ] = 3,
    data: Annotated[Path, typer.Option(help="Folder of recorded market data.")] = RECORDED,
    peers: Annotated[Path, typer.Option(help="Python of the environment hftbacktest is in.")] = PEERS,
) -> dict[str, Any]:
    """Example: bench ticks --small"""
    for path, remedy in (
        (data, "name the folder of recorded market data with --data"),
        (peers, "make it by `make peers`"),
    ):
        if not path.exists():
            print(f"no {path}; {remedy}")
            return {"ok": False, "reason": f"no {path}"}
    day, grid = recorded(data)
    tape = repeated(day, SMALL_TIMES if small else TIMES)
    print(f"{tape.ticks.size:,} ticks, {day.ticks.size:,} recorded ones {tape.ticks.size // day.ticks.size} times")
    make(tape, grid)
    ours = [make(tape, grid) for _ in range(rounds)]
    theirs = peer(tape, grid, peers, rounds)
    ours += [make(tape, grid) for _ in range(rounds)]
    seconds, their_seconds = statistics.median(one.seconds for one in ours), statistics.median(theirs["seconds"])
    did = [(one.orders, one.fills, one.position) for one in ours]
    alike = set(did) == {(theirs["orders"], theirs["fills"], theirs["position"])}
    print(f"  ours {seconds:.3f} s, hftbacktest {their_seconds:.3f} s; {did[0]} orders, fills, lots; theirs {theirs}")
    started = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
        again = child.submit(make, Tape(day.ticks[:1], np.zeros(1, np.int64), day.closes), grid).result()
    to_first_event = time.perf_counter() - started
    ratio = their_seconds / seconds
    return {
        "ok": ratio >= GOAL and alike and again.compiled == 0 and again.cached == 1,
        "ticks": tape.ticks.size,
        "ticks_per_s": round(tape.ticks.size / seconds),
        "hftbacktest_ticks_per_s": round(tape.ticks.size / their_seconds),
        "times_hftbacktest": round(ratio, 3),
        "same_orders_fills_position": alike,
        "orders": ours[0].orders,
        "fills": ours[0].fills,
        "second_process_compiled": again.compiled,
        "second_process_s_to_first_event": round(to_first_event, 2),
    }


def make(tape: Tape, grid: Records) -> Ran:
    """Run our maker over a tape."""
    engine, chosen, none = engine_for(build, STRATEGY), STRATEGY.chosen(MAKER), np.zeros(0, np.int64)
    place = Place(venue_of(ASSUMED, [FeeSchedule()])[0], Charges(none, none, none, none))
    desk, account = (open_desk(grid, capital=10**15, unit=1e-8) for _ in range(2))
    seat = Seat(desk[0], new_log(ENTRIES), np.zeros(1, EVENT)[0])
    memory, floor = fresh_memory(STRATEGY, chosen), open_floor(tape, account[0], CLOCKS)
    started = time.process_time()
    assert engine(chosen, memory, seat, place, tape, floor), f"more than {ENTRIES} orders"
    spent = time.process_time() - started
    (heard,), stats = desk, engine.stats
    fills, position = int(seat.log.tally["told_fills"]), int(heard["positions"]["lots"][0])
    cached, compiled = (sum(counted.values()) for counted in (stats.cache_hits, stats.cache_misses))
    return Ran(spent, int(heard["ordered"]), fills, position, cached, compiled)


def peer(tape: Tape, grid: Records, python: Path, rounds: int) -> dict[str, Any]:
    """Run hftbacktest's maker over the same ticks."""
    (tick_size,), (lot_size,) = grid["tick_size"], grid["lot_size"]
    settings = {
        "maker": STRATEGY.chosen(MAKER)._asdict(),
        "wake": CLOCKS.wake,
        "queue": ASSUMED.queue,
        "partial_fills": ASSUMED.partial_fills,
        "order_latency": round(ASSUMED.order_latency_ms * 1e6),
        "answer_latency": round(ASSUMED.answer_latency_ms * 1e6),
        "tick_size": tick_size,
        "lot_size": lot_size,
        "lowest": tape.ticks["price"].min() * tick_size,
        "highest": tape.ticks["price"].max() * tick_size,
        "rounds": rounds,
    }
    with tempfile.TemporaryDirectory(prefix="tickline-ticks-") as scratch:
        np.save(Path(scratch) / "ticks.npy", tape.ticks)
        (Path(scratch) / "settings.json").write_text(json.dumps(settings))
        ran = subprocess.run([str(python), str(SCRIPT), scratch], check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told


def recorded(data: Path) -> tuple[Tape, Records]:
    """The recorded day through source and firewall, near the market, and the grid of its instrument."""
    os.environ["TICKLINE_REAL_DATA"] = str(data)
    universe = load_universe(ROOT / "config" / "real")
    venue = universe.venues[VENUE]
    sessions = venue_sessions(venue, universe.calendars, DAY - timedelta(days=3), DAY + timedelta(days=3))
    clean = []
    for feed in (Feed.TRADES, Feed.BOOK):
        source = open_source(venue.feeds[feed], venue, feed, calendars=universe.calendars)
        rows = read_day(source, source.objects(DAY), feed, DAY)
        clean.append(judge(rows, feed, venue, day=DAY, sessions=sessions, rules=universe.rules, conditions=None).clean)
    trades, book = clean
    near = pl.lit(trades["price"].min()) * (1 - BAND), pl.lit(trades["price"].max()) * (1 + BAND)
    (instrument,) = (one for one in venue.instruments if one.name == NAME)
    grid = np.zeros(1, INSTRUMENT)
    grid[0] = (float(instrument.tick_size), float(instrument.lot_size), 10_000)
    frames = Frames(trades, book.filter(pl.col("price").is_between(*near)))
    return tape_of(frames, names=[NAME], instruments=grid, closes=np.zeros(0, np.int64)), grid


def repeated(day: Tape, times: int) -> Tape:
    """A tape played again and again, each time from the next whole second on."""
    span = (int(day.ticks["ts_recv"].max() - day.ticks["ts"][0]) // SECOND + 1) * SECOND
    ticks, local = np.tile(day.ticks, times), np.tile(day.local, times)
    nth = np.repeat(np.arange(times), day.ticks.size)
    for name in ("ts", "ts_recv"):
        ticks[name] += nth * span
    return Tape(ticks, local + nth * day.ticks.size, day.closes)
