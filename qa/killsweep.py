"""Kill the lake at every single write it makes: nothing acknowledged is lost, nothing is ever mixed.

Each scene is run once unharmed, noting what the lake says after each acknowledged step. Then it is run again and
killed at its first write, again and killed at its second, until a run comes through. After each kill a new process
opens what is left: the lake must say what it said after the last acknowledged step or after the next, every byte it
names must be whole, and acting the scene once more must end where the unharmed run ended.
"""

import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from qa import _forks
from qa._killpoints import NoTracing, kill_at, writes_of
from qa._lakes import Desk, publish_some
from qa._scenes import SCENES, Scene
from qa._standing import broken, settled, standing
from tickline.errors import TicklineError

MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - only a folder of our own in it is used

# File synced, renamed, its directory synced, catalog synced: one sign each, by call and path.
SIGNS = (
    ("F", "sync", r"/\.staging/"),
    ("R", "rename", r"/\.staging/"),
    ("D", "sync", r"/objects/[0-9a-f]{2}$"),
    ("C", "sync", r"/catalog\.db-wal$"),
)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """An unharmed run: what the lake said before and after each step, what was broken before, how all settled."""

    steps: list[dict[str, Any]]
    broken: list[str]
    settled: dict[str, Any]


def run(
    scene: Annotated[str, typer.Option(help="Only the scenes with this in their name.")] = "",
    every: Annotated[int, typer.Option(help="Kill at every n-th write only.")] = 1,
    small: Annotated[bool, typer.Option("--small", help="CI's size: every 25th write.")] = False,
) -> dict[str, Any]:
    """Example: qa killsweep --scene expire --every 5"""
    stride = 25 if small else every
    chosen = [one for one in SCENES if scene in one.name]
    least = 1 if scene or every > 1 else 100 if small else 1000
    points = reconverged = 0
    violations: list[str] = []
    # A kill loses nothing that was written, synced or not, so a memory disk shows the same and is quicker.
    disk = MEMORY_DISK if os.access(MEMORY_DISK, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=disk) as folder, Progress(auto_refresh=False) as progress:
        try:
            synced = _synced_before_named(Path(folder) / "syncs")
            for one in chosen:
                stage = Path(folder) / one.name / "stage"
                for wrong, settled_well in _kills(stage, one, stride, progress):
                    points += 1
                    reconverged += settled_well
                    violations += wrong
                    for text in wrong:
                        progress.console.print(text)
        except NoTracing as error:
            print(error)
            return {"ok": False, "reason": str(error)}
    return {
        "ok": synced and not violations and reconverged == points and points >= least,
        "points": points,
        "violations": len(violations),
        "reconverged": reconverged,
        "synced_before_named": synced,
        "examples": violations[:10],
    }


def _kills(stage: Path, scene: Scene, every: int, progress: Progress) -> Iterator[tuple[list[str], bool]]:
    """What was wrong after each kill, and whether acting again settled as the rehearsal did."""
    template = stage.with_name("template")
    stage.mkdir(parents=True)
    _forks.ask(partial(scene.prepare, stage))
    shutil.copytree(stage, template, symlinks=True)
    rehearsal = Rehearsal(**_forks.ask(partial(_rehearse, stage, scene)))
    _reset(stage, template)
    made = Counter(call for call, _ in writes_of(partial(_act, stage, scene), stage.with_name("calls")))
    points = [(call, number) for call, times in sorted(made.items()) for number in range(1, times + 1, every)]
    for call, number in progress.track(points, description=scene.name):
        _reset(stage, template)
        ended, acknowledged = _act_until_killed(stage, scene, call, number)
        if ended == 0:
            continue
        wrong, after = _forks.ask(partial(_examine, stage, scene, rehearsal, acknowledged))
        if ended != -signal.SIGKILL:
            wrong.append(f"ended with {ended}")
        wrong += [f"{part} settled otherwise" for part, said in after.items() if said != rehearsal.settled[part]]
        yield [f"{scene.name}, killed at {call} {number}: {one}" for one in wrong], after == rehearsal.settled


def _reset(stage: Path, template: Path) -> None:
    shutil.rmtree(stage)
    shutil.copytree(template, stage, symlinks=True)


def _rehearse(stage: Path, scene: Scene) -> dict[str, Any]:
    # Opening a folder makes a lake of it: what was there before is looked at in a copy.
    before = Desk(shutil.copytree(stage, stage.with_name("before"), symlinks=True))
    steps = [standing(before), *(standing(Desk(stage)) for _ in scene.act(stage))]
    return {"steps": steps, "broken": broken(before), "settled": settled(Desk(stage))}


def _act(stage: Path, scene: Scene, acknowledge: Callable[[], object] = lambda: None) -> int:
    for _ in scene.act(stage):
        acknowledge()
    return 0


def _act_until_killed(stage: Path, scene: Scene, call: str, number: int) -> tuple[int, int]:
    """How the run ended, and how many steps it acknowledged."""
    acks, acknowledging = os.pipe()
    ended = kill_at(call, number, partial(_act, stage, scene, partial(os.write, acknowledging, b".")))
    os.close(acknowledging)
    with os.fdopen(acks, "rb") as stream:
        return ended, len(stream.read())


def _examine(stage: Path, scene: Scene, rehearsal: Rehearsal, acknowledged: int) -> tuple[list[str], dict[str, Any]]:
    try:
        desk = Desk(stage)
    except TicklineError as error:
        return [f"cannot be opened: {error}"], {}
    wrong = [one for one in broken(desk) if one not in rehearsal.broken]
    if standing(desk) not in rehearsal.steps[acknowledged : acknowledged + 2]:
        wrong.append(f"after {acknowledged} acknowledged steps the lake stands neither there nor one step further")
    try:
        _act(stage, scene)
    except Exception as error:
        wrong.append(f"acting again failed: {error!r}")
    return wrong, settled(desk)


def _synced_before_named(folder: Path) -> bool:
    """Whether a publish syncs its file, renames it, syncs the folder, and only then commits, syncing the catalog."""
    folder.mkdir()
    order = ""
    for call, path in writes_of(partial(_publish, folder), folder / "calls"):
        order += next((sign for sign, name, where in SIGNS if call.endswith(name) and re.search(where, path)), "")
    return "FRDC" in order


def _publish(folder: Path) -> int:
    publish_some(Desk(folder).lake, [0])
    return 0
