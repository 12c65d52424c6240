"""Flipped bits, truncations and swapped objects: the scrub finds every one, and nothing that is sound.

Damaged objects are then restored from the archive, byte-identical.
"""

import random
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from qa._lakes import path_of, publish_some
from tickline.lake.archive import DirectoryArchive, archive_object, restore_object
from tickline.lake.lake import open_lake
from tickline.lake.scrub import scrub
from tickline.lake.storage import file_sha256


def run(
    seed: Annotated[int, typer.Option(help="Which objects, bits and lengths.")] = 1,
    small: Annotated[bool, typer.Option("--small", help="CI's size: a tenth.")] = False,
) -> dict[str, Any]:
    """Example: qa scrub --seed 7"""
    flips, cuts, swaps, sound = (40, 10, 10, 20) if small else (400, 100, 100, 200)
    rng = random.Random(seed)  # noqa: S311 - damage to repeat, not a secret
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lake(Path(folder) / "home")
        archive = DirectoryArchive(Path(folder) / "archive")
        published = publish_some(lake, range(flips + cuts + swaps + sound))
        for one in track(published, "archiving"):
            archive_object(lake, archive, one)
        rng.shuffle(published)
        flipped, cut, swapped = published[:flips], published[flips : flips + cuts], published[flips + cuts :][:swaps]
        for one in flipped:
            _flip(path_of(lake, one.sha256), rng)
        for one in cut:
            _cut(path_of(lake, one.sha256), rng)
        for left, right in zip(swapped[::2], swapped[1::2], strict=True):
            _swap(path_of(lake, left.sha256), path_of(lake, right.sha256))
        found = {finding.sha256 for finding in track(scrub(lake), "reading", total=len(published)) if finding}
        damaged = [*flipped, *cut, *swapped]
        for one in track(damaged, "restoring"):
            restore_object(lake, archive, one)
        restored = sum(file_sha256(path_of(lake, one.sha256)) == one.sha256 for one in published)
        left_over = sum(1 for finding in scrub(lake) if finding)
    caught = {
        name: sum(one.sha256 in found for one in group)
        for name, group in (("flips", flipped), ("truncations", cut), ("swaps", swapped))
    }
    false_alarms = len(found - {one.sha256 for one in damaged})
    all_found = caught == {"flips": flips, "truncations": cuts, "swaps": swaps} and not false_alarms
    return {
        "ok": all_found and restored == len(published) and not left_over,
        **caught,
        "false_alarms": false_alarms,
        "objects": len(published),
        "sound_after_restore": restored,
    }


def _flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _cut(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def _swap(one: Path, other: Path) -> None:
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
