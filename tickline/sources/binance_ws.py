"""Binance websocket recordings: one message a line after its local receive time in Unix ns, plain or compressed.

Messages: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams for spot and
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams for USD-margined.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from tickline.lake.schemas import Feed
from tickline.reference.models import Declared, SourceSpec, Symbol, Venue
from tickline.sources.files import Files, Pattern
from tickline.sources.recordings import Frame, Recording, Row, nanoseconds, survey
from tickline.sources.rows import settings_of

NS_PER_MS = 1_000_000
LATEST_NS = 4_102_444_800 * 1_000_000_000  # the year 2100

MARKS = {Feed.TRADES: b'"trade"', Feed.QUOTES: b'"B"', Feed.BOOK: b"Update"}
"""What every message of a feed contains."""


class Settings(Declared):
    """`files` are the recordings. `symbols` maps the venue's symbols to instruments where they differ, and
    `snapshot_symbol` is the symbol of REST depth snapshots, which do not name theirs."""

    files: Pattern
    symbols: dict[Symbol, Symbol] = Field(default={})
    snapshot_symbol: Symbol


class BinanceRecordings:
    """Recordings of `@trade`, `@bookTicker` and `@depth` streams, combined or bare, with REST depth snapshots."""

    @staticmethod
    def open(spec: SourceSpec, venue: Venue, feed: Feed) -> Recording:
        """The source a venue declares. Raises ConfigError."""
        settings = settings_of(Settings, spec, venue, feed)
        return Recording(
            files=Files(settings.files, survey(framing, venue)),
            framing=framing,
            dialect=lambda message, _address, feed: rows(message, settings.snapshot_symbol, feed),
            feed=feed,
            instruments=dict(settings.symbols),
            mark=MARKS[feed],
        )


def framing(line: bytes) -> Frame:
    """`local_ns JSON`."""
    received, _, payload = line.partition(b" ")
    at = int(received) if received.isdigit() and len(received) < 20 else None
    return Frame(at if at is not None and 0 < at < LATEST_NS else None, payload)


def rows(message: dict[str, Any], snapshot_symbol: str, feed: Feed) -> Iterator[Row]:
    """A message's rows of a feed: of a trade, a best bid and ask, a depth update, or a REST depth snapshot."""
    data = message.get("data", message)
    kind = data.get("e")
    match feed:
        case Feed.TRADES if kind == "trade":
            yield _trade(data)
        case Feed.QUOTES if kind == "bookTicker" or (kind is None and {"b", "B", "a", "A"} <= data.keys()):
            yield data["s"], _time(data), data["u"], data["b"], data["B"], data["a"], data["A"]
        case Feed.BOOK if kind == "depthUpdate":
            ids = data["U"], data["u"], data.get("pu")
            for side, levels in (("bid", data["b"]), ("ask", data["a"])):
                for price, size in levels:
                    yield data["s"], _time(data), data["u"], "delta", side, price, size, *ids
        case Feed.BOOK if kind is None and "lastUpdateId" in data:
            last = data["lastUpdateId"]
            for side, levels in (("bid", data["bids"]), ("ask", data["asks"])):
                for price, size in levels:
                    yield snapshot_symbol, _time(data), last, "snapshot", side, price, size, None, last, None


def _trade(data: dict[str, Any]) -> Row:
    if not isinstance(data["m"], bool):
        raise ValueError(f"m {data['m']!r} says neither that the buyer was the maker nor that he was not")
    return (
        data["s"],
        nanoseconds(data["T"], NS_PER_MS),
        data["t"],
        data["p"],
        data["q"],
        "sell" if data["m"] else "buy",
        data["t"],
    )


def _time(data: dict[str, Any]) -> int | None:
    """When the matching engine acted, else when the message was made; spot quotes and snapshots say neither."""
    at = data.get("T", data.get("E"))
    return None if at is None else nanoseconds(at, NS_PER_MS)
