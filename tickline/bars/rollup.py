"""From clean ticks to bars: each tick goes to the window [ts_open, ts_close) it lies in, in one pass over the columns.

A print sets only what its `sets` allows; a window whose prints set nothing has no bar. `trades` counts the prints that
count for volume, so volume / trades is their mean size. A tick exactly at a close belongs to the next window if one
opens there (a closing auction printed at 16:00:00.000 is the first print of the post segment), else to none.
"""

from collections.abc import Iterator
from typing import TypeAlias

import polars as pl

from tickline.bars.kernels import Records
from tickline.bars.layout import QUOTE_COLUMNS, TRADE_COLUMNS, Layout
from tickline.lake.parquet import ROW_GROUP

Ticks: TypeAlias = pl.DataFrame | pl.LazyFrame
"""Rows of clean trades or quotes, fastest in CLEAN order within each day; the bars are the same in any order."""


def rollup(
    trades: Ticks | None, quotes: Ticks | None, windows: pl.DataFrame, instruments: pl.DataFrame, *, watermark: int
) -> pl.DataFrame:
    """The bars of clean ticks over windows, in the BARS schema and order.

    `trades` or `quotes` is None where the venue has no such feed. `windows` has the columns of BAR_WINDOWS, disjoint
    within a calendar: any timeframe up to 4h (`derive` makes the longer ones). `instruments` has columns of
    INSTRUMENTS. `watermark` is the UTC ns up to which the ticks are known to be complete; bars whose window closed by
    then are final. Ticks outside every window are left out.

    Raises ConfigError where a tick's instrument is not listed, its price or size is off the instrument's grid or sums
    would not be exact; ValueError where windows overlap or a tick lacks time, seq or sets.
    """
    layout = Layout(windows, instruments)
    return layout.finished(_folded(layout, trades, quotes), watermark=watermark)


def append(
    bars: pl.DataFrame,
    *,
    trades: Ticks | None,
    quotes: Ticks | None,
    windows: pl.DataFrame,
    instruments: pl.DataFrame,
    watermark: int,
) -> pl.DataFrame:
    """Bars with late trades and quotes added: exactly what `rollup` makes of all ticks, reading the late ones only.

    `bars` are BARS of the windows' timeframe and none of the late ticks stands behind them. Bars of windows without a
    late tick stay as they are, but for becoming final by the watermark. Raises what `rollup` raises, and ValueError for
    bars of other windows.
    """
    layout = Layout(windows, instruments)
    return layout.finished([layout.stored(bars), *_folded(layout, trades, quotes)], watermark=watermark)


def _folded(layout: Layout, trades: Ticks | None, quotes: Ticks | None) -> Iterator[Records]:
    if trades is not None:
        yield from map(layout.fold_trades, _batches(trades, TRADE_COLUMNS))
    if quotes is not None:
        yield from map(layout.fold_quotes, _batches(quotes, QUOTE_COLUMNS))


def _batches(ticks: Ticks, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """The needed columns, as many rows at a time as a file keeps together: memory stays bounded, each batch warm."""
    needed, start = ticks.lazy().select(columns), 0
    while True:
        # Unlike collect_batches, slicing a scan does not decode ahead of a slower reader.
        batch = needed.slice(start, ROW_GROUP).collect()
        yield batch
        start += ROW_GROUP
        if batch.height < ROW_GROUP:
            return
