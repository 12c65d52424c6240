"""Volatility regimes: the filter is statsmodels' own, the labels are those a market was made with, and causal."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.signals.volatility_regimes import (
    VolatilityChain,
    filtered,
    fit,
    long_run,
    read_chain,
    volatility_regimes,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
TRAINED_TO = START + timedelta(hours=500)


def market(rows=1_200, seed=1, name="A"):
    """Hourly bars that are calm or wild for about 50 hours at a time, and which it was."""
    draws = np.random.default_rng(seed)
    wild = np.cumsum(draws.random(rows) < 0.02) % 2
    steps = draws.normal(0, np.where(wild == 1, 0.02, 0.004))
    ts = [START + timedelta(hours=hour) for hour in range(rows)]
    return pl.DataFrame(
        {"instrument": name, "ts_close": pl.Series(ts).cast(NS), "close": 100 * np.exp(np.cumsum(steps))}
    ), wild


@pytest.fixture(scope="module")
def chain():
    return fit(market()[0], trained_to=TRAINED_TO)


def test_the_filter_is_that_of_statsmodels(chain):
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    closes = market()[0].filter(pl.col("ts_close") <= TRAINED_TO)["close"].to_numpy()
    steps = np.diff(np.log(closes))
    model = MarkovRegression(steps, k_regimes=2, switching_variance=True)
    assert model.param_names == ["p[0->0]", "p[1->0]", "const[0]", "const[1]", "sigma2[0]", "sigma2[1]"]
    found = model.filter([chain.transition[0][0], chain.transition[1][0], *chain.mean, *chain.variance])
    np.testing.assert_allclose(filtered(steps, chain), found.filtered_marginal_probabilities, atol=1e-12)


def test_labels_are_those_the_market_was_made_with_and_begin_after_training(chain):
    bars, wild = market()
    found = volatility_regimes(bars, chain)
    assert found["ts"].min() == TRAINED_TO + timedelta(hours=1)
    assert (found["label"].to_numpy() == wild[-found.height :]).mean() > 0.93
    np.testing.assert_allclose(found.select("p_0", "p_1").sum_horizontal().to_numpy(), 1.0)
    assert chain.variance[0] == pytest.approx(0.004**2, rel=0.3)
    assert chain.variance[1] == pytest.approx(0.02**2, rel=0.3)


def test_neither_fit_nor_labels_know_the_future(chain):
    bars, _ = market()
    assert fit(bars.filter(pl.col("ts_close") <= TRAINED_TO), trained_to=TRAINED_TO) == chain
    for cut in (502, 700, 1_100):
        past = volatility_regimes(bars.head(cut), chain)
        assert_frame_equal(past, volatility_regimes(bars, chain).head(past.height))


def test_a_chain_is_kept_as_json(chain):
    assert read_chain(chain.model_dump_json()) == chain


def written(chain, **changes):
    return VolatilityChain(**{**chain.model_dump(), **changes}).model_dump_json()


def test_json_that_is_no_chain_is_refused(chain):
    for text in (
        "{}",
        b"\x80\x04 not json",
        written(chain, mean=(0.0,)),
        written(chain, transition=((0.5, 0.5), (0.9, 0.2))),
        written(chain, transition=((1.5, -0.5), (0.5, 0.5))),
    ):
        with pytest.raises(ConfigError, match="chain"):
            read_chain(text)


def test_a_missing_return_only_moves_the_chain_on(chain):
    calm, missing = filtered(np.array([0.0, np.nan]), chain)
    np.testing.assert_allclose(missing, calm @ np.array(chain.transition))


def test_the_long_run_of_a_chain_is_where_it_stays():
    transition = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.5, 0.5]])
    shares = long_run(transition)
    np.testing.assert_allclose(shares @ transition, shares)
    np.testing.assert_allclose(shares, np.linalg.matrix_power(transition, 500)[0])


def test_too_little_or_flat_or_mixed_data_is_refused(chain):
    bars, _ = market(300)
    with pytest.raises(ConfigError, match="249 returns"):
        fit(bars.head(250), trained_to=TRAINED_TO)
    with pytest.raises(ConfigError, match="vary"):
        fit(bars.with_columns(close=5.0), trained_to=TRAINED_TO)
    with pytest.raises(ConfigError, match="one instrument"):
        fit(pl.concat((bars, market(300, name="B")[0])), trained_to=TRAINED_TO)
    with pytest.raises(ConfigError, match="says nothing of B"):
        volatility_regimes(market(300, name="B")[0], chain)
