"""Archive, expiry, restore and scrub."""

import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import boto3
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tickline.errors import Corrupt, LakeError
from tickline.lake.archive import (
    Archive,
    DirectoryArchive,
    S3Archive,
    archive_object,
    expire_object,
    restore_object,
)
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output, open_lake
from tickline.lake.records import ObjectState, Publication
from tickline.lake.retention import RetentionPolicy, due_for_archive, due_for_expiry
from tickline.lake.schemas import GAPS
from tickline.lake.scrub import scrub, sweep
from tickline.lake.storage import DirectoryStorage, Storage, object_name

OUTWARD = ["../x", "/etc/x", "", ".", "a/../../x", "a\0b", "é", "\ud800"]
POLICY = RetentionPolicy(archive="archive", datasets={"gaps_trades": {"keep_days": 30}})  # type: ignore[dict-item]


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.slow)])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    if request.param == "directory":
        return DirectoryArchive(tmp_path / "archive")
    return S3Archive(request.getfixturevalue("bucket"), "copies", endpoint=request.getfixturevalue("s3_endpoint"))


def publish(lake: Lake, day: int = 6, seq: int = 1) -> Publication:
    frame = GAPS.empty().vstack(pl.DataFrame({name: [None] for name in GAPS.columns}, schema=GAPS.columns))
    frame = frame.with_columns(seq_from=pl.lit(seq, pl.Int64))
    key = PartitionKey("gaps_trades", "coinsim", f"2026-03-{day:02}")
    with lake.lease(str(key)) as lease:
        return lake.publish([Output(key, frame)], made_from=(), code="c" * 64, run="r", lease=lease)[0]


def test_an_expired_partition_comes_back_byte_identical(lake: Lake, archive: Archive) -> None:
    published = publish(lake)
    before = lake.read(published.key).collect()
    archive_object(lake, archive, published)
    expire_object(lake, archive, published)
    with pytest.raises(LakeError, match="restore"):
        lake.read(published.key)
    restore_object(lake, archive, published)
    assert_frame_equal(lake.read(published.key).collect(), before)
    assert lake.storage.sha256(object_name(published.sha256)) == published.sha256


def test_nothing_expires_without_a_copy(lake: Lake, archive: Archive) -> None:
    published = publish(lake)
    with pytest.raises(LakeError, match="no verified copy"):
        expire_object(lake, archive, published)
    assert lake.storage.exists(object_name(published.sha256))


class Liar:
    """An archive that answers a read with other bytes than it was given."""

    name = "liar"

    def put(self, path: Path, key: str, sha256: str) -> str:
        return "v1"

    def read(self, key: str, version: str) -> Iterator[bytes]:
        yield b"something else"


def test_a_copy_that_reads_back_differently_is_no_copy(lake: Lake) -> None:
    published = publish(lake)
    with pytest.raises(Corrupt, match="reads back as other bytes"):
        archive_object(lake, Liar(), published)
    assert lake.catalog.copies_of(published.sha256) == []


def test_a_copy_that_rotted_since_keeps_the_lakes_bytes(lake: Lake, tmp_path: Path) -> None:
    published = publish(lake)
    archive = DirectoryArchive(tmp_path / "archive")
    archive_object(lake, archive, published)
    (archive.root / object_name(published.sha256)).write_bytes(b"rot")
    with pytest.raises(Corrupt):
        expire_object(lake, archive, published)
    assert lake.storage.exists(object_name(published.sha256))


def test_rotten_bytes_are_never_archived(tmp_path: Path, lake: Lake, archive: Archive) -> None:
    if not isinstance(lake.storage, DirectoryStorage):
        pytest.skip("bytes in a bucket cannot be flipped from here")
    published = publish(lake)
    _rot(lake, published)
    with pytest.raises(Corrupt, match="rotten in the lake"):
        archive_object(lake, archive, published)


def test_a_version_stays_readable_after_its_key_is_overwritten(lake: Lake, s3_endpoint: str, bucket: str) -> None:
    archive = S3Archive(bucket, "copies", endpoint=s3_endpoint)
    published = publish(lake)
    copy = archive_object(lake, archive, published)
    boto3.client("s3", endpoint_url=s3_endpoint).put_object(Bucket=bucket, Key=f"copies/{copy.key}", Body=b"other")
    expire_object(lake, archive, published)
    restore_object(lake, archive, published)
    assert lake.storage.sha256(object_name(published.sha256)) == published.sha256


def test_a_bucket_without_versions_is_refused(lake: Lake, s3_endpoint: str) -> None:
    boto3.client("s3", endpoint_url=s3_endpoint).create_bucket(Bucket="plain")
    with pytest.raises(LakeError, match="keeps no versions"):
        archive_object(lake, S3Archive("plain", "", endpoint=s3_endpoint), publish(lake))


def test_only_what_is_past_its_time_and_copied_is_due(lake: Lake, archive: Archive) -> None:
    old, new = publish(lake, day=1, seq=1), publish(lake, day=20, seq=2)
    assert due_for_archive(lake, archive.name) == [old, new]
    for published in (old, new):
        archive_object(lake, archive, published)
    assert due_for_archive(lake, archive.name) == []
    assert due_for_expiry(lake, POLICY, archive.name, date(2026, 4, 5)) == [old]


def test_an_object_a_younger_partition_shares_is_not_due(lake: Lake, archive: Archive) -> None:
    old, new = publish(lake, day=1, seq=1), publish(lake, day=20, seq=1)
    assert old.sha256 == new.sha256
    archive_object(lake, archive, old)
    assert due_for_expiry(lake, POLICY, archive.name, date(2026, 4, 5)) == []


def test_scrub_finds_a_flipped_bit_and_takes_the_object_out_of_use(lake: Lake) -> None:
    if not isinstance(lake.storage, DirectoryStorage):
        pytest.skip("bytes in a bucket cannot be flipped from here")
    sound, rotten = publish(lake, day=1, seq=1), publish(lake, day=2, seq=2)
    _rot(lake, rotten)
    found = [finding for finding in scrub(lake) if finding]
    assert [(finding.sha256, finding.problem) for finding in found] == [(rotten.sha256, "corrupt")]
    assert lake.catalog.objects() == {sound.sha256: ObjectState.PRESENT, rotten.sha256: ObjectState.LOST}
    assert not lake.storage.exists(object_name(rotten.sha256))
    assert publish(lake, day=2, seq=2).sha256 == rotten.sha256
    assert [finding for finding in scrub(lake) if finding] == []


def test_scrub_finds_a_missing_object(lake: Lake) -> None:
    published = publish(lake)
    lake.storage.delete(object_name(published.sha256))
    assert [finding.problem for finding in scrub(lake) if finding] == ["missing"]


def test_sweep_removes_old_unnamed_files_and_nothing_else(lake: Lake, storage: Storage) -> None:
    if not isinstance(lake.storage, DirectoryStorage):
        assert sweep(lake) == []
        return
    named = publish(lake)
    orphan = lake.storage.root / object_name("0" * 64)
    orphan.parent.mkdir()
    orphan.write_bytes(b"left by a crash")
    fresh = lake.storage.stage()
    long_ago = time.time() - 10 * 24 * 3600
    for path in (orphan, lake.storage.root / object_name(named.sha256)):
        os.utime(path, (long_ago, long_ago))
    assert sweep(lake) == [object_name("0" * 64)]
    assert fresh.exists()
    assert lake.storage.exists(object_name(named.sha256))


def test_sweep_finishes_an_expiry_that_was_interrupted(lake: Lake, archive: Archive) -> None:
    if not isinstance(lake.storage, DirectoryStorage):
        pytest.skip("a bucket is not swept")
    published = publish(lake)
    archive_object(lake, archive, published)
    lake.catalog.set_state(published.sha256, ObjectState.EXPIRED)
    long_ago = time.time() - 10 * 24 * 3600
    os.utime(lake.storage.root / object_name(published.sha256), (long_ago, long_ago))
    assert sweep(lake) == [object_name(published.sha256)]
    restore_object(lake, archive, published)
    assert lake.storage.exists(object_name(published.sha256))


def test_sweep_leaves_no_link_to_what_it_removes(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    archive = DirectoryArchive(tmp_path / "archive")
    published = publish(lake)
    archive_object(lake, archive, published)
    lake.catalog.set_state(published.sha256, ObjectState.EXPIRED)
    sweep(lake)
    assert list((tmp_path / "lake" / "view").rglob("*.parquet")) == []


def test_an_interrupted_scrub_leaves_no_bad_bytes_that_the_next_one_passes_over(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(lake.storage, DirectoryStorage):
        pytest.skip("bytes in a bucket cannot be flipped from here")
    published = publish(lake)
    _rot(lake, published)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for part, step in ((lake.storage, "delete"), (lake.catalog, "set_state")):
        monkeypatch.setattr(part, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(scrub(lake))
        monkeypatch.undo()
    assert [finding.sha256 for finding in scrub(lake) if finding] == [published.sha256]
    assert not lake.storage.exists(object_name(published.sha256))


def test_scrub_takes_a_bad_object_out_of_the_view(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, day=1, seq=1)
    _rot(lake, publish(lake, day=2, seq=2))
    list(scrub(lake))
    assert [link.parent.name for link in (tmp_path / "lake" / "view").rglob("*.parquet")] == ["date=2026-03-01"]


def test_a_dead_archive_is_a_clear_error(lake: Lake, s3_endpoint: str) -> None:
    archive = S3Archive("copies", "", endpoint="http://127.0.0.1:1")
    with pytest.raises(LakeError, match=r"cannot write .* to archive s3://copies: Could not connect"):
        archive_object(lake, archive, publish(lake))


def _rot(lake: Lake, published: Publication) -> None:
    assert isinstance(lake.storage, DirectoryStorage)
    path = lake.storage.root / object_name(published.sha256)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", OUTWARD)
def test_a_name_that_leads_out_of_its_root_is_refused_by_lake_and_archive(tmp_path: Path, name: str) -> None:
    storage, archive = DirectoryStorage(tmp_path / "lake"), DirectoryArchive(tmp_path / "archive")
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for use in (
        lambda: storage.uri(name),
        lambda: storage.commit(file, name, "0" * 64),
        lambda: archive.put(file, name, "0" * 64),
        lambda: next(archive.read(name, "")),
    ):
        with pytest.raises(LakeError, match="leads out of"):
            use()
    assert file.read_bytes() == b"x"
