"""A mapping as a stage: from two venues' markets and what people decided, day by day, never ahead of a decision."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.mapping_checks import SUITES, judge_mapping, mapped_by, measures_of_mapping
from tests.markets.pairs import market
from tickline.errors import SourceError
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output, open_lake
from tickline.lake.market_schemas import CLEAN_MARKETS, MAPPING_DRIFT, MAPPINGS, MARKET_QUOTES
from tickline.markets.model import MarketKey, Relation
from tickline.markets.review import Ruling, RulingVerdict, append, in_force, load
from tickline.markets.spec import MappingSpec
from tickline.pipeline.mapping import mapping_stage
from tickline.pipeline.plan import State, standings
from tickline.pipeline.rebuild import rebuild
from tickline.pipeline.stage import Stage, materialise
from tickline.reference.models import Venue

pytestmark = pytest.mark.slow

DAYS = (date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9))
SPEC = MappingSpec(name="pair", left="a", right="b")
TITLES = {
    ("a", "CUT"): "Will the Fed cut rates at its March 2026 meeting?",
    ("b", "cut"): "Will the Fed cut rates at its March 2026 meeting?",
    ("a", "T80"): "Bitcoin above $80,000 on March 31, 2026?",
    ("a", "T75"): "Bitcoin above $75,000 on March 31, 2026?",
    ("b", "rain"): "Will it rain in Lisbon on March 12, 2026?",
}


def venue(name: str) -> Venue:
    instrument = {"name": "CUT", "kind": "outcome", "quote": "USD", "tick_size": "0.01", "lot_size": "1"}
    said = {"name": name, "kind": "prediction", "calendar": "always", "start": DAYS[0], "feeds": {}}
    return Venue.model_validate(said | {"instruments": [instrument]})


def at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def markets_of(name: str, day: date, changes: dict[str, dict[str, Any]]) -> pl.DataFrame:
    rows = []
    for (of, market_id), title in TITLES.items():
        if of == name:
            strike = {"strike_op": "gt", "strike_low": float(title[15:21].replace(",", ""))} if "$" in title else {}
            times = {"ts_first": at(day, 0), "ts_last": at(day, 18), "ts_close": at(date(2026, 3, 31), 0)}
            rows.append(market(of, market_id, title=title, **strike, **times) | changes.get(market_id, {}))
    frame = pl.DataFrame(rows, schema={"venue": pl.String()} | CLEAN_MARKETS.columns, orient="row")
    return frame.drop("venue").sort(CLEAN_MARKETS.sort)


def quotes_of(name: str, day: date) -> pl.DataFrame:
    rows = [
        dict.fromkeys(MARKET_QUOTES.columns)
        | {"market_id": market_id, "ts_recv": at(day, hour), "yes_bid": 0.30, "yes_ask": 0.32, "raw_row": hour}
        for of, market_id in TITLES
        if of == name
        for hour in (0, 6, 12, 18)
    ]
    return pl.DataFrame(rows, schema=MARKET_QUOTES.columns).sort(MARKET_QUOTES.sort)


def publish(lake: Lake, name: str, day: date, changes: dict[str, dict[str, Any]] | None = None) -> None:
    outputs = [
        Output(PartitionKey.daily("clean_markets", name, day), markets_of(name, day, changes or {}), {}),
        Output(PartitionKey.daily("market_quotes", name, day), quotes_of(name, day), {}),
    ]
    with lake.lease(f"{name}/{day}") as lease:
        lake.publish(outputs, made_from=[], code="test", run="test", lease=lease)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path / "home")
    for day in DAYS:
        for name in "ab":
            publish(opened, name, day)
    yield opened
    opened.catalog.close()


@pytest.fixture
def decisions(tmp_path: Path) -> Path:
    return tmp_path / "pair.decisions.jsonl"


def stage_of(decisions: Path) -> Stage:
    return mapping_stage(SPEC, venue("a"), venue("b"), DAYS, decisions)


def make(lake: Lake, decisions: Path) -> None:
    stage = stage_of(decisions)
    for period in stage.periods:
        materialise(lake, stage, period, run="test")


def pairs(lake: Lake, day: date) -> dict[str, dict[str, Any]]:
    rows = lake.read(PartitionKey.daily("mapping", "pair", day)).collect().to_dicts()
    return {f"{row['left_market']}-{row['right_market']}": row for row in rows}


def approval(row: dict[str, Any], when: datetime, **changes: Any) -> Ruling:
    said: dict[str, Any] = {
        "pair_id": row["pair_id"],
        "left": MarketKey(row["left_venue"], row["left_market"]),
        "right": MarketKey(row["right_venue"], row["right_market"]),
        "verdict": RulingVerdict.APPROVED,
        "relation": Relation(row["relation"]),
        "subset_side": row["subset_side"],
        "by": "ada",
        "reason": "read both",
        "at": when,
        "left_terms": row["left_terms"],
        "right_terms": row["right_terms"],
    }
    return Ruling(**said | changes)


def test_pairs_and_rules_are_found_and_wait(lake: Lake, decisions: Path) -> None:
    make(lake, decisions)
    found = pairs(lake, DAYS[0])
    assert found["CUT-cut"]["relation"] == "equivalent"
    assert [found["T75-T80"][name] for name in ("relation", "subset_side")] == ["subset", "right"]
    assert not any(row["is_tradable"] for row in found.values())
    for name, schema in MAPPINGS.items():
        frame = lake.read(PartitionKey.daily(name, "pair", DAYS[0])).collect()
        assert dict(frame.schema) == schema.columns


def test_a_decision_counts_from_its_day_on_and_leaves_earlier_days_fresh(lake: Lake, decisions: Path) -> None:
    make(lake, decisions)
    append(decisions, approval(pairs(lake, DAYS[0])["CUT-cut"], at(DAYS[1], 9)))
    states = {one.period: one.state for one in standings(lake, [stage_of(decisions)])}
    assert states == {"2026-03-07": State.FRESH, "2026-03-08": State.STALE, "2026-03-09": State.STALE}
    make(lake, decisions)
    assert [pairs(lake, day)["CUT-cut"]["is_tradable"] for day in DAYS] == [False, True, True]
    assert {one.state for one in standings(lake, [stage_of(decisions)])} == {State.FRESH}


def test_decisions_that_were_taken_away_make_the_days_stale(lake: Lake, decisions: Path) -> None:
    make(lake, decisions)
    append(decisions, approval(pairs(lake, DAYS[0])["CUT-cut"], at(DAYS[0], 9)))
    make(lake, decisions)
    decisions.unlink()
    assert {one.state for one in standings(lake, [stage_of(decisions)])} == {State.STALE}


def test_a_damaged_decision_file_stops_the_stage_and_its_standing_says_so(lake: Lake, decisions: Path) -> None:
    make(lake, decisions)
    append(decisions, approval(pairs(lake, DAYS[0])["CUT-cut"], at(DAYS[0], 9)))
    decisions.write_bytes(decisions.read_bytes().replace(b"read both", b"read none"))
    with pytest.raises(SourceError, match=r"pair.decisions.jsonl:1: not what was said"):
        make(lake, decisions)
    (first, *_) = standings(lake, [stage_of(decisions)])
    assert (first.state, "pair.decisions.jsonl:1" in first.why) == (State.STALE, True)


def test_changed_rules_take_a_pair_back(lake: Lake, decisions: Path) -> None:
    make(lake, decisions)
    append(decisions, approval(pairs(lake, DAYS[0])["CUT-cut"], at(DAYS[0], 9)))
    publish(lake, "b", DAYS[2], {"cut": {"rules": "It resolves by another source.", "terms_sha256": "b/cut/2"}})
    make(lake, decisions)
    assert [pairs(lake, day)["CUT-cut"]["is_tradable"] for day in DAYS] == [True, True, False]
    drift = lake.read(PartitionKey.daily("mapping_drift", "pair", DAYS[2])).collect()
    assert set(drift.filter(market_id="cut", severity="block")["field"]) == {"rules", "terms_sha256"}


def test_a_day_is_rebuilt_to_the_same_bytes(lake: Lake, decisions: Path) -> None:
    make(lake, decisions)
    append(decisions, approval(pairs(lake, DAYS[0])["CUT-cut"], at(DAYS[0], 9)))
    make(lake, decisions)
    stage = stage_of(decisions)
    assert all(one.equal for period in stage.periods for one in rebuild(lake, stage, period))


def test_what_the_stage_makes_passes_its_checks(lake: Lake, decisions: Path) -> None:
    make(lake, decisions)
    append(decisions, approval(pairs(lake, DAYS[0])["CUT-cut"], at(DAYS[1], 9)))
    make(lake, decisions)
    published = [one for name in MAPPINGS for one in lake.catalog.everything(dataset=name, venue="pair").values()]
    outcomes = judge_mapping(lake, SPEC, decisions, published)
    assert len(outcomes) == len(SUITES) * len(DAYS)
    assert all(outcome.passed for outcome in outcomes.values())
    found = standings(lake, [stage_of(decisions)], suites=mapped_by([SPEC]))
    assert {one.state for one in found} == {State.FRESH}


def blocking_finding(row: dict[str, Any]) -> pl.DataFrame:
    said = {"pair_id": row["pair_id"], "venue": "b", "market_id": "cut", "kind": "stale", "severity": "block"}
    return pl.DataFrame([dict.fromkeys(MAPPING_DRIFT.columns) | said], schema=MAPPING_DRIFT.columns)


@pytest.mark.parametrize(
    ("change", "measure"),
    [
        ({"left_terms": pl.lit("other")}, "unapproved"),
        ({"relation": pl.lit("complement")}, "unapproved"),
        ({"right_market": pl.lit("rain")}, "unapproved"),
        ({"is_tradable": pl.lit(True)}, "unapproved"),
        ({"severity": pl.lit("block")}, "drifted"),
        ({"is_tradable": pl.lit(False), "flags": pl.lit([], pl.List(pl.String))}, "unexplained"),
        ({"confidence": pl.lit(1.1)}, "outside_unit"),
        ({"confidence": pl.lit(float("nan"))}, "outside_unit"),
        ({"relation": pl.lit("same")}, "unknown_words"),
        ({"right_venue": pl.lit("c")}, "strangers"),
        ({"left_market": pl.lit("T75"), "right_market": pl.lit("T75"), "right_venue": pl.lit("a")}, "strangers"),
    ],
)
def test_what_is_wrong_with_a_day_is_measured(
    lake: Lake, decisions: Path, change: dict[str, pl.Expr], measure: str
) -> None:
    make(lake, decisions)
    row = pairs(lake, DAYS[0])["CUT-cut"]
    append(decisions, approval(row, at(DAYS[0], 9)))
    make(lake, decisions)
    rows = lake.read(PartitionKey.daily("mapping", "pair", DAYS[0])).collect()
    rulings = in_force(load(decisions).rulings)

    def measured(frame: pl.DataFrame, drift: pl.DataFrame) -> dict[str, float]:
        return measures_of_mapping(SPEC, frame, drift, rulings)

    none = MAPPING_DRIFT.empty()
    assert set(measured(rows, none).values()) == {0.0}
    assert measured(rows.with_columns(**change), none)[measure] > 0
    assert measured(rows, blocking_finding(row))["drifted"] == 1
    assert measured(pl.concat([rows, rows]), none)["repeated"] == rows.height
    other = replace(approval(row, at(DAYS[0], 9)), pair_id="second", right=MarketKey("b", "rain"))
    second = rows.filter("is_tradable").with_columns(pair_id=pl.lit("second"), right_market=pl.lit("rain"))
    both = measures_of_mapping(SPEC, pl.concat([rows, second]), none, rulings | {"second": other})
    assert both["not_one_to_one"] == 1


def test_prices_of_the_days_before_are_read_and_no_later_ones() -> None:
    stage = stage_of(Path("none"))
    read = {(one.key.dataset, one.key.period) for one in stage.needs("2026-03-08")}
    assert read == {
        ("clean_markets", "2026-03-07"),
        ("clean_markets", "2026-03-08"),
        ("market_quotes", "2026-03-07"),
        ("market_quotes", "2026-03-08"),
    }
