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


class LastId(NamedTuple):
    """The last of an instrument's consecutive ids that came, and the time (UTC ns) of the last clean row."""

    ts: int
    seq: int


def last_id(ts: Ints, seq: Ints, refused: Ints, opening: LastId | None) -> LastId | None:
    """Where a day's consecutive ids end: its highest clean id and the refused ones that follow it without a hole.

    `opening` is where the day before ended. A day without an id adds none.
    """
    known = seq != NONE
    end = LastId(int(ts[known][seq[known].argmax()]), int(seq[known].max())) if known.any() else opening
    if end is None:
        return None
    after = np.unique(refused[refused > end.seq])
    run = int(np.count_nonzero(after == end.seq + 1 + np.arange(len(after))))
    return LastId(end.ts, end.seq + run)


def sequence_gaps(instrument: str, ts: Ints, seq: Ints, refused: Ints, opening: LastId | None = None) -> list[Gap]:
    """Holes in an instrument's consecutive ids. `refused` are ids of rows that came but are not clean: not missing.

    `opening` is where the day before ended. A day whose first id is not above it numbers anew.
    """
    known = seq != NONE
    ts, seq = ts[known], seq[known]
    if opening is not None and len(seq) and opening.seq < seq.min():
        ts, seq = np.concatenate([[opening.ts], ts]), np.concatenate([[opening.seq], seq])
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
