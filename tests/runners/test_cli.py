"""What every command has in common: help with an example, one JSON object, exit codes, one-line errors."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from runners.cli import app
from tickline.workspace import Workspace

Tickline = Callable[..., Any]
DAY = "2026-03-08"
COMMANDS = sorted(
    f"{name} {below}".strip()
    for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
    for below in getattr(command, "commands", [""])
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_and_shows_an_example(tickline: Tickline, command: str) -> None:
    said = tickline(*command.split(), "--help")
    assert said.code == 0
    assert f"Example: tickline {command}" in re.sub(r"\s+", " ", said.out)
    assert "--json" in said.out


def test_no_command_lists_them(tickline: Tickline) -> None:
    said = tickline()
    for command in COMMANDS:
        assert command.split()[0] in said.out


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("status", 0),
        (f"explain bars_1d/sim/{DAY}", 0),
        ("verify", 0),
        (f"verify --rebuild bars_1m/sim/{DAY}", 0),
        ("scrub", 0),
        ("archive --dry-run", 0),
        ("expire --dry-run", 0),
        ("quarantine show sim trades", 0),
        ("export bars -o OUT.parquet", 0),
        ("backfill --stage bars_1w", 0),
        ("backfill --stage bars_1w --dry-run", 0),
    ],
)
def test_json_is_one_object_and_nothing_else(
    made: Workspace, tickline: Tickline, tmp_path: Path, line: str, code: int
) -> None:
    said = tickline(*line.replace("OUT", str(tmp_path / "out")).split(), "--json")
    assert said.code == code
    assert isinstance(said.json, dict)
    assert said.err == ""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("status --venue nowhere", "no venue 'nowhere'; there are desk, sim"),
        ("export bars --venue nowhere -o out.csv", "no venue 'nowhere'; there are desk, sim"),
        ("quarantine show nowhere", "no venue 'nowhere'; there are desk, sim"),
        ("backfill --venue nowhere", "no venue 'nowhere'; there are desk, sim"),
        ("backfill --stage nothing", "no stage 'nothing' of venue any; there are bars, bars_1m, bars_1w, clean_quotes"),
        ("export nothing -o out.csv", "no dataset 'nothing'; there are "),
        ("export bars --timeframe 7m -o out.csv", "no dataset 'bars_7m'; there are "),
        ("export bars -o out.xlsx", "out.xlsx: the file must end in .csv or .parquet"),
        ("export bars -o nowhere/out.csv", "nowhere/out.csv could not be written: No such file or directory"),
        ("explain bars_1m", "'bars_1m' is not a partition; write dataset/venue/period, such as bars_1m/"),
        ("explain bars_1m/sim/1999-01-01", "bars_1m/sim/1999-01-01 was never published; `tickline status` shows"),
        ("restore bars_1m/sim/1999-01-01", "was never published, so there is nothing to restore"),
        ("verify --rebuild bars_1m/nowhere/2026-03-08", "no venue 'nowhere'; there are desk, sim"),
        ("verify --rebuild bars_7m/sim/2026-03-08", "venue sim has no dataset 'bars_7m'; it has bars_15m"),
        ("verify --rebuild bars_1m/sim/1999-01-01", "was never published, so there is nothing to compare with"),
        ("status --venue [/red]", "no venue '[/red]'; there are desk, sim"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    made: Workspace, tickline: Tickline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = tickline(*line.split())
    assert said.code == 1
    (error,) = said.err.splitlines()
    assert told in error
    assert said.out == ""
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "line",
    [
        "status --from 2026-3-8",
        "backfill --to tomorrow",
        "export bars -o out.csv --from 08.03.2026",
        "quarantine show sim --day 2026-02-30",
        "quarantine show sim candles",
        "export bars",
        "nonsense",
        "status --nonsense",
    ],
)
def test_a_line_that_cannot_be_read_ends_with_2(made: Workspace, tickline: Tickline, line: str) -> None:
    assert tickline(*line.split()).code == 2


def test_a_date_that_is_none_is_named_with_a_right_one(made: Workspace, tickline: Tickline) -> None:
    assert "'2026-3-8' is not a date; write it as 2026-03-06" in tickline("status", "--from", "2026-3-8").err


def test_a_configuration_that_is_not_there_is_named(
    tickline: Tickline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKLINE_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("TICKLINE_HOME", str(tmp_path / "home"))
    said = tickline("status")
    assert said.code == 1
    assert said.err.splitlines() == [f"ConfigError: {tmp_path / 'none' / 'tickline.yaml'}: no such file"]
