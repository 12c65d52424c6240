"""Prediction venues' listings through the lake: raw, cleaned, judged."""

from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from expectations.market_checks import SUITES, judge_markets
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, open_lake
from tickline.pipeline.graph import find, stages
from tickline.pipeline.stage import materialise
from tickline.universe import Universe, load_universe

ROOT = Path(__file__).parents[2]
LISTED = {"predsim_a": ("2026-03-09",), "predsim_b": ("2026-03-07",)}


@cache
def universe() -> Universe:
    return load_universe(ROOT / "config")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Some days of both synthetic prediction venues."""
    made = open_lake(tmp_path_factory.mktemp("lake"))
    graph = stages(universe(), today=date(2026, 3, 11))
    for venue, days in LISTED.items():
        for dataset in ("raw_markets", "clean_markets"):
            for day in days:
                materialise(made, find(graph, venue, dataset), day, run="test")
    return made


@pytest.mark.slow
def test_every_partition_is_green(lake: Lake) -> None:
    for venue, days in LISTED.items():
        published = lake.catalog.currents(PartitionKey(name, venue, day) for name in SUITES for day in days)
        outcomes = judge_markets(lake, universe().venues[venue], published.values())
        assert len(outcomes) == len(SUITES) * len(days)
        assert [(str(key), one.rows) for key, one in outcomes.items() if not one.passed] == []


def test_every_outcome_a_day_lists_is_quoted_or_refused(lake: Lake) -> None:
    for venue, days in LISTED.items():
        for day in days:
            frames = {
                name: lake.dataset(name, venue=venue, first=day, last=day).collect()
                for name in ("raw_markets", "market_quotes", "quarantine_markets")
            }
            raw = frames["raw_markets"].with_row_index("raw_row")
            quoted = raw.join(frames["market_quotes"], on=["market_id", "ts_recv"], how="semi")["raw_row"]
            refused = frames["quarantine_markets"]["raw_row"]
            assert sorted([*quoted, *refused]) == raw["raw_row"].to_list()


def test_a_market_closes_settles_and_is_not_priced_any_more(lake: Lake) -> None:
    markets = lake.dataset("clean_markets", venue="predsim_a").collect()
    (warm,) = markets.filter(pl.col("market_id") == "HIGHNY-26MAR08-B45.5").rows(named=True)
    assert (warm["status"], warm["result"], warm["version"]) == ("settled", "yes", 1)
    looks = [
        lake.dataset(name, venue="predsim_a").filter(pl.col("market_id") == "HIGHNY-26MAR08-B45.5").collect()
        for name in ("market_quotes", "quarantine_markets")
    ]
    hours = [sorted(look["ts_recv"].dt.hour().unique()) for look in looks]
    assert hours == [[0], [6, 12, 18]]  # it closes at 4:59 and settles at 14:00
    assert looks[1]["reason"].unique().sort().to_list() == ["it is closed", "it is settled"]


def test_groups_are_labelled_by_what_the_venue_says(lake: Lake) -> None:
    labels = {
        venue: dict(
            lake.dataset("clean_markets", venue=venue)
            .filter(pl.col("group_kind") == "exclusive")
            .select("event_id", "label")
            .unique()
            .collect()
            .rows()
        )
        for venue in LISTED
    }
    assert labels == {
        "predsim_a": {"FEDDEC-26MAR": "exhaustive", "HIGHNY-26MAR08": "exhaustive"},
        "predsim_b": {"fed-decision-in-march": "unknown"},
    }
