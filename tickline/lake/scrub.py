"""Find what rotted, vanished or was never named: every object's bytes against the name they are stored under."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tickline.errors import LakeError
from tickline.lake.lake import Lake
from tickline.lake.records import ObjectState
from tickline.lake.storage import DirectoryStorage, object_name

UNNAMED_FOR_SECONDS = 24 * 3600
"""An object nobody wants is swept after this long; a publisher names its own within seconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not as it should be: `missing`, or `corrupt` with the hash its bytes have."""

    sha256: str
    problem: str
    found: str = ""


def scrub(lake: Lake) -> Iterator[Finding | None]:
    """Read every present object in full and compare; yields one entry per object, None where it is sound.

    A bad one is removed from view and storage, so that no reader meets its bytes, and then marked lost in the catalog,
    so that no plan counts on it and `restore` or `backfill` mends it.
    """
    named = defaultdict(list)
    for publication in lake.catalog.everything().values():
        if publication.state is ObjectState.PRESENT:
            named[publication.sha256].append(publication)
    for sha256, publications in sorted(named.items()):
        finding = _examine(lake, sha256)
        if finding is not None:
            for publication in publications:
                if lake.view is not None:
                    lake.view.hide(publication)
            lake.storage.delete(object_name(sha256))
            # Last: a scrub that is interrupted before finds the object again.
            lake.catalog.set_state(sha256, ObjectState.LOST)
        yield finding


def sweep(lake: Lake) -> list[str]:
    """Put the view right, and remove objects that no publication names or that expired, and staged files.

    They are what a crash leaves between storing and committing, or between expiring and deleting; what was touched
    within a day stays. Only a directory lake is swept; a bucket has lifecycle rules for it.
    """
    if not isinstance(lake.storage, DirectoryStorage):
        return []
    if lake.view is not None:
        lake.view.rebuild(lake.catalog)
    root = lake.storage.root
    oldest = time.time() - UNNAMED_FOR_SECONDS
    staged = [path for path in (root / ".staging").iterdir() if path.stat().st_mtime < oldest]
    unwanted = [
        root / name
        for name in lake.storage.names()
        if (root / name).stat().st_mtime < oldest and not lake.catalog.keeps((root / name).stem)
    ]
    for path in (*staged, *unwanted):
        path.unlink(missing_ok=True)
    return [str(path.relative_to(root)) for path in (*staged, *unwanted)]


def _examine(lake: Lake, sha256: str) -> Finding | None:
    name = object_name(sha256)
    if not lake.storage.exists(name):
        return Finding(sha256, "missing")
    try:
        found = lake.storage.sha256(name)
    except LakeError as error:
        return Finding(sha256, "corrupt", str(error))
    return None if found == sha256 else Finding(sha256, "corrupt", found)
