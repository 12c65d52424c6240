"""Hostile symbols wherever a name becomes a path, a key, a cell or a line of configuration."""

import csv
import hashlib
import os
import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath

import polars as pl

from qa import _hostile
from qa._attempts import Attempts
from runners.commands.export import write_rows
from tickline.errors import ConfigError, LakeError, SourceError
from tickline.lake.archive import DirectoryArchive
from tickline.lake.codec import MAX_TEXT_BYTES, decode, encode, partition_path
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Publication
from tickline.lake.schemas import Feed
from tickline.lake.storage import DirectoryStorage
from tickline.lake.view import View
from tickline.reference.instruments import instruments_frame
from tickline.reference.loading import load_yaml
from tickline.reference.models import SourceSpec, Venue
from tickline.sources.lean import Lean
from tickline.sources.segments import described

SAMPLE = 50
"""One name in so many is also put into real folders."""

GROUP = 40
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
VENUE = "kind: crypto\ncalendar: always\nstart: 2026-03-06\nfeeds: {}\n"
GRID = 'kind: spot, quote: USD, tick_size: "0.01", lot_size: "1"'
TICKS = Path("ticks")
LEAN = SourceSpec.model_validate({"kind": "lean", "folder": TICKS, "security": "equity", "time_zone": "UTC"})

_PART = re.compile(r"(venue=|date=)?[a-z0-9_%A-F+-]{1,181}|data\.parquet")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?")
_SURROGATES = re.compile("[\ud800-\udfff]")
_RUN_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def fuzz(rng: _hostile.Rng, count: int, folder: Path) -> Attempts:
    """Put `count` different names through everything that takes one."""
    names: set[str] = set()
    while len(names) < count:
        names.add(_hostile.name(rng))
    in_order = sorted(names)
    rng.shuffle(in_order)
    attempts = Attempts()
    _codec(attempts, in_order)
    _roots(attempts, in_order, folder)
    _real_folders(attempts, in_order[::SAMPLE], folder)
    _cells(attempts, in_order, folder)
    _configuration(attempts, in_order, folder)
    return attempts


def _codec(attempts: Attempts, names: list[str]) -> None:
    """Each name has a safe path of its own, even where case is folded, and the path leads back to it."""
    spelled: dict[str, str] = {}
    for name in names:
        data = _bytes(name)
        path = attempts.make("codec", data, partial(encode, name), errors=(LakeError,))
        if path is None:
            continue
        back = attempts.make("codec", data, partial(decode, path), errors=(), inputs=0)
        if back != name or spelled.setdefault(path.lower(), name) != name:
            attempts.fail("collision", "codec", f"{path!r} stands for {spelled.get(path.lower())!r} too", data)
        for key in (("bars_1m", name, "2026-03-06"), (name, "venue", "all"), ("bars_1m", "venue", name)):
            if not _is_safe(partition_path(*key)):
                attempts.fail("escape", "codec", f"becomes {partition_path(*key)}", data)
        read_as_path = attempts.make("codec", data, partial(decode, name), errors=(LakeError,), inputs=0)
        if read_as_path is not None and encode(read_as_path) != name:
            attempts.fail("collision", "codec", f"is read as {read_as_path!r}", data)
        for text in (name, f"bars_1m/{name}/2026-03-06"):
            parsed = attempts.make(
                "partition key", data, partial(PartitionKey.parse, text), errors=(LakeError,), inputs=0
            )
            if parsed is not None and str(parsed) != text:
                attempts.fail("collision", "partition key", f"is read as {parsed}", data)


def _roots(attempts: Attempts, names: list[str], folder: Path) -> None:
    """Whatever an object, a copy, a segment or an instrument is called, nothing outside its root is named or read."""
    storage, archive = DirectoryStorage(folder / "lake"), DirectoryArchive(folder / "archive")
    for name in names:
        data = _bytes(name)
        uri = attempts.make("storage", data, partial(storage.uri, name), errors=(LakeError,), inputs=0)
        if uri is not None and not _lies_below(storage.root, uri):
            attempts.fail("escape", "storage", f"becomes {uri!r}", data)
        attempts.make("storage", data, partial(storage.sha256, name), errors=(LakeError,), inputs=0)
        copy = attempts.make("archive", data, partial(next, archive.read(name, "")), errors=(LakeError,), inputs=0)
        if copy is not None:
            attempts.fail("escape", "archive", f"reads {len(copy)} bytes of something else", data)
        segment = attempts.make("segment", data, partial(described, folder / name), errors=(SourceError,), inputs=0)
        if segment is not None:
            attempts.fail("escape", "segment", f"passes for segment {segment.number}", data)


def _real_folders(attempts: Attempts, names: list[str], folder: Path) -> None:
    """Written for real, each name makes a file of its own below the root it belongs to, and nothing appears outside."""
    before = _files(folder)
    tree, copies = folder / "tree", folder / "copies"
    archive, view = DirectoryArchive(copies), View(folder / "view", DirectoryStorage(folder / "lake"))
    short = [name for name in names if len(_bytes(name)) <= MAX_TEXT_BYTES]
    for name in short:
        place = tree / encode(name) / "file"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch(exist_ok=False)
        view.show(_published(name))
        if _lies_below(folder, str(copies / name)):  # what would lie further out is not tried for real
            put = partial(archive.put, place, name, EMPTY_SHA256)
            attempts.make("archive", _bytes(name), put, errors=(LakeError,), inputs=0)
    written = _files(folder) - before
    for root, expected in (("tree", len(short)), ("view", len(short))):
        found = sum(path.is_relative_to(folder / root) for path in written)
        if found != expected:
            attempts.fail("collision", root, f"{expected} names made {found} files", b"")
    for path in written:
        if not any(path.is_relative_to(folder / root) for root in ("tree", "view", "copies")):
            attempts.fail("escape", "folders", f"made {path}", b"")


def _cells(attempts: Attempts, names: list[str], folder: Path) -> None:
    """In an exported CSV no cell is a formula, and every name can be read back."""
    text = [name for name in names if not _SURROGATES.search(name)]
    path = folder / "names.csv"
    write_rows(pl.DataFrame({"instrument": text, "number": range(len(text))}), path)
    with path.open(newline="", encoding="utf-8") as stream:
        cells = [row[0] for row in csv.reader(stream)][1:]
    if len(cells) != len(text):
        attempts.fail("escape", "export", f"{len(text)} names became {len(cells)} cells", b"")
    for name, cell in zip(text, cells, strict=False):
        if cell.startswith(_RUN_AS_FORMULA):
            attempts.fail("escape", "export", f"the cell {cell!r} is a formula", _bytes(name))
        if cell.removeprefix("'") != name:
            attempts.fail("collision", "export", f"the cell {cell!r} leads back to another name", _bytes(name))


def _configuration(attempts: Attempts, names: list[str], folder: Path) -> None:
    """As instruments, names come out of a configuration as they went in; as venues, only plain ones come in."""
    path = folder / "venue.yaml"
    usable = [name for name in names if 0 < len(name) <= 120 and not _SURROGATES.search(name) and "${" not in name]
    for start in range(0, len(usable), GROUP):
        group = usable[start : start + GROUP]
        path.write_text(_declared("venue", group))
        data = path.read_bytes()
        venue = attempts.make("configuration", data, partial(load_yaml, path, Venue), errors=(ConfigError,), inputs=0)
        if venue is None or set(instruments_frame(venue)["instrument"]) != set(group):
            attempts.fail("collision", "configuration", "names were refused or came out changed", data)
            continue
        for instrument in venue.instruments:
            alone = venue.model_copy(update={"instruments": (instrument,)})
            opened = partial(Lean.open, LEAN, alone, Feed.TRADES)
            source = attempts.make("lean", _bytes(instrument.name), opened, errors=(ConfigError,), inputs=0)
            if source is not None and not all(_lies_below(TICKS, str(place)) for place in source.folders.values()):
                attempts.fail("escape", "lean", f"reads {source.folders}", _bytes(instrument.name))
    for name in names[::SAMPLE]:
        path.write_text(_declared(name, ["BTC"]))
        load = partial(load_yaml, path, Venue)
        venue = attempts.make("configuration", _bytes(name), load, errors=(ConfigError,), inputs=0)
        if venue is not None and not re.fullmatch("[a-z][a-z0-9_]{0,31}", name):
            attempts.fail("escape", "configuration", "is taken for a venue's name", _bytes(name))


def _declared(venue: str, instruments: list[str]) -> str:
    """A venue's configuration, every character of every name escaped as YAML escapes it."""
    listed = "\n".join(f"  - {{name: {_quoted(name)}, {GRID}}}" for name in instruments)
    return f"name: {_quoted(venue)}\n{VENUE}instruments:\n{listed}\n"


def _quoted(name: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08X}" for char in name) + '"'


def _published(name: str) -> Publication:
    """A publication of a partition whose venue is called like this."""
    return Publication(
        key=PartitionKey("bars_1m", name, "2026-03-06"),
        sha256=EMPTY_SHA256,
        generation=1,
        rows=0,
        bytes=0,
        facts={},
        code="",
        run="",
        committed_at=datetime(2026, 3, 6, tzinfo=UTC),
        id=1,
    )


def _is_safe(path: PurePosixPath) -> bool:
    """Whether a path is relative, of plain parts that no file system reserves."""
    return all(_PART.fullmatch(part) and not _RESERVED.fullmatch(part) for part in path.parts)


def _lies_below(root: Path, path: str) -> bool:
    """Whether a path lies below a root, by arithmetic alone."""
    return os.path.normpath(path).startswith(f"{os.path.normpath(root)}/")


def _files(folder: Path) -> set[Path]:
    return {Path(place) / name for place, _, names in os.walk(folder) for name in names}


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
