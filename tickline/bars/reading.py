"""What readers ask of windows without a bar: which they are, or flat bars in their place.

Stored bars have no row where nothing happened. A window is only missing once it closed by the watermark, the UTC ns up
to which ticks are known to be complete.
"""

import polars as pl

from tickline.lake.schema import NS
from tickline.lake.schemas import BARS

_WINDOW = ("instrument", "session_date", "segment", "ts_open", "ts_close")
_SIDES = (
    ("open", "high", "low", "close"),
    ("bid_open", "bid_high", "bid_low", "bid_close"),
    ("ask_open", "ask_high", "ask_low", "ask_close"),
)
_COUNTS = ("volume", "turnover", "trades", "quotes")


def missing_bars(
    bars: pl.DataFrame, windows: pl.DataFrame, instruments: pl.DataFrame, *, watermark: int
) -> pl.DataFrame:
    """The closed windows in which an instrument has no bar: for 1m bars, its gap minutes.

    `bars` are BARS of the timeframe of `windows` (BAR_WINDOWS), `instruments` has columns of INSTRUMENTS. Returns
    instrument, session_date, segment, ts_open, ts_close, sorted by instrument and ts_open.
    """
    closed = windows.filter(pl.col("ts_close") <= pl.lit(watermark).cast(NS))
    expected = instruments.select("instrument", "calendar").join(closed, on="calendar")
    return expected.join(bars, on=BARS.sort, how="anti").select(_WINDOW).sort(BARS.sort)


def flat_fill(bars: pl.DataFrame, windows: pl.DataFrame, instruments: pl.DataFrame, *, watermark: int) -> pl.DataFrame:
    """Bars with the instrument's last close, bid and ask carried into windows that have none of their own.

    Takes what `missing_bars` takes. Returns the columns of BARS and `filled`: whether any price of the row was carried.
    A missing window becomes a final bar of no volume, trades and quotes; a bar without prices keeps its counts. Before
    an instrument's first price there is nothing to carry: no row is added.
    """
    missing = missing_bars(bars, windows, instruments, watermark=watermark).with_columns(is_final=pl.lit(value=True))
    everything = pl.concat([bars, missing], how="diagonal").sort(BARS.sort)
    carried = {name: pl.col(side[-1]).forward_fill().over("instrument") for side in _SIDES for name in side}
    lacking = {name: pl.all_horizontal(pl.col(side).is_null()) for side in _SIDES for name in side}
    stored = pl.col("trades").is_not_null()
    return (
        everything.with_columns(
            pl.any_horizontal(lacking[name] & carried[name].is_not_null() for name in carried).alias("filled"),
            *(pl.when(lacking[name]).then(carried[name]).otherwise(name).alias(name) for name in carried),
        )
        .filter(stored | pl.col("filled"))
        .with_columns(pl.col(_COUNTS).fill_null(0))
    )
