"""From bars in the lake to what the bar engine runs on: one row a bar, in the order bars become known."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from tickline.backtest.assumptions import Assumptions
from tickline.backtest.bar_engine import Bars, Charges
from tickline.backtest.bar_matching import BAR
from tickline.errors import BacktestError
from tickline.execution.accounting import cash_unit
from tickline.reference.models import FeeSchedule, Instrument
from tickline.signals.desk import EVENT, INSTRUMENT, EventKind, Records

FUNDING_EVERY_NS = 8 * 3_600 * 1_000_000_000
"""Perpetuals settle funding at 00:00, 08:00 and 16:00 UTC (Binance, OKX, Bybit)."""

LINEAGE = ("input", "input_period", "input_row")
"""The columns that name the row of the partition a bar comes from."""

_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Listed:
    """What one strategy trades: its instruments in order, the unit of the account's cash, and the venue's fees."""

    instruments: tuple[Instrument, ...]
    unit: Decimal
    fees: FeeSchedule

    @property
    def names(self) -> list[str]:
        """The instruments' names."""
        return [instrument.name for instrument in self.instruments]

    @property
    def grid(self) -> Records:
        """The instruments as INSTRUMENT records."""
        grid = np.zeros(len(self.instruments), INSTRUMENT)
        for nth, one in enumerate(self.instruments):
            of_a_lot = one.tick_size * one.lot_size / self.unit
            grid[nth] = (float(one.tick_size), float(one.lot_size), int(of_a_lot))
        return grid


def listed(instruments: Sequence[Instrument], fees: FeeSchedule) -> Listed:
    """The instruments of one venue a strategy trades, with its fees.

    Raises BacktestError where they are quoted in several currencies: one account cannot hold both.
    """
    currencies = sorted({instrument.quote for instrument in instruments})
    if len(currencies) != 1:
        raise BacktestError(
            f"instruments quoted in {', '.join(currencies)}: one strategy has one account in one currency"
        )
    unit = min(cash_unit(instrument.tick_size, instrument.lot_size) for instrument in instruments)
    return Listed(tuple(instruments), unit, fees)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Bars as the engine wants them, and where each comes from.

    `rows` has a row for each bar, in the same order: ts_close, instrument, session_date, stream and LINEAGE.
    """

    bars: Bars
    rows: pl.DataFrame
    marks: np.ndarray[Any, np.dtype[np.int64]]  # one past the rows a sweep keeps equity at: each session's last


def prepare(
    streams: Sequence[pl.DataFrame],
    sessions: pl.DataFrame,
    traded: Listed,
    *,
    assumed: Assumptions,
    signals: Sequence[str],
) -> Prepared:
    """Bars (BARS and LINEAGE columns, and those named by `signals`) of each stream, merged.

    Bars of other segments than `assumed.segments` and bars without a price are left out. `sessions` are of the calendar
    the instruments trade on. Raises BacktestError where nothing is left, or a price is off its instrument's grid.
    """
    merged = pl.concat(
        [
            _priced(frame, assumed).with_columns(pl.lit(nth, pl.Int16).alias("stream"))
            for nth, frame in enumerate(streams)
        ],
        how="diagonal",
    )
    closes = sessions.group_by("session_date", "segment").agg(pl.col("close").max().alias("session_close"))
    places = pl.DataFrame(
        {"instrument": traded.names, "place": range(len(traded.names))}, schema_overrides={"place": pl.Int16}
    )
    ordered = (
        merged.filter(pl.col("segment").is_in(assumed.segments))
        .join(places, on="instrument", how="inner")
        .join(closes, on=["session_date", "segment"], how="left")
        .with_columns(pl.col("session_close").fill_null(pl.col("ts_close")))
        .sort("ts_close", -pl.col("stream"), "place", maintain_order=True)
    )
    if ordered.height == 0:
        raise BacktestError(
            f"no bars of {', '.join(traded.names)} in segments {', '.join(assumed.segments)}: "
            "materialise their bars, or choose sessions that have some"
        )
    bars = _bars(ordered, traded, signals)
    ends = ordered["session_date"].rle_id().to_numpy()
    rows = ordered.select("ts_close", "instrument", "session_date", "stream", *LINEAGE)
    return Prepared(bars, rows, np.flatnonzero(np.append(np.diff(ends) != 0, True)).astype(np.int64) + 1)


def charges_of(sessions: pl.DataFrame, traded: Listed, assumed: Assumptions) -> Charges:
    """What positions pay over these sessions: funding every eight hours, borrowing at each session's close for the days
    until the next."""
    due: list[tuple[int, int, int]] = []
    costs = assumed.costs
    closes = sessions.group_by("session_date").agg(pl.col("open").min(), pl.col("close").max()).sort("session_date")
    if costs.short_bps_per_year and closes.height:
        days = closes["session_date"].diff().dt.total_days().shift(-1).fill_null(1)
        for close, nights in zip(closes["close"].dt.timestamp("ns"), days, strict=True):
            due.append((close - 1, round(costs.short_bps_per_year * nights * 100_000 / 365), 1))
    if costs.funding_bps and closes.height:
        first, last = closes["open"].dt.timestamp("ns")[0], closes["close"].dt.timestamp("ns")[-1]
        for ts in range(-(-first // FUNDING_EVERY_NS) * FUNDING_EVERY_NS, last + 1, FUNDING_EVERY_NS):
            due.append((ts, round(costs.funding_bps * 100_000), 0))
    spread = [(ts, nth, rate, shorts) for ts, rate, shorts in sorted(due) for nth in range(len(traded.names))]
    columns = np.array(spread, np.int64).reshape(-1, 4)
    return Charges(*(np.ascontiguousarray(columns[:, nth]) for nth in range(4)))


def _priced(frame: pl.DataFrame, assumed: Assumptions) -> pl.DataFrame:
    """The bars with prices that orders are matched on, as `ask_*`, `bid_*` and, in place of missing trades, mids."""
    if assumed.match_on == "trades":
        sides = {f"{side}_{name}": pl.col(name) for side in ("ask", "bid") for name in _PRICES}
        quotes = [pl.col("bid_close").alias("bid"), pl.col("ask_close").alias("ask")]
        return frame.filter(pl.col("close").is_not_null()).with_columns(*quotes).with_columns(**sides)
    mids = {name: (pl.col(f"bid_{name}") + pl.col(f"ask_{name}")) / 2 for name in _PRICES}
    there = pl.col("bid_close").is_not_null() & pl.col("ask_close").is_not_null()
    return frame.filter(there).with_columns(
        bid=pl.col("bid_close"), ask=pl.col("ask_close"), **{name: pl.coalesce(name, mid) for name, mid in mids.items()}
    )


def _bars(ordered: pl.DataFrame, traded: Listed, signals: Sequence[str]) -> Bars:
    events, bars = np.zeros(ordered.height, EVENT), np.zeros(ordered.height, BAR)
    events["kind"] = EventKind.BAR
    for field, column in (("stream", "stream"), ("instrument", "place"), ("ts", "ts_close"), ("session_close",) * 2):
        events[field] = _numbers(ordered, column)
    for name in (*_PRICES, "volume", "bid", "ask"):
        events[name] = ordered[name].fill_null(float("nan")).to_numpy()
    bars["ts_open"], bars["ts_close"] = _numbers(ordered, "ts_open"), _numbers(ordered, "ts_close")
    bars["instrument"], bars["volume"] = events["instrument"], np.nan_to_num(events["volume"])
    ticks = traded.grid["tick_size"][bars["instrument"]]
    for side in ("ask", "bid"):
        for name in _PRICES:
            bars[side][name] = _in_ticks(ordered, f"{side}_{name}", ticks)
    bars["mark"] = (bars["ask"]["close"] + bars["bid"]["close"]) // 2
    chosen = ordered.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in signals)
    columns = chosen.to_numpy() if signals else np.zeros((ordered.height, 0))
    return Bars(events, bars, np.ascontiguousarray(columns))


def _in_ticks(ordered: pl.DataFrame, column: str, ticks: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    exact = ordered[column].to_numpy() / ticks
    whole = np.rint(exact)
    # What is missing, NaN here, is on no grid either.
    on = (whole > 0) & (np.abs(exact - whole) <= 1e-6 * np.maximum(1.0, np.abs(exact) * 1e-6))
    if not on.all():
        row = ordered.row(int(np.flatnonzero(~on)[0]), named=True)
        raise BacktestError(
            f"{row['instrument']} at {row['ts_close']}: {column} {row[column]} is no positive multiple of its "
            "tick; correct tick_size in the venue's file"
        )
    return whole.astype(np.int64)


def _numbers(ordered: pl.DataFrame, column: str) -> np.ndarray[Any, Any]:
    return ordered[column].to_physical().to_numpy()
