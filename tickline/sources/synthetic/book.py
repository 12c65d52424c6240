"""An order book as a venue publishes it: snapshots, and deltas that keep `depth` levels around every touch.

The book of any moment is the touch and the levels behind it, one a tick; a delta removes the levels that left this
ladder and adds those that entered it, so that a book built from the messages is never crossed and always equals it.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from tickline.sources.synthetic.tape import Flags, Ints, Scene, Touch, on_grid, sizes

SNAPSHOT_EVERY = 1_000
"""A snapshot takes the place of every so many deltas."""


def book(scene: Scene, best: Touch, *, resynced: Iterable[int] = ()) -> pl.DataFrame:
    """The rows of a day's messages: a snapshot first, and then again every so often and at the messages `resynced`.

    Columns: `message`, its number in the day, `seconds`, what a level says, and the touch after it (`best_bid`,
    `best_ask`).
    """
    count = len(best.seconds)
    is_snapshot = np.arange(count) % SNAPSHOT_EVERY == 0
    is_snapshot[np.fromiter(resynced, np.int64)] = True
    depth = scene.process.depth
    ladders = np.flatnonzero(is_snapshot)
    changes = [
        _levels(ladders, best.bid[ladders] - depth + 1, depth, is_bid=True, is_added=True),
        _levels(ladders, best.ask[ladders], depth, is_bid=False, is_added=True),
        *_moves(best.bid, ~is_snapshot, depth, is_bid=True),
        *_moves(best.ask, ~is_snapshot, depth, is_bid=False),
        _refreshed(scene, best, ~is_snapshot),
    ]
    message, ticks, is_bid, is_added = (np.concatenate(column) for column in zip(*changes, strict=True))
    order = np.lexsort((ticks, is_bid, message))
    message, ticks, is_bid, is_added = message[order], ticks[order], is_bid[order], is_added[order]
    tick, snapshot = scene.instrument.tick_size, is_snapshot[message]
    size = sizes(scene, scene.process.quote_size, len(message), scene.random("level sizes"))
    return pl.DataFrame(
        {
            "message": message,
            "seconds": best.seconds[message],
            "kind": pl.Series(["delta", "snapshot"])[snapshot.astype(np.uint32)],
            "side": pl.Series(["ask", "bid"])[is_bid.astype(np.uint32)],
            "price": on_grid(ticks, tick),
            "size": np.where(is_added, size, 0.0),
            "best_bid": on_grid(best.bid[message], tick),
            "best_ask": on_grid(best.ask[message], tick),
        }
    )


Changes = tuple[Ints, Ints, Flags, Flags]
"""Levels that change: message, price in ticks, whether on the bid side, whether added (else removed)."""


def _levels(message: Ints, first: Ints, count: Ints | int, *, is_bid: bool, is_added: bool) -> Changes:
    """For each message `count` levels upwards from `first`."""
    counts = np.broadcast_to(count, message.shape)
    rows = int(counts.sum())
    step = np.arange(rows) - np.repeat(np.cumsum(counts) - counts, counts)
    flags = np.full(rows, is_bid), np.full(rows, is_added)
    return np.repeat(message, counts), np.repeat(first, counts) + step, *flags


def _moves(best: Ints, is_delta: Flags, depth: int, *, is_bid: bool) -> list[Changes]:
    """What leaves and what enters one side's ladder as its best price moves."""
    message = np.flatnonzero(is_delta)
    lowest = best - depth + 1 if is_bid else best
    before, after = lowest[message - 1], lowest[message]
    count = np.minimum(np.abs(after - before), depth)
    rising = after > before
    leaving = np.where(rising, before, before + depth - count)
    entering = np.where(rising, after + depth - count, after)
    return [
        _levels(message, leaving, count, is_bid=is_bid, is_added=False),
        _levels(message, entering, count, is_bid=is_bid, is_added=True),
    ]


def _refreshed(scene: Scene, best: Touch, is_delta: Flags) -> Changes:
    """A new size on one level, for messages that move neither side."""
    rng = scene.random("refreshed levels")
    message = np.flatnonzero(best.is_still & is_delta)
    is_bid = (rng.random(len(best.bid)) < 0.5)[message]
    behind = rng.integers(scene.process.depth, size=len(best.bid))[message]
    ticks = np.where(is_bid, best.bid[message] - behind, best.ask[message] + behind)
    return message, ticks, is_bid, np.ones(len(message), dtype=np.bool_)
