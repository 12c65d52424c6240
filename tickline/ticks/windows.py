"""Session windows of one calendar inside one UTC day, as plain sorted arrays."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tickline.errors import FirewallError
from tickline.lake.schemas import SESSIONS

DAY_NS = 86_400 * 10**9


def midnight_of(day: date) -> int:
    """When a UTC day begins, in Unix seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Windows:
    """Half-open times [open, close) in UTC nanoseconds, disjoint and ascending."""

    opens: NDArray[np.int64]
    closes: NDArray[np.int64]

    def contains(self, ts: int) -> bool:
        """Whether a time lies in a window."""
        at = bisect_right(self.opens, ts) - 1
        return at >= 0 and ts < int(self.closes[at])

    def outside(self, ts: NDArray[np.int64]) -> list[slice]:
        """The stretches of an ascending array of times that lie in no window."""
        edges = [0]
        for opens, closes in zip(self.opens, self.closes, strict=True):
            edges += [int(np.searchsorted(ts, opens)), int(np.searchsorted(ts, closes))]
        edges.append(len(ts))
        return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def windows(sessions: pl.DataFrame, calendar: str, day: date, *, segments: frozenset[str] | None = None) -> Windows:
    """The sessions of a calendar cut to a UTC day; windows that touch or overlap become one.

    `segments` keeps only those segments. Raises FirewallError where `sessions` does not know the calendar: a
    calendar that is closed all day must be told from one that is missing.
    """
    own = sessions.select(list(SESSIONS.columns)).filter(pl.col("calendar") == calendar)
    if own.is_empty():
        raise FirewallError(f"no sessions of calendar {calendar!r} around {day}; build the sessions table first")
    start = midnight_of(day) * 10**9
    if segments is not None:
        own = own.filter(pl.col("segment").is_in(sorted(segments)))
    spans = (
        own.select(pl.col("open", "close").to_physical().clip(start, start + DAY_NS))
        .filter(pl.col("open") < pl.col("close"))
        .sort("open")
        .rows()
    )
    merged: list[list[int]] = []
    for opens, closes in spans:
        if merged and opens <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], closes)
        else:
            merged.append([opens, closes])
    return Windows(
        np.array([opens for opens, _ in merged], dtype=np.int64),
        np.array([closes for _, closes in merged], dtype=np.int64),
    )
