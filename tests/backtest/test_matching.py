"""What happens to orders at a venue: groups, reduce-only, ends, refusals, and what the strategy is told of them.

Played in bar mode on flat bars, where prices say nothing.
"""

import pytest

from qa._scripted import MINUTE, START, TICK_VALUE, bars, cancel, merged, play, submit
from tickline.backtest.assumptions import Assumptions
from tickline.execution.orders import Refusal, Status
from tickline.signals.desk import MOST_WORKING, EventKind, Flag, Grouping, Kind, TimeInForce

OCO = {"group": 7, "grouping": Grouping.OCO}
LEGS = {"group": 7, "grouping": Grouping.LEGS}
ON_FILL = {"on": EventKind.FILL}
REDUCES = {"flags": Flag.REDUCE_ONLY}


def flat(count, price=100, **options):
    return bars(*[(price,) * 4] * count, **options)


def two(count, price=100, **options):
    """The same flat bars of two instruments."""
    return merged(*(flat(count, price, instrument=nth, **options) for nth in range(2)))


def ends(played):
    """(tag, status, filled) of what ended, in the order it did."""
    return [(int(one["tag"]), Status(one["status"]), int(one["filled"])) for one in played.ended]


def refused(played):
    return [(int(one["tag"]), Refusal(one["reason"])) for one in played.ended if one["status"] == Status.REJECTED]


def told(played, kind):
    """(tag, minutes since the start) of what it was told."""
    return [(note["tag"], (note["ts"] - START) / MINUTE) for note in played.notes if note["kind"] == kind]


def test_a_fill_of_one_cancels_the_others_of_its_oco_group_and_no_other_order():
    played = play(
        bars((100,) * 4, (100,) * 4, (100, 105, 100, 100), (100, 120, 90, 100)),
        submit(0, 10, tag=1),
        submit(1, -10, price=104, tag=2, **OCO),
        submit(1, -10, trigger=95, tag=3, **OCO),
        submit(1, -10, price=110, tag=4, **OCO | {"group": 8}),
        submit(1, -1, price=115, tag=5),
    )
    assert played.fills == [(1, 10, 100), (2, -10, 104), (3, -10, 110), (3, -1, 115)]
    assert (3, Status.CANCELLED, 0) in ends(played)


def test_where_a_bar_reaches_both_of_an_oco_pair_one_trades():
    played = play(
        bars((100,) * 4, (100,) * 4, (100, 110, 90, 100)),
        submit(0, 10, tag=1),
        submit(1, -10, price=105, tag=2, **OCO),
        submit(1, -10, trigger=95, tag=3, **OCO),
    )
    assert played.fills == [(1, 10, 100), (2, -10, 95)]


def test_part_of_a_fill_cancels_the_others_of_its_oco_group():
    played = play(
        flat(4, volume=4),
        submit(0, 10, price=100, tag=1, **OCO),
        submit(0, 10, price=90, tag=2, **OCO),
        assumed=Assumptions(participation=0.999),
    )
    assert ends(played)[0] == (2, Status.CANCELLED, 0)
    assert played.fills == [(1, 3, 100), (2, 3, 100), (3, 3, 100)]


def test_a_member_of_an_oco_group_that_is_on_its_way_is_cancelled_there():
    played = play(
        bars((100,) * 4, (100, 100, 95, 100), (100,) * 4),
        submit(0, 10, price=95, tag=1, **OCO),
        submit(1, 10, tag=2, **OCO),
    )
    assert played.fills == [(1, 10, 95), (2, 10, 100)]  # asked for after the other had traded: a new order
    gap = merged(flat(3), flat(1, instrument=1), flat(1, instrument=1, start=START + 2 * MINUTE))
    late = play(gap, submit(0, 10, tag=1, **OCO), submit(0, 10, instrument=1, tag=2, **OCO))
    assert late.fills == [(2, 10, 100)]
    assert ends(late) == [(1, Status.FILLED, 10), (2, Status.CANCELLED, 0)]


def test_legs_that_all_trade_stay():
    played = play(
        two(6),
        submit(0, 10, tag=1, **LEGS),
        submit(0, -5, instrument=1, tag=2, **LEGS),
    )
    assert [fill[1] for fill in played.fills] == [10, -5]
    assert played.account["positions"]["lots"][:2].tolist() == [10, -5]


@pytest.mark.parametrize("ending", [{"tif": TimeInForce.IOC}, {"tif": TimeInForce.GTT, "lasts": 2 * MINUTE}])
def test_a_leg_that_ends_unfilled_undoes_one_that_traded(ending):
    played = play(
        two(8),
        submit(0, 10, tag=1, **LEGS),
        submit(0, -5, instrument=1, price=150, tag=2, **LEGS, **ending),
    )
    assert [(fill["instrument"], fill["lots"], fill["tag"]) for fill in played.records] == [(0, 10, 1), (0, -10, 1)]
    assert played.account["positions"]["lots"].any() == 0
    assert played.account["working"] == 0


def test_what_undoes_legs_is_one_order_an_instrument_and_counts_each_fill_once():
    played = play(
        two(10, volume=5),
        submit(0, 3, tag=1, **LEGS),
        submit(0, 6, tag=2, **LEGS),
        submit(0, 4, instrument=1, tag=3, **LEGS),
        submit(0, -5, instrument=1, price=150, tag=4, **LEGS),
        submit(8, 1, instrument=1, tag=5),
        cancel(9, 4, instrument=1),
        assumed=Assumptions(participation=0.9),
    )
    undone = [one for one in played.ended if one["id"] > 5]
    assert sorted((int(one["instrument"]), int(one["lots"])) for one in undone) == [(0, -9), (1, -4)]
    assert played.account["positions"]["lots"][:2].tolist() == [0, 1]


def test_where_a_leg_ends_unfilled_the_others_are_cancelled_and_what_they_traded_in_part_is_undone():
    played = play(
        two(10, volume=4),
        submit(0, 10, tag=1, **LEGS),
        submit(0, -5, instrument=1, price=150, tag=2, **LEGS),
        cancel(3, 2, instrument=1),
        assumed=Assumptions(participation=0.8),
    )
    first = ends(played)[:2]
    assert sorted(first) == [(1, Status.CANCELLED, 3), (2, Status.CANCELLED, 0)]
    assert played.account["positions"]["lots"].any() == 0


def test_of_legs_none_is_sent_where_one_is_refused_wherever_it_stands():
    for legs in [((10, 1), (-10, 2)), ((-10, 2), (10, 1))]:
        played = play(
            two(4),
            *(submit(0, lots, instrument=tag - 1, tag=tag, **LEGS) for lots, tag in legs),
            submit(0, 1, tag=3),
            assumed=Assumptions(short=False),
        )
        assert sorted(refused(played)) == [(1, Refusal.NO_SHORT), (2, Refusal.NO_SHORT)]
        assert [(fill["tag"], fill["lots"]) for fill in played.records] == [(3, 1)]
        assert [tag for tag, _ in told(played, EventKind.CLOSED)] in ([1, 2], [2, 1])


@pytest.mark.parametrize("kind", [{}, {"price": 90}, {"trigger": 110}, {"trigger": 90, "kind": Kind.TAKE_PROFIT}])
def test_a_reduce_only_order_trades_at_most_what_is_held_and_the_rest_is_cancelled(kind):
    """Of each kind, at an open, while another order turns the position round within the same bar."""
    terms = {name: 200 - value if name != "kind" else value for name, value in kind.items()}
    played = play(
        bars((100,) * 4, (100,) * 4, (100,) * 4, (110 if "price" in kind or len(kind) == 2 else 90, 130, 80, 100)),
        submit(0, 5, tag=1),
        submit(2, -12, tag=2, **terms, **REDUCES),
        submit(2, 7, trigger=125, tag=3),
    )
    assert (2, Status.CANCELLED, -5) in ends(played)
    assert played.account["positions"]["lots"][0] == 7


def test_a_reduce_only_order_with_nothing_left_to_reduce_is_cancelled():
    played = play(
        bars((100,) * 4, (100,) * 4, (100,) * 4, (100, 120, 100, 100)),
        submit(0, 5, tag=1),
        submit(1, -5, price=110, tag=2, **REDUCES),
        submit(1, -5, tag=3),
    )
    assert played.fills == [(1, 5, 100), (2, -5, 100)]
    assert ends(played)[-1] == (2, Status.CANCELLED, 0)


def test_an_order_good_till_a_time_works_until_then_and_expires():
    played = play(
        bars(*[(100,) * 4] * 3, (100, 100, 80, 100), (100, 100, 80, 100)),
        submit(0, 5, price=90, tif=TimeInForce.GTT, lasts=2 * MINUTE, tag=1),
        submit(0, 5, price=90, tif=TimeInForce.GTT, lasts=2 * MINUTE + 1, tag=2),
    )
    assert ends(played) == [(1, Status.EXPIRED, 0), (2, Status.FILLED, 5)]
    assert told(played, EventKind.CLOSED) == [(1, 3)]


def test_an_order_for_the_day_expires_at_the_close_of_the_session_it_was_asked_for_in():
    market = bars(*[(100,) * 4] * 3, (100, 100, 80, 100), (100, 100, 80, 100))
    market.events["session_close"][:3] = START + 3 * MINUTE
    played = play(
        market,
        submit(0, 5, price=90, tif=TimeInForce.DAY, tag=1),
        submit(2, 5, price=90, tif=TimeInForce.DAY, tag=2),
        submit(3, 5, price=85, tif=TimeInForce.DAY, tag=3),
    )
    assert ends(played) == [(1, Status.EXPIRED, 0), (2, Status.EXPIRED, 0), (3, Status.FILLED, 5)]


def test_an_order_for_the_day_asked_for_on_a_fill_is_of_the_session_of_the_fill():
    market = bars(*[(100,) * 4] * 4, (100, 120, 100, 100))
    market.events["session_close"][:2] = START + 2 * MINUTE
    played = play(
        market,
        submit(1, 5, tag=1),
        submit(1, -5, price=110, tif=TimeInForce.DAY, tag=2, **ON_FILL),
    )
    assert played.fills == [(2, 5, 100), (4, -5, 110)]


@pytest.mark.parametrize(("price", "traded"), [(100, 5), (99, 0)])
def test_an_order_or_nothing_at_once_has_one_open(price, traded):
    played = play(
        bars((100,) * 4, (100, 100, 90, 100), (90,) * 4), submit(0, 5, price=price, tif=TimeInForce.IOC, tag=1)
    )
    assert ends(played) == [(1, Status.FILLED if traded else Status.CANCELLED, traded)]


def test_an_order_or_nothing_at_once_that_is_asked_for_on_a_fill_has_the_next_open():
    played = play(
        bars((100,) * 4, (100, 100, 90, 100), (97,) * 4, (90,) * 4),
        submit(0, 5, tag=1),
        *(submit(1, 5, price=price, tif=TimeInForce.IOC, tag=price, **ON_FILL) for price in (95, 98)),
    )
    assert played.fills == [(1, 5, 100), (2, 5, 97)]
    assert (95, Status.CANCELLED, 0) in ends(played)


def test_the_rest_of_an_order_or_nothing_at_once_is_cancelled():
    played = play(flat(3, volume=10), submit(0, 15, tif=TimeInForce.IOC, tag=1), assumed=Assumptions(participation=0.5))
    assert ends(played) == [(1, Status.CANCELLED, 5)]


def test_a_cancel_takes_effect_at_the_next_open_and_what_traded_before_stays():
    market = bars((100,) * 4, (100,) * 4, (100, 100, 90, 100), (100, 100, 90, 100))
    assert ends(play(market, submit(0, 5, price=95, tag=1), cancel(1, 1))) == [(1, Status.CANCELLED, 0)]
    late = Assumptions(order_latency_ms=1)
    assert play(market, submit(0, 5, price=95, tag=1), cancel(1, 1), assumed=late).fills == [(2, 5, 95)]


def test_an_order_can_be_cancelled_while_it_is_on_its_way():
    gap = merged(flat(1), flat(1, start=START + 4 * MINUTE), flat(5, instrument=1))
    assert play(gap, submit(0, 5, tag=1)).fills == [(5, 5, 100)]
    assert ends(play(gap, submit(0, 5, tag=1), cancel(2, 1))) == [(1, Status.CANCELLED, 0)]


def test_a_cancel_that_arrives_after_its_order_comes_too_late():
    late = Assumptions(order_latency_ms=60_001)
    assert ends(play(flat(5), submit(0, 5, tag=1), cancel(1, 1), assumed=late)) == [(1, Status.FILLED, 5)]


HALF = MOST_WORKING // 2


def test_more_orders_than_there_is_room_for_are_refused_and_room_comes_back():
    first = [submit(0, 1, price=50, tag=nth) for nth in range(HALF)]
    second = [submit(1, 1, price=50, tag=nth) for nth in range(MOST_WORKING - HALF)]
    played = play(flat(6), *first, *second, submit(2, 1, tag=200), cancel(3, 0), submit(4, 1, tag=201))
    assert refused(played) == [(200, Refusal.TOO_MANY)]
    assert [fill["tag"] for fill in played.records] == [201]


def test_orders_that_trade_at_an_open_leave_room_for_those_asked_for_then():
    many = [submit(0, 1, tag=nth) for nth in range(HALF)]
    more = [submit(1, 1, price=50, tag=100 + nth) for nth in range(HALF)]
    played = play(flat(6), *many, *[submit(0, 1, price=50, tag=300, **ON_FILL)], *more)
    assert refused(played) == []
    crowd = [submit(0, 1, price=60, tag=nth) for nth in range(HALF)]
    last = [submit(1, 1, tag=nth) for nth in range(MOST_WORKING - HALF)]
    played = play(flat(5), *crowd, *last, submit(HALF - 1, 1, price=50, tag=200, **ON_FILL))
    assert refused(played) == []


AFFORDS_TEN = 10 * 100 * TICK_VALUE


@pytest.mark.parametrize(("lots", "is_refused"), [(10, False), (11, True), (-10, False), (-11, True)])
def test_a_position_the_account_cannot_carry_is_refused(lots, is_refused):
    played = play(flat(3), submit(0, lots, tag=1), capital=AFFORDS_TEN)
    assert refused(played) == ([(1, Refusal.NO_MARGIN)] if is_refused else [])


@pytest.mark.parametrize(("lots", "is_refused"), [(40, False), (41, True)])
def test_margin_is_the_share_of_a_position_the_account_must_hold(lots, is_refused):
    played = play(flat(3), submit(0, lots, tag=1), capital=AFFORDS_TEN, assumed=Assumptions(margin=0.25))
    assert bool(refused(played)) == is_refused


def test_orders_that_work_count_by_the_worse_side_and_a_lower_limit_by_its_price():
    played = play(
        flat(3),
        *(
            submit(0, lots, price=price, tag=tag)
            for lots, price, tag in [(6, 50, 1), (-6, 150, 2), (5, 100, 3), (8, 50, 4)]
        ),
        capital=AFFORDS_TEN,
    )
    assert refused(played) == [(3, Refusal.NO_MARGIN)]


def test_positions_of_other_instruments_count():
    played = play(
        two(6),
        submit(1, 6, tag=1),
        submit(4, 5, instrument=1, tag=2),
        submit(6, 4, instrument=1, tag=3),
        capital=AFFORDS_TEN,
    )
    assert refused(played) == [(2, Refusal.NO_MARGIN)]


def test_what_makes_a_position_smaller_is_never_refused_for_margin():
    market = bars((100,) * 4, (100,) * 4, (20,) * 4, (20,) * 4, (20,) * 4)
    played = play(
        market,
        submit(0, 30, tag=1),
        submit(2, -20, tag=2),
        submit(2, 1, tag=3),
        submit(3, -10, tag=4, **REDUCES),
        capital=AFFORDS_TEN,
        assumed=Assumptions(margin=0.3),
    )
    assert played.account["equity"] < 0
    assert refused(played) == [(3, Refusal.NO_MARGIN)]
    assert played.account["positions"]["lots"][0] == 0


@pytest.mark.parametrize(
    ("sells", "wanted"),
    [([-5], []), ([-6], [1]), ([-3, -2], []), ([-3, -3], [2]), ([-3, 4, -3], [3])],
)
def test_an_account_that_may_not_sell_short_sells_at_most_what_it_holds_over_all_its_orders(sells, wanted):
    played = play(
        flat(5),
        submit(0, 5, tag=100),
        *(submit(1, lots, price=200 if lots < 0 else 50, tag=nth + 1) for nth, lots in enumerate(sells)),
        assumed=Assumptions(short=False),
    )
    assert refused(played) == [(tag, Refusal.NO_SHORT) for tag in wanted]


@pytest.mark.parametrize("first", ["limit", "stop"])
def test_an_account_that_may_not_sell_short_never_is_whichever_of_its_orders_trade(first):
    rises, falls = (100, 110, 100, 100), (100, 100, 90, 100)
    order = [rises, falls] if first == "limit" else [falls, rises]
    played = play(
        bars((100,) * 4, (100,) * 4, *order),
        submit(0, 5, tag=1),
        submit(1, -4, price=105, tag=2),
        submit(1, -5, trigger=95, tag=3, **REDUCES),
        assumed=Assumptions(short=False),
    )
    assert [int(fill["lots"]) for fill in played.records] == ([5, -4, -1] if first == "limit" else [5, -5])
    assert played.account["positions"]["lots"][0] == 0


def test_what_is_refused_is_told_before_the_next_bar_though_nothing_works():
    played = play(flat(4), submit(0, 0, tag=5), submit(5, 2, on=EventKind.CLOSED, tag=6))
    assert told(played, EventKind.CLOSED) == [(5, 1)]
    assert [note["status"] for note in played.notes if note["kind"] == EventKind.CLOSED] == [Status.REJECTED]
    assert [fill["tag"] for fill in played.records] == [6]


def test_what_is_told_of_fills_and_ends_is_their_orders_tag_lots_and_price():
    played = play(
        bars((100,) * 4, (101, 103, 99, 102), (102,) * 4),
        submit(0, 3, tag=4),
        submit(0, -2, price=150, tif=TimeInForce.IOC, tag=5),
    )
    fill, closed = [note for note in played.notes if note["kind"] != EventKind.BAR]
    assert (fill["order"], fill["tag"], fill["lots"], fill["price"], fill["held"]) == (1, 4, 3, 1.01, 3)
    assert (closed["order"], closed["tag"], closed["lots"], closed["status"]) == (2, 5, -2, Status.CANCELLED)


def test_the_desk_holds_living_orders_alone_whenever_the_strategy_looks():
    played = play(
        flat(4, volume=3),
        *(submit(0, 2, tag=tag) for tag in (1, 2, 3)),
        submit(0, 1, price=50, tag=4),
        assumed=Assumptions(participation=0.7),
    )
    working = [(note["kind"], note["working"]) for note in played.notes]
    assert working == [
        *((EventKind.BAR, 0), (EventKind.FILL, 3), (EventKind.BAR, 3), (EventKind.FILL, 2), (EventKind.BAR, 2)),
        *((EventKind.FILL, 1), (EventKind.BAR, 1)),
    ]
