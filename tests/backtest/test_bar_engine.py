"""The conventions of bar mode, each on bars made by hand, and laws over random scripts on random bars."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa._scripted import MINUTE, START, TICK_VALUE, bars, cancel, charges, merged, play, submit
from tickline.backtest.assumptions import Assumptions, Costs
from tickline.execution.accounting import conserves
from tickline.execution.orders import Refusal, Status
from tickline.signals.desk import EventKind, Flag, Grouping, Kind, TimeInForce

FLAT = (100, 100, 100, 100)
TAKE_PROFIT = {"kind": Kind.TAKE_PROFIT}
ON_FILL = {"on": EventKind.FILL}
THROUGH = Assumptions(limit_fill="through")


def fees(taker=0, maker=0, **costs):
    return Assumptions(costs=Costs(taker_bps=Decimal(taker), maker_bps=Decimal(maker), **costs))


def makers(played):
    return [bool(maker) for maker in played.records["maker"]]


# 1. At the open: what came due, what arrived.


@pytest.mark.parametrize(("latency_ms", "row"), [(0, 1), (1, 2), (60_000, 2), (60_001, 3)])
def test_an_order_takes_part_in_the_first_bar_that_opens_at_or_after_its_arrival(latency_ms, row):
    played = play(bars(*[FLAT] * 5), submit(0, 1, tag=1), assumed=Assumptions(order_latency_ms=latency_ms))
    assert played.fills == [(row, 1, 100)]
    assert played.ended["ts_effective"][0] >= START + MINUTE + latency_ms * 1_000_000


@pytest.mark.parametrize(
    ("lots", "price", "is_refused"), [(1, 100, True), (1, 101, True), (1, 99, False), (-1, 100, True), (-1, 101, False)]
)
def test_a_post_only_order_is_refused_where_the_open_it_arrives_at_would_fill_it(lots, price, is_refused):
    wide = (100, 110, 90, 100)
    played = play(bars(FLAT, wide), submit(0, lots, price=price, flags=Flag.POST_ONLY, tag=1))
    reasons = [Refusal(one["reason"]) for one in played.ended if one["status"] == Status.REJECTED]
    assert reasons == ([Refusal.WOULD_TAKE] if is_refused else [])
    assert played.fills == ([] if is_refused else [(1, lots, price)])
    assert all(makers(played))


# 2. At the open: what trades there.


@pytest.mark.parametrize("lots", [3, -3])
def test_a_market_order_trades_at_the_next_open(lots):
    assert play(bars(FLAT, (104, 110, 95, 97), FLAT), submit(0, lots)).fills == [(1, lots, 104)]


@pytest.mark.parametrize(
    ("lots", "trigger", "opened", "traded"),
    [(3, 105, 108, 108), (3, 105, 105, 105), (-3, 95, 92, 92), (-3, 95, 95, 95)],
)
def test_a_stop_the_open_jumped_trades_at_the_open(lots, trigger, opened, traded):
    market = bars(FLAT, FLAT, (opened, opened + 5, opened - 5, opened))
    assert play(market, submit(0, lots, trigger=trigger)).fills == [(2, lots, traded)]


@pytest.mark.parametrize(("lots", "price", "opened"), [(3, 95, 92), (-3, 105, 108), (3, 95, 95), (-3, 105, 105)])
def test_a_resting_limit_the_open_passed_trades_at_the_open_as_a_maker(lots, price, opened):
    played = play(bars(FLAT, FLAT, (opened,) * 4), submit(0, lots, price=price))
    assert (played.fills, makers(played)) == ([(2, lots, opened)], [True])


@pytest.mark.parametrize(("lots", "trigger", "opened"), [(-3, 105, 108), (3, 95, 92)])
def test_a_take_profit_the_open_passed_trades_at_the_open_as_a_taker(lots, trigger, opened):
    played = play(bars(FLAT, FLAT, (opened,) * 4), submit(0, lots, trigger=trigger, **TAKE_PROFIT))
    assert (played.fills, makers(played)) == ([(2, lots, opened)], [False])


def test_a_limit_that_could_trade_when_it_arrives_takes_at_the_open_also_after_a_pause():
    for pause in (0, 5 * MINUTE):
        market = merged(bars(FLAT), bars(FLAT, FLAT, start=START + MINUTE + pause))
        played = play(market, submit(0, 3, price=103))
        assert (played.fills, makers(played)) == ([(1, 3, 100)], [False])


def test_what_only_touches_a_resting_limit_at_the_open_does_not_fill_it_where_it_has_to_be_traded_through():
    market = bars(FLAT, FLAT, (95, 99, 95, 99), (96, 99, 94, 99))
    assert play(market, submit(0, 3, price=95), assumed=THROUGH).fills == [(3, 3, 95)]
    assert play(market, submit(0, 3, price=95)).fills == [(2, 3, 95)]
    assert play(market, submit(1, 3, price=95), assumed=THROUGH).fills == [(2, 3, 95)]  # it takes as it arrives


def test_a_stop_limit_the_open_jumped_trades_there_where_its_price_allows():
    terms = {"trigger": 105, "price": 107}
    near = play(bars(FLAT, FLAT, (106, 109, 104, 105)), submit(0, 3, **terms))
    assert (near.fills, makers(near)) == ([(2, 3, 106)], [False])
    far = play(bars(FLAT, FLAT, (108, 109, 107, 108)), submit(0, 3, **terms))
    assert (far.fills, makers(far)) == ([(2, 3, 107)], [True])
    never = play(bars(FLAT, FLAT, (108, 109, 108, 108)), submit(0, 3, **terms))
    assert never.fills == []


# 3. Within the bar.


@pytest.mark.parametrize(("lots", "trigger"), [(3, 105), (-3, 95)])
def test_a_stop_the_bar_reaches_trades_at_its_trigger(lots, trigger):
    played = play(bars(FLAT, FLAT, (100, 105, 95, 100)), submit(0, lots, trigger=trigger))
    assert (played.fills, makers(played)) == ([(2, lots, trigger)], [False])
    assert play(bars(FLAT, FLAT, (100, 104, 96, 100)), submit(0, lots, trigger=trigger)).fills == []


@pytest.mark.parametrize(("lots", "price"), [(3, 95), (-3, 105)])
def test_a_limit_the_bar_reaches_trades_at_its_price(lots, price):
    touched, missed = bars(FLAT, (100, 105, 95, 100)), bars(FLAT, (100, 104, 96, 100))
    beyond = bars(FLAT, (100, 106, 94, 100))
    played = play(touched, submit(0, lots, price=price))
    assert (played.fills, makers(played)) == ([(1, lots, price)], [True])
    assert play(missed, submit(0, lots, price=price)).fills == []
    assert play(touched, submit(0, lots, price=price), assumed=THROUGH).fills == []
    assert play(beyond, submit(0, lots, price=price), assumed=THROUGH).fills == [(1, lots, price)]


@pytest.mark.parametrize(("lots", "trigger"), [(3, 95), (-3, 105)])
def test_a_take_profit_the_bar_reaches_trades_at_its_trigger_as_a_taker(lots, trigger):
    played = play(bars(FLAT, (100, 105, 95, 100)), submit(0, lots, trigger=trigger, **TAKE_PROFIT))
    assert (played.fills, makers(played)) == ([(1, lots, trigger)], [False])


def test_stops_come_before_limits_and_take_profits_whichever_was_sent_first():
    played = play(
        bars(FLAT, FLAT, (100, 110, 90, 100)),
        submit(0, 1, tag=9),
        submit(0, -1, price=105, tag=1),
        submit(0, -1, trigger=106, tag=2, **TAKE_PROFIT),
        submit(0, -1, trigger=95, tag=3),
    )
    assert [(fill["tag"], fill["price"]) for fill in played.records] == [(9, 100), (3, 95), (1, 105), (2, 106)]


def test_a_stop_limit_triggered_within_a_bar_may_trade_from_the_next_on():
    market = bars(FLAT, FLAT, (100, 106, 99, 106), (106, 108, 103, 105))
    played = play(market, submit(0, 3, trigger=105, price=105))
    assert (played.fills, makers(played)) == ([(3, 3, 105)], [True])
    at_once = play(bars(FLAT, FLAT, (100, 106, 99, 104), (104,) * 4), submit(0, 3, trigger=105, price=105))
    assert (at_once.fills, makers(at_once)) == ([(3, 3, 104)], [False])


def test_a_post_only_stop_limit_that_would_take_once_it_is_triggered_is_cancelled():
    terms = {"trigger": 105, "price": 105, "flags": Flag.POST_ONLY}
    market = bars(FLAT, FLAT, (100, 106, 99, 104), (104,) * 4)
    played = play(market, submit(0, 3, **terms))
    assert (played.fills, played.ended["status"].tolist()) == ([], [Status.CANCELLED])
    rests = bars(FLAT, FLAT, (100, 106, 99, 106), (106, 108, 103, 105))
    assert makers(play(rests, submit(0, 3, **terms))) == [True]


@pytest.mark.parametrize(
    ("terms", "price"),
    [
        ({"trigger": 97}, 97),
        ({"trigger": 103, **TAKE_PROFIT}, 103),
        ({"price": 103}, 103),
        ({"trigger": 102}, 100),  # already passed when it was asked for
        ({"trigger": 98, **TAKE_PROFIT}, 100),
        ({"price": 98}, 100),
    ],
)
def test_what_a_fill_at_the_open_asked_for_takes_part_in_the_rest_of_the_bar(terms, price):
    played = play(bars(FLAT, (100, 103, 97, 100), FLAT), submit(0, 5, tag=1), submit(1, -5, tag=2, **terms, **ON_FILL))
    assert played.fills == [(1, 5, 100), (1, -5, price)]


def test_a_market_order_asked_for_on_a_fill_at_the_open_waits_for_the_next():
    market = bars(FLAT, (100, 110, 90, 95), (96,) * 4)
    assert play(market, submit(0, 5, tag=1), submit(1, -5, **ON_FILL)).fills == [(1, 5, 100), (2, -5, 96)]


def test_what_a_fill_within_the_bar_asked_for_takes_part_from_the_next_bar_on():
    market = bars(FLAT, (100, 110, 90, 95), (96, 99, 96, 96))
    played = play(market, submit(0, 5, price=95, tag=1), submit(1, -5, price=98, tag=2, **ON_FILL))
    assert played.fills == [(1, 5, 95), (2, -5, 98)]


# 4. At the close.


def test_at_the_close_a_market_order_trades_at_the_close_it_was_asked_for_on_and_others_wait():
    market = bars((100, 101, 99, 101), (103, 110, 95, 97), FLAT)
    closing = Assumptions(fill_at="close")
    played = play(
        market, submit(0, 3, tag=1), submit(0, -3, price=105, tag=2), submit(1, 1, tag=3, **ON_FILL), assumed=closing
    )
    assert [(fill["row"], fill["tag"], fill["price"]) for fill in played.records] == [
        (0, 1, 101),
        (1, 3, 103),
        (1, 2, 105),
    ]


def test_at_the_close_both_legs_of_two_instruments_trade_at_the_close_they_were_asked_for_on():
    market = merged(bars(FLAT, (103,) * 4), bars((50,) * 4, (51,) * 4, instrument=1))
    for asked in (0, 1):
        played = play(market, submit(asked, 3), submit(asked, -2, instrument=1), assumed=Assumptions(fill_at="close"))
        assert [(fill["ts"], fill["price"]) for fill in played.records] == [(START + MINUTE, 100), (START + MINUTE, 50)]
        assert played.track[1, 0] == 10**15


def test_at_the_close_nothing_trades_that_was_asked_for_earlier_and_is_on_its_way():
    market = merged(bars(FLAT), bars(*[(101,) * 4] * 3, start=START + 2 * MINUTE), bars(*[FLAT] * 5, instrument=1))
    assumed = Assumptions(fill_at="close", order_latency_ms=120_001)
    played = play(market, submit(2, 3), assumed=assumed)  # on the second bar of the other, while this one has none
    assert [(fill["ts"], fill["price"]) for fill in played.records] == []
    at_once = play(market, submit(2, 3), assumed=Assumptions(fill_at="close"))
    assert [(fill["ts"], fill["price"]) for fill in at_once.records] == [(START + 2 * MINUTE, 101)]


def test_what_traded_in_part_at_a_close_goes_on_at_the_next_open_whatever_the_latency():
    late = Assumptions(fill_at="close", participation=0.5, order_latency_ms=90_000)
    played = play(bars(*[FLAT] * 3, volume=10), submit(0, 8), assumed=late)
    assert played.fills == [(0, 5, 100), (1, 3, 100)]
    assert played.ended["ts_effective"].tolist() == [START + MINUTE]


def test_at_the_close_orders_have_what_the_bar_left_of_their_share_of_the_volume():
    market = bars(FLAT, FLAT, FLAT, volume=10)
    part = Assumptions(fill_at="close", participation=0.5)
    assert play(market, submit(0, 8), assumed=part).fills == [(0, 5, 100), (1, 3, 100)]
    both = play(market, submit(0, 3, price=100), submit(1, 9, price=0, kind=Kind.MARKET), assumed=part)
    assert both.fills == [(1, 3, 100), (1, 2, 100), (2, 5, 100)]


def test_after_trading_at_the_close_the_position_is_worth_the_close():
    costly = Assumptions(fill_at="close", costs=Costs(slippage_ticks=2))
    played = play(bars(FLAT, FLAT), submit(0, 3), assumed=costly)
    assert (played.track[:, 0] - 10**15).tolist() == [-6 * TICK_VALUE] * 2


def test_equity_after_each_row_is_cash_and_positions_at_the_last_price():
    market = bars((100, 101, 99, 101), (103, 110, 95, 97), (97, 99, 90, 92))
    played = play(market, submit(0, 3))
    cash = 10**15 - 3 * 103 * TICK_VALUE
    worth = [3 * close * TICK_VALUE for close in (97, 92)]
    assert played.track.tolist() == [[10**15, 10**15], [cash + worth[0], cash], [cash + worth[1], cash]]


# Asks and bids, slippage, impact, participation, fees.


def test_buys_look_at_the_asks_and_sells_at_the_bids():
    market = bars(FLAT, (100, 102, 98, 100), spread=2)
    played = play(
        market,
        submit(0, 1, tag=1),
        submit(0, -1, tag=2),
        submit(0, 1, price=100, tag=3),
        submit(0, 1, price=99, tag=4),
        submit(0, -1, price=103, tag=5),
        submit(0, 1, trigger=104, tag=6),
        submit(0, -1, trigger=98, tag=7),
    )
    assert sorted((fill["tag"], fill["price"]) for fill in played.records) == [
        (1, 102),
        (2, 100),
        (3, 100),
        (6, 104),
        (7, 98),
    ]
    assert played.account["positions"]["mark"][0] == 101


def test_slippage_moves_what_takes_against_it_also_beyond_the_bar_and_leaves_makers_alone():
    """Two ticks and 1 % of the price, rounded up to a tick."""
    asked = [submit(0, 1, tag=1), submit(0, -1, tag=2), submit(0, 1, trigger=105, tag=3), submit(0, 1, price=95, tag=4)]
    played = play(bars(FLAT, (100, 105, 95, 100)), *asked, assumed=fees(slippage_ticks=2, slippage_bps=Decimal(100)))
    assert sorted((fill["tag"], fill["price"]) for fill in played.records) == [(1, 103), (2, 97), (3, 109), (4, 95)]


@pytest.mark.parametrize("lots", [1, 4, 25, -25])
def test_impact_grows_with_the_root_of_the_share_of_the_volume(lots):
    price = 10_000
    market = bars((price,) * 4, (price,) * 4, volume=100)
    (fill,) = play(market, submit(0, lots), assumed=fees(impact_bps=50.0)).fills
    moved = math.ceil(price * 0.005 * math.sqrt(abs(lots) / 100) - 1e-9)
    assert fill == (1, lots, price + moved if lots > 0 else price - moved)


def test_the_impact_of_an_order_that_may_only_reduce_is_that_of_what_trades():
    price = 10_000
    market = bars(*[(price,) * 4] * 4, volume=100)
    played = play(market, submit(0, 4), submit(1, -25, flags=Flag.REDUCE_ONLY), assumed=fees(impact_bps=50.0))
    assert played.fills == [(1, 4, 10_010), (2, -4, 9_990)]


def test_an_order_is_filled_over_as_many_bars_as_its_share_of_their_volume_takes():
    market = bars(FLAT, (101,) * 4, (102,) * 4, (103,) * 4, volume=10)
    played = play(market, submit(0, 7), assumed=Assumptions(participation=0.35))
    assert played.fills == [(1, 3, 101), (2, 3, 102), (3, 1, 103)]
    assert [note["lots"] for note in played.notes if note["kind"] == EventKind.FILL] == [3, 3, 1]


@pytest.mark.parametrize(
    ("terms", "reached"),
    [({"trigger": 105}, (100, 106, 100, 106)), ({"trigger": 95, **TAKE_PROFIT}, (100, 100, 94, 94))],
)
def test_what_was_triggered_and_did_not_trade_whole_trades_on_at_the_market(terms, reached):
    market = bars(FLAT, FLAT, reached, (100,) * 4, (101,) * 4, volume=10)
    played = play(market, submit(0, 7, **terms), assumed=Assumptions(participation=0.3))
    assert played.fills == [(2, 3, terms["trigger"]), (3, 3, 100), (4, 1, 101)]


@pytest.mark.parametrize(("share", "fills"), [(None, [(1, 25, 100)]), (1.0, [(1, 10, 100), (2, 10, 100), (3, 5, 100)])])
def test_an_order_may_be_more_than_a_bars_volume_only_where_nothing_is_said_of_it(share, fills):
    market = bars(FLAT, FLAT, FLAT, FLAT, volume=10)
    assert play(market, submit(0, 25), assumed=Assumptions(participation=share)).fills == fills


def test_orders_share_what_there_is_of_the_volume_oldest_first():
    market = bars(FLAT, FLAT, FLAT, volume=10)
    played = play(market, submit(0, 3, tag=1), submit(0, -4, tag=2), assumed=Assumptions(participation=0.5))
    assert [(fill["tag"], fill["lots"]) for fill in played.records] == [(1, 3), (2, -2), (2, -2)]


def test_a_fill_is_charged_by_whether_it_made_its_price():
    assumed = fees(taker=5, maker=-1)
    played = play(
        bars(FLAT, (100, 110, 90, 100)), submit(0, 4, tag=1), submit(0, -2, price=105, tag=2), assumed=assumed
    )
    paid = {int(fill["tag"]): int(fill["fee"]) for fill in played.records}
    assert paid == {1: 4 * 100 * TICK_VALUE * 5 // 10_000, 2: -2 * 105 * TICK_VALUE // 10_000}
    assert played.account["positions"]["fees"][0] == sum(paid.values())
    assert conserves(played.desk)


# Charges and liquidation.


@pytest.mark.parametrize(("shorts_only", "lots", "sign"), [(0, 3, 1), (0, -3, -1), (1, 3, 0), (1, -3, 1)])
def test_what_is_due_is_paid_on_what_is_held_by_longs_or_by_shorts_alone(shorts_only, lots, sign):
    due = charges((START + 2 * MINUTE + 1, 0, 1_000_000, shorts_only))
    played = play(bars(FLAT, FLAT, (100, 110, 100, 110), FLAT), submit(0, lots), due=due)
    paid = sign * 3 * 100 * TICK_VALUE // 1_000
    assert played.account["charges"] == paid
    assert np.diff(played.track[:, 1]).tolist() == [-lots * 100 * TICK_VALUE, -paid, 0]
    assert conserves(played.desk)


@pytest.mark.parametrize(
    ("after", "is_paid"), [(2 * MINUTE - 1, False), (2 * MINUTE, True), (3 * MINUTE - 1, True), (3 * MINUTE, False)]
)
def test_a_charge_falls_on_what_is_held_when_the_bar_it_is_due_in_closes(after, is_paid):
    due = charges((START + after, 0, 1_000_000, 0))
    played = play(bars(*[FLAT] * 6), submit(1, 3), submit(2, -3), due=due)
    assert (played.account["charges"] != 0) == is_paid


def test_a_second_timeframe_changes_no_charge():
    base = bars(*[FLAT] * 6)
    longer = bars(FLAT, FLAT, every=3 * MINUTE, stream=1)
    due = charges(*((START + nth * MINUTE + 1, 0, 1_000_000, 0) for nth in range(6)))
    alone = play(base, submit(1, 3), due=due)
    both = play(merged(base, longer), submit(1, 3), due=due)
    assert alone.account["charges"] == both.account["charges"] != 0


def test_a_position_equity_does_not_carry_is_closed_at_the_close_and_the_strategy_is_told_before_the_bar():
    market = bars(FLAT, FLAT, (100, 100, 50, 52), (60,) * 4)
    assumed = Assumptions(margin=0.5, maintenance=0.5)
    played = play(market, submit(0, 15, tag=1), capital=1_000 * TICK_VALUE, assumed=assumed)
    assert played.fills == [(1, 15, 100), (2, -15, 52)]
    last = [(note["kind"], note["lots"], note["held"]) for note in played.notes[-3:]]
    assert last == [(EventKind.FILL, -15, 0), (EventKind.BAR, 0, 0), (EventKind.BAR, 0, 0)]


def test_a_position_that_is_just_carried_stays():
    market = bars(FLAT, FLAT, (100, 100, 50, 50))
    assumed = Assumptions(margin=0.5, maintenance=0.5)
    # 15 lots bought at 100 and worth 750: half of that is what is left of 1125.
    assert len(play(market, submit(0, 15), capital=1_125 * TICK_VALUE, assumed=assumed).fills) == 1
    assert len(play(market, submit(0, 15), capital=1_125 * TICK_VALUE - 1, assumed=assumed).fills) == 2


def test_after_a_position_was_closed_its_price_is_the_close_again():
    assumed = Assumptions(margin=0.5, maintenance=0.5, costs=Costs(slippage_ticks=3))
    played = play(bars(FLAT, FLAT, (100, 100, 50, 52)), submit(0, 15), capital=1_000 * TICK_VALUE, assumed=assumed)
    assert played.fills == [(1, 15, 103), (2, -15, 49)]
    assert played.account["positions"]["mark"][0] == 52


def test_maintenance_is_of_all_positions_together():
    market = merged(*(bars(FLAT, FLAT, (100, 100, 60, 60), instrument=nth) for nth in range(2)))
    assumed = Assumptions(margin=0.5, maintenance=0.5)
    played = play(market, submit(1, 10), submit(1, 10, instrument=1), capital=1_300 * TICK_VALUE, assumed=assumed)
    assert sorted((fill[1], fill[2]) for fill in played.fills) == [(-10, 60), (-10, 60), (10, 100), (10, 100)]


def test_closing_a_position_trades_no_order_that_is_on_its_way():
    market = bars(FLAT, FLAT, FLAT, (100, 100, 50, 50), *[(50,) * 4] * 3)
    assumed = Assumptions(margin=0.5, maintenance=0.5, order_latency_ms=60_001)
    played = play(market, submit(0, 15), submit(2, 1), capital=1_000 * TICK_VALUE, assumed=assumed)
    assert played.fills == [(3, 15, 100), (3, -15, 50), (5, 1, 50)]


# Two instruments, two timeframes.


def test_orders_of_two_instruments_meet_their_own_bars():
    market = merged(bars(FLAT, (110,) * 4, (120,) * 4), bars((50,) * 4, (51,) * 4, (52,) * 4, instrument=1))
    played = play(market, submit(1, 1), submit(1, 2, instrument=1), submit(2, 3, instrument=1))
    assert [(fill["instrument"], fill["lots"], fill["price"]) for fill in played.records] == [
        (0, 1, 110),
        (1, 2, 51),
        (1, 3, 52),
    ]


def test_the_positions_are_all_marked_before_the_strategy_sees_the_first_bar_of_a_close():
    market = merged(bars(FLAT, FLAT, (110,) * 4), bars((50,) * 4, (50,) * 4, (60,) * 4, instrument=1))
    played = play(market, submit(1, 1), submit(1, 2, instrument=1))
    equities = [note["equity"] for note in played.notes if note["kind"] == EventKind.BAR]
    assert equities == [10**15] * 4 + [10**15 + 30 * TICK_VALUE] * 2


def test_what_is_asked_on_a_bar_of_one_instrument_trades_in_no_bar_of_another_that_had_begun():
    """Neither what was asked then nor what is asked on hearing of it."""
    long = bars(FLAT, (100, 150, 50, 100), (100, 150, 50, 100), every=5 * MINUTE, instrument=1)
    market = merged(bars(*[FLAT] * 15), long)
    played = play(
        market,
        submit(6, 0, tag=5),  # refused, and told when the long bar meets its orders
        submit(2, 1, instrument=1, price=60, tag=1),
        submit(5, 1, instrument=1, price=70, tag=2, on=EventKind.CLOSED),
    )
    opens = market.bars["ts_open"]
    sent = {int(one["id"]): int(one["ts_sent"]) for one in played.ended}
    assert len(played.fills) == 2
    assert all(sent[int(fill["order"])] <= opens[fill["row"]] for fill in played.records)


def test_what_it_asks_for_in_answer_to_an_end_and_is_refused_is_told_the_next_time_it_is_told_anything():
    market = bars(*[(100,) * 4] * 4)
    plays = submit(1, 0, tag=5), submit(5, 0, tag=5, on=EventKind.CLOSED)
    told = [(note["ts"] - START) // MINUTE for note in play(market, *plays).notes if note["kind"] == EventKind.CLOSED]
    assert told == [2, 3, 3, 4]


def test_a_longer_bar_is_seen_once_it_closed_and_before_the_shorter_one_of_the_same_close():
    short = bars(*[(100 + nth,) * 4 for nth in range(6)])
    long = bars((100, 102, 100, 102), (103, 105, 103, 105), every=3 * MINUTE, stream=1)
    seen = [(note["stream"], note["ts"]) for note in play(merged(short, long)).notes]
    at = [(0, 1), (0, 2), (1, 3), (0, 3), (0, 4), (0, 5), (1, 6), (0, 6)]
    assert seen == [(stream, START + minutes * MINUTE) for stream, minutes in at]


def test_orders_meet_no_bar_of_a_longer_timeframe():
    short = bars(FLAT, FLAT, FLAT)
    long = bars((100, 200, 1, 100), every=3 * MINUTE, stream=1)
    assert play(merged(short, long), submit(0, 1, price=50), submit(0, 1, trigger=150)).fills == []


def test_a_script_that_is_refused_everything_for_ever_fills_the_log_and_nothing_else():
    market = bars(*[FLAT] * 3_000)
    with pytest.raises(AssertionError, match="the log is full"):
        play(market, *(submit(nth, 0) for nth in range(3_000)), entries=10)
    played = play(market, *(submit(nth, 0) for nth in range(3_000)), entries=3_000)
    assert played.ended.size == 3_000


# Laws.

_prices = st.lists(st.tuples(*[st.integers(90, 110)] * 4), min_size=2, max_size=12)
_KINDS = st.sampled_from(list(Kind))


@st.composite
def _markets(draw):
    """Bars of one to three instruments, of different lengths, with or without a longer timeframe."""
    parts = []
    for nth in range(draw(st.integers(1, 3))):
        rows = [(one[0], max(one), min(one), one[1]) for one in draw(_prices)]
        pause = draw(st.integers(0, 3)) * MINUTE
        every = draw(st.sampled_from([1, 1, 2, 3])) * MINUTE
        parts.append(
            bars(*rows, instrument=nth, start=START + pause, every=every, volume=draw(st.sampled_from([7, 1e9])))
        )
    if draw(st.booleans()):
        parts.append(bars(*[FLAT] * 4, stream=1, every=3 * MINUTE))
    return merged(*parts)


@st.composite
def _plays(draw):
    on = draw(st.sampled_from([EventKind.BAR, EventKind.BAR, EventKind.BAR, EventKind.FILL, EventKind.CLOSED]))
    at = draw(st.integers(0, 20) if on == EventKind.BAR else st.integers(0, 6))
    if draw(st.integers(0, 9)) == 0:
        return cancel(at, draw(st.integers(0, 6)), on=on, instrument=draw(st.integers(0, 2)))
    return submit(
        at,
        draw(st.integers(-9, 9)),
        on=on,
        kind=draw(_KINDS),
        instrument=draw(st.integers(0, 2)),
        price=draw(st.integers(88, 112)),
        trigger=draw(st.integers(88, 112)),
        tif=draw(st.sampled_from(list(TimeInForce))),
        lasts=draw(st.integers(0, 5)) * MINUTE,
        flags=draw(st.sampled_from([0, 0, Flag.POST_ONLY, Flag.REDUCE_ONLY, Flag.POST_ONLY | Flag.REDUCE_ONLY])),
        group=draw(st.integers(1, 2)),
        grouping=draw(st.sampled_from([Grouping.NONE, *Grouping])),
        tag=draw(st.integers(0, 6)),
    )


_assumed = st.builds(
    Assumptions,
    limit_fill=st.sampled_from(["touch", "through"]),
    participation=st.sampled_from([None, 1.0, 0.5]),
    costs=st.builds(Costs, taker_bps=st.sampled_from([Decimal(0), Decimal(7)]), slippage_ticks=st.sampled_from([0, 1])),
    order_latency_ms=st.sampled_from([0.0, 0.0, 1.0]),
    short=st.booleans(),
)
_examples = settings(max_examples=60, deadline=None)  # `qa accounting` and `qa lookahead` take the laws to scale


@_examples
@given(_markets(), st.lists(_plays(), max_size=15), _assumed)
def test_an_order_sent_at_a_time_never_trades_in_a_bar_that_opened_before(market, script, assumed):
    played = play(market, *script, assumed=assumed)
    alive = played.account["orders"][: played.account["working"]]
    sent = {int(one["id"]): int(one["ts_sent"]) for one in [*played.ended, *alive]}
    opens = market.bars["ts_open"]
    assert all(sent[int(fill["order"])] <= opens[fill["row"]] for fill in played.records)


@_examples
@given(_markets(), st.lists(_plays(), max_size=15), _assumed)
def test_what_the_strategy_is_told_never_goes_back_in_time_and_is_told_no_sooner_than_it_happened(
    market, script, assumed
):
    played = play(market, *script, assumed=assumed)
    told = [note["ts"] for note in played.notes]
    assert told == sorted(told)
    fills = [note["ts"] for note in played.notes if note["kind"] == EventKind.FILL]
    assert all(heard >= ts for heard, ts in zip(fills, played.records["ts"], strict=False))


@_examples
@given(_markets(), st.lists(_plays(), max_size=15), _assumed, st.integers(1, 40))
def test_what_comes_later_changes_nothing_before(market, script, assumed, cut):
    ends = np.flatnonzero(np.diff(market.events["ts"]) > 0) + 1
    if ends.size == 0:
        return
    rows = int(ends[min(cut, ends.size) - 1])
    head = play(type(market)(*(part[:rows] for part in market)), *script, assumed=assumed)
    whole = play(market, *script, assumed=assumed)
    assert whole.track[:rows].tolist() == head.track.tolist()
    facts = [
        name for name in head.records.dtype.names if name != "grouping"
    ]  # taken off a leg's fill once it is undone
    assert whole.records[facts][: head.records.size].tolist() == head.records[facts].tolist()
    told = len(head.notes)
    assert repr(whole.notes[:told]) == repr(head.notes)
