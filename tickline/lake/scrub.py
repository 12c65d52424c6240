"""Find what rotted, vanished or was never named: every object's bytes against the name they are stored under."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tickline.errors import LakeError
from tickline.lake.catalog import ObjectState
from tickline.lake.lake import Lake
from tickline.lake.storage import DirectoryStorage, object_name

UNNAMED_FOR_SECONDS = 24 * 3600
"""An object no publication names is swept after this long; a publisher names its own within seconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not as it should be: `missing`, or `corrupt` with the hash its bytes have."""

    sha256: str
    problem: str
    found: str = ""


def scrub(lake: Lake) -> Iterator[Finding | None]:
    """Read every present object in full and compare; yields one entry per object, None where it is sound.

    A bad one is marked lost in the catalog, so that no plan counts on it and `restore` or `backfill` mends it, and a
    corrupt one is removed from storage, so that no reader meets its bytes.
    """
    for sha256, state in lake.catalog.objects().items():
        if state is not ObjectState.PRESENT:
            continue
        finding = _examine(lake, sha256)
        if finding is not None:
            lake.catalog.set_state(sha256, ObjectState.LOST)
            lake.storage.delete(object_name(sha256))
        yield finding


def sweep(lake: Lake) -> list[str]:
    """Remove objects and staged files that no publication names and nobody has touched for a day.

    They are what a crash between storing and committing leaves. Only a directory lake is swept; a bucket has
    lifecycle rules for it.
    """
    if not isinstance(lake.storage, DirectoryStorage):
        return []
    root = lake.storage.root
    oldest = time.time() - UNNAMED_FOR_SECONDS
    staged = [path for path in (root / ".staging").iterdir() if path.stat().st_mtime < oldest]
    unnamed = [
        root / name
        for name in lake.storage.names()
        if (root / name).stat().st_mtime < oldest and not lake.catalog.names((root / name).stem)
    ]
    for path in (*staged, *unnamed):
        path.unlink(missing_ok=True)
    return [str(path.relative_to(root)) for path in (*staged, *unnamed)]


def _examine(lake: Lake, sha256: str) -> Finding | None:
    name = object_name(sha256)
    if not lake.storage.exists(name):
        return Finding(sha256, "missing")
    try:
        found = lake.storage.sha256(name)
    except LakeError as error:
        return Finding(sha256, "corrupt", str(error))
    return None if found == sha256 else Finding(sha256, "corrupt", found)
