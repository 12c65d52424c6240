"""`tickline poll` against the sandbox exchange, through real ccxt, and what it brought into the lake."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from runners.cli import app
from runners.sandbox_exchange.server import Sandbox
from runners.sandbox_exchange.universe import demo
from tickline.pipeline.graph import find, stages
from tickline.pipeline.stage import materialise
from tickline.workspace import workspace

ROOT = Path(__file__).parents[2]
UNIVERSE = demo(trades=300)


@pytest.fixture
def exchange() -> Iterator[str]:
    """The address of a sandbox exchange that runs in a thread of its own."""
    ready, done = threading.Event(), threading.Event()
    address: list[str] = []

    async def serve() -> None:
        async with Sandbox(UNIVERSE) as sandbox:
            address.append(sandbox.url)
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield address[0]
    done.set()
    thread.join()


@pytest.fixture
def home(exchange: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose one venue is polled from the sandbox."""
    config = tmp_path / "config"
    (config / "venues").mkdir(parents=True)
    shared = {name: str(ROOT / f"config/{name}.yaml") for name in ("calendars", "rules", "conditions", "retention")}
    (config / "tickline.yaml").write_text(yaml.safe_dump({"venues": "venues", **shared}))
    first = UNIVERSE.trades_of("BTCUSDT")["ts_event"].dt.date().min()
    venue = {
        "name": "binance",
        "kind": "crypto",
        "calendar": "always",
        "start": str(first),
        "end": str(UNIVERSE.trades_of("BTCUSDT")["ts_event"].dt.date().max()),
        "parameters": {"max_age_s": 1e9},
        "instruments": [
            {
                "name": "BTC/USDT",
                "kind": "spot",
                "base": "BTC",
                "quote": "USDT",
                "tick_size": "0.01",
                "lot_size": "1e-8",
            }
        ],
        "feeds": {"trades": {"kind": "capture", "path": "${TICKLINE_HOME}/captures/binance"}},
        "poll": {"exchange": "binance", "base_url": exchange, "page_limit": 100},
    }
    (config / "venues" / "binance.yaml").write_text(yaml.safe_dump(venue))
    monkeypatch.setenv("TICKLINE_CONFIG", str(config))
    monkeypatch.setenv("TICKLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_was_polled_arrives_in_the_lake_whole_however_often_it_is_polled(home: Path) -> None:
    polled = CliRunner().invoke(app, ["poll", "binance", "--json"])
    assert polled.exit_code == 0, polled.output
    assert len(json.loads(polled.output)["segments"]["trades"]) > 0
    again = CliRunner().invoke(app, ["poll", "binance", "--json"])
    assert again.exit_code == 0, again.output
    here = workspace()
    stage = find(here.graph, "binance", "raw_trades")
    raw = pl.concat(
        here.lake.scan(materialise(here.lake, stage, period, run="test")).collect() for period in stage.periods
    )
    assert sorted(raw["trade_id"]) == sorted(UNIVERSE.trades_of("BTCUSDT")["trade_id"].cast(pl.String))


def test_a_venue_that_is_not_polled_says_what_is_missing(home: Path) -> None:
    result = CliRunner().invoke(app, ["poll", "nowhere"])
    assert "no venue 'nowhere'; there are binance" in str(result.exception)


@pytest.fixture
def listing(exchange: str, home: Path, tmp_path: Path) -> Path:
    """The same configuration with a prediction venue beside, whose listings are polled."""
    today = datetime.now(UTC).date()
    venue = {
        "name": "kalshi",
        "kind": "prediction",
        "calendar": "always",
        "start": str(today),
        "markets": {"kind": "capture", "path": "${TICKLINE_HOME}/captures/kalshi"},
        "poll": {
            "exchange": "kalshi",
            "prediction": True,
            "base_url": exchange,
            "symbols": [],
            "listing": {"series_ticker": "KXRAIN"},
        },
    }
    (tmp_path / "config" / "venues" / "kalshi.yaml").write_text(yaml.safe_dump(venue))
    return home


def test_listings_that_were_polled_are_clean_markets_once_their_day_is_over(listing: Path) -> None:
    synced = CliRunner().invoke(app, ["markets", "sync", "--venue", "kalshi", "--json"])
    assert synced.exit_code == 0, synced.output
    assert len(json.loads(synced.output.splitlines()[-1])["polled"]["kalshi"]) > 0
    here, tomorrow = workspace(), datetime.now(UTC).date() + timedelta(days=1)
    graph = stages(here.universe, today=tomorrow)
    for dataset in ("raw_markets", "clean_markets"):
        stage = find(graph, "kalshi", dataset)
        made = {one.key.dataset: one for one in materialise(here.lake, stage, stage.periods[-1], run="test")}
    markets = here.lake.scan([made["clean_markets"]]).collect()
    quotes = here.lake.scan([made["market_quotes"]]).collect()
    served = UNIVERSE.markets.filter(pl.col("event_id").str.starts_with("KXRAIN"))
    assert set(markets["market_id"]) == set(served["instrument"])
    assert markets["rules"].str.len_chars().min() > 0
    both = quotes.join(served, left_on="market_id", right_on="instrument")
    assert both.height == served.height
    assert both.select(((pl.col("yes_bid") - pl.col("bid")).abs() < 1e-9).all()).item()
    assert both.select(((pl.col("no_ask") - 1 + pl.col("bid")).abs() < 1e-9).all()).item()
