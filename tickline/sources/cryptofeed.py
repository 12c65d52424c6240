"""Captures made by cryptofeed: what an exchange's connections received and sent, one message a line.

`ADDRESS <-> SECONDS` opens a connection; `ADDRESS <- SECONDS: JSON` was sent, `ADDRESS -> SECONDS: JSON` is the answer
to a request and `SECONDS: JSON` was received (https://github.com/bmoscon/cryptofeed, raw data collection).
"""

import re
from typing import Literal

from pydantic import Field

from tickline.lake.schemas import Feed
from tickline.reference.models import Declared, SourceSpec, Symbol, Venue
from tickline.sources import exchanges
from tickline.sources.files import Files, Pattern
from tickline.sources.recordings import Dialect, Frame, Recording, seconds_ns, survey
from tickline.sources.rows import settings_of

_LINE = re.compile(rb"(?:(\S+) (<->|<-|->) )?(\d{1,12}(?:\.\d{1,12})?)(?:: (.*))?", re.DOTALL)
_CONFIGURATION = b"configuration: "

DIALECTS: dict[str, Dialect] = {
    "binance": exchanges.binance,
    "bitstamp": exchanges.bitstamp,
    "coinbase": exchanges.coinbase,
    "kraken": exchanges.kraken,
}


class Settings(Declared):
    """`files` are the captures of one exchange; `symbols` maps its symbols to instruments where they differ."""

    files: Pattern
    exchange: Literal["binance", "bitstamp", "coinbase", "kraken"]
    symbols: dict[Symbol, Symbol] = Field(default={})


class Captures:
    """Captures of one exchange; every connection is a delivery of its own."""

    @staticmethod
    def open(spec: SourceSpec, venue: Venue, feed: Feed) -> Recording:
        """The source a venue declares. Raises ConfigError."""
        settings = settings_of(Settings, spec, venue, feed)
        return Recording(
            files=Files(settings.files, survey(framing, venue)),
            framing=framing,
            dialect=DIALECTS[settings.exchange],
            feed=feed,
            instruments=dict(settings.symbols),
        )


def framing(line: bytes) -> Frame | None:
    """One line of a capture; None for the line that repeats the collector's own configuration."""
    if line.startswith(_CONFIGURATION):
        return None
    found = _LINE.fullmatch(line.rstrip(b"\r"))
    if found is None:
        return Frame(None, line)
    address, arrow, seconds, payload = found.groups()
    return Frame(
        received_ns=_moment(seconds.decode()),
        payload=payload or b"",
        address=(address or b"").decode("utf-8", "replace"),
        opens=arrow == b"<->",
    )


def _moment(seconds: str) -> int | None:
    try:
        return seconds_ns(seconds)
    except ValueError:
        return None
