"""From a vendor's text to raw rows: typed columns, defects, and the UTC day a row belongs to."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

import numpy as np
import polars as pl
from pydantic import BaseModel, ValidationError

from tickline.errors import ConfigError, SourceError
from tickline.lake.schema import NS
from tickline.lake.schemas import RAW, Feed
from tickline.reference.models import LAST_DAY, SourceSpec, Venue

S = TypeVar("S", bound=BaseModel)

LONGEST_QUOTED = 80
_DAY = timedelta(days=1)


def settings_of(model: type[S], spec: SourceSpec, venue: Venue, feed: Feed) -> S:
    """A source's settings, validated. Raises ConfigError naming venue, feed, setting and reason."""
    try:
        return model.model_validate(spec.settings)
    except ValidationError as error:
        reasons = (f"{'.'.join(map(str, detail['loc'])) or 'settings'}: {detail['msg']}" for detail in error.errors())
        raise ConfigError(f"venue {venue.name}: feeds.{feed}: {spec.kind} source: {'; '.join(reasons)}") from error


def line_number(cursor: str | None) -> int:
    """How many lines to skip to go on after a cursor. Raises SourceError for one that no batch has given."""
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit():
        raise SourceError(f"cursor {cursor!r}: not a number of lines; start again without one")
    return int(cursor)


def raw_rows(frame: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """A frame in the feed's raw schema, from columns of text (or of other types) and perhaps a `defect`.

    What is not of its column's type becomes null and is quoted in `defect`, unless there is a defect already. Columns
    the source does not have become null; `ts_event` and `ts_recv` may be Int64 nanoseconds.
    """
    schema = RAW[feed].columns
    defects: list[pl.Expr] = [pl.col("defect").cast(pl.String)] if "defect" in frame.columns else []
    defects += [
        pl.when(pl.col(name).is_not_null() & pl.col(name).cast(dtype, strict=False).is_null()).then(
            pl.format("{} '{}' is not a number", pl.lit(name), quoted(name))
        )
        for name, dtype in schema.items()
        if dtype.is_numeric() and name in frame.columns and frame.schema[name] != dtype
    ]
    columns = {
        name: pl.col(name).cast(dtype, strict=False) if name in frame.columns else pl.lit(None, dtype)
        for name, dtype in schema.items()
    }
    defect = pl.coalesce(defects) if defects else pl.lit(None, pl.String)
    return frame.select(**(columns | {"defect": defect})).select(*schema)


def quoted(name: str) -> pl.Expr:
    """The beginning of a column's value, to be quoted in a defect."""
    # A time may be too far away to be written as a date; its number can always be.
    return pl.col(name).to_physical().cast(pl.String, strict=False).fill_null("").str.slice(0, LONGEST_QUOTED)


def divided(frame: pl.DataFrame, divisors: Mapping[str, float]) -> pl.DataFrame:
    """A frame with some Float64 columns divided, each value correctly rounded: 1684500 / 10000 is 168.45.

    Polars multiplies by the rounded reciprocal of a scalar, which is off by one last place in a third of all prices.
    """
    columns = (frame[name] / pl.Series(np.full(frame.height, by)) for name, by in divisors.items())
    return frame.with_columns(columns)


def home_day(first: date, last: date) -> pl.Expr:
    """The UTC day a raw row belongs to, given the days its object spans.

    That of `ts_event`, if it is within a day of the span and of `ts_recv`; else that of `ts_recv`, if within a day of
    the span; else `first`. So it always lies between the day before `first` and the day after `last`.
    """
    event, received = pl.col("ts_event"), pl.col("ts_recv")
    start, end = (pl.lit(midnight(day), NS) for day in (first - _DAY, last + 2 * _DAY))
    near_receipt = ((event - received).abs() <= _DAY).fill_null(value=True)
    return (
        pl.when((event >= start) & (event < end) & near_receipt)
        .then(event.dt.date())
        .when((received >= start) & (received < end))
        .then(received.dt.date())
        .otherwise(pl.lit(first))
    )


def lifetime(venue: Venue) -> tuple[date, date]:
    """The first and last UTC day a venue's ticks can be of: what a file is surveyed for."""
    return venue.start, venue.end or LAST_DAY


def midnight(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime.combine(day, time(), UTC)
