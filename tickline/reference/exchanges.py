"""The sessions exchange_calendars knows, read once for each run of years. Importing it takes a second and pandas,
so that happens when the first session of an exchange is asked for.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tickline.reference.hours import Window


@dataclass(frozen=True, slots=True)
class ExchangeSessions:
    """What is known of an exchange from `first` to `last`: its time zone and, for each session_date, its regular
    windows (two where it breaks for lunch)."""

    zone: ZoneInfo
    first: date
    last: date
    sessions: dict[date, tuple[Window, ...]]


@lru_cache(maxsize=64)
def exchange_sessions(exchange: str, first_year: int, last_year: int) -> ExchangeSessions:
    """The sessions of a run of years, by the exchange's name in exchange_calendars (XNYS, XLON, CMES, ...).

    Some exchanges announce their holidays only a year ahead, so less may be known than is asked for. Raises
    ValueError where nothing is, or there is no such exchange.
    """
    import exchange_calendars

    try:
        described = type(exchange_calendars.get_calendar(exchange))
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise ValueError(f"exchange_calendars knows no exchange {exchange!r}") from error
    earliest, latest = described.bound_min(), described.bound_max()
    first = max(date(first_year, 1, 1), earliest.date() if earliest else date.min)
    last = min(date(last_year, 12, 31), latest.date() if latest else date.max)
    if first > last:
        raise ValueError(f"exchange_calendars does not know {exchange} in {first_year} to {last_year}")
    known = described(start=first.isoformat(), end=last.isoformat())
    early = {session.date() for session in known.early_closes}
    schedule = known.schedule
    broken = {session.date() for session in schedule.index[schedule["break_start"].notna()]}
    rows = {row.Index.date(): row for row in schedule.itertuples()}
    sessions = {
        day: tuple(
            Window(day, "regular", opens.to_pydatetime(), closes.to_pydatetime(), day in early)
            for opens, closes in _spans(row, has_break=day in broken)
        )
        for day, row in rows.items()
    }
    return ExchangeSessions(ZoneInfo(str(known.tz)), first, last, sessions)


def _spans(row: Any, *, has_break: bool) -> list[tuple[Any, Any]]:
    if has_break:
        return [(row.open, row.break_start), (row.break_end, row.close)]
    return [(row.open, row.close)]
