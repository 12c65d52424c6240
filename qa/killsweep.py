"""Kill the lake at every single write it makes: nothing acknowledged is lost, nothing is ever mixed.

Each scene is run once unharmed, noting what the lake says after each acknowledged step. Then it is run again and
killed at its first write, again and killed at its second, until a run comes through. After each kill a new process
opens what is left: the lake must say what it said after the last acknowledged step or after the next, every byte it
names must be whole, and acting the scene once more must end where the unharmed run ended.
"""

import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from qa import _forks
from qa._killpoints import NoTracing, kill_at, writes_of
from qa._lakes import Desk
from qa._scenes import SCENES, Scene
from qa._standing import broken, settled, standing

MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - only a folder of our own in it is used


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """An unharmed run: what the lake said after each step, what was broken before the first, how it all settled."""

    steps: list[dict[str, Any]]
    broken: list[str]
    settled: dict[str, Any]


def run(
    every: Annotated[int, typer.Option(help="Kill at every n-th write only.")] = 1,
    small: Annotated[bool, typer.Option("--small", help="CI's size: every 13th write.")] = False,
) -> dict[str, Any]:
    """Example: qa killsweep --every 5"""
    stride = 13 if small else every
    # A kill loses nothing that was written, synced or not, so a memory disk shows the same and is quicker.
    disk = MEMORY_DISK if os.access(MEMORY_DISK, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=disk) as folder, Progress(auto_refresh=False) as progress:
        try:
            in_order = _named_after_synced(Path(folder))
            points, reconverged, violations = 0, 0, []
            for scene in SCENES:
                sweep = _Sweep()
        except NoTracing as error:
            print(error)
            return {"ok": False, "reason": str(error)}
