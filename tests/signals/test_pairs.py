"""Pairs: the rolling line is that of NumPy, and both legs go in and out together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.signals.desk import EVENT, INSTRUMENT, EventKind, Flag, Grouping, Kind, open_desk
from tickline.signals.online import moments_size
from tickline.signals.strategies.pairs import STRATEGY, regress
from tickline.signals.strategy import decide, fresh_memory

MINUTE, WINDOW = 60_000_000_000, 10


def regressed(y, x, n):
    state = np.zeros(3 * moments_size(n))
    return np.array([regress(state, *pair, n) for pair in zip(y, x, strict=True)])


@given(st.integers(0, 10_000), st.floats(-2, 2), st.sampled_from([1e-4, 1e-2, 1.0]))
@settings(max_examples=25, deadline=None)
def test_slope_and_score_are_those_of_least_squares_over_the_window(seed, slope, noise):
    draws = np.random.default_rng(seed)
    x = 8.0 + np.cumsum(draws.normal(0, 0.01, 60))
    y = 3.0 + slope * x + draws.normal(0, noise, 60)
    got = regressed(y, x, WINDOW)
    assert np.isnan(got[: WINDOW - 1]).all()
    for at in range(WINDOW - 1, 60):
        of_window = slice(at - WINDOW + 1, at + 1)
        fitted = np.polyfit(x[of_window], y[of_window], 1)
        residuals = y[of_window] - np.polyval(fitted, x[of_window])
        assert got[at] == pytest.approx([fitted[0], residuals[-1] / residuals.std()], rel=1e-5, abs=1e-6)


def test_a_perfect_line_has_no_score():
    x = np.linspace(1, 2, 30)
    assert np.isnan(regressed(2 * x + 1, x, WINDOW)[:, 1]).all()


class Desk:
    """A desk whose orders trade whole, at once, whenever it is told so."""

    def __init__(self, **values):
        self.parameters = STRATEGY.chosen({"window": WINDOW, "enter": 2.0, "hold": 50, **values})
        self.memory = fresh_memory(STRATEGY, self.parameters)
        grid = np.zeros(2, INSTRUMENT)
        grid[:] = (0.01, 1.0, 1)
        self.desk = open_desk(grid, capital=10_000_000, unit=0.01)
        self.bars = 0

    def bar(self, instrument, close, *, late=0):
        event = np.zeros(1, EVENT)[0]
        event["kind"], event["instrument"], event["close"] = EventKind.BAR, instrument, close
        event["ts"] = 1_700_000_000_000_000_000 + (self.bars + late) * MINUTE
        self.memory, intents = decide(STRATEGY, self.parameters, self.memory, event=event, desk=self.desk)
        return intents

    def both(self, first, second):
        self.bars += 1
        assert self.bar(0, first).size == 0
        return self.bar(1, second)

    def fill(self, intents):
        for one in intents:
            self.desk["positions"]["lots"][0, one["instrument"]] += one["lots"]

    def warm(self):
        """Two prices that move as one, but for a little."""
        draws = np.random.default_rng(5)
        for at in range(WINDOW + 2):
            common = 0.02 * np.sin(at)
            assert self.both(100 * np.exp(common + draws.normal(0, 1e-4)), 50 * np.exp(common)).size == 0
        return self


@pytest.mark.parametrize(("first", "side"), [(104.0, -1), (96.0, 1)])
def test_both_legs_enter_as_one_group_against_the_distance(first, side):
    sold, bought = Desk().warm().both(first, 50.0)
    assert (np.sign(sold["lots"]), np.sign(bought["lots"])) == (side, -side)
    assert sold["group"] == bought["group"] > 0
    assert {one["grouping"] for one in (sold, bought)} == {Grouping.LEGS}
    assert {one["kind"] for one in (sold, bought)} == {Kind.MARKET}
    worth = abs(sold["lots"]) * first, abs(bought["lots"]) * 50.0
    assert sum(worth) == pytest.approx(50_000, rel=0.01)  # half of 100,000


def test_it_acts_on_bars_of_one_close_alone():
    desk = Desk().warm()
    desk.bars += 1
    assert desk.bar(0, 104.0).size == 0
    assert desk.bar(1, 50.0, late=1).size == 0


def test_it_leaves_at_the_mean_by_orders_that_can_only_reduce():
    desk = Desk().warm()
    desk.fill(desk.both(104.0, 50.0))
    assert desk.both(103.0, 50.0).size == 0
    out = desk.both(100.0, 50.0)
    assert [one["lots"] for one in out] == (-desk.desk["positions"]["lots"][0, :2]).tolist()
    assert {one["flags"] for one in out} == {Flag.REDUCE_ONLY}


def test_it_leaves_when_its_time_is_over_and_trades_an_excursion_once():
    desk = Desk(hold=2).warm()
    desk.fill(desk.both(104.0, 50.0))
    assert desk.both(120.0, 50.0).size == 0
    desk.fill(desk.both(250.0, 50.0))
    assert not desk.desk["positions"]["lots"].any()
    assert desk.both(10_000.0, 50.0).size == 0


def test_a_leg_alone_is_closed():
    desk = Desk().warm()
    desk.fill(desk.both(104.0, 50.0)[:1])
    (out,) = desk.both(104.0, 50.0)
    assert (out["instrument"], out["lots"]) == (0, -desk.desk["positions"]["lots"][0, 0])


def test_it_waits_while_an_order_is_on_its_way():
    desk = Desk().warm()
    desk.desk["working"] = 1
    assert desk.both(104.0, 50.0).size == 0
