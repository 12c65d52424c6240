"""Cases of signals traded by backtesting.py and vectorbt: `signalled_bars.py FOLDER`.

FOLDER has bars.parquet (Open, High, Low, Close) and cases.json, a list of cases (see qa/_parity_bars.py). For each
case it works the signals out anew, trades them, and writes backtesting_N.parquet and, where it has neither stop nor
target, vectorbt_N.parquet with the trades, and equity_backtesting_N.npy and equity_vectorbt_N.npy. Prints a JSON line.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import vectorbt as vbt
from backtesting import Backtest, Strategy

CASH = 1e7
TRADES = ["EntryBar", "ExitBar", "Size", "EntryPrice", "ExitPrice"]


class Signalled(Strategy):
    """Hold what the signal says, in one order a change, with a stop and a target where there are any."""

    wanted = None
    lots = 1
    stop = 0.0
    target = 0.0

    def init(self) -> None:
        """Nothing was wanted yet."""
        self.last = 0

    def next(self) -> None:
        """Turn with the signal."""
        wanted = int(self.wanted[len(self.data) - 1])
        if wanted == self.last:
            return
        self.last = wanted
        for trade in self.trades:
            trade.sl = trade.tp = None
        self.position.close()
        if wanted:
            close = self.data.Close[-1]
            # On the grid, as an order's price is: a stop that is off by a rounding is missed by a price that equals it.
            sl = round(close - wanted * self.stop, 2) if self.stop else None
            tp = round(close + wanted * self.target, 2) if self.target else None
            (self.buy if wanted > 0 else self.sell)(size=self.lots, sl=sl, tp=tp)


def main(folder: Path) -> None:
    """Run every case in both."""
    warnings.simplefilter("ignore")
    bars = pd.DataFrame(pl.read_parquet(folder / "bars.parquet").to_dict(as_series=False))
    bars.index = pd.date_range("2024-01-01", periods=len(bars), freq="1min")
    cases = json.loads((folder / "cases.json").read_text())
    for nth, case in enumerate(cases):
        wanted = signals(bars, case)
        backtest = Backtest(
            bars, Signalled, cash=CASH, commission=case["fee"], trade_on_close=case["at_close"], finalize_trades=False
        )
        stats = backtest.run(wanted=wanted, lots=case["lots"], stop=case["stop"], target=case["target"])
        write({name: stats["_trades"][name].to_numpy() for name in TRADES}, folder / f"backtesting_{nth}.parquet")
        np.save(folder / f"equity_backtesting_{nth}.npy", stats["_equity_curve"]["Equity"].to_numpy())
        if not case["stop"] and not case["target"]:
            portfolio = in_vectorbt(bars, wanted, case)
            closed = portfolio.trades.closed.records
            size = closed["size"] * np.where(closed["direction"] == 0, 1, -1)
            columns = [closed["entry_idx"], closed["exit_idx"], size, closed["entry_price"], closed["exit_price"]]
            write(dict(zip(TRADES, columns, strict=True)), folder / f"vectorbt_{nth}.parquet")
            np.save(folder / f"equity_vectorbt_{nth}.npy", portfolio.value().to_numpy())
    print(json.dumps({"cases": len(cases)}))


def write(columns: dict, path: Path) -> None:
    """Columns of numbers as a file."""
    pl.DataFrame({name: np.asarray(values, dtype=float) for name, values in columns.items()}).write_parquet(path)


def signals(bars: pd.DataFrame, case: dict) -> np.ndarray:
    """1, -1 or 0 for each bar."""
    close, first, second = bars["Close"], case["first"], case["second"]
    if case["kind"] == "means":
        up = close.rolling(first).mean() - close.rolling(second).mean()
        state = np.where(up.isna(), np.nan, np.where(up > 1e-9, 1.0, -1.0))
    elif case["kind"] == "momentum":
        up = close - close.shift(first)
        state = np.where(up.isna(), np.nan, np.where(up > 1e-9, 1.0, np.where(up < -1e-9, -1.0, np.nan)))
    else:
        top, bottom = bars["High"].rolling(first).max().shift(1), bars["Low"].rolling(second).min().shift(1)
        state = np.where(close > top + 1e-9, 1.0, np.where(close < bottom - 1e-9, -1.0, np.nan))
    held = pd.Series(state).ffill().fillna(0.0).to_numpy()
    return held if case["short"] else np.maximum(held, 0.0)


def in_vectorbt(bars: pd.DataFrame, wanted: np.ndarray, case: dict) -> "vbt.Portfolio":
    """The same as orders of vectorbt: at the next open, or at the close."""
    size = np.diff(np.concatenate([[0.0], wanted])) * case["lots"]
    price = bars["Close"] if case["at_close"] else bars["Open"]
    if not case["at_close"]:
        size = np.concatenate([[0.0], size[:-1]])
    orders = np.where(size == 0, np.nan, size)
    return vbt.Portfolio.from_orders(
        bars["Close"], size=orders, price=price, fees=case["fee"], init_cash=CASH, freq="1min"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
