"""Bar mode against backtesting.py and vectorbt, which live in an environment of their own: trades and equity the same.

Random sets of the shipped trend, breakout and reversion trade so many units at the market, some with a stop and a
take-profit, on random walks and on recorded minutes. What to hold is worked out by our strategies here, and from the
formulas there (bench/peers/exposures.py). Prices lie on grids that floats hold exactly, so that equal means are equal
on both sides. All go by the same conventions: orders sent on a bar trade at the next open, or at that bar's close; what
protects an entry is there from its fill on, and a stop comes before a take-profit within a bar.

Left out, because the peers do otherwise: fees where orders trade at the close (backtesting.py books such a trade one
bar later, and its fee with it); stops in vectorbt (its own do not look at the bar of the entry).
"""

import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import orjson
import polars as pl
from pydantic import Field

from runners import peers
from tickline.backtest.assumptions import Assumptions, Costs
from tickline.backtest.bar_engine import Charges
from tickline.backtest.bars import Prepared, listed, prepare
from tickline.backtest.results import round_trips
from tickline.backtest.run import Account, Ran, run_bars
from tickline.compiled import inlined
from tickline.lake.schema import NS
from tickline.reference.models import FeeSchedule, Instrument, InstrumentKind
from tickline.signals.desk import EventKind, Flag, Floats, Grouping, Record, cancel_all, market, stop, take_profit
from tickline.signals.strategies import donchian_breakout, mean_reversion, sma_trend
from tickline.signals.strategy import Parameters, Strategy

CASES, ROWS = 50, 3_000
RECORDED_CASES = 8
PEERS = ("backtesting", "vectorbt")
KINDS = {"cross": sma_trend.STRATEGY, "breakout": donchian_breakout.STRATEGY, "reversion": mean_reversion.STRATEGY}
RECORDED = ("equity/minute/spy", "crypto/coinbase/minute/btcusd")
CASH = 100_000_000
WITHIN = 1e-9
START = datetime(2024, 1, 1, tzinfo=UTC)

Case = dict[str, Any]
Figures = dict[str, Any]


class Turn(NamedTuple):
    """A strategy's own parameters as `rule`; `units` to hold; `stop` and `target` as shares of the close an entry is
    wanted at, 0 for none."""

    rule: Parameters
    units: Annotated[int, Field(ge=1)]
    stop: Annotated[float, Field(ge=0, lt=1)]
    target: Annotated[float, Field(ge=0, lt=1)]


HELD, STOP, TARGET, RULE = range(4)
"""Where the memory keeps the exposure, the prices that protect its entry, and what the rule remembers."""

ENTER = 1


def compare(real_data: Path, *, seed: int = 0) -> Figures:
    """Run every case on all sides; `real_data` is the folder of recorded data.

    `ok` where every trade that was closed has the same bars, prices, size and profit, and equity after every bar is the
    same within a billionth; `worst_equity` is the largest relative difference.
    """
    random = np.random.default_rng(seed)
    cases = [_case(random, number, real_data) for number in range(CASES)]
    figures: Figures = {name: {"cases": 0, "trades": 0, "differing": 0, "worst_equity": 0.0} for name in PEERS}
    with tempfile.TemporaryDirectory(prefix="tickline-parity-") as scratch:
        folder = Path(scratch)
        for number, (_, bars) in enumerate(cases):
            np.save(folder / f"{number}.npy", bars)
        (folder / "cases.json").write_bytes(orjson.dumps([case for case, _ in cases]))
        for name in PEERS:
            peers.call(f"{name}_bars.py", folder)
        for number, (case, bars) in enumerate(cases):
            trades, equity = _ours(case, bars)
            for name in PEERS:
                if (folder / f"{name}-{number}.npz").exists():
                    _hold(figures[name], trades, equity, np.load(folder / f"{name}-{number}.npz"))
    return {"ok": all(_is_same(each) for each in figures.values()), "recorded_cases": RECORDED_CASES, **figures}


def _is_same(figure: Figures) -> bool:
    return bool(figure["trades"] and not figure["differing"] and figure["worst_equity"] <= WITHIN)


def _hold(figure: Figures, trades: Floats, equity: Floats, theirs: Any) -> None:
    """Add to a peer's figure what one case has in common with it, and what not."""
    figure["cases"] += 1
    figure["trades"] += len(trades)
    figure["differing"] += _differing(trades, _ordered(theirs["trades"]))
    figure["worst_equity"] = max(figure["worst_equity"], float(np.max(np.abs(equity / theirs["equity"] - 1))))


def _differing(ours: Floats, theirs: Floats) -> int:
    """How many trades are not the same one by one; profit may differ by a billionth of what was traded."""
    if len(ours) != len(theirs):
        return max(len(ours), len(theirs))
    traded = np.abs(theirs[:, 4] * theirs[:, 2])
    is_same = np.all(np.isclose(ours[:, :5], theirs[:, :5], rtol=WITHIN, atol=0), axis=1)
    return int(np.count_nonzero(~(is_same & (np.abs(ours[:, 5] - theirs[:, 5]) <= WITHIN * traded))))


def _ours(case: Case, bars: Floats) -> tuple[Floats, Floats]:
    """Our closed trades, as rows of bars and prices of entry and exit, signed size and profit; and equity by bar."""
    account = _account(case)
    strategy, prepared, none = turning(KINDS[case["kind"]]), _prepared(bars, account), np.zeros(0, np.int64)
    rule = KINDS[case["kind"]].chosen(case["rule"] | {"stop": 0.0})
    parameters = Turn(rule, case["units"], case["stop"], case["target"])
    ran = run_bars(strategy, parameters, account, prepared, Charges(none, none, none, none))
    equity = np.asarray(ran.track[:, 0] * float(account.traded.unit), np.float64)
    return _ordered(_trades(ran, case["tick"])), equity


def _trades(ran: Ran, tick: float) -> Floats:
    trips, fills = round_trips(ran.log.fills), ran.log.fills
    trips = trips[trips["exit"] >= 0]
    entry, left = fills[trips["entry"]], fills[trips["exit"]]
    unit = float(ran.desk["unit"][0])
    profit = trips["lots"] * (left["price"] - entry["price"]) * tick - trips["fees"] * unit
    return np.column_stack(
        [entry["row"], left["row"], entry["price"] * tick, left["price"] * tick, trips["lots"], profit]
    ).astype(np.float64)


def _ordered(trades: Floats) -> Floats:
    ordered: Floats = trades[np.lexsort((trades[:, 0], trades[:, 1]))]
    return ordered


@cache
def turning(part: Strategy) -> Strategy:
    """A strategy that holds so many units of another's exposure, from when that is new."""
    exposure: Any = part.exposure
    inner = part.state_size

    def state_size(p: Turn) -> int:
        return RULE + inner(p.rule)

    def on_event(p: Turn, memory: Floats, event: Record, desk: Record) -> None:
        if event.kind == EventKind.FILL and event.tag == ENTER:
            _protect(memory, event, desk)
        if event.kind != EventKind.BAR:
            return
        side = exposure(p.rule, memory[RULE:], event, desk.signals)
        if not np.isnan(side) and side != memory[HELD]:
            memory[HELD] = side
            memory[STOP] = event.close * (1.0 - side * p.stop) if p.stop > 0.0 else 0.0
            memory[TARGET] = event.close * (1.0 + side * p.target) if p.target > 0.0 else 0.0
            _turn(desk, p.units * int(side))

    return Strategy(
        name=f"turning_{part.name}",
        describe="So many units of another's exposure",
        parameters=Turn,
        state_size=state_size,
        on_event=on_event,
        parts=((part, part.parameters()),),
    )


@inlined
def _turn(desk: Record, lots: int) -> None:
    held = desk.positions[0].lots
    cancel_all(desk, 0)
    if held != 0:
        market(desk, 0, -held).flags = Flag.REDUCE_ONLY
    if lots != 0:
        market(desk, 0, lots).tag = ENTER


@inlined
def _protect(memory: Floats, event: Record, desk: Record) -> None:
    group = desk.ordered + 1
    if memory[STOP] > 0.0:
        _guard(stop(desk, 0, -event.lots, memory[STOP]), group)
    if memory[TARGET] > 0.0:
        _guard(take_profit(desk, 0, -event.lots, memory[TARGET]), group)


@inlined
def _guard(intent: Record, group: int) -> None:
    intent.flags = Flag.REDUCE_ONLY
    intent.group = group
    intent.grouping = Grouping.OCO


def _case(random: np.random.Generator, number: int, real_data: Path) -> tuple[Case, Floats]:
    """A random case and its bars; the last few are on recorded ones, where there are any."""
    kind = str(random.choice(list(KINDS)))
    fill_at = str(random.choice(["next_open", "next_open", "close"]))
    is_protected = random.random() < 0.4
    case = {
        "kind": kind,
        "rule": _rule(random, kind) | {"short": bool(random.random() < 0.6)},
        "units": int(random.integers(1, 500)),
        "stop": float(random.choice([0.004, 0.01])) if is_protected else 0.0,
        "target": float(random.choice([0.0, 0.006, 0.02])) if is_protected else 0.0,
        "fill_at": fill_at,
        "fee": float(random.choice([0.0, 0.0002, 0.001])) if fill_at == "next_open" else 0.0,
        "tick": 0.25,
    }
    if number >= CASES - RECORDED_CASES:
        return case | {"tick": 1.0}, _recorded(real_data / "lean" / RECORDED[number % len(RECORDED)])
    return case, _walk(random)


def _rule(random: np.random.Generator, kind: str) -> Case:
    if kind == "cross":
        fast = int(random.integers(2, 30))
        return {"fast": fast, "slow": fast + int(random.integers(1, 100)), "exponential": bool(random.random() < 0.5)}
    if kind == "breakout":
        enter = int(random.integers(5, 80))
        return {"enter": enter, "leave": int(random.integers(2, enter + 1))}
    numbers = {"window": int(random.integers(5, 60)), "rsi": int(random.integers(2, 20))}
    return numbers | {"width": float(random.uniform(0.5, 2)), "extreme": float(random.uniform(25, 45))}


def _walk(random: np.random.Generator) -> Floats:
    """Bars of a random walk, with gaps, on a grid of a quarter."""
    steps = random.standard_t(4, (ROWS, 4)) * [1.0, 4.0, 4.0, 4.0]
    prices = 4_000 + np.rint(np.cumsum(steps)).reshape(ROWS, 4)
    bars = np.column_stack([prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, 3]])
    assert bars.min() > 0
    return bars * 0.25


@cache
def _recorded(folder: Path) -> Floats:
    """Recorded minutes of some days, one after the other, in cents."""
    return np.concatenate([np.rint(day * 100) for day in _days(folder)])[:ROWS]


def _days(folder: Path) -> Iterator[Floats]:
    for path in sorted(folder.glob("*_trade.zip")):
        with zipfile.ZipFile(path) as archive:
            (name,) = archive.namelist()
            rows = pl.read_csv(archive.read(name), has_header=False).to_numpy()
        yield rows[:, 1:5] / (10_000 if "equity" in folder.parts else 1)


def _account(case: Case) -> Account:
    instrument = Instrument(
        name="X", kind=InstrumentKind.SPOT, quote="USD", tick_size=Decimal(str(case["tick"])), lot_size=Decimal(1)
    )
    fee = Decimal(str(case["fee"])) * 10_000
    assumed = Assumptions(fill_at=case["fill_at"], costs=Costs(taker_bps=fee, maker_bps=fee))
    return Account(listed([instrument], FeeSchedule()), Decimal(CASH), assumed)


def _prepared(bars: Floats, account: Account) -> Prepared:
    frame = pl.DataFrame(bars, schema=["open", "high", "low", "close"]).with_columns(
        pl.datetime_range(START, START + timedelta(minutes=len(bars) - 1), "1m", time_unit="ns").alias("ts_open"),
        pl.lit("X").alias("instrument"),
        pl.lit("regular").alias("segment"),
        pl.lit(START.date()).alias("session_date"),
        pl.lit(1e9).alias("volume"),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("bid_close", "ask_close")),
        *(pl.lit("").alias(name) for name in ("input", "input_period", "input_row")),
    )
    frame = frame.with_columns(pl.col("ts_open").dt.offset_by("1m").alias("ts_close").cast(NS))
    close = pl.lit(START + timedelta(days=366)).cast(NS).alias("close")
    sessions = frame.select("session_date", "segment").unique().with_columns(close)
    return prepare([frame], sessions, account.traded, assumed=account.assumed, signals=())
