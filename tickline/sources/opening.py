"""From a declared source to the class that reads it, which is imported only when one is opened."""

from collections.abc import Callable, Mapping
from importlib import import_module

from tickline.errors import ConfigError
from tickline.lake.schemas import Feed
from tickline.reference.calendars import SessionCalendar
from tickline.reference.models import SourceSpec, Venue
from tickline.sources.source import MarketSource, Source

KINDS = {
    "binance_ws": "tickline.sources.binance_ws:BinanceRecordings",
    "capture": "tickline.sources.capture:Capture",
    "cryptofeed": "tickline.sources.cryptofeed:Captures",
    "lean": "tickline.sources.lean:Lean",
    "synthetic": "tickline.sources.synthetic:Synthetic",
    "table": "tickline.sources.table:Table",
}
"""Every kind of source, and the class that opens it."""


def open_source(spec: SourceSpec, venue: Venue, feed: Feed, *, calendars: Mapping[str, SessionCalendar]) -> Source:
    """The source of one of a venue's feeds. `calendars` are those the venue may name.

    Raises ConfigError where the kind is not known or its settings do not fit.
    """
    if spec.kind not in KINDS:
        kinds = ", ".join(sorted(KINDS))
        raise ConfigError(f"venue {venue.name}: feeds.{feed}.kind: no such source (got {spec.kind!r}, known: {kinds})")
    module, _, name = KINDS[spec.kind].partition(":")
    opener: Callable[..., Source] = getattr(import_module(module), name).open
    if spec.kind == "synthetic":  # a generator trades in the venue's hours; what was recorded says itself when it did
        return opener(spec, venue, feed, calendars=calendars)
    return opener(spec, venue, feed)


MARKET_KINDS = {
    "capture": "tickline.sources.capture:CapturedMarkets",
    "kalshi_dump": "tickline.sources.market_dumps:KalshiDump",
    "polymarket_dump": "tickline.sources.market_dumps:PolymarketDump",
    "synthetic": "tickline.sources.synthetic:SyntheticMarkets",
}
"""Every kind of source that lists markets, and the class that opens it."""


def open_markets(spec: SourceSpec, venue: Venue, *, calendars: Mapping[str, SessionCalendar]) -> MarketSource:
    """The source of a venue's markets.

    Raises ConfigError where the kind lists no markets or its settings do not fit.
    """
    if spec.kind not in MARKET_KINDS:
        kinds = ", ".join(sorted(MARKET_KINDS))
        raise ConfigError(f"venue {venue.name}: markets.kind: no such source (got {spec.kind!r}, known: {kinds})")
    module, _, name = MARKET_KINDS[spec.kind].partition(":")
    opener: Callable[..., MarketSource] = getattr(import_module(module), name).open
    return opener(spec, venue, calendars=calendars)
