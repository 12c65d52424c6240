"""An append-only file of what people said: a JSON object a line, each line hashed together with the one before.

An edited, removed, moved or torn line is found when the file is read, because each line carries its own sha256 and that
of the line before. What the last lines were cut off together cannot be found from the file alone.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from tickline.errors import LakeError
from tickline.lake.storage import fsync_path

Said: TypeAlias = dict[str, Any]

_FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says, without the hashes, and the line as it stands in the file."""

    said: Said
    text: bytes


def load_lines(path: Path) -> list[Line]:
    """What was said, in order; nothing where there is no file.

    Raises LakeError naming the line that is torn, edited or out of its place, or where the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH)
            return _parsed(path, stream.read())[0]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LakeError(f"{path}: cannot be read: {error.strerror}") from error


def append_line(path: Path, said: Mapping[str, Any], fits: Callable[[Sequence[Line]], None] | None = None) -> str:
    """Add a line, durable when this returns its sha256, or leave the file as it was; two writers wait for each other.

    `fits` is asked with the lines there are, while nobody else can add one, and raises where this one must not follow.
    Raises LakeError as `load_lines` does, or where the file cannot be written.
    """
    try:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            lines, previous = _parsed(path, os.pread(descriptor, os.fstat(descriptor).st_size, 0))
            if fits is not None:
                fits(lines)
            linked = {**said, "previous": previous}
            sha256 = _hash(linked)
            _write(descriptor, _canonical(linked | {"sha256": sha256}) + b"\n")
        finally:
            os.close(descriptor)
        if is_new:
            fsync_path(path.parent)
        return sha256
    except OSError as error:
        raise LakeError(f"{path}: cannot be written: {error.strerror}; nothing was recorded") from error


def _parsed(path: Path, content: bytes) -> tuple[list[Line], str]:
    """The lines, and the hash of the last one."""
    texts = content.split(b"\n")
    if torn := texts.pop():
        raise LakeError(
            f"{path}:{len(texts) + 1}: the line was torn while it was written, so it says nothing; "
            f"cut its {len(torn)} bytes and say it again"
        )
    lines, previous = [], _FIRST
    for number, text in enumerate(texts, start=1):
        try:
            said = orjson.loads(text)
            sha256 = said.pop("sha256")
            if _canonical(said | {"sha256": sha256}) != text or _hash(said) != sha256:
                raise ValueError("its text does not hash to its sha256")
            if said.pop("previous") != previous:
                raise ValueError("the line before it is another one than when it was written")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise LakeError(
                f"{path}:{number}: not what was said ({error}); restore the file from version control"
            ) from error
        lines.append(Line(said, text))
        previous = sha256
    return lines, previous


def _hash(linked: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(linked)).hexdigest()


def _canonical(said: Mapping[str, Any]) -> bytes:
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def _write(descriptor: int, content: bytes) -> None:
    """Add all of the content and make it durable, or leave the file as it was."""
    before = os.fstat(descriptor).st_size
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, before)
        raise
