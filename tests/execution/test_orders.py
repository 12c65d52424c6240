"""The life of an order: what may happen when, in Python and compiled, and which intents are refused."""

import itertools

import numpy as np
import pytest

from tickline.errors import OrderError
from tickline.execution.orders import (
    ENDED,
    TRANSITIONS,
    Happening,
    Refusal,
    Status,
    advance,
    ask_to_cancel,
    happen,
    is_over,
    refusal,
    remaining,
    send,
    sweep,
)
from tickline.signals.desk import (
    INSTRUMENT,
    INTENT,
    MOST_WORKING,
    NEVER,
    ORDER,
    Flag,
    Grouping,
    Kind,
    TimeInForce,
    open_desk,
)

PAIRS = list(itertools.product(Status, Happening))
WORKING, OVER = (
    {Status.WORKING, Status.PARTLY_FILLED},
    {Status.FILLED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED},
)


def by_rule(status, happening):
    """What becomes of an order, as the theory says it in words."""
    if status in OVER:
        return None
    on_its_way = status is Status.SENT
    return {
        Happening.ACCEPT: Status.WORKING if on_its_way else None,
        Happening.REJECT: Status.REJECTED if on_its_way else None,
        Happening.FILL_PART: None if on_its_way else Status.PARTLY_FILLED,
        Happening.FILL_REST: None if on_its_way else Status.FILLED,
        Happening.CANCEL: Status.CANCELLED,
        Happening.EXPIRE: Status.EXPIRED,
    }[happening]


@pytest.mark.parametrize(("status", "happening"), PAIRS)
def test_what_happens_to_an_order_is_what_the_theory_says_in_python_and_compiled(status, happening):
    wanted = by_rule(status, happening)
    order = np.zeros(1, ORDER)
    order["status"] = status
    if wanted is None:
        with pytest.raises(OrderError, match=f"{status.name} cannot {happening.name}"):
            advance(status, happening)
        with pytest.raises(AssertionError):
            happen(order[0], happening)
        assert order["status"][0] == status
    else:
        happen(order[0], happening)
        assert advance(status, happening) is wanted
        assert order["status"][0] == wanted


def test_what_has_ended_is_over_and_nothing_else_is():
    order = np.zeros(1, ORDER)
    for status in Status:
        order["status"] = status
        assert is_over(order[0]) == (status in OVER)
    assert set(ENDED) == OVER
    assert not {status for status, _ in TRANSITIONS} & OVER


@pytest.fixture
def desk():
    grid = np.zeros(2, INSTRUMENT)
    grid[:] = (0.01, 1.0, 1)
    return open_desk(grid, capital=1_000, unit=1.0)


def intent_of(**terms):
    intent = np.zeros(1, INTENT)
    for name, value in {"lots": 1, "price": NEVER, "trigger": NEVER, "expires": NEVER, **terms}.items():
        intent[name] = value
    return intent[0]


@pytest.mark.parametrize("instrument", [-1, 2, 16])
def test_an_instrument_that_is_not_the_strategys_is_refused(desk, instrument):
    assert refusal(desk[0], intent_of(instrument=instrument)) == Refusal.UNKNOWN_INSTRUMENT


def test_no_lots_are_refused(desk):
    assert refusal(desk[0], intent_of(lots=0)) == Refusal.NO_LOTS


@pytest.mark.parametrize("unset", [NEVER, 0, -5])
@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (Kind.LIMIT, "price"),
        (Kind.STOP_LIMIT, "price"),
        (Kind.STOP_LIMIT, "trigger"),
        (Kind.STOP, "trigger"),
        (Kind.TAKE_PROFIT, "trigger"),
    ],
)
def test_an_order_without_a_positive_price_it_needs_is_refused(desk, kind, missing, unset):
    whole = {"kind": kind, "price": 10, "trigger": 10}
    assert refusal(desk[0], intent_of(**whole)) == Refusal.NONE
    assert refusal(desk[0], intent_of(**whole | {missing: unset})) == Refusal.NO_PRICE


@pytest.mark.parametrize(
    ("held", "lots", "wanted"),
    [
        (0, 1, Refusal.NOT_REDUCING),
        (0, -1, Refusal.NOT_REDUCING),
        (5, 1, Refusal.NOT_REDUCING),
        (-5, -1, Refusal.NOT_REDUCING),
        (5, -9, Refusal.NONE),
        (-5, 9, Refusal.NONE),
    ],
)
def test_a_reduce_only_order_has_to_reduce_what_is_held(desk, held, lots, wanted):
    desk["positions"]["lots"][0, 0] = held
    assert refusal(desk[0], intent_of(lots=lots, flags=Flag.REDUCE_ONLY)) == wanted
    assert refusal(desk[0], intent_of(lots=lots)) == Refusal.NONE


@pytest.mark.parametrize("kind", [Kind.MARKET, Kind.STOP, Kind.TAKE_PROFIT])
def test_a_post_only_order_that_can_only_take_is_refused(desk, kind):
    terms = {"kind": kind, "trigger": 10, "flags": Flag.POST_ONLY}
    assert refusal(desk[0], intent_of(**terms)) == Refusal.WOULD_TAKE
    assert refusal(desk[0], intent_of(**terms | {"kind": Kind.STOP_LIMIT, "price": 10})) == Refusal.NONE


def test_one_order_more_than_there_is_room_for_is_refused(desk):
    for nth in range(MOST_WORKING):
        assert refusal(desk[0], intent_of()) == Refusal.NONE
        send(desk[0], intent_of(tag=nth), 5, 7)
    assert refusal(desk[0], intent_of()) == Refusal.TOO_MANY
    assert desk["working"][0] == desk["ordered"][0] == MOST_WORKING
    assert desk["orders"]["id"][0].tolist() == list(range(1, MOST_WORKING + 1))


def test_an_order_carries_the_terms_of_its_intent_and_has_not_begun(desk):
    terms = {
        **{"instrument": 1, "lots": -3, "kind": Kind.STOP_LIMIT, "tif": TimeInForce.GTT, "flags": 3, "price": 11},
        **{"trigger": 12, "expires": 99, "group": 4, "grouping": Grouping.OCO, "tag": 8},
    }
    order = send(desk[0], intent_of(**terms), 5, 7)
    assert {name: order[name] for name in terms} == terms
    assert (order["id"], order["status"], order["filled"], order["triggered"]) == (1, Status.SENT, 0, 0)
    assert (order["ts_sent"], order["ts_effective"]) == (5, 7)
    assert (order["ts_cancel"], order["ts_ended"], order["reason"]) == (NEVER, NEVER, Refusal.NONE)
    assert remaining(order) == -3


def test_a_second_cancel_does_not_make_the_first_later_and_a_cancel_of_no_order_does_nothing(desk):
    for _ in range(2):
        send(desk[0], intent_of(), 5, 7)
    for ts in (30, 20, 25):
        ask_to_cancel(desk[0], 2, ts)
    ask_to_cancel(desk[0], 99, 1)
    assert desk["orders"]["ts_cancel"][0, :2].tolist() == [NEVER, 20]


def test_sweeping_takes_what_ended_away_and_keeps_the_rest_in_order(desk):
    for tag in range(7):
        send(desk[0], intent_of(tag=tag), 5, 7)
    desk["orders"]["status"][0, [0, 3, 4, 6]] = list(OVER)
    sweep(desk[0])
    assert desk["working"][0] == 3
    assert desk["orders"]["tag"][0, :3].tolist() == [1, 2, 5]
