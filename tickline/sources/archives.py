"""Recorded files, opened safely: hashed, decompressed within limits, their checksums tested, cut at line ends.

What a line says is the business of the source that reads it.
"""

import bz2
import gzip
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tickline.errors import SourceError
from tickline.lake.storage import file_sha256
from tickline.sources.source import SourceObject

BLOCK_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024
FREE_BYTES = 64 * 1024 * 1024
MAX_RATIO = 250
"""A compressed file may grow to FREE_BYTES, or to MAX_RATIO times its size; market data compresses 5 to 50 times."""

_BROKEN = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def describe(path: Path) -> SourceObject:
    """A file as a source object: where it is, the hash of its bytes and its size.

    Raises SourceError where it is missing, empty, not a file or unreadable.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path}: not a file")
        if status.st_size == 0:
            raise SourceError(f"{path}: empty; its delivery was cut short, fetch it again")
        return _described(str(path.absolute()), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


def path_of(source_object: SourceObject) -> Path:
    """The path of a described file, which still holds the bytes it was described by.

    Raises SourceError where it is gone or was changed since.
    """
    path = Path(url2pathname(urlsplit(source_object.uri).path))
    if describe(path).sha256 != source_object.sha256:
        raise SourceError(f"{path}: changed since its hash was taken; run again to read what it holds now")
    return path


def blocks(
    path: Path, accepts: Callable[[str], bool] | None = None, *, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """The content of a plain, gzip, bzip2 or zip file in pieces of whole lines, without a byte order mark.

    A zip must hold one member, whose name `accepts` agrees to. Raises SourceError naming the file where it is
    truncated, fails its checksum, is another zip than expected, or grows beyond what its size makes plausible.
    """
    with _named(path):
        compressed = path.stat().st_size
    limit = max(FREE_BYTES, MAX_RATIO * compressed)
    with _opened(path, accepts) as (stream, is_compressed):
        content_bytes, rest, first = 0, b"", True
        while piece := _read(stream, path, block_bytes):
            content_bytes += len(piece)
            if is_compressed and content_bytes > limit:
                raise SourceError(f"{path}: {compressed} bytes grow beyond {limit}: refused as a decompression bomb")
            cut = piece.rfind(b"\n") + 1
            if not cut:
                rest += piece
                if len(rest) > MAX_LINE_BYTES:
                    raise SourceError(f"{path}: no line end within {MAX_LINE_BYTES} bytes; not a file of lines")
                continue
            block, rest = rest + piece[:cut], piece[cut:]
            yield block.removeprefix(b"\xef\xbb\xbf") if first else block
            first = False
        if rest:
            yield rest.removeprefix(b"\xef\xbb\xbf") if first else rest


@contextmanager
def _opened(path: Path, accepts: Callable[[str], bool] | None) -> Iterator[tuple[IO[bytes], bool]]:
    """The file's content as a stream, and whether it is compressed."""
    with _named(path):
        stream = path.open("rb")
    with stream:
        magic = _read(stream, path, 4)
        stream.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            yield cast(IO[bytes], gzip.GzipFile(fileobj=stream)), True
        elif magic.startswith(b"BZh"):
            yield bz2.BZ2File(stream), True
        elif magic.startswith(b"PK"):
            with _named(path):
                archive = zipfile.ZipFile(stream)
                member = archive.open(_only_member(archive, path, accepts))
            yield member, True
        elif accepts is not None:
            raise SourceError(f"{path}: not a zip file (it begins with {magic!r}); fetch it again")
        else:
            yield stream, False


def _only_member(archive: zipfile.ZipFile, path: Path, accepts: Callable[[str], bool] | None) -> zipfile.ZipInfo:
    members = archive.infolist()
    names = ", ".join(repr(member.filename) for member in members[:3])
    if len(members) != 1:
        raise SourceError(f"{path}: holds {len(members)} members ({names or 'none'}), expected exactly one")
    member = members[0]
    if accepts is not None and not accepts(member.filename):
        raise SourceError(f"{path}: holds {names}, which is not what its name says; restore its own name or content")
    if member.flag_bits & 1:
        raise SourceError(f"{path}: {names} is encrypted")
    return member


def _read(stream: IO[bytes], path: Path, size: int) -> bytes:
    with _named(path):
        return stream.read(size)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever goes wrong inside is the file's fault and names it."""
    try:
        yield
    except _BROKEN as error:
        raise SourceError(f"{path}: truncated or damaged: {error}; fetch it again") from error


@lru_cache(maxsize=1_000_000)
def _described(path: str, size: int, _modified_ns: int) -> SourceObject:
    """Hashed once for as long as size and time of change stay the same."""
    return SourceObject(Path(path).absolute().as_uri(), file_sha256(Path(path)), size)
