"""How capital is split between lanes: it adds up, keeps to its bounds, and follows what was earned."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import ConfigError
from tickline.sizing.bankroll import Bankrolls, Record, bankrolls, efficiency, recorded, shares

LANES = ["bucket", "cross", "event_tree", "intra", "parity"]
SETTINGS = Bankrolls(floor=0.05, ceiling=0.5, prior=0.2, prior_trades=20)
RETURNS = st.lists(st.floats(-0.5, 0.5), max_size=30)


def record_of(returns):
    record = Record()
    for one in returns:
        record = recorded(record, one)
    return record


def test_a_record_is_the_mean_and_the_deviation_of_its_returns():
    returns = [0.03, -0.01, 0.02, 0.05]
    record = record_of(returns)
    assert record.mean == pytest.approx(statistics.mean(returns))
    assert (record.squares / 3) ** 0.5 == pytest.approx(statistics.stdev(returns))


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(LANES, RETURNS)), st.decimals(1, 1_000_000, places=2))
def test_the_split_adds_up_to_capital_within_floor_and_ceiling(returns, capital):
    split = shares({lane: record_of(of) for lane, of in returns.items()}, LANES, SETTINGS)
    assert sum(split.values()) == pytest.approx(1, abs=1e-9)
    assert all(SETTINGS.floor - 1e-12 <= one <= SETTINGS.ceiling + 1e-12 for one in split.values())
    money = bankrolls(capital, split)
    assert sum(money.values()) == capital
    assert all(abs(float(money[lane]) - float(capital) * split[lane]) < 0.06 for lane in LANES)


def test_without_trades_all_have_the_same_and_a_lane_that_earns_more_has_more():
    assert set(map(round, [one * 1e9 for one in shares({}, LANES, SETTINGS).values()])) == {200_000_000}
    good = record_of([0.02, 0.03] * 30)
    bad = record_of([-0.02, -0.03] * 30)
    split = shares({"cross": good, "bucket": bad}, LANES, SETTINGS)
    assert split["cross"] == pytest.approx(0.5)
    assert split["bucket"] == pytest.approx(0.05)
    assert split["intra"] == pytest.approx(0.15)


def test_few_trades_hardly_move_it_and_constant_gains_are_no_miracle():
    few, many = record_of([0.05, 0.01]), record_of([0.05, 0.01] * 200)
    assert SETTINGS.prior < efficiency(few, SETTINGS) < efficiency(many, SETTINGS)
    assert efficiency(record_of([0.01] * 10), SETTINGS) == pytest.approx(SETTINGS.prior)
    assert efficiency(record_of([-0.01] * 20), SETTINGS) == pytest.approx(SETTINGS.prior / 2)


def test_one_lane_has_all_and_impossible_bounds_are_refused():
    assert shares({}, ["cross"], SETTINGS) == {"cross": 1.0}
    with pytest.raises(ConfigError, match="lower the floor"):
        shares({}, LANES, Bankrolls(floor=0.3))
    with pytest.raises(ConfigError, match="raise the ceiling"):
        shares({}, LANES[:2], Bankrolls(ceiling=0.4))
