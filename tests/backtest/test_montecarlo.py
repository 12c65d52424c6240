"""The bootstrap against the same paths walked in plain Python, and against what theory says of their distribution."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.backtest.montecarlo import Blocks, Jitter, Scheme, bootstrap, draw_parameters, trade_returns
from tickline.errors import ConfigError

WORD = 2**64
RETURNS = np.random.default_rng(1).standard_t(4, 300) * 0.01
ANY_BLOCKS = [Blocks(), Blocks(7), Blocks(7, Scheme.STATIONARY), Blocks(1, Scheme.STATIONARY)]


def _splitmix64(state):
    """The generator as Steele, Lea and Flood publish it, endlessly."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) % WORD
        mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % WORD
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % WORD
        yield mixed ^ (mixed >> 31)


def _drawn(returns, steps, blocks, words):
    drawn = []
    while len(drawn) < steps:
        is_ring = blocks.scheme is Scheme.STATIONARY and blocks.length > 1
        starts = len(returns) if is_ring else len(returns) - blocks.length + 1
        at, length = (next(words) >> 32) * starts >> 32, blocks.length
        if is_ring:
            uniform = ((next(words) >> 11) + 0.5) / 2**53
            length = 1 + int(math.log(uniform) / math.log1p(-1 / blocks.length))
        drawn += [returns[(at + nth) % len(returns)] for nth in range(length)]
    return drawn[:steps]


def _by_hand(returns, paths, steps, blocks, seed):
    """Equity of every path at every step."""
    seeds = _splitmix64(seed)
    walked = []
    for _ in range(paths):
        drawn = _drawn(returns, steps, blocks, _splitmix64(next(seeds)))
        walked.append(np.cumprod([1.0, *(max(0.0, 1 + each) for each in drawn)]))
    return np.array(walked)


def test_the_generator_is_splitmix64_as_published():
    # The reference implementation's first outputs for seed 1234567.
    words = _splitmix64(1234567)
    assert [next(words) for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("blocks", ANY_BLOCKS, ids=str)
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_paths_are_those_walked_by_hand(blocks, seed):
    got = bootstrap(RETURNS, paths=9, steps=60, seed=seed, blocks=blocks)
    walked = _by_hand(RETURNS, 9, 60, blocks, seed)
    assert got.terminal == pytest.approx(walked[:, -1], rel=1e-12)
    assert got.lowest == pytest.approx(walked.min(axis=1), rel=1e-12)
    deepest = (1 - walked / np.maximum.accumulate(walked, axis=1)).max(axis=1)
    assert got.max_drawdown == pytest.approx(deepest, abs=1e-12)
    quantiles = np.quantile(walked, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    assert got.fan["step"].to_list() == list(range(61))
    np.testing.assert_allclose(got.fan.drop("step").to_numpy().T, quantiles, rtol=1e-12)


@pytest.mark.parametrize("blocks", ANY_BLOCKS, ids=str)
def test_a_seed_gives_the_same_bytes_on_any_number_of_threads(blocks):
    one, *others = (
        bootstrap(RETURNS, paths=1000, steps=40, seed=5, blocks=blocks, threads=threads) for threads in (1, 2, 7)
    )
    for other in others:
        for name in ("terminal", "max_drawdown", "lowest"):
            assert getattr(other, name).tobytes() == getattr(one, name).tobytes()
        assert other.fan.equals(one.fan)


def test_more_paths_leave_the_first_ones_as_they_were_and_other_seeds_draw_others():
    few, many = (bootstrap(RETURNS, paths=paths, steps=30, seed=3) for paths in (40, 700))
    assert many.terminal[:40].tolist() == few.terminal.tolist()
    assert not set(bootstrap(RETURNS, paths=40, steps=30, seed=4).terminal) & set(few.terminal)
    assert np.unique(many.terminal).size == 700


def test_independent_draws_average_to_the_mean_return_compounded():
    got = bootstrap(RETURNS + 0.002, paths=20_000, steps=50, seed=8)
    expected = (1.002 + RETURNS.mean()) ** 50
    assert got.terminal.mean() == pytest.approx(expected, abs=4 * got.terminal.std() / math.sqrt(20_000))


def test_blocks_keep_what_neighbouring_returns_have_in_common():
    # Ups and downs that alternate cancel in blocks and add up in independent draws.
    alternating = np.tile([0.01, -0.01], 100)
    spread = {
        blocks: np.log(bootstrap(alternating, paths=2000, steps=100, seed=1, blocks=blocks).terminal).std()
        for blocks in (Blocks(), Blocks(20), Blocks(20, Scheme.STATIONARY))
    }
    assert spread[Blocks()] == pytest.approx(0.1, rel=0.1)
    assert spread[Blocks(20)] < 0.01
    assert spread[Blocks(20, Scheme.STATIONARY)] < 0.05


def test_every_return_is_drawn_as_often_singly_or_in_stationary_blocks():
    # Doubling at one return alone counts how often it was drawn.
    counted = np.zeros(50)
    counted[0] = 1.0
    for blocks in (Blocks(), Blocks(5, Scheme.STATIONARY)):
        draws = np.log2(bootstrap(counted, paths=4000, steps=500, seed=2, blocks=blocks).terminal)
        assert draws.mean() == pytest.approx(500 / 50, rel=0.03)


def test_an_account_that_lost_everything_stays_there():
    got = bootstrap([-1.5, 1.0], paths=50, steps=200, seed=1)
    assert got.terminal.tolist() == [0.0] * 50
    assert got.max_drawdown.tolist() == [1.0] * 50
    assert (got.probability_of_loss, got.probability_of_ruin(0.0), got.probability_of_ruin(0.5)) == (1, 1, 1)


def test_gains_alone_neither_lose_nor_draw_down():
    got = bootstrap([0.01], paths=20, steps=1000, seed=1)
    assert (got.probability_of_loss, got.probability_of_ruin(0.99), got.max_drawdown.max()) == (0, 0, 0)
    assert got.terminal == pytest.approx([1.01**1000] * 20)
    assert got.fan.height == 251
    assert got.fan["step"].to_list()[::250] == [0, 1000]


def test_ruin_counts_paths_that_were_ever_as_low():
    got = bootstrap(RETURNS, paths=500, steps=100, seed=6)
    walked = _by_hand(RETURNS, 500, 100, Blocks(), 6)
    assert got.probability_of_ruin(0.9) == (walked.min(axis=1) <= 0.9).mean()
    assert got.probability_of_loss == (walked[:, -1] < 1).mean()


@pytest.mark.parametrize(
    ("returns", "sizes", "finding"),
    [
        ([0.1, math.nan], {}, "finite"),
        ([], {}, "0 returns"),
        ([[0.1]], {}, "one row"),
        ([0.1] * 4, {"blocks": Blocks(5)}, "4 returns to draw blocks of 5"),
        ([0.1], {"paths": 0}, "0 paths"),
        ([0.1], {"steps": 0}, "0 steps"),
        ([0.1], {"seed": -1}, "seed -1"),
        ([0.1], {"seed": 2**64}, "below"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(returns, sizes, finding):
    with pytest.raises(ConfigError, match=finding):
        bootstrap(returns, **({"paths": 3, "steps": 3, "seed": 1} | sizes))


def test_blocks_and_jitters_that_mean_nothing_are_refused():
    with pytest.raises(ConfigError, match="length 0"):
        Blocks(0)
    for low, high in ((0, 1), (2, 1), (1, math.inf), (math.nan, 1)):
        with pytest.raises(ConfigError, match="jitter"):
            Jitter(low, high)
    with pytest.raises(ConfigError, match="0 draws"):
        draw_parameters({"fee": Jitter(1, 2)}, draws=0, seed=1)


def _trades(*rows):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        [("ACME", start + timedelta(days=enter), start + timedelta(days=leave), net) for enter, leave, net in rows],
        schema=["instrument", "ts_entry", "ts_exit", "net"],
        orient="row",
    )


def test_trade_returns_compound_to_the_equity_the_trades_made():
    trades = _trades((0, 9, 50.0), (1, 2, 100.0), (3, 4, -220.0))
    assert trade_returns(trades, capital=1000).tolist() == pytest.approx([100 / 1000, -220 / 1100, 50 / 880])
    assert np.prod(1 + trade_returns(trades, capital=1000)) == pytest.approx(0.93)
    assert trade_returns(_trades().cast({"net": pl.Float64}), capital=1).tolist() == []
    with pytest.raises(ConfigError, match="trade 2 found no equity left of 100"):
        trade_returns(_trades((0, 1, 10.0), (0, 2, -110.0), (0, 3, 5.0)), capital=100)


@settings(max_examples=30, deadline=None)
@given(draws=st.integers(1, 60), seed=st.integers(0, 2**40))
def test_drawn_parameters_cover_each_part_of_their_range_once(draws, seed):
    ranges = {"fee_bps": Jitter(0.5, 8.0), "latency_ms": Jitter(3.0, 3.0)}
    drawn = draw_parameters(ranges, draws=draws, seed=seed)
    assert drawn["latency_ms"].to_list() == [3.0] * draws
    shares = np.log(drawn["fee_bps"].to_numpy() / 0.5) / math.log(16)
    assert sorted((shares * draws).astype(int)) == list(range(draws))
    assert drawn.equals(draw_parameters(ranges, draws=draws, seed=seed))
