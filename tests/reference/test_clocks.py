from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tickline.reference.clocks import Clock, Zone, instant

CLOCK: TypeAdapter[timedelta] = TypeAdapter(Clock)
ZONE: TypeAdapter[ZoneInfo] = TypeAdapter(Zone)
ZONES = ("America/New_York", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "Europe/London", "Asia/Tokyo")


def at(zone: str, day: date, clock: str) -> datetime:
    return instant(day, CLOCK.validate_python(clock), ZoneInfo(zone))


def test_a_local_time_is_an_instant() -> None:
    assert at("America/New_York", date(2026, 3, 6), "09:30") == datetime(2026, 3, 6, 14, 30, tzinfo=UTC)
    assert at("America/New_York", date(2026, 3, 9), "09:30") == datetime(2026, 3, 9, 13, 30, tzinfo=UTC)


def test_a_skipped_time_is_the_instant_of_the_skip() -> None:
    skip = datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert [at("America/New_York", date(2026, 3, 8), clock) for clock in ("02:00", "02:30", "03:00")] == [skip] * 3
    assert at("Africa/Cairo", date(2026, 4, 24), "00:00") == datetime(2026, 4, 23, 22, tzinfo=UTC)


def test_a_day_that_never_was_is_the_instant_it_was_skipped() -> None:
    # Samoa went from 29 to 31 December 2011: https://www.timeanddate.com/news/time/samoa-dateline.html
    skip = datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert {at("Pacific/Apia", date(2011, 12, 30), clock) for clock in ("00:00", "12:00", "24:00")} == {skip}


def test_a_repeated_time_is_its_first_occurrence() -> None:
    assert at("America/New_York", date(2026, 11, 1), "01:30") == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert at("America/New_York", date(2026, 11, 1), "02:00") == datetime(2026, 11, 1, 7, tzinfo=UTC)


@settings(deadline=None)
@given(
    st.sampled_from(ZONES),
    st.dates(date(1990, 1, 1), date(2037, 12, 31)),
    st.tuples(st.integers(-1440, 1440), st.integers(-1440, 1440)),
)
def test_the_order_of_local_times_is_the_order_of_instants(zone: str, day: date, minutes: tuple[int, int]) -> None:
    earlier, later = (instant(day, timedelta(minutes=minute), ZoneInfo(zone)) for minute in sorted(minutes))
    assert earlier <= later


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.dates(date(1990, 1, 1), date(2037, 12, 31)), st.integers(0, 1440))
def test_clocks_show_the_time_asked_for_or_skipped_it(zone: str, day: date, minute: int) -> None:
    found = instant(day, timedelta(minutes=minute), ZoneInfo(zone))
    asked = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    shown = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    before = (found - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert shown == asked or before < asked < shown


@pytest.mark.parametrize(("text", "minutes"), [("00:00", 0), ("09:30", 570), ("09:30:30", 570.5), ("24:00", 1440)])
def test_clocks_are_read(text: str, minutes: float) -> None:
    assert CLOCK.validate_python(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    ["9:30", "24:01", "25:00", "12:60", "-01:00", "noon", "", "12:00\n", "\uff11\uff12:00", 17, 17.0, True, None],
)
def test_anything_else_is_no_clock(text: object) -> None:
    with pytest.raises(ValidationError, match="HH:MM"):
        CLOCK.validate_python(text)


@pytest.mark.parametrize(
    "name",
    ["", "EST5EDT6", "localtime", "America/Nowhere", "America", "../UTC", "/etc/passwd", "a/\0", "e/" + "x" * 300, 5],
)
def test_anything_else_is_no_zone(name: object) -> None:
    with pytest.raises(ValidationError, match="no such time zone"):
        ZONE.validate_python(name)


def test_zones_go_by_their_names() -> None:
    assert ZONE.validate_python("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    assert ZONE.validate_python("UTC") == ZoneInfo("UTC")
