"""Where each instrument's ticks go: batches of ticks, folded over its calendar's windows on its grid, become parts."""

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.bars import kernels
from tickline.bars.combine import PARTS
from tickline.bars.grid import LARGEST, scales
from tickline.bars.kernels import Fault, Records, Words
from tickline.errors import ConfigError
from tickline.lake.schemas import BARS

TRADE_COLUMNS = ("instrument", "ts_event", "seq", "price", "size", "sets")
QUOTE_COLUMNS = ("instrument", "ts_event", "seq", "bid", "ask")


_Fold: TypeAlias = Callable[[pl.DataFrame, Records], tuple[Records, Records]]
"""From a batch in order and its runs to cuts and their bars."""


class Layout:
    """The windows and the grid of every instrument.

    Takes BAR_WINDOWS and INSTRUMENTS columns. Raises ValueError where windows of one calendar overlap.
    """

    def __init__(self, windows: pl.DataFrame, instruments: pl.DataFrame) -> None:
        self._windows = windows.sort("calendar", "ts_open")
        _require_disjoint(self._windows)
        self._opens, self._closes = _columns(self._windows, ("ts_open", "ts_close"))
        of_calendars = self._windows["calendar"].rle().struct.unnest()
        ends = of_calendars["len"].cum_sum().to_list()
        spans = dict(zip(of_calendars["value"], zip([0, *ends], ends, strict=False), strict=True))
        self._listed = scales(instruments)
        first, end = (
            np.array([spans.get(calendar, (0, 0)) for calendar in self._listed["calendar"]], int).reshape(-1, 2).T
        )
        self._listing = {name: listing for listing, name in enumerate(self._listed["instrument"])}
        self._whole_runs = np.zeros(self._listed.height, kernels.RUN)
        self._whole_runs["listing"] = np.arange(self._listed.height)
        self._whole_runs["first_window"], self._whole_runs["end_window"] = first, end
        for field in ("price_scale", "size_scale", "spare_places"):
            self._whole_runs[field] = self._listed[field]

    def trade_parts(self, batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """The parts of clean trades (TRADE_COLUMNS), without the columns of quotes. Raises as `rollup` does."""
        return self._parts(batches, self._fold_trades, kernels.EMPTY_TRADE_BAR)

    def quote_parts(self, batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """The parts of clean quotes (QUOTE_COLUMNS), without the columns of trades. Raises as `rollup` does."""
        return self._parts(batches, self._fold_quotes, kernels.EMPTY_QUOTE_BAR)

    def _fold_trades(self, batch: pl.DataFrame, runs: Records) -> tuple[Records, Records]:
        trades = kernels.Trades(*_columns(batch, TRADE_COLUMNS[1:]))
        cuts = kernels.cut(trades.ts, runs, self._opens, self._closes)
        bars = np.full(cuts.size, kernels.EMPTY_TRADE_BAR)
        fault, row = kernels.fold_trades(trades, runs, cuts, bars)
        if fault != Fault.NONE:
            _refuse(Fault(fault), batch.row(row, named=True))
        effective = bars["settings"] > 0
        return cuts[effective], bars[effective]

    def _fold_quotes(self, batch: pl.DataFrame, runs: Records) -> tuple[Records, Records]:
        quotes = kernels.Quotes(*_columns(batch, QUOTE_COLUMNS[1:]))
        cuts = kernels.cut(quotes.ts, runs, self._opens, self._closes)
        bars = np.full(cuts.size, kernels.EMPTY_QUOTE_BAR)
        kernels.fold_quotes(quotes, cuts, bars)
        effective = bars["quotes"] > 0
        return cuts[effective], bars[effective]

    def _parts(self, batches: Iterable[pl.DataFrame], fold: _Fold, empty: Records) -> pl.DataFrame:
        listings, windows, folded = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, empty.dtype)]
        for batch in batches:
            ordered, runs = self._in_order(batch)
            cuts, bars = fold(ordered, runs)
            listings.append(runs["listing"][cuts["run"]])
            windows.append(cuts["window"])
            folded.append(bars)
        bars = np.concatenate(folded)
        labels = self._listed[np.concatenate(listings)], self._windows[np.concatenate(windows)].drop("calendar")
        columns = [pl.DataFrame(bars)]
        if empty is kernels.EMPTY_TRADE_BAR:
            columns.append(_decimals(bars["turnover_low"], bars["turnover_high"]).to_frame())
        parts = pl.concat([*labels, *columns], how="horizontal")
        ticks = [pl.col(name) for name in parts.columns if name.endswith(("_first", "_last"))]
        known = [pl.when(name != kernels.NEVER).then(name) for name in ticks]
        return (
            parts.lazy()
            .with_columns(pl.col(pl.Float64).fill_nan(None), *known)
            .select(pl.col(name).cast(dtype) for name, dtype in PARTS.items() if name in parts.columns)
            .collect()
        )

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
        unknown = sorted({str(name) for name in stretches["value"]} - self._listing.keys())
        if unknown:
            raise ConfigError(f"ticks of {', '.join(unknown)}, not among the venue's instruments; declare them")
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


def _decimals(low: Words, high: Words) -> pl.Series:
    """128-bit counts of 1e-12, given as two words each, as the Decimal of turnover, in Arrow's own layout."""
    import pyarrow as pa

    words = np.stack([low, high], axis=1)
    decimals = pa.Array.from_buffers(pa.decimal128(38, 12), len(words), [None, pa.py_buffer(words)])
    return pl.Series("turnover", decimals)
