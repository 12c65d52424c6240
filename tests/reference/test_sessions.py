import gzip
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tickline.errors import ConfigError
from tickline.lake.schemas import SESSIONS, TIMEFRAMES
from tickline.reference.calendars import SessionCalendar, load_calendars
from tickline.reference.models import Venue
from tickline.reference.sessions import (
    BAR_WINDOWS,
    session_dates,
    session_days,
    sessions,
    venue_sessions,
    windows,
)

CALENDAR: TypeAdapter[SessionCalendar] = TypeAdapter(SessionCalendar)
SHIPPED = load_calendars(Path(__file__).parent.parent.parent / "config" / "calendars.yaml")
MARCH = date(2026, 3, 6), date(2026, 3, 10)
WEEKDAYS = CALENDAR.validate_python(
    {
        "kind": "custom",
        "timezone": "UTC",
        "hours": [{"open": "00:00", "close": "24:00"}],
        "rest_days": ["sat", "sun"],
    }
)


def venue(*calendars: str) -> Venue:
    listed = [
        {"name": f"I{at}", "kind": "spot", "quote": "USD", "tick_size": 1, "lot_size": 1, "calendar": calendar}
        for at, calendar in enumerate(calendars)
    ]
    return Venue.model_validate(
        {
            "name": "mixed",
            "kind": "crypto",
            "calendar": "always",
            "start": "2026-03-06",
            "feeds": {},
            "instruments": listed,
        }
    )


def span(frame: pl.DataFrame, opens: str, closes: str) -> list[str]:
    return [f"{row[opens]:%d %H:%M}-{row[closes]:%d %H:%M}" for row in frame.iter_rows(named=True)]


@pytest.mark.parametrize(
    ("answer", "calendar"),
    [
        ("xnys.csv.gz", SHIPPED["xnys"]),
        ("xlon.csv.gz", SHIPPED["xlon"]),
        ("xetr.csv.gz", SHIPPED["xetr"]),
        ("cmes.csv.gz", SHIPPED["cmes"]),
        ("24-5.csv", WEEKDAYS),
        ("24-7.csv", SHIPPED["always"]),
    ],
)
def test_sessions_are_those_of_the_answer_files(real_data: Path, answer: str, calendar: SessionCalendar) -> None:
    path = real_data / "exchange_calendars" / answer
    text = (gzip.open if answer.endswith(".gz") else open)(path, "rt").read()
    rows = [line.split(",") for line in text.split()[1:]][-2000:]
    expected = [(row[0][:10], row[1], row[2]) for row in rows]
    assert all(row[3] == row[4] == "" for row in rows)
    frame = sessions("c", calendar, date.fromisoformat(expected[0][0]), date.fromisoformat(expected[-1][0]))
    regular = frame.filter(pl.col("segment") == "regular").select(
        pl.col("session_date").dt.to_string(),
        *(pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%SZ") for name in ("open", "close")),
    )
    assert regular.rows() == expected


def test_a_table_of_sessions_has_the_declared_columns_in_time() -> None:
    frame = sessions("nysim", SHIPPED["nysim"], *MARCH)
    assert dict(frame.schema) == {name: dtype for name, dtype in SESSIONS.columns.items() if name != "venue"}
    assert frame.height == 9
    assert frame["open"].is_sorted()
    assert frame.filter(pl.col("is_early_close"))["session_date"].unique().to_list() == [date(2026, 3, 6)]


def test_a_span_without_sessions_is_an_empty_table_of_the_same_columns() -> None:
    weekend = sessions("nysim", SHIPPED["nysim"], date(2026, 3, 7), date(2026, 3, 8))
    assert weekend.height == 0
    for timeframe in TIMEFRAMES:
        assert dict(windows(weekend, timeframe).schema) == BAR_WINDOWS


def test_a_venue_has_the_sessions_of_all_its_calendars() -> None:
    frame = venue_sessions(venue("fx", "nysim", "fx"), SHIPPED, *MARCH)
    assert dict(frame.schema) == SESSIONS.columns
    assert frame.equals(frame.sort(*SESSIONS.sort))
    assert frame.group_by("calendar").len().sort("calendar").rows() == [("fx", 3), ("nysim", 9)]


def test_session_dates_are_the_days_something_trades() -> None:
    assert session_dates(SHIPPED["nysim"], *MARCH) == [date(2026, 3, day) for day in (6, 9, 10)]
    assert len(session_dates(SHIPPED["always"], *MARCH)) == 5


def test_session_days_are_the_utc_days_each_session_touches() -> None:
    days = {day: tuple(d.day for d in utc) for day, utc in session_days(venue("fx"), SHIPPED, *MARCH).items()}
    assert days == {
        date(2026, 3, 6): (5, 6),
        date(2026, 3, 9): (8, 9),
        date(2026, 3, 10): (9, 10),
        date(2026, 3, 11): (10, 11),
    }
    sunday = date(2026, 3, 8)
    assert list(session_days(venue("fx"), SHIPPED, sunday, sunday)) == [date(2026, 3, 9)]
    assert session_days(venue("nysim"), SHIPPED, sunday, sunday) == {}
    assert session_days(venue("always"), SHIPPED, sunday, sunday) == {sunday: (sunday,)}


def test_a_segment_that_ends_at_midnight_utc_touches_one_day() -> None:
    monday = date(2026, 3, 9)  # the post segment ends at 20:00 in New York, midnight UTC
    assert session_days(venue("nysim"), SHIPPED, monday, monday) == {monday: (monday,)}


def test_bars_step_from_the_open_and_the_last_is_cut_at_the_close() -> None:
    early = sessions("nysim", SHIPPED["nysim"], MARCH[0], MARCH[0]).filter(pl.col("segment") == "regular")
    hours = ["06 14:30-06 15:30", "06 15:30-06 16:30", "06 16:30-06 17:30", "06 17:30-06 18:00"]
    assert span(windows(early, "1h"), "ts_open", "ts_close") == hours
    assert windows(early, "1m").height == 210
    assert span(windows(early, "4h"), "ts_open", "ts_close") == ["06 14:30-06 18:00"]


def test_each_side_of_a_lunch_break_is_stepped_alone_and_a_daily_bar_spans_both() -> None:
    tokyo = sessions("xtks", SHIPPED["xtks"], date(2026, 3, 9), date(2026, 3, 9))
    assert span(windows(tokyo, "1h"), "ts_open", "ts_close") == [
        "09 00:00-09 01:00",
        "09 01:00-09 02:00",
        "09 02:00-09 02:30",
        "09 03:30-09 04:30",
        "09 04:30-09 05:30",
        "09 05:30-09 06:30",
    ]
    assert span(windows(tokyo, "1d"), "ts_open", "ts_close") == ["09 00:00-09 06:30"]


def test_daily_and_weekly_bars_keep_segments_apart() -> None:
    fortnight = sessions("nysim", SHIPPED["nysim"], date(2026, 3, 2), date(2026, 3, 15))
    assert windows(fortnight, "1d").height == 30
    weekly = windows(fortnight, "1w").filter(pl.col("segment") == "regular")
    assert weekly["session_date"].to_list() == [date(2026, 3, 2), date(2026, 3, 9)]
    assert span(weekly, "ts_open", "ts_close") == ["02 14:30-06 18:00", "09 13:30-13 20:00"]


def test_a_week_of_fx_opens_on_the_sunday_before_its_monday() -> None:
    weekly = windows(sessions("fx", SHIPPED["fx"], date(2026, 3, 9), date(2026, 3, 15)), "1w")
    assert weekly["session_date"].to_list() == [date(2026, 3, 9)]
    assert span(weekly, "ts_open", "ts_close") == ["08 21:00-13 21:00"]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([name for name, seconds in TIMEFRAMES.items() if seconds]),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]),
    st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    st.lists(st.integers(0, 1439), min_size=2, max_size=6, unique=True).filter(lambda marks: len(marks) % 2 == 0),
)
def test_bar_windows_tile_their_session(timeframe: str, zone: str, start: date, minutes: list[int]) -> None:
    marks = [f"{minute // 60:02}:{minute % 60:02}" for minute in sorted(minutes)]
    hours = [{"open": opens, "close": closes} for opens, closes in zip(marks[::2], marks[1::2], strict=True)]
    calendar = CALENDAR.validate_python({"kind": "custom", "timezone": zone, "hours": hours})
    table = sessions("c", calendar, start, start + timedelta(days=2))
    step = timedelta(seconds=TIMEFRAMES[timeframe] or 0)
    bars = windows(table, timeframe)
    expected = []
    for row in table.iter_rows(named=True):
        opens = row["open"]
        while opens < row["close"]:
            expected.append((row["session_date"], opens, min(opens + step, row["close"])))
            opens += step
    assert bars.select("session_date", "ts_open", "ts_close").rows() == expected


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(["1h", "1d"]), st.sampled_from(sorted(SHIPPED)), st.dates(date(2025, 1, 1), date(2026, 12, 20)))
def test_every_minute_of_a_shipped_calendar_lies_in_one_bar(timeframe: str, name: str, start: date) -> None:
    table = sessions(name, SHIPPED[name], start, start + timedelta(days=3))
    bars = windows(table, timeframe)
    covered: Counter[datetime] = Counter()
    for opens, closes in bars.select("ts_open", "ts_close").iter_rows():
        covered.update(opens + timedelta(minutes=at) for at in range(int((closes - opens).total_seconds()) // 60))
    trading = int((table["close"] - table["open"]).dt.total_minutes().sum())
    assert set(covered.values()) <= {1}
    if timeframe == "1h" or name not in ("xtks", "xhkg"):  # a daily bar spans the lunch break
        assert len(covered) == trading


def test_an_unknown_timeframe_is_refused() -> None:
    with pytest.raises(ConfigError, match="'3m' is not one of 1m, 5m"):
        windows(sessions("fx", SHIPPED["fx"], *MARCH), "3m")


@pytest.mark.parametrize(("start", "end"), [(date.min, date(2026, 1, 1)), (date(2026, 1, 1), date.max)])
def test_dates_beyond_nanoseconds_are_refused(start: date, end: date) -> None:
    with pytest.raises(ConfigError, match="calendar fx: asked for"):
        sessions("fx", SHIPPED["fx"], start, end)


def test_a_calendar_that_cannot_be_is_named() -> None:
    calendar = CALENDAR.validate_python(
        {"kind": "exchange", "exchange": "XNYS", "extra_early_closes": {"2026-03-07": "13:00"}}
    )
    with pytest.raises(ConfigError, match="calendar odd: an early close is declared for a day without a session"):
        sessions("odd", calendar, *MARCH)


def test_asking_for_sessions_imports_pandas_only_for_an_exchange() -> None:
    program = (
        "import sys; from datetime import date; from tickline.reference.sessions import sessions;"
        "from tickline.reference.calendars import AlwaysOpen;"
        "sessions('c', AlwaysOpen(kind='always'), date(2026, 1, 1), date(2026, 1, 2));"
        "sys.exit('pandas' in sys.modules or 'exchange_calendars' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_times_are_utc() -> None:
    opens = sessions("fx", SHIPPED["fx"], *MARCH)["open"][0]
    assert opens == datetime(2026, 3, 5, 22, tzinfo=UTC)
