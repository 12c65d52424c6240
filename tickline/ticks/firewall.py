"""The firewall: one UTC day of raw rows in, the clean, the refused and the missing out.

The same rows give the same frames in whatever order or chunks they come, and every raw row is in exactly one of
`clean` and `quarantine`. Of the day before it knows only what that day left: its unbroken books and its last ids.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tickline.errors import FirewallError, SchemaDrift
from tickline.lake.schemas import CLEAN, CLOSING, GAPS, QUARANTINE, RAW, Feed
from tickline.reference.models import Venue
from tickline.ticks import book
from tickline.ticks.canonical import Runs, canonical, floats, integers, runs_of
from tickline.ticks.carry import books_of, closing_books, closing_ids, ids_of
from tickline.ticks.conditions import EVERYTHING, Conditions
from tickline.ticks.duplicates import repeats
from tickline.ticks.gaps import Gap, LastId, last_id, sequence_gaps, silent_gaps
from tickline.ticks.rules import Rule, RuleSet, Scan
from tickline.ticks.scans import (
    FrozenLimits,
    JumpLimits,
    OrderLimits,
    in_order,
    scan_frozen,
    scan_jumps,
    scan_order,
)
from tickline.ticks.screen import Numbers, screen
from tickline.ticks.windows import Windows, midnight_of, windows


@dataclass(frozen=True, slots=True)
class Judged:
    """A day's verdict.

    Attributes:
        clean: rows that passed, schema `CLEAN[feed]`.
        quarantine: rows refused, each with its rule and reason, schema `QUARANTINE[feed]`; copies by `duplicate`.
        gaps: where ticks are missing, schema `GAPS`.
        closing: what the next day may go on from, schema `CLOSING[feed]`.
        counts: rows by rule, for every rule of the feed: refused, or for a rule that only notes, noted.
    """

    clean: pl.DataFrame
    quarantine: pl.DataFrame
    gaps: pl.DataFrame
    closing: pl.DataFrame
    counts: dict[str, int]


@dataclass(slots=True)
class _Ticks:
    """A day's rows in canonical order and what has been found about them so far."""

    frame: pl.DataFrame
    feed: Feed
    runs: Runs
    numbers: Numbers
    windows: list[Windows]
    verdict: NDArray[np.uint8]
    ts: NDArray[np.int64]
    seq: NDArray[np.int64]
    delivery: NDArray[np.int64]
    books: dict[str, book.Book]  # as the day before left them
    ids: dict[str, LastId]  # where the day before left them, then where this one does
    epoch: NDArray[np.int64] | None = None
    book_ends: list[book.End | None] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def number(self, name: str, run: int) -> float:
        return float(self.numbers.values[name][run])

    @property
    def alive(self) -> NDArray[np.bool_]:
        passed: NDArray[np.bool_] = self.verdict == 0
        return passed


def judge(  # noqa: PLR0913 - each is one thing a verdict depends on
    raw: pl.DataFrame,
    feed: Feed,
    venue: Venue,
    *,
    day: date,
    sessions: pl.DataFrame,
    rules: RuleSet,
    conditions: Conditions | None = None,
    opening: pl.DataFrame | None = None,
) -> Judged:
    """Judge one UTC day of a venue's raw rows of one feed.

    `raw` has the columns of `RAW[feed]`; `sessions` (schema SESSIONS) covers the day for every calendar the venue's
    instruments trade on; `conditions` is the venue's sale-condition table, if it has one. `opening` is what the day
    before left (its `closing`); without it books begin with a snapshot and ids anywhere.

    Raises SchemaDrift where the columns are not the feed's, FirewallError where a parameter or calendar is unknown or
    no rule follows the book.
    """
    check_schema(raw, feed, place=f"{venue.name} {feed} {day}")
    frame = canonical(raw, feed)
    runs = runs_of(frame)
    listed = {instrument.name: instrument for instrument in venue.instruments}
    midnight = midnight_of(day)
    numbers = Numbers.of(
        runs,
        [rules.numbers(feed, venue, listed.get(name or "")) | {"midnight": midnight} for name in runs.instruments],
    )
    calendars = {name: venue.calendar_of(instrument) for name, instrument in listed.items()}
    open_hours = {calendar: windows(sessions, calendar, day) for calendar in sorted(set(calendars.values()))}
    closed = Windows(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

    before = CLOSING[feed].empty() if opening is None else opening
    screened = screen(frame, feed, rules, numbers, midnight=midnight)
    ticks = _Ticks(
        frame,
        feed,
        runs,
        numbers,
        [open_hours.get(calendars.get(name or "", ""), closed) for name in runs.instruments],
        screened.verdict,
        ts=integers(frame["ts_event"]),
        seq=integers(frame["seq"]),
        delivery=integers(frame["delivery"]),
        books=books_of(before) if feed is Feed.BOOK else {},
        ids=ids_of(before) if feed is not Feed.BOOK else {},
    )
    for code, rule in enumerate(rules.of(feed), start=1):
        if rule.scan is not None:
            _SCANS[rule.scan](ticks, code)
    if feed is Feed.BOOK and ticks.epoch is None:
        raise FirewallError("no rule follows the book; give one the scan book_chain and judge it again")

    regular = {calendar: windows(sessions, calendar, day, segments=frozenset({"regular"})) for calendar in open_hours}
    for name, instrument in listed.items():
        silence_ns = int(rules.numbers(feed, venue, instrument)["silence_s"] * 1e9)
        _find_gaps(ticks, name, regular[calendars[name]], silence_ns)

    clean = _clean(ticks, conditions)
    quarantine = _quarantine(ticks, rules.of(feed))
    assert clean.height + quarantine.height == raw.height, "every raw row is clean or refused"
    refused = np.bincount(ticks.verdict, minlength=len(rules.of(feed)) + 1).tolist()
    counts = {rule.name: refused[code] for code, rule in enumerate(rules.of(feed), start=1)} | screened.notes
    closing = closing_books(_closing_books(ticks)) if feed is Feed.BOOK else closing_ids(ticks.ids)
    return Judged(clean, quarantine, _gaps(ticks.gaps), closing, counts)


def check_schema(raw: pl.DataFrame, feed: Feed, *, place: str) -> None:
    """Raise SchemaDrift, listing missing, unexpected and retyped columns, unless they are exactly the feed's."""
    expected, found = RAW[feed].columns, dict(raw.schema)
    drift = [f"missing {name} ({expected[name]})" for name in expected if name not in found]
    drift += [f"unexpected {name} ({found[name]})" for name in found if name not in expected]
    drift += [
        f"retyped {name} ({expected[name]} became {found[name]})"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    if not drift and list(found) != list(expected):
        drift = [f"reordered columns ({', '.join(found)})"]
    if drift:
        raise SchemaDrift(
            f"{place}: the batch does not have the columns of raw {feed}: {'; '.join(drift)}. "
            "Nothing of it was judged; fix the source or its column mapping and load it again"
        )


def _outside_sessions(ticks: _Ticks, code: int) -> None:
    for run, open_hours in zip(ticks.runs.slices(), ticks.windows, strict=True):
        for outside in open_hours.outside(ticks.ts[run]):
            verdict = ticks.verdict[run][outside]
            verdict[verdict == 0] = code


def _repeats(ticks: _Ticks, code: int) -> None:
    ticks.verdict[repeats(ticks.frame, ticks.feed, ticks.runs, ticks.alive)] = code


def _out_of_order(ticks: _Ticks, code: int) -> None:
    for at, run in enumerate(ticks.runs.slices()):
        ts, seq, delivery = ticks.ts[run], ticks.seq[run], ticks.delivery[run]
        if in_order(delivery, seq, ticks.verdict[run]):
            continue
        rows = np.flatnonzero(ticks.verdict[run] == 0)
        limits = OrderLimits(
            tolerance_ns=int(ticks.number("order_tolerance_s", at) * 1e9),
            confirm=int(ticks.number("order_confirm", at)),
        )
        order = rows[np.lexsort((rows, seq[rows], delivery[rows]))]
        scan_order(order, delivery, ts, limits, ticks.verdict[run], code)


def _jumps(ticks: _Ticks, code: int) -> None:
    if ticks.feed is Feed.QUOTES:
        price = floats(ticks.frame.select(mid=(pl.col("bid") + pl.col("ask")) / 2)["mid"])
    else:
        price = floats(ticks.frame["price"])
    for at, run in enumerate(ticks.runs.slices()):
        limits = JumpLimits(
            ticks.number("jump_ratio", at), ticks.number("jump_floor", at), int(ticks.number("jump_confirm", at))
        )
        scan_jumps(price[run], limits, ticks.verdict[run], code)


def _frozen(ticks: _Ticks, code: int) -> None:
    bid, bid_size, ask, ask_size = (floats(ticks.frame[name]) for name in ("bid", "bid_size", "ask", "ask_size"))
    seconds = integers(ticks.frame.select(pl.coalesce("ts_recv", "ts_event")).to_series()) / 1e9
    for at, run in enumerate(ticks.runs.slices()):
        limits = FrozenLimits(int(ticks.number("frozen_rows", at)), ticks.number("frozen_s", at))
        scan_frozen((bid[run], bid_size[run], ask[run], ask_size[run]), seconds[run], limits, ticks.verdict[run], code)


def _book_chain(ticks: _Ticks, code: int) -> None:
    ticks.epoch = np.full(ticks.frame.height, book.NO_BOOK, dtype=np.int64)
    for name, run in zip(ticks.runs.instruments, ticks.runs.slices(), strict=True):
        verdict = ticks.verdict[run]
        rows = book.book_rows(ticks.frame[run], verdict == 0)
        chained = book.chain(rows, name or "", ticks.books.get(name or ""))
        ticks.epoch[run][rows.order] = chained.epoch
        verdict[rows.order[rows.living & (chained.epoch == book.NO_BOOK)]] = code
        ticks.gaps += chained.gaps
        ticks.book_ends.append(chained.end)


def _book_cross(ticks: _Ticks, code: int) -> None:
    assert ticks.epoch is not None, "the chain is followed before the book is built"
    price, size = floats(ticks.frame["price"]), floats(ticks.frame["size"])
    for name, run in zip(ticks.runs.instruments, ticks.runs.slices(), strict=True):
        rows = book.book_rows(ticks.frame[run], ticks.verdict[run] == 0)
        levels = ticks.frame["side"][run], price[run], size[run]
        crossed = book.crossing(rows, ticks.epoch[run][rows.order], *levels, ticks.books.get(name or ""))
        ticks.verdict[run][rows.order[crossed]] = code


def _closing_books(ticks: _Ticks) -> dict[str, book.Book]:
    """The unbroken books at the end of the day; one without rows today is as it was."""
    assert ticks.epoch is not None, "the chain is followed before the book is closed"
    books = dict(ticks.books)
    for name, run, end in zip(ticks.runs.instruments, ticks.runs.slices(), ticks.book_ends, strict=True):
        opening = books.pop(name or "", None)
        if name is not None and end is not None:
            last = (ticks.verdict[run] == 0) & (ticks.epoch[run] == end.epoch)
            books[name] = book.closing(end, ticks.frame[run].filter(pl.Series(last)), opening)
    return books


_SCANS: dict[Scan, Callable[[_Ticks, int], None]] = {
    "sessions": _outside_sessions,
    "repeats": _repeats,
    "order": _out_of_order,
    "jumps": _jumps,
    "frozen": _frozen,
    "book_chain": _book_chain,
    "book_cross": _book_cross,
}


def _find_gaps(ticks: _Ticks, instrument: str, regular: Windows, silence_ns: int) -> None:
    """Add the gaps of one listed instrument, whether it has rows or not, and where its consecutive ids end."""
    at = bisect_left(ticks.runs.instruments, instrument, key=lambda name: name or "")
    found = at < len(ticks.runs.instruments) and ticks.runs.instruments[at] == instrument
    run = slice(*ticks.runs.starts[at : at + 2].tolist()) if found else slice(0, 0)
    alive = ticks.verdict[run] == 0
    ts, seq = ticks.ts[run][alive], ticks.seq[run]
    ticks.gaps += silent_gaps(instrument, ts, seq[alive], regular, silence_ns)
    if found and ticks.number("consecutive_seq", at):
        goes_on = ticks.feed is not Feed.BOOK and ticks.number("seq_over_midnight", at)
        opening = ticks.ids.get(instrument) if goes_on else None
        ticks.gaps += sequence_gaps(instrument, ts, seq[alive], seq[~alive], opening)
        if goes_on and (end := last_id(ts, seq[alive], seq[~alive], opening)) is not None:
            ticks.ids[instrument] = end


def _gaps(found: list[Gap]) -> pl.DataFrame:
    physical = {name: pl.String() if dtype == pl.String else pl.Int64() for name, dtype in GAPS.columns.items()}
    rows = pl.DataFrame(found, schema=physical, orient="row")
    return rows.cast(pl.Schema(GAPS.columns)).sort(*GAPS.sort, "kind", "ts_to")


def _clean(ticks: _Ticks, conditions: Conditions | None) -> pl.DataFrame:
    schema = CLEAN[ticks.feed]
    alive = ticks.alive
    kept = ticks.frame.select(name for name in ticks.frame.columns if name in schema.columns)
    rows = np.flatnonzero(alive)
    if len(rows) < ticks.frame.height:
        kept = kept.filter(pl.Series(alive))
    derived = [pl.Series("raw_row", rows, dtype=pl.UInt32)]
    if ticks.feed is Feed.TRADES:
        derived.append(
            conditions.sets_column(kept["conditions"])
            if conditions
            else pl.repeat(EVERYTHING, kept.height, dtype=pl.UInt8, eager=True).alias("sets")
        )
    if ticks.epoch is not None:
        derived.append(pl.Series("epoch", ticks.epoch[rows], dtype=pl.Int32))
    return kept.with_columns(derived).select(list(schema.columns))


def _quarantine(ticks: _Ticks, rules: tuple[Rule, ...]) -> pl.DataFrame:
    schema = QUARANTINE[ticks.feed]
    rows = np.flatnonzero(ticks.verdict)
    run_of_row = ticks.runs.of_rows(rows)
    refused = ticks.frame[rows].with_columns(pl.Series("raw_row", rows, dtype=pl.UInt32))
    parts = [schema.empty()]
    for code in np.unique(ticks.verdict[rows]).tolist():
        rule = rules[code - 1]
        own = ticks.verdict[rows] == code
        part = ticks.numbers.attach(refused.filter(pl.Series(own)), _named(rule), run_of_row[own])
        parts.append(
            part.with_columns(rule=pl.lit(rule.name), reason=_reason(rule, ticks.numbers)).select(list(schema.columns))
        )
    return pl.concat(parts).sort("raw_row")


def _named(rule: Rule) -> set[str]:
    return {name for _, name in rule.placeholders() if name is not None}


def _reason(rule: Rule, numbers: Numbers) -> pl.Expr:
    """The rule's sentence for each row, with the row's values in it."""
    parts: list[pl.Expr] = []
    for text, name in rule.placeholders():
        parts.append(pl.lit(text))
        if name is not None:
            value = numbers.expr(name) if name in numbers.values else pl.col(name)
            parts.append(value.cast(pl.String).fill_null("nothing"))
    return pl.concat_str(parts)
