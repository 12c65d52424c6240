"""One moving-average pair in backtesting.py: `backtesting_sma.py FOLDER`.

FOLDER has closes.npy, prices a minute apart, and pairs.json: {"fast": [...], "slow": [...], "fee": 0.0002}, of which
the first pair is run. Prints one JSON line: the seconds of the run with its statistics, and how many trades it made.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy
from backtesting.lib import crossover


class Trend(Strategy):
    """Long from where the fast mean crosses above the slow one until it crosses below, as in the library's manual."""

    fast = 20
    slow = 100

    def init(self) -> None:
        """Work out both means."""
        closes = self.data.Close.s
        self.quick = self.I(lambda: closes.rolling(self.fast).mean())
        self.steady = self.I(lambda: closes.rolling(self.slow).mean())

    def next(self) -> None:
        """Turn with the means."""
        if crossover(self.quick, self.steady):
            self.buy(size=0.9)
        elif crossover(self.steady, self.quick):
            self.position.close()


def main(folder: Path) -> None:
    """Warm up on some bars, then time all."""
    warnings.simplefilter("ignore")
    closes, asked = np.load(folder / "closes.npy"), json.loads((folder / "pairs.json").read_text())
    run(closes[:5_000], asked)
    started = time.perf_counter()
    trades = run(closes, asked)
    print(json.dumps({"seconds": time.perf_counter() - started, "trades": trades}))


def run(closes: np.ndarray, asked: dict) -> int:
    """How many trades the first pair made."""
    index = pd.date_range("2024-01-01", periods=closes.size, freq="1min")
    bars = pd.DataFrame(dict.fromkeys(("Open", "High", "Low", "Close"), closes) | {"Volume": 1_000}, index=index)
    backtest = Backtest(bars, Trend, cash=1e6, commission=asked["fee"], finalize_trades=True)
    stats = backtest.run(fast=asked["fast"][0], slow=asked["slow"][0])
    return int(stats["# Trades"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
