"""What a strategy asks for and sees: intents with their terms on the grid, its orders and its money."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import ConfigError
from tickline.signals.desk import (
    INSTRUMENT,
    MOST_INSTRUMENTS,
    MOST_INTENTS,
    NEVER,
    Action,
    Grouping,
    Kind,
    TimeInForce,
    cancel,
    cancel_all,
    equity,
    find,
    limit,
    lots_worth,
    market,
    nearest_tick,
    open_desk,
    stop,
    take_profit,
    ticks_within,
)


def desk_of(*ticks):
    grid = np.zeros(len(ticks), INSTRUMENT)
    for nth, tick in enumerate(ticks):
        grid[nth] = (tick, 1.0, 1_000)
    return open_desk(grid, capital=5_000_000, unit=1e-3)


@pytest.fixture
def desk():
    return desk_of(0.01, 0.25)


def asked(desk):
    return desk["intents"][0, : desk["asked"][0]]


def test_a_desk_begins_with_its_capital_in_cash_and_nothing_else(desk):
    (one,) = desk
    assert one["capital"] == one["cash"] == one["equity"] == 5_000_000
    assert (one["listed"], one["working"], one["asked"], one["ordered"], one["charges"]) == (2, 0, 0, 0, 0)
    assert not one["positions"]["lots"].any()
    assert np.isnan(one["signals"]).all()
    assert equity(one) == 5_000.0


def test_more_instruments_than_a_desk_has_room_for_are_refused():
    desk_of(*[0.01] * MOST_INSTRUMENTS)
    with pytest.raises(ConfigError, match=f"17 instruments; one strategy may trade {MOST_INSTRUMENTS}"):
        desk_of(*[0.01] * (MOST_INSTRUMENTS + 1))


def test_an_intent_has_no_terms_but_those_asked_for_whatever_stood_in_its_place(desk):
    desk["intents"] = np.full(1, 77, np.int64).view(np.int64)[0]
    intent = market(desk[0], 1, -4)
    assert {name: int(intent[name]) for name in intent.dtype.names} == {
        "action": Action.SUBMIT,
        "order": 0,
        "instrument": 1,
        "lots": -4,
        "kind": Kind.MARKET,
        "tif": TimeInForce.GTC,
        "flags": 0,
        "price": NEVER,
        "trigger": NEVER,
        "expires": NEVER,
        "group": 0,
        "grouping": Grouping.NONE,
        "tag": 0,
    }


def test_each_kind_of_order_has_the_price_it_needs_on_the_grid(desk):
    limit(desk[0], 0, 3, 1.239)
    limit(desk[0], 0, -3, 1.231)
    stop(desk[0], 1, 3, 10.3)
    take_profit(desk[0], 1, -3, 10.4)
    said = [(int(one["kind"]), int(one["price"]), int(one["trigger"])) for one in asked(desk)]
    assert said == [
        (Kind.LIMIT, 123, NEVER),
        (Kind.LIMIT, 124, NEVER),
        (Kind.STOP, NEVER, 41),
        (Kind.TAKE_PROFIT, NEVER, 42),
    ]


def test_what_is_asked_is_a_list_in_the_order_it_was_said(desk):
    market(desk[0], 0, 1)
    market(desk[0], 1, 2)
    cancel(desk[0], 4)
    assert asked(desk)[["action", "order", "instrument", "lots"]].tolist() == [
        (Action.SUBMIT, 0, 0, 1),
        (Action.SUBMIT, 0, 1, 2),
        (Action.CANCEL, 4, 0, 0),
    ]


def working(desk, *orders):
    desk["working"] = len(orders)
    for nth, (number, instrument, tag) in enumerate(orders):
        desk["orders"][0, nth]["id"], desk["orders"][0, nth]["instrument"], desk["orders"][0, nth]["tag"] = (
            number,
            instrument,
            tag,
        )


def test_all_orders_of_an_instrument_are_cancelled_and_no_others(desk):
    working(desk, (3, 0, 1), (5, 1, 1), (8, 0, 2))
    cancel_all(desk[0], 0)
    assert asked(desk)["order"].tolist() == [3, 8]
    assert set(asked(desk)["action"].tolist()) == {Action.CANCEL}


def test_an_order_is_found_by_instrument_and_tag_the_oldest_first(desk):
    working(desk, (3, 0, 1), (5, 1, 1), (8, 1, 1))
    assert [find(desk[0], *wanted) for wanted in [(0, 1), (1, 1), (1, 2), (2, 1)]] == [0, 1, -1, -1]
    desk["working"] = 1
    assert find(desk[0], 1, 1) == -1


@pytest.mark.parametrize(
    ("value", "price", "lots"), [(100.0, 1.0, 1), (100.0, 0.99, 1), (199.999, 1.0, 1), (200.0, 1.0, 2), (99.9, 1.0, 0)]
)
def test_lots_worth_a_value_are_whole_and_cost_no_more(desk, value, price, lots):
    """A tick of 0.01 is worth 1,000 units of 0.001: a lot at 1.00 costs 100."""
    assert lots_worth(desk[0], 0, value, price) == lots


@pytest.mark.parametrize(
    ("value", "price"), [(0.0, 1.0), (-5.0, 1.0), (5.0, 0.0), (5.0, float("nan")), (float("nan"), 1.0)]
)
def test_without_value_or_price_there_are_no_lots(desk, value, price):
    assert lots_worth(desk[0], 0, value, price) == 0


ticks = st.sampled_from(
    [Decimal("0.01"), Decimal("0.05"), Decimal("0.1"), Decimal("0.25"), Decimal("0.00001"), Decimal(5)]
)


@settings(max_examples=300, deadline=None)
@given(ticks, st.integers(1, 10**9), st.sampled_from([1, -1]))
def test_a_limit_on_the_grid_stays_where_it_is(tick, count, side):
    price = float(tick * count)
    assert ticks_within(price, float(tick), side) == nearest_tick(price, float(tick)) == count


@settings(max_examples=300, deadline=None)
@given(ticks, st.integers(1, 10**6), st.integers(1, 999), st.sampled_from([1, -1]))
def test_a_limit_off_the_grid_becomes_the_next_price_that_gives_away_less(tick, count, part, side):
    price = tick * count + tick * part / 1_000
    wanted = (price / tick).to_integral_value(ROUND_FLOOR if side > 0 else ROUND_CEILING)
    assert ticks_within(float(price), float(tick), side) == wanted


def test_no_more_is_asked_for_than_the_desk_has_room_for() -> None:
    desk = open_desk(np.zeros(1, INSTRUMENT), capital=1, unit=1.0)
    for _ in range(MOST_INTENTS):
        market(desk[0], 0, 1)
    before = desk.copy()
    with pytest.raises(AssertionError):
        market(desk[0], 0, 1)
    assert desk.tobytes() == before.tobytes()
