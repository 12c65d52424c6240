"""The cases of the parity check in backtesting.py: `backtesting_bars.py FOLDER`.

FOLDER has cases.json, a list, and N.npy for each, rows of open, high, low, close. Of the N-th, backtesting-N.npz gets
`equity`, after each bar, and `trades`, those that were closed: bars of entry and exit, their prices, signed size, net
profit. Prints one JSON line: how many cases it ran.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy
from exposures import CLOSE, protection, turns

COLUMNS = ["EntryBar", "ExitBar", "EntryPrice", "ExitPrice", "Size", "PnL"]
CASH = 1e8


class Turning(Strategy):
    """Holds so many units of what a case wants from when that is new."""

    case = None
    turns = None

    def init(self) -> None:
        """Nothing: what is wanted was worked out before."""

    def next(self) -> None:
        """Turn, where this bar says so."""
        row = len(self.data) - 1
        side = self.turns[row]
        if np.isnan(side):
            return
        self.position.close()  # goes before the orders that protect what it closes
        if side:
            stop, target = protection(self.case, side, self.data.Close[-1])
            (self.buy if side > 0 else self.sell)(size=self.case["units"], sl=stop, tp=target)


def main(folder: Path) -> None:
    """Run every case."""
    warnings.simplefilter("ignore")
    cases = json.loads((folder / "cases.json").read_text())
    for number, case in enumerate(cases):
        bars = np.load(folder / f"{number}.npy")
        assert bars.shape[1] == CLOSE + 1
        frame = pd.DataFrame(bars, columns=["Open", "High", "Low", "Close"])
        frame.index = pd.date_range("2024-01-01", periods=len(bars), freq="1min")
        trade_on_close = case["fill_at"] == "close"
        backtest = Backtest(frame, Turning, cash=CASH, commission=case["fee"], trade_on_close=trade_on_close)
        stats = backtest.run(case=case, turns=turns(case, bars))
        np.savez(
            folder / f"backtesting-{number}.npz",
            equity=stats["_equity_curve"]["Equity"].to_numpy(),
            trades=stats["_trades"][COLUMNS].to_numpy(float),
        )
    print(json.dumps({"cases": len(cases)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
