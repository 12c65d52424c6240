"""Queue positions against numbers worked out by hand from the models' formulas, and laws over random histories."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.execution.queueing import QueueModel, change_to, join, trade_at, trade_through
from tickline.signals.desk import ORDER

LOT = 0.001
MODELS = list(QueueModel)


def joined(lots, *, of=10):
    order = np.zeros(1, ORDER)[0]
    order["lots"] = of
    join(order, lots)
    return order


def test_an_order_joins_behind_all_its_level_holds():
    order = joined(120)
    assert (order["ahead"], order["traded"], order["reached"]) == (120, 0, 0)


def test_trades_at_its_price_take_from_the_front():
    order = joined(120)
    trade_at(order, 100)
    assert (order["ahead"], order["reached"]) == (20, 0)
    trade_at(order, 20)
    assert (order["ahead"], order["reached"]) == (0, 0)


def test_what_trades_beyond_those_ahead_reaches_the_order_which_then_is_first():
    order = joined(120)
    trade_at(order, 123)
    assert (order["ahead"], order["reached"]) == (0, 3)


@pytest.mark.parametrize(("ahead", "reached"), [(0.49, 1), (0.5, 1), (0.51, 0)])
def test_an_order_is_reached_once_what_is_beyond_rounds_to_a_lot(ahead, reached):
    order = joined(0)
    order["ahead"] = ahead
    trade_at(order, 1)
    assert order["reached"] == reached


def test_a_trade_through_its_price_reaches_all_of_it():
    order = joined(500, of=-7)
    trade_through(order)
    assert order["reached"] == 7


@pytest.mark.parametrize("model", MODELS)
def test_what_is_added_to_the_level_comes_behind(model):
    order = joined(100)
    change_to(order, model, 100, 500, LOT)
    assert order["ahead"] == 100


@pytest.mark.parametrize("model", MODELS)
def test_no_more_is_ahead_than_the_level_holds(model):
    order = joined(100)
    change_to(order, model, 100, 30, LOT)
    assert order["ahead"] == 30


@pytest.mark.parametrize("model", MODELS)
def test_a_shrinking_that_trades_explain_moves_nothing_twice(model):
    order = joined(100)
    change_to(order, model, 100, 200, LOT)
    trade_at(order, 40)
    change_to(order, model, 200, 160, LOT)
    assert (order["ahead"], order["traded"]) == (60, 0)


# 300 ahead and 700 behind; 100 of the 1000 are cancelled. The share f(700) / (f(700) + f(300)) of them is behind.
SHARES = {
    QueueModel.RISK_AVERSE: 1.0,
    QueueModel.SHARE: 0.7,
    QueueModel.LOG: math.log(1.7) / (math.log(1.7) + math.log(1.3)),
    QueueModel.POWER: 343 / (343 + 27),
}


@pytest.mark.parametrize("model", MODELS)
def test_cancels_fall_behind_an_order_by_the_models_share(model):
    order = joined(300)
    change_to(order, model, 300, 1000, LOT)
    change_to(order, model, 1000, 900, LOT)
    assert order["ahead"] == pytest.approx(300 - (1 - SHARES[model]) * 100)


def test_the_logarithm_is_of_the_size_not_of_the_lots():
    order = joined(300)
    change_to(order, QueueModel.LOG, 300, 1000, LOT)
    change_to(order, QueueModel.LOG, 1000, 900, 2 * LOT)
    behind, ahead = math.log(1 + 1.4), math.log(1 + 0.6)
    assert order["ahead"] == pytest.approx(300 - (1 - behind / (behind + ahead)) * 100)


def test_cancels_that_cannot_all_have_been_behind_were_ahead():
    # 600 ahead, 400 behind; cubed, 0.2286 of 900 cancels fall behind: 205.7. Below, the share of 300 and 700 is 0.927,
    # and of 900 cancels 834.3 would be behind where 700 were: 134.3 more were ahead.
    order = joined(600)
    change_to(order, QueueModel.POWER, 600, 1000, LOT)
    change_to(order, QueueModel.POWER, 1000, 100, LOT)
    assert order["ahead"] == pytest.approx(600 - (1 - 64 / 280) * 900)
    other = joined(300)
    change_to(other, QueueModel.POWER, 300, 1000, LOT)
    change_to(other, QueueModel.POWER, 1000, 100, LOT)
    share = 343 / 370
    assert other["ahead"] == pytest.approx(300 - (1 - share) * 900 + 700 - share * 900)


def test_what_cancels_leave_less_than_nothing_ahead_reaches_an_order_with_the_next_trade():
    # 50 are ahead and 1,200 behind; of 900 cancels the logarithms put 5.8 % ahead: 52.4, more than there were.
    order = joined(300)
    change_to(order, QueueModel.LOG, 300, 1250, LOT)
    trade_at(order, 250)
    change_to(order, QueueModel.LOG, 1250, 100, LOT)
    share = math.log(2.2) / (math.log(2.2) + math.log(1.05))
    assert order["ahead"] == pytest.approx(50 - (1 - share) * 900)
    assert order["reached"] == 0
    trade_at(order, 10)
    assert order["reached"] == math.floor(0.5 + 10 - 50 + (1 - share) * 900)


@settings(deadline=None)
@given(
    st.sampled_from([QueueModel.RISK_AVERSE, QueueModel.SHARE]),
    st.integers(0, 1_000),
    st.lists(st.tuples(st.booleans(), st.integers(0, 1_000)), max_size=20),
)
def test_averse_to_risk_or_by_share_no_trade_reaches_an_order_by_more_than_it_had(model, first, changes):
    order, held = joined(first), first
    for is_trade, size in changes:
        order["reached"] = 0
        if is_trade:
            trade_at(order, size)
            assert order["reached"] <= size
        else:
            change_to(order, model, held, size, LOT)
            held = size


@pytest.mark.parametrize(
    ("model", "lot_size", "ahead", "behind", "more"),
    [
        # Where log(2) / (log(2) + log(10,000)) cancel ahead of it, 10,000 do so by 699.9 where one was.
        (QueueModel.LOG, 1.0, 1, 9_999, 699),
        # Where 8 of 9 parts cancel ahead of it, 300 do so by 266.7 where 200 were.
        (QueueModel.POWER, LOT, 200, 100, 67),
    ],
)
def test_the_other_models_may_fill_an_order_by_more_than_was_traded(model, lot_size, ahead, behind, more):
    order = joined(ahead)
    change_to(order, model, ahead, ahead + behind, lot_size)
    change_to(order, model, ahead + behind, 0, lot_size)
    assert order["reached"] == 0
    trade_at(order, 1)
    assert order["reached"] == 1 + more


@pytest.mark.parametrize("model", MODELS)
def test_a_level_that_was_and_is_empty_leaves_the_order_first(model):
    order = joined(0)
    change_to(order, model, 0, 0, LOT)
    assert order["ahead"] == 0


@settings(deadline=None)
@given(
    st.sampled_from(MODELS),
    st.integers(0, 1_000),
    st.lists(st.tuples(st.booleans(), st.integers(0, 1_000)), max_size=20),
)
def test_however_a_level_moves_no_more_is_ahead_than_it_holds_and_only_trades_reach_an_order(model, first, changes):
    order, held = joined(first), first
    for is_trade, size in changes:
        order["reached"] = 0
        ahead = order["ahead"]
        if is_trade:
            trade_at(order, size)
            assert order["ahead"] <= max(ahead, 0)
            assert order["reached"] == (max(0, math.floor(0.5 - (ahead - size))))
        else:
            change_to(order, model, held, size, LOT)
            held = size
            assert order["reached"] == 0
            assert order["ahead"] <= held
            if model == QueueModel.RISK_AVERSE:
                assert order["ahead"] == min(ahead, held)
