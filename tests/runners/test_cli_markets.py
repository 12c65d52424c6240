"""`tickline markets` over saved listings of two venues."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tickline.pipeline.graph import find
from tickline.pipeline.stage import materialise
from tickline.workspace import Workspace, workspace

ROOT = Path(__file__).parents[2]
DAY = "2026-03-01"
Tickline = Callable[..., Any]


def record(ticker: str, **changed: Any) -> dict[str, Any]:
    prices = {"yes_bid": 40, "yes_ask": 45, "no_bid": 55, "no_ask": 60}
    told = {"event_ticker": "KXRAIN-26MAR02", "title": f"Rain in {ticker[-3:]}?", "status": "active", "tick_size": 1}
    return {"ticker": ticker} | told | prices | changed


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A venue of which one listing was saved."""
    config, saved = tmp_path / "config", tmp_path / "saved"
    (config / "venues").mkdir(parents=True)
    saved.mkdir()
    shared = {name: str(ROOT / f"config/{name}.yaml") for name in ("calendars", "rules", "conditions", "retention")}
    (config / "tickline.yaml").write_text(yaml.safe_dump({"venues": "venues", **shared}))
    venue = {
        "name": "kalshi",
        "kind": "prediction",
        "calendar": "always",
        "start": DAY,
        "end": DAY,
        "markets": {"kind": "kalshi_dump", "files": str(saved / "{date}.json")},
    }
    (config / "venues" / "kalshi.yaml").write_text(yaml.safe_dump(venue))
    listed = [record("KXRAIN-26MAR02-NYC"), record("KXRAIN-26MAR02-LON", status="finalized", result="no")]
    (saved / f"{DAY}.json").write_text(json.dumps(listed))
    monkeypatch.setenv("TICKLINE_CONFIG", str(config))
    monkeypatch.setenv("TICKLINE_HOME", str(tmp_path / "home"))
    return workspace()


@pytest.fixture
def made(here: Workspace) -> Workspace:
    for dataset in ("raw_markets", "clean_markets"):
        materialise(here.lake, find(here.graph, "kalshi", dataset), DAY, run="test")
    return here


def test_a_venue_is_shown_with_prices_and_refusals(made: Workspace, tickline: Tickline) -> None:
    said = tickline("markets", "show", "kalshi", "--json")
    assert said.code == 0
    answer = said.json["kalshi"]
    assert (answer["day"], answer["found"], answer["quotes"]) == (DAY, 2, 1)
    assert answer["status"] == {"open": 1, "settled": 1}
    assert answer["refused"] == {"not_trading": 2}
    prices = {one["market_id"]: one["yes_ask"] for one in answer["markets"]}
    assert prices == {"KXRAIN-26MAR02-NYC": 0.45, "KXRAIN-26MAR02-LON": None}
    shown = tickline("markets", "show")
    assert "1 open, 1 settled; 1 quotes; refused 2 not_trading" in shown.out


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--search", "in nyc"), ["KXRAIN-26MAR02-NYC"]),
        (("--event", "KXRAIN-26MAR02"), ["KXRAIN-26MAR02-LON", "KXRAIN-26MAR02-NYC"]),
        (("--event", "KXSNOW"), []),
        (("--market", "KXRAIN-26MAR02-LON"), ["KXRAIN-26MAR02-LON"]),
        (("--rows", "1"), ["KXRAIN-26MAR02-LON"]),
    ],
)
def test_markets_are_found_by_event_id_and_text(
    made: Workspace, tickline: Tickline, options: tuple[str, ...], found: list[str]
) -> None:
    answer = tickline("markets", "show", *options, "--json").json["kalshi"]
    assert [one["market_id"] for one in answer["markets"]] == found


def test_one_market_is_shown_in_full(made: Workspace, tickline: Tickline) -> None:
    shown = tickline("markets", "show", "--market", "KXRAIN-26MAR02-LON").out
    for told in ("KXRAIN-26MAR02-LON, version 1", "terms_sha256", "not_trading", "it is settled"):
        assert told in shown


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("markets show nowhere", "no venue 'nowhere' that lists markets; there are kalshi"),
        ("markets sync --venue nowhere", "no venue 'nowhere' that lists markets; there are kalshi"),
        ("markets show --market SNOW", "no market 'SNOW' is listed on kalshi; --search finds markets by text"),
        ("markets show --day 2026-03-02", "no listing of 2026-03-02 of kalshi is in the lake; `tickline markets sync`"),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(made: Workspace, tickline: Tickline, line: str, told: str) -> None:
    said = tickline(*line.split())
    assert said.code == 1
    assert told in said.err.replace("\n", " ")


@pytest.mark.slow
def test_syncing_makes_and_judges_what_is_missing_and_then_nothing(here: Workspace, tickline: Tickline) -> None:
    first = tickline("markets", "sync", "--json")
    assert first.json["failed"] == [], first.json["failed"]
    assert (first.code, first.json["left"]) == (0, [])
    assert first.json["made"] == 3  # sessions, raw and clean
    assert first.json["polled"] == {}
    again = tickline("markets", "sync", "--json")
    assert (again.code, again.json["made"]) == (0, 0)
    assert date.fromisoformat(tickline("markets", "show", "--json").json["kalshi"]["day"]) == date(2026, 3, 1)
