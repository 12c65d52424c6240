from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tickline.bars.reading import flat_fill, missing_bars
from tickline.bars.rollup import rollup
from tickline.lake.schemas import BARS
from tickline.reference.sessions import windows

FRIDAY = date(2026, 3, 6)
ALL, VOLUME_ONLY, END = 15, 8, 2**62


@pytest.fixture
def pre(sessions):
    """The seven one-minute windows of the cash market's pre-market."""
    return windows(sessions, "1m").filter(calendar="cash", session_date=FRIDAY, segment="pre")


@pytest.fixture
def acme(instruments):
    return instruments.filter(instrument="ACME")


@pytest.fixture
def bars(trades, quotes, at, pre, acme):
    ticks = trades(
        ("ACME", at(FRIDAY, "09:54:01"), 1, 10.0, 100.0, ALL),
        ("ACME", at(FRIDAY, "09:54:02"), 2, 11.0, 100.0, ALL),
        ("ACME", at(FRIDAY, "09:57"), 3, 50.0, 100.0, VOLUME_ONLY),
    )
    spread = quotes(("ACME", at(FRIDAY, "09:56"), 1, 9.0, 12.0))
    return rollup(ticks, spread, pre, acme, watermark=END)


def _minute(frame):
    return frame["ts_open"].dt.minute().to_list()


def test_gap_minutes_are_the_closed_windows_without_a_bar(bars, pre, acme, at):
    assert _minute(missing_bars(bars, pre, acme, watermark=END)) == [53, 55, 58, 59]
    watermark = int(at(FRIDAY, "09:59").timestamp()) * 1_000_000_000
    assert _minute(missing_bars(bars, pre, acme, watermark=watermark)) == [53, 55, 58]


def test_an_instrument_without_any_bar_misses_every_window(bars, pre, acme):
    two = pl.concat([acme, acme.with_columns(instrument=pl.lit("IDLE"))])
    assert missing_bars(bars, pre, two, watermark=END).filter(instrument="IDLE").height == 7


def test_flat_bars_carry_the_last_prices_and_no_volume(bars, pre, acme):
    filled = flat_fill(bars, pre, acme, watermark=END)
    names = ("open", "high", "low", "close", "bid_close", "ask_open", "volume", "trades", "quotes", "filled")
    assert _minute(filled) == [54, 55, 56, 57, 58, 59]
    assert filled.select(names).rows() == [
        (10.0, 11.0, 10.0, 11.0, None, None, 200.0, 2, 0, False),
        (11.0, 11.0, 11.0, 11.0, None, None, 0.0, 0, 0, True),
        (11.0, 11.0, 11.0, 11.0, 9.0, 12.0, 0.0, 0, 1, True),
        (11.0, 11.0, 11.0, 11.0, 9.0, 12.0, 100.0, 1, 0, True),
        (11.0, 11.0, 11.0, 11.0, 9.0, 12.0, 0.0, 0, 0, True),
        (11.0, 11.0, 11.0, 11.0, 9.0, 12.0, 0.0, 0, 0, True),
    ]
    assert filled["is_final"].all()


def test_prices_are_not_carried_from_one_instrument_to_another(bars, pre, acme):
    two = pl.concat([acme, acme.with_columns(instrument=pl.lit("IDLE"))])
    assert flat_fill(bars, pre, two, watermark=END)["instrument"].unique().to_list() == ["ACME"]


def test_bars_without_gaps_come_back_as_they_are(bars, pre, acme):
    kept = bars.filter(pl.col("close").is_not_null())
    filled = flat_fill(kept, pre, acme, watermark=0)
    assert_frame_equal(filled.select(*BARS.columns), kept)
    assert filled["filled"].to_list() == [False]
