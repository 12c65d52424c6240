"""Commands that look: status, explain, export, quarantine, verify, scrub."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.context import KPI_DATA_QUALITY
from runners.commands.export import write_rows
from tickline.kpi.freshness import built_from, mart_key, record_built
from tickline.lake.keys import PartitionKey
from tickline.lake.records import ObjectState, Verdict
from tickline.workspace import Workspace

pytestmark = pytest.mark.slow

Tickline = Callable[..., Any]
DAY = "2026-03-08"


def object_of(here: Workspace, key: PartitionKey) -> Path:
    """The file of a partition, made writable."""
    publication = here.lake.catalog.current(key)
    assert publication is not None
    (path,) = (here.home / "lake" / "objects").rglob(f"*{publication.sha256}*")
    path.chmod(0o600)
    return Path(path)


def leaves(node: dict[str, Any]) -> set[tuple[str, str]]:
    if not node["inputs"]:
        return {(node["kind"], node["name"])}
    return {leaf for child in node["inputs"] for leaf in leaves(child)}


def test_status_of_a_full_lake_is_all_fresh(made: Workspace, tickline: Tickline) -> None:
    said = tickline("status", "--json")
    assert said.code == 0
    assert said.json["counts"] == {"fresh": sum(len(stage.periods) for stage in made.graph) + 3}
    days = [one["period"] for one in said.json["periods"] if (one["venue"], one["stage"]) == ("all", "marts")]
    assert days == ["2026-03-07", "2026-03-08", "2026-03-09"]
    shown = tickline("status")
    assert shown.code == 0
    assert "sim" in shown.out
    assert "raw_trades     ● ● ●  2026-03-07 .. 2026-03-09" in shown.out


def test_status_of_an_empty_lake_is_1(small: Workspace, tickline: Tickline) -> None:
    said = tickline("status", "--json")
    assert said.code == 1
    assert set(said.json["counts"]) == {"missing"}
    assert tickline("status", "--venue", "sim").code == 1


def test_status_shows_a_range_and_a_venue(made: Workspace, tickline: Tickline) -> None:
    said = tickline("status", "--venue", "desk", "--from", DAY, "--to", DAY, "--json")
    periods = {(one["venue"], one["stage"], one["period"]) for one in said.json["periods"]}
    assert ("desk", "bars_1m", DAY) in periods
    assert {venue for venue, _, _ in periods} == {"desk"}
    assert {period for _, _, period in periods} == {DAY, "2026", "all"}


def test_status_shows_what_is_red_and_what_is_stale(made: Workspace, tickline: Tickline) -> None:
    key = PartitionKey("clean_trades", "sim", DAY)
    current = made.lake.catalog.current(key)
    assert current is not None
    failed = [{"name": "crossed", "success": False}]
    made.lake.catalog.record_verdicts(
        [Verdict(key, current.sha256, "clean_trades", "0", False, "ERROR", datetime.now(UTC), {}, failed)]
    )
    lost = made.lake.catalog.current(PartitionKey("bars_1m", "sim", "2026-03-07"))
    assert lost is not None
    made.lake.catalog.set_state(lost.sha256, ObjectState.LOST)
    said = tickline("status", "--json")
    assert said.code == 1
    assert said.json["failed_checks"] == [
        {"partition": str(key), "suite": "clean_trades", "severity": "ERROR", "failures": ["crossed"]}
    ]
    why = {f"{one['venue']}/{one['stage']}/{one['period']}": one["why"] for one in said.json["periods"]}
    assert why["sim/bars_1m/2026-03-07"] == "the object of bars_1m/sim/2026-03-07 is lost"
    assert why["sim/bars/2026-03-07"] == "bars_1m/sim/2026-03-07 is missing or stale"
    shown = tickline("status").out
    assert "✗" in shown
    assert "crossed" in shown


def test_status_shows_days_of_the_marts_that_are_red_or_stale(made: Workspace, tickline: Tickline) -> None:
    (red, sha256), (stale, _) = sorted(built_from(made.marts).items())[:2]
    failed = [{"name": "unreconciled_rows", "success": False}]
    made.lake.catalog.record_verdicts(
        [Verdict(mart_key(red), sha256, KPI_DATA_QUALITY, "0", False, "ERROR", datetime.now(UTC), {}, failed)]
    )
    record_built(made.marts, {stale: "0" * 64})
    said = tickline("status", "--json")
    assert said.code == 1
    assert [one["partition"] for one in said.json["failed_checks"]] == [str(mart_key(red))]
    assert [one["period"] for one in said.json["periods"] if one["state"] == "stale"] == [stale]
    assert "marts          ✗ ◐ ●" in tickline("status").out
    assert tickline("status", "--venue", "sim").code == 0


def test_a_bar_is_walked_back_to_its_files(made: Workspace, tickline: Tickline, drops: Path) -> None:
    root = tickline("explain", "bars_1w/desk/2026-03-02", "--json").json
    assert (root["kind"], root["name"]) == ("object", "bars_1w/desk/2026-03-02")
    files = {name for kind, name in leaves(root) if kind == "source"}
    assert files == {(drops / f"2026-03-0{day}.csv").as_uri() for day in (7, 8, 9)}
    assert ("config", "desk/clean_trades") in leaves(root)
    shown = tickline("explain", "bars_1d/desk/" + DAY).out
    for name in (f"bars_1d/desk/{DAY}", f"bars_1m/desk/{DAY}", f"clean_trades/desk/{DAY}", f"raw_trades/desk/{DAY}"):
        assert name in shown
    assert "config desk/raw_trades" in shown
    current = made.lake.catalog.current(PartitionKey("bars_1d", "desk", DAY))
    assert current is not None
    assert current.sha256[:16] in shown
    assert current.code[:12] in shown


def test_a_day_of_a_mart_is_walked_back_to_its_files(made: Workspace, tickline: Tickline, drops: Path) -> None:
    root = tickline("explain", f"kpi_rows_daily/all/{DAY}", "--json").json
    built = {child["name"] for child in root["inputs"]}
    assert {f"raw_trades/desk/{DAY}", f"clean_trades/sim/{DAY}", f"bars_1m/sim/{DAY}", "sessions/desk/2026"} <= built
    assert ("source", (drops / f"{DAY}.csv").as_uri()) in leaves(root)
    record_built(made.marts, {DAY: "0" * 64})
    stale = tickline("explain", f"kpi_rows_daily/all/{DAY}")
    assert (stale.code, "built from something else than there is now" in stale.err) == (1, True)
    assert "was never built" in tickline("explain", "kpi_rows_daily/all/1999-01-01").err


def test_bars_are_exported_by_timeframe_instrument_and_range(
    made: Workspace, tickline: Tickline, tmp_path: Path
) -> None:
    out = tmp_path / "bars.parquet"
    said = tickline(*f"export bars --timeframe 1h --instrument BTC-EUR --from {DAY} --to {DAY} -o {out} --json".split())
    assert said.code == 0
    assert said.json == {"dataset": "bars_1h", "rows": 24, "file": str(out)}
    frame = pl.read_parquet(out)
    stored = made.lake.read(PartitionKey("bars_1h", "desk", DAY)).filter(pl.col("instrument") == "BTC-EUR").collect()
    assert frame.equals(stored)


def test_nothing_in_the_range_is_an_empty_file_of_the_same_columns(
    made: Workspace, tickline: Tickline, tmp_path: Path
) -> None:
    out = tmp_path / "none.csv"
    assert tickline(*f"export clean_trades --venue desk --from 2027-01-01 -o {out} --json".split()).json["rows"] == 0
    assert out.read_text().startswith("instrument,ts_event,")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0", "'=1", "\uff1d1"])
def test_csv_text_is_never_a_formula(tmp_path: Path, text: str) -> None:
    out = tmp_path / "out.csv"
    write_rows(pl.DataFrame({"instrument": [text, "BTC-EUR"], "price": [-1.5, 2.0]}), out)
    with out.open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert rows[1] == [f"'{text}", "-1.5"], "text is quoted, a negative number stays one"
    assert rows[2] == ["BTC-EUR", "2.0"]


def test_quarantine_shows_counts_and_rows_that_the_lake_holds(made: Workspace, tickline: Tickline) -> None:
    held = made.lake.read(PartitionKey("quarantine_trades", "sim", DAY)).collect()
    said = tickline("quarantine", "show", "sim", "trades", "--day", DAY, "--json").json
    by_rule: dict[str, int] = {}
    for one in said["counts"]:
        by_rule[one["rule"]] = by_rule.get(one["rule"], 0) + one["rows"]
    assert by_rule == dict(held.group_by("rule").len().iter_rows())
    assert set(by_rule) == {"duplicate", "price_not_positive", "price_off_grid"}
    assert len(said["rows"]) == 20
    one = tickline("quarantine", "show", "sim", "--rule", "duplicate", "--rows", "3", "--json").json
    assert {row["rule"] for row in one["rows"]} == {"duplicate"}
    assert len(one["rows"]) == 3
    shown = tickline("quarantine", "show", "sim", "quotes")
    assert "crossed" in shown.out


def test_verify_finds_the_object_that_rotted_and_changes_nothing(made: Workspace, tickline: Tickline) -> None:
    path = object_of(made, PartitionKey("bars_1m", "sim", DAY))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    for _ in range(2):
        said = tickline("verify", "--json")
        assert said.code == 1
        assert len(said.json["wrong"]) == 1
        assert said.json["wrong"][0] in path.name
    assert "1 not what their name says" in tickline("verify").out


def test_verify_rebuilds_a_partition_and_its_siblings(made: Workspace, tickline: Tickline) -> None:
    said = tickline("verify", "--rebuild", f"clean_trades/sim/{DAY}", "--json")
    assert said.code == 0
    assert {(one["partition"], one["equal"]) for one in said.json["rebuilt"]} == {
        (f"{dataset}_trades/sim/{DAY}", True) for dataset in ("clean", "quarantine", "gaps", "closing")
    }
    assert f"bars_1m/sim/{DAY}: same bytes" in tickline("verify", "--rebuild", f"bars_1m/sim/{DAY}").out


def test_scrub_takes_what_rotted_out_of_use_once(made: Workspace, tickline: Tickline) -> None:
    key = PartitionKey("bars_1m", "sim", DAY)
    object_of(made, key).write_bytes(b"rotten")
    found = tickline("scrub", "--json")
    assert found.code == 1
    assert len(found.json["lost"]) == 1
    assert tickline("scrub", "--json").code == 0
    stale = tickline("status", "--json").json["periods"]
    assert {one["period"] for one in stale if (one["stage"], one["state"]) == ("bars_1m", "missing")} == {DAY}
