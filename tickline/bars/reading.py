"""What readers ask of windows without a bar: which they are, or flat bars in their place.

Stored bars have no row where nothing happened. A window is only missing once it closed by the watermark, the UTC ns up
to which ticks are known to be complete.
"""

import polars as pl

from tickline.lake.schemas import BARS, NS

_WINDOW = ("instrument", "session_date", "segment", "ts_open", "ts_close")
_PRICES = ("open", "high", "low", "close")
_BIDS = ("bid_open", "bid_high", "bid_low", "bid_close")
_ASKS = ("ask_open", "ask_high", "ask_low", "ask_close")
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
    missing = missing_bars(bars, windows, instruments, watermark=watermark)
    everything = (
        pl.concat([bars, missing], how="diagonal")
        .sort(BARS.sort)
        .with_columns(pl.col(_COUNTS).fill_null(0), pl.col("is_final").fill_null(value=True))
    )
    empty = [pl.all_horizontal(pl.col(side).is_null()) for side in (_PRICES, _BIDS, _ASKS)]
    return (
        everything.with_columns(
            pl.when(none).then(pl.col(side[-1]).forward_fill().over("instrument")).otherwise(pl.col(name)).alias(name)
            for side, none in zip((_PRICES, _BIDS, _ASKS), empty, strict=True)
            for name in side
        )
    )
