"""A thousand moving-average pairs over 500,000 one-minute bars, per run side by side with vectorbt and backtesting.py.

All trade the same prices long or flat with fees, and keep trades and statistics of equity. Ours runs a thousand pairs
on every core, in a process of its own, warm; vectorbt a few of them at once, vectorised, with trades, total return,
Sharpe ratio and maximum drawdown read; backtesting.py one. Each has made itself ready before it is timed; what
compiling ours takes is timed apart. Rounds interleave, and the median of their ratios counts.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from runners import peers
from tickline.backtest.assumptions import Assumptions, Costs
from tickline.backtest.bars import charges_of, listed, prepare
from tickline.backtest.run import Account
from tickline.backtest.sweep import Swept, sweep
from tickline.lake.schema import NS
from tickline.reference.models import FeeSchedule, Instrument, InstrumentKind
from tickline.signals.strategy import load_strategy

ROWS, SMALL_ROWS = 500_000, 50_000
FASTS, SLOWS = range(5, 105, 5), range(120, 620, 10)
PEERS_PAIRS = 20
AT_LEAST_TIMES_VECTORBT, AT_LEAST_TIMES_BACKTESTING = 20.0, 1_000.0
AT_MOST_MB = 2_000
AT_LEAST_OF_CORES = 0.75
FEE_BPS = Decimal(2)
START_NS = 1_704_067_200_000_000_000  # 2024-01-01 00:00 UTC
MINUTE_NS = 60_000_000_000
SEED = 20260306


Pair = tuple[int, int]
Figures = dict[str, Any]


def run(*, small: bool = False, rounds: int = 3) -> Figures:
    """Time all sides. `rounds` is how often; the small size has a tenth of the bars, and shows instead of judging."""
    pairs = [(fast, slow) for slow in SLOWS for fast in FASTS]
    few = pairs[:: len(pairs) // PEERS_PAIRS]
    with tempfile.TemporaryDirectory(prefix="tickline-sweep-") as scratch:
        folder = Path(scratch)
        np.save(folder / "closes.npy", _closes(SMALL_ROWS if small else ROWS))
        asked = {"fast": [fast for fast, _ in few], "slow": [slow for _, slow in few], "fee": float(FEE_BPS) / 10_000}
        (folder / "pairs.json").write_bytes(orjson.dumps(asked))
        compiling = _compile_seconds(folder)
        print(f"  compiling the engine takes {compiling:.1f} s once on a machine", flush=True)
        sides = [_round(folder, pairs, few) for _ in range(rounds)]
    figures = {name: statistics.median(one[name] for one in sides) for name in sides[0]}
    cores = len(os.sched_getaffinity(0))
    return {
        "ok": small or _is_met(figures, cores),
        "pairs": len(pairs),
        "peers_pairs": len(few),
        "rows": SMALL_ROWS if small else ROWS,
        **{name: float(f"{value:.4g}") for name, value in figures.items()},
        "cores": cores,
        "compile_s": round(compiling, 1),
    }


def _is_met(figures: Figures, cores: int) -> bool:
    return bool(
        figures["times_vectorbt"] >= AT_LEAST_TIMES_VECTORBT
        and figures["times_backtesting"] >= AT_LEAST_TIMES_BACKTESTING
        and figures["peak_mb"] < AT_MOST_MB
        and figures["cores_used"] >= AT_LEAST_OF_CORES * cores
    )


def _round(folder: Path, pairs: list[Pair], few: list[Pair]) -> Figures:
    """The figures of one round of all sides."""
    ours = _in_child(_sweep, folder, pairs)
    vectorbt = peers.call("vectorbt_sma.py", folder)
    backtesting = peers.call("backtesting_sma.py", folder)
    _require_same_trades([ours["trades"][pairs.index(pair)] for pair in few], vectorbt["trades"], backtesting["trades"])
    a_run, of_vectorbt = ours["seconds"] / len(pairs), vectorbt["seconds"] / len(few)
    figures = {
        "ms_a_run": a_run * 1e3,
        "vectorbt_ms_a_run": of_vectorbt * 1e3,
        "backtesting_ms_a_run": backtesting["seconds"] * 1e3,
        "times_vectorbt": of_vectorbt / a_run,
        "times_backtesting": backtesting["seconds"] / a_run,
        "cores_used": ours["cpu_seconds"] / ours["seconds"],
        "peak_mb": ours["peak_mb"],
        "vectorbt_peak_mb": vectorbt["peak_mb"],
    }
    print("  " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)
    return figures


def _require_same_trades(ours: list[int], vectorbt: list[int], backtesting: int) -> None:
    # An entry on the last bar trades at its close there and never here; means that are equal may differ in a last bit.
    for theirs in (vectorbt, [backtesting]):
        apart = [abs(mine - other) for mine, other in zip(ours, theirs, strict=False)]
        assert sum(apart) <= len(apart) + sum(ours) // 100, f"not the same trades: {ours} and {theirs}"


def _sweep(folder: Path, pairs: list[Pair]) -> Figures:
    """Seconds of wall clock and of all cores for the sweep, round trips of each pair, and the process' peak memory."""
    task = _task(np.load(folder / "closes.npy"))
    task(pairs[:1])
    started, spent = time.perf_counter(), time.process_time()
    found = task(pairs)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - spent
    assert all(one.failure is None and one.equity.size for one in found)
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
    trades = [one.trades for one in found]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "trades": trades, "peak_mb": peak}


def _compile_seconds(folder: Path) -> float:
    """What a first sweep takes on a machine that has compiled nothing."""
    kept = os.environ.get("NUMBA_CACHE_DIR")
    os.environ["NUMBA_CACHE_DIR"] = str(folder / "nothing-yet")
    try:
        return float(_in_child(_first_sweep, folder))
    finally:
        del os.environ["NUMBA_CACHE_DIR"]
        if kept is not None:
            os.environ["NUMBA_CACHE_DIR"] = kept


def _first_sweep(folder: Path) -> float:
    task = _task(np.load(folder / "closes.npy")[:1_000])
    started = time.perf_counter()
    task([(5, 20)])
    return time.perf_counter() - started


def _task(closes: npt.NDArray[np.float64]) -> Callable[[list[Pair]], list[Swept]]:
    """A function that sweeps pairs over bars of these closes."""
    strategy = load_strategy("tickline.signals.strategies.sma_trend")
    instrument = Instrument(
        name="X", kind=InstrumentKind.SPOT, quote="USD", tick_size=Decimal("0.01"), lot_size=Decimal("0.001")
    )
    assumed = Assumptions(costs=Costs(taker_bps=FEE_BPS))
    account = Account(listed([instrument], FeeSchedule()), Decimal(1_000_000), assumed)
    bars, sessions = _bars(closes)
    prepared = prepare([bars], sessions, account.traded, assumed=assumed, signals=())
    charges = charges_of(sessions, account.traded, assumed)

    def task(pairs: list[Pair]) -> list[Swept]:
        sets = [strategy.chosen({"fast": fast, "slow": slow, "stop": 0.0, "short": False}) for fast, slow in pairs]
        return sweep(strategy, sets, account, prepared, charges)

    return task


def _closes(rows: int) -> npt.NDArray[np.float64]:
    """Prices that walk at random, a minute apart, on a grid of cents."""
    steps = np.random.default_rng(SEED).normal(0, 0.0005, rows)
    return np.round(100 * np.exp(np.cumsum(steps)), 2)


def _bars(closes: npt.NDArray[np.float64]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars that open where the one before closed, and sessions of a UTC day."""
    opens = np.append(closes[0], closes[:-1])
    bars = pl.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "ts_open": pl.Series(START_NS + np.arange(closes.size) * MINUTE_NS).cast(NS),
        }
    ).with_columns(
        pl.lit("X").alias("instrument"),
        pl.lit("regular").alias("segment"),
        pl.col("ts_open").dt.date().alias("session_date"),
        pl.col("ts_open").dt.offset_by("1m").alias("ts_close"),
        pl.lit(1_000.0).alias("volume"),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("bid_close", "ask_close")),
        pl.lit("bars_1m").alias("input"),
        pl.lit("").alias("input_period"),
        pl.lit(0).alias("input_row"),
    )
    midnight = pl.col("session_date").cast(NS)
    sessions = bars.select("session_date").unique(maintain_order=True).with_columns(pl.lit("regular").alias("segment"))
    return bars, sessions.with_columns(open=midnight, close=midnight.dt.offset_by("1d"))


def _in_child(work: Callable[..., Any], *arguments: object) -> Any:
    """Run in a fresh process, so that its memory counts alone and is given back."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        return child.submit(work, *arguments).result()
