"""A disk that fills up under six writers: nothing acknowledged is lost, and with room again work simply goes on.

Each writer has a home on an 8 MB disk and writes there at many fill levels, from no free byte to room for all it
wants, then with hardly a free file left. A write that fails must fail with a TicklineError; then there is room again,
and the same process must succeed at the same write with nobody's help.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from qa._lakes import Desk, is_sound, publish_some
from tickline.errors import TicklineError
from tickline.lake.archive import archive_object, expire_object, restore_object
from tickline.lake.lake import open_lake
from tickline.lake.records import Verdict
from tickline.lake.scrub import scrub
from tickline.lake.storage import file_sha256, object_name

ROWS = 4_000
FREE_FILES = 5
PLENTY = 1 << 20
MOST_BYTES = 64 << 20
ON_A_TINY_DISK = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=8m,nr_inodes=1024 tmpfs "$0" && exec "$@"']


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a disk."""

    bytes: int
    files: int = PLENTY


Squeeze = Callable[[Path, Room], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Writer:
    """One kind of write, by number: `prepare` runs with room, `write` acknowledges by returning.

    `holds` tells whether what it acknowledged is there.
    """

    name: str
    prepare: Callable[[Desk, int], object]
    write: Callable[[Desk, int], object]
    holds: Callable[[Desk, int], bool]


def run(
    on: Annotated[Path | None, typer.Option(help="A small disk of your own; else a tmpfs of 8 MB.")] = None,
    small: Annotated[bool, typer.Option("--small", help="CI's size: 6 fill levels.")] = False,
) -> dict[str, Any]:
    """Example: qa enospc --small"""
    levels = 6 if small else 20
    if on is not None and shutil.disk_usage(on).total > MOST_BYTES:
        return {
            "ok": False,
            "reason": f"{on} is on a disk of more than 64 MB, which is not for filling; mount a small one",
        }
    if on is not None:
        return _fill(on, levels, _little_room)
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run([*ON_A_TINY_DISK, folder, "true"], check=False).returncode != 0:
            print("no disk of our own can be mounted here (unshare); limiting the size of files instead")
            return _fill(Path(folder), levels, _small_files)
        again = [sys.executable, "-m", "qa", "enospc", "--on", folder, *(["--small"] if small else [])]
        done = subprocess.run([*ON_A_TINY_DISK, folder, *again], stdout=subprocess.PIPE, text=True, check=False)
        figure: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figure


def _fill(disk: Path, levels: int, squeeze: Squeeze) -> dict[str, Any]:
    writes = refused = 0
    wrong: list[str] = []
    for writer in track(WRITERS, "filling", console=Console(stderr=True)):
        with closing(Desk(disk / "desk")) as desk:
            rooms = _rooms(desk, writer, levels)
            turned_away, found = _live_through(desk, writer, rooms, squeeze)
        with closing(Desk(disk / "desk")) as desk:
            numbers = range(len(rooms) + 1)
            found += [f"write {number} is lost when reopened" for number in numbers if not writer.holds(desk, number)]
            found += _left_wrong(desk)
        shutil.rmtree(disk / "desk")
        if turned_away == 0:
            found.append("never met a full disk")
        writes += len(rooms)
        refused += turned_away
        wrong += [f"{writer.name}: {what}" for what in found]
    return {"ok": not wrong, "writers": len(WRITERS), "writes": writes, "refused": refused, "wrong": wrong}


def _rooms(desk: Desk, writer: Writer, levels: int) -> list[Room]:
    """Fill levels: from nothing to well over what one write takes, most of them near nothing."""
    writer.prepare(desk, 0)
    before = shutil.disk_usage(desk.folder).free
    writer.write(desk, 0)
    wanted = before - shutil.disk_usage(desk.folder).free
    by_bytes = [Room(int(2.5 * wanted * (level / (levels - 1)) ** 2)) for level in range(levels)]
    return by_bytes + [Room(PLENTY, files) for files in range(FREE_FILES)]


def _live_through(desk: Desk, writer: Writer, rooms: list[Room], squeeze: Squeeze) -> tuple[int, list[str]]:
    """How many writes were refused, and what went wrong."""
    refused, wrong = 0, []
    for number, room in enumerate(rooms, start=1):
        writer.prepare(desk, number)
        try:
            with squeeze(desk.folder.parent, room):
                writer.write(desk, number)
        except TicklineError:
            refused += 1
            try:
                writer.write(desk, number)
            except Exception as error:
                wrong.append(f"with room again after {room}: {error!r}")
        except Exception as error:
            wrong.append(f"no TicklineError at {room}: {error!r}")
            writer.write(desk, number)
        wrong += [f"write {one} is lost after {room}" for one in range(number + 1) if not writer.holds(desk, one)]
    return refused, wrong


def _left_wrong(desk: Desk) -> list[str]:
    """Objects that no longer hash to their name, and files that nobody will ever use."""
    rotten = [str(finding) for finding in scrub(desk.lake) if finding]
    staged = (desk.folder / "home" / "lake" / "objects" / ".staging").iterdir()
    strays = [path for path in desk.archive.root.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    return rotten + [f"{path} is left over" for path in (*staged, *strays)]


@contextmanager
def _little_room(disk: Path, room: Room) -> Iterator[None]:
    fillers = disk / "fillers"
    fillers.mkdir()
    try:
        with (fillers / "bytes").open("wb") as filler:
            free = shutil.disk_usage(disk).free - room.bytes
            if free > 0:
                os.posix_fallocate(filler.fileno(), 0, free)
        for number in range(os.statvfs(disk).f_favail - room.files):
            (fillers / str(number)).touch()
        yield
    finally:
        shutil.rmtree(fillers)


@contextmanager
def _small_files(disk: Path, room: Room) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room.bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# The writers


def _publish_one(desk: Desk, number: int) -> None:
    publish_some(desk.lake, [number], count=ROWS)


def _three(number: int) -> list[int]:
    return [1000 + 3 * number + place for place in range(3)]


def _write_verdict(desk: Desk, number: int) -> None:
    published = desk.published(number)
    metrics = {"text": "x" * 50_000}
    now = datetime.now(UTC)
    desk.lake.catalog.record_verdicts(
        [Verdict(published.key, published.sha256, "qa", "0" * 64, True, "error", now, metrics)]
    )


def _holds_copy(desk: Desk, number: int) -> bool:
    sha256 = desk.published(number).sha256
    copied = [copy.archive for copy in desk.lake.catalog.copies_of(sha256)] == [desk.archive.name]
    return copied and file_sha256(desk.archive.root / object_name(sha256)) == sha256


def _archive(desk: Desk, number: int) -> None:
    archive_object(desk.lake, desk.archive, desk.published(number))


def _expire(desk: Desk, number: int) -> None:
    _publish_one(desk, number)
    _archive(desk, number)
    expire_object(desk.lake, desk.archive, desk.published(number))


def _start_home(desk: Desk, number: int) -> None:
    lake = open_lake(desk.folder / f"home-{number}")
    publish_some(lake, [number])
    lake.catalog.close()


def _holds_home(desk: Desk, number: int) -> bool:
    lake = open_lake(desk.folder / f"home-{number}")
    holds = is_sound(lake, number)
    lake.catalog.close()
    return holds


WRITERS = (
    Writer("publish one", lambda *_: None, _publish_one, lambda desk, number: is_sound(desk.lake, number)),
    Writer(
        "publish three",
        lambda *_: None,
        lambda desk, number: publish_some(desk.lake, _three(number), count=ROWS),
        lambda desk, number: all(is_sound(desk.lake, one) for one in _three(number)),
    ),
    Writer(
        "verdict",
        _publish_one,
        _write_verdict,
        lambda desk, number: len(desk.lake.catalog.verdicts_on([desk.published(number)])) == 1,
    ),
    Writer("archive", _publish_one, _archive, _holds_copy),
    Writer(
        "restore",
        _expire,
        lambda desk, number: restore_object(desk.lake, desk.archive, desk.published(number)),
        lambda desk, number: is_sound(desk.lake, number),
    ),
    Writer("first start", lambda *_: None, _start_home, _holds_home),
)
