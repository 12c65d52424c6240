"""The conventions of tick mode, each on ticks made by hand, and laws over random scripts on random tapes."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qa._scripted import START, TICK_VALUE, charges, grid
from qa._scripted_ticks import (
    ASK,
    BID,
    BUY,
    MS,
    SCRIPTED,
    SECOND,
    SELL,
    UNKNOWN,
    Script,
    book,
    cancel,
    level,
    play,
    state_size,
    submit,
    tape,
    trade,
)
from tickline.backtest.assumptions import Assumptions, Costs, venue_of
from tickline.backtest.bar_engine import Place
from tickline.backtest.floor import Clocks
from tickline.backtest.matching import Seat, new_log
from tickline.backtest.tick_engine import build, open_floor, sample_times
from tickline.backtest.ticks import CLEARS, LEVEL
from tickline.execution.accounting import conserves
from tickline.execution.orders import Refusal, Status
from tickline.reference.models import FeeSchedule
from tickline.signals.desk import EVENT, EventKind, Flag, Grouping, Kind, TimeInForce, open_desk
from tickline.signals.strategy import engine_for

BOOK = book(0, [(99, 5), (98, 5), (97, 5)], [(101, 5), (102, 5), (103, 5)])
END = level(9_000, BID, 90, 1)
"""Room for wakes; far off the market."""

POST_ONLY, REDUCE_ONLY = {"flags": Flag.POST_ONLY}, {"flags": Flag.REDUCE_ONLY}
FEES = Costs(maker_bps=Decimal("-0.5"), taker_bps=Decimal(4))
WHOLE = Assumptions(partial_fills=False)


def late(order_ms=0, answer_ms=0, **others):
    return Assumptions(order_latency_ms=order_ms, answer_latency_ms=answer_ms, **others)


def on(*ticks, latency=0, closes=()):
    return tape(BOOK, *ticks, END, latency=latency, closes=closes)


def makers(played):
    return [bool(maker) for maker in played.records["maker"]]


def ends(played):
    return [(int(one["tag"]), Status(one["status"]).name, (int(one["ts_ended"]) - START) / MS) for one in played.ended]


# 1. What may trade at once.


@pytest.mark.parametrize(("sign", "prices"), [(1, (101, 102, 103)), (-1, (99, 98, 97))])
def test_a_market_order_takes_the_levels_best_first_and_no_more_than_each_holds(sign, prices):
    played = play(on(), submit(1, sign * 12))
    assert played.fills == [(1_000, sign * lots, price) for lots, price in zip((5, 5, 2), prices, strict=True)]
    assert makers(played) == [False] * 3


def test_what_the_book_does_not_hold_of_a_market_order_is_cancelled():
    played = play(on(), submit(1, 20, tag=7))
    assert sum(lots for _, lots, _ in played.fills) == 15
    assert ends(played) == [(7, "CANCELLED", 1_000)]


def test_a_market_order_in_an_empty_book_is_cancelled():
    played = play(tape(trade(0, 100, 1), END), submit(1, -3, tag=7))
    assert (played.fills, ends(played)) == ([], [(7, "CANCELLED", 1_000)])


def test_what_was_taken_is_gone_until_the_feed_says_what_the_level_holds():
    ticks = on(level(1_500, ASK, 102, 9), level(2_500, ASK, 101, 1))
    played = play(ticks, submit(1, 5), submit(1, 3), submit(2, 1), submit(3, 2))
    assert played.fills == [(1_000, 5, 101), (1_000, 3, 102), (2_000, 1, 102), (3_000, 1, 101), (3_000, 1, 102)]


def test_a_limit_takes_up_to_its_price_and_the_rest_is_first_in_its_own_queue():
    played = play(on(trade(1_500, 102, 3, SELL)), submit(1, 12, price=102))
    assert played.fills == [(1_000, 5, 101), (1_000, 5, 102), (1_500, 2, 102)]
    assert makers(played) == [False, False, True]


def test_what_does_not_trade_at_once_of_an_immediate_order_is_cancelled():
    played = play(on(), submit(1, 7, price=101, tif=TimeInForce.IOC, tag=7))
    assert (played.fills, ends(played)) == ([(1_000, 5, 101)], [(7, "CANCELLED", 1_000)])


@pytest.mark.parametrize(
    ("lots", "price", "refused"), [(1, 101, True), (1, 104, True), (1, 100, False), (-1, 99, True), (-1, 100, False)]
)
def test_a_post_only_order_is_refused_where_it_would_take(lots, price, refused):
    played = play(on(), submit(1, lots, price=price, **POST_ONLY))
    reasons = [Refusal(one["reason"]) for one in played.ended]
    assert (played.fills, reasons) == ([], [Refusal.WOULD_TAKE] if refused else [])


# 2. Queues.


@pytest.mark.parametrize(("lots", "price", "side"), [(4, 99, SELL), (-4, 101, BUY)])
def test_a_resting_limit_waits_for_those_before_it_and_then_gets_what_is_left(lots, price, side):
    ticks = on(*(trade(at, price, traded, side) for at, traded in ((1_500, 3), (2_500, 4), (3_500, 1), (4_500, 9))))
    sign = 1 if lots > 0 else -1
    played = play(ticks, submit(1, lots, price=price))
    assert played.fills == [(2_500, 2 * sign, price), (3_500, sign, price), (4_500, sign, price)]
    assert makers(played) == [True] * 3


def test_without_partial_fills_an_order_that_is_reached_trades_whole():
    ticks = on(trade(1_500, 99, 5, SELL), trade(2_500, 99, 1, SELL))
    assert play(ticks, submit(1, 4, price=99), assumed=WHOLE).fills == [(2_500, 4, 99)]


@pytest.mark.parametrize(("lots", "price", "through", "side"), [(4, 99, 98, SELL), (-4, 101, 102, BUY)])
def test_a_trade_through_its_price_fills_an_order_whole_at_its_price(lots, price, through, side):
    assert play(on(trade(1_500, through, 1, side)), submit(1, lots, price=price)).fills == [(1_500, lots, price)]


@pytest.mark.parametrize(("lots", "price", "side"), [(4, 99, ASK), (-4, 101, BID)])
def test_a_book_whose_other_side_reaches_it_fills_an_order_whole_at_its_price(lots, price, side):
    assert play(on(level(1_500, side, price, 1)), submit(1, lots, price=price)).fills == [(1_500, lots, price)]


@pytest.mark.parametrize(("price", "lots", "aggressor"), [(99, 4, BUY), (101, -4, SELL)])
def test_a_trade_of_ones_own_side_fills_nothing(price, lots, aggressor):
    assert play(on(trade(1_500, price, 50, aggressor)), submit(1, lots, price=price)).fills == []


@pytest.mark.parametrize(("at", "filled"), [(98, True), (99, True), (100, False), (101, False)])
def test_the_aggressor_of_a_print_without_a_side_is_told_by_the_book(at, filled):
    played = play(on(trade(1_500, at, 50, UNKNOWN)), submit(1, 4, price=99), submit(1, 1, price=100))
    assert ((1_500, 4, 99) in played.fills) == filled


@pytest.mark.parametrize(("queue", "traded"), [("risk_averse", []), ("share", [(3_500, 1, 99)])])
def test_cancels_before_it_move_an_order_up_as_the_queue_model_says(queue, traded):
    # It is behind 5, then 5 come behind it; of 6 cancels half were before it: 2 are left there, of 4.
    ticks = on(level(1_500, BID, 99, 10), level(2_500, BID, 99, 4), trade(3_500, 99, 3, SELL))
    assert play(ticks, submit(1, 4, price=99), assumed=late(queue=queue)).fills == traded


def test_a_snapshot_leaves_no_more_before_an_order_than_its_level_then_holds():
    ticks = on(book(1_500, [(99, 1)], [(101, 5)]), trade(2_500, 99, 2, SELL))
    assert play(ticks, submit(1, 4, price=99)).fills == [(2_500, 1, 99)]


# 3. Triggers.

STOPS = [
    (3, 102, 101, 102, (102, 103)),
    (3, 102, 101, 104, (102, 103)),
    (-3, 98, 99, 98, (98, 97)),
    (-3, 98, 99, 95, (98, 97)),
]
THIN = [level(1_100, ASK, 101, 0), level(1_100, ASK, 102, 2), level(1_100, BID, 99, 0), level(1_100, BID, 98, 2)]


@pytest.mark.parametrize(("lots", "trigger", "before", "at", "prices"), STOPS)
def test_a_stop_takes_the_book_once_a_trade_is_at_its_trigger_or_beyond(lots, trigger, before, at, prices):
    played = play(on(*THIN, trade(1_500, before, 1), trade(2_500, at, 1)), submit(1, lots, trigger=trigger))
    sign = 1 if lots > 0 else -1
    assert played.fills == [(2_500, 2 * sign, prices[0]), (2_500, sign, prices[1])]
    assert makers(played) == [False, False]


@pytest.mark.parametrize(("lots", "trigger", "at", "price"), [(-3, 103, 103, 99), (-3, 103, 105, 99), (3, 97, 97, 101)])
def test_a_take_profit_takes_the_book_once_a_trade_is_at_its_trigger_or_better(lots, trigger, at, price):
    ticks = on(trade(1_500, 100, 1), trade(2_500, at, 1))
    assert play(ticks, submit(1, lots, trigger=trigger, kind=Kind.TAKE_PROFIT)).fills == [(2_500, lots, price)]


def test_a_trigger_the_last_price_has_passed_sets_off_on_arrival():
    assert play(on(trade(500, 103, 1)), submit(1, 3, trigger=102)).fills == [(1_000, 3, 101)]


def test_no_price_sets_off_nothing():
    assert play(on(), submit(1, -3, trigger=102)).fills == []


def test_a_stop_limit_takes_up_to_its_price_once_triggered_and_rests():
    ticks = on(trade(1_500, 102, 1), trade(2_500, 101, 1, SELL))
    played = play(ticks, submit(1, 8, trigger=102, price=101))
    assert (played.fills, makers(played)) == ([(1_500, 5, 101), (2_500, 1, 101)], [False, True])


def test_a_post_only_stop_limit_that_would_take_once_triggered_is_cancelled():
    played = play(on(trade(1_500, 102, 1)), submit(1, 8, trigger=102, price=101, tag=7, **POST_ONLY))
    assert (played.fills, ends(played)) == ([], [(7, "CANCELLED", 1_500)])


# Reduce-only, expiry, groups.


def test_a_reduce_only_order_takes_no_more_than_is_held():
    played = play(on(), submit(1, 3), submit(2, -8, tag=7, **REDUCE_ONLY))
    assert played.fills == [(1_000, 3, 101), (2_000, -3, 99)]
    assert ends(played)[-1] == (7, "CANCELLED", 2_000)


def test_a_resting_reduce_only_order_ends_where_there_is_nothing_left_to_reduce():
    ticks = on(trade(3_500, 103, 9, BUY))
    played = play(ticks, submit(1, 3), submit(2, -3, price=102, tag=7, **REDUCE_ONLY), submit(3, -3))
    assert played.fills == [(1_000, 3, 101), (3_000, -3, 99)]
    assert ends(played)[-1] == (7, "CANCELLED", 3_500)


def test_an_order_expires_at_its_time_and_trades_no_more():
    ticks = on(trade(2_499, 99, 6, SELL), trade(2_501, 99, 9, SELL))
    played = play(ticks, submit(1, 4, price=99, tif=TimeInForce.GTT, lasts=1_500 * MS, tag=7))
    assert (played.fills, ends(played)) == ([(2_499, 1, 99)], [(7, "EXPIRED", 2_500)])


def test_a_day_order_expires_at_the_close_of_the_session_it_was_asked_for_in():
    ticks = on(closes=(500, 3_300, 7_000))
    played = play(ticks, submit(1, 1, price=97, tif=TimeInForce.DAY, tag=7))
    assert ends(played) == [(7, "EXPIRED", 3_300)]
    closes = {note["ts"] / MS: note["session_close"] / MS for note in played.told(EventKind.CLOCK)}
    assert (closes[3_000], closes[4_000]) == (3_300, 7_000)


def test_a_fill_of_one_cancels_the_others_of_its_group():
    terms = {"group": 1, "grouping": Grouping.OCO}
    plays = submit(1, 4, price=99, tag=1, **terms), submit(1, -4, price=101, tag=2, **terms)
    played = play(on(trade(1_500, 101, 6, BUY), trade(2_500, 99, 20, SELL)), *plays)
    assert played.fills == [(1_500, -1, 101)]
    assert (2, "CANCELLED", 1_500) not in ends(played)
    assert (1, "CANCELLED", 1_500) in ends(played)


def test_legs_that_did_not_all_fill_are_undone_once_that_is_known():
    legs = {"group": 1, "grouping": Grouping.LEGS}
    plays = submit(1, 4, tag=1, **legs), submit(1, -4, price=103, tif=TimeInForce.IOC, tag=2, **legs)
    played = play(on(), *plays, assumed=late(100, 30))
    # The leg ends at 1100, is known at 1130, and what undoes the other arrives at 1230.
    assert played.fills == [(1_100, 4, 101), (1_230, -4, 99)]
    assert played.account[0]["positions"]["lots"][0] == 0


# The two clocks.


def test_an_order_meets_the_book_as_it_is_on_arrival():
    ticks = on(level(1_050, ASK, 101, 0), level(1_100, ASK, 102, 1), level(1_100.001, ASK, 102, 5))
    played = play(ticks, submit(1, 3), assumed=late(100))
    assert played.fills == [(1_100, 1, 102), (1_100, 2, 103)]


def test_a_fill_and_what_is_held_are_known_after_the_answers_latency():
    played = play(on(), submit(1, 3), assumed=late(400, 900))
    assert played.fills == [(1_400, 3, 101)]
    (told,) = played.told(EventKind.FILL)
    assert (told["ts"] / MS, told["lots"], told["price"], told["held"]) == (2_300, 3, 1.01, 3)
    held = {note["ts"] / MS: note["held"] for note in played.told(EventKind.CLOCK)}
    assert (held[2_000], held[3_000]) == (0, 3)


def test_that_the_venue_has_an_order_is_known_after_the_answers_latency():
    played = play(on(), submit(1, 1, price=97), assumed=late(400, 900))
    status = {note["ts"] / MS: note["oldest"] for note in played.told(EventKind.CLOCK)}
    assert (status[2_000], status[3_000]) == (Status.SENT, Status.WORKING)


def test_a_cancel_takes_effect_on_arrival_and_may_come_too_late():
    ticks = on(trade(2_300, 99, 6, SELL), trade(2_500, 99, 9, SELL))
    played = play(ticks, submit(1, 4, price=99, tag=1), cancel(2, 1), assumed=late(400))
    assert (played.fills, ends(played)) == ([(2_300, 1, 99)], [(1, "CANCELLED", 2_400)])
    gone = play(ticks, submit(1, 1, price=99, tag=1), cancel(2, 1), assumed=late(400))
    assert (gone.fills, ends(gone)) == ([(2_300, 1, 99)], [(1, "FILLED", 2_300)])


def test_the_end_of_an_order_is_told_after_the_answers_latency_with_what_was_left():
    ticks = on(trade(2_300, 99, 6, SELL))
    played = play(ticks, submit(1, 4, price=99, tag=1), cancel(2, 1), assumed=late(400, 50))
    (told,) = played.told(EventKind.CLOSED)
    assert (told["ts"] / MS, told["tag"], told["lots"], told["status"]) == (2_450, 1, 3, Status.CANCELLED)


def test_ticks_are_seen_when_they_are_known():
    ticks = on(trade(1_500, 101, 2, BUY), level(1_600, BID, 100, 7), latency=250)
    played = play(ticks)
    (seen,) = played.told(EventKind.TRADE)
    assert [seen[name] for name in ("ts", "price", "side", "volume", "bid", "ask")] == [
        1_750 * MS,
        1.01,
        BUY,
        2,
        0.99,
        1.01,
    ]
    quotes = [
        [note[name] for name in ("ts", "bid", "bid_size", "ask", "ask_size")] for note in played.told(EventKind.BOOK)
    ]
    assert quotes == [[250 * MS, 0.99, 5, 1.01, 5], [1_850 * MS, 1.0, 7, 1.01, 5]]


def test_a_message_that_leaves_the_best_bid_and_ask_as_they_were_is_no_event():
    played = play(on(level(1_500, BID, 98, 50), level(1_600, ASK, 103, 0), level(1_700, BID, 99, 5)))
    assert [note["ts"] for note in played.told(EventKind.BOOK)] == [0]


def test_a_wake_shows_the_quotes_as_they_are_known():
    ticks = tape(trade(0, 100, 1), book(1_500, [(99, 5)], [(101, 4)]), END, latency=700)
    quotes = {note["ts"] / MS: (note["bid"], note["ask_size"]) for note in play(ticks).told(EventKind.CLOCK)}
    assert math.isnan(quotes[2_000][0])
    assert quotes[2_000][1] == 0
    assert quotes[3_000] == (0.99, 4)


def test_an_order_asked_for_on_a_fill_is_sent_when_the_fill_is_known():
    plays = submit(1, 3, tag=1), submit(1, -3, tag=2, on=EventKind.FILL)
    assert play(on(), *plays, assumed=late(10, 20)).fills == [(1_010, 3, 101), (1_040, -3, 99)]


def test_what_is_refused_here_is_told_at_once():
    played = play(on(), submit(1, -3, tag=5, **REDUCE_ONLY), assumed=late(400, 900))
    (told,) = played.told(EventKind.CLOSED)
    assert (told["ts"] / MS, told["tag"], told["status"]) == (1_000, 5, Status.REJECTED)


@pytest.mark.parametrize("terms", [REDUCE_ONLY, {"price": 101, **POST_ONLY}, {"price": 100, "tif": TimeInForce.IOC}])
def test_what_it_asks_for_in_answer_to_an_end_and_ends_at_once_is_told_with_the_next_tick(terms):
    sign = -1 if terms is REDUCE_ONLY else 1
    ticks = on(level(1_500, BID, 98, 6), level(1_500, BID, 98, 7), level(2_500, BID, 98, 8))
    plays = submit(1, sign, tag=5, **terms), submit(5, sign, tag=5, on=EventKind.CLOSED, **terms)
    played = play(ticks, *plays)
    told = [note["ts"] / MS for note in played.told(EventKind.CLOSED)]
    assert told == [1_000, 1_500, 2_500, 9_000]
    assert [note["ts"] for note in played.notes] == sorted(note["ts"] for note in played.notes)


def test_all_that_ended_before_it_answered_is_told_at_once():
    plays = [submit(1, -3, tag=tag, **REDUCE_ONLY) for tag in (5, 6, 7)]
    played = play(on(), *plays, submit(5, -1, tag=8, on=EventKind.CLOSED, **REDUCE_ONLY))
    told = [(note["ts"] / MS, note["tag"]) for note in played.told(EventKind.CLOSED)]
    assert told == [(1_000, 5), (1_000, 6), (1_000, 7), (9_000, 8)]


# Money.


def test_what_makes_pays_the_makers_fee_and_what_takes_the_takers():
    costs = Assumptions(costs=Costs(maker_bps=Decimal(1), taker_bps=Decimal(5)))
    played = play(on(trade(1_500, 98, 1, SELL)), submit(1, 2), submit(1, 3, price=99), assumed=costs)
    notional = [2 * 101 * TICK_VALUE, 3 * 99 * TICK_VALUE]
    assert played.records["fee"].tolist() == [notional[0] * 5 // 10_000, notional[1] // 10_000]


def test_positions_pay_what_comes_due_while_they_are_held():
    due = charges((START + 500 * MS, 0, 10**6, 0), (START + 1_500 * MS, 0, 10**6, 0), (START + 2_500 * MS, 0, 10**6, 1))
    played = play(on(trade(1_200, 100, 1)), submit(1, 4), due=due)
    assert played.account[0]["charges"] == 4 * 100 * TICK_VALUE // 1_000
    assert played.desk[0]["charges"] == played.account[0]["charges"]


def test_equity_is_taken_at_whole_intervals_and_marks_at_the_last_trade():
    clocks = Clocks(wake=SECOND, sample=2 * SECOND)
    ticks = on(trade(1_500, 103, 1), trade(4_000, 105, 1))
    played = play(ticks, submit(1, 4), capital=10**12, clocks=clocks)
    assert ((sample_times(ticks, clocks) - START) // MS).tolist() == [0, 2_000, 4_000, 6_000, 8_000]
    gained = [0, 4 * 2, 4 * 4, 4 * 4, 4 * 4]
    assert played.floor.track[:, 0].tolist() == [10**12 + ticks * TICK_VALUE for ticks in gained]
    assert played.floor.track[:, 1].tolist() == [10**12] + [10**12 - 4 * 101 * TICK_VALUE] * 4


def test_an_account_is_refused_what_it_cannot_carry():
    ticks = on(trade(500, 100, 1))
    capital = 10 * 100 * TICK_VALUE
    assert sum(lots for _, lots, _ in play(ticks, submit(1, 10), capital=capital).fills) == 10
    refused = play(ticks, submit(1, 11), capital=capital)
    assert (refused.fills, refused.ended["reason"].tolist()) == ([], [Refusal.NO_MARGIN])


def test_where_the_margin_is_gone_all_is_closed_against_the_book():
    assumed = Assumptions(margin=0.1, maintenance=0.05)
    ticks = on(trade(500, 100, 1), trade(2_000, 97, 1), trade(2_500, 93, 1), trade(3_000, 90, 1))
    played = play(ticks, submit(1, 10), submit(4, 1, price=97), capital=100 * TICK_VALUE, assumed=assumed)
    # Bought at 101 and 102; 93 leaves 100 - 85 = 15 ticks, less than a twentieth of 930.
    assert played.fills == [(1_000, 5, 101), (1_000, 5, 102), (2_500, -5, 99), (2_500, -5, 98)]
    assert played.desk[0]["positions"]["lots"][0] == 0
    assert len(set(played.records["order"].tolist())) == 2
    assert played.desk[0]["orders"]["id"][0] == 3


# More than one instrument; the log.


def test_instruments_have_books_orders_and_wakes_of_their_own():
    both = tape(BOOK, book(0, [(49, 5)], [(51, 5)], 1), trade(1_500, 48, 1, SELL, 1), END)
    played = play(both, submit(1, 2, price=49, instrument=1), submit(1, 1))
    assert played.fills == [(1_000, 1, 101), (1_500, 2, 49)]
    assert played.records["instrument"].tolist() == [0, 1]
    asks = [(note["instrument"], note["ask"]) for note in played.told(EventKind.CLOCK)[:2]]
    assert asks == [(0, 1.01), (1, 0.51)]


def test_each_fill_names_the_tick_it_traded_on():
    played = play(on(trade(1_500, 98, 1, SELL)), submit(1, 2), submit(1, 3, price=99))
    assert played.records["row"].tolist() == [5, 6]


def test_a_run_whose_log_is_full_says_so():
    ticks = on(*(trade(1_500 + nth, 98, 1, SELL) for nth in range(3_000)))
    script = Script(
        np.concatenate([submit(1, 1, price=99, tag=1), submit(1, 1, price=99, tag=1, on=EventKind.FILL)]), 0
    )
    desk, account = (open_desk(grid(), capital=10**15, unit=1e-8) for _ in range(2))
    seat = Seat(desk[0], new_log(10), np.zeros(1, EVENT)[0])
    place = Place(venue_of(Assumptions(), [FeeSchedule()])[0], charges())
    run = engine_for(build, SCRIPTED)
    floor = open_floor(ticks, account[0], Clocks(wake=SECOND))
    assert not run(script, np.zeros(state_size(script)), seat, place, ticks, floor)


# Laws.


@st.composite
def tapes(draw):
    """A book around 100 and whatever happens to it, crossing included."""
    ticks, at = [BOOK], 0
    for _ in range(draw(st.integers(0, 40))):
        at += draw(st.sampled_from([0, 1, 130, 700]))
        price, lots = draw(st.integers(94, 106)), draw(st.integers(0, 9))
        match draw(st.integers(0, 9)):
            case 0:
                ticks.append(book(at, [(price - 1, 3), (price - 3, 2)], [(price + 1, 2), (price + 2, 4)]))
            case kind if kind < 5:
                ticks.append(level(at, draw(st.sampled_from([BID, ASK])), price, lots))
            case _:
                ticks.append(trade(at, price, lots + 1, draw(st.sampled_from([BUY, SELL, UNKNOWN]))))
    return tape(*ticks, level(at + 5_000, BID, 90, 1), latency=draw(st.sampled_from([0, 40])), closes=(2_500,))


@st.composite
def scripts(draw):
    """Orders of every kind, at wakes and on fills and ends, and cancels."""
    plays = []
    for tag in range(1, draw(st.integers(1, 10)) + 1):
        at, lots = draw(st.integers(1, 6)), draw(st.sampled_from([1, 2, 5, 9])) * draw(st.sampled_from([1, -1]))
        terms = {
            "kind": draw(st.sampled_from(list(Kind))),
            "tif": draw(st.sampled_from(list(TimeInForce))),
            "flags": draw(st.sampled_from([0, 0, Flag.POST_ONLY, Flag.REDUCE_ONLY, 3])),
            "price": draw(st.integers(94, 106)),
            "trigger": draw(st.integers(94, 106)),
            "lasts": draw(st.sampled_from([1, 700])) * MS,
            "group": draw(st.integers(0, 2)),
            "grouping": draw(st.sampled_from([Grouping.NONE, Grouping.NONE, Grouping.OCO, Grouping.LEGS])),
            "tag": tag,
        }
        if draw(st.integers(0, 4)) == 0:
            terms["on"], at = draw(st.sampled_from([EventKind.FILL, EventKind.CLOSED])), draw(st.integers(1, 5))
        plays.append(submit(at, lots, **terms))
        if draw(st.integers(0, 2)) == 0:
            plays.append(cancel(draw(st.integers(2, 6)), draw(st.integers(1, tag))))
    return plays


MARKETS = st.builds(
    late,
    st.sampled_from([0, 90]),
    st.sampled_from([0, 60]),
    queue=st.sampled_from(["risk_averse", "share", "log", "power"]),
    partial_fills=st.booleans(),
    costs=st.just(FEES),
)


@settings(deadline=None, max_examples=100)
@given(tapes(), scripts(), MARKETS)
def test_money_is_conserved_and_nothing_trades_outside_the_book(ticks, plays, assumed):
    played = play(ticks, *plays, assumed=assumed, clocks=Clocks(wake=SECOND, sample=SECOND))
    assert conserves(played.account)
    assert conserves(played.desk)
    _require_fills_in_the_book(ticks, played)
    orders = {int(one["id"]): one for one in played.ended if one["id"]}
    assert len(orders) == sum(1 for one in played.ended if one["id"])
    working = played.account[0]["orders"][: played.account[0]["working"][()]]
    orders |= {int(one["id"]): one for one in working}
    for number, order in orders.items():
        own = played.records[played.records["order"] == number]
        assert own["lots"].sum() == order["filled"]
        assert (np.sign(own["lots"]) == np.sign(order["lots"])).all()
        assert abs(order["filled"]) <= abs(order["lots"])
        assert (own["ts"] >= order["ts_effective"]).all()
        if order["kind"] in (Kind.LIMIT, Kind.STOP_LIMIT):
            assert (np.sign(order["lots"]) * (order["price"] - own["price"]) >= 0).all()
            assert (own["price"][own["maker"] == 1] == order["price"]).all()
        else:
            assert not own["maker"].any()


def _require_fills_in_the_book(ticks, played):
    """Every taker's fill is at the best price of a book kept in dictionaries, and no more than there is."""
    levels, row = {BID: {}, ASK: {}}, 0
    for fill in played.records:
        while row <= fill["row"]:
            _apply(levels, ticks.ticks[row])
            row += 1
        if not fill["maker"]:
            other = levels[ASK] if fill["lots"] > 0 else levels[BID]
            best = min(other) if fill["lots"] > 0 else max(other)
            assert fill["price"] == best
            assert abs(fill["lots"]) <= other[best]
            other[best] -= abs(fill["lots"])
            if not other[best]:
                del other[best]


def _apply(levels, tick):
    if tick["kind"] != LEVEL:
        return
    if tick["flags"] & CLEARS:
        levels[BID].clear()
        levels[ASK].clear()
    side, price, lots = int(tick["side"]), int(tick["price"]), int(tick["lots"])
    levels[side].pop(price, None)
    if lots:
        levels[side][price] = lots
        for crossed in [at for at in levels[-side] if side * (price - at) >= 0]:
            del levels[-side][crossed]


@settings(deadline=None, max_examples=30)
@given(tapes(), scripts())
def test_what_is_known_in_the_end_is_what_is_so(ticks, plays):
    played = play(ticks, *plays, assumed=Assumptions(costs=FEES))
    assume(played.log.tally["told_ended"] == played.log.tally["ended"])  # what it answers last is never told
    desk, account = played.desk[0], played.account[0]
    assert [desk[name] for name in ("cash", "working")] == [account[name] for name in ("cash", "working")]
    for name in ("lots", "cost", "realised", "fees"):
        assert (desk["positions"][name] == account["positions"][name]).all()


@settings(deadline=None, max_examples=30)
@given(tapes(), scripts(), MARKETS)
def test_a_run_made_again_gives_the_same_bytes(ticks, plays, assumed):
    first, again = (play(ticks, *plays, assumed=assumed) for _ in range(2))
    for name in ("log", "desk", "account", "memory"):
        one, other = getattr(first, name), getattr(again, name)
        both = zip(one, other, strict=True) if name == "log" else [(one, other)]
        assert all(a.tobytes() == b.tobytes() for a, b in both)
