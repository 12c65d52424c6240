"""Decisions of a portfolio: laws of sums and caps over any prices, and what overlays take from the weights."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import BacktestError
from tickline.lake.schema import NS
from tickline.sizing.decision import decide
from tickline.sizing.portfolio import PortfolioSpec

NAMES = ("A", "B", "C")
LOTS = dict.fromkeys(NAMES, Decimal("0.01"))
START = datetime(2026, 3, 9, tzinfo=UTC)
PLACES = Decimal("1e-12")  # to which money is kept


def bars(prices):
    """Closes by the hour, a column an instrument, as `decide` takes them."""
    rows = [
        (name, START + timedelta(hours=hour), float(price), "bars_1h", "2026-03-09", hour)
        for hour, row in enumerate(prices)
        for name, price in zip(NAMES, row, strict=True)
    ]
    names = {"instrument": pl.String, "ts_close": NS, "close": pl.Float64}
    return pl.DataFrame(
        rows, schema=names | {"input": pl.String, "input_period": pl.String, "input_row": pl.UInt32}, orient="row"
    )


def walk(seed, *, hours=40, drift=0.0):
    rng = np.random.default_rng(seed)
    return 100 * np.exp(np.cumsum(drift + rng.normal(size=(hours, len(NAMES))) * [0.01, 0.02, 0.04], axis=0))


def spec(**changes):
    declared = {
        "name": "three",
        "venue": "desk",
        "instruments": NAMES,
        "timeframe": "1h",
        "lookback": 2,
        "allocation": {"method": "inverse_volatility"},
        "capital": 50_000,
    }
    return PortfolioSpec.model_validate(declared | changes)


METHODS = st.sampled_from(
    [
        {"method": "equal_weight"},
        {"method": "inverse_volatility"},
        {"method": "risk_parity", "covariance": "sample"},
        {"method": "min_variance", "covariance": "sample", "low": -0.5},
    ]
)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    method=METHODS,
    target=st.floats(0.01, 5),
    leverage=st.floats(0.1, 3),
    cap=st.floats(0.05, 1.5),
    notional=st.integers(100, 100_000),
)
def test_sums_and_caps_hold(seed, method, target, leverage, cap, notional):
    overlays = {
        "volatility": {"target": target, "max_leverage": leverage},
        "drawdown": {"begin": 0.05, "end": 0.5},
        "caps": {"weight": cap, "notional": notional},
    }
    declared = spec(allocation=method, overlays=overlays)
    weights = decide(declared, bars(walk(seed)), LOTS).weights
    assert weights["base_weight"].sum() == pytest.approx(1, abs=1e-10)
    assert weights["risk_share"].sum() == pytest.approx(1, abs=1e-9)
    assert weights["exposure"].n_unique() == 1
    assert 0 <= weights["exposure"][0] <= leverage
    for row in weights.iter_rows(named=True):
        assert abs(row["weight"]) <= min(cap, notional / 50_000)
        assert abs(row["weight"]) <= abs(row["base_weight"] * row["exposure"]) + 1e-12
        assert row["weight"] * row["base_weight"] >= 0
        assert row["notional"] == (Decimal(str(row["weight"])) * 50_000).quantize(PLACES, ROUND_DOWN)
        assert row["size"] % LOTS["A"] == 0
        assert abs(row["size"]) * Decimal(str(row["price"])) <= abs(row["notional"])


def test_the_order_of_bars_and_instruments_makes_no_difference():
    given_bars = bars(walk(1))
    one = decide(spec(), given_bars, LOTS).weights
    other = decide(spec(instruments=NAMES[::-1]), given_bars.sample(fraction=1, shuffle=True, seed=1), LOTS).weights
    assert one.equals(other)


def test_exposure_goes_down_as_the_weights_would_have_lost():
    overlays = {"drawdown": {"begin": 0.1, "end": 0.5}}
    falling = walk(2, drift=-0.01)
    weights = decide(spec(allocation={"method": "equal_weight"}, overlays=overlays), bars(falling), LOTS).weights
    equity = np.concatenate([[1.0], np.cumprod(1 + (falling[1:] / falling[:-1] - 1).mean(axis=1))])
    lost = 1 - equity[-1] / equity.max()
    assert 0.1 < lost < 0.5
    assert weights["exposure"][0] == pytest.approx((0.5 - lost) / 0.4, abs=1e-9)


def test_a_price_stands_until_the_next_and_is_counted_as_none_of_its_own():
    prices = walk(3)
    sparse = bars(prices).filter((pl.col("instrument") != "B") | (pl.col("input_row") % 2 == 0))
    held = prices.copy()
    held[1::2, 1] = held[0::2, 1]
    weights = decide(spec(), sparse, LOTS).weights
    filled = decide(spec(), bars(held), LOTS).weights
    assert weights["closes"].to_list() == [40, 20, 40]
    assert weights["returns"].to_list() == [39, 39, 39]
    assert weights["weight"].equals(filled["weight"])


@pytest.mark.parametrize(
    ("hours", "changes", "match"),
    [
        (20, {}, "three has 19 returns of 1h bars over a lookback of 2, fewer than 20"),
        (40, {"overlays": {"volatility": {"target": 0.1, "window": 40}}}, "39 returns, fewer than the .* window of 40"),
    ],
)
def test_too_little_to_weigh_by_says_how_little(hours, changes, match):
    with pytest.raises(BacktestError, match=match):
        decide(spec(**changes), bars(walk(4, hours=hours)), LOTS)
