"""Longer bars out of shorter ones, exactly as the ticks behind them would have made them."""

import polars as pl

from tickline.bars.combine import bars_of, combine, records_of
from tickline.bars.grid import require_listed, scales


def derive(
    bars: pl.DataFrame, timeframe: str, windows: pl.DataFrame, instruments: pl.DataFrame, *, watermark: int
) -> pl.DataFrame:
    """The bars of a timeframe out of shorter bars of the same sessions, in the BARS schema and order.

    `bars` are BARS whose windows nest in those of the timeframe: 1m for any, 1d for 1w. `windows` has the columns of
    BAR_WINDOWS for that timeframe, `instruments` columns of INSTRUMENTS. A bar belongs to the window of its calendar,
    session_date (for 1w: of the week's Monday) and segment, so a day's bar leaves its lunch break out and a week's
    regular bar the nights. `watermark` is the UTC ns up to which the ticks behind `bars` are known to be complete;
    minutes without a bar say nothing about that.

    Raises ConfigError for bars of an instrument that is not listed and for volumes too large to be exact; ValueError
    for bars that lie in no window.
    """
    period = pl.col("session_date").dt.truncate("1w") if timeframe == "1w" else pl.col("session_date")
    listed = scales(instruments)
    require_listed(bars["instrument"].unique(), set(listed["instrument"]))
    longer = windows.sort("calendar", "ts_open").with_row_index("window")
    placed = (
        bars.join(listed.with_row_index("listing"), on="instrument", how="left", maintain_order="left")
        .with_columns(period.alias("period"))
        .sort("ts_open")
        .join_asof(
            longer.sort("ts_open").rename({"ts_open": "window_open", "ts_close": "window_close"}),
            left_on="ts_open",
            right_on="window_open",
            by_left=["calendar", "period", "segment"],
            by_right=["calendar", "session_date", "segment"],
            check_sortedness=False,  # both sides are sorted just above; Polars cannot see that within groups
        )
    )
    _require_nested(placed, timeframe)
    records = records_of(placed, listed, placed["listing"].to_numpy(), placed["window"].to_numpy())
    return bars_of(combine([records]), listed, longer, watermark=watermark)


def _require_nested(placed: pl.DataFrame, timeframe: str) -> None:
    stray = placed.filter(~(pl.col("ts_close") <= pl.col("window_close")).fill_null(value=False))
    if stray.height:
        first = stray.row(0, named=True)
        raise ValueError(
            f"{stray.height} bars lie in no {timeframe} window, the first {first['instrument']} at {first['ts_open']} "
            f"({first['segment']} of {first['session_date']}): give the windows of the sessions the bars were made over"
        )
