"""One backtest: a strategy with its parameters over prepared bars, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import polars as pl

from tickline.backtest import bar_engine, tick_engine
from tickline.backtest.assumptions import Assumptions, venue_of
from tickline.backtest.bar_engine import Bars, Charges, Place
from tickline.backtest.bars import Listed, Prepared
from tickline.backtest.floor import Clocks
from tickline.backtest.matching import Log, Seat, new_log
from tickline.backtest.results import equity_frame, fills_frame, logged, orders_frame, trades_frame
from tickline.backtest.tick_engine import open_floor
from tickline.backtest.ticks import Tape
from tickline.errors import BacktestError
from tickline.execution.accounting import conserves
from tickline.lake.schemas import BACKTEST_RUN
from tickline.signals.desk import EVENT, Ints, Records, open_desk
from tickline.signals.strategy import Parameters, Strategy, engine_for, fresh_memory

_ENTRIES = 4_096
MOST_ENTRIES = 4_000_000
"""A run with more fills or ended orders than this is refused: a strategy that lost its senses."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a run begins with and assumes: capital in the instruments' currency."""

    traded: Listed
    capital: Decimal
    assumed: Assumptions


@dataclass(frozen=True, slots=True)
class Ran:
    """What is left when a run has ended: its log, the desk, and equity and cash in units after each row."""

    log: Log
    desk: Records
    track: Ints


def run_bars(
    strategy: Strategy,
    parameters: Parameters,
    account: Account,
    prepared: Prepared,
    charges: Charges,
    *,
    warmup: int = 0,
) -> Ran:
    """Run a strategy over bars; on the first `warmup` of them it only watches.

    Raises BacktestError where it makes more orders than anything sane does, or fails.
    """
    run = engine_for(bar_engine.build, strategy)
    place = Place(venue_of(account.assumed, [account.traded.fees] * len(account.traded.instruments))[0], charges)
    rows = prepared.bars.events.size
    entries = _ENTRIES
    while entries <= MOST_ENTRIES:
        desk = desk_of(account)
        log, event = new_log(entries), np.zeros(1, EVENT)
        track = np.zeros((rows, 2), np.int64)
        seat = Seat(desk[0], log, event[0])
        memory = fresh_memory(strategy, parameters)
        bars = prepared.bars
        watched = Bars(bars.events[:warmup], bars.bars[:warmup], bars.signals[:warmup])
        try:
            desk["trading"] = 0
            run(parameters, memory, seat, place, watched, track, 0)
            desk["trading"] = 1
            is_whole = run(parameters, memory, seat, place, bars, track, warmup) == rows
        except Exception as error:
            raise BacktestError(f"{strategy.name} failed on these bars: {type(error).__name__}: {error}") from error
        if is_whole:
            return Ran(logged(log), desk, track)
        entries *= 8
    raise BacktestError(
        f"{strategy.name} made more than {MOST_ENTRIES:,} orders over {rows:,} bars; it has lost its way"
    )


def run_ticks(
    strategy: Strategy, parameters: Parameters, account: Account, tape: Tape, *, clocks: Clocks, charges: Charges
) -> Ran:
    """Run a strategy over ticks; its track has a row for each `sample_times`.

    Raises BacktestError where it makes more orders than anything sane does, or fails.
    """
    run = engine_for(tick_engine.build, strategy)
    place = Place(venue_of(account.assumed, [account.traded.fees] * len(account.traded.instruments))[0], charges)
    entries = _ENTRIES
    while entries <= MOST_ENTRIES:
        desk, there = desk_of(account), desk_of(account)
        log, event = new_log(entries), np.zeros(1, EVENT)
        floor = open_floor(tape, there[0], clocks)
        try:
            memory = fresh_memory(strategy, parameters)
            is_whole = run(parameters, memory, Seat(desk[0], log, event[0]), place, tape, floor)
        except Exception as error:
            raise BacktestError(f"{strategy.name} failed on these ticks: {type(error).__name__}: {error}") from error
        if is_whole:
            return Ran(logged(log), there, floor.track)
        entries *= 8
    raise BacktestError(f"{strategy.name} made more than {MOST_ENTRIES:,} orders over {tape.ticks.size:,} ticks")


def stay_out(account: Account, rows: int) -> Ran:
    """What is left where nothing was to be traded: the capital, after each of so many rows of a track."""
    desk = desk_of(account)
    return Ran(logged(new_log(0)), desk, np.full((rows, 2), desk["capital"][0], np.int64))


def desk_of(account: Account) -> Records:
    """The desk a run begins with."""
    unit = account.traded.unit
    return open_desk(account.traded.grid, capital=int(account.capital / unit), unit=float(unit))


def frames_of(
    ran: Ran, strategy: Strategy, parameters: Parameters | None, account: Account, prepared: Prepared
) -> dict[str, pl.DataFrame]:
    """What a run left, as frames of the `backtest_*` datasets by name; `parameters` is None where it stayed out."""
    traded = account.traded
    return {
        "backtest_run": run_frame(ran, strategy, parameters, account, prepared.rows),
        "backtest_orders": orders_frame(ran.log, ran.desk, traded),
        "backtest_fills": fills_frame(ran.log, traded, prepared.rows),
        "backtest_trades": trades_frame(ran.log, ran.desk, traded),
        "backtest_equity": equity_frame(ran.track, prepared.rows, traded),
    }


def run_frame(
    ran: Ran,
    strategy: Strategy,
    parameters: Parameters | None,
    account: Account,
    rows: pl.DataFrame,
    *,
    mode: str = "bar",
) -> pl.DataFrame:
    """The run itself as one row of BACKTEST_RUN; `rows` has ts_close, when each of its rows was known."""
    (desk,), unit = ran.desk, account.traded.unit
    used = parameters._asdict() if parameters is not None else {}
    refused = int(np.count_nonzero(ran.log.ended["id"] == 0))
    facts: Mapping[str, Any] = {
        "strategy": strategy.name,
        "mode": mode,
        "parameters": orjson.dumps(used, option=orjson.OPT_SORT_KEYS).decode(),
        "strategy_code": strategy.code,
        "ts_from": rows["ts_close"].min(),
        "ts_to": rows["ts_close"].max(),
        "rows": rows.height,
        "orders": int(desk["ordered"]),
        "refused": refused,
        "fills": ran.log.fills.size,
        **{name: int(desk[name]) * unit for name in ("capital", "cash", "charges", "equity")},
        "fees": int(desk["positions"]["fees"].sum()) * unit,
        "conserved": conserves(ran.desk),
    }
    return pl.DataFrame([facts], schema=BACKTEST_RUN.columns)
