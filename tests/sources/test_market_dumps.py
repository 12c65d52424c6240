"""Saved answers of venues' REST APIs as raw_markets, in every shape they are saved in."""

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import MARKETS
from tickline.markets.cleaning import clean
from tickline.reference.models import SourceSpec, Venue, VenueKind
from tickline.sources.opening import open_markets
from tickline.sources.source import MarketSource

DAY = date(2026, 3, 1)
REAL = Path(os.environ.get("TICKLINE_REAL_DATA", Path(__file__).parents[2] / "../shared/data")) / "prediction"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"real data is not here (TICKLINE_REAL_DATA: {REAL})")
KALSHI = {
    "ticker": "KXRAIN-26MAR02",
    "event_ticker": "KXRAIN",
    "title": "Rain?",
    "status": "active",
    "yes_bid": 40,
    "yes_ask": 45,
    "no_bid": 55,
    "no_ask": 60,
    "tick_size": 1,
}
POLYMARKET = {
    "conditionId": "0xabc",
    "question": "Rain?",
    "outcomes": '["Yes", "No"]',
    "clobTokenIds": '["71", "28"]',
    "active": True,
    "bestBid": 0.4,
    "bestAsk": 0.45,
    "orderPriceMinTickSize": 0.01,
}


def venue(kind: str, **settings: Any) -> Venue:
    spec = SourceSpec.model_validate({"kind": kind} | settings)
    return Venue(name="saved", kind=VenueKind.PREDICTION, calendar="always", start=DAY, markets=spec)


def opened(kind: str, **settings: Any) -> MarketSource:
    declared = venue(kind, **settings)
    assert declared.markets is not None
    return open_markets(declared.markets, declared, calendars={})


def saved(folder: Path, content: str, name: str = "2026-03-01.json") -> dict[str, Any]:
    (folder / name).write_text(content)
    return {"files": str(folder / "{date}.json"), "clock": "09:30"}


SHAPES: dict[str, Callable[[Any], Any]] = {
    "a list": lambda record: [record],
    "an answer": lambda record: {"cursor": "", "markets": [record]},
    "events": lambda record: [{"event_ticker": "KXRAIN", "title": "Rain", "markets": [record]}],
    "an answer of events": lambda record: {"events": [{"title": "Rain", "markets": [record]}]},
    "wrapped": lambda record: [{"slug": "rain", "raw": record}],
    "one": lambda record: record,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "record"), [("kalshi_dump", KALSHI), ("polymarket_dump", POLYMARKET)])
def test_every_shape_of_an_answer_gives_both_outcomes(
    tmp_path: Path, shape: str, kind: str, record: dict[str, Any]
) -> None:
    rows = opened(kind, **saved(tmp_path, json.dumps(SHAPES[shape](record)))).markets(DAY)
    assert dict(rows.schema) == MARKETS.columns
    assert set(rows["outcome"].str.to_lowercase()) == {"yes", "no"}
    assert rows["ts_recv"].to_list() == [datetime(2026, 3, 1, 9, 30, tzinfo=UTC)] * 2
    (yes,) = rows.filter(pl.col("outcome").str.to_lowercase() == "yes").rows(named=True)
    assert (yes["title"], yes["bid"], yes["ask"], yes["tick_size"]) == ("Rain?", 0.4, 0.45, 0.01)
    assert json.loads(yes["payload"]).items() >= record.items()


def test_what_the_event_says_is_kept_with_each_market(tmp_path: Path) -> None:
    event = {"event_ticker": "KXRAIN", "title": "Rain", "mutually_exclusive": True, "markets": [KALSHI]}
    rows = opened("kalshi_dump", **saved(tmp_path, json.dumps([event]))).markets(DAY)
    assert json.loads(rows["payload"][0])["event"] == {name: event[name] for name in event if name != "markets"}
    assert rows["event_title"].to_list() == ["Rain", "Rain"]


def test_one_record_a_line_is_read_and_a_broken_line_is_named(tmp_path: Path) -> None:
    lines = [json.dumps(KALSHI | {"ticker": name}) for name in ("A", "B")]
    settings = saved(tmp_path, "\n".join(lines))
    assert opened("kalshi_dump", **settings).markets(DAY).height == 4
    saved(tmp_path, lines[0] + "\n{")
    with pytest.raises(SourceError, match=r"2026-03-01\.json: line 2 is no JSON"):
        opened("kalshi_dump", **settings).markets(DAY)


@pytest.mark.parametrize("content", ["{", "[1, 2", "never"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError, match="no JSON"):
        opened("kalshi_dump", **saved(tmp_path, content)).markets(DAY)


def test_what_is_no_record_is_a_row_all_the_same(tmp_path: Path) -> None:
    source = opened("polymarket_dump", **saved(tmp_path, json.dumps([POLYMARKET, 7, {"a": 1}])))
    rows = source.markets(DAY)
    assert rows.height == 4
    refused = clean(rows, venue("polymarket_dump", files="-"), DAY).quarantine
    assert refused["rule"].to_list() == ["unreadable", "missing_id"]


def test_pages_of_a_listing_are_one_look(tmp_path: Path) -> None:
    for page in (1, 2):
        (tmp_path / f"2026-03-01_{page}.json").write_text(json.dumps([KALSHI]))
    source = opened("kalshi_dump", files=str(tmp_path / "{date}_*.json"))
    rows = source.markets(DAY)
    assert sorted(rows["delivery"]) == [0, 0, 1, 1]
    assert len(source.objects(DAY)) == 2
    assert source.markets(date(2026, 3, 2)).is_empty()


def test_a_file_without_a_date_in_its_name_is_of_the_moment_it_was_taken(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text(json.dumps([KALSHI]))
    source = opened("kalshi_dump", files=str(tmp_path / "all.json"), taken="2026-03-01T16:27:00Z")
    assert source.markets(DAY)["ts_recv"][0] == datetime(2026, 3, 1, 16, 27, tzinfo=UTC)
    assert source.markets(date(2026, 3, 2)).is_empty()


@pytest.mark.parametrize("settings", [{"files": "a.json"}, {"files": "{date}", "taken": "2026-03-01T00:00:00Z"}, {}])
def test_settings_that_do_not_say_when_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="venue saved, markets"):
        opened("kalshi_dump", **settings)


@needs_real_data
@pytest.mark.parametrize(
    ("kind", "files", "rows", "markets", "quoted"),
    [
        ("kalshi_dump", "kalshi_markets_20250426.json.gz", 200, 100, 100),
        pytest.param("polymarket_dump", "polymarket_markets_20250426.json.gz", 1000, 500, 500, marks=pytest.mark.slow),
        pytest.param("kalshi_dump", "iran_20260301/kalshi_raw.json.gz", 1526, 763, 527, marks=pytest.mark.slow),
        ("polymarket_dump", "iran_20260301/polymarket_raw.json.gz", 484, 217, 19),
        ("polymarket_dump", "polymarket_btc5m_20260724/BTC-5m-markets-2026-07-24.jsonl.gz", 584, 292, 0),
    ],
)
def test_recorded_listings_are_priced_or_refused_for_what_they_are(
    kind: str, files: str, rows: int, markets: int, quoted: int
) -> None:
    settings = {"files": str(REAL / files), "taken": "2026-03-01T16:27:00Z"}
    raw = opened(kind, **settings).markets(DAY)
    cleaned = clean(raw, venue(kind, **settings), DAY)
    assert (raw.height, cleaned.markets.height, cleaned.quotes.height) == (rows, markets, quoted)
    assert cleaned.counts["quoted"] + cleaned.quarantine.height == rows
    settled = cleaned.markets.filter(pl.col("status").is_in(["settled", "voided"]))
    assert settled["result"].null_count() == 0
