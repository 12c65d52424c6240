from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tickline.errors import ConfigError
from tickline.reference.calendars import SessionCalendar, load_calendars, trading_windows

CALENDAR: TypeAdapter[SessionCalendar] = TypeAdapter(SessionCalendar)
SHIPPED = load_calendars(Path(__file__).parent.parent.parent / "config" / "calendars.yaml")
NEW_YORK = {
    "kind": "custom",
    "timezone": "America/New_York",
    "hours": [{"open": "09:30", "close": "16:00"}],
    "rest_days": ["sat", "sun"],
}


def local(calendar: SessionCalendar, day: str, zone: str) -> list[str]:
    """A session's windows as a person would write them: segment and local times."""
    on = date.fromisoformat(day)
    return [
        f"{window.segment} {window.open.astimezone(ZoneInfo(zone)):%d %H:%M}"
        f"-{window.close.astimezone(ZoneInfo(zone)):%d %H:%M}{' early' if window.is_early_close else ''}"
        for window in trading_windows(calendar, on, on)
    ]


def custom(**changes: object) -> SessionCalendar:
    return CALENDAR.validate_python(NEW_YORK | changes)


def test_new_york_trades_before_during_and_after_its_regular_hours() -> None:
    assert local(SHIPPED["xnys"], "2026-03-09", "America/New_York") == [
        "pre 09 04:00-09 09:30",
        "regular 09 09:30-09 16:00",
        "post 09 16:00-09 20:00",
    ]


def test_an_early_close_moves_the_post_segment() -> None:
    assert local(SHIPPED["xnys"], "2015-12-24", "America/New_York") == [
        "pre 24 04:00-24 09:30 early",
        "regular 24 09:30-24 13:00 early",
        "post 24 13:00-24 17:00 early",
    ]


def test_an_early_close_without_a_post_segment_of_its_own_has_none() -> None:
    extended = {"post_close": "20:00"}
    calendar = custom(early_closes={"2026-03-06": "13:00"}, extended=extended)
    assert local(calendar, "2026-03-06", "America/New_York") == ["regular 06 09:30-06 13:00 early"]
    assert len(local(calendar, "2026-03-09", "America/New_York")) == 2


def test_the_demo_exchange_closes_early_before_its_clocks_change() -> None:
    assert local(SHIPPED["nysim"], "2026-03-06", "UTC")[1] == "regular 06 14:30-06 18:00 early"
    assert local(SHIPPED["nysim"], "2026-03-09", "UTC")[1] == "regular 09 13:30-09 20:00"
    assert local(SHIPPED["nysim"], "2026-03-07", "UTC") == []


@pytest.mark.parametrize(
    ("name", "zone", "day", "expected"),
    [
        ("xtks", "Asia/Tokyo", "2024-11-01", ["regular 01 09:00-01 11:30", "regular 01 12:30-01 15:00"]),
        # https://www.jpx.co.jp/english/equities/trading/domestic/01.html: since 5 November 2024 to 15:30.
        ("xtks", "Asia/Tokyo", "2024-11-05", ["regular 05 09:00-05 11:30", "regular 05 12:30-05 15:30"]),
        ("xhkg", "Asia/Hong_Kong", "2024-12-23", ["regular 23 09:30-23 12:00", "regular 23 13:00-23 16:00"]),
        ("xhkg", "Asia/Hong_Kong", "2024-12-24", ["regular 24 09:30-24 12:00 early"]),
        ("xlon", "Europe/London", "2024-12-24", ["regular 24 08:00-24 12:30 early"]),
        ("xlon", "Europe/London", "2024-12-25", []),
        ("cmes", "America/Chicago", "2026-03-09", ["regular 08 17:00-09 17:00"]),
        ("cmes", "America/Chicago", "2026-06-19", ["regular 18 17:00-19 12:00 early"]),
        ("xnys", "America/New_York", "2012-10-29", []),
        ("xnys", "America/New_York", "2025-01-09", []),
    ],
)
def test_exchanges_trade_when_they_did(name: str, zone: str, day: str, expected: list[str]) -> None:
    regular = [window for window in local(SHIPPED[name], day, zone) if window.startswith("regular")]
    assert regular == expected


def test_the_fx_week_opens_on_sunday_at_17_in_new_york_whatever_its_clocks_do() -> None:
    for day in ("2026-03-02", "2026-03-09", "2026-10-26", "2026-11-02"):
        sunday, monday = int(day[-2:]) - 1, int(day[-2:])
        expected = f"regular {sunday or 1:02} 17:00-{monday:02} 17:00"
        assert local(SHIPPED["fx"], day, "America/New_York") == [expected]
    assert local(SHIPPED["fx"], "2026-03-06", "UTC") == ["regular 05 22:00-06 22:00"]
    assert local(SHIPPED["fx"], "2026-03-09", "UTC") == ["regular 08 21:00-09 21:00"]


@pytest.mark.parametrize("day", ["2026-03-07", "2026-03-08", "2026-12-25"])
def test_fx_rests_at_the_weekend_and_on_its_holidays(day: str) -> None:
    assert local(SHIPPED["fx"], day, "UTC") == []


def test_a_venue_that_never_closes_has_a_session_a_utc_day() -> None:
    assert local(SHIPPED["always"], "2026-03-08", "UTC") == ["regular 08 00:00-09 00:00"]


def test_hours_of_ones_own_agree_with_an_exchange_that_keeps_the_same() -> None:
    start, end = date(2008, 1, 1), date(2023, 12, 31)
    xnys = CALENDAR.validate_python({"kind": "exchange", "exchange": "XNYS"})
    ordinary = {window for window in trading_windows(xnys, start, end) if not window.is_early_close}
    assert len(ordinary) > 3900
    assert ordinary <= set(trading_windows(custom(), start, end))


def test_windows_may_open_the_day_before_and_break_for_lunch() -> None:
    hours = [{"open": "18:00", "close": "02:00", "days": ["tue"]}, {"open": "13:00", "close": "24:00"}]
    calendar = custom(hours=[*hours, {"open": "09:00", "close": "12:00"}], rest_days=["mon"])
    assert local(calendar, "2026-03-10", "America/New_York") == [
        "regular 09 18:00-10 02:00",
        "regular 10 09:00-10 12:00",
        "regular 10 13:00-11 00:00",
    ]
    assert local(calendar, "2026-03-09", "America/New_York") == []


def test_an_early_close_in_the_morning_takes_the_afternoon_away() -> None:
    hours = [{"open": "09:00", "close": "12:00"}, {"open": "13:00", "close": "17:00"}]
    calendar = custom(hours=hours, early_closes={"2026-03-06": "12:30", "2026-03-09": "11:00"})
    assert local(calendar, "2026-03-06", "America/New_York") == ["regular 06 09:00-06 12:00 early"]
    assert local(calendar, "2026-03-09", "America/New_York") == ["regular 09 09:00-09 11:00 early"]


def test_nothing_trades_during_a_closure() -> None:
    halts = [
        {"start": "2026-03-08T17:00:00-05:00", "end": "2026-03-09T01:00:00Z"},
        {"start": "2026-03-09T12:00:00Z", "end": "2026-03-09T12:30:00Z"},
        {"start": "2026-03-09T12:15:00Z", "end": "2026-03-09T13:00:00Z"},
    ]
    calendar = CALENDAR.validate_python({"kind": "always", "closures": halts})
    assert local(calendar, "2026-03-08", "UTC") == ["regular 08 00:00-08 22:00"]
    assert local(calendar, "2026-03-09", "UTC") == ["regular 09 01:00-09 12:00", "regular 09 13:00-10 00:00"]


def test_windows_that_clocks_skip_do_not_take_place() -> None:
    hours = [{"open": "02:10", "close": "02:50"}]
    calendar = custom(hours=hours, rest_days=[])
    assert local(calendar, "2026-03-07", "America/New_York") == ["regular 07 02:10-07 02:50"]
    assert local(calendar, "2026-03-08", "America/New_York") == []


@settings(deadline=None)
@given(
    st.sampled_from(["America/New_York", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "Europe/Berlin"]),
    st.dates(date(1990, 1, 1), date(2035, 12, 31)),
    st.lists(st.integers(0, 96), min_size=2, max_size=6, unique=True),
    st.integers(0, 20),
)
def test_windows_follow_each_other_and_stay_within_their_local_day(
    zone: str, start: date, quarters: list[int], days: int
) -> None:
    marks = [f"{quarter // 4:02}:{quarter % 4 * 15:02}" for quarter in sorted(quarters)]
    hours = [{"open": opens, "close": closes} for opens, closes in zip(marks[::2], marks[1::2], strict=False)]
    calendar = custom(timezone=zone, hours=hours, rest_days=["sun"])
    windows = list(trading_windows(calendar, start, start + timedelta(days=days)))
    assert all(window.open < window.close for window in windows)
    assert all(first.close <= second.open for first, second in pairwise(windows))
    for window in windows:
        assert window.open.astimezone(ZoneInfo(zone)).date() == window.session_date
        assert (window.close - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() == window.session_date
        assert window.session_date.weekday() != 6


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hours": []}, "at least 1"),
        ({"hours": [{"open": "09:00", "close": "12:00"}, {"open": "11:00", "close": "13:00"}]}, "overlap"),
        ({"hours": [{"open": "17:00", "close": "18:00"}], "rest_days": ["noday"]}, "mon, tue, wed"),
        ({"hours": [{"open": "17:00", "close": "24:00"}, {"open": "23:00", "close": "01:00"}]}, "overlap"),
        ({"early_closes": {"2026-03-07": "13:00"}}, "without a session"),
        ({"early_closes": {"2026-03-06": "09:30"}}, "does not lie within"),
        ({"early_closes": {"2026-03-06": "16:01"}}, "does not lie within"),
        ({"extended": {"pre_open": "10:00"}}, "pre segment .* backwards"),
        ({"extended": {"post_close": "15:00"}}, "post segment .* backwards"),
        ({"closures": [{"start": "2026-03-06T00:00:00", "end": "2026-03-07T00:00:00Z"}]}, "timezone"),
        ({"closures": [{"start": "2026-03-07T00:00:00Z", "end": "2026-03-07T00:00:00Z"}]}, "does not lie after"),
        ({"closures": [{"start": "0001-01-01T00:00:00+14:00", "end": "2026-03-07T00:00:00Z"}]}, "1970"),
        ({"early_closes": {"0001-01-01": "13:00"}}, "1970"),
        ({"holidays": ["9999-12-31"]}, "2200"),
        ({"timezone": "Mars/Olympus"}, "no such time zone"),
        ({"kind": "lunar"}, "kind"),
    ],
)
def test_impossible_calendars_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){reason}"):
        custom(**changes)


def test_a_file_of_calendars_names_what_is_wrong_with_each(tmp_path: Path) -> None:
    path = tmp_path / "calendars.yaml"
    path.write_text("fx:\n  kind: fx_week\n  roll: 5pm\ncrypto:\n  kind: never\n")
    with pytest.raises(ConfigError) as refused:
        load_calendars(path)
    message = str(refused.value)
    assert f"{path}:3: fx.roll: a time of day is written HH:MM" in message
    assert f"{path}:4: crypto: input tag 'never'" in message


@pytest.mark.parametrize(
    ("exchange", "year", "reason"),
    [
        ("XXXX", 2026, "knows no exchange 'XXXX'"),
        ("../x", 2026, "knows no exchange"),
        ("XTKS", 1980, "does not know XTKS in 1980"),
        ("XHKG", 2100, "does not know XHKG in 2100"),
    ],
)
def test_an_exchange_or_year_nobody_knows_is_an_error(exchange: str, year: int, reason: str) -> None:
    calendar = CALENDAR.validate_python({"kind": "exchange", "exchange": exchange})
    with pytest.raises(ValueError, match=reason):
        list(trading_windows(calendar, date(year, 1, 1), date(year, 1, 31)))


def test_a_span_may_look_a_week_over_the_edge_of_what_is_known() -> None:
    calendar = CALENDAR.validate_python({"kind": "exchange", "exchange": "XHKG"})  # known to the end of 2049
    last = date(2049, 12, 31)
    assert list(trading_windows(calendar, date(2049, 12, 1), last + timedelta(days=7)))[-1].session_date == last
    with pytest.raises(ValueError, match="knows XHKG from 2049-01-01 to 2049-12-31, not"):
        list(trading_windows(calendar, date(2049, 12, 1), last + timedelta(days=8)))


def test_extra_holidays_close_an_exchange() -> None:
    calendar = CALENDAR.validate_python({"kind": "exchange", "exchange": "XNYS", "extra_holidays": ["2026-03-09"]})
    assert local(calendar, "2026-03-09", "UTC") == []
    assert len(local(calendar, "2026-03-10", "UTC")) == 1


def test_all_instants_are_utc() -> None:
    for calendar in SHIPPED.values():
        for window in trading_windows(calendar, date(2026, 3, 2), date(2026, 3, 6)):
            assert window.open.tzinfo is UTC or window.open.utcoffset() == timedelta(0)
    assert datetime.combine(date(2026, 3, 2), time(), UTC) in {
        window.open for window in trading_windows(SHIPPED["always"], date(2026, 3, 2), date(2026, 3, 2))
    }
