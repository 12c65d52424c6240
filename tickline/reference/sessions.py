"""Calendars as tables: the windows of each session, the bar windows that tile them, and the UTC days they touch."""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.lake.schemas import SESSIONS, TIMEFRAMES
from tickline.reference.calendars import SessionCalendar, trading_windows
from tickline.reference.hours import Window
from tickline.reference.models import FIRST_DAY, LAST_DAY, Venue

BAR_WINDOWS = {
    "calendar": pl.String(),
    "session_date": pl.Date(),
    "segment": pl.String(),
    "ts_open": NS,
    "ts_close": NS,
}
"""Columns of a table of bar windows, [ts_open, ts_close)."""

_CALENDAR_COLUMNS = {name: dtype for name, dtype in SESSIONS.columns.items() if name != "venue"}

# No window of a session lies further from its session_date than this.
_REACH = timedelta(days=3)


def sessions(calendar_name: str, calendar: SessionCalendar, start: date, end: date) -> pl.DataFrame:
    """The windows of a calendar's session dates from start to end, both included.

    Columns of SESSIONS but the venue, one row for each stretch of uninterrupted trading (a lunch break or a closure
    makes two of a segment), sorted by open. Raises ConfigError where the calendar's hours cannot be.
    """
    windows = _trading(calendar_name, calendar, start, end)
    rows = [(calendar_name, w.session_date, w.segment, w.open, w.close, w.is_early_close) for w in windows]
    return pl.DataFrame(rows, schema=_CALENDAR_COLUMNS, orient="row")


def venue_sessions(venue: Venue, calendars: Mapping[str, SessionCalendar], start: date, end: date) -> pl.DataFrame:
    """The sessions of every calendar a venue's instruments trade on, as SESSIONS: sorted by calendar and open.

    Raises ConfigError where a calendar's hours cannot be.
    """
    frames = [sessions(name, calendars[name], start, end) for name in venue.calendars]
    return pl.concat(frames).select(pl.lit(venue.name).alias("venue"), *_CALENDAR_COLUMNS)


def session_dates(calendar: SessionCalendar, start: date, end: date) -> list[date]:
    """The session dates from start to end, both included, on which anything trades.

    Raises ConfigError where the calendar's hours cannot be.
    """
    return sorted({window.session_date for window in _trading(calendar.kind, calendar, start, end)})


def windows(sessions: pl.DataFrame, timeframe: str) -> pl.DataFrame:
    """The bar windows of a timeframe that tile the given sessions, as BAR_WINDOWS, sorted by calendar and ts_open.

    Up to 4h they step from each row's open and the last is cut at its close. A 1d window spans a segment of a
    session_date from its first open to its last close, breaks included. A 1w window spans a segment of an ISO week;
    its session_date is the Monday, so give it whole weeks. Raises ConfigError for an unknown timeframe.
    """
    if timeframe not in TIMEFRAMES:
        raise ConfigError(f"timeframe {timeframe!r} is not one of {', '.join(TIMEFRAMES)}")
    seconds = TIMEFRAMES[timeframe]
    if seconds is not None:
        tiled = _stepped(sessions, timedelta(seconds=seconds))
    elif timeframe == "1w":
        tiled = _whole(sessions, pl.col("session_date").dt.truncate("1w"))
    else:
        tiled = _whole(sessions, pl.col("session_date"))
    return tiled.select(pl.col(name).cast(dtype) for name, dtype in BAR_WINDOWS.items()).sort("calendar", "ts_open")


def session_days(
    venue: Venue, calendars: Mapping[str, SessionCalendar], first: date, last: date
) -> dict[date, tuple[date, ...]]:
    """Every session date of a venue that touches a UTC day from first to last, with all the UTC days it touches.

    Raises ConfigError where a calendar's hours cannot be.
    """
    touched: dict[date, set[date]] = {}
    for name in venue.calendars:
        start, end = max(first - _REACH, FIRST_DAY), min(last + _REACH, LAST_DAY)
        for window in _trading(name, calendars[name], start, end):
            touched.setdefault(window.session_date, set()).update(_touched(window))
    return {
        session_date: tuple(sorted(days))
        for session_date, days in sorted(touched.items())
        if any(first <= day <= last for day in days)
    }


def _trading(name: str, calendar: SessionCalendar, start: date, end: date) -> list[Window]:
    if not start >= FIRST_DAY or not end <= LAST_DAY:
        raise ConfigError(f"calendar {name}: asked for {start} to {end}; sessions lie from {FIRST_DAY} to {LAST_DAY}")
    try:
        return list(trading_windows(calendar, start, end))
    except ValueError as error:
        raise ConfigError(f"calendar {name}: {error}; correct it in calendars.yaml") from error


def _touched(window: Window) -> list[date]:
    first, last = window.open.date(), (window.close - timedelta(microseconds=1)).date()
    return [first + timedelta(days=at) for at in range((last - first).days + 1)]


def _stepped(sessions: pl.DataFrame, step: timedelta) -> pl.DataFrame:
    opens = pl.datetime_ranges("open", "close", interval=step, closed="left", time_unit="ns")
    return (
        sessions.with_columns(opens.alias("ts_open"))
        .explode("ts_open")
        .with_columns(pl.min_horizontal(pl.col("ts_open") + step, "close").alias("ts_close"))
    )


def _whole(sessions: pl.DataFrame, period: pl.Expr) -> pl.DataFrame:
    return sessions.group_by("calendar", period, "segment").agg(
        pl.col("open").min().alias("ts_open"),
        pl.col("close").max().alias("ts_close"),
    )
