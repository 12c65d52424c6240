"""Published partitions are judged against what the lake holds beside them, and the verdicts are in its catalog."""

from pathlib import Path

import polars as pl
import pytest

from expectations.checks import judge_partitions, judged_by
from expectations.suites import SUITES
from tickline.lake.catalog import Catalog
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output
from tickline.lake.records import Publication
from tickline.lake.storage import DirectoryStorage
from tickline.reference.models import Floors, Venue

VENUE = Venue.model_validate(
    {
        "name": "v",
        "kind": "equity",
        "calendar": "ny",
        "start": "2026-03-09",
        "feeds": {"trades": {"kind": "synthetic"}},
        "instruments": [{"name": "A", "kind": "equity", "quote": "USD", "tick_size": "0.01", "lot_size": "1"}],
    }
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(DirectoryStorage(tmp_path / "objects"), Catalog(f"sqlite:///{tmp_path / 'catalog.db'}"))


def publish(lake: Lake, world, *datasets: str, **frames: pl.DataFrame) -> list[Publication]:
    outputs = []
    for dataset in datasets:
        facts = {"counts": {"duplicate": 0}} if dataset.startswith("clean_") else {}
        rows = frames.get(dataset, world.rows(dataset))
        outputs.append(Output(world.key(dataset), rows, facts))
    with lake.lease("test") as lease:
        return lake.publish(outputs, made_from=[], code="0" * 64, run="test", lease=lease)


def test_verdicts_are_recorded_for_the_object_that_was_judged(lake, world):
    publish(lake, world, "sessions", "instruments")
    published = publish(
        lake,
        world,
        "raw_trades",
        "clean_trades",
        "quarantine_trades",
        quarantine_trades=world.rows("quarantine_trades").clear(),
    )

    outcomes = judge_partitions(lake, VENUE, published)

    assert {key.dataset: outcome.passed for key, outcome in outcomes.items()} == {
        "raw_trades": True,
        "clean_trades": True,
        "quarantine_trades": True,
    }
    for publication in published:
        (verdict,) = lake.catalog.verdicts_on([publication])
        assert (verdict.sha256, verdict.passed) == (publication.sha256, True)
        assert verdict.suite_hash == judged_by([VENUE])[VENUE.name, publication.key.dataset]
        assert verdict.metrics["rows"] == publication.rows
        assert {result["name"] for result in verdict.results} == {
            each.name for each in SUITES[publication.key.dataset].expectations
        }


def test_what_a_verdict_is_judged_by_changes_with_the_bounds_its_venue_sets_and_with_nothing_else():
    asked = [
        VENUE,
        VENUE.model_copy(update={"floors": Floors(rows=2)}),
        VENUE.model_copy(update={"floors": Floors(coverage=0.5)}),
        VENUE.model_copy(update={"parameters": {"max_cross_bps": 3.0}}),
        VENUE.model_copy(update={"conditions": "sip"}),
    ]
    assert len({judged_by([venue])[venue.name, "clean_trades"] for venue in asked}) == len(asked)
    described = VENUE.model_copy(update={"description": "another"})
    assert judged_by([described]) == judged_by([VENUE])


def test_rows_that_vanished_between_raw_and_clean_are_an_error(lake, world):
    publish(lake, world, "sessions", "instruments")
    published = publish(
        lake, world, "raw_trades", "clean_trades", "quarantine_trades",
        clean_trades=world.rows("clean_trades")[1:], quarantine_trades=world.rows("quarantine_trades").clear(),
    )  # fmt: skip

    outcome = judge_partitions(lake, VENUE, published)[world.key("clean_trades")]

    assert [result.name for result in outcome.results if not result.success] == ["unreconciled", "clean_ratio_short"]
    assert outcome.severity == "ERROR"


def test_a_clean_partition_whose_raw_one_is_not_there_is_red(lake, world):
    publish(lake, world, "sessions", "instruments")
    published = publish(lake, world, "clean_trades")

    assert not judge_partitions(lake, VENUE, published)[world.key("clean_trades")].passed


def test_an_empty_day_is_red_before_anyone_knows_the_sessions(lake, world):
    published = publish(lake, world, "raw_trades", raw_trades=world.rows("raw_trades").clear())

    assert not judge_partitions(lake, VENUE, published)[PartitionKey("raw_trades", "v", "2026-03-09")].passed


def test_what_has_no_suite_is_not_judged(lake, world):
    assert judge_partitions(lake, VENUE, []) == {}
