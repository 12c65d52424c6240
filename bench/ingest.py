"""Raw trades to published clean ones, against a bare Polars sort and write of the same rows.

Ours reads each day as its venue delivered it, judges it by all rules of `config/rules.yaml` and publishes clean rows,
quarantine and gaps into a lake: fsync, sha256 and catalog commit included. Theirs reads, sorts and writes. They take
turns at each day, each in a process of its own. Goals: at least half the rows a second, and under 3 GB of memory.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.progress import track

from bench._trades import DAY_ROWS, FIRST_DAY, REFUSED_ROWS, VENUE, delivered
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Output, open_lake
from tickline.lake.records import Input
from tickline.lake.schemas import Feed
from tickline.lake.storage import file_sha256
from tickline.reference.calendars import AlwaysOpen
from tickline.reference.sessions import venue_sessions
from tickline.ticks.firewall import judge
from tickline.ticks.rules import load_rules

RULES = Path(__file__).parent.parent / "config" / "rules.yaml"
GOAL_RATIO, GOAL_GB = 0.5, 3.0

Job = Callable[[Path, date], int]
"""Takes a day's file to the end; returns how many of its rows it kept."""


def run(
    days: Annotated[int, typer.Option(min=1, help="UTC days of a million trades each.")] = 20,
    small: Annotated[bool, typer.Option("--small", help="CI's size: 2 days.")] = False,
) -> dict[str, Any]:
    """Example: bench ingest --days 5"""
    dates = [FIRST_DAY + timedelta(days=number) for number in range(2 if small else days)]
    done: dict[str, list[Done]] = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory() as name, _at_work(ours, name) as our, _at_work(theirs, name) as their:
        turns = [("ours", our), ("theirs", their)]
        for day in track([FIRST_DAY - timedelta(days=1), *dates], "ingesting"):
            path = Path(name) / f"{day}.parquet"
            delivered(day).write_parquet(path, compression="zstd")
            for side, worker in turns:
                worker.send((path, day))
                done[side].append(worker.recv())
            turns.reverse()
            path.unlink()
    # The first day is practice: it compiles and fills caches.
    rows = DAY_ROWS * len(dates)
    speed = {side: round(rows / sum(one.seconds for one in each[1:])) for side, each in done.items()}
    ratio = speed["ours"] / speed["theirs"]
    peak_gb = {side: round(each[-1].peak_gb, 2) for side, each in done.items()}
    found = all(one.kept == DAY_ROWS - REFUSED_ROWS for one in done["ours"])
    return {
        "ok": found and ratio >= GOAL_RATIO and peak_gb["ours"] < GOAL_GB,
        "rows": rows,
        "refused_exactly": found,
        "rows_per_s": speed,
        "ratio": round(ratio, 3),
        "peak_rss_gb": peak_gb,
    }


def ours(folder: Path) -> Job:
    """Firewall and lake, ready to work."""
    lake = open_lake(folder / "home")
    rules = load_rules(RULES)
    month = timedelta(days=31)
    sessions = venue_sessions(VENUE, {"always": AlwaysOpen(kind="always")}, FIRST_DAY - month, FIRST_DAY + 12 * month)

    def ingest(path: Path, day: date) -> int:
        raw = pl.read_parquet(path)
        judged = judge(raw, Feed.TRADES, VENUE, day=day, sessions=sessions, rules=rules)
        frames = {"clean": judged.clean, "quarantine": judged.quarantine, "gaps": judged.gaps}
        with lake.lease(f"bench/{day}") as lease:
            lake.publish(
                [Output(PartitionKey.daily(f"{kind}_trades", VENUE.name, day), frames[kind]) for kind in frames],
                made_from=[Input("source", path.as_uri(), file_sha256(path))],
                code="0" * 64,
                run="bench",
                lease=lease,
            )
        return judged.clean.height

    return ingest


def theirs(folder: Path) -> Job:
    """What one would write without Tickline."""

    def sort_and_write(path: Path, day: date) -> int:
        rows = pl.read_parquet(path).sort("instrument", "ts_event", "seq")
        rows.write_parquet(folder / f"sorted-{day}.parquet", compression="zstd")
        return rows.height

    return sort_and_write


@dataclass(frozen=True, slots=True)
class Done:
    """A day done: the rows kept, how long it took, and the most memory the process has held so far."""

    kept: int
    seconds: float
    peak_gb: float


@contextmanager
def _at_work(side: Callable[[Path], Job], folder: str) -> Iterator[Connection]:
    """One side in a process of its own, which does every (path, day) sent to it and sends back what it did."""
    here, there = multiprocessing.Pipe()
    # Spawned, not forked: Polars' threads do not survive a fork, and memory is counted from nothing.
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(side, Path(folder), there))
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def _serve(side: Callable[[Path], Job], folder: Path, orders: Connection) -> None:
    job = side(folder)
    with suppress(EOFError):
        while order := orders.recv():
            began = time.perf_counter()
            kept = job(*order)
            orders.send(Done(kept, time.perf_counter() - began, _peak_gb()))


def _peak_gb() -> float:
    # ru_maxrss of a child starts from what its parent held; VmHWM is of this process alone.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024**2
