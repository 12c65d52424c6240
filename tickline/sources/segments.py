"""Capture segments: immutable gzip JSON-lines files that keep what a venue answered, so that raw can be rebuilt.

Polling cannot be repeated; a segment can be read again for ever. Every line but the last is one response page:
the request, when it was received, the body exactly as sent, and the fields parsed from it. The last line holds
the cursors to resume polling from. A segment is named by its number, the UTC days its rows belong to and the
sha256 of its bytes; it appears under that name complete and durable, or not at all.
"""

import gzip
import hashlib
import os
import re
import tempfile
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from tickline.errors import SourceError
from tickline.lake.storage import file_sha256, fsync_path

SUFFIX = ".jsonl.gz"
MAX_LINE_BYTES = 256 * 1024 * 1024
_NAME = re.compile(r"(\d{8})_(\d{4}-\d\d-\d\d)_(\d{4}-\d\d-\d\d)_([0-9a-f]{64})" + re.escape(SUFFIX))


class Kind(StrEnum):
    """What a venue is asked for. Each kind has its own folder of segments."""

    TRADES = "trades"
    BOOK = "book"
    CANDLES = "candles"
    MARKETS = "markets"


# The parsed fields of a page, column by column. Numbers travel as text, so that NaN and infinity survive JSON;
# times are integers, UTC ns. Times of a book belong to the whole page.
COLUMNS: dict[Kind, tuple[str, ...]] = {
    Kind.TRADES: ("ts_event", "price", "size", "side", "trade_id", "seq", "defect"),
    Kind.BOOK: ("side", "price", "size", "defect"),
    Kind.CANDLES: ("ts_open", "open", "high", "low", "close", "volume", "defect"),
    Kind.MARKETS: (
        "instrument",
        "event_id",
        "event_title",
        "market_id",
        "outcome",
        "position",  # of the outcome within its market: 0 is the side the market's own prices are quoted for
        "category",
        "status",
        "tick_size",
        "payload",  # the venue's own record of the market, JSON
    ),
}


@dataclass(frozen=True, slots=True)
class Page:
    """One response of a venue.

    `url` is the path and query asked for; `ts_recv` is when the answer came and `since` the earliest event it was
    asked for (both UTC ns), which bound what a believable event time is. `ts_event` and `nonce` are the venue's own
    time and sequence number of the whole page, where it has them.
    """

    symbol: str
    url: str
    status: int
    ts_recv: int
    since: int
    columns: Mapping[str, Sequence[Any]]
    body: str
    ts_event: int | None = None
    nonce: int | None = None
    timeframe: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of captured pages, as its name describes it."""

    number: int
    first: date
    last: date
    sha256: str
    path: Path

    def pages(self, *, start: int = 0) -> Iterator[Page]:
        """The pages from the given one on.

        Raises SourceError where the file is missing, its bytes are not those it is named by, or they hold no pages.
        """
        for number, line in enumerate(self._lines()):
            if number >= start and "cursors" not in line:
                yield self._page(line)

    def cursors(self) -> dict[str, Any]:
        """Where polling stood, by symbol, when the segment was written. Raises SourceError as `pages` does."""
        last = deque(self._lines(), maxlen=1)
        cursors = last[0].get("cursors") if last else None
        if not isinstance(cursors, dict):
            raise SourceError(f"segment {self.path} does not end with cursors; move it away and capture again")
        return cursors

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            found = file_sha256(self.path)
        except OSError as error:
            raise SourceError(f"segment {self.path} cannot be read: {error.strerror}") from error
        if found != self.sha256:
            raise SourceError(f"segment {self.path} is damaged: its bytes hash to {found}; restore it from the archive")
        try:
            with gzip.open(self.path) as stream:
                while line := stream.readline(MAX_LINE_BYTES + 1):
                    if len(line) > MAX_LINE_BYTES:
                        raise SourceError(f"segment {self.path} has a line of more than {MAX_LINE_BYTES} bytes")
                    parsed = orjson.loads(line)
                    if not isinstance(parsed, dict):
                        raise SourceError(f"segment {self.path} has a line that is no page; move it away")
                    yield parsed
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise SourceError(f"segment {self.path} was not written by this program: {error}; move it away") from error

    def _page(self, line: dict[str, Any]) -> Page:
        try:
            page = Page(**line)
            times = (page.ts_recv, page.since, page.ts_event or 0)
            numbers = (page.status, page.nonce or 0, *times)
            texts = (page.symbol, page.url, page.body, page.timeframe or "")
            sound = (
                all(type(number) is int and abs(number) < 2**63 for number in numbers)
                and all(abs(time) < 2**62 for time in times)
                and all(isinstance(text, str) for text in texts)
                and all(isinstance(values, list) for values in page.columns.values())
                and len({len(values) for values in page.columns.values()}) == 1
            )
        except (TypeError, AttributeError):
            sound = False
        if not sound:
            raise SourceError(f"segment {self.path} has a page of another form: {str(line)[:80]}; move it away")
        return page


def segments(folder: Path) -> list[Segment]:
    """The segments of a folder in the order they were captured; none where the folder does not exist yet.

    Raises SourceError for a file that is called a segment but does not have a segment's name.
    """
    return sorted(described(path) for path in folder.glob(f"*{SUFFIX}"))


def described(path: Path) -> Segment:
    """The segment a file's name describes. Raises SourceError where it is no segment's name."""
    match = _NAME.fullmatch(path.name)
    try:
        if match is None:
            raise ValueError("unknown form")
        number, first, last, sha256 = match.groups()
        return Segment(int(number), date.fromisoformat(first), date.fromisoformat(last), sha256, path)
    except ValueError as error:
        raise SourceError(
            f"{path} is not named like a capture segment (number, two days, sha256): was it renamed? Move it away"
        ) from error


def write(folder: Path, pages: Sequence[Page], cursors: Mapping[str, Any], *, days: tuple[date, date]) -> Segment:
    """Write pages as the folder's next segment: durable and complete when this returns, invisible until then.

    `days` are the first and last UTC day that rows of the pages belong to.
    """
    lines = [orjson.dumps(page) for page in pages] + [orjson.dumps({"cursors": cursors}, option=orjson.OPT_SORT_KEYS)]
    content = gzip.compress(b"\n".join(lines) + b"\n", mtime=0)
    sha256 = hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fsync_path(folder.parent)
    number = 1 + max((segment.number for segment in segments(folder)), default=-1)
    path = folder / f"{number:08d}_{days[0]}_{days[1]}_{sha256}{SUFFIX}"
    descriptor, staged = tempfile.mkstemp(dir=folder, suffix=".staged")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(staged).rename(path)
    finally:
        Path(staged).unlink(missing_ok=True)
    fsync_path(folder)
    return Segment(number, days[0], days[1], sha256, path)
