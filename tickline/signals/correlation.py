"""Rolling correlation of two series and of many, as Polars expressions and, named `..._online`, event by event.

A row in which any of the series is missing (null or NaN) is passed over for all of them, so that a matrix is one of the
same rows; otherwise missing rows, warm-up and state are as in `tickline.signals.indicators` and `.online`.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from numba.extending import register_jitable

from tickline.compiled import kernel
from tickline.signals.indicators import on_present, variance
from tickline.signals.online import State, cross_spread, gather, spread, two_product, two_sum

Row: TypeAlias = npt.NDArray[np.float64] | tuple[float, float]
"""A value of each series."""


def correlation(x: pl.Expr, y: pl.Expr, n: int) -> pl.Expr:
    """Pearson's correlation of the last n rows, -1 to 1; null where either series does not move in them."""
    return on_present(lambda x, y: _correlation(x, y, n), x, y)


def correlation_matrix(wide: pl.LazyFrame, names: Sequence[str], n: int) -> pl.LazyFrame:
    """Rolling correlations of every pair of the columns `names`, usually returns, over the last n rows.

    The other columns of `wide` stay, in front of `left`, `right` (String, in order of `names`) and `correlation`
    (Float64): a row for each pair and row. Rows are in order of time.
    """
    here = pl.all_horizontal(pl.col(names).cast(pl.Float64).fill_nan(None).is_not_null())
    columns = {name: pl.when(here).then(pl.col(name)) for name in names}
    pairs = [
        pl.struct(
            pl.lit(left).alias("left"),
            pl.lit(right).alias("right"),
            correlation(columns[left], columns[right], n).alias("correlation"),
        )
        for left, right in combinations(names, 2)
    ]
    return wide.with_columns(pl.concat_list(pairs).alias("pair")).drop(names).explode("pair").unnest("pair")


@register_jitable
def correlation_size(n: float) -> int:
    """How many floats `correlation_online` keeps."""
    return correlation_matrix_size(2, n)


@kernel
def correlation_online(state: State, x: float, y: float, n: float) -> float:
    """Correlation of the last n pairs."""
    if np.isnan(x + y) or not _take(state, (x, y), 2, n):
        return np.nan
    return float(_of_pair(state, 0, 1, 2, n))


@register_jitable
def correlation_matrix_size(series: float, n: float) -> int:
    """How many floats `correlation_matrix_online` keeps for that many series."""
    k = int(series)
    return 2 + 4 * k + k * (k + 1) + k * int(n)


@kernel
def correlation_matrix_online(state: State, row: npt.NDArray[np.float64], n: float, matrix: State) -> None:
    """Take a row of values and write the correlations of the last n rows into `matrix`, series x series.

    NaN before n rows, where a series has not moved and all over where a value of this row is missing. Costs the square
    of the number of series a row, whatever n is.
    """
    k = row.size
    matrix.fill(np.nan)
    for value in row:
        if np.isnan(value):
            return
    if not _take(state, row, k, n):
        return
    for left in range(k):
        for right in range(left, k):
            matrix[left, right] = matrix[right, left] = _of_pair(state, left, right, k, n)


# State: place in the ring, whether it is full; for each series its last value, for how many rows it has been that, and
# its sum in two floats; for each pair, a series with itself too, the sum of products in two floats; the ring of rows.


@kernel
def _take(state: State, row: Row, k: int, n: float) -> bool:
    """Let a row into the window and the oldest out; whether the window is full."""
    ring = 2 + 4 * k + k * (k + 1) + k * int(state[0])
    for i in range(k):
        of_series = 2 + 4 * i
        state[of_series + 1] = state[of_series + 1] + 1.0 if row[i] == state[of_series] else 1.0
        state[of_series] = row[i]
        change, change_low = two_sum(row[i], -state[ring + i])
        state[of_series + 2], state[of_series + 3] = gather(
            state[of_series + 2], state[of_series + 3], change, change_low
        )
        for j in range(i, k):
            of_pair = _place(i, j, k)
            come, come_low = two_product(row[i], row[j])
            gone, gone_low = two_product(state[ring + i], state[ring + j])
            high, low = gather(state[of_pair], state[of_pair + 1], come, come_low)
            state[of_pair], state[of_pair + 1] = gather(high, low, -gone, -gone_low)
    for i in range(k):
        state[ring + i] = row[i]
    state[0] += 1.0
    if state[0] == n:
        state[0], state[1] = 0.0, 1.0
    return bool(state[1] == 1.0)


@kernel
def _of_pair(state: State, left: int, right: int, k: int, n: float) -> float:
    x, y, of_pair = 2 + 4 * left, 2 + 4 * right, _place(left, right, k)
    if state[x + 1] >= n or state[y + 1] >= n:
        return np.nan
    of_x, of_y = _place(left, left, k), _place(right, right, k)
    together = cross_spread(
        state[x + 2], state[x + 3], state[y + 2], state[y + 3], state[of_pair], state[of_pair + 1], n
    )
    alone = spread(state[x + 2], state[x + 3], state[of_x], state[of_x + 1], n)
    other = spread(state[y + 2], state[y + 3], state[of_y], state[of_y + 1], n)
    return together / (math.sqrt(alone) * math.sqrt(other))


@kernel
def _place(left: int, right: int, k: int) -> int:
    """Where the products of a pair (left <= right) are: pairs lie in order of left, then right."""
    return 2 + 4 * k + 2 * (left * k - left * (left - 1) // 2 + right - left)


def _correlation(x: pl.Series, y: pl.Series, n: int) -> pl.Series:
    # By var(x + y) - var(x - y) = 4 cov(x, y), which rounds well where the series are far from zero too.
    together = 0.25 * (variance(x + y, n, ddof=0) - variance(x - y, n, ddof=0))
    deviations = variance(x, n, ddof=0).sqrt() * variance(y, n, ddof=0).sqrt()
    return together / deviations.set(deviations == 0.0, None)
