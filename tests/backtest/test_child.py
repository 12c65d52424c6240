"""Strategies run in a process with limits: whatever one does, it fails by itself and the next is run."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tickline.backtest.child import Child
from tickline.backtest.spec import StrategySpec
from tickline.backtest.walkforward import run_window
from tickline.backtest.window import Material, Window
from tickline.errors import BacktestError
from tickline.lake.schema import NS
from tickline.lake.schemas import BARS, SESSIONS
from tickline.reference.models import Instrument, InstrumentKind, Venue, VenueKind

pytestmark = pytest.mark.slow

DAY = date(2026, 3, 6)
MIDNIGHT = datetime(2026, 3, 6, tzinfo=UTC)
SEEN = "tickline.signals.strategies.sma_trend"

# One module for all it does wrong, so that its engine is compiled once.
EVIL = """
import os
import socket
from typing import Annotated, NamedTuple
from pydantic import Field
from tickline.signals.strategy import Strategy

class Parameters(NamedTuple):
    raises: Annotated[int, Field(ge=0, le=1)] = 0
    loops: Annotated[int, Field(ge=0, le=1)] = 0
    eats: Annotated[int, Field(ge=0, le=1)] = 0
    dies: Annotated[int, Field(ge=0, le=1)] = 0
    talks: Annotated[int, Field(ge=0, le=1)] = 0
    calls: Annotated[int, Field(ge=0, le=65535)] = 0

def state_size(p):
    if p.dies:
        os._exit(3)
    if p.talks:
        print("{}")
        return -1
    if p.calls:
        socket.create_connection(("127.0.0.1", p.calls), timeout=5)
    return 10**11 if p.eats else 1

def on_event(p, memory, event, desk):
    if p.raises:
        raise ValueError("it does not like bars")
    while p.loops:
        memory[0] += 1.0

STRATEGY = Strategy(name="evil", describe="", parameters=Parameters, state_size=state_size, on_event=on_event)
"""


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that a child can import, of a strategy that does what a parameter of it says."""
    (tmp_path / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "evil"


@pytest.fixture(scope="module")
def venue() -> Venue:
    btc = Instrument(
        name="BTC", kind=InstrumentKind.SPOT, quote="USD", tick_size=Decimal("0.01"), lot_size=Decimal("0.001")
    )
    feeds = {"trades": {"kind": "table"}}
    fields = {"kind": VenueKind.CRYPTO, "calendar": "always", "start": DAY, "feeds": feeds, "instruments": (btc,)}
    return Venue.model_validate({"name": "desk", **fields})


@pytest.fixture(scope="module")
def material(venue: Venue) -> Material:
    rows = 600
    close = 100 + np.random.default_rng(5).integers(-3, 4, rows).cumsum() / 100
    opens = [MIDNIGHT + timedelta(minutes=nth) for nth in range(rows)]
    known = {
        "instrument": "BTC",
        "session_date": DAY,
        "segment": "regular",
        "ts_open": opens,
        "ts_close": [opened + timedelta(minutes=1) for opened in opens],
        **dict.fromkeys(("open", "high", "low", "close", "vwap"), close),
        "volume": 1.0,
    }
    bars = pl.DataFrame(known).with_columns(pl.lit(None).alias(name) for name in BARS.columns if name not in known)
    lineage = {"input": pl.lit("bars_1m"), "input_period": pl.lit("2026-03-06")}
    bars = bars.select(pl.col(name).cast(dtype) for name, dtype in BARS.columns.items()).with_row_index("input_row")
    session = {"venue": "desk", "calendar": "always", "session_date": DAY, "segment": "regular"}
    span = {"open": MIDNIGHT, "close": MIDNIGHT + timedelta(days=1), "is_early_close": False}
    sessions = pl.DataFrame([session | span]).with_columns(pl.col("open", "close").cast(NS))
    sessions = sessions.select(pl.col(name).cast(dtype) for name, dtype in SESSIONS.columns.items())
    return Material((bars.with_columns(**lineage),), sessions, venue)


@pytest.fixture
def child() -> Iterator[Child]:
    started = Child()
    yield started
    started.close()


def spec(module: str, **changes: object) -> StrategySpec:
    declared = {"name": "tried", "module": module, "venue": "desk", "instruments": ["BTC"], "windows": {"test": 1}}
    return StrategySpec.model_validate(declared | changes)


def window() -> Window:
    return Window(train=(), warmup=(), test=(DAY,))


def test_a_window_leaves_in_the_child_what_it_leaves_here(child: Child, material: Material) -> None:
    declared = spec(SEEN, parameters={"fast": 3, "slow": 20})
    here, there = run_window(declared, window(), material), child.run(declared, window(), material)
    assert here["backtest_fills"].height > 10
    assert {name: frame.equals(there[name]) for name, frame in here.items()} == dict.fromkeys(here, True)


def test_a_window_without_bars_says_so(child: Child, material: Material) -> None:
    empty = Material((material.streams[0].clear(),), material.sessions, material.venue)
    with pytest.raises(BacktestError, match="tried, window from 2026-03-06: no bars of BTC"):
        child.run(spec(SEEN), window(), empty)


@pytest.mark.parametrize(
    ("how", "minutes", "match"),
    [
        ("raises", 5, "ValueError: it does not like bars"),
        ("loops", 0.1, "took longer than 0.1 minutes"),
        ("eats", 5, "ran out of the memory|process died"),
        ("dies", 5, "its process died with status 3"),
        ("talks", 5, "raised ValueError"),
    ],
)
def test_a_strategy_that_misbehaves_fails_by_itself(
    child: Child, material: Material, evil: str, *, how: str, minutes: float, match: str
) -> None:
    behaved = child.run(spec(evil, memory_gb=4), window(), material)  # so that it is compiled by then
    assert behaved["backtest_run"].height == 1
    with pytest.raises(BacktestError, match=match):
        child.run(spec(evil, parameters={how: 1}, minutes=minutes, memory_gb=4), window(), material)
    assert child.run(spec(SEEN, memory_gb=4), window(), material)["backtest_run"].height == 1


def test_a_strategy_has_no_network(child: Child, material: Material, evil: str) -> None:
    tried = subprocess.run(
        [sys.executable, "-m", "tickline.backtest.offline"], capture_output=True, text=True, check=False
    )
    if "can reach the network" in tried.stderr:
        pytest.skip(tried.stderr.splitlines()[0])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        _, port = listening.getsockname()
        with pytest.raises(BacktestError, match="Network is unreachable; a strategy has no network"):
            child.run(spec(evil, parameters={"calls": port}), window(), material)


def test_no_secret_reaches_a_strategy(child: Child, material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sentinel-8f3a")
    child.run(spec(SEEN), window(), material)
    assert child._process is not None
    environment = Path(f"/proc/{child._process.pid}/environ").read_bytes()
    assert b"sentinel-8f3a" not in environment
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "sentinel-8f3a"
