"""Fills of the tick engine against hftbacktest's, which lives in an environment of its own, on a recorded day.

Both run the same schedule of quotes over the same clean rows: every 100 ms, on each side, one post-only order at the
touch, cancelled once the touch has moved. What traded at one time of one order counts as one fill, because that is what
hftbacktest lets be seen. Its engine runs as a subprocess (bench/peers/hftbacktest_touch.py).
"""

import json
import os
import subprocess
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from tickline.backtest.assumptions import Assumptions, venue_of
from tickline.backtest.bar_engine import Charges, Place
from tickline.backtest.floor import Clocks
from tickline.backtest.matching import Log, Seat, new_log
from tickline.backtest.tick_engine import build, open_floor
from tickline.backtest.ticks import TRADE, Frames, Tape, tape_of
from tickline.lake.schemas import Feed
from tickline.pipeline.raw import read_day
from tickline.reference.models import FeeSchedule
from tickline.reference.sessions import venue_sessions
from tickline.signals.desk import (
    EVENT,
    INSTRUMENT,
    NEVER,
    EventKind,
    Flag,
    Floats,
    Record,
    Records,
    cancel,
    find,
    limit,
    open_desk,
)
from tickline.signals.strategy import Strategy, engine_for, fresh_memory
from tickline.sources.opening import open_source
from tickline.ticks.firewall import judge
from tickline.universe import load_universe

CONFIG = Path(__file__).parent.parent / "config" / "real"
SCRIPT = Path(__file__).parent.parent / "bench" / "peers" / "hftbacktest_touch.py"
VENUE, NAME, DAY = "binance_usdm", "BTCUSDT", date(2024, 8, 8)
WAKE, LATENCY, LOTS = 100_000_000, 10_000_000, 50
MOST_FILLS = 100_000
ROOM = 0.05
"""hftbacktest's book reaches this much beyond the prices that traded, as a share of them."""

BID, ASK = 1, 2


class Parameters(NamedTuple):
    """`lots` of each quote."""

    lots: Annotated[int, Field(ge=1)] = LOTS


def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
    """On every wake, have one order at the touch on each side."""
    if event.kind != EventKind.CLOCK or np.isnan(event.bid) or np.isnan(event.ask):
        return
    tick_size = desk.instruments[0].tick_size
    for tag in (BID, ASK):
        lots, touch = (p.lots, event.bid) if tag == BID else (-p.lots, event.ask)
        at = find(desk, 0, tag)
        if at < 0:
            order = limit(desk, 0, lots, touch)
            order.flags = Flag.POST_ONLY
            order.tag = tag
        elif desk.orders[at].ts_cancel == NEVER and desk.orders[at].price != np.rint(touch / tick_size):
            cancel(desk, desk.orders[at].id)


STRATEGY = Strategy(
    name="touch",
    describe="One order on each side, at the touch",
    parameters=Parameters,
    state_size=lambda p: 0,
    on_event=on_event,
    streams=(),
    wakes=True,
)


def compare(python: Path, real_data: Path) -> dict[str, object]:
    """Run every queue model on both sides, with and without partial fills. `python` is of the peers' environment.

    `ok` where both sides had the same fills, by time, side, price and size; `runs` tells of each.
    """
    os.environ["TICKLINE_REAL_DATA"] = str(real_data)
    tape, grid = recorded()
    print(f"{NAME} on {DAY}: {tape.ticks.size:,} ticks", flush=True)
    assumed = assumptions()
    theirs = their_fills(python, tape, grid, assumed)
    runs = {}
    for name, each in assumed.items():
        ours = our_fills(tape, grid, each)
        runs[name] = {"ours": ours.height, "theirs": theirs[name].height, "differing": differing(ours, theirs[name])}
        print(f"  {name:<20} " + ", ".join(f"{side} {count}" for side, count in runs[name].items()), flush=True)
    equal = all(run["ours"] > 0 and run["differing"] == 0 for run in runs.values())
    return {"ok": equal, "ticks": tape.ticks.size, "fills": sum(run["ours"] for run in runs.values()), "runs": runs}


def assumptions() -> dict[str, Assumptions]:
    """What both sides assume, run by run."""
    latency = LATENCY / 1e6
    return {
        f"{queue}_{'partial' if partial else 'whole'}": Assumptions(
            order_latency_ms=latency, answer_latency_ms=latency, queue=queue, partial_fills=partial
        )
        for queue in ("risk_averse", "share", "log", "power")
        for partial in (True, False)
    }


def differing(ours: pl.DataFrame, theirs: pl.DataFrame) -> int:
    """How many fills one side has and the other has not."""
    counted = [fills.group_by(fills.columns).len("count") for fills in (ours, theirs)]
    both = counted[0].join(counted[1], on=ours.columns, how="full", coalesce=True, suffix="_theirs").fill_null(0)
    return int((both["count"] - both["count_theirs"].cast(pl.Int64)).abs().sum())


def recorded() -> tuple[Tape, Records]:
    """The recorded day through source and firewall as a tape, and the grid of its instrument."""
    universe = load_universe(CONFIG)
    venue = universe.venues[VENUE]
    sessions = venue_sessions(venue, universe.calendars, DAY - timedelta(days=3), DAY + timedelta(days=3))
    clean = {}
    for feed in (Feed.TRADES, Feed.BOOK):
        source = open_source(venue.feeds[feed], venue, feed, calendars=universe.calendars)
        rows = read_day(source, source.objects(DAY), feed, DAY)
        clean[feed] = judge(rows, feed, venue, day=DAY, sessions=sessions, rules=universe.rules, conditions=None).clean
    (instrument,) = (one for one in venue.instruments if one.name == NAME)
    grid = np.zeros(1, INSTRUMENT)
    grid[0] = (float(instrument.tick_size), float(instrument.lot_size), 10_000)
    frames = Frames(clean[Feed.TRADES], clean[Feed.BOOK])
    return tape_of(frames, names=[NAME], instruments=grid, closes=np.zeros(0, np.int64)), grid


def our_fills(tape: Tape, grid: Records, assumed: Assumptions) -> pl.DataFrame:
    """What traded in the tick engine."""
    log = run_ours(tape, grid, assumed)
    fills = log.fills[: log.tally["fills"]]
    frame = pl.DataFrame({name: np.ascontiguousarray(fills[name]) for name in ("order", "ts", "lots", "price")})
    by_time = frame.group_by("order", "ts", "price").agg(pl.col("lots").sum())
    side = pl.when(pl.col("lots") > 0).then(1).otherwise(-1).cast(pl.Int64)
    return by_time.select("ts", side.alias("side"), "price", pl.col("lots").abs())


def run_ours(tape: Tape, grid: Records, assumed: Assumptions) -> Log:
    """The log of the schedule run by the tick engine."""
    none = np.zeros(0, np.int64)
    place = Place(venue_of(assumed, [FeeSchedule()])[0], Charges(none, none, none, none))
    desk, account = (open_desk(grid, capital=10**15, unit=1e-8) for _ in range(2))
    seat = Seat(desk[0], new_log(MOST_FILLS), np.zeros(1, EVENT)[0])
    clocks = Clocks(wake=WAKE)
    parameters = STRATEGY.chosen({})
    floor = open_floor(tape, account[0], clocks)
    engine_for(build, STRATEGY)(parameters, fresh_memory(STRATEGY, parameters), seat, place, tape, floor)
    return seat.log


def their_fills(python: Path, tape: Tape, grid: Records, assumed: dict[str, Assumptions]) -> dict[str, pl.DataFrame]:
    """What traded in hftbacktest, run by run."""
    (tick_size,), (lot_size,) = grid["tick_size"], grid["lot_size"]
    prices = tape.ticks["price"][tape.ticks["kind"] == TRADE] * tick_size
    settings = {
        "runs": {name: {"queue": one.queue, "partial_fills": one.partial_fills} for name, one in assumed.items()},
        "order_latency": LATENCY,
        "answer_latency": LATENCY,
        "tick_size": tick_size,
        "lot_size": lot_size,
        "lowest": prices.min() * (1 - ROOM),
        "highest": prices.max() * (1 + ROOM),
        "wake": WAKE,
        "lots": LOTS,
        "most_fills": MOST_FILLS,
    }
    with tempfile.TemporaryDirectory(prefix="tickline-parity-") as scratch:
        folder = Path(scratch)
        np.save(folder / "ticks.npy", tape.ticks)
        (folder / "settings.json").write_text(json.dumps(settings))
        subprocess.run([str(python), str(SCRIPT), str(folder)], check=True, stdout=subprocess.DEVNULL)
        columns = ["ts", "side", "price", "lots"]
        return {name: pl.DataFrame(np.load(folder / f"{name}.npy"), schema=columns) for name in assumed}
