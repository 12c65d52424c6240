"""Many parameter sets of one strategy over the same bars, on every core, kept as what a search needs of each."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tickline.backtest import bar_engine
from tickline.backtest.assumptions import venue_of
from tickline.backtest.bar_engine import Charges, Place
from tickline.backtest.bars import Prepared
from tickline.backtest.matching import TALLY, Log, Seat, new_log
from tickline.backtest.results import logged, round_trips
from tickline.backtest.run import Account, Ran, desk_of, run_bars
from tickline.compiled import inlined, kernel
from tickline.errors import BacktestError
from tickline.signals.desk import EVENT, Ints, Record, Records
from tickline.signals.strategy import Parameters, Strategy, engine_for, fresh_memory

_BLOCK = 64

ROWS_A_FILL = 4
"""A set that fills more often than once in so many bars is run again, with a log as large as it needs."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one set came to, money in units of cash; or why it came to nothing.

    `equity` is that after the rows `Prepared.marks` names, `final` that after the last. `max_drawdown` is the largest
    fall from a peak over all bars, as a share of the peak. `trades` are round trips, first in first out, what is still
    held leaving at its last price; `wins` of them earned more than their fees; `gross` is what all earned before fees;
    the one held `longest` lasted that share of the whole.
    """

    parameters: Parameters
    capital: int
    equity: Ints
    final: int
    max_drawdown: float = 0.0
    fills: int = 0
    trades: int = 0
    wins: int = 0
    gross: int = 0
    longest: float = 0.0
    fees: int = 0
    failure: str | None = None


def sweep(
    strategy: Strategy,
    sets: Sequence[Parameters],
    account: Account,
    prepared: Prepared,
    charges: Charges,
    *,
    threads: int | None = None,
) -> list[Swept]:
    """What each set came to, in their order, the same whatever ran beside it.

    `threads` is how many cores to use, all there are where not given.
    """
    task = _Task(strategy, account, prepared, charges)
    waiting = iter(range(len(sets)))
    found: dict[int, Swept] = {}

    def work(_: int) -> None:
        bench = _Bench(task)
        for nth in waiting:
            found[nth] = bench.run(sets[nth])

    threads = threads or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return [found[nth] for nth in range(len(sets))]


@dataclass(frozen=True, slots=True)
class _Task:
    """What all sets have in common."""

    strategy: Strategy
    account: Account
    prepared: Prepared
    charges: Charges


class _Bench:
    """Where one thread runs its sets: what is large is made once, and used again by each."""

    def __init__(self, task: _Task) -> None:
        self._task = task
        ts = task.prepared.bars.events["ts"]
        traded = task.account.traded
        self._place = Place(venue_of(task.account.assumed, [traded.fees] * len(traded.instruments))[0], task.charges)
        self._log, self._track = new_log(ts.size // ROWS_A_FILL), np.zeros((ts.size, 1), np.int64)
        self._is_last = np.append(ts[1:] != ts[:-1], True)

    def run(self, parameters: Parameters) -> Swept:
        """What a set came to. One that fails, or trades too much for this log, is run as any other run is."""
        task = self._task
        ran = self._run(parameters)
        if ran is None:
            try:
                ran = run_bars(task.strategy, parameters, task.account, task.prepared, task.charges)
            except BacktestError as error:
                capital = int(desk_of(task.account)["capital"][0])
                return Swept(parameters, capital, np.zeros(0, np.int64), capital, failure=str(error))
        (desk,), equity = ran.desk, ran.track[:, 0]
        trades, wins, gross, longest = _earned(ran.log.fills, desk, equity.size)
        return Swept(
            parameters=parameters,
            capital=int(desk["capital"]),
            equity=equity[task.prepared.marks - 1],
            final=int(desk["equity"]),
            max_drawdown=_deepest(equity, self._is_last, float(task.account.traded.unit)),
            fills=ran.log.fills.size,
            trades=trades,
            wins=wins,
            gross=gross,
            longest=longest / equity.size,
            fees=int(desk["positions"]["fees"].sum()),
        )

    def _run(self, parameters: Parameters) -> Ran | None:
        task, log = self._task, Log(self._log.fills, self._log.ended, np.zeros(1, TALLY)[0])
        engine, desk = engine_for(bar_engine.build, task.strategy), desk_of(task.account)
        seat, memory = Seat(desk[0], log, np.zeros(1, EVENT)[0]), fresh_memory(task.strategy, parameters)
        try:
            row = engine(parameters, memory, seat, self._place, task.prepared.bars, self._track, 0)
        except Exception:  # a strategy may raise anything: `run_bars` says what
            return None
        return Ran(logged(log), desk, self._track) if row == len(self._track) else None


@kernel
def _deepest(equity: Ints, is_last: npt.NDArray[np.bool_], unit: float) -> float:
    """The largest fall from a peak, as a share of it, over the rows after which the time changes."""
    deepest, peak, lowest = 0.0, 0, 0
    for first in range(0, equity.size, _BLOCK):
        end = min(first + _BLOCK, equity.size)
        low = high = equity[first]
        for row in range(first, end):  # by vector instructions, which the loop below cannot be
            low, high = min(low, equity[row]), max(high, equity[row])
        if lowest <= low and high <= peak:
            continue
        for row in range(first, end):
            value = equity[row]
            if lowest <= value <= peak or not is_last[row]:
                continue
            if value > peak:
                deepest = max(deepest, _fall(peak, lowest, unit))
                peak = lowest = value
            else:
                lowest = value
    return max(deepest, _fall(peak, lowest, unit))


@inlined
def _fall(peak: int, lowest: int, unit: float) -> float:
    # In the account's currency, as the equity that is published is: to the last bit the same.
    return 1.0 - (lowest * unit) / (peak * unit) if peak > 0 else 0.0


@kernel
def _earned(fills: Records, desk: Record, rows: int) -> tuple[int, int, int, int]:
    """How many round trips there are, how many earned more than their fees, what all earned before fees, and for how
    many of these rows the longest was held."""
    trips = round_trips(fills)
    wins = total = longest = 0
    for nth in range(trips.size):
        trip = trips[nth]
        left = fills[trip.exit].price if trip.exit >= 0 else desk.positions[trip.instrument].mark
        gross = (left - fills[trip.entry].price) * trip.lots * desk.instruments[trip.instrument].tick_value
        total += gross
        wins += gross > trip.fees
        longest = max(longest, (fills[trip.exit].row if trip.exit >= 0 else rows) - fills[trip.entry].row)
    return trips.size, wins, total, longest
