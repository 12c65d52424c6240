"""Faults put into true ticks, each with the rule that should find it.

A day's messages (rows, or the messages of a book) are dealt out in slots of eight. A slot holds one fault at most,
with true messages before and after it, so that no fault hides, causes or confirms another. The rule's name travels
with the row, in a column `rule` that is null for true rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tickline.errors import SourceError
from tickline.lake.schemas import Feed
from tickline.sources.synthetic.edits import BEHIND_S, EDITS
from tickline.sources.synthetic.tape import Flags, Ints, Scene, Times

SLOT = 8

AT = 4
"""The message of its slot that a fault of one message falls on."""

MOST = 0.08
"""The largest share of messages that may be faulty, all faults together: with a slot for each, a third stay true."""

GUARD_S = 60
"""How far from any trading a print outside the session is, at least."""

FROZEN_TAIL = 12
"""For how many quotes a feed stays frozen once it counts as frozen."""

FROZEN_SLACK_US = 3_600 * 10**6
"""How much longer than it must a frozen run may last: it does not span a night."""

REDELIVERED_S = 20
"""How far back a new connection repeats what the last one brought."""

BREAK_LOST, BREAK_ORPHANED = 2, 4
"""Where a book breaks: so many messages are lost, so many after them build on nothing, and a snapshot mends it."""

_STRUCTURAL = {
    Feed.TRADES: {"duplicate", "outside_session", "sequence_gap"},
    Feed.QUOTES: {"duplicate", "outside_session", "sequence_gap", "frozen"},
    Feed.BOOK: {"duplicate", "book_gap"},
}


def known(feed: Feed) -> list[str]:
    """The faults that can be put into a feed."""
    return sorted(EDITS[feed].keys() | _STRUCTURAL[feed])


@dataclass(slots=True)
class Slots:
    """The slots of a day that are still free, given out at random."""

    free: Flags
    rng: np.random.Generator

    @classmethod
    def of(cls, messages: int, rng: np.random.Generator) -> "Slots":
        """All slots of a day but the first and the last."""
        free = np.ones(messages // SLOT, dtype=np.bool_)
        free[:1] = free[-1:] = False
        return cls(free, rng)

    def close(self, messages: Ints) -> None:
        """Keep faults away from some messages."""
        slots = messages // SLOT
        self.free[slots[(slots >= 0) & (slots < len(self.free))]] = False

    def take(self, count: int, room: Ints) -> tuple[Ints, Ints]:
        """Free slots with room for `count` faulty messages: the first message of each, ascending, and how many in it.

        `room` says how many each slot of the day can hold. Raises SourceError where there is not enough of it.
        """
        offered = self.rng.permutation(np.flatnonzero(self.free & (room > 0)))
        held = np.cumsum(room[offered])
        if count and (not len(held) or held[-1] < count):
            raise SourceError(
                f"no room for {count} faulty messages of one kind in a day; lower the rates of its faults"
            )
        taken = offered[: np.searchsorted(held, count) + 1] if count else offered[:0]
        parts = room[taken]
        parts[-1:] -= held[len(taken) - 1 : len(taken)] - count
        self.free[taken] = False
        order = np.argsort(taken)
        return taken[order] * SLOT, parts[order]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which messages of a day get which fault, before any row is touched.

    `edited` are messages by the rule whose edit they get. `lost` never arrive. `frozen` are runs: the quote repeated,
    the first one refused and the end. `reconnects` are messages before which a new delivery begins and `repeated` how
    many messages it repeats. `orphaned` messages of a book build on lost ones, and `mended` are the snapshots that end
    each such break.
    """

    edited: dict[str, Ints]
    lost: Ints
    frozen: list[tuple[int, int, int]]
    reconnects: Ints
    repeated: Ints
    orphaned: Ints
    mended: Ints


def plan(scene: Scene, feed: Feed, times: Times, *, taken: Ints, suitable: Mapping[str, Flags]) -> Plan:
    """Deal a day's messages out to the configured faults.

    `taken` are messages that must stay as they are; `suitable` says of some rules which messages their edit fits.
    Raises SourceError where the rates leave too few true messages.
    """
    rng = scene.random(f"faults of {feed}")
    count = len(times.event_us)
    slots = Slots.of(count, rng)
    slots.close(taken)
    for shift in scene.process.shifts:
        since = (shift.at - scene.midnight).total_seconds()
        slots.close(np.searchsorted(times.event_us, since * 1e6) + np.array([-SLOT, 0, SLOT]))
    wanted = {rule: round(rate * count) for rule, rate in sorted(scene.settings.faults.items())}
    one = np.ones(len(slots.free), dtype=np.int64)
    # The choosiest first, while there is most to choose from.
    frozen = _frozen_runs(scene, times, slots, wanted.get("frozen", 0))
    suitable = {**suitable, "out_of_order": _can_fall_behind(scene, times)}
    edited = {
        rule: slots.take(wanted[rule], suitable[rule][AT::SLOT][: len(one)] * one if rule in suitable else one)[0] + AT
        for rule in sorted(wanted.keys() & EDITS[feed].keys(), key=lambda rule: (rule not in suitable, rule))
    }
    breaks, _ = slots.take(wanted.get("book_gap", 0), BREAK_ORPHANED * one)
    holes, lengths = slots.take(wanted.get("sequence_gap", 0), rng.integers(1, SLOT - 1, len(one)))
    ends, repeated = slots.take(wanted.get("duplicate", 0), _recent(times, len(one)))
    return Plan(
        edited=edited,
        lost=np.concatenate([ranges(breaks + 1, np.full_like(breaks, BREAK_LOST)), ranges(holes + 1, lengths)]),
        frozen=frozen,
        reconnects=ends + SLOT,
        repeated=repeated,
        orphaned=ranges(breaks + 1 + BREAK_LOST, np.full_like(breaks, BREAK_ORPHANED)),
        mended=breaks + 1 + BREAK_LOST + BREAK_ORPHANED,
    )


def _frozen_runs(scene: Scene, times: Times, slots: Slots, count: int) -> list[tuple[int, int, int]]:
    """Runs of slots in which the feed repeats one quote for long enough that `count` quotes are refused in all."""
    runs: list[tuple[int, int, int]] = []
    if not count:
        return runs
    rows, span_us = round(scene.parameters["frozen_rows"]), int(scene.parameters["frozen_s"] * 1e6)
    for slot in slots.rng.permutation(len(slots.free)).tolist():
        if count <= 0:
            return runs
        start = slot * SLOT
        since = times.recv_us[start]
        refused = max(start + rows - 1, int(np.searchsorted(times.recv_us, since + span_us)))
        end = refused + min(FROZEN_TAIL, count)
        within = slice(slot, (end - 1) // SLOT + 1)
        # One more slot, so that the quote is seen to move on.
        if within.stop >= len(slots.free) or not slots.free[within].all():
            continue
        if times.recv_us[end] - since <= span_us + FROZEN_SLACK_US:
            slots.free[within] = False
            runs.append((start, refused, end))
            count -= end - refused
    if count > 0:
        raise SourceError(f"no room for {count} frozen quotes in a day; lower the rates of its faults")
    return sorted(runs)


def _can_fall_behind(scene: Scene, times: Times) -> Flags:
    """Messages that follow the one before so soon that they can be moved behind it, within its session."""
    before = np.concatenate([times.event_us[:1], times.event_us[:-1]])
    moved = before // 10**6 - BEHIND_S
    soon = times.event_us - before < BEHIND_S * 10**6
    return np.asarray(soon & (moved >= 0) & (scene.busy[moved] > 0))


def _recent(times: Times, slots: int) -> Ints:
    """For each slot how many of its messages a connection that starts right after it repeats."""
    event = times.event_us[: slots * SLOT].reshape(slots, SLOT)
    return np.asarray((event >= event[:, -1:] - REDELIVERED_S * 10**6).sum(axis=1))


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """The integers from each start, as many as its length."""
    step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray(np.repeat(starts, lengths) + step)
