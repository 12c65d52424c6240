"""Measures of a run against hand-worked examples, brute force over the same definition, and their laws."""

import math
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import ConfigError
from tickline.kpi.performance import Performance, drawdown, measure, rolling_sharpe, sessions_per_year
from tickline.lake.schema import NS

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_NS = 86_400_000_000_000
TRADE_COLUMNS = {
    "instrument": pl.String,
    "ts_entry": NS,
    "ts_exit": NS,
    "side": pl.String,
    **dict.fromkeys(("size", "entry_price", "exit_price", "gross", "fees", "net"), pl.Float64),
}
examples = settings(max_examples=60, deadline=None)


def curve(*values, days=None):
    days = range(len(values)) if days is None else days
    at = [START + timedelta(days=day) for day in days]
    return pl.DataFrame({"ts": at, "equity": list(values)}, schema={"ts": NS, "equity": pl.Float64})


def book(*rows):
    """Long round trips out of (day of entry, day of exit, size, entry_price, exit_price, fees)."""
    trades = []
    for enter, leave, size, at, to, fees in rows:
        gross = size * (to - at)
        times = START + timedelta(days=enter), START + timedelta(days=leave)
        trades.append(("ACME", *times, "long", size, at, to, gross, fees, gross - fees))
    return pl.DataFrame(trades, schema=TRADE_COLUMNS, orient="row")


def measured(equity, trades=None, periods_per_year=365.25):
    return measure(equity, book() if trades is None else trades, periods_per_year=periods_per_year)


def test_measures_of_a_curve_are_those_worked_out_by_hand():
    # Returns +10 %, -10 %, +10 %, -10 %: mean 0, so use a tilt: 100, 110, 99, 118.8 -> +0.1, -0.1, +0.2.
    got = measured(curve(100, 110, 99, 118.8), periods_per_year=4)
    mean, spread = 0.2 / 3, math.sqrt((0.0333333333333**2 + 0.1666666666667**2 + 0.1333333333333**2) / 2)
    assert got.total_return == pytest.approx(0.188)
    assert got.cagr == pytest.approx(1.188 ** (365.25 / 3) - 1)
    assert got.volatility == pytest.approx(spread * 2)
    assert got.sharpe == pytest.approx(mean / spread * 2)
    assert got.sortino == pytest.approx(mean / math.sqrt(0.01 / 3) * 2)
    assert got.max_drawdown == pytest.approx(0.1)
    assert got.max_drawdown_ns == 2 * DAY_NS
    assert got.calmar == pytest.approx(got.cagr / 0.1)


def test_measures_of_trades_are_those_worked_out_by_hand():
    trades = book((0, 1, 10, 10, 12, 2), (2, 4, 10, 10, 9, 2), (3, 5, 5, 20, 20, 1))  # nets 18, -12, -1
    got = measured(curve(*[1000] * 11), trades)
    assert got.trades == 3
    assert got.win_rate == pytest.approx(1 / 3)
    assert got.profit_factor == pytest.approx(18 / 13)
    assert got.expectancy == pytest.approx(5 / 3)
    assert got.turnover == pytest.approx((220 + 190 + 200) / 1000 / (10 / 365.25))
    assert got.exposure == pytest.approx(0.4)  # days 0-1 and 2-5 of 10
    assert got.cost_share == pytest.approx(5 / 20)
    assert got.mean_holding_ns == round(DAY_NS * 5 / 3)


@pytest.mark.parametrize("values", [(), (100,)])
def test_fewer_than_two_samples_have_no_measures(values):
    got = measured(curve(*values), book((0, 1, 1, 10, 12, 0)))
    of_curve = ("total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "max_drawdown_ns", "calmar")
    assert [getattr(got, name) for name in (*of_curve, "turnover", "exposure")] == [None] * 10
    assert got.expectancy == 2


def test_returns_that_never_vary_have_a_volatility_of_zero_and_no_sharpe():
    flat, steady = measured(curve(5, 5, 5, 5)), measured(curve(*(1.01**day for day in range(50))))
    assert flat.volatility == 0
    assert steady.volatility == pytest.approx(0, abs=1e-13)
    assert (flat.sharpe, steady.sharpe, flat.sortino, steady.sortino) == (None,) * 4
    assert (flat.max_drawdown, flat.max_drawdown_ns, flat.calmar) == (0, 0, None)


def test_a_run_without_losing_trades_has_no_profit_factor_and_one_without_trades_no_ratios():
    assert measured(curve(1, 2), book((0, 1, 1, 10, 12, 0))).profit_factor is None
    got = measured(curve(1, 2))
    assert (got.trades, got.win_rate, got.expectancy, got.cost_share, got.mean_holding_ns) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert (got.turnover, got.exposure) == (0, 0)


def test_a_bankrupt_account_has_a_return_and_a_drawdown_but_no_sharpe():
    got = measured(curve(100, 120, -60, 30))
    assert got.total_return == pytest.approx(-0.7)
    assert got.max_drawdown == pytest.approx(1.5)
    assert (got.cagr, got.volatility, got.sharpe, got.sortino, got.calmar) == (None,) * 5


@pytest.mark.parametrize(
    ("values", "days", "longest"),
    [
        ((10, 9, 10, 8, 9, 8, 11), range(7), 4),  # peaks at 2 and 6
        ((10, 9, 8, 7), range(4), 3),  # never back
        ((10, 11, 12), range(3), 0),
        ((10, 11, 10.5), (0, 5, 7), 2),  # only the last sample below
    ],
)
def test_the_longest_drawdown_lasts_from_a_peak_until_the_curve_is_back_or_ends(values, days, longest):
    assert measured(curve(*values, days=days)).max_drawdown_ns == longest * DAY_NS


def test_exposure_counts_time_in_any_trade_once_and_only_within_the_curve():
    trades = book(*((*days, 1, 1, 1, 0) for days in ((-5, 1), (0, 3), (1, 2), (2, 3), (4, 4), (9, 30))))
    assert measured(curve(*[1] * 11), trades).exposure == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("equity", "finding"),
    [
        (curve(1, math.nan), "not finite"),
        (curve(1, None), "missing"),
        (curve(1, 2, days=(1, 1)), "do not increase"),
        (curve(1, 2, days=(1, 0)), "do not increase"),
    ],
)
def test_a_broken_curve_is_refused(equity, finding):
    with pytest.raises(ConfigError, match=finding):
        measured(equity)


def test_broken_trades_and_annualisation_are_refused():
    with pytest.raises(ConfigError, match=r"trades\.exit_price"):
        measured(curve(1, 2), book((0, 1, 1, 1, math.inf, 0)).with_columns(gross=0.0, net=0.0))
    for periods in (0, -1, math.nan, math.inf):
        with pytest.raises(ConfigError, match="periods a year"):
            measured(curve(1, 2), periods_per_year=periods)


def test_a_year_has_261_weekdays_and_365_days_and_a_quarter():
    days = pl.date_range(date(2023, 1, 1), date(2025, 12, 31), eager=True)
    assert sessions_per_year(days.filter(days.dt.weekday() <= 5)) == pytest.approx(261, abs=0.5)
    assert sessions_per_year(days) == pytest.approx(365.25)
    with pytest.raises(ConfigError, match="fewer than two"):
        sessions_per_year(days[:1])


equities = st.lists(st.floats(-50, 1e6, allow_subnormal=False), max_size=30)
days, money = st.integers(-5, 30), st.integers(1, 99).map(float)
round_trips = st.lists(
    st.tuples(days, st.integers(0, 9), money, money, money, money).map(lambda row: (row[0], row[0] + row[1], *row[2:])),
    max_size=12,
)


@examples
@given(values=equities, trips=round_trips, periods=st.sampled_from([1.0, 252.0, 525_600.0]))
def test_no_measure_is_ever_infinite_or_nan(values, trips, periods):
    got = measured(curve(*values), book(*trips), periods)
    for field in fields(Performance):
        value = getattr(got, field.name)
        assert value is None or math.isfinite(value), field.name


@examples
@given(
    values=st.lists(st.floats(1, 1e6), min_size=2, max_size=30), trips=round_trips, scale=st.sampled_from([0.5, 64.0])
)
def test_the_unit_of_money_changes_only_what_is_money(values, trips, scale):
    one = measured(curve(*values), book(*trips))
    scaled = [(enter, leave, size * scale, at, to, fees * scale) for enter, leave, size, at, to, fees in trips]
    other = measured(curve(*(value * scale for value in values)), book(*scaled))
    for field in fields(Performance):
        if field.name != "expectancy":
            assert getattr(other, field.name) == pytest.approx(getattr(one, field.name), nan_ok=False), field.name


@examples
@given(values=st.lists(st.integers(1, 20), min_size=2, max_size=25), trips=round_trips)
def test_drawdown_and_exposure_are_those_of_brute_force(values, trips):
    got = measured(curve(*values), book(*trips))
    falls = [1 - low / high for at, high in enumerate(values) for low in values[at:]]
    assert got.max_drawdown == pytest.approx(max(falls))
    series = curve(*values).select(fall=drawdown(pl.col("equity")))["fall"]
    assert -series.min() == pytest.approx(got.max_drawdown)
    days = len(values) - 1
    held = sum(any(enter <= day < leave for enter, leave, *_ in trips) for day in range(days))
    assert got.exposure == pytest.approx(held / days)


@examples
@given(values=st.lists(st.integers(90, 110), min_size=6, max_size=10))
def test_rolling_sharpe_at_each_sample_is_the_sharpe_of_the_last_returns(values):
    rolled = curve(*values).select(sharpe=rolling_sharpe(pl.col("equity"), samples=4, periods_per_year=252))["sharpe"]
    assert rolled[:4].to_list() == [None] * 4
    for end in range(4, len(values)):
        alone = measured(curve(*values[end - 4 : end + 1]), periods_per_year=252).sharpe
        assert rolled[end] == (None if alone is None else pytest.approx(alone, rel=1e-6, abs=1e-9))
