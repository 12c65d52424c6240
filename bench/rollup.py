"""Clean trades to one-minute bars, side by side with Polars' group_by_dynamic and pandas' resample.

All sides read the same Parquet, written as the lake writes it, and return the same bars. Ours also reads `seq` and
`sets`, keeps exact sums and cuts at session windows. Timings interleave and the median of the rounds counts; pandas,
which takes half a minute and 5 GB, has one round in a process of its own. Appending reads the stored bars and one late
tick in a hundred; a rebuild reads all ticks. At the small size the fixed cost of a few queries outweighs a hundredth
of the ticks, so there the goal of appending is shown and not judged.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from tickline.bars.rollup import append, rollup
from tickline.lake import parquet
from tickline.lake.schema import NS
from tickline.lake.schemas import BARS, CLEAN, Feed
from tickline.reference.sessions import windows

ROWS, SMALL_ROWS = 20_000_000, 2_000_000
SHARES = {"BTC/USDT": 0.4, "ETH/USDT": 0.3, "SOL/USDT": 0.2, "XRP/USDT": 0.1}
DAY = datetime(2026, 3, 6, tzinfo=UTC)
DAY_NS = 86_400_000_000_000
START_NS = int(DAY.timestamp()) * 1_000_000_000
AT_MOST_TIMES_POLARS, AT_LEAST_TIMES_PANDAS, AT_MOST_OF_REBUILD = 1.25, 10.0, 0.05
EVERYTHING = 15


def run(*, small: bool = False, rounds: int = 5) -> dict[str, Any]:
    """Time all sides. `rounds` is how often each but pandas is timed."""
    rows = SMALL_ROWS if small else ROWS
    with tempfile.TemporaryDirectory(prefix="tickline-rollup-") as scratch:
        folder = Path(scratch)
        print(f"writing {rows:,} trades of {len(SHARES)} instruments over one UTC day")
        _in_child(_write_day, folder, rows)
        _build_bars(folder / "early.parquet", folder / "bars.parquet")
        _require_equal_bars(folder)
        seconds = _time(
            {
                "polars": lambda: _with_polars(folder / "day.parquet"),
                "rollup": lambda: _rollup(folder / "day.parquet"),
                "append": lambda: _append(folder),
            },
            rounds,
        )
        seconds["pandas"] = _in_child(_time_pandas, folder)
        peak = _in_child(_peak_of_rollup, folder / "day.parquet")
    ratios = {
        "times_polars": seconds["rollup"] / seconds["polars"],
        "times_faster_than_pandas": seconds["pandas"] / seconds["rollup"],
        "append_of_rebuild": seconds["append"] / seconds["rollup"],
    }
    return {
        "ok": ratios["times_polars"] <= AT_MOST_TIMES_POLARS
        and ratios["times_faster_than_pandas"] >= AT_LEAST_TIMES_PANDAS
        and (small or ratios["append_of_rebuild"] <= AT_MOST_OF_REBUILD),
        "rows": rows,
        **{f"{name}_s": round(spent, 4) for name, spent in seconds.items()},
        **{name: round(ratio, 4) for name, ratio in ratios.items()},
        "rows_per_s": round(rows / seconds["rollup"]),
        "rollup_peak_rss_mb": peak,
    }


def _time(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each side over interleaved rounds, after one unmeasured round."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for nth in range(rounds + 1):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            if nth:
                spent[name].append(time.perf_counter() - started)
    for name, each in spent.items():
        print(f"  {name:<8} {statistics.median(each):8.3f} s   of {', '.join(f'{one:.3f}' for one in each)}")
    return {name: statistics.median(each) for name, each in spent.items()}


def _time_pandas(folder: Path) -> float:
    """The seconds pandas takes for the day, after it has warmed up on a tenth of it."""
    _with_pandas(folder / "tenth.parquet")
    started = time.perf_counter()
    _with_pandas(folder / "day.parquet")
    spent = time.perf_counter() - started
    print(f"  pandas   {spent:8.3f} s", flush=True)
    return spent


def _rollup(day: Path) -> pl.DataFrame:
    return rollup(pl.scan_parquet(day), None, _windows(), _instruments(), watermark=START_NS + DAY_NS)


def _append(folder: Path) -> pl.DataFrame:
    return append(
        pl.read_parquet(folder / "bars.parquet"),
        trades=pl.scan_parquet(folder / "late.parquet"),
        quotes=None,
        windows=_windows(),
        instruments=_instruments(),
        watermark=START_NS + DAY_NS,
    )


def _with_polars(day: Path) -> pl.DataFrame:
    price, size = pl.col("price"), pl.col("size")
    by_minute = pl.scan_parquet(day).group_by_dynamic("ts_event", every="1m", group_by="instrument")
    return by_minute.agg(
        price.first().alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.last().alias("close"),
        size.sum().alias("volume"),
        ((price * size).sum() / size.sum()).alias("vwap"),
        pl.len().cast(pl.Int64).alias("trades"),
    ).collect()


def _with_pandas(day: Path) -> object:
    import pandas as pd

    ticks = pd.read_parquet(day, columns=["instrument", "ts_event", "price", "size"])
    ticks["turnover"] = ticks["price"] * ticks["size"]
    by_minute = ticks.set_index("ts_event").groupby("instrument").resample("1min")
    bars = by_minute["price"].ohlc()
    bars["volume"] = by_minute["size"].sum()
    bars["vwap"] = by_minute["turnover"].sum() / bars["volume"]
    bars["trades"] = by_minute["price"].count()
    return bars


def _require_equal_bars(folder: Path) -> None:
    ours = _rollup(folder / "day.parquet")
    assert_frame_equal(_append(folder), ours, check_exact=True)
    names = ("instrument", "ts_event", "open", "high", "low", "close", "volume", "vwap", "trades")
    theirs = _with_polars(folder / "day.parquet").select(names).sort("instrument", "ts_event")
    assert_frame_equal(ours.rename({"ts_open": "ts_event"}).select(names), theirs, rel_tol=1e-12)
    print(f"  {ours.height:,} bars, the same from Polars, and by appending late trades")


def _build_bars(ticks: Path, bars: Path) -> None:
    parquet.write(_rollup(ticks), BARS, bars)


@cache
def _windows() -> pl.DataFrame:
    session = {"calendar": "always", "session_date": DAY.date(), "segment": "regular"}
    span = {"open": [START_NS], "close": [START_NS + DAY_NS]}
    return windows(pl.DataFrame(session | span).with_columns(pl.col("open", "close").cast(NS)), "1m")


@cache
def _instruments() -> pl.DataFrame:
    return pl.DataFrame({"instrument": list(SHARES), "calendar": "always", "tick_size": 0.01, "lot_size": 0.001})


def _write_day(folder: Path, rows: int) -> None:
    """The whole day; its first tenth; and the day split into early ticks and one late in a hundred."""
    random = np.random.default_rng(20260306)
    day = pl.concat([_trades(name, round(rows * share), random) for name, share in SHARES.items()])
    is_late = pl.Series(random.random(day.height) < 0.01)
    schema = CLEAN[Feed.TRADES]
    parquet.write(day, schema, folder / "day.parquet")
    parquet.write(day.filter(~is_late), schema, folder / "early.parquet")
    parquet.write(day.filter(is_late), schema, folder / "late.parquet")
    a_tenth = pl.lit(START_NS + DAY_NS // 10).cast(NS)
    parquet.write(day.filter(pl.col("ts_event") < a_tenth), schema, folder / "tenth.parquet")


def _trades(instrument: str, rows: int, random: np.random.Generator) -> pl.DataFrame:
    ts_event = START_NS + np.sort(random.integers(0, DAY_NS // 1000, rows)) * 1000
    steps = np.cumsum(random.integers(-1, 2, rows))
    drawn = {
        "instrument": instrument,
        "ts_event": ts_event,
        "ts_recv": ts_event + random.integers(1_000_000, 5_000_000, rows),
        "price": (np.abs(steps) + 10_000) / 100,
        "size": np.ceil(random.exponential(50, rows)) / 1000,
        "side": "buy",
        "seq": np.arange(rows),
        "sets": EVERYTHING,
        "raw_row": np.arange(rows),
    }
    columns = CLEAN[Feed.TRADES].columns
    absent = [pl.lit(None).alias(name) for name in columns.keys() - drawn.keys()]
    return pl.DataFrame(drawn).with_columns(absent).select(pl.col(name).cast(columns[name]) for name in columns)


def _peak_of_rollup(day: Path) -> int:
    """Peak resident MB of a process that only rolls up. (ru_maxrss would count the parent's memory too.)"""
    _rollup(day)
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def _in_child(work: Callable[..., Any], *arguments: object) -> Any:
    """Run in a fresh process, so that its memory counts alone and is given back."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        return child.submit(work, *arguments).result()
