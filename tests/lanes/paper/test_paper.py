"""Paper positions worked out by hand: how legs are filled, what is done where one is not, and every way out."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tickline.errors import LaneError
from tickline.lanes.filling import latency_ns
from tickline.lanes.model import Action, GateAnswer, Kind, Leg, PositionStatus, Style
from tickline.lanes.paper import Position, open_position, step
from tickline.lanes.paper_events import Closed, Passed, Resolved, Trade, Withdrawn
from tickline.lanes.positions import Phase
from tickline.markets.model import MarketKey, Side


def told(fills):
    """What matters of fills: seconds, leg, action, direction, price, size."""
    return [
        (fill.leg, fill.action.value, "buy" if fill.is_buy else "sell", str(fill.price), int(fill.size))
        for fill in fills
    ]


def reasons(position):
    return [(note.phase, note.reason) for note in position.notes]


@pytest.fixture
def held(desk):
    """Ten units, held since both legs were bought at what they were detected at."""
    position, _ = desk.follow(desk.opened(), [Passed(desk.at(10))])
    assert position.phase is Phase.HOLDING
    return position


def test_the_thinner_leg_goes_first_and_the_other_follows_what_it_got(desk):
    position, fills = desk.follow(desk.opened(depths=(30, 12)), [Passed(desk.at(1.5))])
    assert [(fill.leg, fill.ts_ns, fill.size) for fill in fills] == [(1, desk.at(1), 10)]
    position, fills = desk.follow(position, [Passed(desk.at(10))])
    assert [(fill.leg, fill.ts_ns, fill.size) for fill in fills] == [(0, desk.at(2), 10)]
    assert (position.phase, position.matched, position.cash.realised) == (Phase.HOLDING, 10, Decimal("-9.00"))


def test_a_settled_position_brings_its_floor_less_cost_and_fees(desk):
    events = [
        Passed(desk.at(10)),
        Resolved(desk.at(100), desk.A, "no", desk.at(200)),
        Resolved(desk.at(110), desk.B, "no", desk.at(150)),
        Passed(desk.at(300)),
    ]
    position, fills = desk.follow(desk.opened(fees=desk.CURVE), events)
    # Balanced to the cent: 0.07 * 10 * 0.4 * 0.6 = 0.168 -> 0.17; 0.07 * 10 * 0.5 * 0.5 = 0.175 -> 0.18.
    assert [fill.fee for fill in fills] == [Decimal("0.17"), Decimal("0.18"), 0, 0]
    assert [(fill.leg, fill.price, fill.ts_ns) for fill in fills[2:]] == [(1, 1, desk.at(150)), (0, 0, desk.at(200))]
    assert position.status is PositionStatus.SETTLED
    assert position.ts_close_ns == desk.at(200)
    assert position.cash.realised == Decimal("0.65")
    assert position.cash.stake == Decimal("9.35")


def test_both_sides_of_one_market_are_legs_of_their_own(desk):
    intra = (Kind.INTRA, 1, (Leg(desk.A, Side.YES), Leg(desk.A, Side.NO)))
    position, fills = desk.follow(desk.opened(of=intra), [Passed(desk.at(10)), Resolved(desk.at(50), desk.A, "no")])
    assert told(fills) == [
        (0, "enter", "buy", "0.40", 10),
        (1, "enter", "buy", "0.50", 10),
        (0, "settle", "sell", "0", 10),
        (1, "settle", "sell", "1", 10),
    ]
    assert (position.status, position.cash.realised) == (PositionStatus.SETTLED, Decimal("1.00"))


def test_a_basket_of_many_legs_follows_its_thinnest(desk):
    markets = [MarketKey("north", name) for name in "abcd"]
    group = (Kind.ALL_NO, 3, tuple(Leg(market, Side.NO) for market in markets))
    opened = desk.opened(of=group, prices=("0.70",) * 4, depths=(50, 60, 7, 80))
    events = [
        Passed(desk.at(100)),
        *(Resolved(desk.at(200), one, "yes" if one is markets[1] else "no") for one in markets),
    ]
    position, fills = desk.follow(opened, events)
    assert [(fill.leg, fill.ts_ns) for fill in fills[:4]] == [
        (2, desk.at(1)),
        *((leg, desk.at(2)) for leg in (0, 1, 3)),
    ]
    assert (position.status, position.matched) == (PositionStatus.SETTLED, 7)
    assert position.cash.realised == 7 * (3 - Decimal("2.80"))


def test_an_order_sees_the_book_it_arrives_at(desk):
    gone = desk.quote(0.5, desk.A, yes_ask=[("0.41", "50")])
    position, fills = desk.follow(desk.opened(), [gone, Passed(desk.at(100))])
    assert fills == []
    assert position.status is PositionStatus.UNFILLED
    assert position.cash.realised == 0


def test_an_order_that_arrives_with_a_quote_sees_it(desk):
    better = desk.quote(1, desk.A, yes_ask=[("0.39", "50")])
    _, fills = desk.follow(desk.opened(), [better, Passed(desk.at(2))])
    assert told(fills) == [(0, "enter", "buy", "0.39", 10)]


def test_an_order_walks_the_levels_within_its_limit(desk):
    deep = desk.quote(0.5, desk.A, yes_ask=[("0.38", "3"), ("0.39", "4.7"), ("0.41", "50")])
    _, fills = desk.follow(desk.opened(), [deep, Passed(desk.at(2))])
    assert told(fills) == [(0, "enter", "buy", "0.38", 3), (0, "enter", "buy", "0.39", 4)]


def test_what_was_taken_is_not_there_again_until_the_level_was_gone(desk):
    thin = [desk.quote(second, desk.A, yes_ask=[("0.40", "6")]) for second in (0.5, 3, 4)]
    position, fills = desk.follow(desk.opened(), [*thin, Passed(desk.at(5))])
    assert [fill.size for fill in fills if fill.leg == 0] == [6]
    gone = desk.quote(6, desk.A, yes_ask=[("0.43", "6")])
    back = desk.quote(7, desk.A, yes_ask=[("0.40", "3")])
    _, fills = desk.follow(position, [gone, back])
    assert [fill.size for fill in fills if fill.leg == 0] == [3]


def test_a_stale_quote_fills_nothing(desk):
    settings = desk.PLAIN.model_copy(update={"stale_after_s": 0})
    _, fills = desk.follow(desk.opened(settings), [Passed(desk.at(10))], settings)
    assert fills == []


def test_a_size_that_is_not_stated_is_what_the_settings_say(desk):
    unstated = desk.quote(0.5, desk.A, yes_ask=[("0.40", None)])
    assert desk.follow(desk.opened(), [unstated, Passed(desk.at(2))])[1] == []
    settings = desk.PLAIN.model_copy(update={"unstated_size": Decimal(4)})
    _, fills = desk.follow(desk.opened(settings), [unstated, Passed(desk.at(2))], settings)
    assert told(fills) == [(0, "enter", "buy", "0.40", 4)]


def test_the_rest_of_an_order_waits_or_is_cancelled_as_the_settings_say(desk):
    events = [
        desk.quote(0.5, desk.A, yes_ask=[("0.40", "6")]),
        desk.quote(3, desk.A, yes_ask=[("0.39", "9")]),
        Passed(desk.at(10)),
    ]
    waited, _ = desk.follow(desk.opened(), events)
    settings = desk.PLAIN.model_copy(update={"remainder": "cancel"})
    cancelled, _ = desk.follow(desk.opened(settings), events, settings)
    assert (waited.matched, cancelled.matched) == (10, 6)
    assert cancelled.notes[-1].reason == "no order is left, every leg is filled alike, in part"


LEGGED = [("0.53", "30")]
"""Asks of the second leg that are beyond its limit of 0.50 and the band of 0.02."""


def test_a_missing_leg_is_hedged_within_the_band_once_the_window_is_over(desk):
    events = [
        desk.quote(1.5, desk.B, no_ask=LEGGED),
        desk.quote(31.5, desk.B, no_ask=[("0.52", "20")]),
        Passed(desk.at(40)),
    ]
    position, fills = desk.follow(desk.opened(), events)
    assert told(fills) == [(0, "enter", "buy", "0.40", 10), (1, "hedge", "buy", "0.52", 10)]
    assert fills[1].ts_ns == desk.at(32)  # the first fill at 1, a window of 30 and a latency of 1
    assert fills[1].expected_price == Decimal("0.50")
    assert position.phase is Phase.HOLDING
    assert position.cash.slippage == Decimal("0.20")
    assert reasons(position)[0] == (
        Phase.HEDGING,
        "its time is over, legs filled 10, 0 of 10: buying what is missing up to 0.02 dearer",
    )


def test_the_window_counts_from_the_first_fill(desk):
    events = [
        desk.quote(0.5, desk.A, yes_ask=[("0.40", "6")]),
        desk.quote(1.5, desk.B, no_ask=LEGGED),
        desk.quote(20, desk.A, yes_ask=[("0.39", "50")]),
        Passed(desk.at(40)),
    ]
    position, fills = desk.follow(desk.opened(), events)
    assert [int(fill.size) for fill in fills] == [6, 4]
    assert [(note.phase, note.ts_ns) for note in position.notes] == [(Phase.HEDGING, desk.at(31))]


def test_what_cannot_be_hedged_is_unwound_and_the_position_abandoned(desk):
    events = [
        desk.quote(1.5, desk.B, no_ask=LEGGED),
        desk.quote(61.5, desk.A, yes_bid=[("0.37", "4"), ("0.35", "20")]),
        Passed(desk.at(70)),
    ]
    position, fills = desk.follow(desk.opened(), events)
    assert told(fills) == [
        (0, "enter", "buy", "0.40", 10),
        (0, "unwind", "sell", "0.37", 4),
        (0, "unwind", "sell", "0.35", 6),
    ]
    assert (position.status, position.ts_close_ns) == (PositionStatus.ABANDONED, desk.at(62))
    assert position.cash.realised == Decimal("3.58") - Decimal("4.00")
    assert [phase for phase, _ in reasons(position)] == [Phase.HEDGING, Phase.UNWINDING, Phase.HOLDING, Phase.CLOSED]


def test_a_position_filled_in_part_keeps_what_is_matched_and_sells_the_rest(desk):
    events = [
        desk.quote(1.5, desk.B, no_ask=[("0.50", "4")]),
        desk.quote(20, desk.B, no_ask=[("0.60", "4")]),
        desk.quote(61.5, desk.A, yes_bid=[("0.38", "50")]),
        Passed(desk.at(70)),
    ]
    position, fills = desk.follow(desk.opened(), events)
    assert told(fills)[1:] == [(1, "enter", "buy", "0.50", 4), (0, "unwind", "sell", "0.38", 6)]
    assert (position.phase, position.matched) == (Phase.HOLDING, 4)
    assert [holding.held for holding in position.holdings] == [4, 4]


def test_a_market_that_closes_while_legging_stops_the_entry_at_once(desk):
    events = [
        desk.quote(1.5, desk.B, no_ask=LEGGED),
        Closed(desk.at(5), desk.B),
        desk.quote(8, desk.A, yes_bid=[("0.39", "50")]),
    ]
    position, fills = desk.follow(desk.opened(), events)
    assert told(fills)[1:] == [(0, "unwind", "sell", "0.39", 10)]
    assert position.status is PositionStatus.ABANDONED


def test_what_can_be_neither_hedged_nor_sold_is_held_until_it_pays(desk):
    events = [
        desk.quote(1.5, desk.B, no_ask=LEGGED),
        Closed(desk.at(70), desk.A),
        Resolved(desk.at(80), desk.A, "yes"),
    ]
    position, fills = desk.follow(desk.opened(), events)
    assert told(fills)[1:] == [(0, "settle", "sell", "1", 10)]
    assert (position.status, position.cash.realised) == (PositionStatus.ABANDONED, 6)


def test_the_time_stop_sells_everything_at_the_bid(desk):
    settings = desk.PLAIN.model_copy(update={"hold_s": 50})
    events = [
        desk.quote(20, desk.A, yes_bid=[("0.41", "50")]),
        desk.quote(21, desk.B, no_bid=[("0.51", "50")]),
        Passed(desk.at(60)),
    ]
    position, fills = desk.follow(desk.opened(settings), events, settings)
    assert told(fills)[2:] == [(0, "exit", "sell", "0.41", 10), (1, "exit", "sell", "0.51", 10)]
    assert {fill.ts_ns for fill in fills[2:]} == {desk.at(51)}
    assert (position.status, position.cash.realised) == (PositionStatus.TIME_STOP, Decimal("0.20"))


def test_each_order_arrives_after_a_latency_of_its_own(desk, held):
    settings = desk.PLAIN.model_copy(update={"hold_s": 50, "latency_tail_ms": 5_000.0})
    events = [
        desk.quote(20, desk.A, yes_bid=[("0.41", "50")]),
        desk.quote(21, desk.B, no_bid=[("0.51", "50")]),
        Passed(desk.at(200)),
    ]
    _, fills = desk.follow(held, events, settings)
    due = {leg: desk.at(50) + latency_ns("one", nth, settings) for leg, nth in ((0, 3), (1, 4))}
    assert due[0] != due[1]
    assert {fill.leg: fill.ts_ns for fill in fills} == due


def test_the_ev_stop_leaves_a_hedge_whose_legs_fall_together(desk, held):
    settings = desk.PLAIN.model_copy(update={"ev_stop": Decimal("0.3")})
    falling = [
        desk.quote(20, desk.A, yes_bid=[("0.19", "50")], yes_ask=[("0.21", "50")]),
        # Worth 10 * (0.20 + 0.45) = 6.50 against a stake of 9.00: a loss of 28 %.
        desk.quote(21, desk.B, no_bid=[("0.44", "50")], no_ask=[("0.46", "50")]),
    ]
    position, _ = desk.follow(held, falling, settings)
    assert position.phase is Phase.HOLDING
    # And 10 * (0.20 + 0.42) = 6.20: 31 %.
    fallen = desk.quote(22, desk.B, no_bid=[("0.41", "50")], no_ask=[("0.43", "50")])
    position, fills = desk.follow(position, [fallen, Passed(desk.at(30))], settings)
    assert told(fills) == [(0, "exit", "sell", "0.19", 10), (1, "exit", "sell", "0.41", 10)]
    assert (position.status, position.cash.realised) == (PositionStatus.EV_STOP, Decimal("-3.00"))


def test_the_ev_stop_does_not_judge_by_what_was_detected_or_by_old_quotes(desk, held):
    settings = desk.PLAIN.model_copy(update={"ev_stop": Decimal("0.3"), "stale_after_s": 30})
    low = desk.quote(20, desk.A, yes_bid=[("0.01", "50")])
    also = desk.quote(60, desk.B, no_bid=[("0.01", "50")])
    position, fills = desk.follow(held, [low, also, Passed(desk.at(80))], settings)
    assert (position.phase, fills) == (Phase.HOLDING, [])


def test_the_ev_stop_does_not_take_a_side_that_nobody_tells_of_for_worthless(desk, held):
    settings = desk.PLAIN.model_copy(update={"ev_stop": Decimal("0.3")})
    silent = [desk.quote(20, desk.A), desk.quote(21, desk.B, no_bid=[("0.49", "50")], no_ask=[("0.51", "50")])]
    position, fills = desk.follow(held, [*silent, Passed(desk.at(30))], settings)
    assert (position.phase, fills) == (Phase.HOLDING, [])


def test_a_hedge_locks_in_what_beats_holding(desk, held):
    settings = desk.PLAIN.model_copy(update={"hedge_gain": Decimal("0.05")})
    # The other sides: NO of A and YES of B. 2 - 0.45 - 0.51 = 1.04 is not enough, 2 - 0.45 - 0.50 = 1.05 is.
    events = [
        desk.quote(20, desk.A, no_ask=[("0.45", "50")]),
        desk.quote(21, desk.B, yes_ask=[("0.51", "50")]),
        desk.quote(22, desk.B, yes_ask=[("0.50", "9"), ("0.80", "50")]),
    ]
    position, _ = desk.follow(held, events, settings)
    assert position.phase is Phase.HOLDING
    position, fills = desk.follow(
        position, [desk.quote(23, desk.B, yes_ask=[("0.50", "10")]), Passed(desk.at(30))], settings
    )
    assert told(fills) == [(0, "exit", "buy", "0.45", 10), (1, "exit", "buy", "0.50", 10)]
    assert [fill.side for fill in fills] == [Side.NO, Side.YES]
    settled = [Resolved(desk.at(90), desk.A, "yes"), Resolved(desk.at(91), desk.B, "yes")]
    position, fills = desk.follow(position, settled, settings)
    assert (position.status, position.cash.realised) == (PositionStatus.HEDGED, 20 - Decimal("9.00") - Decimal("9.50"))


def test_a_hedge_that_its_fees_eat_up_is_not_made(desk):
    settings = desk.PLAIN.model_copy(update={"hedge_gain": Decimal("0.01")})
    events = [
        Passed(desk.at(10)),
        desk.quote(20, desk.A, no_ask=[("0.47", "50")]),
        desk.quote(21, desk.B, yes_ask=[("0.50", "50")]),
    ]
    free, _ = desk.follow(desk.opened(settings), events, settings)
    charged, _ = desk.follow(desk.opened(settings, fees=desk.CURVE), events, settings)
    assert (free.phase, charged.phase) == (Phase.EXITING, Phase.HOLDING)


def test_what_a_hedge_does_not_cover_in_time_is_sold(desk, held):
    settings = desk.PLAIN.model_copy(update={"hedge_gain": Decimal("0.05")})
    events = [
        desk.quote(20, desk.A, no_ask=[("0.45", "50")], yes_bid=[("0.30", "50")]),
        desk.quote(21, desk.B, yes_ask=[("0.50", "50")]),
        desk.quote(21.5, desk.B, yes_ask=[("0.60", "50")], no_bid=[("0.40", "50")]),
        Passed(desk.at(60)),
    ]
    position, fills = desk.follow(held, events, settings)
    assert told(fills) == [(0, "exit", "buy", "0.45", 10), (1, "exit", "sell", "0.40", 10)]
    assert (position.phase, position.orders) == (Phase.EXITING, ())
    position, _ = desk.follow(position, [Resolved(desk.at(90), desk.A, "no")], settings)
    assert (position.status, position.cash.realised) == (PositionStatus.HEDGED, 10 + Decimal("4.00") - Decimal("13.50"))


def test_what_was_withdrawn_is_abandoned_at_the_bid(desk, held):
    events = [
        desk.quote(20, desk.A, yes_bid=[("0.40", "50")]),
        Withdrawn(desk.at(30), desk.A, "the mapping was revoked"),
        desk.quote(35, desk.B, no_bid=[("0.45", "50")]),
    ]
    position, fills = desk.follow(held, events)
    assert told(fills) == [(0, "exit", "sell", "0.40", 10), (1, "exit", "sell", "0.45", 10)]
    assert (position.status, position.cash.realised) == (PositionStatus.ABANDONED, Decimal("-0.50"))
    assert reasons(position)[1] == (Phase.EXITING, "withdrawn: the mapping was revoked")


def test_what_is_withdrawn_before_it_was_filled_is_closed_unfilled(desk):
    position, fills = desk.follow(desk.opened(), [Withdrawn(desk.at(0.5), desk.B, "stopped")])
    assert (position.status, fills) == (PositionStatus.UNFILLED, [])


def test_a_position_is_left_once(desk, held):
    settings = desk.PLAIN.model_copy(update={"ev_stop": Decimal("0.3"), "hold_s": 40})
    events = [
        desk.quote(20, desk.A, yes_bid=[("0.10", "4")]),
        desk.quote(21, desk.B, no_bid=[("0.10", "4")]),  # the EV stop, of which a part trades
        Passed(desk.at(50)),  # the time stop
        Withdrawn(desk.at(55), desk.A, "revoked"),
        desk.quote(60, desk.A, yes_bid=[("0.09", "50")]),
        desk.quote(61, desk.B, no_bid=[("0.09", "50")]),
    ]
    position, fills = desk.follow(held, events, settings)
    assert position.status is PositionStatus.EV_STOP
    assert [int(fill.size) for fill in fills] == [4, 4, 6, 6]


def test_the_time_stop_does_not_rename_what_was_abandoned(desk):
    settings = desk.PLAIN.model_copy(update={"hold_s": 80})
    events = [
        desk.quote(1.5, desk.B, no_ask=LEGGED),
        Passed(desk.at(90)),  # unwinding since 61, without a bid
        desk.quote(95, desk.A, yes_bid=[("0.30", "50")]),
    ]
    position, fills = desk.follow(desk.opened(settings), events, settings)
    assert told(fills)[1:] == [(0, "unwind", "sell", "0.30", 10)]
    assert position.status is PositionStatus.ABANDONED


def test_half_a_position_is_not_left(desk, held):
    settings = desk.PLAIN.model_copy(update={"hold_s": 40})
    events = [Closed(desk.at(20), desk.B), desk.quote(30, desk.A, yes_bid=[("0.40", "50")]), Passed(desk.at(90))]
    position, fills = desk.follow(held, events, settings)
    assert (position.phase, fills) == (Phase.HOLDING, [])


@pytest.mark.parametrize(
    ("fair_voids", "fair", "paid"), [((), "0.3", "0.5"), (("north",), "0.3", "0.3"), (("north",), None, "0.44")]
)
def test_a_void_pays_half_or_the_fair_price_of_the_venue(desk, held, fair_voids, fair, paid):
    settings = desk.PLAIN.model_copy(update={"fair_voids": fair_voids})
    seen = desk.quote(20, desk.A, yes_bid=[("0.42", "5")], yes_ask=[("0.46", "5")])
    void = Resolved(desk.at(30), desk.A, "void", fair=None if fair is None else Decimal(fair))
    _, fills = desk.follow(held, [seen, void], settings)
    assert [fill.price for fill in fills] == [Decimal(paid)]


def test_a_result_may_be_amended_until_it_is_paid(desk, held):
    told_first = Resolved(desk.at(20), desk.A, "yes", desk.at(100))
    amended = Resolved(desk.at(60), desk.A, "no", desk.at(120))
    _, fills = desk.follow(held, [told_first, amended, Passed(desk.at(200)), Resolved(desk.at(201), desk.A, "yes")])
    assert [(fill.price, fill.ts_ns) for fill in fills] == [(0, desk.at(120))]


def test_nothing_trades_after_a_market_closed(desk):
    events = [
        Closed(desk.at(0.5), desk.A),
        desk.quote(2, desk.A, yes_ask=[("0.10", "50")]),
        Passed(desk.at(100)),
    ]
    position, fills = desk.follow(desk.opened(), events)
    assert (position.status, fills) == (PositionStatus.UNFILLED, [])


def resting(desk, queue="risk_averse"):
    """A position whose first leg rests at 0.40 behind 20 contracts."""
    settings = desk.PLAIN.model_copy(update={"queue": queue})
    first = desk.quote(0.5, desk.A, yes_bid=[("0.40", "20")], yes_ask=[("0.42", "5")])
    position, fills = desk.follow(desk.opened(settings, style=Style.MAKER), [first, Passed(desk.at(2))], settings)
    assert fills == []
    return position, settings


def test_trades_at_its_price_move_a_resting_order_up_its_queue(desk):
    position, settings = resting(desk)
    trades = [Trade(desk.at(3 + nth), desk.A, Side.YES, Decimal("0.40"), Decimal(8)) for nth in range(3)]
    _, fills = desk.follow(position, trades, settings)
    assert [(fill.price, fill.size, fill.is_maker, fill.ts_ns) for fill in fills] == [
        (Decimal("0.40"), 4, True, desk.at(5))
    ]


@pytest.mark.parametrize(("queue", "filled"), [("risk_averse", 0), ("share", 1), ("log", 0), ("power", 4)])
def test_cancels_move_a_resting_order_up_as_the_queue_model_says(desk, queue, filled):
    position, settings = resting(desk, queue)
    events = [
        desk.quote(3, desk.A, yes_bid=[("0.40", "30")], yes_ask=[("0.42", "5")]),  # 10 come behind the 20 ahead
        desk.quote(4, desk.A, yes_bid=[("0.40", "18")], yes_ask=[("0.42", "5")]),  # 12 are cancelled
        Trade(desk.at(5), desk.A, Side.YES, Decimal("0.40"), Decimal(13)),
    ]
    _, fills = desk.follow(position, events, settings)
    # Ahead: risk averse 18. share: P = 1/3, 20 - 8 = 12. log: P = 2.398 / (2.398 + 3.045) = 0.441, 20 - 6.7 = 13.3.
    # power: P = 1/9, 20 - 10.7 = 9.3.
    assert sum(int(fill.size) for fill in fills) == filled


def at_limit(desk, seconds, size):
    return Trade(desk.at(seconds), desk.A, Side.YES, Decimal("0.40"), Decimal(size))


def bid_at_limit(desk, seconds, size):
    return desk.quote(seconds, desk.A, yes_bid=[("0.40", size)], yes_ask=[("0.42", "5")])


def test_what_was_traded_is_not_taken_for_cancelled(desk):
    position, settings = resting(desk, "share")
    events = [at_limit(desk, 3, 8), bid_at_limit(desk, 4, "12"), at_limit(desk, 5, 13)]
    _, fills = desk.follow(position, events, settings)
    assert [fill.size for fill in fills] == [1]


def test_nothing_is_ahead_of_an_order_that_is_the_best(desk):
    position, settings = resting(desk)
    alone = desk.quote(3, desk.A, yes_bid=[("0.39", "50")], yes_ask=[("0.42", "5")])
    _, fills = desk.follow(position, [alone, at_limit(desk, 4, 2)], settings)
    assert [fill.size for fill in fills] == [2]


def test_a_trade_fills_no_more_than_was_traded(desk):
    position, settings = resting(desk, "log")  # which may leave less than nothing ahead
    events = [bid_at_limit(desk, 3, "1000"), bid_at_limit(desk, 4, "50"), at_limit(desk, 5, 1)]
    _, fills = desk.follow(position, events, settings)
    assert [fill.size for fill in fills] == [1]


def test_trades_and_asks_beyond_its_price_reach_a_resting_order(desk):
    position, settings = resting(desk)
    events = [
        Trade(desk.at(3), desk.A, Side.YES, Decimal("0.39"), Decimal(3)),
        desk.quote(4, desk.A, yes_bid=[("0.38", "9")], yes_ask=[("0.39", "4")]),
    ]
    _, fills = desk.follow(position, events, settings)
    assert [(fill.price, fill.size) for fill in fills if fill.leg == 0] == [(Decimal("0.40"), 3), (Decimal("0.40"), 4)]


def test_trades_of_the_other_side_do_not_reach_a_resting_order(desk):
    position, settings = resting(desk)
    _, fills = desk.follow(position, [Trade(desk.at(3), desk.A, Side.NO, Decimal("0.10"), Decimal(90))], settings)
    assert fills == []


def test_a_resting_order_that_would_take_is_refused(desk):
    first = desk.quote(0.5, desk.A, yes_bid=[("0.38", "20")], yes_ask=[("0.40", "5")])
    position, fills = desk.follow(desk.opened(style=Style.MAKER), [first, Passed(desk.at(2))])
    assert (position.status, fills) == (PositionStatus.UNFILLED, [])


def test_a_size_below_a_lot_is_closed_at_once(desk):
    assert desk.opened(size="0.5").status is PositionStatus.UNFILLED


def test_a_refused_opportunity_is_not_opened(desk):
    refused = replace(desk.decided(), answers=(GateAnswer("age", False, "a quote is 9 s old"),))
    with pytest.raises(LaneError, match="age: a quote is 9 s old"):
        open_position(refused, {}, now_ns=desk.START, settings=desk.PLAIN)


def test_missing_fees_are_named(desk):
    with pytest.raises(LaneError, match="no fees of south:B"):
        open_position(desk.decided(), {desk.A: desk.FREE}, now_ns=desk.START, settings=desk.PLAIN)


def test_events_out_of_order_are_refused(desk, held):
    position, _ = step(held, desk.quote(20, desk.A), desk.PLAIN)
    with pytest.raises(LaneError, match="in the order of their times"):
        step(position, desk.quote(19, desk.A), desk.PLAIN)


def test_events_of_other_markets_only_let_time_pass(desk):
    other = desk.quote(10, MarketKey("north", "C"), yes_ask=[("0.01", "50")])
    assert desk.follow(desk.opened(), [other]) == desk.follow(desk.opened(), [Passed(desk.at(10))])


def test_a_stored_position_that_is_none_is_refused():
    with pytest.raises(LaneError, match="cannot be read"):
        Position.from_json('{"phase": "holding"}')


def test_settling_a_leg_is_expected_to_bring_its_share_of_the_floor(desk, held):
    _, fills = desk.follow(held, [Resolved(desk.at(20), desk.A, "yes")])
    assert [(fill.action, fill.expected_price, fill.price) for fill in fills] == [(Action.SETTLE, Decimal("0.5"), 1)]
