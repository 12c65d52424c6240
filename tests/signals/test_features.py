"""Laws that every shipped feature keeps: what live says is what history says, and the future says nothing."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tickline.errors import ConfigError
from tickline.signals.features import FEATURES, FeatureSpec, compute, replay

SMALL = {
    "macd": {"fast": 3, "slow": 7, "signal": 4},
    "hurst": {"n": 128, "every": 5},
    "permutation_entropy": {"n": 12, "order": 3},
}
examples = settings(max_examples=5, deadline=None)


def _walk(rng, rows, jump):
    """Prices on a grid of 0.01: a walk that stands still for stretches, with one jump of its level."""
    steps = rng.integers(-3, 4, rows) * (rng.random(rows) < 0.6)
    steps[rows // 3 : rows // 3 + rng.integers(0, 25)] = 0
    levels = 10_000 + np.cumsum(steps)
    levels[rng.integers(0, rows) :] *= jump
    return levels


def _market(seed, *, rows=200, missing=0.15, jump=1):
    """Rows of three instruments and one that never trades, with every column a feature reads."""
    rng = np.random.default_rng(seed)
    frames = []
    for instrument in ("A", "B", "C", "none"):
        close = _walk(rng, rows, jump)
        open_ = close + rng.integers(-3, 4, rows)
        high = np.maximum(open_, close) + rng.integers(0, 3, rows)
        low = np.minimum(open_, close) - rng.integers(0, 3, rows)
        prices = {"open": open_, "high": high, "low": low, "close": close}
        prices |= {"bid": close - rng.integers(1, 3, rows), "ask": close + rng.integers(1, 3, rows)}
        sizes = {name: rng.integers(1, 9, rows) / 4 for name in ("bid_size", "ask_size", "size")}
        volume = rng.integers(0, 4, rows) / 2
        frame = pl.DataFrame(
            {name: levels / 100 for name, levels in prices.items()}
            | sizes
            | {"volume": volume, "turnover": volume * close / 100}
            | {"side": rng.choice(["buy", "sell"], rows)},
        )
        is_bare = rng.random(rows) < (1.0 if instrument == "none" else missing)
        frames.append(
            frame.with_columns(
                pl.when(~pl.Series(is_bare)).then(pl.col("open", "high", "low", "close")),
                pl.when(pl.Series(rng.random(rows) >= missing)).then(pl.col("bid", "bid_size")),
                pl.when(pl.Series(rng.random(rows) >= missing)).then(pl.col("side")),
                pl.col("turnover").cast(pl.Decimal(38, 12)),
                instrument=pl.lit(instrument),
                session_date=pl.date(2026, 3, 2) + pl.duration(days=pl.int_range(pl.len()) // 40),
            ).with_columns(
                # Some prints set a high and a low and no close.
                pl.when(pl.Series(rng.random(rows) >= missing / 3)).then(pl.col("close"))
            )
        )
    return pl.concat(frames)


def _spec(name, n):
    given_n = {"n": n} if any(parameter.name == "n" for parameter in FEATURES[name].parameters) else {}
    return FeatureSpec(name, SMALL.get(name, given_n))


def _said(market, spec):
    return compute(market.lazy(), [spec]).select(spec.columns).collect()


def _is_causal(market, column_of):
    """Whether cutting every instrument's rows short changes nothing of what was said of the rows before."""
    whole = market.with_columns(column_of(market))
    for kept in (1, 40, market.height // 8, market.height // 4 - 1):
        cut = market.filter(pl.int_range(pl.len()).over("instrument") < kept)
        before = whole.filter(pl.int_range(pl.len()).over("instrument") < kept)
        if not cut.with_columns(column_of(cut)).equals(before):
            return False
    return True


@pytest.mark.parametrize("name", FEATURES)
@examples
@given(
    seed=st.integers(0, 2**32), n=st.integers(2, 12), missing=st.sampled_from([0, 0.15]), jump=st.sampled_from([1, 40])
)
def test_the_twin_says_live_what_the_expression_says_of_history(name, seed, n, missing, jump):
    market, spec = _market(seed, missing=missing, jump=jump), _spec(name, n)
    batch, live = _said(market, spec), replay(market, spec)
    assert batch.drop_nulls().height > 0
    assert_frame_equal(batch, live, rel_tol=1e-9, abs_tol=1e-10)


@pytest.mark.parametrize("name", FEATURES)
def test_cutting_the_future_off_changes_nothing_said_before(name):
    assert _is_causal(_market(5), lambda market: _said(market, _spec(name, 5)))


def test_a_feature_that_looks_ahead_is_seen_to():
    mean = pl.col("close").mean().over("instrument")
    assert not _is_causal(_market(5), lambda market: market.select((pl.col("close") - mean).alias("cheat")))


@pytest.mark.parametrize("name", FEATURES)
def test_rows_with_missing_inputs_have_no_value_and_are_passed_over(name):
    market, spec = _market(11), _spec(name, 4)
    here = pl.all_horizontal(given.is_not_null() for given in spec.feature.inputs)
    said = market.with_columns(_said(market, spec))
    assert said.filter(~here).select(pl.col(spec.columns).is_null().all()).row(0) == (True,) * len(spec.columns)
    alone = market.filter(here)
    assert_frame_equal(said.filter(here).select(spec.columns), _said(alone, spec))


@pytest.mark.parametrize("name", FEATURES)
def test_instruments_do_not_know_of_each_other(name):
    market, spec = _market(2), _spec(name, 4)
    together = market.with_columns(_said(market, spec)).filter(instrument="B").select(spec.columns)
    assert_frame_equal(together, _said(market.filter(instrument="B"), spec))


@pytest.mark.parametrize("name", FEATURES)
def test_no_rows_have_no_values(name):
    spec = FeatureSpec(name)
    assert _said(_market(0).clear(), spec).schema == dict.fromkeys(spec.columns, pl.Float64)


def test_features_stand_side_by_side_under_names_that_say_their_parameters():
    wanted = [FeatureSpec("sma", {"n": 5}), FeatureSpec("bollinger", {"n": 5, "width": 2.5}), FeatureSpec("mid")]
    market = _market(1)
    added = compute(market.lazy(), wanted).collect().columns[market.width :]
    assert added == ["sma_5", "bollinger_5_2.5_upper", "bollinger_5_2.5_middle", "bollinger_5_2.5_lower", "mid"]


def test_parameters_not_given_have_their_defaults():
    assert FeatureSpec("macd", {"fast": 5}).parameters == {"fast": 5, "slow": 26, "signal": 9}
    assert FeatureSpec("macd") == FeatureSpec("macd", {"slow": 26.0})


@pytest.mark.parametrize(
    ("name", "parameters", "complaint"),
    [
        ("smma", {}, "no feature 'smma'"),
        ("sma", {"m": 5}, "no parameter m; it has n"),
        ("sma", {"n": 0}, r"n = 0; give a whole number in \[1, 10000\]"),
        ("sma", {"n": 2.5}, "n = 2.5"),
        ("sma", {"n": True}, "n = True"),
        ("sma", {"n": float("nan")}, "n = nan"),
        ("sma", {"n": "5"}, "n = '5'"),
        ("bollinger", {"width": float("inf")}, "width = inf; give a number"),
        ("macd", {"fast": 26}, "fast = 26 has to be less than slow = 26"),
    ],
)
def test_a_specification_out_of_bounds_is_refused(name, parameters, complaint):
    with pytest.raises(ConfigError, match=complaint):
        FeatureSpec(name, parameters)


def test_a_frame_without_what_a_feature_reads_is_refused():
    with pytest.raises(ConfigError, match="feature atr reads close, low"):
        compute(_market(0).drop("close", "low").lazy(), [FeatureSpec("atr")])


def test_a_feature_wanted_twice_is_refused():
    with pytest.raises(ConfigError, match="sma_20 twice"):
        compute(_market(0).lazy(), [FeatureSpec("sma"), FeatureSpec("sma", {"n": 20})])
