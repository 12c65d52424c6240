"""Laws of bars over random ticks, against bars made one tick at a time in exact decimals."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tickline.bars.kernels import _add_product, _times_ten
from tickline.bars.rollup import append, rollup
from tickline.bars.timeframes import derive
from tickline.lake.schemas import BARS, TIMEFRAMES
from tickline.reference.sessions import windows

pytestmark = pytest.mark.slow

DAYS = [date(2026, 3, 5), date(2026, 3, 6), date(2026, 3, 9)]
INTRADAY = [timeframe for timeframe, seconds in TIMEFRAMES.items() if seconds and timeframe != "1m"]
END = 2**62

# Few instants, seqs and prices, so that ties, shared edges and empty windows all come up.
clocks = st.builds(
    lambda minute, second: f"{9 + minute // 60:02d}:{minute % 60:02d}:{second}",
    st.one_of(st.integers(50, 115), st.sampled_from([60, 77, 90, 102, 110])),
    st.sampled_from(["00", "00.000001", "30", "29.999999", "59.999999"]),
)
instants = st.tuples(st.sampled_from(DAYS), clocks)
counters = st.integers(0, 2)
acme_prints = st.tuples(
    st.just("ACME"),
    instants,
    counters,
    st.integers(1, 6).map(lambda n: n * 5 / 100),
    st.integers(1, 30).map(lambda n: n * 100.0),
)
coin_prints = st.tuples(
    st.just("COIN"),
    instants,
    counters,
    st.integers(1000, 1004).map(lambda n: n / 100),
    st.integers(1, 999).map(lambda n: n / 1000),
)
prints = st.lists(st.tuples(st.one_of(acme_prints, coin_prints), st.integers(0, 15)), max_size=60)
spreads = st.lists(
    st.tuples(
        st.sampled_from(["ACME", "COIN"]),
        instants,
        counters,
        st.one_of(st.none(), st.integers(990, 993).map(lambda n: n / 100)),
        st.integers(1000, 1003).map(lambda n: n / 100),
    ),
    max_size=25,
)
examples = settings(max_examples=25, deadline=None)


@dataclass(frozen=True)
class Market:
    """Sessions and instruments, and ticks placed in them."""

    trades: Callable[..., pl.DataFrame]
    quotes: Callable[..., pl.DataFrame]
    at: Callable[[date, str], datetime]
    sessions: pl.DataFrame
    instruments: pl.DataFrame

    def ticks(self, printed, spread):
        """Clean trades and quotes out of drawn rows."""
        trades = [(name, self.at(*instant), *rest, sets) for (name, instant, *rest), sets in printed]
        quotes = [(name, self.at(*instant), *rest) for name, instant, *rest in spread]
        return self.trades(*trades), self.quotes(*quotes)

    def over(self, timeframe):
        return windows(self.sessions, timeframe)

    def rollup(self, ticks, timeframe, watermark=END):
        return rollup(*ticks, self.over(timeframe), self.instruments, watermark=watermark)

    def append(self, bars, ticks, timeframe):
        late = dict(zip(("trades", "quotes"), ticks, strict=True))
        return append(bars, **late, windows=self.over(timeframe), instruments=self.instruments, watermark=END)

    def derive(self, bars, timeframe, watermark=END):
        return derive(bars, timeframe, self.over(timeframe), self.instruments, watermark=watermark)


@pytest.fixture(scope="module")
def market(trades, quotes, at, sessions, instruments):
    return Market(trades, quotes, at, sessions, instruments)


def _window(sessions, calendar, ts, timeframe):
    """(session_date, segment, ts_open, ts_close) of the window an instant lies in, straight from the sessions."""
    for row in sessions.filter(calendar=calendar).rows(named=True):
        if not row["open"] <= ts < row["close"]:
            continue
        step = timedelta(seconds=TIMEFRAMES[timeframe])
        ts_open = row["open"] + (ts - row["open"]) // step * step
        return row["session_date"], row["segment"], ts_open, min(ts_open + step, row["close"])
    return None


def _decimal(value):
    return Decimal(repr(value))


def _bar_by_hand(prints, spread):
    """The columns of one bar out of (ts, seq, price, size, sets) and (ts, seq, bid, ask)."""
    opening = sorted((ts, seq, price) for ts, seq, price, _, sets in prints if sets & 1)
    extremes = [price for _, _, price, _, sets in prints if sets & 2]
    closing = sorted((ts, seq, price) for ts, seq, price, _, sets in prints if sets & 4)
    counted = [(_decimal(price), _decimal(size)) for _, _, price, size, sets in prints if sets & 8]
    first, last = (opening or [(None,) * 3])[0], (closing or [(None,) * 3])[-1]
    quoted = sorted(spread)
    nothing = (None,) * 4
    bids, asks = [quote[2] for quote in quoted], [quote[3] for quote in quoted]
    return {
        "open": first[2],
        "high": max(extremes, default=None),
        "low": min(extremes, default=None),
        "close": last[2],
        "volume": float(sum((size for _, size in counted), Decimal(0))),
        "turnover": sum((price * size for price, size in counted), Decimal(0)),
        "trades": len(counted),
        "ts_first": first[0],
        "seq_first": first[1],
        "ts_last": last[0],
        "seq_last": last[1],
        **dict(zip(("bid_open", "bid_high", "bid_low", "bid_close"), _ohlc(bids), strict=True)),
        **dict(zip(("ask_open", "ask_high", "ask_low", "ask_close"), _ohlc(asks), strict=True)),
        "quotes": len(quoted),
        "quote_ts_first": (quoted or [nothing])[0][0],
        "quote_seq_first": (quoted or [nothing])[0][1],
        "quote_ts_last": (quoted or [nothing])[-1][0],
        "quote_seq_last": (quoted or [nothing])[-1][1],
        "is_final": True,
    }


def _ohlc(values):
    return (values[0], max(values), min(values), values[-1]) if values else (None,) * 4


def _bars_by_hand(market, ticks, timeframe):
    calendars = dict(market.instruments.select("instrument", "calendar").rows())
    sides = (("ts_event", "seq", "price", "size", "sets"), ("ts_event", "seq", "bid", "ask"))
    grouped = defaultdict(lambda: ([], []))
    for side, (frame, names) in enumerate(zip(ticks, sides, strict=True)):
        for row in frame.rows(named=True):
            window = _window(market.sessions, calendars[row["instrument"]], row["ts_event"], timeframe)
            effective = row["sets"] if side == 0 else row["bid"] is not None
            if window and effective:
                grouped[row["instrument"], *window][side].append(tuple(row[name] for name in names))
    keys = ("instrument", "session_date", "segment", "ts_open", "ts_close")
    rows = [dict(zip(keys, key, strict=True)) | _bar_by_hand(*sides) for key, sides in grouped.items()]
    return pl.DataFrame(rows, schema=BARS.columns).sort(BARS.sort)


@examples
@given(printed=prints, spread=spreads, timeframe=st.sampled_from(["1m", *INTRADAY]))
def test_rollup_makes_the_bars_one_would_make_by_hand(market, printed, spread, timeframe):
    ticks = market.ticks(printed, spread)
    bars = market.rollup(ticks, timeframe)
    assert_frame_equal(bars.drop("vwap"), _bars_by_hand(market, ticks, timeframe).drop("vwap"), check_exact=True)
    for volume, turnover, vwap in bars.select("volume", "turnover", "vwap").rows():
        expected = float(Fraction(turnover) / Fraction(_decimal(volume))) if volume else None
        assert vwap == expected or abs(vwap - expected) <= 4e-16 * expected


@examples
@given(data=st.data(), printed=prints, spread=spreads, timeframe=st.sampled_from(["1m", "15m"]))
def test_appending_late_ticks_gives_the_bars_of_all_ticks(market, data, printed, spread, timeframe):
    ticks = market.ticks(printed, spread)
    early, late = [], []
    for frame in ticks:
        flags = data.draw(st.lists(st.booleans(), min_size=frame.height, max_size=frame.height))
        is_late = pl.Series(flags, dtype=pl.Boolean)
        early.append(frame.filter(~is_late))
        late.append(frame.filter(is_late))
    appended = market.append(market.rollup(early, timeframe, watermark=0), late, timeframe)
    assert_frame_equal(appended, market.rollup(ticks, timeframe), check_exact=True)


@examples
@given(data=st.data(), printed=prints, spread=spreads, pieces=st.integers(1, 5))
def test_bars_depend_on_the_set_of_ticks_and_not_on_their_order_or_batches(market, data, printed, spread, pieces):
    ticks = market.ticks(printed, spread)
    whole = market.rollup(ticks, "5m")
    shuffled = [frame[data.draw(st.permutations(range(frame.height)))] for frame in ticks]
    assert_frame_equal(market.rollup(shuffled, "5m"), whole, check_exact=True)
    piecewise = BARS.empty()
    for nth in data.draw(st.permutations(range(pieces))):
        piecewise = market.append(piecewise, [frame.gather_every(pieces, nth) for frame in ticks], "5m")
    assert_frame_equal(piecewise, whole, check_exact=True)


@examples
@given(printed=prints, spread=spreads, timeframe=st.sampled_from(INTRADAY), watermark=st.sampled_from([0, END]))
def test_deriving_from_minutes_gives_the_bars_of_the_ticks(market, printed, spread, timeframe, watermark):
    ticks = market.ticks(printed, spread)
    derived = market.derive(market.rollup(ticks, "1m"), timeframe, watermark)
    assert_frame_equal(derived, market.rollup(ticks, timeframe, watermark), check_exact=True)


@examples
@given(printed=prints, spread=spreads, through=st.sampled_from(["5m", "4h", "1d"]))
def test_weeks_are_the_same_through_any_timeframe_between(market, printed, spread, through):
    minutes = market.rollup(market.ticks(printed, spread), "1m")
    weeks = market.derive(minutes, "1w")
    assert_frame_equal(market.derive(market.derive(minutes, through), "1w"), weeks, check_exact=True)


@examples
@given(printed=prints, spread=spreads)
def test_volume_turnover_and_counts_are_conserved_into_weeks(market, printed, spread):
    trades, quotes = market.ticks(printed, spread)
    # Round the clock, so that every tick of a session date lies in a session.
    around = replace(market, instruments=market.instruments.with_columns(calendar=pl.lit("always")))
    days = market.sessions.filter(calendar="always")["session_date"].to_list()
    counted = [
        (_decimal(price), _decimal(size))
        for instant, price, size, sets in trades.select("ts_event", "price", "size", "sets").rows()
        if sets & 8 and instant.date() in days
    ]
    two_sided = quotes.filter(pl.col("bid").is_not_null(), pl.col("ts_event").dt.date().is_in(days)).height
    minutes = around.rollup((trades, quotes), "1m")
    for bars in (minutes, around.derive(minutes, "1w")):
        assert sum(map(_decimal, bars["volume"]), Decimal(0)) == sum((size for _, size in counted), Decimal(0))
        assert sum(bars["turnover"], Decimal(0)) == sum((price * size for price, size in counted), Decimal(0))
        assert (bars["trades"].sum(), bars["quotes"].sum()) == (len(counted), two_sided)


@examples
@given(printed=prints, spread=spreads, timeframe=st.sampled_from(["5m", "1d", "1w"]))
def test_prices_lie_between_low_and_high(market, printed, spread, timeframe):
    whole = [(row, 15 if sets & 5 else sets) for row, sets in printed]  # what sets open or last sets high and low too
    bars = market.derive(market.rollup(market.ticks(whole, spread), "1m"), timeframe)
    for side in ("", "bid_", "ask_"):
        low, high = pl.col(f"{side}low"), pl.col(f"{side}high")
        for name in (f"{side}open", f"{side}close"):
            assert bars.filter(~pl.col(name).is_between(low, high)).is_empty()


@given(
    total=st.integers(0, 2**127),
    price=st.integers(0, 2**51 - 1),
    size=st.integers(0, 2**51 - 1),
)
def test_128_bit_sums_agree_with_python(total, price, size):
    word = 2**64

    def words(number):
        return np.uint64(number % word), np.uint64(number // word)

    low, high = _add_product(*words(total), np.uint64(price), np.uint64(size))
    assert int(high) * word + int(low) == total + price * size
    low, high = _times_ten(*words(total))
    assert int(high) * word + int(low) == total * 10 % word**2
