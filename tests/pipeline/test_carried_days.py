"""Days of an order book that is snapshotted once: each goes on from the day before, wherever the lake has that."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from orchestration.instance import embedded_instance
from runners.commands.backfill import Choice, backfill, holes_in
from tickline.lake.keys import PartitionKey
from tickline.lake.lineage import explain
from tickline.lake.records import Verdict
from tickline.pipeline.graph import find
from tickline.pipeline.plan import State, standing, standings
from tickline.pipeline.rebuild import rebuild
from tickline.pipeline.stage import Stage, materialise
from tickline.workspace import Workspace

FIRST, SECOND, THIRD = DAYS = ("2026-03-07", "2026-03-08", "2026-03-09")
VENUE = """
name: diffs
kind: crypto
calendar: always
start: 2026-03-07
end: 2026-03-09
instruments:
  - {name: BTC-EUR, kind: spot, base: BTC, quote: EUR, tick_size: "1", lot_size: "1"}
feeds:
  book:
    kind: table
    files: ${TICKLINE_REAL_DATA}/{date}.csv
    format: csv
    times: {ts_event: {from: t, unit: ms}}
    columns:
      instrument: {constant: BTC-EUR}
      kind: {from: kind}
      side: {from: side}
      price: {from: px}
      size: {from: qty}
      first_seq: {from: id}
      last_seq: {from: id}
"""
SNAPSHOT = [(0, "snapshot", "bid", 99, 1, 10), (0, "snapshot", "ask", 101, 1, 10)]
BOOK = {
    FIRST: [*SNAPSHOT, (1, "delta", "bid", 98, 2, 11)],
    SECOND: [(0, "delta", "bid", 98, 3, 12), (1, "delta", "ask", 102, 1, 13)],
    THIRD: [(0, "delta", "ask", 101, 4, 14), (1, "delta", "bid", 102, 1, 15)],
}
Level = tuple[int, str, str, int, int, int]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A venue of one order book over three days, of which only the first brings a snapshot."""
    root = Path(__file__).parents[2]
    shutil.copytree(root / "tests" / "universe", tmp_path / "tests" / "universe")
    shutil.copytree(root / "config", tmp_path / "config")
    for other in (tmp_path / "tests" / "universe" / "venues").iterdir():
        other.unlink()
    (tmp_path / "tests" / "universe" / "venues" / "diffs.yaml").write_text(VENUE)
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(tmp_path))
    monkeypatch.setenv("TICKLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TICKLINE_CONFIG", str(tmp_path / "tests" / "universe"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    for day, levels in BOOK.items():
        deliver(tmp_path, day, levels)
    workspace = Workspace(tmp_path / "tests" / "universe", tmp_path / "home")
    workspace.universe  # noqa: B018 - read now, while the environment names its folder
    return workspace


def deliver(folder: Path, day: str, levels: Iterable[Level]) -> None:
    """Write the file of a day: levels at some seconds after noon."""
    noon = int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp())
    rows = [f"{(noon + at) * 1000},{kind},{side},{px},{qty},{seq}" for at, kind, side, px, qty, seq in levels]
    (folder / f"{day}.csv").write_text("\n".join(["t,kind,side,px,qty,id", *rows]) + "\n")


def clean_book(here: Workspace) -> Stage:
    return find(here.graph, "diffs", "clean_book")


def make(here: Workspace, *days: str) -> None:
    """Make the clean book of some days, in this order, and what all days are made from."""
    for stage in here.graph[: here.graph.index(clean_book(here))]:
        for period in stage.periods:
            materialise(here.lake, stage, period, run="test")
    for day in days:
        materialise(here.lake, clean_book(here), day, run="test")


def rows(here: Workspace, dataset: str, day: str) -> int:
    return here.lake.read(PartitionKey(dataset, "diffs", day)).collect().height


def states(here: Workspace) -> dict[str, State]:
    return {one.period: one.state for one in standings(here.lake, here.graph) if one.stage.name == "clean_book"}


def test_days_without_a_snapshot_are_clean_where_the_day_before_is_there(here: Workspace) -> None:
    make(here, *DAYS)

    assert [rows(here, "clean_book", day) for day in DAYS] == [3, 2, 1]
    refused = here.lake.read(PartitionKey("quarantine_book", "diffs", THIRD)).collect()
    assert refused["rule"].to_list() == ["book_crossed"]
    closing = here.lake.read(PartitionKey("closing_book", "diffs", THIRD)).collect()
    assert closing.select("side", "price", "size", "seq_last").rows() == [
        ("ask", 101.0, 4.0, 15),
        ("ask", 102.0, 1.0, 15),
        ("bid", 98.0, 3.0, 15),
        ("bid", 99.0, 1.0, 15),
    ]
    assert set(states(here).values()) == {State.FRESH}


def test_what_the_day_before_left_is_in_the_lineage_and_the_day_comes_out_again_to_the_byte(here: Workspace) -> None:
    make(here, *DAYS)
    current = here.lake.catalog.current(PartitionKey("clean_book", "diffs", SECOND))
    assert current is not None

    made_from = [one.name for one in here.lake.catalog.inputs_of(current) if one.kind == "object"]
    assert made_from == [f"closing_book/diffs/{FIRST}", f"raw_book/diffs/{SECOND}", "sessions/diffs/2026"]
    assert all(one.equal for day in DAYS for one in rebuild(here.lake, clean_book(here), day))
    walked = explain(here.lake.catalog, PartitionKey("clean_book", "diffs", THIRD))
    (left,) = [one for one in walked.inputs if one.name == f"closing_book/diffs/{SECOND}"]
    assert (left.rows, left.inputs) == (4, ())


def test_a_day_without_the_day_before_begins_with_a_snapshot_until_that_appears(here: Workspace) -> None:
    make(here, SECOND)
    assert rows(here, "clean_book", SECOND) == 0
    assert states(here) == {FIRST: State.MISSING, SECOND: State.FRESH, THIRD: State.MISSING}

    materialise(here.lake, clean_book(here), FIRST, run="test")
    found = standing(here.lake, clean_book(here), SECOND)
    assert (found.state, found.why) == (State.STALE, f"closing_book/diffs/{FIRST} is new")
    materialise(here.lake, clean_book(here), SECOND, run="test")
    assert rows(here, "clean_book", SECOND) == 2


def test_a_late_level_reaches_the_next_day_only_where_it_changes_what_a_day_leaves(here: Workspace) -> None:
    make(here, *DAYS)
    folder = here.home.parent
    passing = [*SNAPSHOT, (0, "delta", "bid", 98, 7, 11), (1, "delta", "bid", 98, 2, 11)]
    lasting = [*SNAPSHOT, (0, "delta", "bid", 97, 7, 11), (1, "delta", "bid", 98, 2, 11)]

    for levels, expected in ((passing, State.FRESH), (lasting, State.STALE)):
        deliver(folder, FIRST, levels)
        for dataset in ("raw_book", "clean_book"):
            materialise(here.lake, find(here.graph, "diffs", dataset), FIRST, run="late")
        assert standing(here.lake, clean_book(here), SECOND).state is expected
        assert standing(here.lake, clean_book(here), THIRD).state is State.FRESH


def test_a_day_that_failed_its_checks_does_not_stop_the_next(here: Workspace) -> None:
    make(here, FIRST)
    key = PartitionKey("clean_book", "diffs", FIRST)
    current = here.lake.catalog.current(key)
    assert current is not None
    here.lake.catalog.record_verdicts(
        [
            Verdict(
                key,
                current.sha256,
                "clean_book",
                "0" * 64,
                passed=False,
                severity="ERROR",
                evaluated_at=datetime.now(UTC),
                metrics={},
            )
        ]
    )

    materialise(here.lake, clean_book(here), SECOND, run="test")

    assert rows(here, "clean_book", SECOND) == 2


def test_a_range_does_not_reach_back_to_the_day_before(here: Workspace) -> None:
    picked = {f"{one.stage}/{one.period}" for one in holes_in(here, Choice(THIRD, THIRD)).standings}

    assert picked == {
        "diffs/instruments/all",
        "diffs/sessions/2026",
        f"diffs/raw_book/{THIRD}",
        f"diffs/clean_book/{THIRD}",
    }


@pytest.mark.slow
@pytest.mark.parametrize("venue", ["binance", "binance_usdm"])
def test_the_recorded_seconds_after_midnight_go_on_from_the_recorded_day(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, venue: str
) -> None:
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(real_data))
    shutil.copytree(Path(__file__).parents[2] / "config", tmp_path / "config")
    declared = tmp_path / "config" / "real" / "venues" / f"{venue}.yaml"
    declared.write_text(declared.read_text().replace("end: 2024-08-08", "end: 2024-08-09"))
    here = Workspace(tmp_path / "config" / "real", tmp_path / "home")
    for name in ("sessions", "raw_book", "clean_book"):
        stage = find(here.graph, venue, name)
        for period in stage.periods:
            materialise(here.lake, stage, period, run="test")

    second = PartitionKey("clean_book", venue, "2024-08-09")
    raw = here.lake.read(replace(second, dataset="raw_book")).collect()
    clean = here.lake.read(second).collect()
    assert set(raw["kind"]) == {"delta"}
    assert clean.height == raw.height > 50
    assert here.lake.read(replace(second, dataset="gaps_book")).collect().filter(kind="book").is_empty()


@pytest.mark.slow
def test_a_backfill_follows_what_a_changed_day_leaves_to_the_end(here: Workspace) -> None:
    def backfilled() -> int:
        with pytest.raises(typer.Exit) as ended:
            backfill(json=True)
        return ended.value.exit_code

    def runs() -> int:
        with embedded_instance(here.home) as instance:
            return instance.get_runs_count()

    assert backfilled() == 0
    before = runs()
    assert [rows(here, "clean_book", day) for day in DAYS] == [3, 2, 1]

    deliver(here.home.parent, FIRST, [*SNAPSHOT, (0, "delta", "bid", 97, 7, 11), (1, "delta", "bid", 98, 2, 11)])
    assert backfilled() == 0
    assert states(here) == dict.fromkeys(DAYS, State.FRESH)
    assert runs() - before == 2, "one for the days, as far as the change reaches, and one for their marts"
    closing = here.lake.read(PartitionKey("closing_book", "diffs", THIRD)).collect()
    assert 97.0 in closing["price"].to_list()
