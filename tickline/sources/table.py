"""Any table of ticks, read through a column mapping that its venue declares."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import Field, PositiveFloat, model_validator

from tickline.errors import ConfigError, SchemaDrift, SourceError
from tickline.lake.schemas import RAW, Feed
from tickline.reference.clocks import Zone
from tickline.reference.models import Declared, SourceSpec, Venue
from tickline.sources.archives import path_of
from tickline.sources.files import Files, Pattern, Span
from tickline.sources.rows import divided, home_day, lifetime, line_number, quoted, raw_rows, settings_of
from tickline.sources.source import Batch, SourceObject
from tickline.sources.table_readers import DEFECT, READERS, RECORD, Format, Shape

NS_PER = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
LATEST_NS = 2**63 - 2 * 86_400 * 10**9
"""No time lies this far from 1970 or further: no conversion between time zones leaves what 64 bits hold."""

_GIVEN = {"ts_event", "ts_recv", "delivery", "defect"}


class Column(Declared):
    """Where a raw column comes from: a column of the table (`from`), or a `constant`.

    `values` replaces single values, `divide_by` scales a price or size: 16742 cents divided by 100 are 167.42.
    """

    source: Annotated[str | None, Field(alias="from")] = None
    constant: str | float | None = None
    values: dict[str, str] = Field(default={})
    divide_by: PositiveFloat | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.source is None) == (self.constant is None):
            raise ValueError("say either `from` or `constant`")
        return self


class Time(Declared):
    """A time: a number in a `unit` since 1970, or text in a strftime `format`; neither for a column of timestamps.

    Text and timestamps that do not name their zone are in `time_zone`.
    """

    source: Annotated[str, Field(alias="from")]
    unit: Literal["s", "ms", "us", "ns"] | None = None
    format: str | None = None
    time_zone: Zone | None = None

    @model_validator(mode="after")
    def _one_reading(self) -> Self:
        if self.unit is not None and (self.format is not None or self.time_zone is not None):
            raise ValueError("a number in a `unit` has neither a `format` nor a `time_zone`")
        if self.format is not None and (self.time_zone is None) == ("%z" not in self.format):
            raise ValueError("say the `time_zone` of texts whose `format` has no %z, and only of those")
        return self


class Settings(Declared):
    """`files` are the tables, in one `format`; `columns` says where the raw columns come from, those not named being
    null; `ignore` lists columns of the table that may be there besides. `names` names the columns of a table that
    does not name them itself."""

    files: Pattern
    format: Format
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    names: tuple[str, ...] | None = None
    ignore: frozenset[str] = frozenset()
    times: dict[Literal["ts_event", "ts_recv"], Time]
    columns: dict[str, Column]


@dataclass(frozen=True, slots=True)
class Table:
    """One feed of a venue, from tables. A row's `seq` is its number in the file unless `columns` maps it."""

    settings: Settings
    feed: Feed
    files: Files
    piece_size: int

    @classmethod
    def open(cls, spec: SourceSpec, venue: Venue, feed: Feed) -> Self:
        """The source a venue declares. Raises ConfigError."""
        settings = settings_of(Settings, spec, venue, feed)
        place = f"venue {venue.name}: feeds.{feed}: table source"
        unknown = sorted(settings.columns.keys() - (RAW[feed].columns.keys() - _GIVEN))
        if unknown:
            raise ConfigError(f"{place}: columns: no column of {feed} is mapped by {', '.join(unknown)}")
        text = sorted(
            name
            for name, column in settings.columns.items()
            if column.divide_by and RAW[feed].columns[name] != pl.Float64
        )
        if text:
            raise ConfigError(f"{place}: columns: divide_by fits prices and sizes only, not {', '.join(text)}")
        if "instrument" not in settings.columns or "ts_event" not in settings.times:
            raise ConfigError(f"{place}: map at least `columns.instrument` and `times.ts_event`")
        if settings.format == "json_arrays" and settings.names is None:
            raise ConfigError(f"{place}: names: arrays do not name their columns; list them in order")
        size = READERS[settings.format][1]
        return cls(settings, feed, Files(settings.files, _survey(settings, feed, lifetime(venue), size)), size)

    def objects(self, day: date) -> list[SourceObject]:
        """The tables that can hold rows of a UTC day. Raises SourceError where one cannot be read."""
        return self.files.objects(day)

    def complete(self, day: date) -> bool:
        """Whether the tables go on beyond the day."""
        return self.files.complete(day)

    def batches(self, source_object: SourceObject, day: date, *, cursor: str | None = None) -> Iterator[Batch]:
        """A table's rows of a UTC day. A cursor is the number of records read.

        Raises SchemaDrift where it has other columns than declared, SourceError where it is damaged or has changed.
        """
        skip = line_number(cursor)
        with self.files.reading(source_object, day) as span:
            wanted = home_day(*span) == day
            for frame, end in _raw_pieces(path_of(source_object), self.settings, self.feed, self.piece_size, skip):
                yield Batch(frame.filter(wanted), str(end))


def _raw_pieces(
    path: Path, settings: Settings, feed: Feed, piece_size: int, skip: int = 0
) -> Iterator[tuple[pl.DataFrame, int]]:
    """A table's rows after the first `skip` records in the raw schema, with the number of records up to there."""
    mapped = {column.source for column in settings.columns.values() if column.source is not None}
    mapped |= {time.source for time in settings.times.values()}
    shape = Shape(frozenset(mapped), settings.ignore, settings.names, settings.separator)
    try:
        for piece in READERS[settings.format][0](path, shape, piece_size):
            if piece.end > skip:
                _check_types(path, piece.frame.schema, settings)
                yield _raw(piece.frame.filter(pl.col(RECORD) >= skip), settings, feed), piece.end
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path}: its columns cannot be read as they are mapped: {error}") from error


def _check_types(path: Path, schema: pl.Schema, settings: Settings) -> None:
    """Raise SchemaDrift where a column's type is none that a time or a value of a tick can be read from."""
    drift = [
        f"{time.source} is {dtype}, not a time as declared"
        for time in settings.times.values()
        if not _tells_time(time, dtype := schema[time.source])
    ]
    drift += [
        f"{column.source} is {dtype}, neither number nor text"
        for column in settings.columns.values()
        if column.source is not None and not _tells_value(dtype := schema[column.source])
    ]
    if drift:
        raise SchemaDrift(f"{path}: has columns of other types than declared: {', '.join(drift)}; correct the mapping")


def _tells_time(time: Time, dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.String | pl.Null):
        return True
    return dtype.is_numeric() if time.unit is not None else isinstance(dtype, pl.Datetime) and time.format is None


def _tells_value(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Boolean | pl.Null)


def _raw(records: pl.DataFrame, settings: Settings, feed: Feed) -> pl.DataFrame:
    times = {name: _instant(time, records.schema[time.source]) for name, time in settings.times.items()}
    unreadable = [
        pl.when(pl.col(settings.times[name].source).is_not_null() & at.is_null()).then(
            pl.format("{} '{}' is not a time", pl.lit(name), quoted(settings.times[name].source))
        )
        for name, at in times.items()
    ]
    columns = {name: _value(column) for name, column in settings.columns.items()}
    frame = records.select(
        **({"seq": pl.col(RECORD)} | columns | times),
        delivery=pl.lit(0),
        defect=pl.coalesce(pl.col(DEFECT), *unreadable),
    )
    divisors = {name: column.divide_by for name, column in settings.columns.items() if column.divide_by is not None}
    return divided(raw_rows(frame, feed), divisors)


def _value(column: Column) -> pl.Expr:
    if column.source is None:
        return pl.lit(column.constant)
    value = pl.col(column.source)
    return value.cast(pl.String, strict=False).replace(column.values) if column.values else value


def _instant(time: Time, dtype: pl.DataType) -> pl.Expr:
    """A time as a UTC instant in ns; null where it is none."""
    value, zone = pl.col(time.source), str(time.time_zone or "UTC")
    if time.unit is not None:
        return _utc(_since_1970(value, time.unit), zone)
    if isinstance(dtype, pl.Datetime):
        return _utc(_since_1970(value.to_physical(), dtype.time_unit), "UTC" if dtype.time_zone else zone)
    offset = "UTC" if time.time_zone is None else None  # then the text itself says how far from UTC it is
    text = value.cast(pl.String).str
    # Read in nanoseconds alone, a date of another age would come out as one of ours.
    coarse = text.to_datetime(time.format, time_unit="us", time_zone=offset, strict=False).dt.replace_time_zone(None)
    exact = text.to_datetime(time.format, time_unit="ns", time_zone=offset, strict=False).dt.replace_time_zone(None)
    largest = LATEST_NS // NS_PER["us"]
    return _utc(pl.when(coarse.to_physical().is_between(-largest, largest)).then(exact), zone)


def _since_1970(value: pl.Expr, unit: str) -> pl.Expr:
    """A number of some unit as a naive time in ns; null where it is none or too far away."""
    number = value.cast(pl.Decimal(38, 9), strict=False)
    largest = LATEST_NS // NS_PER[unit]
    sane = pl.when((number > -largest) & (number < largest)).then(number)
    return (sane * NS_PER[unit]).cast(pl.Int64, strict=False).cast(pl.Datetime("ns"))


def _utc(local: pl.Expr, zone: str) -> pl.Expr:
    zoned = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def _survey(settings: Settings, feed: Feed, within: Span, piece_size: int) -> Callable[[Path], Span]:
    """How to find the first and last UTC day of a table: by receipt where it is known, else by event."""
    time = "ts_recv" if "ts_recv" in settings.times else "ts_event"

    def span(path: Path) -> Span:
        days = [
            frame.lazy().select(pl.col(time).dt.date().alias("day")).filter(pl.col("day").is_between(*within))
            for frame, _ in _raw_pieces(path, settings, feed, piece_size)
        ]
        found = pl.concat(days).select(first=pl.min("day"), last=pl.max("day")).collect() if days else pl.DataFrame()
        first, last = found.row(0) if found.height else (None, None)
        if first is None:
            raise SourceError(f"{path}: no {time} lies from {within[0]} to {within[1]}; check `times` and the venue")
        return first, last

    return span
