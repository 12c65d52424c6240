"""Publishing and reading, on every storage."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tickline.errors import LakeError, LeaseLost
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output, open_lake
from tickline.lake.lineage import explain
from tickline.lake.records import Input, Publication
from tickline.lake.schemas import INSTRUMENTS
from tickline.lake.storage import DirectoryStorage, object_name

KEY = PartitionKey("instruments", "coinsim", "all")
CODE = "c" * 64


def rows(*names: str) -> pl.DataFrame:
    return INSTRUMENTS.empty().vstack(
        pl.DataFrame(
            {
                "venue": "coinsim", "instrument": list(names), "kind": "spot", "base": "B", "quote": "Q",
                "calendar": "always", "tick_size": 0.01, "lot_size": 1.0,
            },
            schema=INSTRUMENTS.columns,
        )
    )  # fmt: skip


def publish(lake: Lake, frame: pl.DataFrame, *, inputs: tuple[Input, ...] = (), key: PartitionKey = KEY) -> Publication:
    with lake.lease(str(key)) as lease:
        return lake.publish([Output(key, frame)], made_from=inputs, code=CODE, run="run", lease=lease)[0]


def test_what_was_published_is_read_back(lake: Lake) -> None:
    frame = rows("BTC/USDT", "../../evil", "=cmd")
    publish(lake, frame)
    assert_frame_equal(lake.read(KEY).collect(), frame)


def test_publishing_again_replaces_what_readers_see_and_keeps_history(lake: Lake) -> None:
    first = publish(lake, rows("A"))
    second = publish(lake, rows("A", "B"))
    assert lake.read(KEY).collect().height == 2
    assert [p.sha256 for p in lake.catalog.history(KEY)] == [first.sha256, second.sha256]
    assert second.generation == 2


def test_publishing_equal_content_is_a_no_op(lake: Lake) -> None:
    first = publish(lake, rows("A"))
    assert publish(lake, rows("A")) == first
    assert len(lake.catalog.history(KEY)) == 1


def test_the_same_rows_from_other_inputs_keep_their_hash_and_get_their_own_lineage(lake: Lake) -> None:
    first = publish(lake, rows("A"), inputs=(Input("source", "file://one", "1" * 64),))
    second = publish(lake, rows("A"), inputs=(Input("source", "file://two", "2" * 64),))
    assert first.sha256 == second.sha256
    assert [leaf.name for leaf in explain(lake.catalog, KEY).inputs] == ["file://two"]


def test_a_frame_that_does_not_fit_its_schema_is_refused_with_a_diff_and_changes_nothing(lake: Lake) -> None:
    publish(lake, rows("A"))
    drifted = rows("B").rename({"tick_size": "tick"}).with_columns(pl.col("lot_size").cast(pl.Int64))
    with pytest.raises(LakeError, match="missing tick_size; unexpected tick; lot_size is Int64, wants Float64"):
        publish(lake, drifted)
    assert lake.read(KEY).collect()["instrument"].to_list() == ["A"]


def test_outputs_of_one_publish_appear_all_or_none(lake: Lake) -> None:
    other = PartitionKey("instruments", "nysim", "all")
    outputs = [Output(KEY, rows("A")), Output(other, rows("B").drop("kind"))]
    with lake.lease("both") as lease, pytest.raises(LakeError):
        lake.publish(outputs, made_from=(), code=CODE, run="r", lease=lease)
    assert lake.catalog.currents([KEY, other]) == {}


def test_reading_what_was_never_published_says_how_to_make_it(lake: Lake) -> None:
    with pytest.raises(LakeError, match="instruments/coinsim/all is not in the lake; materialise it"):
        lake.read(KEY)


def test_a_dataset_without_partitions_reads_as_no_rows(lake: Lake) -> None:
    assert_frame_equal(lake.dataset("instruments").collect(), INSTRUMENTS.empty())


def test_a_second_publisher_is_refused_while_the_first_holds_the_lease(lake: Lake) -> None:
    lake.catalog.acquire("x", "elsewhere:1:1", expires_at=_later(), dead=lambda _: False)
    with pytest.raises(LeaseLost, match="being published by elsewhere:1:1"), lake.lease("x"):
        pass


def test_a_publisher_whose_lease_was_taken_over_cannot_commit(lake: Lake) -> None:
    publish(lake, rows("A"))
    with lake.lease("x") as stale:
        lake.catalog.acquire("x", "other:2:2", expires_at=_later(), dead=lambda _: True)
        with pytest.raises(LeaseLost, match="taken over"):
            lake.publish([Output(KEY, rows("B"))], made_from=(), code=CODE, run="r", lease=stale)
    assert lake.read(KEY).collect()["instrument"].to_list() == ["A"]


def test_the_lease_of_a_process_that_died_is_taken_over_at_once(lake: Lake) -> None:
    pid = os.fork()
    if pid == 0:
        lake.lease("x").__enter__()
        os._exit(0)
    os.waitpid(pid, 0)
    with lake.lease("x") as lease:
        assert lease.token == 2


def test_the_lease_of_a_killed_process_that_nobody_has_reaped_is_taken_over_too(lake: Lake) -> None:
    pid = os.fork()
    if pid == 0:
        lake.lease("x").__enter__()
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with lake.lease("x") as lease:
        assert lease.token == 2
    os.waitpid(pid, 0)


def test_a_lease_that_cannot_be_given_back_undoes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(_: object) -> None:
        raise LakeError("disk full")

    monkeypatch.setattr(lake.catalog, "release", disk_full)
    publish(lake, rows("A"))
    assert lake.read(KEY).collect()["instrument"].to_list() == ["A"]


def test_lineage_walks_down_to_source_objects(lake: Lake) -> None:
    raw_key, bar_key = PartitionKey("instruments", "raw", "all"), PartitionKey("instruments", "bars", "all")
    raw = publish(lake, rows("A"), inputs=(Input("source", "file:///ticks.zip", "f" * 64),), key=raw_key)
    publish(lake, rows("B"), inputs=(Input("object", str(raw_key), raw.sha256),), key=bar_key)
    (node,) = explain(lake.catalog, bar_key).inputs
    assert (node.name, node.sha256, node.inputs[0].name) == (str(raw_key), raw.sha256, "file:///ticks.zip")


def test_equal_frames_give_equal_bytes_whatever_their_chunks(lake: Lake) -> None:
    whole = rows("A", "B", "C")
    pieces = pl.concat([rows("A"), rows("B", "C")], rechunk=False)
    assert publish(lake, whole).sha256 == publish(lake, pieces).sha256


def test_duckdb_reads_the_view_and_sees_only_the_current_object(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, rows("A"))
    publish(lake, rows("A", "B"))
    glob = str(tmp_path / "lake/view/instruments/*/*/data.parquet")
    found = duckdb.sql(
        f"select instrument, venue, date from read_parquet('{glob}', hive_partitioning = true)"
    ).fetchall()
    assert found == [("A", "coinsim", "all"), ("B", "coinsim", "all")]


def test_the_view_can_be_deleted_and_rebuilt(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, rows("A"))
    link = tmp_path / "lake/view/instruments/venue=coinsim/date=all/data.parquet"
    link.unlink()
    stray = tmp_path / "lake/view/instruments/venue=gone/date=all/data.parquet"
    stray.parent.mkdir(parents=True)
    stray.symlink_to("/nonexistent")
    assert lake.view is not None
    assert lake.view.rebuild(lake.catalog) == 1
    assert pl.read_parquet(link).height == 1
    assert not stray.is_symlink()


def test_a_full_disk_is_a_clear_error_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = open_lake(tmp_path)
    publish(lake, rows("A"))

    def no_space(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", no_space)
    with pytest.raises(LakeError, match=r"No space left on device[.] Nothing was published; free space"):
        publish(lake, rows("B"))
    monkeypatch.undo()
    assert lake.read(KEY).collect()["instrument"].to_list() == ["A"]
    assert isinstance(lake.storage, DirectoryStorage)
    assert list((lake.storage.root / ".staging").iterdir()) == []


def test_a_home_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match="could not be opened: Not a directory"):
        open_lake(tmp_path / "file" / "home")


def test_a_view_that_cannot_follow_says_that_the_partition_is_published(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    (tmp_path / "lake" / "view").touch()
    with pytest.raises(LakeError, match="instruments/coinsim/all itself is published"):
        publish(lake, rows("A"))
    assert lake.read(KEY).collect().height == 1
    (tmp_path / "lake" / "view").unlink()
    publish(lake, rows("A"))
    assert (tmp_path / "lake/view/instruments/venue=coinsim/date=all/data.parquet").is_file()


def test_an_object_missing_from_storage_is_named_with_the_way_back(lake: Lake) -> None:
    published = publish(lake, rows("A"))
    lake.storage.delete(object_name(published.sha256))
    with pytest.raises(LakeError, match="tickline restore instruments/coinsim/all"):
        lake.read(KEY)


def _later():

    return datetime.now(UTC) + timedelta(hours=1)
