"""Predicates of one bad row, shared by the datasets.

Each is true for a row that is wrong in its way, and false or null otherwise: a missing value is `missing` alone. In
Polars NaN is greater than anything, so that no comparison can be trusted to find it: `not_finite` does.
"""

import functools
import operator
from collections.abc import Callable, Iterable

import numpy as np
import polars as pl


def missing(*columns: str) -> pl.Expr:
    """Any of the columns is null."""
    return pl.any_horizontal(pl.col(column).is_null() for column in columns)


def not_finite(*columns: str) -> pl.Expr:
    """Any of the columns is NaN or infinite."""
    return _any(~pl.col(column).is_finite() for column in columns)


def not_positive(*columns: str) -> pl.Expr:
    """Any of the columns is zero or less."""
    return _any(pl.col(column) <= 0 for column in columns)


def negative(*columns: str) -> pl.Expr:
    """Any of the columns is less than zero."""
    return _any(pl.col(column) < 0 for column in columns)


def off_grid(grid: str, *columns: str) -> pl.Expr:
    """Any of the columns is no multiple of the grid, but for what Float64 cannot hold."""
    return _any(_off_grid(pl.col(column) / pl.col(grid)) for column in columns)


def outside(low: str, high: str, *columns: str) -> pl.Expr:
    """Any of the columns lies outside [low, high]."""
    return _any((pl.col(column) < pl.col(low)) | (pl.col(column) > pl.col(high)) for column in columns)


def crossed(bid: str, ask: str, max_cross_bps: float) -> pl.Expr:
    """The bid stands above the ask by more than so many basis points of the ask."""
    excess = pl.col(bid) - pl.col(ask)
    return (excess > 0) & (excess * 10_000 > pl.col(ask) * max_cross_bps)


def not_among(column: str, values: Iterable[str]) -> pl.Expr:
    """The column holds something that is none of the values."""
    return ~pl.col(column).is_in(list(values))


def out_of_order(*columns: str) -> pl.Expr:
    """The row sorts before its predecessor by these columns, nulls first."""
    wrong = pl.lit(value=False)
    for column in reversed(columns):
        here, before = pl.col(column), pl.col(column).shift()
        falls = (here < before).fill_null(here.is_null() & before.is_not_null())
        wrong = falls | (here.eq_missing(before) & wrong)
    return wrong


def outside_sessions(sessions: pl.DataFrame) -> pl.Expr:
    """ts_event lies in no session of the row's `calendar`, each [open, close)."""
    ts = pl.col("ts_event").to_physical()
    inside = [
        (pl.col("calendar") == calendar) & ts.map_batches(_inside(own), return_dtype=pl.Boolean, is_elementwise=True)
        for (calendar,), own in sessions.sort("open").group_by("calendar", maintain_order=True)
    ]
    outside_all = ~_any(inside) if inside else pl.col("ts_event").is_not_null()
    return outside_all & pl.col("calendar").is_not_null()


def _inside(windows: pl.DataFrame) -> Callable[[pl.Series], pl.Series]:
    """Whether times lie in a window, by binary search: a year of sessions costs no more than a few.

    `windows` are sorted by open and may overlap.
    """
    opens = windows["open"].to_physical().to_numpy()
    # The latest close so far decides, whichever of the windows opened before a time it belongs to.
    closes = np.concatenate(
        [[np.iinfo(np.int64).min], np.maximum.accumulate(windows["close"].to_physical().to_numpy())]
    )

    def inside(times: pl.Series) -> pl.Series:
        known = times.fill_null(0).to_numpy()
        found = known < closes[np.searchsorted(opens, known, side="right")]
        return pl.Series(found).set(times.is_null(), None)

    return inside


def _off_grid(steps: pl.Expr) -> pl.Expr:
    return steps.is_finite() & ((steps - steps.round()).abs() > 1e-6 + steps.abs() * 1e-15)


def _any(predicates: Iterable[pl.Expr]) -> pl.Expr:
    return functools.reduce(operator.or_, predicates)
