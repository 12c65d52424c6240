"""One instrument's feed on one day as it arrives: true ticks, and the planned faults carried out on them."""

import numpy as np
import polars as pl

from tickline.lake.schema import NS
from tickline.lake.schemas import GAPS, RAW, Feed
from tickline.sources.synthetic.book import book
from tickline.sources.synthetic.edits import EDITS, OUTCOME_EDITS
from tickline.sources.synthetic.faults import GUARD_S, Plan, plan, ranges
from tickline.sources.synthetic.tape import Ints, Scene, Times, numbered, quotes, seq_of, touch, trades

ADDED = {
    Feed.TRADES: {"unknown_instrument"},
    Feed.QUOTES: {"unknown_instrument"},
    Feed.BOOK: EDITS[Feed.BOOK].keys(),
}
"""Edits made on a copy beside the true row: it is another instrument's, or the book needs the true level."""

QUOTE = ("bid", "bid_size", "ask", "ask_size")


def arriving(scene: Scene, feed: Feed) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The feed's raw rows with their `rule` (null for true ones), and what never arrives, as GAPS.

    Rows are in the order of receipt except that what a new connection repeats comes at the end. Raises SourceError
    where the faults' rates leave too few true rows.
    """
    if not scene.busy.any():
        return RAW[feed].empty().with_columns(pl.lit(None, pl.String).alias("rule")), GAPS.empty()
    if feed is Feed.BOOK:
        best = touch(scene)
        times = Times.of(scene, feed, best.seconds)
        planned = plan(scene, feed, times, taken=np.empty(0, np.int64), suitable={"book_crossed": best.is_still})
        rows = book(scene, best, resynced=planned.mended).with_columns(pl.lit(None, pl.String).alias("rule"))
    else:
        rows = _with_prints_outside(scene, feed, trades(scene) if feed is Feed.TRADES else quotes(scene))
        times = Times.of(scene, feed, rows["seconds"].to_numpy())
        outside = rows["rule"].is_not_null().arg_true().to_numpy().astype(np.int64)
        planned = plan(scene, feed, times, taken=outside, suitable={})
    return _carried_out(scene, feed, numbered(scene, feed, rows, times), planned), _missing(scene, feed, planned, times)


def _with_prints_outside(scene: Scene, feed: Feed, frame: pl.DataFrame) -> pl.DataFrame:
    """The ticks and some at times at which the instrument does not trade, in order; `message` numbers them.

    A day that is never closed has none of the latter.
    """
    rng = scene.random(f"{feed} outside the session")
    near_trading = np.convolve(scene.busy > 0, np.ones(2 * GUARD_S + 1), mode="same") > 0.5
    closed = np.flatnonzero(~near_trading)
    count = round(scene.settings.faults.get("outside_session", 0.0) * frame.height) if len(closed) else 0
    frame = frame.with_columns(pl.lit(None, pl.String).alias("rule"))
    if count:
        strays = frame[np.sort(rng.integers(frame.height, size=count))].with_columns(
            pl.Series("seconds", np.sort(rng.choice(closed, count) + rng.random(count))),
            pl.lit("outside_session").alias("rule"),
        )
        frame = frame.merge_sorted(strays, key="seconds")
    return frame.with_columns(pl.Series("message", np.arange(frame.height)))


def _carried_out(scene: Scene, feed: Feed, frame: pl.DataFrame, planned: Plan) -> pl.DataFrame:
    """The rows with every planned fault in them, in the RAW columns and `rule`."""
    message = frame["message"].to_numpy()
    frame = _frozen(frame, planned).with_columns(
        pl.Series("delivery", np.searchsorted(planned.reconnects, message, side="right"), pl.Int32)
    )
    if len(planned.orphaned):
        frame = frame.with_columns(frame["rule"].scatter(_rows_of(message, planned.orphaned), "book_gap"))
    rows = {rule: np.searchsorted(message, messages) for rule, messages in planned.edited.items()}
    kept = np.ones(frame.height, dtype=np.bool_)
    kept[_rows_of(message, planned.lost)] = False
    for rule in rows.keys() - ADDED[feed]:
        kept[rows[rule]] = False
    parts = [
        frame.filter(pl.Series(kept)),
        *(_edited(scene, feed, frame, rule, rows[rule]) for rule in rows),
        _repeated(frame, planned),
    ]
    return pl.concat([part.select(*RAW[feed].columns, "rule") for part in parts])


def _frozen(frame: pl.DataFrame, planned: Plan) -> pl.DataFrame:
    if not planned.frozen:
        return frame
    said_by, refused = np.arange(frame.height), np.zeros(frame.height, dtype=np.bool_)
    for start, since, end in planned.frozen:
        said_by[start:end] = start
        refused[since:end] = True
    return frame.with_columns(
        *frame.select(QUOTE)[said_by].iter_columns(),
        pl.when(pl.Series(refused)).then(pl.lit("frozen")).otherwise("rule").alias("rule"),
    )


def _edited(scene: Scene, feed: Feed, frame: pl.DataFrame, rule: str, rows: Ints) -> pl.DataFrame:
    """These rows, each with one rule's fault."""
    edits = EDITS[feed] | (OUTCOME_EDITS.get(feed, {}) if scene.is_outcome else {})
    return (
        frame[rows]
        .with_columns(
            pl.lit(rule).alias("rule"),
            pl.lit(float(scene.instrument.tick_size)).alias("tick"),
            pl.lit(float(scene.instrument.lot_size)).alias("lot"),
            frame["ts_event"][np.maximum(rows - 1, 0)].alias("before"),
            pl.Series("draw", scene.random(f"{feed} {rule}").random(len(rows))),
        )
        .with_columns(**edits[rule])
    )


def _repeated(frame: pl.DataFrame, planned: Plan) -> pl.DataFrame:
    """What new connections repeat: the last messages of the connection before, received when it was last heard."""
    message = frame["message"].to_numpy()
    rows = _rows_of(message, ranges(planned.reconnects - planned.repeated, planned.repeated))
    last = planned.reconnects[frame["delivery"].to_numpy()[rows]] - 1
    return frame[rows].with_columns(
        frame["ts_recv"][np.searchsorted(message, last)],
        pl.lit("duplicate").alias("rule"),
        pl.col("delivery") + 1,
    )


def _rows_of(message: Ints, wanted: Ints) -> Ints:
    """The rows of some messages, given each row's message, ascending."""
    starts = np.searchsorted(message, wanted, side="left")
    return ranges(starts, np.searchsorted(message, wanted, side="right") - starts)


def _missing(scene: Scene, feed: Feed, planned: Plan, times: Times) -> pl.DataFrame:
    """The gaps the lost messages leave, as GAPS; that of a book lasts until it is mended."""
    lost = np.sort(planned.lost)
    begins = lost[np.diff(lost, prepend=-2) > 1]
    ends = lost[np.diff(lost, append=np.iinfo(np.int64).max) > 1]
    before, after = begins - 1, planned.mended if feed is Feed.BOOK else ends + 1
    midnight_us = int(scene.midnight.timestamp()) * 10**6
    return pl.DataFrame(
        {
            "instrument": pl.repeat(scene.instrument.name, len(begins), dtype=pl.String, eager=True),
            "kind": pl.repeat("book" if feed is Feed.BOOK else "sequence", len(begins), dtype=pl.String, eager=True),
            "ts_from": pl.Series((times.event_us[before] + midnight_us) * 1000).cast(NS),
            "ts_to": pl.Series((times.event_us[after] + midnight_us) * 1000).cast(NS),
            "seq_from": seq_of(scene.day, before),
            "seq_to": seq_of(scene.day, after),
            "missing": ends - begins + 1,
        },
        schema=GAPS.columns,
    )
