"""Rolling correlation, pairwise and as a matrix, against numpy's."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.signals.correlation import (
    correlation,
    correlation_matrix,
    correlation_matrix_online,
    correlation_matrix_size,
    correlation_online,
    correlation_size,
)

pytestmark = pytest.mark.slow

N = 6


def _returns(seed, *, offset=0.0, loud=1.0):
    """Three related series of 40 rows with missing values; the first third is `loud` times the rest."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(40, 1))
    rows = 0.01 * (common * [0.8, -0.5, 0.0] + rng.normal(size=(40, 3)))
    rows[:13] *= loud
    rows[rng.random(40) < 0.2, rng.integers(0, 3)] = np.nan
    return rows + offset


def _by_numpy(rows):
    """The correlation matrix after each row, of the last N rows without holes."""
    found = np.full((len(rows), 3, 3), np.nan)
    whole = [at for at, row in enumerate(rows) if not np.isnan(row).any()]
    for place, at in enumerate(whole):
        if place + 1 >= N:
            found[at] = np.corrcoef(rows[whole[place + 1 - N : place + 1]], rowvar=False)
    return found


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), offset=st.sampled_from([0.0, 50.0]), loud=st.sampled_from([1.0, 1e6]))
def test_matrix_and_twin_say_what_numpy_says_of_each_window(seed, offset, loud):
    rows = _returns(seed, offset=offset, loud=loud)
    expected = _by_numpy(rows)
    state, matrix = np.zeros(correlation_matrix_size(3, N)), np.empty((3, 3))
    pair = np.zeros(correlation_size(N))
    wide = pl.DataFrame(rows, schema=["a", "b", "c"]).with_row_index("row")
    batch = correlation_matrix(wide.lazy(), ["a", "b", "c"], N).collect().fill_null(np.nan)
    for at, row in enumerate(rows):
        correlation_matrix_online(state, row, float(N), matrix)
        assert matrix == pytest.approx(expected[at], abs=1e-9, nan_ok=True)
        of_row = batch.filter(row=at).select("left", "right", "correlation").rows()
        pairs = [("a", "b", matrix[0, 1]), ("a", "c", matrix[0, 2]), ("b", "c", matrix[1, 2])]
        assert [names[:2] for names in of_row] == [names[:2] for names in pairs]
        assert [value for *_, value in of_row] == pytest.approx([value for *_, value in pairs], abs=1e-9, nan_ok=True)
        here = row if not np.isnan(row).any() else np.full(3, np.nan)
        assert correlation_online(pair, here[0], here[1], N) == pytest.approx(matrix[0, 1], abs=1e-12, nan_ok=True)


def test_a_series_that_does_not_move_correlates_with_nothing():
    frame = pl.DataFrame({"x": [1.0, 5.0, 2.0, 2.0, 2.0], "y": [3.0, 1.0, 4.0, 1.0, 5.0]})
    assert frame.select(z=correlation(pl.col("x"), pl.col("y"), 3))["z"].is_null().to_list() == [
        True,
        True,
        False,
        False,
        True,
    ]
    state = np.zeros(correlation_size(3))
    said = [correlation_online(state, x, y, 3) for x, y in frame.iter_rows()]
    assert np.isnan(said).tolist() == [True, True, False, False, True]


def test_cutting_the_future_off_changes_no_correlation():
    wide = pl.DataFrame(_returns(4), schema=["a", "b", "c"]).with_row_index("row").lazy()
    whole = correlation_matrix(wide, ["a", "b", "c"], N).filter(pl.col("row") < 25).collect()
    assert correlation_matrix(wide.head(25), ["a", "b", "c"], N).collect().equals(whole)
