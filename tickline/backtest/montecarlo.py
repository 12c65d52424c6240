"""What else could have happened: returns drawn anew, prices moved by a few ticks, costs and delays drawn from ranges.

Every path of a bootstrap has random numbers of its own: those of splitmix64 (Steele, Lea and Flood, 2014, Fast
Splittable Pseudorandom Number Generators, OOPSLA), started at the output that the generator started at `seed` has for
the path's number. So a seed gives the same bytes on any number of threads. Threads are plain ones over compiled code
without the interpreter's lock: numba's own layer may not be entered from two threads at once.
"""

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from numba import njit

from tickline.backtest.stress import PHASES, SIDES, reprice
from tickline.errors import ConfigError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

FAN_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FAN_STEPS = 250
"""A fan is drawn at no more steps than this besides the start."""

LARGEST_HISTORY = 1 << 31
"""Longer ones would need more than 32 random bits a draw."""

_CHUNK_PATHS = 256


class Scheme(StrEnum):
    """How blocks of neighbouring returns are drawn from history."""

    MOVING = "moving"  # blocks of one length: Kunsch (1989), Annals of Statistics 17(3)
    STATIONARY = "stationary"  # of geometric length, history closed to a ring: Politis and Romano (1994), JASA 89(428)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of a mean `length`; of length 1 they draw each return independently. ConfigError for less."""

    length: int = 1
    scheme: Scheme = Scheme.MOVING

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ConfigError(f"blocks of length {self.length}: take 1 (independent draws) or more")


INDEPENDENT = Blocks()
"""Each return drawn by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What the paths came to. Equity is in units of where it started.

    `terminal`, `max_drawdown` (a fraction of the peak) and `lowest` have a value for each path (Float64); `fan` has a
    row for each of some steps: step (Int64) and the quantiles q5, q25, q50, q75 and q95 of equity (Float64).
    """

    terminal: Floats
    max_drawdown: Floats
    lowest: Floats
    fan: pl.DataFrame

    @property
    def probability_of_loss(self) -> float:
        """The share of paths that end below where they started."""
        return float((self.terminal < 1).mean())

    def probability_of_ruin(self, at: float) -> float:
        """The share of paths whose equity is ever at or below `at` of where it started."""
        return float((self.lowest <= at).mean())


class _Draw(NamedTuple):
    """How compiled code draws a block: at one of `starts`, of fixed length or, where log_stay < 0, of geometric."""

    starts: np.uint64
    length: int
    log_stay: float  # log of the probability that a block goes on


class _Sheets(NamedTuple):
    """What compiled code fills in: a value for each path, and for each mark and path."""

    terminal: Floats
    max_drawdown: Floats
    lowest: Floats
    fan: Floats


_Account: TypeAlias = tuple[float, float, float, float]
"""Equity, its lowest so far, equity over its highest so far, and the least of that."""


@dataclass(frozen=True, slots=True)
class Jitter:
    """A parameter anywhere from `low` to `high`, evenly on the log scale. ConfigError unless 0 < low <= high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < math.inf:
            raise ConfigError(f"jitter from {self.low} to {self.high}: give a range above zero, low first")


def bootstrap(
    returns: npt.ArrayLike,
    *,
    paths: int,
    steps: int,
    seed: int,
    blocks: Blocks = INDEPENDENT,
    threads: int | None = None,
) -> Outcomes:
    """Equity compounded over `steps` returns drawn in blocks from `returns` (fractions of equity), `paths` times.

    A return of -1 or less ends an account for good. Quantiles interpolate linearly between paths. The same seed (0 to
    2**64 - 1) gives the same outcomes whatever `threads` is (by default one a processor). Raises ConfigError for
    returns that are not finite, too few for a block, or sizes below 1.
    """
    growth = _growth(returns, blocks)
    if paths < 1 or steps < 1 or not 0 <= seed < 2**64:
        raise ConfigError(f"{paths} paths of {steps} steps from seed {seed}: take 1 or more, and a seed below 2**64")
    marks = np.unique(np.linspace(0, steps, FAN_STEPS + 1).round().astype(np.int64))
    sheets = _Sheets(np.empty(paths), np.empty(paths), np.empty(paths), np.empty((marks.size, paths)))
    draw = _draw_of(growth, blocks)
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        list(pool.map(lambda chunk: _walk(growth, draw, np.uint64(seed), marks, sheets, chunk), _chunks(paths)))
        list(pool.map(lambda row: row.sort(), sheets.fan))
    return Outcomes(sheets.terminal, sheets.max_drawdown, sheets.lowest, _fan(marks, sheets.fan))


def trade_returns(trades: pl.DataFrame, *, capital: float) -> Floats:
    """What each round trip made of the equity it found, in order of exit, to be drawn from by `bootstrap`.

    `trades` has instrument, ts_entry, ts_exit and net (Float64, in the currency of `capital`, the equity before the
    first). Raises ConfigError where a trade found no equity left.
    """
    net = trades.sort("ts_exit", "ts_entry", "instrument")["net"].to_numpy()
    found = capital + np.concatenate([[0.0], np.cumsum(net)[:-1]]) if net.size else np.empty(0)
    if not (found > 0).all():
        at = int(np.argmax(~(found > 0)))
        raise ConfigError(f"trade {at} found no equity left of {capital}: start from the capital the run had")
    return net / found


def perturb(bars: pl.DataFrame, *, ticks: int, seed: int, tick_sizes: Mapping[str, float]) -> pl.DataFrame:
    """Bars (BARS, in its order) whose prices are off by up to `ticks` ticks, evenly drawn for each price of each bar.

    A bid and its ask move together; what bars promise still holds (`stress.reprice`). Raises ConfigError where an
    instrument has no tick size or `ticks` is below 1.
    """
    if ticks < 1:
        raise ConfigError(f"noise of {ticks} ticks: take 1 or more")
    drawn = np.random.default_rng(seed).integers(-ticks, ticks, (len(PHASES), bars.height), endpoint=True)
    tick = pl.col("instrument").replace_strict(dict(tick_sizes), default=None, return_dtype=pl.Float64)
    noisy = bars.with_columns(pl.Series(f"noise_{phase}", noise) for phase, noise in zip(PHASES, drawn, strict=True))
    moved = {
        f"{side}{phase}": pl.col(f"{side}{phase}") + pl.col(f"noise_{phase}") * tick
        for side in SIDES
        for phase in PHASES
    }
    return reprice(noisy, moved, where=pl.lit(value=True), tick_sizes=tick_sizes)


def draw_parameters(ranges: Mapping[str, Jitter], *, draws: int, seed: int) -> pl.DataFrame:
    """Sets of parameters, such as costs and delays, to run a backtest under: a row a set, a column (Float64) a name.

    A Latin hypercube: each of `draws` equal parts of a range is drawn from once, so few sets cover it (McKay, Beckman
    and Conover, 1979, Technometrics 21(2)). Raises ConfigError for fewer than one draw.
    """
    if draws < 1:
        raise ConfigError(f"{draws} draws: take 1 or more")
    random = np.random.default_rng(seed)
    drawn = {}
    for name, jitter in ranges.items():
        part = (random.permutation(draws) + random.random(draws)) / draws
        drawn[name] = jitter.low * (jitter.high / jitter.low) ** part
    return pl.DataFrame(drawn, schema=dict.fromkeys(ranges, pl.Float64))


def _growth(returns: npt.ArrayLike, blocks: Blocks) -> Floats:
    history = np.asarray(returns, dtype=np.float64)
    if history.ndim != 1 or not np.isfinite(history).all():
        raise ConfigError(f"returns of shape {history.shape}: give one row of finite numbers")
    if not blocks.length <= history.size < LARGEST_HISTORY:
        raise ConfigError(
            f"{history.size} returns to draw blocks of {blocks.length} from: take more history or shorter blocks"
        )
    return np.maximum(1 + history, 0.0)


def _draw_of(growth: Floats, blocks: Blocks) -> _Draw:
    if blocks.scheme is Scheme.STATIONARY and blocks.length > 1:
        return _Draw(np.uint64(growth.size), blocks.length, math.log1p(-1 / blocks.length))
    return _Draw(np.uint64(growth.size - blocks.length + 1), blocks.length, 0.0)


def _chunks(paths: int) -> list[tuple[int, int]]:
    return [(first, min(first + _CHUNK_PATHS, paths)) for first in range(0, paths, _CHUNK_PATHS)]


def _fan(marks: Ints, equity: Floats) -> pl.DataFrame:
    """Quantiles of rows that are sorted: type 7 of Hyndman and Fan (1996), The American Statistician 50(4)."""
    columns = {"step": marks}
    last = equity.shape[1] - 1
    for quantile in FAN_QUANTILES:
        below = min(int(quantile * last), max(last - 1, 0))
        above = min(below + 1, last)
        columns[f"q{round(quantile * 100)}"] = equity[:, below] + (equity[:, above] - equity[:, below]) * (
            quantile * last - below
        )
    return pl.DataFrame(columns)


_GOLDEN, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_11, _27, _30, _31, _32 = (np.uint64(bits) for bits in (11, 27, 30, 31, 32))


@njit(cache=True, nogil=True)
def _mix(state: np.uint64) -> np.uint64:
    """The output splitmix64 has for a state."""
    state = (state ^ (state >> _30)) * _FIRST
    state = (state ^ (state >> _27)) * _SECOND
    return state ^ (state >> _31)


@njit(cache=True, nogil=True)
def _below(bound: np.uint64, bits: np.uint64) -> np.uint64:
    # Multiply and shift: each number's probability is right to 2**-32.
    return ((bits >> _32) * bound) >> _32


@njit(cache=True, nogil=True)
def _walk(growth: Floats, draw: _Draw, seed: np.uint64, marks: Ints, sheets: _Sheets, chunk: tuple[int, int]) -> None:
    """Fill the sheets for the paths of a chunk."""
    for path in range(chunk[0], chunk[1]):
        state = _mix(seed + np.uint64(path + 1) * _GOLDEN)
        if draw.length == 1:
            equity, lowest, _, room = _walk_singly(growth, state, marks, sheets.fan[:, path])
        else:
            equity, lowest, _, room = _walk_blocks(growth, draw, state, marks, sheets.fan[:, path])
        sheets.terminal[path], sheets.lowest[path], sheets.max_drawdown[path] = equity, lowest, 1 - room


# Two loops: deciding at every step whether a block ends takes as long again as all else.


@njit(cache=True, nogil=True)
def _walk_singly(growth: Floats, state: np.uint64, marks: Ints, fan: Floats) -> _Account:
    account = (1.0, 1.0, 1.0, 1.0)
    returns, step = np.uint64(growth.size), 0
    for mark in range(marks.size):
        while step < marks[mark]:
            state += _GOLDEN
            account = _grown(account, growth[_below(returns, _mix(state))])
            step += 1
        fan[mark] = account[0]
    return account


@njit(cache=True, nogil=True)
def _walk_blocks(growth: Floats, draw: _Draw, state: np.uint64, marks: Ints, fan: Floats) -> _Account:
    account = (1.0, 1.0, 1.0, 1.0)
    at = left = step = 0
    for mark in range(marks.size):
        while step < marks[mark]:
            if left == 0:
                state += _GOLDEN
                at, left = int(np.int64(_below(draw.starts, _mix(state)))), draw.length
                if draw.log_stay < 0:
                    state += _GOLDEN
                    # By inversion: how long a run lasts that goes on with this probability.
                    left = 1 + int(math.log((np.float64(_mix(state) >> _11) + 0.5) * 2.0**-53) / draw.log_stay)
            account = _grown(account, growth[at])
            at = at + 1 if at + 1 < growth.size else 0
            left -= 1
            step += 1
        fan[mark] = account[0]
    return account


@njit(cache=True, nogil=True)
def _grown(account: _Account, growth: float) -> _Account:
    equity, lowest, room, least_room = account
    equity *= growth
    # Equity over its highest so far follows from itself, without the peak and without a division.
    room = min(1.0, room * growth)
    return equity, min(lowest, equity), room, min(least_room, room)
