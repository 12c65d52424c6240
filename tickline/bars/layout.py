"""Where each instrument's ticks go: batches of ticks, folded over its calendar's windows on its grid, become bars."""

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.bars import kernels
from tickline.bars.combine import bars_of, combine, records_of
from tickline.bars.grid import LARGEST, require_listed, scales
from tickline.bars.kernels import Fault, Records
from tickline.errors import ConfigError
from tickline.lake.schemas import BARS

TRADE_COLUMNS = ("instrument", "ts_event", "seq", "price", "size", "sets")
QUOTE_COLUMNS = ("instrument", "ts_event", "seq", "bid", "ask")


class Layout:
    """The windows and the grid of every instrument.

    Takes BAR_WINDOWS and INSTRUMENTS columns. Raises ValueError where windows of one calendar overlap.
    """

    def __init__(self, windows: pl.DataFrame, instruments: pl.DataFrame) -> None:
        self._windows = windows.sort("calendar", "ts_open")
        self._opens, self._closes = _columns(self._windows, ("ts_open", "ts_close"))
        of_calendars = self._windows["calendar"].rle().struct.unnest()
        ends = of_calendars["len"].cum_sum().to_list()
        spans = dict(zip(of_calendars["value"], zip([0, *ends], ends, strict=False), strict=True))
        _require_disjoint(self._windows)
        self._listed = scales(instruments)
        self._listing = {name: listing for listing, name in enumerate(self._listed["instrument"])}
        self._whole_runs = np.zeros(self._listed.height, kernels.RUN)
        self._whole_runs["listing"] = np.arange(self._listed.height)
        for field, at in (("first_window", 0), ("end_window", 1)):
            self._whole_runs[field] = [spans.get(calendar, (0, 0))[at] for calendar in self._listed["calendar"]]
        for field in ("price_scale", "size_scale", "spare_places"):
            self._whole_runs[field] = self._listed[field]

    def fold_trades(self, batch: pl.DataFrame) -> Records:
        """The bars of clean trades (TRADE_COLUMNS), as records. Raises as `rollup` does."""
        ordered, runs = self._in_order(batch)
        trades = kernels.Trades(*_columns(ordered, TRADE_COLUMNS[1:]))
        cuts = kernels.cut(trades.ts, runs, self._opens, self._closes)
        bars = np.full(cuts.size, kernels.EMPTY_BAR)
        fault, row = kernels.fold_trades(trades, runs, cuts, bars)
        if fault != Fault.NONE:
            _refuse(Fault(fault), ordered.row(row, named=True))
        return bars

    def fold_quotes(self, batch: pl.DataFrame) -> Records:
        """The bars of clean quotes (QUOTE_COLUMNS), as records. Raises as `rollup` does."""
        ordered, runs = self._in_order(batch)
        quotes = kernels.Quotes(*_columns(ordered, QUOTE_COLUMNS[1:]))
        cuts = kernels.cut(quotes.ts, runs, self._opens, self._closes)
        bars = np.full(cuts.size, kernels.EMPTY_BAR)
        kernels.fold_quotes(quotes, runs, cuts, bars)
        return bars

    def stored(self, bars: pl.DataFrame) -> Records:
        """Finished bars (BARS) as records. Raises ValueError where they are not of these windows."""
        runs = self._runs(bars)
        opens, closes = _columns(bars, ("ts_open", "ts_close"))
        cuts = kernels.cut(opens, runs, self._opens, self._closes)
        windows = cuts["window"]
        if cuts.size < bars.height or (self._opens[windows] != opens).any() or (self._closes[windows] != closes).any():
            raise ValueError("bars of other windows than these: give those they were made over, or roll them up again")
        return records_of(bars, self._listed, runs["listing"][cuts["run"]], windows)

    def finished(self, parts: Iterable[Records], *, watermark: int) -> pl.DataFrame:
        """The bars that records add up to, in the BARS schema and order. Raises as `rollup` does."""
        return bars_of(combine(parts), self._listed, self._windows, watermark=watermark)

    def _in_order(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, Records]:
        """A batch in CLEAN order, and its runs. Batches of stored ticks are in order and come back as they are."""
        runs = self._runs(batch)
        ts, seq = _columns(batch, ("ts_event", "seq"))
        if np.unique(runs["listing"]).size == runs.size and kernels.in_order(ts, seq, runs):
            return batch, runs
        ordered = batch.sort("instrument", "ts_event", "seq")
        return ordered, self._runs(ordered)

    def _runs(self, batch: pl.DataFrame) -> Records:
        """The stretches of one instrument, as RUN records."""
        stretches = batch["instrument"].rle().struct.unnest()
        require_listed(stretches["value"], self._listing.keys())
        runs = self._whole_runs[[self._listing[name] for name in stretches["value"]]]
        runs["stop"] = stretches["len"].cum_sum()
        runs["start"] = runs["stop"] - stretches["len"]
        return runs


def _require_disjoint(windows: pl.DataFrame) -> None:
    overlapping = windows.filter(pl.col("ts_close").shift(1).over("calendar") > pl.col("ts_open"))
    if overlapping.height:
        first = overlapping.row(0, named=True)
        raise ValueError(
            f"windows of calendar {first['calendar']} overlap at {first['ts_open']}: roll ticks up to windows of at "
            "most 4h and derive days and weeks from those"
        )


def _refuse(fault: Fault, trade: dict[str, object]) -> NoReturn:
    finding = {
        Fault.PRICE: f"price {trade['price']} is finer than tick_size or not positive; declare a finer tick_size",
        Fault.SIZE: f"size {trade['size']} is finer than lot_size or not positive; declare a finer lot_size",
        Fault.TOO_FINE: f"price x size has more decimal places than turnover ({BARS.columns['turnover']}); "
        "declare a coarser tick_size or lot_size",
        Fault.TOO_LARGE: f"volume of the bar exceeds {LARGEST} last places of lot_size, or its turnover "
        f"{BARS.columns['turnover']}, and would not be exact; declare a coarser lot_size",
    }
    raise ConfigError(f"{trade['instrument']} at {trade['ts_event']} (seq {trade['seq']}): {finding[fault]}")


def _columns(ticks: pl.DataFrame, names: tuple[str, ...]) -> list[npt.NDArray[Any]]:
    """Columns as numpy arrays, times as UTC ns, missing prices as NaN. Raises ValueError where another is missing."""
    arrays = []
    for name in names:
        column = ticks[name].rechunk()
        if column.null_count() and column.dtype != pl.Float64:
            raise ValueError(f"ticks without {name}: bars are made of clean ticks")
        array = column.to_physical().to_numpy()
        array.flags.writeable = False  # as it is where nothing was copied: the kernels compile for one type
        arrays.append(array)
    return arrays
