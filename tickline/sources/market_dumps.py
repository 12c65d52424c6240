"""Saved answers of prediction venues' REST APIs, which list events, markets and outcomes.

A file is one JSON document or one a line: a list of markets or of events that hold their `markets`, or an object that
holds such a list as `markets`, `events` or `data`, as the venues answer. What an event says of itself is kept in each
of its markets' payloads as `event`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from glob import has_magic
from pathlib import Path
from typing import Any, Self

import orjson
import polars as pl
from pydantic import AwareDatetime, ValidationError, model_validator

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import MARKETS
from tickline.reference.calendars import SessionCalendar
from tickline.reference.models import Declared, SourceSpec, Venue
from tickline.sources.archives import blocks, describe, path_of
from tickline.sources.files import Pattern
from tickline.sources.market_records import told_by_venue
from tickline.sources.source import SourceObject

MAX_BYTES = 512 * 1024 * 1024
"""A file may be this large once it is unpacked; the whole of Polymarket is about 200 MB."""

Record = dict[str, Any]
_Row = tuple[str | None, str | None, str | None, str | None, int]
"""Instrument, event, market, outcome, and the outcome's place."""


class DumpSettings(Declared):
    """Which files hold the answers, and when they were given.

    A day's files are pages of one listing. Where their names say the day (`{date}`), `clock` is the time of it (UTC);
    other files were all `taken` at one moment.
    """

    files: Pattern
    clock: time = time(0)
    taken: AwareDatetime | None = None

    @model_validator(mode="after")
    def _dated_once(self) -> Self:
        if ("{date" in self.files) == (self.taken is not None):
            raise ValueError("say when the answers were given: by {date} in files or by taken, not both")
        return self


@dataclass(frozen=True, slots=True)
class MarketDumps:
    """The markets in saved answers of one venue; `outcomes` says what outcomes a record has."""

    settings: DumpSettings
    outcomes: Callable[[Record], Iterator[_Row]]

    def objects(self, day: date) -> list[SourceObject]:
        """See MarketSource. Raises SourceError, too, where the folder the files should lie in does not exist."""
        taken = self.settings.taken
        if taken is not None and taken.astimezone(UTC).date() != day:
            return []
        return [describe(path) for path in _named(self.settings.files.format(date=day))]

    def markets(self, day: date) -> pl.DataFrame:
        """See MarketSource; `delivery` counts the files."""
        rows = [
            (*row, *shared, delivery)
            for delivery, listed in enumerate(self.objects(day))
            for record in _records(path_of(listed))
            for shared in [_shared(record)]
            for row in self._rows(record)
        ]
        frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
        moment = self.settings.taken or datetime.combine(day, self.settings.clock, UTC)
        told = frame.with_columns(
            *(expression for expression in told_by_venue() if expression.meta.output_name() != "rules"),
            _told("status").fill_null(_standing()).alias("status"),
            _tick().alias("tick_size"),
            pl.lit(moment).alias("ts_recv"),
        ).with_columns(payload="record")
        return told.select(pl.col(name).cast(dtype) for name, dtype in MARKETS.columns.items()).sort(
            MARKETS.sort, maintain_order=True
        )

    def _rows(self, record: Any) -> Iterator[_Row]:
        """The rows of a record's outcomes; one without any where the record names none."""
        found = list(self.outcomes(record)) if isinstance(record, dict) else []
        yield from found or [(None, None, None, None, 0)]


@dataclass(frozen=True, slots=True)
class KalshiDump:
    """Opens saved answers of Kalshi, `GET /markets` or `GET /events?with_nested_markets=true`."""

    @classmethod
    def open(cls, spec: SourceSpec, venue: Venue, *, calendars: Mapping[str, SessionCalendar]) -> MarketDumps:
        """The source a venue's configuration declares. Raises ConfigError for other settings than DumpSettings'."""
        return MarketDumps(_settings(spec, venue), _of_kalshi)


@dataclass(frozen=True, slots=True)
class PolymarketDump:
    """Opens saved answers of Polymarket's Gamma API, `GET /markets` or `GET /events`."""

    @classmethod
    def open(cls, spec: SourceSpec, venue: Venue, *, calendars: Mapping[str, SessionCalendar]) -> MarketDumps:
        """The source a venue's configuration declares. Raises ConfigError for other settings than DumpSettings'."""
        return MarketDumps(_settings(spec, venue), _of_polymarket)


def _shared(record: Any) -> tuple[str | None, str | None, str | None, str, str]:
    """What all outcomes of a market share: event title, category, rules, its record, and what is looked up in it.

    Each path looked up in JSON text reads the text again, so what is looked up is kept short.
    """
    if not isinstance(record, dict):
        return None, None, None, orjson.dumps(record).decode(), "{}"
    event = _event(record)
    rules = [record.get(name) for name in ("rules_primary", "description", "rules_secondary")]
    brief = {name: record[name] for name in _BRIEF if name in record}
    return (
        _text(event.get("title")),
        _text(record.get("category") or event.get("category")),
        "\n".join(text for text in rules if isinstance(text, str)).strip() or None,
        orjson.dumps(record).decode(),
        orjson.dumps(brief).decode(),
    )


def _event(record: Record) -> Record:
    events = record.get("events")
    event = record.get("event") or (events[0] if isinstance(events, list) and events else None)
    return event if isinstance(event, dict) else {}


def _of_kalshi(record: Record) -> Iterator[_Row]:
    ticker = _text(record.get("ticker"))
    if ticker is not None:
        event = _text(record.get("event_ticker"))
        yield ticker, event, ticker, "YES", 0
        yield f"{ticker}-NO", event, ticker, "NO", 1


def _of_polymarket(record: Record) -> Iterator[_Row]:
    market, event_id = _text(record.get("conditionId")), _text(_event(record).get("id"))
    tokens = _listed(record.get("clobTokenIds"))
    for position, outcome in enumerate(_listed(record.get("outcomes"))):
        token = _text(tokens[position]) if position < len(tokens) else None
        yield token, event_id, market, _text(outcome), position


def _records(path: Path) -> Iterator[Any]:
    """Every market's record in a file. Raises SourceError where it is no JSON or too large."""
    parts, size = [], 0
    for block in blocks(path):
        size += len(block)
        if size > MAX_BYTES:
            raise SourceError(f"{path}: unpacks to more than {MAX_BYTES} bytes; split it")
        parts.append(block)
    content = b"".join(parts)
    try:
        yield from _markets(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        lines = [line for line in content.splitlines() if line.strip()]
        if len(lines) < 2 or not content.lstrip().startswith(b"{"):
            raise SourceError(f"{path}: no JSON: {error}; fetch it again") from error
        yield from _of_lines(lines, path)


def _of_lines(lines: list[bytes], path: Path) -> Iterator[Any]:
    for number, line in enumerate(lines, start=1):
        try:
            yield from _markets(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            raise SourceError(f"{path}: line {number} is no JSON: {error}; fetch it again") from error


def _markets(answer: Any) -> Iterator[Any]:
    if isinstance(answer, list):
        for one in answer:
            yield from _markets(one)
    elif isinstance(answer, dict) and isinstance(answer.get("markets"), list):
        event = {name: value for name, value in answer.items() if name != "markets"}
        is_event = "title" in event or "event_ticker" in event
        for market in answer["markets"]:
            yield market | {"event": event} if is_event and isinstance(market, dict) else market
    elif isinstance(answer, dict) and not answer.keys() & _IDS and (held := answer.keys() & set(_HOLDERS)):
        yield from _markets(answer[held.pop()])
    else:
        yield answer


_HOLDERS, _IDS = ("events", "data", "raw"), {"ticker", "conditionId"}
_BRIEF = (
    *("title", "question", "status", "active", "closed", "open_time", "startDate", "close_time", "endDate"),
    *("bestBid", "bestAsk", "tick_size", "price_ranges", "orderPriceMinTickSize"),
    *(f"{side}{unit}" for side in ("yes_bid", "yes_ask", "no_bid", "no_ask") for unit in ("", "_dollars")),
)
"""What `told_by_venue` and the columns here look up."""
_COLUMNS = {
    name: (MARKETS.columns | {"position": pl.Int64(), "record": pl.String()})[name]
    for name in (
        *("instrument", "event_id", "market_id", "outcome", "position"),
        *("event_title", "category", "rules", "record", "payload", "delivery"),
    )
}


def _named(pattern: str) -> list[Path]:
    path = Path(pattern)
    if not has_magic(pattern):
        return [path] if path.is_file() else []
    root = path.parent
    while has_magic(str(root)):
        root = root.parent
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder, but the files {pattern} should lie there")
    return sorted(found for found in root.glob(str(path.relative_to(root))) if found.is_file())


def _settings(spec: SourceSpec, venue: Venue) -> DumpSettings:
    try:
        return DumpSettings.model_validate(spec.settings)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"venue {venue.name}, markets: {reasons}") from error


def _told(*paths: str) -> pl.Expr:
    return pl.coalesce(pl.col("payload").str.json_path_match(f"$.{path}") for path in paths)


def _standing() -> pl.Expr:
    """What Polymarket's flags come to in a word."""
    return (
        pl.when(_told("closed") == "true")
        .then(pl.lit("closed"))
        .when(_told("active") == "true")
        .then(pl.lit("active"))
        .when(_told("active") == "false")
        .then(pl.lit("inactive"))
    )


def _tick() -> pl.Expr:
    dollars = _told("price_ranges[0].step", "orderPriceMinTickSize").cast(pl.Float64, strict=False)
    return dollars.fill_null(_told("tick_size").cast(pl.Float64, strict=False) / 100)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _listed(value: Any) -> list[Any]:
    """A list, or text that holds one; nothing where it is neither."""
    try:
        found = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return []
    return found if isinstance(found, list) else []
