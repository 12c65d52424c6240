"""The source that reads capture segments: raw trades, quotes and books from what a venue once answered.

Books are polled whole, so each answer is a snapshot; quotes are the best finite bid and ask of those snapshots. A
page without a time of the venue's own counts as of the moment it was received.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Self

import polars as pl
from pydantic import ValidationError

from tickline.errors import ConfigError, SourceError
from tickline.lake.schema import NS, Schema
from tickline.lake.schemas import MARKETS, RAW, Feed
from tickline.reference.calendars import SessionCalendar
from tickline.reference.models import Declared, SourceSpec, Venue
from tickline.sources.market_records import told_by_venue
from tickline.sources.rows import line_number
from tickline.sources.segments import COLUMNS, Kind, Page, described, segments
from tickline.sources.source import Batch, SourceObject

_BATCH_ROWS = 100_000
_DAY = pl.duration(days=1)
_KIND = {Feed.TRADES: Kind.TRADES, Feed.QUOTES: Kind.BOOK, Feed.BOOK: Kind.BOOK}
_INTEGERS = frozenset({"ts_event", "ts_open", "seq", "position"})
_NUMBERS = ("price", "size", "open", "high", "low", "close", "volume", "tick_size")

CANDLES = (
    {name: pl.String() for name in ("instrument", "timeframe")}
    | {"ts_open": NS}
    | {name: pl.Float64() for name in ("open", "high", "low", "close", "volume")}
)
"""The columns of captured candles."""


class CaptureSettings(Declared):
    """`path`: the folder that holds one folder of segments a kind."""

    path: Path


@dataclass(frozen=True, slots=True)
class Capture:
    """One feed of one venue, from captured segments."""

    folder: Path
    feed: Feed
    instruments: tuple[str, ...]

    @classmethod
    def open(cls, spec: SourceSpec, venue: Venue, feed: Feed) -> Self:
        """The source a venue's configuration declares. Raises ConfigError for other settings than `path`."""
        settings = _settings(spec, f"venue {venue.name}, feed {feed}")
        return cls(settings.path, feed, tuple(instrument.name for instrument in venue.instruments))

    def objects(self, day: date) -> list[SourceObject]:
        """See Source: the segments whose rows' days include this one."""
        return objects(self.folder, _KIND[self.feed], day)

    def batches(self, source_object: SourceObject, day: date, *, cursor: str | None = None) -> Iterator[Batch]:
        """See Source. A cursor is the number of pages read."""
        segment = described(Path(source_object.uri))
        read, rows, pages = line_number(cursor), 0, list[Page]()
        first = read
        for page in segment.pages(start=read):
            pages.append(page)
            read, rows = read + 1, rows + max(map(len, page.columns.values()))
            if rows >= _BATCH_ROWS:
                yield Batch(self._frame(pages, day, first=first), str(read))
                first, rows, pages = read, 0, []
        if pages:
            yield Batch(self._frame(pages, day, first=first), str(read))

    def complete(self, day: date) -> bool:
        """See Source: whether every instrument was captured from before the day until after it without a hole."""
        kept = segments(self.folder / _KIND[self.feed])
        cursors = kept[-1].cursors() if kept else {}
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        begins, ends = _ns(start), _ns(start + timedelta(days=1))

        def covers_day(cursor: object) -> bool:
            match cursor:
                case {"covers": [int(covered_from), int(covered_to)]}:
                    return covered_from <= begins and covered_to >= ends
            return False

        return all(covers_day(cursors.get(instrument)) for instrument in self.instruments)

    def _frame(self, pages: Sequence[Page], day: date, *, first: int) -> pl.DataFrame:
        rows = read_pages(_KIND[self.feed], pages, first=first).filter(pl.col("day") == day)
        if self.feed is Feed.BOOK:
            rows = _levels(rows)
        elif self.feed is Feed.QUOTES:
            rows = _best(rows)
        return _shaped(rows, RAW[self.feed])


@dataclass(frozen=True, slots=True)
class CapturedMarkets:
    """The markets of one venue, from captured segments."""

    folder: Path

    @classmethod
    def open(cls, spec: SourceSpec, venue: Venue, *, calendars: Mapping[str, SessionCalendar]) -> Self:
        """The source a venue's configuration declares; a listing keeps no hours, so the calendars do not matter.

        Raises ConfigError for other settings than `path`.
        """
        return cls(_settings(spec, f"venue {venue.name}, markets").path)

    def objects(self, day: date) -> list[SourceObject]:
        """See MarketSource."""
        return objects(self.folder, Kind.MARKETS, day)

    def markets(self, day: date) -> pl.DataFrame:
        """See MarketSource."""
        pages = _pages_of(self.folder, Kind.MARKETS, day)
        if not pages:
            return MARKETS.empty()
        rows = read_pages(Kind.MARKETS, pages).filter(pl.col("day") == day).with_columns(told_by_venue())
        return _shaped(rows, MARKETS).sort(MARKETS.sort, maintain_order=True)


def objects(folder: Path, kind: Kind, day: date) -> list[SourceObject]:
    """The segments of a kind that can hold rows of a UTC day, in the order captured.

    Raises SourceError for a file there that is no segment.
    """
    return [
        SourceObject(str(segment.path), segment.sha256, segment.path.stat().st_size)
        for segment in segments(folder / kind)
        if segment.first <= day <= segment.last
    ]


def read_candles(folder: Path, day: date) -> pl.DataFrame:
    """The venue's own candles of a UTC day, sorted: instrument, timeframe, ts_open, open, high, low, close, volume.

    A candle that was still forming is replaced by its later deliveries; rows that could not be parsed are left out.
    Raises SourceError for a damaged segment.
    """
    named = ["instrument", "timeframe", "ts_open"]
    pages = _pages_of(folder, Kind.CANDLES, day)
    if not pages:
        return pl.DataFrame(schema=CANDLES)
    rows = read_pages(Kind.CANDLES, pages).filter((pl.col("day") == day) & pl.col("defect").is_null())
    return rows.unique(named, keep="last", maintain_order=True).sort(named).select(*CANDLES)


def read_pages(kind: Kind, pages: Iterable[Page], *, first: int = 0) -> pl.DataFrame:
    """All rows of some pages, typed, with what holds for their page and the UTC `day` each row belongs to.

    Of the page: `instrument`, `ts_recv`, `since`, `nonce`, `timeframe` and its number from `first` as `delivery`. The
    day is the day of its event, unless the event lies more than a day before what was asked for or after the
    moment of receipt: then, as where it is missing, the day of receipt.
    """
    frames = [_rows(kind, page, delivery) for delivery, page in enumerate(pages, start=first)]
    rows = pl.concat(frames).with_columns(
        pl.col(name).cast(pl.Float64, strict=False) for name in _NUMBERS if name in COLUMNS[kind]
    )
    event = pl.col("ts_open" if kind is Kind.CANDLES else "ts_event")
    believable = event.is_between(pl.col("since") - _DAY, pl.col("ts_recv") + _DAY).fill_null(value=False)
    return rows.with_columns(day=pl.when(believable).then(event).otherwise(pl.col("ts_recv")).dt.date())


def days_of(kind: Kind, pages: Sequence[Page]) -> tuple[date, date]:
    """The first and last UTC day that rows of these pages, or the receipt of a page without rows, belong to."""
    days = read_pages(kind, pages).get_column("day")
    received = pl.Series([page.ts_recv for page in pages]).cast(NS).dt.date()
    known = pl.concat([days, received]) if days.is_empty() else days
    return known.min(), known.max()  # type: ignore[return-value]


def _rows(kind: Kind, page: Page, delivery: int) -> pl.DataFrame:
    schema = {name: pl.Int64() if name in _INTEGERS else pl.String() for name in COLUMNS[kind]}
    of_page = {
        "instrument": (page.symbol, pl.String()),
        "ts_event": (page.ts_event or page.ts_recv, NS),
        "ts_recv": (page.ts_recv, NS),
        "since": (page.since, NS),
        "nonce": (page.nonce, pl.Int64()),
        "timeframe": (page.timeframe, pl.String()),
        "delivery": (delivery, pl.Int32()),
    }
    constants = [
        pl.lit(value).cast(dtype).alias(name) for name, (value, dtype) in of_page.items() if name not in schema
    ]
    times = [pl.col(name).cast(NS) for name in ("ts_event", "ts_open") if name in schema]
    try:
        return pl.DataFrame(dict(page.columns), schema=schema).with_columns(constants + times)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise SourceError(f"a page of {kind} of {page.symbol} has other columns than ours: {error}") from error


def _levels(rows: pl.DataFrame) -> pl.DataFrame:
    row_number = pl.int_range(pl.len(), dtype=pl.Int64).over("delivery")
    return rows.with_columns(
        kind=pl.lit("snapshot"),
        first_seq=pl.col("nonce"),
        last_seq=pl.col("nonce"),
        seq=pl.coalesce("nonce", row_number),
    )


def _pages_of(folder: Path, kind: Kind, day: date) -> list[Page]:
    kept = [segment for segment in segments(folder / kind) if segment.first <= day <= segment.last]
    return [page for segment in kept for page in segment.pages()]


def _best(rows: pl.DataFrame) -> pl.DataFrame:
    def best(side: str, *, highest: bool) -> list[pl.Expr]:
        quoted = (pl.col("side") == side) & pl.col("price").is_finite().fill_null(value=False)
        price, size = pl.col("price").filter(quoted), pl.col("size").filter(quoted)
        return [
            price.sort(descending=highest).first().alias(side),
            size.sort_by(price, descending=highest, maintain_order=True).first().alias(f"{side}_size"),
        ]

    of_page = [pl.col(name).first() for name in ("instrument", "ts_event", "ts_recv")]
    quotes = rows.group_by("delivery", maintain_order=True).agg(
        *of_page,
        *best("bid", highest=True),
        *best("ask", highest=False),
        pl.col("nonce").first().fill_null(0).alias("seq"),
    )
    return quotes.filter(pl.col("bid").is_not_null() | pl.col("ask").is_not_null())


def _shaped(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.columns.items() if name not in rows.columns]
    return rows.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in schema.columns.items())


def _settings(spec: SourceSpec, place: str) -> CaptureSettings:
    try:
        return CaptureSettings(**spec.settings)
    except ValidationError as error:
        raise ConfigError(f"{place}, source capture: {error}") from error


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000
