"""Sessions and bar windows on the days calendars get wrong: clock changes, early closes, holidays, real history.

Windows are compared minute by minute with what the time zone database, the exchanges' own announcements and, where
recorded data is present, the answer files of exchange_calendars say.
"""

import gzip
import os
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import TypeAdapter

from tickline.lake.schema import NS
from tickline.reference.calendars import SessionCalendar, load_calendars
from tickline.reference.sessions import sessions, windows

# Clocks change at different times of the day in these: at 2:00, at 1:00 UTC, at midnight (Santiago, Cairo), by half
# an hour (Lord Howe).
ZONES = (
    "America/New_York",
    "America/Santiago",
    "Europe/London",
    "Europe/Berlin",
    "Africa/Cairo",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
YEAR = 2026

CONFIG = Path(__file__).parent.parent / "config" / "calendars.yaml"

# https://www.nyse.com/markets/hours-calendars and its predecessors: close at 13:00, after-hours to 17:00.
NEW_YORK_EARLY_CLOSES = {
    date.fromisoformat(day)
    for day in """
        2015-11-27 2015-12-24 2016-11-25 2017-07-03 2017-11-24 2018-07-03 2018-11-23 2018-12-24 2019-07-03 2019-11-29
        2019-12-24 2020-11-27 2020-12-24 2021-11-26 2022-11-25 2023-07-03 2023-11-24 2024-07-03 2024-11-29 2024-12-24
    """.split()  # noqa: SIM905
}
# Ordinary holidays and days of mourning and storm on which New York did not open.
NEW_YORK_HOLIDAYS = {
    date.fromisoformat(day)
    for day in "2015-04-03 2018-12-05 2021-12-24 2022-06-20 2024-03-29 2025-01-09".split()  # noqa: SIM905
}

# The calendar of config/calendars.yaml each answer file is compared with; 24/5 is compared with hours of our own.
ANSWERS = {
    "xnys.csv.gz": "xnys",
    "xlon.csv.gz": "xlon",
    "xetr.csv.gz": "xetr",
    "cmes.csv.gz": "cmes",
    "24-5.csv": "weekdays",
    "24-7.csv": "always",
}
_WEEKDAYS = {
    "kind": "custom",
    "timezone": "UTC",
    "hours": [{"open": "00:00", "close": "24:00"}],
    "rest_days": ["sat", "sun"],
}

_CALENDAR: TypeAdapter[SessionCalendar] = TypeAdapter(SessionCalendar)
_MINUTE = timedelta(minutes=1)


def run(*, small: bool = False) -> dict[str, object]:
    """Compare everything. `small` reads only the last 500 sessions of each answer file."""
    found: Counter[str] = Counter(windows=0, missing=0, duplicate=0, wrong=0)
    for zone in ZONES:
        for shift in clock_changes(zone):
            found += _clock_change(zone, shift)
    print(f"clock changes: {len(ZONES)} zones, {found['windows']} windows")
    calendars = load_calendars(CONFIG) | {"weekdays": _CALENDAR.validate_python(_WEEKDAYS)}
    found += _new_york(calendars["xnys"])
    print(f"early closes: {len(NEW_YORK_EARLY_CLOSES)}, holidays: {len(NEW_YORK_HOLIDAYS)}")
    folder = Path(os.environ.get("TICKLINE_REAL_DATA", "../shared/data")) / "exchange_calendars"
    if not folder.is_dir():
        print(f"no answer files at {folder} (set TICKLINE_REAL_DATA)")
    answers = {
        name: _answers(folder / name, calendars[calendar], sessions_read=500 if small else 100_000)
        for name, calendar in ANSWERS.items()
        if folder.is_dir()
    }
    for name, (count, differences) in answers.items():
        print(f"{name}: {count} sessions, {differences} differences")
    differences = sum(differences for _, differences in answers.values())
    return {
        "ok": not (found["missing"] or found["duplicate"] or found["wrong"] or differences),
        "windows": found["windows"],
        "missing": found["missing"],
        "duplicate": found["duplicate"],
        "wrong": found["wrong"],
        "answer_files": len(answers),
        "answer_sessions": sum(count for count, _ in answers.values()),
        "answer_differences": differences,
    }


def clock_changes(zone: str) -> list[date]:
    """The days of the year within one of which a zone's clocks have changed."""
    noons = [datetime(YEAR, 1, 1, 12, tzinfo=UTC) + timedelta(days=day) for day in range(365)]
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() for noon in noons]
    return [
        noon.date() for noon, before, after in zip(noons[1:], offsets, offsets[1:], strict=False) if before != after
    ]


def _clock_change(zone: str, shift: date) -> Counter[str]:
    """The days around a clock change on a venue that trades from midnight to midnight: hourly and daily windows."""
    hours = [{"open": "00:00", "close": "24:00"}]
    calendar = _CALENDAR.validate_python({"kind": "custom", "timezone": zone, "hours": hours})
    first, last = shift - timedelta(days=3), shift + timedelta(days=3)
    expected = {
        minute
        for minute in _minutes(first - timedelta(days=2), last + timedelta(days=2))
        if first <= minute.astimezone(ZoneInfo(zone)).date() <= last
    }
    table = sessions("local", calendar, first, last)
    return _compared(table, "1h", expected) + _compared(table, "1d", expected)


def _minutes(first: date, last: date) -> list[datetime]:
    start = datetime.combine(first, time(), UTC)
    return [start + at * _MINUTE for at in range(1440 * (last - first).days)]


def _compared(table: pl.DataFrame, timeframe: str, expected: set[datetime]) -> Counter[str]:
    """How the minutes the windows of a timeframe cover differ from those expected, and whether durations add up."""
    bars = windows(table, timeframe)
    covered = Counter(
        opens + at * _MINUTE
        for opens, closes in bars.select("ts_open", "ts_close").iter_rows()
        for at in range((closes - opens) // _MINUTE)
    )
    lasting = bars.select((pl.col("ts_close") - pl.col("ts_open")).sum()).item()
    trading = table.select((pl.col("close") - pl.col("open")).sum()).item()
    return Counter(
        windows=bars.height,
        missing=len(expected - covered.keys()),
        duplicate=sum(times - 1 for times in covered.values()),
        wrong=len(covered.keys() - expected) + int(lasting != trading) + int(trading != len(expected) * _MINUTE),
    )


def _new_york(calendar: SessionCalendar) -> Counter[str]:
    """Early closes, with their segments, and holidays of New York as announced."""
    zone = ZoneInfo("America/New_York")
    table = sessions("xnys", calendar, date(2015, 1, 1), date(2025, 12, 31))
    found: Counter[str] = Counter()
    for day in sorted(NEW_YORK_EARLY_CLOSES):
        session = table.filter(pl.col("session_date") == day)
        opens = datetime.combine(day, time(4), zone).astimezone(UTC)
        found += _compared(session, "1h", {opens + at * _MINUTE for at in range(13 * 60)})
        segments = [(row["segment"], row["close"].astimezone(zone).time()) for row in session.iter_rows(named=True)]
        found["wrong"] += segments != [("pre", time(9, 30)), ("regular", time(13)), ("post", time(17))]
        found["wrong"] += not session["is_early_close"].all()
    found["wrong"] += table.filter(pl.col("session_date").is_in(NEW_YORK_HOLIDAYS)).height
    return found


def _answers(path: Path, calendar: SessionCalendar, *, sessions_read: int) -> tuple[int, int]:
    """How many sessions an answer file has, and how many windows of it and of ours the other does not have."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    answer = (
        pl.read_csv(content, infer_schema=False)
        .select(pl.all().str.strptime(NS, "%Y-%m-%dT%H:%M:%SZ"))
        .select(pl.col("").dt.date().alias("session_date"), "open", "close", "break_start", "break_end")
        .tail(sessions_read)
    )
    whole = pl.col("break_start").is_null()
    expected = pl.concat(
        [
            answer.filter(whole).select("session_date", "open", "close"),
            answer.filter(~whole).select("session_date", "open", pl.col("break_start").alias("close")),
            answer.filter(~whole).select("session_date", pl.col("break_end").alias("open"), "close"),
        ]
    )
    table = sessions("ours", calendar, answer["session_date"][0], answer["session_date"][-1])
    ours = table.filter(pl.col("segment") == "regular").select(expected.columns)
    missing = expected.join(ours, on=expected.columns, how="anti")
    surplus = ours.join(expected, on=expected.columns, how="anti")
    return answer.height, missing.height + surplus.height
