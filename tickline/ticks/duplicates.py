"""Which rows were delivered before.

Where the venue gives trade ids, the id decides. Elsewhere two equal rows of one delivery are two real ticks, and only
the k-th occurrence of a content in a later delivery repeats the k-th of an earlier one (an overlap of pages, a
reconnect, a file sent twice).
"""

import numba as nb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tickline.lake.schemas import RAW, Feed
from tickline.ticks.canonical import Runs, integers

Rows = NDArray[np.int64]

_DELIVERED = {"seq", "delivery", "defect", "ts_recv"}
"""What may differ between two copies of one tick."""


def content(feed: Feed) -> list[str]:
    """The columns that make two rows without an id the same tick."""
    return [name for name in RAW[feed].columns if name not in _DELIVERED]


def repeats(frame: pl.DataFrame, feed: Feed, runs: Runs, alive: NDArray[np.bool_]) -> Rows:
    """The rows among `alive` that repeat another one; the copy of the earliest delivery stays.

    `frame` is in canonical order with `runs` its instruments.
    """
    if feed is not Feed.TRADES or frame["trade_id"].null_count() == frame.height:
        return _repeated_content(frame, feed, runs, alive)
    named = frame["trade_id"].is_not_null().to_numpy()
    by_id = _repeated_ids(frame, runs, alive & named)
    return by_id if named.all() else np.concatenate([by_id, _repeated_content(frame, feed, runs, alive & ~named)])


def _repeated_ids(frame: pl.DataFrame, runs: Runs, alive: NDArray[np.bool_]) -> Rows:
    # Equal texts have equal keys, so only rows whose key repeats need to be compared as texts.
    numbers = frame["trade_id"].cast(pl.Int64, strict=False)
    whole = numbers.null_count() == frame["trade_id"].null_count()
    keys = integers(numbers) if whole else frame["trade_id"].hash().to_numpy().view(np.int64)
    suspects = [
        run.start + np.flatnonzero(alive[run] & pl.Series(keys[run]).is_in(again).to_numpy())
        for run in runs.slices()
        if len(again := _repeated(keys[run], alive[run]))
    ]
    if not suspects:
        return np.empty(0, dtype=np.int64)
    return _later_copies(frame, np.concatenate(suspects), ["instrument", "trade_id"])


def _repeated(keys: Rows, alive: NDArray[np.bool_]) -> Rows:
    """The keys that occur more than once among the living rows of one instrument."""
    if _ascending(keys, alive):
        return keys[:0]
    ordered = np.sort(keys[alive])
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


@nb.njit(cache=True)
def _ascending(keys: Rows, alive: NDArray[np.bool_]) -> bool:
    last = 0
    seen = False
    for row in range(len(keys)):
        if alive[row]:
            if seen and keys[row] <= last:
                return False
            last = keys[row]
            seen = True
    return True


def _repeated_content(frame: pl.DataFrame, feed: Feed, runs: Runs, alive: NDArray[np.bool_]) -> Rows:
    if frame["delivery"].n_unique() < 2:
        return np.empty(0, dtype=np.int64)
    met = np.zeros(frame.height, dtype=np.bool_)
    _meeting(runs.starts, integers(frame["ts_event"]), integers(frame["delivery"]), alive, met)
    rows = np.flatnonzero(met)
    occurrence = pl.int_range(pl.len()).over(*content(feed), "delivery").alias("occurrence")
    return _later_copies(frame, rows, [*content(feed), "occurrence"], occurrence)


@nb.njit(cache=True)
def _meeting(starts: Rows, ts: Rows, delivery: Rows, alive: NDArray[np.bool_], met: NDArray[np.bool_]) -> None:
    """Mark the living rows at times at which rows of more than one delivery meet."""
    for run in range(len(starts) - 1):
        first = starts[run]
        while first < starts[run + 1]:
            end = first + 1
            while end < starts[run + 1] and ts[end] == ts[first]:
                end += 1
            several = False
            since = -1
            for row in range(first, end):
                if alive[row]:
                    several = several or (since >= 0 and delivery[row] != delivery[since])
                    since = row
            if several:
                met[first:end] = alive[first:end]
            first = end


def _later_copies(frame: pl.DataFrame, rows: Rows, key: list[str], *derived: pl.Expr) -> Rows:
    """Of these rows, those that equal one of an earlier delivery (or an earlier row of their own) in `key`."""
    copies = (
        frame[rows]
        .with_columns(pl.Series("row", rows), *derived)
        .sort("delivery", "row")
        .filter(~pl.struct(key).is_first_distinct())
    )
    return copies["row"].to_numpy()
