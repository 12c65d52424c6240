"""From bars in the lake to rows of the engine: their order, what is left out or refused, and what is charged when."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from qa._scripted import MINUTE, START, bars, frame, instrument, sessions
from tickline.backtest.assumptions import Assumptions, Costs
from tickline.backtest.bars import charges_of, listed, prepare
from tickline.errors import BacktestError
from tickline.lake.schema import NS
from tickline.lake.schemas import SESSIONS
from tickline.reference.models import FeeSchedule

FLAT = (100, 100, 100, 100)
DAY = 24 * 60 * MINUTE
FEES = FeeSchedule()


def prepared(*streams, names=("A", "B"), assumed=None, signals=(), calendar=None, **grids):
    traded = listed([instrument(name, **grids) for name in names], FEES)
    known = sessions(bars(*[FLAT] * 3, start=START, every=DAY)) if calendar is None else calendar
    return prepare(streams, known, traded, assumed=assumed or Assumptions(), signals=signals)


def test_rows_come_as_bars_become_known_the_longer_first_and_instruments_as_declared():
    short = pl.concat([frame(bars(*[FLAT] * 4, instrument=nth), "B", "A") for nth in range(2)])
    long = frame(bars(FLAT, FLAT, every=2 * MINUTE), "B")
    ready = prepared(short.sample(fraction=1, shuffle=True, seed=3), long)
    order = list(
        zip(
            ready.bars.events["ts"].tolist(),
            ready.bars.events["stream"].tolist(),
            ready.bars.events["instrument"].tolist(),
            strict=True,
        )
    )
    assert order == sorted(order, key=lambda row: (row[0], -row[1], row[2]))
    assert [(stream, nth) for ts, stream, nth in order if ts == START + 2 * MINUTE] == [(1, 1), (0, 0), (0, 1)]
    assert ready.rows["instrument"].to_list() == [("A", "B")[nth] for _, _, nth in order]
    assert ready.rows["stream"].to_list() == [stream for _, stream, _ in order]


def test_each_row_says_which_row_of_the_lake_it_is():
    source = frame(bars(*[(100 + nth,) * 4 for nth in range(5)]), "A")
    ready = prepared(source.reverse())
    assert ready.rows["input_row"].to_list() == [0, 1, 2, 3, 4]
    assert ready.rows["input"].unique().to_list() == ["bars_1m"]
    assert np.rint(ready.bars.events["close"] * 100).tolist() == [100, 101, 102, 103, 104]


def test_prices_become_ticks_and_events_keep_them():
    ready = prepared(frame(bars((101, 105, 99, 102), volume=12.5), "A"))
    (bar,), (event,) = ready.bars.bars, ready.bars.events
    assert tuple(bar["ask"]) == tuple(bar["bid"]) == (101, 105, 99, 102)
    assert (bar["mark"], bar["volume"], bar["ts_open"], bar["ts_close"]) == (102, 12.5, START, START + MINUTE)
    assert [round(float(event[name]), 9) for name in ("open", "high", "low", "close", "volume")] == [
        1.01,
        1.05,
        0.99,
        1.02,
        12.5,
    ]


def test_bars_are_matched_on_quotes_where_that_is_assumed_and_stand_in_for_missing_trades():
    source = frame(bars(FLAT, (110,) * 4, spread=4), "A").with_columns(
        pl.when(pl.col("input_row") == 1).then(pl.col("close")).alias("close"),
        pl.lit(None).cast(pl.Float64).alias("open"),
    )
    ready = prepared(source, assumed=Assumptions(match_on="quotes"))
    assert ready.bars.bars["bid"]["close"].tolist() == [100, 110]
    assert ready.bars.bars["ask"]["close"].tolist() == [104, 114]
    assert ready.bars.bars["mark"].tolist() == [102, 112]
    assert np.round(ready.bars.events["close"], 9).tolist() == [1.02, 1.10]
    trades = prepared(source.with_columns(open=pl.col("close")))
    assert trades.bars.bars["ask"]["close"].tolist() == [110]


def test_bars_of_other_segments_and_instruments_are_left_out():
    source = frame(bars(*[FLAT] * 4), "A")
    segments = pl.Series(["pre", "regular", "post", "regular"])
    mixed = pl.concat([source.with_columns(segment=segments), source.with_columns(instrument=pl.lit("C"))])
    assert prepared(mixed).rows["input_row"].to_list() == [1, 3]
    assert prepared(mixed, assumed=Assumptions(segments=("pre", "post"))).rows["input_row"].to_list() == [0, 2]


def test_a_bar_knows_when_its_segment_of_the_session_closes():
    market = bars(*[FLAT] * 4, every=12 * 60 * MINUTE)
    ready = prepared(frame(market, "A"), calendar=sessions(market))
    midnight = START - START % DAY
    assert ready.bars.events["session_close"].tolist() == [midnight + DAY] * 2 + [midnight + 2 * DAY] * 2
    lost = prepared(frame(market, "A"), calendar=sessions(market).clear())
    assert lost.bars.events["session_close"].tolist() == lost.bars.events["ts"].tolist()


def test_signals_are_columns_in_the_order_they_are_declared_and_unknown_where_null():
    source = frame(bars(*[FLAT] * 3), "A").with_columns(a=pl.Series([1, None, 3]), b=pl.Series([0.5, 1.5, None]))
    ready = prepared(source, frame(bars(FLAT, every=3 * MINUTE), "A"), signals=("b", "a"))
    assert np.array_equal(ready.bars.signals, [[0.5, 1], [1.5, np.nan], [np.nan] * 2, [np.nan, 3]], equal_nan=True)
    assert prepared(source).bars.signals.shape == (3, 0)


@pytest.mark.parametrize(("column", "value"), [("low", 0.995), ("open", 0.0), ("close", -1.0), ("high", 1.0000101)])
def test_a_price_off_the_grid_is_refused_and_named(column, value):
    source = frame(bars(FLAT, FLAT), "A").with_columns(
        pl.when(pl.col("input_row") == 1).then(value).otherwise(pl.col(column)).alias(column)
    )
    with pytest.raises(BacktestError, match=rf"A at 2026-03-02 10:02:00.*_{column} {value}.* multiple of its tick"):
        prepared(source)


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_bar_that_lacks_a_price_it_needs_is_refused_and_named(nothing):
    source = frame(bars(FLAT, FLAT), "A").with_columns(
        pl.when(pl.col("input_row") == 1).then(nothing).otherwise(pl.col("low")).alias("low")
    )
    with pytest.raises(BacktestError, match=r"A at 2026-03-02 10:02:00.*_low"):
        prepared(source)


def test_large_prices_on_a_fine_grid_are_on_it():
    ticks = [99_999_999_999, 123_456_789_012]
    source = frame(bars(*[(nth,) * 4 for nth in ticks]), "A")
    assert prepared(source).bars.bars["mark"].tolist() == ticks


def test_no_bars_are_refused_and_what_is_missing_is_named():
    with pytest.raises(BacktestError, match=r"no bars of A, B in segments regular.*materialise their bars"):
        prepared(frame(bars(FLAT), "C"))


def test_a_sweep_keeps_equity_at_each_sessions_last_row():
    market = bars(*[FLAT] * 5, every=12 * 60 * MINUTE)
    assert prepared(frame(market, "A")).marks.tolist() == [2, 4, 5]


def test_instruments_of_two_currencies_are_refused():
    with pytest.raises(BacktestError, match="EUR, USD: one strategy has one account in one currency"):
        listed([instrument("A"), instrument("B", quote="EUR")], FEES)


def test_cash_is_counted_finely_enough_for_every_instrument():
    traded = listed([instrument("A"), instrument("B", tick="0.00001", lot="0.00001")], FEES)
    assert traded.unit == Decimal("1e-10")
    assert traded.grid["tick_value"].tolist() == [10**8, 1]


def at(day, hour):
    return int(datetime(2026, 3, day, hour, tzinfo=UTC).timestamp()) * 10**9


def trading_days():
    """Friday and Monday, 14 to 21 UTC, with a lunch break on Monday."""
    rows = [(6, 14, 21), (9, 14, 17), (9, 18, 21)]
    timed = [("v", "c", date(2026, 3, day), "regular", at(day, begin), at(day, end), False) for day, begin, end in rows]
    return pl.DataFrame(timed, schema={**SESSIONS.columns, "open": pl.Int64, "close": pl.Int64}, orient="row").cast(
        {"open": NS, "close": NS}
    )


def due(costs, names=("A", "B")):
    found = charges_of(trading_days(), listed([instrument(name) for name in names], FEES), Assumptions(costs=costs))
    return list(zip(*(part.tolist() for part in found), strict=True))


def test_shorts_pay_at_each_sessions_close_for_the_days_until_the_next():
    daily = round(365 * 100_000 / 365)
    assert due(Costs(short_bps_per_year=Decimal(365)), names=("A",)) == [
        (at(6, 21) - 1, 0, 3 * daily, 1),
        (at(9, 21) - 1, 0, daily, 1),
    ]


def test_longs_pay_funding_every_eight_hours_on_each_instrument():
    found = due(Costs(funding_bps=Decimal(1)))
    assert found[:4] == [
        (at(6, 16), 0, 100_000, 0),
        (at(6, 16), 1, 100_000, 0),
        (at(7, 0), 0, 100_000, 0),
        (at(7, 0), 1, 100_000, 0),
    ]
    assert {ts % (8 * 60 * MINUTE) for ts, *_ in found} == {0}
    assert found[-1][0] == at(9, 16)


def test_what_is_due_comes_in_time_order_and_nothing_is_due_where_nothing_is_charged():
    both = due(Costs(funding_bps=Decimal(1), short_bps_per_year=Decimal(100)))
    assert [row[0] for row in both] == sorted(row[0] for row in both)
    assert due(Costs()) == []
