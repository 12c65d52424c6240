"""What stays true of bars under every scenario, and what each scenario does to them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from tickline.backtest.montecarlo import perturb
from tickline.backtest.stress import (
    SCENARIOS,
    FlashCrash,
    OpeningGap,
    SpreadBlowout,
    StaleFeed,
    VenueOutage,
    VolatilityBurst,
)
from tickline.errors import ConfigError
from tickline.lake.schemas import BARS

TICKS = {"ACME": 0.05, "COIN": 0.01, "DUST": 1e-8}
PHASES = ("open", "high", "low", "close")
examples = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32)
scenarios = st.one_of(
    st.builds(FlashCrash, depth=st.floats(0.01, 0.99), fall=st.integers(1, 8), seed=seeds),
    st.builds(OpeningGap, size=st.floats(-0.99, -0.01) | st.floats(0.01, 3), seed=seeds),
    st.builds(VolatilityBurst, factor=st.floats(1.5, 20), length=st.integers(2, 16), seed=seeds),
    st.builds(VenueOutage, length=st.integers(1, 16), seed=seeds),
    st.builds(StaleFeed, length=st.integers(1, 16), seed=seeds),
    st.builds(SpreadBlowout, factor=st.floats(1.1, 1000), length=st.integers(1, 16), seed=seeds),
)


def bars(seed=0, each=20):
    """Bars of three instruments over two sessions: DUST is cheap, COIN without quotes and in some minutes untraded."""
    random = np.random.default_rng(seed)
    return pl.concat([_bars_of(name, each, random) for name in TICKS]).sort(BARS.sort)


def _bars_of(name, each, random):
    tick, level = Decimal(repr(TICKS[name])), 30 if name == "DUST" else 2000
    rows, at = [], level
    for nth in range(2 * each):
        session, minute = divmod(nth, each)
        ts_open = datetime(2026, 3, 5 + session, 14, 30, tzinfo=UTC) + timedelta(minutes=minute)
        open_, close = at, max(5, at + int(random.integers(-3, 4)))
        at = close
        prices = (open_, max(open_, close) + int(random.integers(0, 3)), min(open_, close) - 1, close)
        volume = float(random.integers(1, 50))
        row = {"instrument": name, "session_date": date(2026, 3, 5 + session), "segment": "regular"}
        row |= {"ts_open": ts_open, "ts_close": ts_open + timedelta(minutes=1), "is_final": True, "quotes": 0}
        row |= {"volume": 0.0, "turnover": Decimal(0), "trades": 0, "seq_first": nth, "seq_last": nth}
        if name != "COIN" or random.random() < 0.8:
            row |= {phase: float(price * tick) for phase, price in zip(PHASES, prices, strict=True)}
            vwap = float((prices[1] + prices[2]) * tick / 2)
            row |= {"volume": volume, "vwap": vwap, "turnover": Decimal(repr(vwap)) * int(volume), "trades": 3}
        if name != "COIN":
            row |= {f"bid_{phase}": float((price - 1) * tick) for phase, price in zip(PHASES, prices, strict=True)}
            row |= {f"ask_{phase}": float((price + 1) * tick) for phase, price in zip(PHASES, prices, strict=True)}
            row |= {"quotes": 9}
        rows.append(row)
    return pl.DataFrame(rows, schema=BARS.columns)


def require_bars(frame):
    """What BARS promises of prices, in exact decimals."""
    assert frame.schema == BARS.columns
    for side in ("", "bid_", "ask_"):
        low, high = pl.col(f"{side}low"), pl.col(f"{side}high")
        for name in (f"{side}open", f"{side}close", *(["vwap"] if not side else [])):
            assert frame.filter(~pl.col(name).is_between(low, high)).is_empty(), name
        for phase in PHASES:
            for instrument, price in frame.select("instrument", f"{side}{phase}").drop_nulls().rows():
                tick = Decimal(repr(TICKS[instrument]))
                assert price >= float(tick)
                assert Decimal(repr(price)) % tick == 0
    for phase in PHASES:
        assert frame.filter(pl.col(f"bid_{phase}") >= pl.col(f"ask_{phase}")).is_empty(), phase
    traded = frame.filter(pl.col("volume") > 0)
    for vwap, volume, turnover in traded.select("vwap", "volume", "turnover").rows():
        assert float(turnover) == pytest.approx(vwap * volume)


@examples
@given(scenario=scenarios, seed=seeds)
def test_bars_are_still_bars_after_any_scenario(scenario, seed):
    before = bars(seed)
    require_bars(before)
    after = scenario.apply(before, tick_sizes=TICKS)
    require_bars(after)
    inside = scenario.span(before).holds()
    assert_frame_equal(after.filter(~inside), before.filter(~inside), check_exact=True)
    assert not after.equals(before)


@examples
@given(scenario=scenarios, seed=seeds)
def test_a_scenario_keeps_times_and_what_was_missing_and_says_the_same_twice(scenario, seed):
    before = bars(seed)
    after = scenario.apply(before, tick_sizes=TICKS)
    assert_frame_equal(after, scenario.apply(before, tick_sizes=TICKS), check_exact=True)
    place = ["instrument", "session_date", "segment", "ts_open", "ts_close"]
    if not isinstance(scenario, VenueOutage):
        assert_frame_equal(after.select(place), before.select(place))
    if not isinstance(scenario, VenueOutage | StaleFeed):
        assert_frame_equal(after.select(pl.all().is_null()), before.select(pl.all().is_null()))


@examples
@given(ticks=st.integers(1, 40), seed=seeds)
def test_perturbed_bars_are_bars_off_by_some_ticks(ticks, seed):
    before = bars(seed)
    after = perturb(before, ticks=ticks, seed=seed, tick_sizes=TICKS)
    require_bars(after)
    tick = pl.col("instrument").replace_strict(TICKS, return_dtype=pl.Float64)
    for name in ("open", "close", "bid_open", "ask_close"):
        moves = ((after[name] - before[name]) / before.select(tick)["instrument"]).drop_nulls().round(3)
        assert moves.abs().max() <= ticks
        assert moves.n_unique() > 1
    assert_frame_equal(after, perturb(before, ticks=ticks, seed=seed, tick_sizes=TICKS), check_exact=True)


def test_perturbation_needs_a_tick_and_every_grid():
    with pytest.raises(ConfigError, match="noise of 0 ticks"):
        perturb(bars(), ticks=0, seed=1, tick_sizes=TICKS)
    with pytest.raises(ConfigError, match="DUST"):
        perturb(bars(), ticks=1, seed=1, tick_sizes={"ACME": 0.05, "COIN": 0.01})


def _one(frame, instrument, inside):
    return frame.filter(pl.col("instrument") == instrument, inside)


def test_a_flash_crash_falls_as_deep_as_it_says_and_comes_back():
    before, crash = bars(), FlashCrash(depth=0.4, fall=4, seed=3)
    inside = crash.span(before).holds()
    was, is_ = (_one(frame, "ACME", inside) for frame in (before, crash.apply(before, tick_sizes=TICKS)))
    assert was.height == 8
    share = (is_["close"] / was["close"]).to_list()
    assert share == pytest.approx([0.6 ** (n / 4) for n in (1, 2, 3, 4, 3, 2, 1, 0)], abs=1e-3)
    assert is_["open"][0] == was["open"][0]
    assert is_["close"][-1] == was["close"][-1]
    assert (is_["bid_close"] / was["bid_close"]).to_list() == pytest.approx(share, abs=2e-3)


def test_a_gap_moves_everything_from_the_opening_of_a_session_on():
    before = bars()
    after = OpeningGap(size=0.1).apply(before, tick_sizes=TICKS)
    second = pl.col("session_date") == date(2026, 3, 6)
    was, is_ = (_one(frame, "ACME", second) for frame in (before, after))
    for name in (*PHASES, "vwap", "bid_open", "ask_low"):
        assert (is_[name] / was[name]).to_list() == pytest.approx([1.1] * was.height, abs=2e-3)
    assert after.filter(~second).equals(before.filter(~second))
    with pytest.raises(ConfigError, match="no opening to gap at"):
        OpeningGap().apply(before.filter(second), tick_sizes=TICKS)


@pytest.mark.parametrize("instrument", ["ACME", "DUST"])
def test_quotes_between_ticks_give_way_outwards(instrument):
    before = bars().filter(instrument=instrument)
    after = OpeningGap(size=-0.9).apply(before, tick_sizes=TICKS)
    was, is_ = (frame.filter(pl.col("session_date") == date(2026, 3, 6)) for frame in (before, after))
    tiny = TICKS[instrument] / 1000
    for phase in PHASES:
        assert (is_[f"bid_{phase}"] <= was[f"bid_{phase}"] * 0.1 + tiny).all()
        assert (is_[f"ask_{phase}"] >= was[f"ask_{phase}"] * 0.1 - tiny).all()


def test_a_volatility_burst_stretches_every_log_return_and_keeps_both_ends():
    fine = {"ACME": 1e-8}
    before = bars(seed=4).filter(instrument="ACME")
    burst = VolatilityBurst(factor=5, length=20, seed=2)
    inside = burst.span(before).holds()
    was, is_ = (_one(frame, "ACME", inside) for frame in (before, burst.apply(before, tick_sizes=fine)))
    returns = [np.log((frame["close"] / frame["open"]).to_numpy()) for frame in (was, is_)]
    spread = [each - each.mean() for each in returns]
    assert spread[1] == pytest.approx(5 * spread[0], abs=1e-6)
    assert returns[1].mean() == pytest.approx(returns[0].mean(), abs=1e-6)
    assert (is_["open"][0], is_["close"][-1]) == pytest.approx((was["open"][0], was["close"][-1]))
    width = [np.log((frame["ask_open"] / frame["bid_open"]).to_numpy()) for frame in (was, is_)]
    assert width[1] == pytest.approx(width[0], abs=1e-6)


def test_a_volatility_burst_leaves_quotes_alone_where_nobody_traded():
    quoted = (
        bars()
        .filter(instrument="ACME")
        .with_columns(pl.lit(None, pl.Float64).alias(name) for name in (*PHASES, "vwap"))
    )
    after = VolatilityBurst(length=20).apply(quoted, tick_sizes=TICKS)
    assert_frame_equal(after, quoted, check_exact=True)


def test_a_volatility_burst_takes_no_price_further_than_a_bar_can_hold():
    # Every other minute a hundred times as dear: twenty times that on the log scale is beyond any number of ticks.
    wild = pl.when(pl.col("ts_open").dt.minute() % 2 == 0).then(100.0).otherwise(1.0)
    before = bars().filter(instrument="COIN").with_columns(pl.col(*PHASES, "vwap") * wild)
    after = VolatilityBurst(factor=20, length=20).apply(before, tick_sizes=TICKS)
    share = (after["close"] / before["close"]).drop_nulls()
    assert share.max() == pytest.approx(1000, rel=1e-3)


def test_an_outage_removes_the_bars_of_its_times_and_no_other():
    before, outage = bars(), VenueOutage(length=7, seed=1)
    after = outage.apply(before, tick_sizes=TICKS)
    missing = before.join(after, on=["instrument", "ts_open"], how="anti")
    assert missing["ts_open"].n_unique() == 7
    assert missing.height == 7 * 3
    times = before["ts_open"].unique().sort()
    first = times.index_of(missing["ts_open"].min())
    assert missing["ts_open"].unique().sort().equals(times[first : first + 7])


def test_a_stale_feed_repeats_the_bar_before_it():
    before, stale = bars(), StaleFeed(length=5, seed=1)
    span = stale.span(before)
    after = stale.apply(before, tick_sizes=TICKS)
    repeated = [*PHASES, "volume", "turnover", "vwap", "seq_last", "bid_close", "quotes"]
    for instrument in TICKS:
        last = before.filter(pl.col("ts_open").to_physical() < span.first_ns, instrument=instrument).tail(1)
        stuck = _one(after, instrument, span.holds())
        assert stuck.height == 5
        assert stuck.select(repeated).unique().equals(last.select(repeated))
    # One that had no bar before goes on.
    late = before.filter((pl.col("instrument") != "DUST") | (pl.col("ts_open").to_physical() >= span.first_ns))
    kept = stale.apply(late, tick_sizes=TICKS)
    assert kept.filter(instrument="DUST").equals(late.filter(instrument="DUST"))


def test_a_wide_spread_leaves_prints_alone_and_stands_around_the_same_middle():
    before, wide = bars(), SpreadBlowout(factor=8, length=6, seed=5)
    inside = wide.span(before).holds()
    was, is_ = (_one(frame, "ACME", inside) for frame in (before, wide.apply(before, tick_sizes=TICKS)))
    prints = [*PHASES, "vwap", "turnover"]
    assert_frame_equal(is_.select(prints), was.select(prints), check_exact=True)
    assert (is_["ask_close"] - is_["bid_close"]).to_list() == pytest.approx([8 * 2 * 0.05] * 6)
    assert (is_["ask_close"] + is_["bid_close"]).to_list() == pytest.approx(
        (was["ask_close"] + was["bid_close"]).to_list()
    )


def test_bars_without_quotes_tell_the_cost_model_how_wide_spreads_are():
    before, wide = bars(), SpreadBlowout(factor=8, length=6, seed=5)
    factors = before.with_columns(wide.spread_factors(before))
    inside = wide.span(before).holds()
    assert factors.filter(inside, pl.col("quotes") == 0)["spread_factor"].to_list() == [8.0] * 6
    assert factors.filter(~inside | (pl.col("quotes") > 0))["spread_factor"].unique().to_list() == [1.0]
    assert FlashCrash().spread_factors(before).to_list() == [1.0] * before.height


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_work_as_configured_by_name_alone_and_refuse_what_is_out_of_bounds(name):
    before = bars(each=40)
    after = SCENARIOS[name]().apply(before, tick_sizes=TICKS)
    assert not after.equals(before)
    with pytest.raises(ValidationError):
        SCENARIOS[name](severity=3)
    with pytest.raises(ValidationError):
        SCENARIOS[name](seed=-1)
    with pytest.raises(ConfigError, match="DUST"):
        SCENARIOS[name]().apply(before, tick_sizes={"ACME": 0.05, "COIN": 0.01})
    with pytest.raises(ConfigError):
        SCENARIOS[name]().apply(before.head(1), tick_sizes=TICKS)


@pytest.mark.parametrize(
    ("scenario", "bound"),
    [
        (FlashCrash, {"depth": 1}),
        (OpeningGap, {"size": -1}),
        (VolatilityBurst, {"factor": 1}),
        (StaleFeed, {"length": 0}),
    ],
)
def test_bounds_hold(scenario, bound):
    with pytest.raises(ValidationError):
        scenario(**bound)


def test_other_seeds_draw_other_times():
    before = bars()
    assert len({VenueOutage(length=3, seed=seed).span(before) for seed in range(40)}) > 15
