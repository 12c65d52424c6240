"""Trading calendars as configuration declares them, and the windows in which each one trades.

Four kinds: an exchange known to exchange_calendars, a venue that never closes, the FX week, and hours of one's own.
Days on which clocks change follow the rule of `clocks`.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, RootModel, model_validator

from tickline.reference.clocks import Clock, Zone, instant
from tickline.reference.exchanges import exchange_sessions
from tickline.reference.hours import Closure, ExtendedHours, Window, in_order, session, without
from tickline.reference.loading import load_yaml
from tickline.reference.models import Day, Declared, Name

_DAY = timedelta(days=1)
# Who needs the sessions of a day asks for those around it as well; nothing is known to trade there.
_BRINK = timedelta(days=7)
_UTC = ZoneInfo("UTC")


class Weekday(IntEnum):
    """Days of the week, numbered as `date.weekday` numbers them."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6


def _weekday(value: object) -> object:
    if isinstance(value, str) and value.upper() in Weekday.__members__:
        return Weekday[value.upper()]
    raise ValueError("a weekday is one of mon, tue, wed, thu, fri, sat, sun")


DayOfWeek = Annotated[Weekday, BeforeValidator(_weekday)]
"""A weekday by the first three letters of its name."""


class ExchangeCalendar(Declared):
    """An exchange by its name in exchange_calendars, with what that lacks: pre and post segments, and holidays and
    early closes announced since its release."""

    kind: Literal["exchange"]
    exchange: str
    extended: ExtendedHours = ExtendedHours()
    extra_holidays: tuple[Day, ...] = ()
    extra_early_closes: dict[Day, Clock] = Field(default={})
    closures: tuple[Closure, ...] = ()

    def planned(self, start: date, end: date) -> Iterator[Window]:
        """The exchange's own windows, with the extras."""
        known = exchange_sessions(self.exchange, start.year, end.year)
        if start < known.first - _BRINK or end > known.last + _BRINK:
            raise ValueError(
                f"exchange_calendars knows {self.exchange} from {known.first} to {known.last}, not {start} to {end}"
            )
        for day in _days(start, end):
            regular = () if day in self.extra_holidays else known.sessions.get(day, ())
            early_close = self.extra_early_closes.get(day)
            yield from session(regular, early_close, extended=self.extended, zone=known.zone)


class AlwaysOpen(Declared):
    """Round the clock, every day; a session is a UTC day."""

    kind: Literal["always"]
    closures: tuple[Closure, ...] = ()

    def planned(self, start: date, end: date) -> Iterator[Window]:
        """One window a day, from midnight to midnight UTC."""
        for day in _days(start, end):
            yield Window(day, "regular", instant(day, timedelta(0), _UTC), instant(day, _DAY, _UTC))


class FxWeek(Declared):
    """Round the clock from Sunday to Friday. The session of a weekday ends when the day rolls, and begins when the
    day before rolled; New York's 17:00 is the interbank market's convention."""

    kind: Literal["fx_week"]
    timezone: Zone = ZoneInfo("America/New_York")
    roll: Clock = timedelta(hours=17)
    holidays: tuple[Day, ...] = ()
    closures: tuple[Closure, ...] = ()

    def planned(self, start: date, end: date) -> Iterator[Window]:
        """One window a weekday, from roll to roll."""
        for day in _days(start, end):
            if day.weekday() < Weekday.SAT and day not in self.holidays:
                rolled = instant(day, self.roll - _DAY, self.timezone)
                yield Window(day, "regular", rolled, instant(day, self.roll, self.timezone))


class OpenHours(Declared):
    """A regular window in local time, on the given weekdays.

    A window that does not close after it opens, opens on the day before its session_date.
    """

    open: Clock
    close: Clock
    days: tuple[DayOfWeek, ...] = tuple(Weekday)

    def on(self, day: date, zone: ZoneInfo) -> Window:
        """The window of a session_date."""
        opens = self.open if self.open < self.close else self.open - _DAY
        return Window(day, "regular", instant(day, opens, zone), instant(day, self.close, zone))


class CustomCalendar(Declared):
    """Hours of one's own. Between two windows of one day there is a break."""

    kind: Literal["custom"]
    timezone: Zone
    hours: Annotated[tuple[OpenHours, ...], Field(min_length=1)]
    rest_days: tuple[DayOfWeek, ...] = ()
    holidays: tuple[Day, ...] = ()
    early_closes: dict[Day, Clock] = Field(default={})
    extended: ExtendedHours = ExtendedHours()
    closures: tuple[Closure, ...] = ()

    def planned(self, start: date, end: date) -> Iterator[Window]:
        """The windows of the weekdays that are neither rest days nor holidays."""
        for day in _days(start, end):
            weekday = Weekday(day.weekday())
            trades = weekday not in self.rest_days and day not in self.holidays
            regular = [hours.on(day, self.timezone) for hours in self.hours if trades and weekday in hours.days]
            regular.sort(key=lambda window: window.open)
            early_close = self.early_closes.get(day)
            yield from session(regular, early_close, extended=self.extended, zone=self.timezone)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        """Hours that overlap or run backwards show in any week and a day; early closes on their own days."""
        ordinary = self.model_copy(update={"holidays": (), "early_closes": {}})
        list(in_order(ordinary.planned(date(2024, 1, 1), date(2024, 1, 8))))
        for day in self.early_closes:
            list(in_order(self.planned(day, day)))
        return self


SessionCalendar = Annotated[
    ExchangeCalendar | AlwaysOpen | FxWeek | CustomCalendar,
    Field(discriminator="kind"),
]
"""A trading calendar of any kind."""


class _Calendars(RootModel[dict[Name, SessionCalendar]]):
    """`calendars.yaml`: trading calendars by name."""


def load_calendars(path: Path) -> dict[str, SessionCalendar]:
    """The calendars of a `calendars.yaml`, sorted by name.

    Raises ConfigError.
    """
    return dict(sorted(load_yaml(path, _Calendars).root.items()))


def trading_windows(calendar: SessionCalendar, start: date, end: date) -> Iterator[Window]:
    """When a calendar trades: the windows of the session dates from start to end, both included, in time.

    Raises ValueError for hours that cannot be: they overlap, run backwards, or their exchange is not known.
    """
    yield from in_order(without(calendar.planned(start, end), calendar.closures))


def _days(start: date, end: date) -> Iterator[date]:
    return (start + at * _DAY for at in range((end - start).days + 1))
