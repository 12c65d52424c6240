import pytest

from tickline.lake.schemas import Feed

SECOND = 1000  # ms


def prices(market, *levels: float, **changes) -> list[dict]:
    return [market.trade(second * SECOND, price=float(price)) | changes for second, price in enumerate(levels)]


def refused(judged) -> list[int]:
    """The seconds of the refused rows."""
    return (judged.quarantine["seq"] // SECOND).to_list()


def test_a_single_jump_is_refused_and_the_ticks_around_it_stay(market) -> None:
    judged = market.judge(Feed.TRADES, prices(market, *[100] * 6, 1000, *[100] * 6))

    assert refused(judged) == [6]
    assert judged.quarantine["rule"].to_list() == ["jump"]


def test_a_change_of_regime_passes_whole_once_confirmed(market) -> None:
    judged = market.judge(Feed.TRADES, prices(market, *[100] * 6, *[150] * 5, *[150] * 5))

    assert judged.quarantine.is_empty()


def test_fewer_ticks_than_confirm_are_refused_when_the_price_returns(market) -> None:
    judged = market.judge(Feed.TRADES, prices(market, *[100] * 6, *[150] * 4, *[100] * 3))

    assert refused(judged) == [6, 7, 8, 9]


def test_jumps_that_disagree_do_not_confirm_each_other(market) -> None:
    judged = market.judge(Feed.TRADES, prices(market, *[100] * 6, 150, 300, 20, 700, 150, 100))

    assert refused(judged) == [6, 7, 8, 9, 10]


@pytest.mark.parametrize("first", [1000, 1])
def test_a_day_that_begins_with_a_bad_tick_is_not_judged_by_it(market, first) -> None:
    judged = market.judge(Feed.TRADES, prices(market, first, *[100] * 10))

    assert refused(judged) == [0]


def test_a_day_too_short_for_a_reference_keeps_what_agrees(market) -> None:
    assert market.judge(Feed.TRADES, prices(market, 100, 101)).quarantine.is_empty()
    assert refused(market.judge(Feed.TRADES, prices(market, 100, 1000, 101))) == [1]


def test_copies_of_a_bad_tick_do_not_confirm_it(market) -> None:
    rows = prices(market, *[100] * 8)
    bad = [market.trade(3 * SECOND + 1, price=1000.0, trade_id="7", delivery=delivery) for delivery in range(9)]

    judged = market.judge(Feed.TRADES, rows + bad)

    assert judged.counts["jump"] == 1
    assert judged.counts["duplicate"] == 8


def test_small_prices_may_move_by_the_floor(market) -> None:
    rows = [market.trade(ms, price=price) for ms, price in enumerate([0.02] * 6 + [0.2] + [0.02] * 6)]

    forgiving = market.judge(Feed.TRADES, rows, venue=market.venue(kind="prediction", parameters={"min_price": 0}))

    assert forgiving.quarantine.is_empty()
    assert market.judge(Feed.TRADES, rows).counts["jump"] == 1


def test_a_row_behind_its_delivery_is_out_of_order(market) -> None:
    rows = [market.trade(second * SECOND, seq=second) for second in range(10)]
    rows[6]["ts_event"] -= 4 * 10**9

    judged = market.judge(Feed.TRADES, rows)

    assert judged.quarantine["seq"].to_list() == [6]
    assert judged.quarantine["rule"].to_list() == ["out_of_order"]


def test_falling_back_within_the_tolerance_is_no_fault(market) -> None:
    rows = [market.trade(second * SECOND, seq=second) for second in range(10)]
    rows[6]["ts_event"] -= 2 * 10**9 - 1

    assert market.judge(Feed.TRADES, rows).quarantine.is_empty()


def test_a_delivery_that_comes_late_is_in_order_in_itself(market) -> None:
    today = [market.trade(second * SECOND, seq=second, delivery=1) for second in range(100, 110)]
    late = [market.trade(second * SECOND + 500, seq=second, delivery=2) for second in range(4)]

    assert market.judge(Feed.TRADES, today + late).quarantine.is_empty()


def test_one_row_ahead_of_its_time_does_not_cost_the_rows_after_it(market) -> None:
    rows = [market.trade(ms, seq=number) for number, ms in enumerate(range(0, 4000, 100))]
    rows[10]["ts_event"] += 4 * 10**9

    assert market.judge(Feed.TRADES, rows).quarantine.is_empty()


def test_a_frozen_quote_is_refused_from_the_moment_it_is_proven(market) -> None:
    live = [market.quote(second * SECOND) for second in range(10)]
    frozen = [market.quote(second * SECOND, bid_size=5.0) for second in range(10, 100)]

    judged = market.judge(Feed.QUOTES, live + frozen)

    assert set(judged.quarantine["rule"]) == {"frozen"}
    assert refused(judged) == list(range(70, 100))


def test_heartbeats_at_one_event_time_are_frozen_by_their_receipt(market) -> None:
    stuck = market.quote(0, bid_size=5.0)
    rows = [stuck | {"seq": second, "ts_recv": market.start + second * 10**9} for second in range(60)]
    rows += [stuck | {"seq": second, "ts_recv": market.start + second * 10**9} for second in (60, 61)]

    judged = market.judge(Feed.QUOTES, rows)

    assert judged.counts["frozen"] == 1
    assert judged.counts["ts_stale"] == 1


def test_a_quote_is_frozen_only_when_it_also_came_often_enough(market) -> None:
    rows = [market.quote(minute * 60 * SECOND, bid_size=5.0) for minute in range(20)]

    assert market.judge(Feed.QUOTES, rows[:19]).quarantine.is_empty()
    assert refused(market.judge(Feed.QUOTES, rows)) == [19 * 60]
