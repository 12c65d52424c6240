"""Archive, expire and restore from the command line: said first, done after, undone byte for byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tickline.lake.keys import PartitionKey
from tickline.lake.records import ObjectState
from tickline.workspace import Workspace

pytestmark = pytest.mark.slow

Tickline = Callable[..., Any]
KEY = PartitionKey("raw_trades", "desk", "2026-03-08")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back_again(made: Workspace, tickline: Tickline) -> None:
    objects = made.home / "lake" / "objects"
    before = files(objects)
    everything = [str(key) for key in made.lake.catalog.everything()]
    raw = [str(key) for key in made.lake.catalog.everything(dataset="raw_trades")]

    said = tickline("archive", "--dry-run", "--json").json
    assert said["dry_run"] is True
    assert sorted(said["archived"]) == sorted(everything)
    assert not files(made.home / "archive")

    said = tickline("archive", "--json")
    assert said.code == 0
    assert said.json["failed"] == {}
    assert set(files(made.home / "archive").values()) == set(before.values())
    assert tickline("archive", "--json").json["archived"] == []

    said = tickline("expire", "--dry-run", "--json").json
    assert said["expired"] == raw, "only what the policy names"
    assert files(objects) == before
    assert tickline("expire", "--json").json["expired"] == raw
    assert len(files(objects)) < len(before)
    assert {one.state for one in made.lake.catalog.everything(dataset="raw_trades").values()} == {ObjectState.EXPIRED}
    # What was made from it stands.
    assert tickline("status").code == 0

    assert tickline("verify", "--rebuild", "clean_trades/desk/2026-03-08").code == 1
    for name in raw:
        assert tickline("restore", name).code == 0
    assert files(objects) == before
    assert tickline("verify", "--rebuild", "clean_trades/desk/2026-03-08").code == 0


def test_nothing_expires_before_it_was_archived(made: Workspace, tickline: Tickline) -> None:
    assert tickline("expire", "--json").json["expired"] == []
    assert made.lake.catalog.currents([KEY])[KEY].state is ObjectState.PRESENT


def test_what_was_never_archived_cannot_be_restored(made: Workspace, tickline: Tickline) -> None:
    said = tickline("restore", str(KEY), "--json")
    assert said.code == 1
    assert said.json["restored"] == []
    assert said.json["bytes"] == 0
    assert "has no verified copy in " in said.json["failed"][str(KEY)]


def test_a_copy_that_rotted_keeps_the_original(made: Workspace, tickline: Tickline) -> None:
    tickline("archive", "--json")
    sha256 = made.lake.catalog.currents([KEY])[KEY].sha256
    (copy,) = (made.home / "archive").rglob(f"*{sha256}*")
    copy.chmod(0o600)
    copy.write_bytes(b"rotten")
    said = tickline("expire", "--json")
    assert said.code == 1
    assert set(said.json["failed"]) == {str(KEY)}
    assert "reads back as other bytes" in said.json["failed"][str(KEY)]
    assert made.lake.catalog.currents([KEY])[KEY].state is ObjectState.PRESENT
    assert len(said.json["expired"]) == len(made.lake.catalog.everything(dataset="raw_trades")) - 1
