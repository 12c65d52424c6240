"""Indicators against TA-Lib, which lives in an environment of its own, on random and realistic prices.

Both the expressions and their online twins are held against it: where the values begin, and the values, whose
difference counts as a share of TA-Lib's. Its functions run as a subprocess (bench/peers/talib_indicators.py).
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tickline.signals.features import FeatureSpec, compute, replay

SCRIPT = Path(__file__).parent.parent / "bench" / "peers" / "talib_indicators.py"
WITHIN = 1e-9
SMALLEST = 1e-4
"""Of the price: a value smaller than this share of it is compared as if it were this large. MACD where its means cross
and the deviation of prices that stand still are differences of prices, and no better than the rounding of those."""


@dataclass(frozen=True)
class Peer:
    """One output of a feature and the TA-Lib function, inputs, parameters and output that should equal it."""

    feature: str
    given: Mapping[str, float]
    function: str
    parameters: Mapping[str, float]
    inputs: tuple[str, ...] = ("close",)
    output: int = 0
    theirs: int = 0


def _over(feature: str, function: str, inputs: tuple[str, ...] = ("close",), output: int = 0) -> list[Peer]:
    """Peers over windows of a few lengths."""
    return [Peer(feature, {"n": n}, function, {"timeperiod": n}, inputs, output) for n in (2, 5, 14, 200)]


PEERS = [
    *_over("sma", "SMA"),
    *_over("ema", "EMA"),
    *_over("wma", "WMA"),
    *_over("rsi", "RSI"),
    *_over("atr", "ATR", ("high", "low", "close")),
    *_over("stdev", "STDDEV"),
    *_over("donchian", "MAX", ("high",), output=0),
    *_over("donchian", "MIN", ("low",), output=2),
    Peer("true_range", {}, "TRANGE", {}, ("high", "low", "close")),
    *(
        Peer(
            "bollinger",
            {"n": 20, "width": width},
            "BBANDS",
            {"timeperiod": 20, "nbdevup": width, "nbdevdn": width},
            output=band,
            theirs=band,
        )
        for width in (1.0, 2.5)
        for band in range(3)
    ),
    *(
        Peer(
            "macd",
            {"fast": fast, "slow": slow, "signal": signal},
            "MACD",
            {"fastperiod": fast, "slowperiod": slow, "signalperiod": signal},
            output=line,
            theirs=line,
        )
        for fast, slow, signal in ((12, 26, 9), (3, 50, 2))
        for line in range(3)
    ),
]


def compare(python: Path, *, rows: int = 3_000, seed: int = 0) -> dict[str, Any]:
    """Hold every peer against TA-Lib on series of `rows` bars; `python` is the interpreter that has it.

    Returns {"ok": ..., "indicators": {name: {"worst": largest difference, "ok": ...}}}; a value that one side has and
    the other has not is a difference of inf.
    """
    worst: dict[str, float] = {}
    for bars in _series(np.random.default_rng(seed), rows):
        theirs = _talib(python, bars)
        specs = {spec.columns: spec for spec in (FeatureSpec(peer.feature, peer.given) for peer in PEERS)}
        sides = (
            compute(bars.lazy(), list(specs.values())).collect(),
            pl.concat([replay(bars, spec) for spec in specs.values()], how="horizontal"),
        )
        smallest = SMALLEST * bars["close"].to_numpy()
        for at, peer in enumerate(PEERS):
            name = f"{peer.feature}/{peer.function}"
            column = FeatureSpec(peer.feature, peer.given).columns[peer.output]
            expected = theirs[f"{at}_{peer.theirs}"].to_numpy()
            found = (_difference(side[column], expected, smallest) for side in sides)
            worst[name] = max(worst.get(name, 0.0), *found)
    indicators = {name: {"worst": value, "ok": value <= WITHIN} for name, value in worst.items()}
    return {"ok": all(one["ok"] for one in indicators.values()), "indicators": indicators}


def _series(rng: np.random.Generator, rows: int) -> list[pl.DataFrame]:
    """Bars of independent random prices, and of walks on a tick grid whose volatility comes in clusters."""
    walks = [_bars(rng, _walk(rng, 4 * rows, start, tick), tick) for start, tick in ((60_000, 0.1), (1.1, 1e-5))]
    return [_bars(rng, rng.uniform(50, 150, 4 * rows), 0.01), *walks]


def _walk(rng: np.random.Generator, ticks: int, start: float, tick: float) -> np.ndarray:
    calm = np.exp(np.cumsum(rng.normal(0, 0.02, ticks)) - 8.5)
    return start * np.exp(np.cumsum(np.clip(calm, 2e-5, 2e-3) * rng.standard_t(5, ticks)))


def _bars(rng: np.random.Generator, prices: np.ndarray, tick: float) -> pl.DataFrame:
    """Bars of four prices each, on the grid."""
    quarters = (np.round(prices / tick) * tick).reshape(-1, 4)
    return pl.DataFrame(
        {
            "open": quarters[:, 0],
            "high": quarters.max(axis=1),
            "low": quarters.min(axis=1),
            "close": quarters[:, 3],
            "instrument": ["one"] * len(quarters),
        }
    )


def _talib(python: Path, bars: pl.DataFrame) -> pl.DataFrame:
    wanted = {
        str(at): {"function": peer.function, "inputs": peer.inputs, "parameters": dict(peer.parameters)}
        for at, peer in enumerate(PEERS)
    }
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.parquet", Path(folder) / "found.parquet"
        bars.select("open", "high", "low", "close").write_parquet(given)
        subprocess.run([python, SCRIPT, given, found, json.dumps(wanted)], check=True, timeout=120)
        return pl.read_parquet(found)


def _difference(ours: pl.Series, expected: np.ndarray, smallest: np.ndarray) -> float:
    found = ours.fill_null(np.nan).to_numpy()
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf")
    return float(np.nanmax(np.abs(found - expected) / np.maximum(np.abs(expected), smallest)))
