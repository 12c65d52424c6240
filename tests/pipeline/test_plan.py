"""What is stale, and why: exactly what a change reaches, no more and no less."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tickline.lake.catalog import utc_now
from tickline.lake.keys import PartitionKey
from tickline.lake.records import ObjectState, Verdict
from tickline.pipeline.graph import find
from tickline.pipeline.plan import State, standing, standings, touches
from tickline.pipeline.stage import materialise
from tickline.workspace import Workspace

DAY = "2026-03-08"
SUITES = {("desk", "clean_trades"): "0"}
Make = Callable[..., list[object]]


def unsettled(here: Workspace) -> dict[str, str]:
    """Every period that is not fresh, and why."""
    found = standings(here.lake, here.graph)
    return {f"{one.stage}/{one.period}": one.why for one in found if one.state is not State.FRESH}


def remake(here: Workspace) -> None:
    """Make what is not fresh, in order."""
    for one in standings(here.lake, here.graph):
        if one.state is not State.FRESH:
            materialise(here.lake, one.stage, one.period, run="again")


def reconfigured(here: Workspace, folder: Path, file: str, old: str, new: str) -> Workspace:
    """The same home under a copy of the configuration in which one text was replaced."""
    shutil.copytree(here.config, folder / "tests" / "universe")
    shutil.copytree(here.config.parents[1] / "config", folder / "config")
    path = folder / "tests" / "universe" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return Workspace(folder / "tests" / "universe", here.home)


def test_what_was_not_made_is_missing(small: Workspace) -> None:
    found = standings(small.lake, small.graph)
    assert {one.state for one in found} == {State.MISSING}
    assert len(found) == sum(len(stage.periods) for stage in small.graph)


def test_what_was_made_is_fresh(made: Workspace) -> None:
    assert unsettled(made) == {}


def test_a_changed_configuration_makes_stale_what_it_decides_and_what_stands_on_it(
    made: Workspace, tmp_path: Path
) -> None:
    changed = reconfigured(made, tmp_path / "c", "venues/desk.yaml", "feeds:", "parameters: {silence_s: 900}\nfeeds:")
    days = ("2026-03-07", "2026-03-08", "2026-03-09")
    assert unsettled(changed) == {
        **{f"desk/clean_trades/{day}": "configuration of desk/clean_trades changed" for day in days},
        **{f"desk/bars_1m/{day}": f"clean_trades/desk/{day} is missing or stale" for day in days},
        **{f"desk/bars/{day}": f"bars_1m/desk/{day} is missing or stale" for day in days},
        "desk/bars_1w/2026-03-02": "bars_1d/desk/2026-03-07 is missing or stale",
        "desk/bars_1w/2026-03-09": "bars_1d/desk/2026-03-09 is missing or stale",
    }
    remake(changed)
    assert unsettled(changed) == {}


def test_changed_code_makes_stale(made: Workspace) -> None:
    stage = replace(find(made.graph, "sim", "bars_1m"), code="other")
    assert (standing(made.lake, stage, DAY).state, standing(made.lake, stage, DAY).why) == (State.STALE, "code changed")


def test_a_lost_object_is_missing_until_it_is_made_again(made: Workspace) -> None:
    key = PartitionKey("bars_1h", "sim", DAY)
    current = made.lake.catalog.current(key)
    assert current is not None
    made.lake.catalog.set_state(current.sha256, ObjectState.LOST)
    assert unsettled(made) == {
        f"sim/bars/{DAY}": f"the object of {key} is lost",
        "sim/bars_1w/2026-03-02": f"bars_1d/sim/{DAY} is missing or stale",
    }
    remake(made)
    assert unsettled(made) == {}


def test_late_rows_make_exactly_what_they_reach_stale(
    small: Workspace, make: Make, drop: Callable[..., object]
) -> None:
    make(small, venue="desk")
    here = Workspace(small.config, small.home)
    graph = [stage for stage in here.graph if stage.venue == "desk"]
    drop(small.home.parent / "drop", DAY, late=5)

    def why() -> dict[str, str]:
        found = standings(here.lake, graph)
        return {f"{one.stage.name}/{one.period}": one.why for one in found if one.state is not State.FRESH}

    # A file may hold rows of the days beside it, so those raw days are looked at again ...
    changed = f"file://{small.home.parent / 'drop' / DAY}.csv changed"
    assert {one: reason for one, reason in why().items() if one.startswith("raw_")} == {
        f"raw_trades/{day}": changed for day in ("2026-03-07", DAY, "2026-03-09")
    }
    for day in ("2026-03-07", DAY, "2026-03-09"):
        materialise(here.lake, find(graph, "desk", "raw_trades"), day, run="again")
    # ... but where their rows are the same, nothing that stands on them is stale.
    assert why() == {
        f"clean_trades/{DAY}": f"raw_trades/desk/{DAY} changed",
        f"bars_1m/{DAY}": f"clean_trades/desk/{DAY} is missing or stale",
        f"bars/{DAY}": f"bars_1m/desk/{DAY} is missing or stale",
        "bars_1w/2026-03-02": f"bars_1d/desk/{DAY} is missing or stale",
    }


@pytest.mark.slow
def test_late_rows_change_the_same_bars_that_making_all_afresh_gives(
    small: Workspace, make: Make, drop: Callable[..., object], tmp_path: Path
) -> None:
    make(small, venue="desk")
    drop(small.home.parent / "drop", DAY, late=5)
    here = Workspace(small.config, small.home)
    for one in standings(here.lake, here.graph):
        if one.stage.venue == "desk" and one.state is not State.FRESH:
            materialise(here.lake, one.stage, one.period, run="again")
    afresh = Workspace(small.config, tmp_path / "afresh")
    make(afresh, venue="desk")
    assert {str(key): one.sha256 for key, one in here.lake.catalog.everything().items()} == {
        str(key): one.sha256 for key, one in afresh.lake.catalog.everything().items()
    }


def test_equal_rows_from_a_file_written_anew_reach_nothing(
    small: Workspace, make: Make, drop: Callable[..., Path]
) -> None:
    make(small, venue="desk")
    path = small.home.parent / "drop" / f"{DAY}.csv"
    path.write_text(path.read_text() + "\n")
    here = Workspace(small.config, small.home)
    graph = [stage for stage in here.graph if stage.venue == "desk"]
    for day in ("2026-03-07", DAY, "2026-03-09"):
        materialise(here.lake, find(graph, "desk", "raw_trades"), day, run="again")
    assert [one for one in standings(here.lake, graph) if one.state is not State.FRESH] == []


def test_what_no_check_has_judged_yet_is_told_apart(small: Workspace, make: Make, drop: Callable[..., object]) -> None:
    make(small, venue="desk", upto="clean_trades")
    clean = find(small.graph, "desk", "clean_trades")
    seen = standing(small.lake, clean, DAY, suites=SUITES)
    assert (seen.state, seen.why) == (State.UNJUDGED, "its checks did not end, or expect something else now")
    assert standing(small.lake, clean, DAY).state is State.FRESH
    current = small.lake.catalog.current(PartitionKey("clean_trades", "desk", DAY))
    assert current is not None
    verdict = Verdict(
        current.key,
        current.sha256,
        "clean_trades",
        "0",
        passed=True,
        severity="ERROR",
        evaluated_at=utc_now(),
        metrics={},
    )
    small.lake.catalog.record_verdicts([verdict])
    assert standing(small.lake, clean, DAY, suites=SUITES).state is State.FRESH
    # A verdict is by what was expected then.
    assert standing(small.lake, clean, DAY, suites={("desk", "clean_trades"): "1"}).state is State.UNJUDGED
    # A verdict is on the very content: other rows are not judged by it.
    drop(small.home.parent / "drop", DAY, late=1)
    materialise(small.lake, find(small.graph, "desk", "raw_trades"), DAY, run="again")
    materialise(small.lake, clean, DAY, run="again")
    assert standing(small.lake, clean, DAY, suites=SUITES).state is State.UNJUDGED


def test_a_file_that_is_gone_leaves_what_the_lake_holds(small: Workspace, make: Make, tmp_path: Path) -> None:
    make(small, venue="desk")
    for path in (small.home.parent / "drop").iterdir():
        path.unlink()
    assert {one for one in unsettled(small) if one.startswith("desk/")} == set()
    raw = replace(find(small.graph, "desk", "raw_trades"), code="other", config={})
    assert standing(small.lake, raw, DAY).state is State.FRESH


def test_a_broken_file_is_the_reason_of_its_days_and_hides_no_other(small: Workspace, make: Make) -> None:
    make(small, venue="desk", upto="raw_trades")
    (small.home.parent / "drop" / "2026-03-07.csv").write_text("")
    why = unsettled(small)
    broken = {one for one, reason in why.items() if "2026-03-07.csv: empty; its delivery was cut short" in reason}
    assert broken == {"desk/raw_trades/2026-03-07", "desk/raw_trades/2026-03-08"}
    assert "desk/raw_trades/2026-03-09" not in why
    assert why["sim/raw_trades/2026-03-07"] == ""


@pytest.mark.parametrize(
    ("period", "first", "last", "expected"),
    [
        ("2026-03-06", "2026-03-06", "2026-03-06", True),
        ("2026-03-06", "2026-03-07", "", False),
        ("2026-03-06", "", "2026-03-05", False),
        ("2026-03-06", "", "", True),
        ("2026", "2026-12-31", "2027-01-01", True),
        ("2026", "2027-01-01", "", False),
        ("all", "2026-03-06", "2026-03-07", True),
    ],
)
def test_a_range_of_dates_holds_a_period(period: str, first: str, last: str, *, expected: bool) -> None:
    assert touches(period, first, last) is expected
