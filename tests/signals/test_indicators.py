"""Indicators against answers of TA-Lib 0.8.1 and against what their definitions say at the edges."""

import polars as pl
import pytest

from tickline.signals import indicators

HIGH = "113 112 120 124 125 131 137 132 124 123 118 125 132 122 120 131 120 124 122 116 127 121 114 110"
LOW = "105 110 112 117 115 124 127 121 114 111 109 115 125 115 115 123 110 123 116 114 114 112 107 109"
CLOSE = "108 110 113 121 122 127 133 128 120 116 112 119 127 118 118 124 117 123 116 115 121 117 114 110"
BARS = pl.DataFrame(
    {
        name: [(9_900 + int(ticks)) / 100 for ticks in column.split()]
        for name, column in (("high", HIGH), ("low", LOW), ("close", CLOSE))
    }
)
high, low, close = pl.col("high"), pl.col("low"), pl.col("close")
upper, middle, lower = indicators.bollinger(close, 5, 1.5)
line, signal, histogram = indicators.macd(close, 3, 6, 4)
channel = indicators.donchian(high, low, 5)


def _column(values, expression):
    return pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}).select(y=expression)["y"].to_list()


@pytest.mark.parametrize(
    ("expression", "begins", "first", "last"),
    [
        pytest.param(indicators.sma(close, 5), 4, 100.148, 100.15400000000002, id="sma"),
        pytest.param(indicators.ema(close, 5), 4, 100.148, 100.14549067562265, id="ema"),
        pytest.param(indicators.wma(close, 5), 4, 100.174, 100.1426666666666, id="wma"),
        pytest.param(indicators.rsi(close, 5), 5, 100.0, 32.8508033206537, id="rsi"),
        pytest.param(indicators.atr(high, low, close, 5), 5, 0.08800000000000238, 0.08464270582848209, id="atr"),
        pytest.param(indicators.true_range(high, low, close), 1, 0.04000000000000625, 0.04999999999999716, id="range"),
        pytest.param(indicators.stdev(close, 5), 4, 0.057061370470748426, 0.036110940170535344, id="stdev"),
        pytest.param(upper, 4, 100.23359205570613, 100.20816641025583, id="bollinger upper"),
        pytest.param(middle, 4, 100.148, 100.15400000000002, id="bollinger middle"),
        pytest.param(lower, 4, 100.06240794429387, 100.09983358974422, id="bollinger lower"),
        pytest.param(line, 8, 0.016680029154528597, -0.02097432806826305, id="macd line"),
        pytest.param(signal, 8, 0.049106231778427656, -0.012541795174492306, id="macd signal"),
        pytest.param(histogram, 8, -0.03242620262389906, -0.008432532893770743, id="macd histogram"),
        pytest.param(channel[0], 4, 100.25, 100.27, id="highest high"),
        pytest.param(channel[2], 4, 100.05, 100.07, id="lowest low"),
    ],
)
def test_values_begin_where_talibs_do_and_equal_them(expression, begins, first, last):
    values = BARS.select(y=expression)["y"]
    assert values.null_count() == begins
    assert values[begins] == pytest.approx(first, rel=1e-9)
    assert values[-1] == pytest.approx(last, rel=1e-9)


def test_a_missing_row_has_no_value_and_the_window_goes_on_over_it():
    assert _column([1, None, 3, float("nan"), 5], indicators.sma(pl.col("x"), 2)) == [None, None, 2, None, 4]


def test_wilders_mean_of_the_first_values_moves_by_an_nth_of_the_next():
    assert _column([3, 6, 10], indicators.wilder(pl.col("x"), 2)) == [None, 4.5, 7.25]


def test_rsi_is_unknown_while_nothing_moved_and_at_its_bounds_while_all_moves_are_one_way():
    assert _column([5, 5, 5, 5], indicators.rsi(pl.col("x"), 2)) == [None] * 4
    assert _column([5, 6, 7, 8], indicators.rsi(pl.col("x"), 2)) == [None, None, 100, 100]
    assert _column([8, 7, 6, 5], indicators.rsi(pl.col("x"), 2)) == [None, None, 0, 0]


def test_a_window_of_equal_values_has_no_deviation_and_no_score():
    values = [1e6, -1e6, *[0.1] * 5]
    assert _column(values, indicators.stdev(pl.col("x"), 3))[-3:] == [0, 0, 0]
    assert _column(values, indicators.zscore(pl.col("x"), 3))[-3:] == [None] * 3


def test_a_score_counts_population_deviations_from_the_mean():
    assert _column([1, 2, 3, 10], indicators.zscore(pl.col("x"), 4))[-1] == pytest.approx(6 / 12.5**0.5)


def test_the_channel_holds_the_bar_it_is_of():
    bars = pl.DataFrame({"high": [5.0, 9.0, 7.0], "low": [1.0, 3.0, 2.0]})
    found = bars.select(*(band.alias(str(at)) for at, band in enumerate(indicators.donchian(high, low, 2))))
    assert found.rows() == [(None, None, None), (9, 5, 1), (9, 5.5, 2)]


def test_vwap_begins_anew_with_each_session_and_needs_a_trade():
    bars = pl.DataFrame({"session": [1, 1, 1, 2, 2], "turnover": [0, 20, 60, 0, 7], "volume": [0, 2, 2, 0, 1]})
    vwap = indicators.session_vwap(pl.col("turnover"), pl.col("volume")).over("session")
    assert bars.select(vwap.alias("vwap"))["vwap"].to_list() == [None, 10, 20, None, 7]
