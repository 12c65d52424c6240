"""A bootstrap of equity paths, side by side with plain NumPy: 10,000 paths over 5,000 daily returns drawn from 5,000.

Both give each path's terminal equity, maximum drawdown and lowest equity, and five quantiles of equity at 251 steps.
The NumPy side is written as one would: a matrix at a time, in chunks of paths small enough to stay in the cache, which
is its fastest. It has one core; ours has all. Timings interleave and the median of the rounds' ratios counts.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tickline.backtest.montecarlo import FAN_QUANTILES, Outcomes, bootstrap

PATHS, SMALL_PATHS, STEPS, HISTORY = 10_000, 2_000, 5_000, 5_000
AT_LEAST_TIMES_NUMPY = 5.0
CHUNK_PATHS = 50
SEED = 20260306

Floats = npt.NDArray[np.float64]


def run(*, small: bool = False, rounds: int = 7) -> dict[str, Any]:
    """Time both sides. `rounds` is how often each is timed."""
    paths = SMALL_PATHS if small else PATHS
    returns = np.random.default_rng(SEED).standard_t(4, HISTORY) * 0.008 + 0.0003
    sides: dict[str, Callable[[], object]] = {
        "numpy": lambda: _with_numpy(returns, paths, marks),
        "ours": lambda: bootstrap(returns, paths=paths, steps=STEPS, seed=SEED),
    }
    ours = bootstrap(returns, paths=paths, steps=STEPS, seed=SEED)
    marks = ours.fan["step"].to_numpy()
    _require_same_distributions(ours, *_with_numpy(returns, paths, marks))
    _require_same_bytes(returns, paths, ours)
    spent = _time(sides, rounds)
    ratios = [theirs / mine for theirs, mine in zip(spent["numpy"], spent["ours"], strict=True)]
    ratio, seconds = statistics.median(ratios), statistics.median(spent["ours"])
    return {
        "ok": ratio >= AT_LEAST_TIMES_NUMPY,
        "paths": paths,
        "steps": STEPS,
        **{f"{name}_s": round(statistics.median(each), 4) for name, each in spent.items()},
        "times_faster_than_numpy": round(ratio, 2),
        "ratios": [round(one, 2) for one in ratios],
        "steps_per_s": round(paths * STEPS / seconds),
    }


def _time(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side in interleaved rounds."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            spent[name].append(time.perf_counter() - started)
    for name, each in spent.items():
        print(f"  {name:<8} {statistics.median(each):8.3f} s   of {', '.join(f'{one:.3f}' for one in each)}")
    return spent


def _with_numpy(returns: Floats, paths: int, marks: npt.NDArray[np.int64]) -> tuple[Floats, Floats, Floats, Floats]:
    """Terminal equity, maximum drawdown, lowest equity (a value for each path), and quantiles (quantiles x marks)."""
    random = np.random.default_rng(SEED)
    growth = 1 + returns
    parts = []
    for first in range(0, paths, CHUNK_PATHS):
        drawn = random.integers(0, growth.size, (min(CHUNK_PATHS, paths - first), STEPS))
        equity = np.ones((len(drawn), STEPS + 1))
        np.cumprod(growth[drawn], axis=1, out=equity[:, 1:])
        drawdown = 1 - equity / np.maximum.accumulate(equity, axis=1)
        parts.append((equity[:, -1].copy(), drawdown.max(axis=1), equity.min(axis=1), equity[:, marks]))
    terminal, max_drawdown, lowest, fan = (np.concatenate(part) for part in zip(*parts, strict=True))
    return terminal, max_drawdown, lowest, np.quantile(fan, FAN_QUANTILES, axis=0)


def _require_same_distributions(
    ours: Outcomes, terminal: Floats, drawdown: Floats, lowest: Floats, fan: Floats
) -> None:
    # Two samples of one distribution are further apart than this once in a thousand: Kolmogorov and Smirnov.
    furthest = 1.95 * (2 / terminal.size) ** 0.5
    pairs = {
        "terminal": (ours.terminal, terminal),
        "max_drawdown": (ours.max_drawdown, drawdown),
        "lowest": (ours.lowest, lowest),
    }
    for name, (mine, theirs) in pairs.items():
        at = np.concatenate([mine, theirs])
        apart = np.abs(_share_up_to(mine, at) - _share_up_to(theirs, at)).max()
        assert apart < furthest, f"{name} differs from NumPy's: {apart:.4f} apart, {furthest:.4f} at most"
    # The outermost quantiles err most: relatively by 1.7 over the root of the paths, on each side. Five times that.
    quantiles = ours.fan.drop("step").to_numpy().T
    assert np.abs(quantiles / fan - 1).max() < 5 * 1.7 * (2 / terminal.size) ** 0.5, "the fan differs from NumPy's"
    print(f"  {terminal.size:,} paths of {STEPS:,} steps, distributed as NumPy's")


def _share_up_to(sample: Floats, at: Floats) -> Floats:
    return np.searchsorted(np.sort(sample), at, side="right") / sample.size


def _require_same_bytes(returns: Floats, paths: int, ours: Outcomes) -> None:
    alone = bootstrap(returns, paths=paths, steps=STEPS, seed=SEED, threads=1)
    assert alone.terminal.tobytes() == ours.terminal.tobytes(), "another number of threads gave other paths"
