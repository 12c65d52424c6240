from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from tickline.bars.rollup import rollup
from tickline.bars.timeframes import derive
from tickline.errors import ConfigError
from tickline.reference.sessions import windows

THURSDAY, FRIDAY, MONDAY = date(2026, 3, 5), date(2026, 3, 6), date(2026, 3, 9)
ALL, END = 15, 2**62


@pytest.fixture
def cash_minutes(trades, at, sessions, instruments):
    """One-minute bars of a print at each of these times, of prices 1, 2, 3 ... and 100 shares."""
    times = [
        at(THURSDAY, "10:16:59"),
        at(FRIDAY, "09:53"),
        at(FRIDAY, "10:00"),
        at(FRIDAY, "10:16"),
        at(FRIDAY, "10:30"),
        at(FRIDAY, "10:42:29"),
        at(FRIDAY, "10:42:30"),
        at(MONDAY, "10:59"),
    ]
    ticks = trades(*(("ACME", ts, 1, 1.0 + nth, 100.0, ALL) for nth, ts in enumerate(times)))
    return rollup(ticks, None, windows(sessions, "1m"), instruments, watermark=END)


def _derive(bars, timeframe, sessions, instruments, watermark=END):
    return derive(bars, timeframe, windows(sessions, timeframe), instruments, watermark=watermark)


def test_quarter_hours_start_over_at_each_open_and_end_at_each_close(cash_minutes, sessions, instruments, at):
    bars = _derive(cash_minutes, "15m", sessions, instruments).filter(session_date=FRIDAY)
    assert bars.select("segment", "ts_open", "ts_close", "open", "close").rows() == [
        ("pre", at(FRIDAY, "09:53"), at(FRIDAY, "10:00"), 2.0, 2.0),
        ("regular", at(FRIDAY, "10:00"), at(FRIDAY, "10:15"), 3.0, 3.0),
        ("regular", at(FRIDAY, "10:15"), at(FRIDAY, "10:17"), 4.0, 4.0),
        ("regular", at(FRIDAY, "10:30"), at(FRIDAY, "10:42:30"), 5.0, 6.0),
        ("post", at(FRIDAY, "10:42:30"), at(FRIDAY, "10:50"), 7.0, 7.0),
    ]


def test_a_day_has_one_bar_for_each_segment_over_its_break(cash_minutes, sessions, instruments, at):
    bars = _derive(cash_minutes, "1d", sessions, instruments).filter(session_date=FRIDAY)
    assert bars.select("segment", "ts_open", "ts_close", "open", "high", "low", "close", "volume", "trades").rows() == [
        ("pre", at(FRIDAY, "09:53"), at(FRIDAY, "10:00"), 2.0, 2.0, 2.0, 2.0, 100.0, 1),
        ("regular", at(FRIDAY, "10:00"), at(FRIDAY, "10:42:30"), 3.0, 6.0, 3.0, 6.0, 400.0, 4),
        ("post", at(FRIDAY, "10:42:30"), at(FRIDAY, "10:50"), 7.0, 7.0, 7.0, 7.0, 100.0, 1),
    ]


@pytest.mark.parametrize("through", ["1m", "1d"])
def test_a_week_is_made_of_its_sessions_alone(cash_minutes, sessions, instruments, at, through):
    finer = cash_minutes if through == "1m" else _derive(cash_minutes, "1d", sessions, instruments)
    bars = _derive(finer, "1w", sessions, instruments).filter(segment="regular")
    assert bars.select("session_date", "ts_open", "ts_close", "open", "close", "turnover").rows() == [
        (date(2026, 3, 2), at(THURSDAY, "10:00"), at(FRIDAY, "10:42:30"), 1.0, 6.0, Decimal(1900)),
        (MONDAY, at(MONDAY, "10:00"), at(MONDAY, "11:00"), 8.0, 8.0, Decimal(800)),
    ]


def test_a_longer_bar_is_final_by_the_watermark_and_not_by_its_minutes(cash_minutes, sessions, instruments, at):
    # The last minute with a print is 10:42; the session closes at 10:42:30.
    watermark = int(at(FRIDAY, "10:42:29").timestamp()) * 1_000_000_000
    hours = _derive(cash_minutes, "1h", sessions, instruments, watermark).filter(session_date=FRIDAY)
    assert hours.select("ts_open", "is_final").rows() == [
        (at(FRIDAY, "09:53"), True),
        (at(FRIDAY, "10:00"), True),
        (at(FRIDAY, "10:30"), False),
        (at(FRIDAY, "10:42:30"), False),
    ]


def test_bars_of_other_sessions_are_refused(cash_minutes, sessions, instruments):
    with pytest.raises(ValueError, match="bars lie in no 1h window, the first ACME"):
        _derive(cash_minutes, "1h", sessions.filter(pl.col("session_date") != FRIDAY), instruments)


def test_bars_of_an_unlisted_instrument_are_refused_by_name(cash_minutes, sessions, instruments):
    with pytest.raises(ConfigError, match="bars of ACME"):
        _derive(cash_minutes, "1d", sessions, instruments.filter(pl.col("instrument") != "ACME"))
