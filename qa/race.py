"""Two runs of one partition at once: one winner, never a mix, and a run that slept through its lease is refused.

Each race starts two processes on the same partition, each with rows of its own mark. In half of the races the
first holder is stopped (SIGSTOP) until its lease has run out and the other has taken over, then goes on.
"""

import multiprocessing as mp
import os
import signal
import tempfile
import time
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.progress import track

from tickline.errors import LeaseLost
from tickline.lake import lake as lake_module
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Output, open_lake
from tickline.lake.schemas import GAPS

_ROWS = 50_000
_CONTEXT = mp.get_context("fork")


def run(
    races: Annotated[int, typer.Option(help="How many races.")] = 100,
    small: Annotated[bool, typer.Option("--small", help="CI's size: 10 races.")] = False,
) -> dict[str, Any]:
    """Example: qa race --races 20"""
    total = 10 if small else races
    one_winner = mixed = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in track(range(total), "racing"):
            home = Path(folder) / str(number)
            open_lake(home).catalog.close()
            outcomes = _sleeping_race(home) if number % 2 else _even_race(home)
            marks = set(open_lake(home).read(_key()).collect()["seq_from"].to_list())
            winners = [mark for mark, outcome in outcomes.items() if outcome == "won"]
            one_winner += len(winners) == 1 and marks == set(winners)
            mixed += len(marks) != 1
    return {"ok": one_winner == total and mixed == 0, "races": total, "one_winner": one_winner, "mixed": mixed}


def _key() -> PartitionKey:
    return PartitionKey("gaps_trades", "race", "2026-03-06")


def _even_race(home: Path) -> dict[int, str]:
    both_tried = _CONTEXT.Barrier(2)
    results = _CONTEXT.Queue()
    racers = [_CONTEXT.Process(target=_racer, args=(home, mark, both_tried, results)) for mark in (1, 2)]
    for racer in racers:
        racer.start()
    outcomes = dict(results.get(timeout=60) for _ in racers)
    for racer in racers:
        racer.join()
    return outcomes


def _racer(home: Path, mark: int, both_tried: Barrier, results: Any) -> None:
    lake = open_lake(home)
    try:
        with lake.lease("race") as lease:
            both_tried.wait()
            lake.publish([Output(_key(), _rows(mark))], made_from=(), code="0" * 64, run=str(mark), lease=lease)
    except LeaseLost:
        both_tried.wait()
        results.put((mark, "lost"))
    else:
        results.put((mark, "won"))


def _sleeping_race(home: Path) -> dict[int, str]:
    results = _CONTEXT.Queue()
    sleeper = _CONTEXT.Process(target=_sleeper, args=(home, results))
    sleeper.start()
    os.waitpid(sleeper.pid or 0, os.WUNTRACED)
    time.sleep(_SHORT.total_seconds())
    _racer(home, 2, _CONTEXT.Barrier(1), results)
    os.kill(sleeper.pid or 0, signal.SIGCONT)
    outcomes = dict(results.get(timeout=60) for _ in range(2))
    sleeper.join()
    return outcomes


_SHORT = timedelta(milliseconds=50)


def _sleeper(home: Path, results: Any) -> None:
    lake_module.LEASE_FOR = _SHORT
    lake = open_lake(home)
    try:
        with lake.lease("race") as lease:
            os.kill(os.getpid(), signal.SIGSTOP)
            lake.publish([Output(_key(), _rows(1))], made_from=(), code="0" * 64, run="1", lease=lease)
    except LeaseLost:
        results.put((1, "lost"))
    else:
        results.put((1, "won"))


def _rows(mark: int) -> pl.DataFrame:
    blank = {name: pl.repeat(None, _ROWS, dtype=dtype, eager=True) for name, dtype in GAPS.columns.items()}
    return pl.DataFrame(blank).with_columns(seq_from=pl.lit(mark, pl.Int64))
