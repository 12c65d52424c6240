"""Local times of day, and the instant each one is on a given day.

The rule for days on which clocks change keeps time in order, so that windows which touch or follow each other in
local time do so in UTC: a local time that happens twice is its first occurrence; one that is skipped is the instant
at which the clocks skip it.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from tickline.reference.models import FIRST_DAY, LAST_DAY

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?|24:00")


def _clock(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError("a time of day is written HH:MM or HH:MM:SS, 00:00 to 24:00")
    hours, minutes, *seconds = (int(part) for part in value.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))


def _zone(value: object) -> object:
    if isinstance(value, ZoneInfo):
        return value
    try:
        if not isinstance(value, str) or ("/" not in value and value != "UTC"):
            raise ValueError(value)
        return ZoneInfo(value)
    except (ValueError, KeyError, OSError):
        raise ValueError("no such time zone; one is named like America/New_York, or UTC") from None


Clock = Annotated[timedelta, BeforeValidator(_clock)]
"""A local time of day as the time clocks show since midnight, written "HH:MM" or "HH:MM:SS"; "24:00" ends the day."""

Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
"""A time zone by its IANA name."""

Instant = Annotated[
    AwareDatetime,
    Field(ge=datetime.combine(FIRST_DAY, time(), UTC), le=datetime.combine(LAST_DAY, time(), UTC)),
    AfterValidator(lambda at: at.astimezone(UTC)),
]
"""A moment, written with its offset from UTC."""


def instant(day: date, clock: timedelta, zone: ZoneInfo) -> datetime:
    """The UTC instant at which a zone's clocks show `clock` on `day`.

    A negative clock is a time of the day before.
    """
    local = datetime.combine(day, time()) + clock
    reading = local.replace(tzinfo=zone)
    found = reading.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local:
        return found
    # Skipped: read with the offset of before it lies after the skip, read with that of after it lies before.
    return _skip(reading.replace(fold=1).astimezone(UTC), found, zone)


def _skip(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant, to the second, at which the zone's offset changes between two instants."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
