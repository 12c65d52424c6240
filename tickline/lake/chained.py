"""An append-only file of what people said: a JSON object a line, each line hashed with the one before.

An edited, removed or torn line is found when the file is read, because each line carries its own sha256 and that of
the line before.
"""

import fcntl
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from tickline.errors import LakeError
from tickline.lake.storage import fsync_path

_FIRST = "0" * 64


def load_lines(path: Path) -> list[dict[str, Any]]:
    """What was said, in order, without the hashes; nothing where there is no file.

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


def append_line(path: Path, said: Mapping[str, Any]) -> str:
    """Add a line, durable when this returns its sha256; two writers wait for each other.

    Raises LakeError as `load_lines` does, or where the file cannot be written; then nothing was added.
    """
    try:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _, previous = _parsed(path, os.pread(descriptor, os.fstat(descriptor).st_size, 0))
            sha256 = _hash(said, previous)
            line = orjson.dumps({**said, "previous": previous, "sha256": sha256}, option=orjson.OPT_SORT_KEYS)
            _write(descriptor, line + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            fsync_path(path.parent)
        return sha256
    except OSError as error:
        raise LakeError(f"{path}: cannot be written: {error.strerror}; nothing was recorded") from error


def _parsed(path: Path, content: bytes) -> tuple[list[dict[str, Any]], str]:
    """The lines, and the hash of the last one."""
    lines, previous = [], _FIRST
    for number, text in enumerate(content.splitlines(keepends=True), start=1):
        try:
            line = orjson.loads(text)
            own, before = line.pop("sha256"), line.pop("previous")
        except (orjson.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
            raise LakeError(f"{path}:{number}: torn or no line of this file; restore it from its history") from error
        if not text.endswith(b"\n") or before != previous or own != _hash(line, previous):
            raise LakeError(f"{path}:{number}: torn, edited or out of its place; restore it from its history")
        lines.append(line)
        previous = own
    return lines, previous


def _hash(said: Mapping[str, Any], previous: str) -> str:
    content = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(previous.encode() + b"\0" + content).hexdigest()


def _write(descriptor: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.write(descriptor, content[written:])
