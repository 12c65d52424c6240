"""Recorded message streams, one message a line: what all of them share.

A framing says how a line carries a message, a dialect what rows a venue's message holds; both are plain functions.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import polars as pl

from tickline.errors import SourceError
from tickline.lake.schemas import Feed
from tickline.reference.models import Venue
from tickline.sources.archives import BLOCK_BYTES, blocks, path_of
from tickline.sources.files import Files, Span
from tickline.sources.rows import LONGEST_QUOTED, home_day, lifetime, raw_rows
from tickline.sources.source import Batch, SourceObject

BATCH_ROWS = 65_536
NS_PER_DAY = 86_400 * 10**9

Row = tuple[Any, ...]
"""(symbol, event time in Unix ns or None where the venue gives none, sequence or None, and the feed's FIELDS)."""

FIELDS: dict[Feed, tuple[str, ...]] = {
    Feed.TRADES: ("price", "size", "side", "trade_id"),
    Feed.QUOTES: ("bid", "bid_size", "ask", "ask_size"),
    Feed.BOOK: ("kind", "side", "price", "size", "first_seq", "last_seq", "prev_seq"),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a recording.

    Attributes:
        received_ns: when the line was received, Unix ns; None where that is unreadable.
        payload: the message, JSON.
        address: what the line says about where the message came from, for messages that do not name their symbol.
        opens: whether the line opens a new connection instead of carrying a message.
    """

    received_ns: int | None
    payload: bytes
    address: str = ""
    opens: bool = False


Framing = Callable[[bytes], Frame | None]
"""A line's frame, or None for a line that is neither a message nor a new connection."""

Dialect = Callable[[Any, str, Feed], Iterable[Row]]
"""(message, address, feed) -> the message's rows of that feed. Whatever a message lacks may raise as it likes:
KeyError, TypeError, ValueError, IndexError, AttributeError."""

_EPOCH = date(1970, 1, 1)
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError)


class Position(NamedTuple):
    """How far a recording was read: lines, rows of this connection, and connections before it."""

    lines: int = 0
    rows: int = 0
    delivery: int = 0

    @classmethod
    def parse(cls, cursor: str | None) -> "Position":
        """The position a batch's cursor names. Raises SourceError for any other text."""
        if cursor is None:
            return cls()
        parts = cursor.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
            raise SourceError(f"cursor {cursor!r}: not lines.rows.delivery; start again without one")
        return cls(*map(int, parts))

    def __str__(self) -> str:
        return f"{self.lines}.{self.rows}.{self.delivery}"


@dataclass(frozen=True, slots=True)
class Recording:
    """The recorded messages of one feed.

    A row without an event time of the venue's has the time of its receipt as its `ts_event`. A line that is not a
    message counts, as one malformed row, for every feed that reads it: it could have been any. `mark` is what every
    message of the feed contains, so that whole lines without it need not be parsed.
    """

    files: Files
    framing: Framing
    dialect: Dialect
    feed: Feed
    instruments: dict[str, str] = field(default_factory=dict)
    mark: bytes = b""
    batch_rows: int = BATCH_ROWS
    block_bytes: int = BLOCK_BYTES

    def objects(self, day: date) -> list[SourceObject]:
        """The recordings that can hold rows of a UTC day. Raises SourceError where one cannot be read."""
        return self.files.objects(day)

    def complete(self, day: date) -> bool:
        """Whether the recordings go on beyond the day."""
        return self.files.complete(day)

    def batches(self, source_object: SourceObject, day: date, *, cursor: str | None = None) -> Iterator[Batch]:
        """A recording's rows of a UTC day. Raises SourceError where it is damaged or has changed."""
        start = at = Position.parse(cursor)
        rows: list[Row] = []
        with self.files.reading(source_object, day) as span:
            wanted = home_day(*span) == day
            for at, read in self._read(path_of(source_object), start):
                rows += read
                if len(rows) >= self.batch_rows:
                    yield Batch(self._frame(rows).filter(wanted), str(at))
                    rows = []
            if rows:
                yield Batch(self._frame(rows).filter(wanted), str(at))

    def _read(self, path: Path, at: Position) -> Iterator[tuple[Position, list[Row]]]:
        """The rows of every line after a position, each behind its receipt, delivery, number in that and defect; and
        the position after the line."""
        skip, _, _ = at
        for number, line in enumerate(lines(path, self.block_bytes)):
            if number < skip or (self.mark not in line and line.endswith(b"}")) or not line.strip():
                continue
            frame = self.framing(line)
            if frame is None:
                continue
            if frame.opens:
                at = Position(number + 1, 0, at.delivery + (at.rows > 0))
                continue
            found, defect = self._parsed(frame, line)
            head = frame.received_ns, at.delivery
            rows = [(*head, at.rows + n, defect, *row) for n, row in enumerate(found)]
            at = Position(number + 1, at.rows + len(rows), at.delivery)
            yield at, rows

    def _parsed(self, frame: Frame, line: bytes) -> tuple[list[Row], str | None]:
        """A line's rows; a line that cannot be read is one row of nothing but its defect."""
        try:
            if frame.received_ns is None:
                raise ValueError("no receive time")
            return list(self.dialect(orjson.loads(frame.payload), frame.address, self.feed)), None
        except _MALFORMED as error:
            text = line[:LONGEST_QUOTED].decode("utf-8", "replace")
            return [(None,) * (3 + len(FIELDS[self.feed]))], f"{type(error).__name__} {error}: '{text}'"

    def _frame(self, rows: list[Row]) -> pl.DataFrame:
        names = ("ts_recv", "delivery", "number", "defect", "instrument", "ts_event", "seq", *FIELDS[self.feed])
        integers = {"ts_recv", "delivery", "number", "ts_event"}
        columns = {
            name: pl.Series(values, dtype=pl.Int64 if name in integers else pl.String, strict=False)
            for name, values in zip(names, zip(*rows, strict=True), strict=True)
        }
        event = pl.coalesce("ts_event", pl.when(pl.col("defect").is_null()).then("ts_recv"))
        frame = pl.DataFrame(columns).with_columns(
            instrument=pl.col("instrument").replace(self.instruments),
            ts_event=event,
            seq=pl.coalesce("seq", pl.col("number").cast(pl.String)),
        )
        return raw_rows(frame, self.feed)


def lines(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The lines of a file, without their ends."""
    for block in blocks(path, block_bytes=block_bytes):
        yield from block.removesuffix(b"\n").split(b"\n")


def survey(framing: Framing, venue: Venue) -> Callable[[Path], Span]:
    """How to find the first and last UTC day on which a recording of a venue was received.

    Receipts outside the venue's lifetime do not count. Raises SourceError where no line has another.
    """
    start, end = lifetime(venue)

    def span(path: Path) -> Span:
        frames = (framing(line) for line in lines(path))
        received = {frame.received_ns // NS_PER_DAY for frame in frames if frame and frame.received_ns is not None}
        days = [day for number in received if start <= (day := _EPOCH + timedelta(days=number)) <= end]
        if not days:
            raise SourceError(f"{path}: no line was received from {start} to {end}; not a recording of {venue.name}")
        return min(days), max(days)

    return span


def nanoseconds(value: Any, unit_ns: int) -> int:
    """A whole number of some unit as Unix ns. Raises ValueError where it is none or lies outside the centuries."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) * unit_ns >= 2**63:
        raise ValueError(f"{value!r} is not a time")
    at: int = value * unit_ns
    return at


def seconds_ns(text: str) -> int:
    """Unix seconds, with up to nine decimals that count, as Unix ns. Raises ValueError where the text is not that."""
    whole, _, decimals = text.partition(".")
    if not (whole.isascii() and whole.isdigit()) or (decimals and not (decimals.isascii() and decimals.isdigit())):
        raise ValueError(f"{text!r} is not a time in seconds")
    return nanoseconds(int(whole[:20]) * 10**9 + int(f"{decimals[:9]:0<9}"), 1)
