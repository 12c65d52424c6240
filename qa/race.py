"""Two runs of one partition at once: one winner, never a mix, and a run that slept through its lease is refused.

Each race starts two processes on the same partition of a new lake, each with rows of its own mark. In half of the
races both want the lease at once. In the other half the first holder is stopped (SIGSTOP), before it stores its rows
or between storing and committing, until its lease has run out and the other has published; then it goes on.
"""

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from qa import _forks
from qa._lakes import key_of, rows
from tickline.errors import LeaseLost
from tickline.lake import lake as lake_module
from tickline.lake.lake import Lake, Output, open_lake
from tickline.lake.records import Lease

ROWS = 50_000
WON, REFUSED = 0, 3
SHORT_LEASE = timedelta(milliseconds=50)


def run(
    races: Annotated[int, typer.Option(help="How many races.")] = 100,
    small: Annotated[bool, typer.Option("--small", help="CI's size: 10 races.")] = False,
) -> dict[str, Any]:
    """Example: qa race --races 20"""
    total = 10 if small else races
    one_winner = mixed = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in track(range(total), "racing", auto_refresh=False):
            home = Path(folder) / str(number)
            outcomes = KINDS[number % 4](home)
            marks = _forks.ask(partial(_marks, home))
            winners = [mark for mark, outcome in outcomes.items() if outcome == WON]
            losers = [mark for mark, outcome in outcomes.items() if outcome == REFUSED]
            one_winner += len(winners) == len(losers) == 1 and list(marks) == [str(winners[0])]
            mixed += list(marks.values()) != [ROWS]
    return {"ok": one_winner == total and mixed == 0, "races": total, "one_winner": one_winner, "mixed": mixed}


def _even(home: Path) -> dict[int, int]:
    both_tried = multiprocessing.get_context("fork").Barrier(2)
    racers = {mark: _forks.start(partial(_contend, home, mark, both_tried)) for mark in (1, 2)}
    return {mark: _forks.wait(racer) for mark, racer in racers.items()}


def _contend(home: Path, mark: int, both_tried: Barrier) -> int:
    lake = open_lake(home)
    try:
        with lake.lease("race") as lease:
            both_tried.wait()
            _publish(lake, mark, lease)
    except LeaseLost:
        both_tried.wait()
        return REFUSED
    except BaseException:
        both_tried.abort()  # or the other would wait for this one until it is taken to hang
        raise
    return WON


def _overtaken(asleep_before: str, home: Path) -> dict[int, int]:
    sleeper = _forks.start(partial(_sleep, home, asleep_before))
    os.waitpid(sleeper, os.WUNTRACED)
    time.sleep(SHORT_LEASE.total_seconds())
    overtaker = _forks.wait(_forks.start(partial(_overtake, home)))
    os.kill(sleeper, signal.SIGCONT)
    return {1: _forks.wait(sleeper), 2: overtaker}


def _sleep(home: Path, asleep_before: str) -> int:
    lake_module.LEASE_FOR = SHORT_LEASE
    lake = open_lake(home)
    if asleep_before == "store":
        lake.publish = _stopping(lake.publish)  # type: ignore[method-assign]
    else:
        lake.catalog.commit = _stopping(lake.catalog.commit)  # type: ignore[method-assign]
    try:
        with lake.lease("race") as lease:
            _publish(lake, 1, lease)
    except LeaseLost:
        return REFUSED
    return WON


def _stopping(then: Callable[..., Any]) -> Callable[..., Any]:
    def stop(*args: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSTOP)
        return then(*args, **options)

    return stop


def _overtake(home: Path) -> int:
    lake = open_lake(home)
    with lake.lease("race") as lease:
        _publish(lake, 2, lease)
    return WON


def _publish(lake: Lake, mark: int, lease: Lease) -> None:
    lake.publish([Output(key_of(0), rows(mark, ROWS))], made_from=(), code="0" * 64, run="qa", lease=lease)


def _marks(home: Path) -> dict[str, int]:
    found = open_lake(home).read(key_of(0)).collect()["seq_from"].value_counts()
    return {str(mark): count for mark, count in found.iter_rows()}


KINDS = (_even, partial(_overtaken, "store"), _even, partial(_overtaken, "commit"))
