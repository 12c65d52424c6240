"""Backfill from the command line: what it chooses, what one failure costs, and that stopping it costs nothing."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import filter_runs_to_should_retry

from orchestration.filling import fills
from orchestration.instance import embedded_instance
from runners.commands.backfill import Choice, holes_in
from tickline.lake.records import ObjectState
from tickline.pipeline.plan import standings
from tickline.workspace import Workspace

pytestmark = pytest.mark.slow

Tickline = Callable[..., Any]
Make = Callable[..., list[object]]
CONFIG = Path(__file__).parents[2] / "config"
FIRST, SECOND, THIRD = "2026-03-07", "2026-03-08", "2026-03-09"


def chosen(here: Workspace, choice: Choice) -> set[str]:
    return {f"{one.stage}/{one.period}" for one in holes_in(here, choice).standings}


def sha256s(here: Workspace, **of: str) -> dict[str, str]:
    return {str(key): one.sha256 for key, one in here.lake.catalog.everything(**of).items()}  # type: ignore[arg-type]


def test_a_range_of_an_fx_venue_brings_the_evening_before_and_no_day_after(tmp_path: Path) -> None:
    here = Workspace(CONFIG, tmp_path)
    picked = chosen(here, Choice("2026-03-09", "2026-03-09", "fxsim"))
    assert picked == {
        "fxsim/instruments/all",
        "fxsim/sessions/2026",
        "fxsim/raw_quotes/2026-03-08",
        "fxsim/raw_quotes/2026-03-09",
        "fxsim/clean_quotes/2026-03-08",
        "fxsim/clean_quotes/2026-03-09",
        "fxsim/bars_1m/2026-03-09",
        "fxsim/bars/2026-03-09",
    }


def test_a_week_is_made_where_all_its_days_are_in_the_range(small: Workspace) -> None:
    assert "sim/bars_1w/2026-03-02" not in chosen(small, Choice(SECOND, SECOND, "sim"))
    assert "sim/bars_1w/2026-03-02" in chosen(small, Choice(FIRST, SECOND, "sim"))


def test_a_week_is_made_where_its_days_are_there(made: Workspace) -> None:
    for publication in made.lake.catalog.everything(dataset="bars_1w", venue="sim").values():
        made.lake.catalog.set_state(publication.sha256, ObjectState.LOST)
    assert chosen(made, Choice(SECOND, SECOND, "sim")) == {"sim/bars_1w/2026-03-02"}


def test_any_holes_of_stages_with_the_same_days_are_one_run(made: Workspace) -> None:
    found = standings(made.lake, made.graph)
    daily = [one for one in found if one.stage.name in ("raw_trades", "clean_trades") and one.period != SECOND]
    missing = [type(one)(one.stage, one.period, one.state.MISSING) for one in daily]
    (run,) = fills(missing)
    assert run.span == (FIRST, THIRD)
    assert {key.path[0] for keys in run.steps.values() for key in keys} == {"sim", "desk"}
    assert fills(found) == []


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(small: Workspace, tickline: Tickline) -> None:
    said = tickline("backfill", "--venue", "desk", "--stage", "raw_trades", "--dry-run", "--json")
    assert said.code == 0
    assert said.json == {
        "made": 0,
        "left": [f"desk/raw_trades/{day} missing" for day in (FIRST, SECOND, THIRD)],
        "failed": [],
    }
    assert small.lake.catalog.everything() == {}
    assert f"desk/raw_trades/{SECOND} missing" in tickline("backfill", "--stage", "raw_trades", "--dry-run").out


def test_stages_are_made_once_and_then_there_is_nothing_to_do(small: Workspace, tickline: Tickline) -> None:
    said = tickline("backfill", "--venue", "desk", "--stage", "raw_trades", "--json")
    assert (said.code, said.json) == (0, {"made": 3, "left": [], "failed": []})
    again = tickline("backfill", "--venue", "desk", "--stage", "raw_trades")
    assert again.code == 0
    assert "nothing to do: everything is there and fresh" in again.out


def test_a_broken_file_fails_its_days_by_name_and_only_those(
    small: Workspace, tickline: Tickline, drop: Callable[..., Path]
) -> None:
    folder = small.home.parent / "drop"
    (folder / f"{THIRD}.csv").write_bytes(b"t,pair\x00\xff\n")
    said = tickline("backfill", "--stage", "raw_trades", "--json")
    assert said.code == 1
    assert said.json["made"] == 4, "three days of sim, and the first of desk"
    assert {line.split()[0] for line in said.json["left"]} == {f"desk/raw_trades/{day}" for day in (SECOND, THIRD)}
    (failure,) = said.json["failed"]
    assert f"{THIRD}.csv" in failure
    assert "2 of 3 periods of desk/raw_trades failed, the others are published" in failure

    drop(folder, THIRD)
    mended = tickline("backfill", "--stage", "raw_trades", "--json")
    assert (mended.code, mended.json) == (0, {"made": 2, "left": [], "failed": []})


def test_a_run_that_failed_here_is_not_taken_up_by_the_daemon(small: Workspace, tickline: Tickline) -> None:
    (small.home.parent / "drop" / f"{THIRD}.csv").write_bytes(b"t,pair\x00\xff\n")
    tickline("backfill", "--venue", "desk", "--stage", "raw_trades", "--json")
    with embedded_instance(small.home) as instance:
        assert instance.run_retries_enabled
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.FAILURE
        assert list(filter_runs_to_should_retry([run], instance)) == []


def test_what_was_made_but_never_judged_is_judged(small: Workspace, make: Make, tickline: Tickline) -> None:
    make(small, venue="desk", upto="raw_trades")
    before = sha256s(small)
    assert tickline("status", "--venue", "desk", "--json").json["counts"]["unjudged"] == 5
    said = tickline("backfill", "--venue", "desk", "--stage", "raw_trades", "--json")
    assert (said.code, said.json["made"]) == (0, 3)
    assert sha256s(small) == before
    verdicts = small.lake.catalog.verdicts_on(small.lake.catalog.everything(dataset="raw_trades").values())
    assert [verdict.passed for verdict in verdicts] == [True, True, True]


@pytest.mark.slow
def test_interrupted_and_run_again_it_gives_what_an_uninterrupted_one_gives(
    small: Workspace, make: Make, tmp_path: Path
) -> None:
    root = tmp_path / "long"
    shutil.copytree(small.config, root / "tests" / "universe")
    shutil.copytree(CONFIG, root / "config")
    venue = root / "tests" / "universe" / "venues" / "sim.yaml"
    venue.write_text(venue.read_text().replace("start: 2026-03-07", "start: 2025-11-01"))
    (venue.parent / "desk.yaml").unlink()
    here = Workspace(root / "tests" / "universe", small.home)
    environment = os.environ | {"TICKLINE_CONFIG": str(here.config)}
    command = [Path(sys.executable).parent / "tickline", "backfill", "--stage", "raw_trades", "--json"]

    def there() -> int:
        with closing(sqlite3.connect(f"file:{here.home / 'catalog.db'}?mode=ro", uri=True)) as catalog:
            (count,) = catalog.execute("select count(*) from partition").fetchone()
        return int(count)

    here.lake  # noqa: B018 - the catalog is there before it is looked at
    with subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True) as running:
        while there() < 20 and running.poll() is None:
            time.sleep(0.002)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=120)
    assert running.returncode not in (0, None), "it was stopped"
    assert "Traceback" not in err
    days = next(stage for stage in here.graph if stage.name == "raw_trades").periods
    stopped_at = there()
    assert 0 < stopped_at < len(days)

    resumed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert json.loads(resumed.stdout)["left"] == []
    afresh = Workspace(here.config, tmp_path / "afresh")
    make(afresh, upto="raw_trades")
    made = sha256s(here, dataset="raw_trades")
    assert made == sha256s(afresh, dataset="raw_trades")
    verdicts = here.lake.catalog.verdicts_on(here.lake.catalog.everything(dataset="raw_trades").values())
    assert len(verdicts) == len(days) == len(made)
    assert all(verdict.passed for verdict in verdicts)
