"""The cases of the parity check in vectorbt: `vectorbt_bars.py FOLDER`.

FOLDER has cases.json, a list, and N.npy for each, rows of open, high, low, close. Cases with a stop or a take-profit
are left out. Of the N-th of the others, vectorbt-N.npz gets `equity`, after each bar, and `trades`, those that were
closed: bars of entry and exit, their prices, signed size, net profit. Prints one JSON line: how many cases it ran.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt
from exposures import CLOSE, OPEN, turns

CASH = 1e8
SHORT, CLOSED = 1, 1


def main(folder: Path) -> None:
    """Run every case that has no stop and no take-profit."""
    ran = 0
    for number, case in enumerate(json.loads((folder / "cases.json").read_text())):
        if case["stop"] or case["target"]:
            continue
        bars = np.load(folder / f"{number}.npy")
        held = portfolio(case, bars)
        trades = held.trades.records
        sign = np.where(trades["direction"] == SHORT, -1.0, 1.0)
        columns = ("entry_idx", "exit_idx", "entry_price", "exit_price")
        rows = np.column_stack([*(trades[name] for name in columns), sign * trades["size"], trades["pnl"]])
        is_closed = (trades["status"] == CLOSED).to_numpy()
        np.savez(folder / f"vectorbt-{number}.npz", equity=held.value().to_numpy(), trades=rows[is_closed])
        ran += 1
    print(json.dumps({"cases": ran}))


def portfolio(case: dict, bars: np.ndarray) -> vbt.Portfolio:
    """Traded by signals where it is long or flat, and by targets where it is short too."""
    sides, prices = turns(case, bars), bars[:, CLOSE]
    if case["fill_at"] == "next_open":
        sides, prices = np.append(np.nan, sides[:-1]), bars[:, OPEN]
    index = pd.date_range("2024-01-01", periods=len(bars), freq="1min")
    close = pd.Series(bars[:, CLOSE], index=index)
    options = {"price": prices, "fees": case["fee"], "init_cash": CASH, "freq": "1min"}
    if not case["rule"]["short"]:
        return vbt.Portfolio.from_signals(close, sides == 1, sides == 0, size=case["units"], **options)
    return vbt.Portfolio.from_orders(close, sides * case["units"], size_type="targetamount", **options)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
