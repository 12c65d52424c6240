"""Exact money: fills, fees and charges against a ledger in Fraction, and sums that do not fit."""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tickline.errors import OrderError
from tickline.execution.accounting import (
    LARGEST,
    cash_unit,
    charge,
    conserves,
    fee_of,
    fits,
    mark,
    revalue,
    settle,
)
from tickline.signals.desk import INSTRUMENT, open_desk

BILLION = 10**9
CAPITAL = 10**15


@dataclass
class Ledger:
    """The same account kept by other means: fractions of any size, one line a rule."""

    tick_values: list[int]
    cash: int = CAPITAL
    charges: int = 0
    lots: dict[int, int] = field(default_factory=dict)
    cost: dict[int, int] = field(default_factory=dict)
    realised: int = 0
    fees: int = 0
    marks: dict[int, int] = field(default_factory=dict)

    def fill(self, instrument, lots, price, rate):
        value = lots * price * self.tick_values[instrument]
        fee = half_up(Fraction(abs(value) * rate, BILLION))
        held, cost = self.lots.get(instrument, 0), self.cost.get(instrument, 0)
        closed = 0 if held * lots >= 0 else min(abs(held), abs(lots)) * (1 if held > 0 else -1)
        if closed:
            part = math.trunc(Fraction(cost * closed, held))
            self.realised += closed * price * self.tick_values[instrument] - part
            cost -= part
        self.cost[instrument] = cost + (lots + closed) * price * self.tick_values[instrument]
        self.lots[instrument] = held + lots
        self.cash -= value + fee
        self.fees += fee
        self.marks[instrument] = price
        return fee

    def pay(self, instrument, rate):
        value = abs(self.lots.get(instrument, 0)) * self.marks.get(instrument, 0) * self.tick_values[instrument]
        paid = half_up(Fraction(value * rate, BILLION))
        paid = paid if self.lots.get(instrument, 0) > 0 else -paid
        self.cash -= paid
        self.charges += paid

    @property
    def equity(self):
        worth = (self.lots[nth] * self.marks[nth] * self.tick_values[nth] for nth in self.lots)
        return self.cash + sum(worth)


def half_up(exact):
    return math.floor(exact + Fraction(1, 2))


def desk_of(tick_values, capital=CAPITAL):
    grid = np.zeros(len(tick_values), INSTRUMENT)
    grid["tick_size"], grid["lot_size"], grid["tick_value"] = 0.01, 1.0, tick_values
    return open_desk(grid, capital=capital, unit=1e-8)


def same(desk, ledger):
    (account,) = desk
    held = account["positions"]
    assert conserves(desk)
    assert account["cash"] == ledger.cash
    assert account["charges"] == ledger.charges
    assert held["realised"].sum() == ledger.realised
    assert held["fees"].sum() == ledger.fees
    for nth in range(len(ledger.tick_values)):
        assert held["lots"][nth] == ledger.lots.get(nth, 0)
        assert held["cost"][nth] == ledger.cost.get(nth, 0)


lots = st.integers(-60, 60).filter(bool)
rates = st.integers(-20_000_000, 100_000_000)
steps = st.one_of(
    st.tuples(st.just("fill"), st.integers(0, 1), lots, st.integers(1, 2_000), rates),
    st.tuples(st.just("charge"), st.integers(0, 1), rates),
    st.tuples(st.just("mark"), st.integers(0, 1), st.integers(1, 2_000)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=40), st.sampled_from([(1, 1), (3, 1_000_003), (10**6, 7)]))
def test_the_account_is_that_of_a_ledger_in_fractions_through_partial_closes_and_flips(walked, tick_values):
    desk, ledger = desk_of(tick_values), Ledger(list(tick_values))
    for kind, instrument, *rest in walked:
        if kind == "fill":
            size, price, rate = rest
            fee = fee_of(abs(size) * price * tick_values[instrument], rate)
            assert fee == ledger.fill(instrument, size, price, rate)
            settle(desk[0], instrument, size, price, fee)
            revalue(desk[0])
        elif kind == "charge":
            charge(desk[0], instrument, rest[0])
            ledger.pay(instrument, rest[0])
        else:
            mark(desk[0], instrument, rest[0])
            ledger.marks[instrument] = rest[0]
        same(desk, ledger)
        assert desk["equity"][0] == ledger.equity


@settings(max_examples=200, deadline=None)
@given(*[st.integers(1, 2**44)] * 2, *[st.integers(1, 2**14)] * 2, st.integers(1, 2**45), st.sampled_from([1, -1]))
@example(17141471501404, 17386551571294, 7175, 3880, 20600671554994, 1)  # a Float64 quotient rounds up to whole
def test_closing_part_takes_its_part_of_the_cost_toward_zero_however_large(one, other, price, dearer, closed, side):
    closed = min(closed, one + other - 1)
    desk, ledger = desk_of((1,), 2**61), Ledger([1], cash=2**61)
    for size, at in ((side * one, price), (side * other, dearer), (-side * closed, price)):
        settle(desk[0], 0, size, at, 0)
        ledger.fill(0, size, at, 0)
    same(desk, ledger)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, LARGEST - 1), st.integers(-BILLION, BILLION))
def test_a_fee_is_the_exact_share_rounded_once_half_a_unit_up(notional, rate):
    assert fee_of(notional, rate) == half_up(Fraction(notional * rate, BILLION))


@pytest.mark.parametrize(
    ("notional", "rate", "fee"), [(5, 10**8, 1), (4, 10**8, 0), (5, -(10**8), 0), (6, -(10**8), -1)]
)
def test_half_a_unit_goes_up(notional, rate, fee):
    assert fee_of(notional, rate) == fee


@pytest.mark.parametrize(
    ("lots", "price", "tick_value"), [(2**31, 2**31, 1), (1, 2**61, 2), (-(2**40), 2**12, 2**10), (3, 2**60, 2**60)]
)
def test_a_notional_that_does_not_fit_is_refused_and_changes_nothing(lots, price, tick_value):
    desk = desk_of((tick_value,))
    before = desk.tobytes()
    assert not fits(lots, price, tick_value)
    with pytest.raises(AssertionError):
        settle(desk[0], 0, lots, price, 0)
    assert desk.tobytes() == before


def test_a_position_that_would_not_fit_is_refused_before_it_is_taken():
    desk = desk_of((1,), 2**61)
    settle(desk[0], 0, 2**30, 2**30, 0)
    before = desk.tobytes()
    with pytest.raises(AssertionError):
        settle(desk[0], 0, 2**30, 2**31 + 2**30, 0)
    assert desk.tobytes() == before


def test_cash_that_leaves_what_can_be_counted_is_refused():
    desk = desk_of((1,), 0)
    for _ in range(2):
        settle(desk[0], 0, -(2**30), 2**31 - 1, 0)
        settle(desk[0], 0, 2**30, 1, 0)
    with pytest.raises(AssertionError):
        settle(desk[0], 0, -(2**30), 2**31, 0)


def test_a_unit_too_much_or_too_little_anywhere_is_seen():
    desk = desk_of((1, 1))
    settle(desk[0], 1, 5, 100, 3)
    for name in ("cash", "charges", "capital"):
        for wrong in (1, -1):
            broken = desk.copy()
            broken[name] += wrong
            assert conserves(desk)
            assert not conserves(broken)


@pytest.mark.parametrize(
    ("tick", "lot", "unit"),
    [
        ("0.01", "1", "1e-8"),
        ("0.01", "0.00001", "1e-8"),
        ("0.05", "100", "1e-8"),
        ("0.00001", "0.00001", "1e-10"),
        ("0.1", "0.00000000001", "1e-12"),
        ("1e3", "1e4", "1e-8"),
    ],
)
def test_the_unit_of_cash_makes_a_lots_gain_by_a_tick_whole(tick, lot, unit):
    tick, lot = Decimal(tick), Decimal(lot)
    assert cash_unit(tick, lot) == Decimal(unit)
    assert (tick * lot / cash_unit(tick, lot)) % 1 == 0


def test_a_grid_too_fine_for_cash_is_refused_and_the_way_out_named():
    with pytest.raises(OrderError, match=r"tick 1E-7 times lot 0.000001 .* 12 are the most.* coarser grid"):
        cash_unit(Decimal("1e-7"), Decimal("0.000001"))
