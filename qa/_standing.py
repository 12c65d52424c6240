"""What a lake says of itself, whether its bytes bear that out, and what is left when everything is tidied up."""

import os
from pathlib import Path
from typing import Any

from qa._lakes import Desk, path_of
from qa._scenes import LONG_AGO, STRATEGY
from tickline.lake.records import ObjectState, Publication
from tickline.lake.registry import Registry
from tickline.lake.scrub import sweep
from tickline.lake.storage import DirectoryStorage, file_sha256


def standing(desk: Desk) -> dict[str, Any]:
    """What the catalog says: every partition, its verdicts, its copies and the registry."""
    catalog = desk.lake.catalog
    current = catalog.everything()
    return {
        "partitions": {
            str(key): [one.sha256, one.generation, one.state, [made.sha256 for made in catalog.inputs_of(one)]]
            for key, one in current.items()
        },
        "verdicts": [[str(one.key), one.suite, one.sha256] for one in catalog.verdicts_on(current.values())],
        "copies": sorted({copy.sha256 for one in current.values() for copy in catalog.copies_of(one.sha256)}),
        "registry": [entry.rank for entry in Registry(catalog).history(STRATEGY)],
    }


def broken(desk: Desk) -> list[str]:
    """Every way in which bytes do not bear out what the catalog says."""
    wrong = [text for one in desk.lake.catalog.everything().values() if (text := _wrong_with(desk, one))]
    links = (desk.folder / "home" / "lake" / "view").rglob("*.parquet")
    return wrong + [f"{link.parent.name} leads nowhere" for link in links if not link.exists()]


def settled(desk: Desk) -> dict[str, Any]:
    """What a lake amounts to once old leftovers are swept: nothing here tells how often it was interrupted."""
    assert isinstance(desk.lake.storage, DirectoryStorage)
    objects = desk.lake.storage.root
    for path in objects.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    sweep(desk.lake)
    said = standing(desk)
    view = desk.folder / "home" / "lake" / "view"
    return {
        "partitions": {key: [sha256, state] for key, (sha256, _, state, _) in said["partitions"].items()},
        "verdicts": said["verdicts"],
        "copies": said["copies"],
        "registry": said["registry"],
        "objects": _hashes(objects),
        "archive": _hashes(desk.archive.root),
        "view": {str(link.relative_to(view)): link.readlink().stem for link in view.rglob("*.parquet")},
    }


def _wrong_with(desk: Desk, one: Publication) -> str:
    in_lake = path_of(desk.lake, one.sha256)
    copies = [desk.archive.root / copy.key for copy in desk.lake.catalog.copies_of(one.sha256)]
    if not all(_is_whole(copy, one.sha256) for copy in copies):
        return f"{one.key}: the archived copy is not whole"
    if one.state is ObjectState.PRESENT and not _is_whole(in_lake, one.sha256):
        return f"{one.key}: the object is not whole"
    if one.state is ObjectState.PRESENT and desk.lake.read(one.key).collect().height != one.rows:
        return f"{one.key}: rows are missing"
    if one.state is ObjectState.EXPIRED and not copies:
        return f"{one.key}: expired without a copy"
    if one.state is ObjectState.LOST and in_lake.exists() and not _is_whole(in_lake, one.sha256):
        return f"{one.key}: lost, but readers still meet its bad bytes"
    return ""


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
