"""Moving-average pairs in vectorbt, all at once as its users do: `vectorbt_sma.py FOLDER`.

FOLDER has closes.npy, prices a minute apart, and pairs.json: {"fast": [...], "slow": [...], "fee": 0.0002}. Long while
the fast mean is above the slow one, flat else, all in, at the close. Prints one JSON line: the seconds of a warm run
over all pairs with its trades, total return, Sharpe ratio and maximum drawdown read, how many trades each pair made,
and the process' peak memory in MB.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt


def main(folder: Path) -> None:
    """Warm up on the first pair, then time all."""
    values, asked = np.load(folder / "closes.npy"), json.loads((folder / "pairs.json").read_text())
    closes = pd.Series(values, index=pd.date_range("2024-01-01", periods=values.size, freq="1min"))
    sweep(closes.iloc[:10_000], asked["fast"][:2], asked["slow"][:2], asked["fee"])
    started = time.perf_counter()
    trades = sweep(closes, asked["fast"], asked["slow"], asked["fee"])
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "trades": trades, "peak_mb": peak}))


def sweep(closes: pd.Series, fast: list[int], slow: list[int], fee: float) -> list[int]:
    """How many trades each pair made; the statistics are read and dropped."""
    quick = vbt.MA.run(closes, fast, short_name="fast")
    steady = vbt.MA.run(closes, slow, short_name="slow")
    held, left = quick.ma_above(steady), quick.ma_below(steady)
    portfolio = vbt.Portfolio.from_signals(closes, held, left, fees=fee, freq="1min")
    portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.max_drawdown()
    columns = portfolio.trades.records["col"].to_numpy()
    return np.bincount(columns, minlength=len(fast)).tolist()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
