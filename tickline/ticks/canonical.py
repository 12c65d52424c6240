"""The one order in which a day's raw rows are judged, whatever order they arrived in.

Rows are ordered by their feed's sort key and, where that ties, by every other column, so that only rows equal in
everything are interchangeable. A row's number in this order is its `raw_row`.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tickline.lake.schemas import RAW, Feed

NONE = np.iinfo(np.int64).min
"""What stands for null in integer columns handed to numba; it sorts first, as null does."""

_KEYS = ("ts_event", "seq", "delivery")


def integers(column: pl.Series) -> NDArray[np.int64]:
    """An integer or time column as int64, `NONE` where null."""
    return column.to_physical().cast(pl.Int64).fill_null(NONE).to_numpy()


def floats(column: pl.Series) -> NDArray[np.float64]:
    """A number column as float64, NaN where null."""
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


@dataclass(frozen=True, slots=True)
class Runs:
    """Where each instrument's rows lie: those of `instruments[i]` are `starts[i]` up to `starts[i + 1]`."""

    instruments: tuple[str | None, ...]
    starts: NDArray[np.int64]

    def of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The run each row belongs to."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def slices(self) -> list[slice]:
        """The rows of each run."""
        return [
            slice(start, end) for start, end in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        ]


def runs_of(frame: pl.DataFrame) -> Runs:
    """The runs of equal `instrument` as the rows lie."""
    encoded = frame["instrument"].rle().struct
    lengths = encoded.field("len").to_numpy()
    return Runs(tuple(encoded.field("value")), np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))


def canonical(raw: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """The same rows in canonical order. Rows stored in it already are recognised, not sorted again."""
    frame, ties = raw, _ties(raw)
    if ties is None:
        frame = raw[_sorting(raw)]
        ties = _ties(frame)
        assert ties is not None, "sorted rows are sorted"
    if not len(ties):
        return frame
    sort = RAW[feed].sort
    tied = frame[ties].with_columns(row=pl.Series(ties))
    order = tied.sort(*sort, *(name for name in frame.columns if name not in sort), maintain_order=True)["row"]
    if (order.to_numpy() == ties).all():
        return frame
    rows = np.arange(frame.height)
    rows[ties] = order.to_numpy()
    return frame[rows]


def _sorting(raw: pl.DataFrame) -> NDArray[np.int64]:
    """The rows in order of instrument, time, sequence and delivery.

    Sorting the four keys as integers costs a third of what Polars needs for a sort of whole rows by mixed keys.
    """
    names = raw["instrument"].unique().drop_nulls().sort()
    instrument = integers(raw["instrument"].cast(pl.Enum(names)))
    return np.lexsort([*(integers(raw[key]) for key in reversed(_KEYS)), instrument])


def _ties(frame: pl.DataFrame) -> NDArray[np.int64] | None:
    """The rows that tie with a neighbour on instrument, time, sequence and delivery; None if they are not sorted."""
    if not frame["instrument"].is_sorted():
        return None
    runs = runs_of(frame)
    tied = np.zeros(frame.height, dtype=np.bool_)
    ts, seq, delivery = (integers(frame[key]) for key in _KEYS)
    if not _ordered(runs.starts, ts, seq, delivery, tied):
        return None
    return np.flatnonzero(tied)


@nb.njit(cache=True)
def _ordered(
    starts: NDArray[np.int64],
    ts: NDArray[np.int64],
    seq: NDArray[np.int64],
    delivery: NDArray[np.int64],
    tied: NDArray[np.bool_],
) -> bool:
    """Whether every run is sorted; marks the rows equal to a neighbour in all three keys."""
    for run in range(len(starts) - 1):
        for row in range(starts[run] + 1, starts[run + 1]):
            if ts[row] != ts[row - 1]:
                if ts[row] < ts[row - 1]:
                    return False
            elif seq[row] != seq[row - 1]:
                if seq[row] < seq[row - 1]:
                    return False
            elif delivery[row] != delivery[row - 1]:
                if delivery[row] < delivery[row - 1]:
                    return False
            else:
                tied[row - 1] = True
                tied[row] = True
    return True
