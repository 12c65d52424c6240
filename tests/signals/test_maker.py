"""The quoting maker, event by event: where it quotes, how it leans, when it replaces, when it stays away."""

import numpy as np
import pytest

from tickline.errors import ConfigError
from tickline.execution.orders import ask_to_cancel, send
from tickline.signals.desk import EVENT, INSTRUMENT, NEVER, Action, EventKind, Flag, Kind, open_desk
from tickline.signals.strategies.maker import ASK, BID, STRATEGY
from tickline.signals.strategy import decide, fresh_memory

TICK = 0.5


def desk(held=0):
    instruments = np.zeros(1, INSTRUMENT)
    instruments[0] = (TICK, 0.001, 1)
    opened = open_desk(instruments, capital=10**15, unit=1e-8)
    opened["positions"]["lots"][0, 0] = held
    return opened


def clock(bid=100.0, ask=101.0, kind=EventKind.CLOCK):
    event = np.zeros(1, EVENT)
    event["kind"], event["ts"], event["bid"], event["ask"] = kind, 1_000, bid, ask
    return event[0]


def asked(event, at, **parameters):
    """What it asks for, as {tag: (lots, price in ticks)} and the ids it cancels."""
    chosen = STRATEGY.chosen(parameters)
    _, intents = decide(STRATEGY, chosen, fresh_memory(STRATEGY, chosen), event=event, desk=at)
    quotes = intents[intents["action"] == Action.SUBMIT]
    assert (quotes["kind"] == Kind.LIMIT).all()
    assert (quotes["flags"] == Flag.POST_ONLY).all()
    cancelled = intents["order"][intents["action"] == Action.CANCEL].tolist()
    return {int(one["tag"]): (int(one["lots"]), int(one["price"])) for one in quotes}, cancelled


def quoted(at, **parameters):
    """Let the quotes it asks for stand at the desk."""
    chosen = STRATEGY.chosen(parameters)
    _, intents = decide(STRATEGY, chosen, fresh_memory(STRATEGY, chosen), event=clock(), desk=at)
    for intent in intents:
        send(at[0], intent, 1_000, 1_000)
    return at


def test_it_quotes_half_a_spread_from_the_mid_price_on_both_sides():
    # The mid is 100.5, 201 ticks.
    assert asked(clock(), desk(), half_spread=3, lots=2) == ({BID: (2, 198), ASK: (-2, 204)}, [])


def test_it_never_quotes_inside_the_spread():
    assert asked(clock(), desk(), half_spread=0) == ({BID: (1, 200), ASK: (-1, 202)}, [])


@pytest.mark.parametrize(("held", "bid", "ask"), [(0, 197, 205), (5, 195, 203), (-5, 199, 207)])
def test_what_it_holds_leans_both_quotes_against_it(held, bid, ask):
    assert asked(clock(), desk(held), half_spread=4, skew=4, inventory=10) == ({BID: (1, bid), ASK: (-1, ask)}, [])


def test_a_price_off_the_grid_gives_away_less():
    # It leans by a fifth of a tick, to 200.8.
    assert asked(clock(), desk(1), half_spread=3, skew=1, inventory=5) == ({BID: (1, 197), ASK: (-1, 204)}, [])


@pytest.mark.parametrize(("held", "tags"), [(9, {BID, ASK}), (10, {ASK}), (-9, {BID, ASK}), (-10, {BID})])
def test_at_its_limit_it_quotes_the_side_alone_that_makes_it_hold_less(held, tags):
    assert set(asked(clock(), desk(held), inventory=10)[0]) == tags


@pytest.mark.parametrize("quotes", [(np.nan, 101.0), (100.0, np.nan)])
def test_it_does_nothing_while_a_side_of_the_book_is_empty(quotes):
    assert asked(clock(*quotes), quoted(desk())) == ({}, [])


@pytest.mark.parametrize("kind", [kind for kind in EventKind if kind != EventKind.CLOCK])
def test_it_acts_on_wakes_alone(kind):
    assert asked(clock(kind=kind), desk()) == ({}, [])


def test_quotes_that_are_near_enough_stay():
    assert asked(clock(100.5, 101.0), quoted(desk()), requote=1) == ({}, [])


def test_quotes_that_are_off_are_cancelled_and_sent_anew():
    quotes, cancelled = asked(clock(101.0, 102.0), quoted(desk(), half_spread=3), half_spread=3, requote=1)
    assert (quotes, cancelled) == ({BID: (1, 200), ASK: (-1, 206)}, [1, 2])


def test_while_a_cancel_is_on_its_way_it_waits():
    at = quoted(desk())
    ask_to_cancel(at[0], 1, 5_000)
    assert asked(clock(110.0, 111.0), at)[1] == [2]
    assert at["orders"]["ts_cancel"][0, 1] == NEVER


def test_at_its_limit_the_quote_that_would_make_it_hold_more_is_cancelled():
    at = quoted(desk(), inventory=10)
    at["positions"]["lots"][0, 0] = 10
    assert asked(clock(), at, inventory=10, skew=0) == ({}, [1])


@pytest.mark.parametrize(
    "wrong",
    [{"half_spread": -1}, {"lots": 0}, {"inventory": 0}, {"requote": -0.1}, {"skew": float("nan")}, {"lots": 1.5}],
)
def test_parameters_out_of_bounds_are_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        STRATEGY.chosen(wrong)
