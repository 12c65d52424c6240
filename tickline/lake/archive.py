"""Copies of objects in an archive: put, read back by version, compare, record; and back again.

The lake's own bytes go only after the copy was read back once more and agreed, so at every instant at least one
good copy exists: in the lake until the catalog says expired, in the archive from before that.
"""

import base64
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tickline.errors import Corrupt, LakeError
from tickline.lake.lake import Lake
from tickline.lake.records import Copy, ObjectState, Publication
from tickline.lake.retention import RetentionPolicy
from tickline.lake.storage import (
    file_sha256,
    fsync_path,
    make_folder,
    object_name,
    os_errors_explained,
    path_below,
    staged,
)


class Archive(Protocol):
    """A second place for objects. `version` names one write of one key for ever."""

    name: str

    def put(self, path: Path, key: str, sha256: str) -> str:
        """Store a file under a key and return its version. Raises LakeError where the archive fails."""
        ...

    def read(self, key: str, version: str) -> Iterator[bytes]:
        """The bytes stored as one version of a key. Raises LakeError where they cannot be had."""
        ...


def archive_object(lake: Lake, archive: Archive, publication: Publication) -> Copy:
    """Copy an object into the archive, read the copy back and record it.

    Raises Corrupt where the lake's own bytes or the copy read back do not hash to their name (nothing is recorded),
    and LakeError where either side fails.
    """
    sha256, name = publication.sha256, object_name(publication.sha256)
    explained = os_errors_explained(f"{publication.key} could not be archived", "It is still in the lake")
    with explained, staged(lake.storage) as path:
        lake.storage.fetch(name, path)
        if file_sha256(path) != sha256:
            raise Corrupt(f"{publication.key}: object {sha256} is rotten in the lake; run `tickline scrub`")
        version = archive.put(path, name, sha256)
    _verify(archive, name, version, sha256)
    copy = Copy(sha256, archive.name, name, version, datetime.now(UTC))
    lake.catalog.record_copy(copy)
    return copy


def expire_object(lake: Lake, archive: Archive, publication: Publication) -> None:
    """Remove an object's bytes from the lake after reading its archived copy back once more.

    Raises LakeError or Corrupt, removing nothing, where there is no copy or it does not agree.
    """
    copy = _copy_in(lake, archive, publication)
    _verify(archive, copy.key, copy.version, copy.sha256)
    lake.catalog.set_state(publication.sha256, ObjectState.EXPIRED)
    if lake.view is not None:
        lake.view.hide(publication)
    lake.storage.delete(object_name(publication.sha256))


def restore_object(lake: Lake, archive: Archive, publication: Publication) -> None:
    """Bring an object's bytes back from the archive, byte-identical.

    Raises LakeError where there is no copy, Corrupt where the copy does not hash to its name.
    """
    copy = _copy_in(lake, archive, publication)
    explained = os_errors_explained(f"{publication.key} could not be restored", "Its copy is still archived")
    with explained, staged(lake.storage) as path:
        with path.open("wb") as out:
            for chunk in archive.read(copy.key, copy.version):
                out.write(chunk)
        if file_sha256(path) != copy.sha256:
            raise Corrupt(f"{publication.key}: the copy in {archive.name} does not hash to {copy.sha256}")
        lake.storage.commit(path, object_name(copy.sha256), copy.sha256)
    lake.catalog.set_state(copy.sha256, ObjectState.PRESENT)
    if lake.view is not None:
        lake.view.show(publication)


def _copy_in(lake: Lake, archive: Archive, publication: Publication) -> Copy:
    for copy in lake.catalog.copies_of(publication.sha256):
        if copy.archive == archive.name:
            return copy
    raise LakeError(f"{publication.key} has no verified copy in {archive.name}; run `tickline archive` first")


def _verify(archive: Archive, key: str, version: str, sha256: str) -> None:
    digest = hashlib.sha256()
    for chunk in archive.read(key, version):
        digest.update(chunk)
    if digest.hexdigest() != sha256:
        raise Corrupt(f"the copy of {key} in {archive.name} reads back as other bytes; it does not count as a copy")


class DirectoryArchive:
    """An archive on another directory or disk. A version is the hash of the bytes written."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.name = str(self.root)
        with os_errors_explained(f"archive {self.name} could not be opened", "Nothing was changed"):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, path: Path, key: str, sha256: str) -> str:
        """See Archive."""
        target = path_below(self.root, key)
        # Always the same name: what a crash leaves of it, the next try overwrites.
        part = target.with_suffix(".part")
        try:
            make_folder(target.parent)
            shutil.copy(path, part)
            fsync_path(part)
            part.rename(target)
            fsync_path(target.parent)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise LakeError(f"cannot write {key} to archive {self.name}: {error.strerror or error}") from error
        return sha256

    def read(self, key: str, version: str) -> Iterator[bytes]:
        """See Archive."""
        path = path_below(self.root, key)
        try:
            with path.open("rb") as stream:
                while chunk := stream.read(1 << 20):
                    yield chunk
        except OSError as error:
            raise LakeError(f"cannot read {key} from archive {self.name}: {error.strerror}") from error


class S3Archive:
    """An archive in a bucket with versioning: a copy is one version of its key, whatever is written later."""

    def __init__(self, bucket: str, prefix: str, *, endpoint: str | None = None) -> None:
        from tickline.lake.s3 import s3_client, s3_session

        self._bucket, self._prefix = bucket, prefix.strip("/")
        self.name = f"s3://{bucket}/{self._prefix}".rstrip("/")
        self._client = s3_client(s3_session(), endpoint)

    def put(self, path: Path, key: str, sha256: str) -> str:
        """See Archive."""
        from botocore.exceptions import BotoCoreError, ClientError

        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        try:
            with path.open("rb") as body:
                answer = self._client.put_object(
                    Bucket=self._bucket, Key=self._key(key), Body=body, ChecksumSHA256=checksum
                )
        except (BotoCoreError, ClientError) as error:
            raise LakeError(f"cannot write {key} to archive {self.name}: {error}") from error
        version = answer.get("VersionId")
        if not version:
            raise LakeError(f"bucket {self._bucket} keeps no versions; turn versioning on before archiving to it")
        return str(version)

    def read(self, key: str, version: str) -> Iterator[bytes]:
        """See Archive."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(key), VersionId=version)
            yield from answer["Body"].iter_chunks(1 << 20)
        except (BotoCoreError, ClientError) as error:
            raise LakeError(f"cannot read {key} from archive {self.name}: {error}") from error

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key


def open_archive(policy: RetentionPolicy, home: Path) -> Archive:
    """The archive a policy names: s3://bucket/prefix, or a directory (relative to TICKLINE_HOME)."""
    if policy.archive.startswith("s3://"):
        bucket, _, prefix = policy.archive.removeprefix("s3://").partition("/")
        return S3Archive(bucket, prefix, endpoint=policy.endpoint)
    return DirectoryArchive(home / policy.archive)
