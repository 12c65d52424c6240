from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lake.schemas import Feed

pytestmark = pytest.mark.slow


def test_an_id_seen_twice_is_a_copy_even_in_one_delivery(market) -> None:
    rows = [market.trade(1, trade_id="7"), market.trade(2, trade_id="7", price=100.01), market.trade(3, trade_id="8")]

    judged = market.judge(Feed.TRADES, rows)

    assert judged.clean["trade_id"].to_list() == ["7", "8"]
    assert judged.quarantine["rule"].to_list() == ["duplicate"]


def test_the_copy_of_the_earliest_delivery_stays(market) -> None:
    rows = [market.trade(1, trade_id="7", delivery=2), market.trade(5, trade_id="7", delivery=1)]

    assert market.judge(Feed.TRADES, rows).quarantine["delivery"].to_list() == [2]


def test_a_good_copy_replaces_one_that_arrived_broken(market) -> None:
    rows = [market.trade(1, trade_id="7", price=-1.0, delivery=0), market.trade(1, trade_id="7", delivery=1)]

    judged = market.judge(Feed.TRADES, rows)

    assert judged.clean.height == 1
    assert judged.quarantine["rule"].to_list() == ["price_not_positive"]


def test_the_same_id_on_two_instruments_is_two_trades(market) -> None:
    rows = [market.trade(1, trade_id="7"), market.trade(1, trade_id="7", instrument="BBB")]

    assert market.judge(Feed.TRADES, rows).quarantine.is_empty()


def test_equal_rows_of_one_delivery_without_ids_are_two_trades(market) -> None:
    assert market.judge(Feed.TRADES, [market.trade(1, seq=seq) for seq in range(5)]).quarantine.is_empty()


def test_quotes_repeated_by_an_overlapping_delivery_are_copies(market) -> None:
    first = [market.quote(ms, delivery=0, seq=ms) for ms in range(10)]
    overlap = [market.quote(ms, delivery=1, seq=ms - 5) for ms in range(5, 15)]

    judged = market.judge(Feed.QUOTES, first + overlap)

    assert judged.clean["ts_event"].n_unique() == judged.clean.height == 15
    assert judged.counts["duplicate"] == 5


@pytest.mark.parametrize("ids", [False, True], ids=["content", "text ids"])
@settings(max_examples=40, deadline=None)
@given(delivered=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_as_many_stay_as_the_fullest_delivery_brought(market, ids, delivered) -> None:
    rows = [
        market.trade(at, seq=seq, delivery=delivery, trade_id=f"x{at}" if ids else None)
        for seq, (delivery, at) in enumerate(delivered)
    ]

    kept = Counter((market.judge(Feed.TRADES, rows).clean["ts_event"].cast(int) - market.start) // 1_000_000)

    brought = Counter(delivered)
    ats = {at for _, at in delivered}
    assert kept == {at: 1 if ids else max(brought[delivery, at] for delivery in range(4)) for at in ats}
