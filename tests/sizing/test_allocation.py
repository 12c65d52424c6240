"""Allocations: laws of every method, independent oracles for each, and the data none is made from."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import TypeAdapter, ValidationError

from tickline.errors import BacktestError, ConfigError
from tickline.sizing.allocation import (
    BlackLitterman,
    EqualWeight,
    HierarchicalRiskParity,
    InverseVolatility,
    MeanVariance,
    Method,
    MinimumVariance,
    RiskParity,
    View,
    allocate,
)

NAMES = ("AAPL", "BTC/USDT", "a-b = c", "trend@5m", "é")


def frame(values, names=NAMES):
    return pl.DataFrame(dict(zip(names, values.T, strict=False)))


def correlated(seed, *, names=NAMES, rows=120):
    rng = np.random.default_rng(seed)
    mixing = np.eye(len(names)) + 0.5 * rng.normal(size=(len(names), len(names)))
    return frame(0.001 * rng.normal(size=len(names)) + 0.01 * rng.normal(size=(rows, len(names))) @ mixing, names)


def uncorrelated(volatilities, rows=64):
    """Columns whose sample covariance is diagonal but for rounding."""
    size = len(volatilities)
    signs = np.array([[(-1.0) ** bin(row & column).count("1") for column in range(1, size + 1)] for row in range(rows)])
    return frame(signs * volatilities * np.sqrt((rows - 1) / rows))


RETURNS = correlated(0)
MARKET = dict(zip(NAMES, (0.1, 0.4, 0.15, 0.05, 0.3), strict=True))
METHODS = [
    EqualWeight(),
    InverseVolatility(),
    RiskParity(),
    RiskParity(covariance="sample"),
    HierarchicalRiskParity(),
    HierarchicalRiskParity(covariance="ledoit_wolf"),
    MinimumVariance(),
    MinimumVariance(covariance="sample", low=-0.5),
    MeanVariance(),
    BlackLitterman(market=MARKET),
    BlackLitterman(
        market=MARKET, views=(View(asset="é", expected=0.001), View(asset="AAPL", over="é", expected=0.002))
    ),
]


def covariance(returns, method):
    values = returns.select(sorted(returns.columns)).to_numpy()
    sample = np.cov(values, rowvar=False)
    if method.covariance == "sample":
        return sample
    # Ledoit and Wolf (2004), straight from the paper.
    rows, columns = values.shape
    centred = values - values.mean(axis=0)
    sample = centred.T @ centred / rows
    level = np.trace(sample) / columns
    distance = np.sum((sample - level * np.eye(columns)) ** 2)
    noise = sum(np.sum((np.outer(row, row) - sample) ** 2) for row in centred) / rows**2
    share = min(noise, distance) / distance
    return share * level * np.eye(columns) + (1 - share) * sample


def weights_of(allocation):
    return allocation.weights["weight"].to_numpy()


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_weights_add_up_lie_in_bounds_and_carry_the_risk_they_say(method):
    allocation = allocate(RETURNS, method)
    weights = weights_of(allocation)
    assert allocation.weights["name"].to_list() == sorted(NAMES)
    assert weights.sum() == pytest.approx(1, abs=1e-11)
    assert (weights >= getattr(method, "low", 0)).all()
    assert (weights <= 1).all()
    assert (np.round(weights, 12) == weights).all()
    estimated = covariance(RETURNS, method)
    variance = weights @ estimated @ weights
    assert allocation.volatility == pytest.approx(variance**0.5, rel=1e-9)
    shares = allocation.weights["risk_contribution"].to_numpy()
    assert shares == pytest.approx(weights * (estimated @ weights) / variance, abs=1e-9)
    assert shares.sum() == pytest.approx(1, abs=1e-11)
    assert allocation.rows == 120
    assert allocation.settings == method.model_dump(mode="json")


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_the_order_of_columns_makes_no_difference(method):
    one, other = allocate(RETURNS, method), allocate(RETURNS[:, ::-1], method)
    assert_frame_equal(one.weights, other.weights, check_exact=True)
    assert (one.inputs_sha256, one.volatility) == (other.inputs_sha256, other.volatility)


def test_the_hash_of_inputs_tells_every_return_and_name_apart():
    changed = RETURNS.with_columns(pl.col("é") + pl.Series([1e-12] + [0.0] * 119))
    renamed = RETURNS.rename({"é": "e"})
    assert len({allocate(one, EqualWeight()).inputs_sha256 for one in (RETURNS, changed, renamed)}) == 3


@pytest.mark.slow
def test_other_processes_give_the_same_bytes():
    program = (
        "import sys; sys.path.insert(0, 'tests/sizing'); import test_allocation as here\n"
        "for method in here.METHODS: print(here.allocate(here.RETURNS, method).weights.write_json())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


seeds = st.integers(0, 2**32)
examples = settings(max_examples=25, deadline=None)


@examples
@given(seed=seeds, count=st.integers(1, 5))
def test_risk_parity_gives_each_the_same_risk(seed, count):
    returns = correlated(seed, names=NAMES[:count])
    assume(np.linalg.eigvalsh(returns.corr().to_numpy()).min() > 1e-4)
    allocation = allocate(returns, RiskParity(covariance="sample"))
    # Weights are rounded to 1e-12, of which so near to singular a matrix makes up to ten thousand times as much.
    assert np.ptp(allocation.weights["risk_contribution"].to_numpy()) < 1e-8
    assert (weights_of(allocation) > 0).all()


@examples
@given(
    seed=seeds, bounds=st.sampled_from([(0.0, 1.0), (0.05, 0.4), (-1.0, 1.0), (0.2, 0.2), (0.0, 0.2)]), data=st.data()
)
def test_no_weights_in_bounds_have_less_variance_than_the_least(seed, bounds, data):
    returns, (low, high) = correlated(seed), bounds
    allocation = allocate(returns, MinimumVariance(covariance="sample", low=low, high=high))
    estimated = covariance(returns, EqualWeight())
    weights = weights_of(allocation)
    variance = weights @ estimated @ weights
    rng = np.random.default_rng(data.draw(seeds))
    for _ in range(50):  # moves weight from one to another, as far as the bounds let it
        giver, taker = rng.permutation(len(NAMES))[:2]
        moved = weights.copy()
        amount = rng.random() ** 4 * min(weights[giver] - low, high - weights[taker])
        moved[giver] -= amount
        moved[taker] += amount
        assert moved @ estimated @ moved >= variance * (1 - 1e-10)


# Here a weight is held at its bound on the way and must be let go again.
@example(seed=16, aversion=5.0, low=0.0)
@example(seed=26, aversion=5.0, low=0.0)
@examples
@given(seed=seeds, aversion=st.floats(0.1, 100), low=st.sampled_from([-1.0, 0.0, 0.1]))
def test_mean_variance_weights_cannot_be_bettered_by_moving_any_weight(seed, aversion, low):
    returns = correlated(seed)
    method = MeanVariance(risk_aversion=aversion, low=low, high=0.6)
    weights = weights_of(allocate(returns, method))
    # James-Stein: means are drawn to the grand mean by the share noise has in how they differ.
    values = returns.select(sorted(returns.columns)).to_numpy()
    means, eigenvalues = values.mean(axis=0), np.linalg.eigvalsh(covariance(returns, method))
    excess = means - means.mean()
    share = (np.sum(eigenvalues) - 2 * eigenvalues[-1]) / (excess @ excess) / len(values)
    shrunk = (1 - share) * means + share * means.mean()
    slopes = shrunk - aversion * covariance(returns, method) @ weights
    can_rise, can_fall = weights < 0.6 - 1e-9, weights > low + 1e-9
    if can_rise.any() and can_fall.any():
        scale = np.abs(aversion * covariance(returns, method)).max()
        assert slopes[can_rise].max() <= slopes[can_fall].min() + 1e-8 * scale


def test_skfolio_finds_the_same_weights_as_near_as_its_solver_goes():
    from skfolio.optimization import MeanRisk, RiskBudgeting

    values = RETURNS.select(sorted(NAMES)).to_numpy() * 100
    least = MeanRisk(min_weights=-0.5).fit(values).weights_
    assert weights_of(allocate(RETURNS, MinimumVariance(covariance="sample", low=-0.5))) == pytest.approx(
        least, abs=1e-4
    )
    even = RiskBudgeting().fit(values).weights_
    assert weights_of(allocate(RETURNS, RiskParity(covariance="sample"))) == pytest.approx(even, abs=1e-4)


def test_without_correlation_the_methods_give_what_theory_says():
    volatilities = np.array([0.01, 0.02, 0.04])
    returns = uncorrelated(volatilities)
    assert np.cov(returns.to_numpy(), rowvar=False) == pytest.approx(np.diag(volatilities**2), abs=1e-16)
    by_volatility, by_variance = (1 / volatilities**power for power in (1, 2))
    for method in (InverseVolatility(), RiskParity(covariance="sample")):
        allocation = allocate(returns, method)
        assert weights_of(allocation) == pytest.approx(by_volatility / by_volatility.sum())
        assert allocation.effective_bets == pytest.approx(3)
    least = allocate(returns, MinimumVariance(covariance="sample"))
    assert weights_of(least) == pytest.approx(by_variance / by_variance.sum())


def test_one_risk_under_several_names_is_one_bet():
    risk = correlated(3)["é"].to_numpy()
    returns = frame(np.stack([risk, risk * 2, risk * 3], axis=1))
    assert allocate(returns, InverseVolatility()).effective_bets == pytest.approx(1)


def bisected(order, estimated):
    """Recursive bisection as López de Prado (2016) writes it."""
    weights = np.ones(len(order))
    clusters = [order]
    while clusters:
        halves = [
            half
            for cluster in clusters
            if len(cluster) > 1
            for half in (cluster[: len(cluster) // 2], cluster[len(cluster) // 2 :])
        ]
        for left, right in zip(halves[::2], halves[1::2], strict=True):
            variances = []
            for half in (left, right):
                part = estimated[np.ix_(half, half)]
                inverse = 1 / np.diag(part)
                inverse /= inverse.sum()
                variances.append(inverse @ part @ inverse)
            share = 1 - variances[0] / sum(variances)
            weights[left] *= share
            weights[right] *= 1 - share
        clusters = halves
    return weights


def test_hrp_of_two_pairs_is_bisected_pair_by_pair():
    rng = np.random.default_rng(2)
    factors = rng.normal(size=(400, 2))
    values = 0.01 * np.stack([factors[:, at % 2] * (1 + at) + 0.3 * rng.normal(size=400) for at in range(4)], axis=1)
    returns = frame(values, ("a", "b", "c", "d"))
    assert np.cov(values, rowvar=False)[0, 2] > 10 * abs(np.cov(values, rowvar=False)[0, 1])
    expected = bisected([0, 2, 1, 3], np.cov(values, rowvar=False))  # a moves with c, b with d
    assert weights_of(allocate(returns, HierarchicalRiskParity())) == pytest.approx(expected, abs=1e-11)


def test_without_views_or_with_the_markets_own_the_market_is_held():
    market = np.array([MARKET[name] for name in sorted(NAMES)])
    plain = BlackLitterman(market=MARKET, risk_aversion=3.0)
    assert weights_of(allocate(RETURNS, plain)) == pytest.approx(market, abs=1e-11)
    implied = 3.0 * covariance(RETURNS, plain) @ market
    shared = View(asset="é", expected=float(implied[sorted(NAMES).index("é")]), confidence=0.9)
    assert weights_of(allocate(RETURNS, plain.model_copy(update={"views": (shared,)}))) == pytest.approx(
        market, abs=1e-9
    )


def test_a_view_moves_weight_to_what_it_favours_and_the_more_the_surer_it_is():
    names = sorted(NAMES)
    held = []
    for confidence in (0.1, 0.5, 1.0):
        views = (View(asset="BTC/USDT", over="AAPL", expected=0.002, confidence=confidence),)
        weights = weights_of(allocate(RETURNS, BlackLitterman(market=MARKET, views=views, low=-1.0)))
        held.append(weights[names.index("BTC/USDT")] - weights[names.index("AAPL")])
    assert MARKET["BTC/USDT"] - MARKET["AAPL"] < held[0] < held[1] < held[2]


def test_a_certain_view_is_what_the_weights_imply():
    views = (View(asset="BTC/USDT", over="AAPL", expected=1e-5, confidence=1.0),)
    method = BlackLitterman(market=MARKET, views=views, low=-1.0, risk_aversion=2.0)
    weights = weights_of(allocate(RETURNS, method))
    implied = dict(zip(sorted(NAMES), 2.0 * covariance(RETURNS, method) @ weights, strict=True))
    assert implied["BTC/USDT"] - implied["AAPL"] == pytest.approx(1e-5, abs=1e-12)


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.head(19), "19 sessions of returns, fewer than 20"),
        (lambda frame: frame.with_columns(pl.col("é").shift(2)), "2 of 120 returns of é are missing"),
        (lambda frame: frame.with_columns(pl.col("é").replace({frame["é"][7]: float("nan")})), "1 of 120 returns of é"),
        (lambda frame: frame.with_columns(pl.col("é") * 0), "returns of é never change"),
        (lambda frame: frame.with_columns(pl.col("é") * 0 + 0.01), "returns of é never change"),
        (lambda frame: frame.with_columns(pl.lit("2026-01-02").alias("day")), "returns of day are String"),
        (lambda frame: frame.select(pl.selectors.by_name()), "no returns to allocate by"),
    ],
)
def test_what_cannot_be_estimated_is_refused_by_name(method, spoil, message):
    with pytest.raises(BacktestError, match=message):
        allocate(spoil(RETURNS), method)


@pytest.mark.parametrize(
    "method", [RiskParity(covariance="sample"), MinimumVariance(covariance="sample"), MeanVariance(covariance="sample")]
)
def test_a_singular_covariance_is_refused_where_it_must_be_inverted(method):
    twice = RETURNS.with_columns(pl.col("é").alias("è"))
    names = [f"s{at}" for at in range(30)]
    for returns in (twice, correlated(1, names=names, rows=25)):
        with pytest.raises(BacktestError, match=r"singular.* covariance ledoit_wolf"):
            allocate(returns, method)
    assert weights_of(allocate(correlated(1, names=names, rows=25), RiskParity())).sum() == pytest.approx(1)


def test_what_cancels_out_exactly_is_refused():
    with pytest.raises(BacktestError, match="cancel out"):
        allocate(RETURNS.select("é", (-pl.col("é")).alias("è")), EqualWeight())


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (MinimumVariance(high=0.19), r"no 5 weights from 0\.0 to 0\.19 add up to 1"),
        (MinimumVariance(low=0.21), r"no 5 weights from 0\.21"),
        (BlackLitterman(market={"é": 1.0}), "market weighs é; weigh AAPL, BTC/USDT"),
        (
            BlackLitterman(market=MARKET, views=(View(asset="ETH", expected=0.0),)),
            "a view on ETH, which has no returns",
        ),
        (BlackLitterman(market=MARKET, views=(View(asset="é", over="é", expected=0.0),)), "over itself"),
        (
            BlackLitterman(
                market=MARKET, views=tuple(View(asset="é", expected=at / 100, confidence=1) for at in (0, 1))
            ),
            "repeat or contradict",
        ),
    ],
)
def test_a_method_that_does_not_suit_the_columns_is_refused(method, message):
    with pytest.raises(ConfigError, match=message):
        allocate(RETURNS, method)


def test_a_method_is_read_from_configuration():
    read = TypeAdapter(Method).validate_python
    assert read({"method": "hrp"}) == HierarchicalRiskParity()
    assert read({"method": "min_variance", "high": 0.4}) == MinimumVariance(high=0.4)
    for wrong in (
        {"method": "magic"},
        {"method": "hrp", "high": 0.4},
        {"method": "black_litterman", "market": {"a": 0.5}},
        {"method": "mean_variance", "risk_aversion": 0},
    ):
        with pytest.raises(ValidationError):
            read(wrong)
