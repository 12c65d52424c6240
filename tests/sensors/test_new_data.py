"""Files that appear or change become runs of exactly the days they touch."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from sqlalchemy import Engine, event

from assets.raw import raw_assets
from sensors import new_data
from sensors.new_data import new_data_sensor
from tickline.lake.storage import file_sha256
from tickline.sources import archives
from tickline.workspace import Workspace

FIRST, SECOND, THIRD = "2026-03-07", "2026-03-08", "2026-03-09"
Make = Callable[..., list[object]]


Look = Callable[..., SensorExecutionData]


@pytest.fixture
def look(evaluate: Callable[..., SensorExecutionData]) -> Look:
    """One look of the sensor at the raw stage of `desk`."""

    def once(here: Workspace, *, cursor: str | None = None, today: date = date(2026, 3, 20)) -> SensorExecutionData:
        raw = [stage for stage in here.graph if stage.venue == "desk" and stage.sources]
        assets = raw_assets(here.graph, here.universe.venues["desk"])
        return evaluate(new_data_sensor(raw, today=lambda: today), cursor, assets)

    return once


def asked(found: SensorExecutionData) -> list[str | None]:
    """The days a look asked for."""
    return [request.partition_key for request in found.run_requests or ()]


@pytest.fixture
def caught_up(small: Workspace, make: Make) -> Workspace:
    """A lake that holds what the drop folder holds."""
    make(small, venue="desk", upto="raw_trades")
    return small


def folder(here: Workspace) -> Path:
    return here.home.parent / "drop"


def test_every_day_there_is_a_file_for_is_asked_for(small: Workspace, look: Look) -> None:
    found = look(small)
    assert asked(found) == [FIRST, SECOND, THIRD]
    assert {tuple(request.asset_selection or ()) for request in found.run_requests or ()} == {
        (dg.AssetKey(["desk", "raw_trades"]),)
    }


def test_nothing_new_is_said_to_be_so(caught_up: Workspace, look: Look) -> None:
    found = look(caught_up)
    assert asked(found) == []
    assert found.skip_message == "every raw partition is made from what its sources hold now"


def test_a_dropped_file_asks_for_the_days_it_touches(
    caught_up: Workspace, look: Look, drop: Callable[..., Path]
) -> None:
    drop(folder(caught_up), FIRST, late=1)
    # A file may hold a few rows of the day after its own; what lies two days off is not looked at.
    assert asked(look(caught_up)) == [FIRST, SECOND]


def test_the_same_content_is_asked_for_under_the_same_key_and_a_lost_cursor_changes_nothing(
    caught_up: Workspace, look: Look, drop: Callable[..., Path]
) -> None:
    drop(folder(caught_up), THIRD, late=1)

    def keys(cursor: str | None) -> list[str | None]:
        return [request.run_key for request in look(caught_up, cursor=cursor).run_requests or ()]

    first = keys(None)
    assert len(set(first)) == 2
    assert keys("lost, or of another day") == first
    drop(folder(caught_up), THIRD, late=2)
    assert not set(keys(None)) & set(first)


def test_a_broken_file_is_named_and_hides_no_other(
    caught_up: Workspace, look: Look, drop: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    drop(folder(caught_up), FIRST, late=1)
    (folder(caught_up) / f"{THIRD}.csv").write_text("")
    assert asked(look(caught_up)) == [FIRST]
    assert f"{THIRD}.csv: empty; its delivery was cut short" in capfd.readouterr().err


def test_a_broken_file_alone_is_the_reason_for_doing_nothing(caught_up: Workspace, look: Look) -> None:
    (folder(caught_up) / f"{THIRD}.csv").write_text("")
    found = look(caught_up)
    assert asked(found) == []
    assert found.skip_message is not None
    assert f"desk/raw_trades/{THIRD}: " in found.skip_message
    assert f"{THIRD}.csv: empty; its delivery was cut short, fetch it again" in found.skip_message


def test_unchanged_files_are_hashed_once_and_the_catalog_is_not_asked_for_every_period(
    caught_up: Workspace, look: Look, drop: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(caught_up)
    hashed: list[str] = []
    statements: list[str] = []
    monkeypatch.setattr(archives, "file_sha256", lambda path: hashed.append(path.name) or file_sha256(path))

    def count(*execution: object) -> None:
        statements.append(str(execution[2]))

    event.listen(Engine, "before_cursor_execute", count)
    try:
        assert asked(look(caught_up)) == []
        assert hashed == []
        assert 0 < sum(statement.startswith("SELECT") for statement in statements) < len((FIRST, SECOND, THIRD))
        drop(folder(caught_up), SECOND, late=1)
        look(caught_up)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert hashed == [f"{SECOND}.csv"]


def test_of_many_days_without_their_file_the_first_are_told(
    caught_up: Workspace, look: Look, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_data, "_MOST_TOLD", 2)
    folder(caught_up).rename(folder(caught_up).with_name("gone"))
    said = str(look(caught_up).skip_message)
    assert [f"desk/raw_trades/{day}: " in said for day in (FIRST, SECOND, THIRD)] == [True, True, False]
    assert said.endswith("; and 1 more")


def test_a_missing_drop_folder_is_named(caught_up: Workspace, look: Look) -> None:
    folder(caught_up).rename(folder(caught_up).with_name("gone"))
    assert f"{folder(caught_up)}: no such folder" in str(look(caught_up).skip_message)


def test_a_day_is_asked_for_once_it_is_over(small: Workspace, look: Look) -> None:
    assert asked(look(small, today=date(2026, 3, 8))) == [FIRST]
    assert asked(look(small, today=date(2026, 3, 9))) == [FIRST, SECOND]


def test_what_was_asked_for_and_made_is_not_asked_for_again(
    caught_up: Workspace, look: Look, make: Make, drop: Callable[..., Path]
) -> None:
    drop(folder(caught_up), FIRST, late=1)
    assert asked(look(caught_up))
    make(caught_up, venue="desk", upto="raw_trades")
    assert asked(look(caught_up)) == []
