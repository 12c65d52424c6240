"""Anomalies: scores against a plain reckoning, planted shocks found, and nothing of the future in them."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.signals.anomalies import Limits, anomalies, robust_score

LIMITS = Limits(window=20, sessions=5, limit=6.0)
SESSIONS, BARS = 12, 10
OPENS = [datetime(2026, 3, 2 + day, 14 if day < 6 else 13, 30, tzinfo=UTC) for day in range(SESSIONS)]  # summer time


def market(seed=0):
    """Twelve sessions of ten bars each, busiest at their open, and when those sessions began."""
    draws = np.random.default_rng(seed)
    minutes = [opened + timedelta(minutes=minute) for opened in OPENS for minute in range(BARS)]
    usual = np.tile(1_000.0 / (1 + np.arange(BARS)), SESSIONS)
    bars = pl.DataFrame(
        {
            "instrument": "A",
            "session_date": [date(2026, 3, 2 + day) for day in range(SESSIONS) for _ in range(BARS)],
            "segment": "regular",
            "ts_open": pl.Series(minutes).cast(NS),
            "close": 100 * np.exp(np.cumsum(draws.normal(0, 1e-3, SESSIONS * BARS))),
            "volume": usual * np.exp(draws.normal(0, 0.2, SESSIONS * BARS)),
        }
    ).with_columns(ts_close=pl.col("ts_open") + timedelta(minutes=1))
    opens = bars.group_by("session_date", "segment", maintain_order=True).agg(pl.col("ts_open").min().alias("open"))
    return bars, opens


def judged(bars, opens):
    return anomalies(bars.lazy(), opens.lazy(), LIMITS).collect()


@given(st.lists(st.one_of(st.none(), st.floats(-100, 100), st.just(7.0)), min_size=1, max_size=40), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_a_score_is_the_distance_from_the_median_before_it_in_median_distances(values, n):
    got = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}).select(robust_score(pl.col("x"), n))["x"].to_list()
    seen = []
    for value, score in zip(values, got, strict=True):
        expected = None
        if value is not None:
            if len(seen) >= n:
                middle = np.median(seen[-n:])
                away = 1.4826 * np.median(np.abs(np.array(seen[-n:]) - middle))
                expected = (value - middle) / away if away > 0 else None
            seen.append(value)
        assert score == (None if expected is None else pytest.approx(expected, rel=1e-12))


def test_an_ordinary_market_has_no_anomaly_and_a_shock_is_one():
    bars, opens = market()
    calm = judged(bars, opens)
    assert calm.columns == [
        "instrument",
        "ts",
        "return_score",
        "volume_score",
        "is_return_anomaly",
        "is_volume_anomaly",
    ]
    assert not calm["is_return_anomaly"].any()
    row = pl.int_range(pl.len())
    shocked = bars.with_columns(
        close=pl.when(row >= 77).then(pl.col("close") * 1.02).otherwise("close"),
        volume=pl.when(row == 93).then(pl.col("volume") * 20).otherwise("volume"),
    )
    found = judged(shocked, opens)
    assert found.with_row_index().filter("is_return_anomaly")["index"].to_list() == [77]
    assert found["is_volume_anomaly"][93]


def test_volume_is_compared_with_the_same_time_of_earlier_sessions():
    bars, opens = market()
    found = judged(bars, opens)["volume_score"].to_numpy().reshape(SESSIONS, BARS)
    volumes = np.log(bars["volume"].to_numpy()).reshape(SESSIONS, BARS)
    assert np.isnan(found[:5].astype(float)).all()
    for session in range(5, SESSIONS):
        earlier = volumes[session - 5 : session]
        middle = np.median(earlier, axis=0)
        away = 1.4826 * np.median(np.abs(earlier - middle), axis=0)
        np.testing.assert_allclose(found[session], (volumes[session] - middle) / away)


@pytest.mark.parametrize("cut", [1, 21, 55, 119])
def test_the_future_changes_no_flag(cut):
    bars, opens = market(3)
    past = judged(bars.head(cut), opens.filter(pl.col("session_date").is_in(bars.head(cut)["session_date"].implode())))
    assert_frame_equal(past, judged(bars, opens).head(cut))


def test_instruments_do_not_mix():
    first, opens = market(1)
    second = market(2)[0].with_columns(instrument=pl.lit("B"))
    both = judged(pl.concat((first, second)).sort("ts_close", "instrument"), opens)
    for name, alone in (("A", first), ("B", second)):
        assert_frame_equal(both.filter(pl.col("instrument") == name), judged(alone, opens))


def test_bars_without_a_trade_or_a_session_have_no_score():
    bars, opens = market()
    holes = bars.with_columns(volume=pl.when(pl.int_range(pl.len()) == 80).then(0.0).otherwise("volume"))
    assert judged(holes, opens)["volume_score"][80] is None
    assert judged(bars, opens.head(0))["volume_score"].is_null().all()


@pytest.mark.parametrize("wrong", [{"window": 4}, {"sessions": 1}, {"limit": 0.0}])
def test_limits_that_say_little_are_refused(wrong):
    bars, opens = market()
    with pytest.raises(ConfigError, match="Limits"):
        anomalies(bars.lazy(), opens.lazy(), LIMITS._replace(**wrong))
