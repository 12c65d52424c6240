"""Bars add up: the bar of two sets of ticks follows from the bars of each, in any order and grouping.

In between, bars are records (`kernels.BAR`) of a listing and a window: rows of the tables of instruments and windows.
Volume and turnover are whole numbers there (`grid`), so sums stay exact, and what follows from other columns (vwap,
is_final) is absent. Rolling up, appending late ticks and deriving longer bars are all this one addition.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from tickline.bars import kernels
from tickline.bars.grid import LARGEST
from tickline.bars.kernels import Ints, Records, Words
from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.lake.schemas import BARS

_OF_WINDOW = ("session_date", "segment", "ts_open", "ts_close")
_SHARED = tuple(name for name in BARS.columns if name in (kernels.BAR.names or ()))
_TICKS = tuple(name for name in _SHARED if name.endswith(("_first", "_last")))


def records_of(bars: pl.DataFrame, listed: pl.DataFrame, listings: Ints, windows: Ints) -> Records:
    """Finished bars (BARS) as records of the given listings and windows; `listed` is of `grid.scales`."""
    records = np.full(bars.height, kernels.EMPTY_BAR)
    records["listing"], records["window"] = listings, windows
    physical = bars.select(pl.col(_SHARED).to_physical()).with_columns(pl.col(_TICKS).fill_null(kernels.NEVER))
    for name in _SHARED:
        records[name] = physical[name].to_numpy()
    records["volume_units"] = np.rint(bars["volume"].to_numpy() * listed["size_scale"].to_numpy()[listings])
    records["turnover_low"], records["turnover_high"] = _words(bars["turnover"])
    return records


def combine(parts: Iterable[Records]) -> Records:
    """One bar for each listing and window, in that order, out of any bars; each tick stands behind one of them alone.

    Where two ticks share time and seq, open is the lower and close the higher of their prices.
    """
    bars = np.concatenate([np.empty(0, kernels.BAR), *parts])
    keys = bars["listing"] * (bars["window"].max(initial=0) + 1) + bars["window"]
    return kernels.add_up(bars, np.argsort(keys, kind="stable"))


def bars_of(records: Records, listed: pl.DataFrame, windows: pl.DataFrame, *, watermark: int) -> pl.DataFrame:
    """Finished bars, in the BARS schema, out of records of rows of `listed` (of `grid.scales`) and `windows`.

    A bar is final when its window closed by the watermark: the UTC ns up to which its ticks are known to be complete.
    Raises ConfigError where a sum is too large to be exact.
    """
    instrument = listed["instrument"][records["listing"]]
    _require_exact(records, instrument)
    turnover = _decimals(records["turnover_low"], records["turnover_high"])
    volume = records["volume_units"] / listed["size_scale"].to_numpy()[records["listing"]]
    with np.errstate(invalid="ignore"):  # 0 / 0, which is no vwap
        vwap = turnover.cast(pl.Float64).to_numpy() / volume
    finished = pl.DataFrame(
        {name: records[name] for name in _SHARED} | {"volume": volume, "turnover": turnover, "vwap": vwap}
    ).with_columns(instrument, *windows[records["window"]].select(_OF_WINDOW))
    is_final = pl.col("ts_close") <= pl.lit(watermark).cast(NS)
    ticks = pl.col(_TICKS)
    return (
        finished.lazy()
        .with_columns(pl.col(pl.Float64).fill_nan(None), pl.when(ticks != kernels.NEVER).then(ticks), is_final=is_final)
        .select(pl.col(name).cast(dtype) for name, dtype in BARS.columns.items())
        .collect()
    )


def _require_exact(records: Records, instrument: pl.Series) -> None:
    """Refuse sums that Float64 or the decimal of turnover could not tell from their neighbours."""
    inexact = (records["volume_units"] > LARGEST) | (records["turnover_high"] >= kernels.DECIMAL_END)
    if inexact.any():
        named = ", ".join(instrument.filter(pl.Series(inexact)).unique().sort())
        raise ConfigError(
            f"instruments {named}: volume exceeds {LARGEST} times the last place of lot_size, or turnover "
            f"{BARS.columns['turnover']}, and would not be exact; declare a coarser lot_size"
        )


# Arrow lays a decimal out as the records do: a 128-bit count of 1e-12, in two words.


def _words(turnover: pl.Series) -> Words:
    decimals = turnover.rechunk().to_arrow()
    words = np.frombuffer(decimals.buffers()[1], np.uint64).reshape(-1, 2)
    return words[decimals.offset : decimals.offset + len(decimals)].T


def _decimals(low: Words, high: Words) -> pl.Series:
    # Readers of the catalog alone need not pay for this import.
    import pyarrow as pa

    words = np.stack([low, high], axis=1)
    decimals = pa.Array.from_buffers(pa.decimal128(38, 12), len(words), [None, pa.py_buffer(words)])
    return pl.Series("turnover", decimals)
