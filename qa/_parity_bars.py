"""The bar engine against backtesting.py and vectorbt: random signals, fees, stops and targets, traded by all.

The signals are worked out on each side for itself. Trades are compared one by one, by bar, size and price, equity at
every bar. Stops and targets are set from the close of the signal's bar, as backtesting.py's orders want it, and taken
back before a turn; vectorbt is held against the cases that have neither. Trading on the close, backtesting.py books a
fill, and its fee, one bar later: at the bars of those fills its equity is left out, and vectorbt's counts.
"""

import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from runners.peers import call
from tickline.backtest.assumptions import Assumptions, Costs
from tickline.backtest.bar_engine import BAR, Bars, Charges
from tickline.backtest.bars import Prepared, listed
from tickline.backtest.results import round_trips
from tickline.backtest.run import Account, Ran, run_bars
from tickline.reference.models import FeeSchedule, Instrument, InstrumentKind
from tickline.signals.desk import (
    EVENT,
    EventKind,
    Flag,
    Floats,
    Grouping,
    Record,
    cancel_all,
    market,
    stop,
    take_profit,
)
from tickline.signals.indicators import sma
from tickline.signals.strategy import Strategy

TICK, CASH, MINUTE_NS = 0.01, 10_000_000, 60_000_000_000
WITHIN = 1e-9
ENTER, GUARD = 1, 2


class Parameters(NamedTuple):
    """`lots` to hold; how far stop and target lie from the signal's close, 0 for none."""

    lots: Annotated[int, Field(ge=1)] = 100
    stop: Annotated[float, Field(ge=0)] = 0.0
    target: Annotated[float, Field(ge=0)] = 0.0


WANTED, CLOSE = 0, 1


def state_size(p: Parameters) -> int:
    """What was wanted last, and the close then."""
    return 2


def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
    """Hold what the signal says; guard what was entered."""
    if event.kind == EventKind.BAR:
        wanted = desk.signals[0]
        if wanted != memory[WANTED]:
            memory[WANTED], memory[CLOSE] = wanted, event.close
            cancel_all(desk, 0)
            missing = int(wanted) * p.lots - desk.positions[0].lots
            if missing != 0:
                market(desk, 0, missing).tag = ENTER
    elif event.kind == EventKind.FILL and event.tag == ENTER and memory[WANTED] != 0.0:
        held, side = desk.positions[0].lots, memory[WANTED]
        if p.stop > 0.0:
            intent = stop(desk, 0, -held, memory[CLOSE] - side * p.stop)
            intent.flags, intent.tag, intent.group, intent.grouping = Flag.REDUCE_ONLY, GUARD, event.order, Grouping.OCO
        if p.target > 0.0:
            intent = take_profit(desk, 0, -held, memory[CLOSE] + side * p.target)
            intent.flags, intent.tag, intent.group, intent.grouping = Flag.REDUCE_ONLY, GUARD, event.order, Grouping.OCO


STRATEGY = Strategy("signalled", "Holds what a signal says", Parameters, state_size, on_event, signals=("wanted",))


def compare(*, cases: int = 50, rows: int = 4_000, seed: int = 0) -> dict[str, Any]:
    """Trade random cases on all sides. `ok` where every trade is the same and equity within 1e-9 at every bar.

    Raises ConfigError where there is no environment of peers.
    """
    random = np.random.default_rng(seed)
    prices = _prices(random, rows)
    asked = [_case(random) for _ in range(cases)]
    with tempfile.TemporaryDirectory(prefix="tickline-parity-bars-") as scratch:
        folder = Path(scratch)
        prices.write_parquet(folder / "bars.parquet")
        (folder / "cases.json").write_text(json.dumps(asked))
        call("signalled_bars.py", folder)
        found: dict[str, dict[str, Any]] = {}
        for nth, case in enumerate(asked):
            ran = _run(prices, case)
            for peer in ("backtesting", "vectorbt"):
                if (folder / f"{peer}_{nth}.parquet").exists():
                    _hold(found.setdefault(peer, _nothing()), ran, folder, f"{peer}_{nth}", case)
    print(*(f"  {peer:<12} {said}" for peer, said in found.items()), sep="\n")
    ok = all(not said["differing"] and said["worst_equity"] <= WITHIN and said["trades"] for said in found.values())
    return {"ok": ok and len(found) == 2, **found}


def _nothing() -> dict[str, Any]:
    return {"cases": 0, "trades": 0, "differing": [], "worst_equity": 0.0}


def _hold(said: dict[str, Any], ran: Ran, folder: Path, name: str, case: dict[str, Any]) -> None:
    """Add what one case says of a peer."""
    theirs = pl.read_parquet(folder / f"{name}.parquet").sort("EntryBar", "ExitBar").to_numpy()
    trips = round_trips(ran.log.fills)
    trips = trips[trips["exit"] >= 0]
    fills = ran.log.fills
    entry, left = fills[trips["entry"]], fills[trips["exit"]]
    columns = (entry["row"], left["row"], trips["lots"], entry["price"] * TICK, left["price"] * TICK)
    ours = np.array(sorted(zip(*(column.tolist() for column in columns), strict=True))).reshape(-1, 5)
    same = ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=WITHIN, atol=1e-9)
    equity, other = ran.track[:, 0] * 1e-8, np.load(folder / f"equity_{name}.npy")
    if case["at_close"] and name.startswith("backtesting"):
        other[fills["row"]] = equity[fills["row"]]
    said["cases"] += 1
    said["trades"] += len(ours)
    said["worst_equity"] = max(said["worst_equity"], float(np.abs(equity / other - 1).max()))
    if not same:
        said["differing"].append({"case": case, "ours": len(ours), "theirs": len(theirs)})


def _prices(random: np.random.Generator, rows: int) -> pl.DataFrame:
    """A random walk of bars on the grid, with gaps."""
    close = 100 + np.cumsum(random.integers(-12, 13, rows)) * TICK
    close = np.round(np.maximum(close, 20.0), 2)
    opens = np.round(np.concatenate([[close[0]], close[:-1]]) + random.integers(-6, 7, rows) * TICK, 2)
    high = np.round(np.maximum(opens, close) + random.integers(0, 9, rows) * TICK, 2)
    low = np.round(np.minimum(opens, close) - random.integers(0, 9, rows) * TICK, 2)
    return pl.DataFrame({"Open": opens, "High": high, "Low": low, "Close": close})


def _case(random: np.random.Generator) -> dict[str, Any]:
    kind = str(random.choice(["means", "breakout", "momentum"]))
    guarded = bool(random.random() < 0.5)
    first = int(random.integers(3, 30))
    return {
        "kind": kind,
        "first": first,
        "second": first + int(random.integers(2, 60)) if kind == "means" else int(random.integers(2, first + 1)),
        "short": bool(random.random() < 0.6),
        "lots": int(random.integers(1, 500)),
        "fee": float(random.choice([0.0, 0.0002, 0.001])),
        "stop": float(random.integers(15, 120)) / 100 if guarded else 0.0,
        "target": float(random.integers(15, 160)) / 100 if guarded and random.random() < 0.7 else 0.0,
        "at_close": bool(not guarded and random.random() < 0.4),
    }


def _wanted(prices: pl.DataFrame, case: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    close, first, second = pl.col("Close"), case["first"], case["second"]
    if case["kind"] == "means":
        apart = sma(close, first) - sma(close, second)
        state = pl.when(apart > WITHIN).then(1.0).when(apart.is_not_null()).then(-1.0)
    elif case["kind"] == "momentum":
        apart = close - close.shift(first)
        state = pl.when(apart > WITHIN).then(1.0).when(apart < -WITHIN).then(-1.0)
    else:
        top, bottom = pl.col("High").rolling_max(first).shift(1), pl.col("Low").rolling_min(second).shift(1)
        state = pl.when(close > top + WITHIN).then(1.0).when(close < bottom - WITHIN).then(-1.0)
    held = prices.select(state.forward_fill().fill_null(0.0)).to_series().to_numpy()
    return held if case["short"] else np.maximum(held, 0.0)


def _run(prices: pl.DataFrame, case: dict[str, Any]) -> Ran:
    rows = prices.height
    events, bars = np.zeros(rows, EVENT), np.zeros(rows, BAR)
    opened = np.arange(rows) * MINUTE_NS
    events["ts"], events["session_close"] = opened + MINUTE_NS, rows * MINUTE_NS
    bars["ts_open"], bars["ts_close"], bars["volume"] = opened, opened + MINUTE_NS, 1_000
    for name in ("open", "high", "low", "close"):
        events[name] = prices[name.title()]
        ticks = np.rint(prices[name.title()].to_numpy() / TICK)
        bars["ask"][name], bars["bid"][name] = ticks, ticks
    bars["mark"] = bars["ask"]["close"]
    signals = _wanted(prices, case).reshape(-1, 1).copy()
    none = np.zeros(0, np.int64)
    fee = Decimal(repr(case["fee"])) * 10_000
    assumed = Assumptions(
        fill_at="close" if case["at_close"] else "next_open", costs=Costs(maker_bps=fee, taker_bps=fee)
    )
    share = Instrument(
        name="X", kind=InstrumentKind.EQUITY, quote="USD", tick_size=Decimal("0.01"), lot_size=Decimal(1)
    )
    account = Account(listed([share], FeeSchedule()), Decimal(CASH), assumed)
    parameters = STRATEGY.chosen({name: case[name] for name in ("lots", "stop", "target")})
    prepared = Prepared(Bars(events, bars, signals), pl.DataFrame(), np.array([rows]))
    return run_bars(STRATEGY, parameters, account, prepared, Charges(none, none, none, none))
