"""Rebuilding a partition from what it was made from gives its bytes, or says what changed."""

from dataclasses import replace
from pathlib import Path

import pytest

from tickline.errors import LakeError
from tickline.lake.keys import PartitionKey
from tickline.pipeline.graph import find
from tickline.pipeline.rebuild import rebuild
from tickline.pipeline.stage import Built, Inputs, materialise
from tickline.workspace import Workspace

DAY = "2026-03-08"


def test_every_partition_is_rebuilt_to_the_published_bytes(made: Workspace) -> None:
    results = [
        result
        for stage in made.graph
        for period in (stage.periods[0], stage.periods[-1])
        for result in rebuild(made.lake, stage, period)
    ]
    assert {result.key.dataset for result in results} == {key.dataset for key in made.lake.catalog.everything()}
    assert [str(result.key) for result in results if not result.equal] == []


def test_rebuilding_publishes_nothing(made: Workspace) -> None:
    before = made.lake.catalog.everything()
    files = sorted(path for path in (made.home / "lake").rglob("*"))
    rebuild(made.lake, find(made.graph, "sim", "bars_1m"), DAY)
    assert made.lake.catalog.everything() == before
    assert sorted(path for path in (made.home / "lake").rglob("*")) == files


def test_a_rebuild_reads_the_inputs_of_then(made: Workspace) -> None:
    """Raw was published again with fewer rows; clean of then is still rebuilt from raw of then."""
    raw = find(made.graph, "sim", "raw_trades")

    def fewer(inputs: Inputs, period: str) -> Built:
        built = raw.build(inputs, period)
        return replace(built, frames={"raw_trades": built.frames["raw_trades"].head(10)})

    materialise(made.lake, replace(raw, build=fewer, code="fewer"), DAY, run="r2")
    (clean, *_) = rebuild(made.lake, find(made.graph, "sim", "clean_trades"), DAY)
    assert clean.equal


def test_a_changed_configuration_is_named_where_it_gives_other_bytes(made: Workspace) -> None:
    minutes = find(made.graph, "sim", "bars_1m")
    changed = replace(minutes, config={**minutes.config, "note": "other"}, build=_one_bar_less(minutes.build))
    (result,) = rebuild(made.lake, changed, DAY)
    assert not result.equal
    assert result.why == "sim/bars_1m changed since it was published"


def test_changed_code_is_named_where_it_gives_other_bytes(made: Workspace) -> None:
    minutes = find(made.graph, "sim", "bars_1m")
    (result,) = rebuild(made.lake, replace(minutes, code="other", build=_one_bar_less(minutes.build)), DAY)
    assert result.why == "the code changed since it was published"


def test_other_bytes_from_the_same_inputs_are_called_what_they_are(made: Workspace) -> None:
    minutes = find(made.graph, "sim", "bars_1m")
    (result,) = rebuild(made.lake, replace(minutes, build=_one_bar_less(minutes.build)), DAY)
    assert result.why == "not deterministic"


def test_what_was_never_published_cannot_be_compared(small: Workspace) -> None:
    with pytest.raises(LakeError, match=f"bars_1m/sim/{DAY} was never published"):
        rebuild(small.lake, find(small.graph, "sim", "bars_1m"), DAY)


def test_an_input_that_is_gone_is_named(made: Workspace) -> None:
    key = PartitionKey("clean_trades", "sim", DAY)
    current = made.lake.catalog.current(key)
    assert current is not None
    (path,) = (made.home / "lake" / "objects").rglob(f"*{current.sha256}*")
    Path(path).unlink()
    with pytest.raises(LakeError, match=f"{key}.*`tickline restore {key}` brings an expired one back"):
        rebuild(made.lake, find(made.graph, "sim", "bars_1m"), DAY)


def _one_bar_less(build: object) -> object:
    def less(inputs: Inputs, period: str) -> Built:
        built = build(inputs, period)  # type: ignore[operator]
        return replace(built, frames={name: frame.head(-1) for name, frame in built.frames.items()})

    return less
