"""The storage port: immutable objects by name; here on a directory, in `s3` in a bucket.

A writer fills a file from `stage()` and hands it to `commit`, which makes it visible under its name all at once
or not at all. Objects are never changed; committing the same name again keeps what is there.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tickline.errors import LakeError


class Storage(Protocol):
    """Objects by name, the same above a directory and a bucket."""

    def stage(self) -> Path:
        """A fresh, empty local file to write an object into."""
        ...

    def commit(self, staged: Path, name: str, sha256: str) -> None:
        """Move a staged file under its name: durable and complete when this returns, invisible until then."""
        ...

    def uri(self, name: str) -> str:
        """What Polars and DuckDB open the object by."""
        ...

    def options(self) -> dict[str, str]:
        """What Polars needs to reach the uri (`storage_options`); empty for a directory."""
        ...

    def exists(self, name: str) -> bool:
        """Whether the object is there."""
        ...

    def sha256(self, name: str) -> str:
        """The hash of the bytes stored now, read in full. Raises LakeError where the object is missing."""
        ...

    def names(self) -> Iterator[str]:
        """Every object's name, sorted."""
        ...

    def fetch(self, name: str, target: Path) -> None:
        """Copy an object into a local file. Raises LakeError where it is missing."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens where it is already gone."""
        ...


def object_name(sha256: str) -> str:
    """The name an object of this hash is stored under."""
    return f"{sha256[:2]}/{sha256}.parquet"


def path_below(root: Path, name: str) -> Path:
    """Where an object of this name lies below a root. Raises LakeError for a name that leads anywhere else."""
    path = root / name
    plain = name.isascii() and name.isprintable()
    if path == root or not path.is_relative_to(root) or ".." in path.parts or not plain:
        raise LakeError(f"object name {name!r} leads out of {root}")
    return path


def file_sha256(path: Path) -> str:
    """The hash of a local file, read once in full."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fsync_path(path: Path) -> None:
    """Make a file's content, or a directory's entries, survive power loss."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder whose name survives power loss; nothing happens where it is there."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync_path(folder.parent)


@contextmanager
def os_errors_explained(what: str, kept: str) -> Iterator[None]:
    """Turn a full disk or a missing permission into a LakeError: what failed, what still holds, the way out."""
    try:
        yield
    except OSError as error:
        raise LakeError(
            f"{what}: {error.strerror or error}. {kept}; free space or fix the permissions, then run it again"
        ) from error


@contextmanager
def staged(storage: Storage) -> Iterator[Path]:
    """A staged file that is gone afterwards unless it was committed, whatever went wrong."""
    path = storage.stage()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


class DirectoryStorage:
    """Objects as files of one directory tree. A commit is write, fsync, rename, fsync of the directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._staging = self.root / ".staging"
        with os_errors_explained(f"lake {self.root} could not be opened", "Nothing was changed"):
            self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)

    def stage(self) -> Path:
        """See Storage."""
        descriptor, path = tempfile.mkstemp(dir=self._staging, suffix=".parquet")
        os.close(descriptor)
        return Path(path)

    def commit(self, staged: Path, name: str, sha256: str) -> None:
        """See Storage."""
        target = self._path(name)
        if target.exists() and file_sha256(target) == sha256:
            # A fresh time tells `sweep` that somebody is about to name this object.
            target.touch()
            staged.unlink()
        else:
            fsync_path(staged)
            make_folder(target.parent)
            staged.rename(target)
        # Also where the object was there: whoever put it there may have been killed before this line.
        fsync_path(target.parent)

    def uri(self, name: str) -> str:
        """See Storage."""
        return str(self._path(name))

    def options(self) -> dict[str, str]:
        """See Storage."""
        return {}

    def exists(self, name: str) -> bool:
        """See Storage."""
        return self._path(name).is_file()

    def sha256(self, name: str) -> str:
        """See Storage."""
        try:
            return file_sha256(self._path(name))
        except OSError as error:
            raise LakeError(f"object {name} cannot be read under {self.root}: {error.strerror}") from error

    def names(self) -> Iterator[str]:
        """See Storage."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            yield from (f"{folder.name}/{path.name}" for path in sorted(folder.glob("*.parquet")))

    def fetch(self, name: str, target: Path) -> None:
        """See Storage."""
        try:
            shutil.copyfile(self._path(name), target)
        except OSError as error:
            raise LakeError(f"object {name} cannot be read under {self.root}: {error.strerror}") from error

    def delete(self, name: str) -> None:
        """See Storage."""
        path = self._path(name)
        with os_errors_explained(f"object {name} could not be removed from {self.root}", "It may still be there"):
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                fsync_path(path.parent)

    def _path(self, name: str) -> Path:
        return path_below(self.root, name)


def open_storage(root: str, *, endpoint: str | None, scratch: Path) -> Storage:
    """The storage of a lake root: a directory, or `s3://bucket/prefix`."""
    parts = urlsplit(root)
    if parts.scheme == "s3":
        from tickline.lake.s3 import S3Storage

        return S3Storage(parts.netloc, parts.path, endpoint=endpoint, scratch=scratch)
    if parts.scheme not in ("", "file"):
        raise LakeError(f"lake root {root!r} is neither a directory nor s3://bucket/prefix")
    return DirectoryStorage(Path(parts.path))
