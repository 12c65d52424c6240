"""Where ticks are missing: ids the venue must have sent, and silence inside a regular session."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickline.ticks.canonical import NONE
from tickline.ticks.windows import Windows

Ints = NDArray[np.int64]


class Gap(NamedTuple):
    """One row of the GAPS dataset: times in UTC nanoseconds, ids last seen before and first seen after."""

    instrument: str
    kind: str
    ts_from: int
    ts_to: int
    seq_from: int | None
    seq_to: int | None
    missing: int | None


def sequence_gaps(instrument: str, ts: Ints, seq: Ints, refused: Ints) -> list[Gap]:
    """Holes in an instrument's consecutive ids. `refused` are ids of rows that came but are not clean: not missing."""
    known = seq != NONE
    ts, seq = ts[known], seq[known]
    if not (seq[1:] > seq[:-1]).all():
        order = np.argsort(seq, kind="stable")
        ts, seq = ts[order], seq[order]
    refused = np.unique(refused[refused != NONE])
    gaps = []
    for at in np.flatnonzero(seq[1:] - seq[:-1] > 1):
        before, after = int(seq[at]), int(seq[at + 1])
        came = np.searchsorted(refused, after) - np.searchsorted(refused, before, side="right")
        if missing := after - before - 1 - int(came):
            since, until = sorted((int(ts[at]), int(ts[at + 1])))
            gaps.append(Gap(instrument, "sequence", since, until, before, after, missing))
    return gaps


def silent_gaps(instrument: str, ts: Ints, seq: Ints, sessions: Windows, silence_ns: int) -> list[Gap]:
    """Stretches of a session longer than `silence_ns` without a tick, its edges included. `ts` ascends."""
    gaps = []
    for opens, closes in zip(sessions.opens.tolist(), sessions.closes.tolist(), strict=True):
        inside = slice(int(np.searchsorted(ts, opens)), int(np.searchsorted(ts, closes)))
        times = np.concatenate([[opens], ts[inside], [closes]])
        ids = np.concatenate([[NONE], seq[inside], [NONE]])
        for at in np.flatnonzero(np.diff(times) > silence_ns):
            before, after = (None if number == NONE else int(number) for number in ids[at : at + 2])
            gaps.append(Gap(instrument, "silence", int(times[at]), int(times[at + 1]), before, after, None))
    return gaps
