"""What a lake does, one acknowledged step at a time: the scenes that `qa killsweep` kills at every write.

A scene's `act` yields whenever something is acknowledged. It can be acted again after any interruption.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from unittest.mock import patch

from qa._lakes import Desk, key_of, path_of, publish, publish_some, rows
from tickline.lake import migrations
from tickline.lake.archive import archive_object, expire_object, restore_object
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Output
from tickline.lake.records import Input, ObjectState, Verdict
from tickline.lake.registry import Entry, Rank, Registry
from tickline.lake.retention import Keep, RetentionPolicy, due_for_archive, due_for_expiry
from tickline.lake.schemas import DATASETS
from tickline.lake.scrub import scrub, sweep

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
LATER = date(2030, 1, 1)
STRATEGY = "qa"
"""Whose entries in the registry scenes add to."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`prepare` sets the scene in peace; `act` is what may be killed."""

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Path], Iterator[None]]


def _nothing(folder: Path) -> None:
    """A machine that never ran Tickline."""


def _published(folder: Path) -> None:
    desk = Desk(folder)
    publish_some(desk.lake, range(3))
    desk.close()


def _archived(folder: Path) -> None:
    _published(folder)
    desk = Desk(folder)
    for number in range(3):
        archive_object(desk.lake, desk.archive, desk.published(number))
    desk.close()


def _expired(folder: Path) -> None:
    _archived(folder)
    desk = Desk(folder)
    for number in range(3):
        expire_object(desk.lake, desk.archive, desk.published(number))
    desk.close()


def _damaged(folder: Path) -> None:
    _archived(folder)
    desk = Desk(folder)
    path_of(desk.lake, desk.published(0).sha256).write_bytes(b"rot")
    path_of(desk.lake, desk.published(1).sha256).unlink()
    desk.close()


def _with_a_wrong_view(folder: Path) -> None:
    _published(folder)
    view = folder / "home" / "lake" / "view"
    for link in list(view.rglob("*.parquet"))[:2]:
        link.unlink()
    stray = view / "gaps_trades" / "venue=gone" / "date=all" / "data.parquet"
    stray.parent.mkdir(parents=True)
    stray.symlink_to("../../../../objects/00/gone.parquet")


def _with_old_leftovers(folder: Path) -> None:
    _published(folder)
    objects = folder / "home" / "lake" / "objects"
    (objects / "00").mkdir(exist_ok=True)
    for left in (objects / ".staging" / "left.parquet", objects / "00" / f"{'0' * 64}.parquet"):
        left.write_bytes(b"left by a crash")
        os.utime(left, (LONG_AGO, LONG_AGO))


def _of_the_first_release(folder: Path) -> None:
    """A lake as a Tickline leaves it that knows no revision of the catalog but the first."""
    known = migrations.REVISIONS[:1]
    (first,) = (Path(migrations.__file__).parent / "versions").glob(f"{known[0]}_*.py")
    with tempfile.TemporaryDirectory() as older, patch.multiple(migrations, _FOLDER=Path(older), REVISIONS=known):
        (Path(older) / "versions").mkdir()
        shutil.copy(first, Path(older) / "versions")
        _published(folder)


def _first_start(folder: Path) -> Iterator[None]:
    desk = Desk(folder)
    yield
    publish_some(desk.lake, [0])
    yield


def _upgrade(folder: Path) -> Iterator[None]:
    """Open a catalog of the first revision, and use what came with a later one."""
    desk = Desk(folder)
    yield
    registry = Registry(desk.lake.catalog)
    if not registry.history(STRATEGY):
        said_at = datetime.now(UTC)
        registry.add(Entry(STRATEGY, "0" * 64, Rank.CANDIDATE, said_by="qa", why="", said_at=said_at, evidence={}))
    yield


def _publish_twice(folder: Path) -> Iterator[None]:
    desk = Desk(folder)
    for number in (7, 8):
        publish_some(desk.lake, [number])
        yield


def _replace(folder: Path) -> Iterator[None]:
    publish(Desk(folder).lake, [Output(key_of(0), rows(100))])
    yield


def _replace_three_together(folder: Path) -> Iterator[None]:
    publish(Desk(folder).lake, [Output(key_of(number), rows(100 + number)) for number in range(3)])
    yield


def _split_raw(folder: Path) -> Iterator[None]:
    """Publish the raw rows of a day, then what a firewall makes of them, all of it together."""
    desk = Desk(folder)
    raw = _blank("raw_trades")
    (made,) = publish(desk.lake, [raw])
    yield
    outputs = [_blank(dataset) for dataset in ("clean_trades", "quarantine_trades", "gaps_trades")]
    with desk.lake.lease("qa") as lease:
        desk.lake.publish(
            outputs,
            made_from=[Input("object", str(made.key), made.sha256)],
            code="0" * 64,
            run="qa",
            lease=lease,
        )
    yield


def _blank(dataset: str) -> Output:
    frame = DATASETS[dataset].empty().clear(5)
    return Output(PartitionKey(dataset, "qa", "2026-03-06"), frame, {"rows": 5})


def _judge(folder: Path) -> Iterator[None]:
    desk = Desk(folder)
    for suite in ("first", "second"):
        desk.lake.catalog.record_verdicts(
            Verdict(one.key, one.sha256, suite, "0" * 64, True, "error", datetime.now(UTC), {"rows": one.rows})
            for one in desk.lake.catalog.everything().values()
        )
        yield


def _archive(folder: Path) -> Iterator[None]:
    desk = Desk(folder)
    for one in due_for_archive(desk.lake, desk.archive.name):
        archive_object(desk.lake, desk.archive, one)
        yield


def _expire(folder: Path) -> Iterator[None]:
    desk = Desk(folder)
    policy = RetentionPolicy(archive=desk.archive.name, datasets={"gaps_trades": Keep(keep_days=1)})
    for one in due_for_expiry(desk.lake, policy, desk.archive.name, LATER):
        expire_object(desk.lake, desk.archive, one)
        yield


def _restore(folder: Path) -> Iterator[None]:
    desk = Desk(folder)
    for one in desk.lake.catalog.everything().values():
        restore_object(desk.lake, desk.archive, one)
        yield


def _scrub_and_mend(folder: Path) -> Iterator[None]:
    desk = Desk(folder)
    for _ in scrub(desk.lake):
        yield
    for one in desk.lake.catalog.everything().values():
        if one.state is ObjectState.LOST:
            restore_object(desk.lake, desk.archive, one)
            yield


def _rebuild_view(folder: Path) -> Iterator[None]:
    lake = Desk(folder).lake
    assert lake.view is not None
    lake.view.rebuild(lake.catalog)
    yield


def _sweep(folder: Path) -> Iterator[None]:
    sweep(Desk(folder).lake)
    yield


SCENES = (
    Scene("first start", _nothing, _first_start),
    Scene("upgrade", _of_the_first_release, _upgrade),
    Scene("publish", _published, _publish_twice),
    Scene("replace", _published, _replace),
    Scene("replace three together", _published, _replace_three_together),
    Scene("raw to clean, quarantine and gaps", _nothing, _split_raw),
    Scene("verdicts", _published, _judge),
    Scene("archive", _published, _archive),
    Scene("expire", _archived, _expire),
    Scene("restore", _expired, _restore),
    Scene("scrub and restore", _damaged, _scrub_and_mend),
    Scene("view", _with_a_wrong_view, _rebuild_view),
    Scene("sweep", _with_old_leftovers, _sweep),
)
