"""What a run leaves, as tables of the lake: orders, fills, round trips, equity. Money and sizes are exact."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np
import polars as pl

from tickline.backtest.bars import LINEAGE, Listed
from tickline.backtest.matching import Log
from tickline.compiled import kernel
from tickline.execution.orders import Refusal, Status
from tickline.lake.schema import NS
from tickline.lake.schemas import BACKTEST_EQUITY, BACKTEST_FILLS, BACKTEST_ORDERS, BACKTEST_TRADES
from tickline.signals.desk import NEVER, Flag, Ints, Kind, Records, TimeInForce

ROUND_TRIP = np.dtype([(name, np.int64) for name in ("instrument", "lots", "entry", "exit", "fees")])
"""One entry closed by one exit: `entry` and `exit` are rows of the fills (`exit` is -1 while open), `fees` in units."""

_EXACT = pl.Decimal(38, 12)


def logged(log: Log) -> Log:
    """The part of a log that was written."""
    return Log(log.fills[: log.tally["fills"]], log.ended[: log.tally["ended"]], log.tally)


def fills_frame(log: Log, traded: Listed, rows: pl.DataFrame) -> pl.DataFrame:
    """The fills as BACKTEST_FILLS. `rows` has session_date and LINEAGE for each row of the engine's input."""
    frame = _frame(log.fills, ("order", "instrument", "ts", "row", "lots", "price", "fee", "maker", "tag"))
    lineage = rows.select("session_date", *LINEAGE)[log.fills["row"].tolist()] if frame.height else rows.clear()
    return (
        _placed(frame, traded)
        .with_columns(lineage.select("session_date", *LINEAGE))
        .with_columns(
            _times("price", "tick"),
            _times("fee", "unit"),
            _size("lots"),
            _side("lots"),
            pl.col("ts").cast(NS),
            (pl.col("maker") == 1).alias("is_maker"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in BACKTEST_FILLS.columns.items())
        .sort(BACKTEST_FILLS.sort, maintain_order=True)
    )


def orders_frame(log: Log, desk: Records, traded: Listed) -> pl.DataFrame:
    """Every order, ended or still alive at the end, and every intent that was refused, as BACKTEST_ORDERS."""
    alive = desk["orders"][0, : desk["working"][0]]
    names = ("id", "instrument", "status", "reason", "lots", "filled", "kind", "tif", "flags")
    frame = _frame(np.concatenate([log.ended, alive]), (*names, "price", "trigger", "group", "tag", "ts_sent"))
    return (
        _placed(frame, traded)
        .with_columns(
            _side("lots"),
            _size("lots"),
            (pl.col("filled").abs().cast(pl.Decimal(38, 0)) * pl.col("lot")).alias("filled"),
        )
        .with_columns(
            pl.col("id").alias("order"),
            *(pl.when(pl.col(name) != NEVER).then(_times(name, "tick")).alias(name) for name in ("price", "trigger")),
            *(_named(name, words) for name, words in (("kind", Kind), ("tif", TimeInForce), ("status", Status))),
            pl.when(pl.col("reason") != Refusal.NONE).then(_named("reason", Refusal)).alias("reason"),
            (pl.col("flags") & Flag.POST_ONLY > 0).alias("post_only"),
            (pl.col("flags") & Flag.REDUCE_ONLY > 0).alias("reduce_only"),
            pl.col("ts_sent").cast(NS),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in BACKTEST_ORDERS.columns.items())
        .sort(BACKTEST_ORDERS.sort)
    )


def trades_frame(log: Log, desk: Records, traded: Listed) -> pl.DataFrame:
    """The round trips, first in first out, as BACKTEST_TRADES; what is still held leaves at its last price."""
    trips = _frame(round_trips(log.fills), ("instrument", "lots", "entry", "exit", "fees"))
    fills = _frame(log.fills, ("ts", "price")).with_row_index("at").cast({"at": pl.Int64})
    positions = desk["positions"][0]
    last = {nth: int(positions["mark"][nth]) for nth in range(len(traded.instruments))}
    now = int(log.tally["ts"])
    left = _placed(trips, traded).join(fills.rename({"at": "entry"}), on="entry", how="left", maintain_order="left")
    both = left.join(fills.rename({"at": "exit"}), on="exit", how="left", suffix="_exit", maintain_order="left")
    gained = (pl.col("price_exit") - pl.col("price")) * pl.col("lots") * pl.col("tick_value")
    unit = float(traded.unit)
    return (
        both.with_columns(
            (pl.col("exit") < 0).alias("is_open"),
            pl.col("price_exit").fill_null(pl.col("place").replace_strict(last, return_dtype=pl.Int64)),
            pl.col("ts_exit").fill_null(pl.max_horizontal(pl.lit(now), "ts")),
        )
        .with_columns((gained * unit).alias("gross"), (pl.col("fees") * unit).alias("fees"))
        .with_columns(
            pl.when(pl.col("lots") > 0).then(pl.lit("long")).otherwise(pl.lit("short")).alias("side"),
            pl.col("ts").cast(NS).alias("ts_entry"),
            pl.col("ts_exit").cast(NS),
            _size("lots"),
            _times("price", "tick").alias("entry_price"),
            _times("price_exit", "tick").alias("exit_price"),
            (pl.col("gross") - pl.col("fees")).alias("net"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in BACKTEST_TRADES.columns.items())
        .sort(BACKTEST_TRADES.sort, maintain_order=True)
    )


def equity_frame(track: Ints, rows: pl.DataFrame, traded: Listed) -> pl.DataFrame:
    """The account after the last row of each time, as BACKTEST_EQUITY. `track` has equity and cash of each row."""
    unit = float(traded.unit)
    return (
        rows.select("session_date", pl.col("ts_close").alias("ts"))
        .with_columns(equity=pl.Series(track[:, 0] * unit), cash=pl.Series(track[:, 1] * unit))
        .unique("ts", keep="last", maintain_order=True)
        .with_columns(
            drawdown=1 - pl.col("equity") / pl.col("equity").cum_max(),
            exposure=(pl.col("equity") - pl.col("cash")) / pl.col("equity"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in BACKTEST_EQUITY.columns.items())
    )


def stitched(runs: pl.DataFrame, equity: pl.DataFrame) -> pl.DataFrame:
    """Equity of runs (BACKTEST_RUN, BACKTEST_EQUITY) as if one account had gone through them, each in proportion from
    where the one before ended. It begins with the capital of the first, a nanosecond before the first sample.

    Columns: ts, session_date, equity and `window`, the ts_to of its run.
    """
    ordered = runs.sort("ts_to").select("capital", "equity", window="ts_to").cast({pl.Decimal: pl.Float64})
    before = (pl.col("equity") / pl.col("capital")).clip(0).cum_prod().shift(1, fill_value=1.0)
    scaled = ordered.select("window", scale=pl.col("capital").first() * before / pl.col("capital"))
    # A run may have begun earlier, to warm up, but none goes on into the next.
    samples = equity.sort("ts").join_asof(scaled, left_on="ts", right_on="window", strategy="forward")
    grown = samples.select("ts", "session_date", pl.col("equity") * pl.col("scale"), "window")
    start = grown.head(1).with_columns(pl.col("ts") - pl.duration(nanoseconds=1), equity=pl.lit(ordered["capital"][0]))
    return pl.concat([start, grown])


@kernel
def round_trips(fills: Records) -> Records:
    """Match fills, first in first out for each instrument, into ROUND_TRIP records in the order they closed.

    A fee is split over the trips of its fill by lots; what rounding leaves goes to the last of them.
    """
    trips = np.zeros(2 * fills.size, ROUND_TRIP)
    left, fee_left = np.zeros(fills.size, np.int64), np.zeros(fills.size, np.int64)
    first = np.zeros(64, np.int64)
    made = 0
    for row in range(fills.size):
        fill = fills[row]
        instrument = fill.instrument
        left[row], fee_left[row] = fill.lots, fill.fee
        entry = first[instrument]
        while entry < row and left[row] != 0:
            opposed = left[entry] != 0 and (left[entry] > 0) != (left[row] > 0)
            if fills[entry].instrument == instrument and opposed:
                lots = min(abs(left[entry]), abs(left[row]))
                trip = trips[made]
                made += 1
                trip.instrument, trip.entry, trip.exit = instrument, entry, row
                trip.lots = lots if left[entry] > 0 else -lots
                trip.fees = _share(left, fee_left, entry, lots) + _share(left, fee_left, row, lots)
            entry += 1
        while first[instrument] < row and (
            fills[first[instrument]].instrument != instrument or left[first[instrument]] == 0
        ):
            first[instrument] += 1
    for row in range(fills.size):
        if left[row] != 0:
            trip = trips[made]
            made += 1
            trip.instrument, trip.lots, trip.entry, trip.exit = fills[row].instrument, left[row], row, -1
            trip.fees = fee_left[row]
    return trips[:made]


@kernel
def _share(left: Ints, fee_left: Ints, row: int, lots: int) -> int:
    """Take lots, and their share of the fee, from what is left of a fill."""
    held = abs(left[row])
    fee = fee_left[row] if lots == held else int(float(fee_left[row]) * (float(lots) / float(held)))
    fee_left[row] -= fee
    left[row] -= lots if left[row] > 0 else -lots
    return fee


def _frame(records: Records, names: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame({name: np.ascontiguousarray(records[name]) for name in names})


def _placed(frame: pl.DataFrame, traded: Listed) -> pl.DataFrame:
    """The frame with each row's instrument by name, and its tick, lot and unit of cash."""
    grid: Mapping[str, Any] = {
        "place": range(len(traded.instruments)),
        "name": traded.names,
        "tick": [instrument.tick_size for instrument in traded.instruments],
        "lot": [instrument.lot_size for instrument in traded.instruments],
        "unit": [traded.unit] * len(traded.instruments),
        "tick_value": traded.grid["tick_value"],
    }
    schema = {"place": pl.Int64(), "tick": _EXACT, "lot": _EXACT, "unit": _EXACT}
    places = pl.DataFrame(grid, schema_overrides=schema)
    placed = frame.rename({"instrument": "place"}).join(places, on="place", how="left", maintain_order="left")
    return placed.rename({"name": "instrument"})


def _times(name: str, factor: str) -> pl.Expr:
    return (pl.col(name).cast(pl.Decimal(38, 0)) * pl.col(factor)).alias(name)


def _size(lots: str) -> pl.Expr:
    return (pl.col(lots).abs().cast(pl.Decimal(38, 0)) * pl.col("lot")).alias("size")


def _side(lots: str) -> pl.Expr:
    return pl.when(pl.col(lots) > 0).then(pl.lit("buy")).otherwise(pl.lit("sell")).alias("side")


def _named(name: str, words: type[IntEnum]) -> pl.Expr:
    spelled = {int(word): word.name.lower() for word in words}
    return pl.col(name).replace_strict(spelled, return_dtype=pl.String).alias(name)
