import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import FirewallError
from tickline.lake.schemas import Feed
from tickline.ticks.canonical import canonical
from tickline.ticks.live import Firewall

pytestmark = pytest.mark.slow

prices = st.sampled_from([100.0] * 12 + [100.5, 99.5, 150.0, 150.0, 150.0, 1000.0, 0.0, 100.005, math.nan, math.inf])
faults = st.sampled_from(
    [{}] * 12
    + [{"size": 0.0}, {"side": "?"}, {"ts_event": None}, {"instrument": "ZZZ"}, {"defect": "x"}, {"price": None}]
)
trades = st.lists(
    st.tuples(st.sampled_from(["AAA", "BBB", "HRS"]), st.integers(0, 30), prices, faults), min_size=1, max_size=60
)
levels = st.sampled_from([100.0] * 6 + [100.02, 150.0, 1000.0])
quotes = st.lists(st.tuples(levels, st.sampled_from([0.02] * 9 + [0.0, -0.02]), st.booleans()), min_size=1, max_size=90)


def verdicts(outcomes) -> list[tuple]:
    return sorted((outcome.row["instrument"] or "", outcome.row["seq"], outcome.rule or "") for outcome in outcomes)


def batch_verdicts(judged) -> list[tuple]:
    clean = [(instrument, seq, "") for instrument, seq in judged.clean.select("instrument", "seq").rows()]
    refused = judged.quarantine.select("instrument", "seq", "rule").rows()
    return sorted((instrument or "", seq, rule) for instrument, seq, rule in clean + refused)


@settings(max_examples=40, deadline=None)
@given(drawn=trades)
def test_trades_fed_one_at_a_time_get_the_verdicts_of_the_batch(market, drawn) -> None:
    rows = [
        market.trade(9 * 3600_000 + at * 1000, instrument=instrument, price=price, seq=seq) | fault
        for seq, (instrument, at, price, fault) in enumerate(drawn)
    ]
    raw = canonical(market.raw(Feed.TRADES, rows), Feed.TRADES)

    live = market.live(Feed.TRADES, raw.with_columns(delivery=0).sort("ts_event", "seq"))

    # Sorted by time every row is in order, so nothing hides what the other scans say.
    calm = market.venue(parameters={"order_tolerance_s": 1e6})
    assert verdicts(live) == batch_verdicts(market.judge(Feed.TRADES, raw, venue=calm))


@settings(max_examples=40, deadline=None)
@given(times=st.lists(st.sampled_from([0, 0, 0, 0, 0, -1500, -3000, 3000, 4000]), min_size=1, max_size=60))
def test_disorder_is_judged_alike_in_the_order_delivered(market, times) -> None:
    rows = [market.trade(10_000 + seq * 200 + late, seq=seq) for seq, late in enumerate(times)]

    live = market.live(Feed.TRADES, market.raw(Feed.TRADES, rows))

    assert verdicts(live) == batch_verdicts(market.judge(Feed.TRADES, rows))


@settings(max_examples=40, deadline=None)
@given(drawn=quotes)
def test_quotes_fed_one_at_a_time_get_the_verdicts_of_the_batch(market, drawn) -> None:
    rows = [
        market.quote(seq * 4000, bid=mid - spread, ask=mid, bid_size=5.0 + changed, seq=seq)
        for seq, (mid, spread, changed) in enumerate(drawn)
    ]
    raw = market.raw(Feed.QUOTES, rows)

    assert verdicts(market.live(Feed.QUOTES, raw)) == batch_verdicts(market.judge(Feed.QUOTES, raw))


@settings(max_examples=40, deadline=None)
@given(delivered=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([None, "a", "b"]))))
def test_copies_are_found_alike_when_deliveries_come_one_after_another(market, delivered) -> None:
    rows = [
        market.trade(at, seq=seq, delivery=delivery, trade_id=trade_id)
        for seq, (delivery, at, trade_id) in enumerate(sorted(delivered, key=lambda row: row[:2]))
    ]

    live = market.live(Feed.TRADES, market.raw(Feed.TRADES, rows))

    assert verdicts(live) == batch_verdicts(market.judge(Feed.TRADES, rows))


def test_a_held_row_is_released_when_the_new_level_is_confirmed(market) -> None:
    rows = [market.trade(ms, price=price) for ms, price in enumerate([100.0] * 5 + [150.0] * 5)]
    firewall = Firewall(Feed.TRADES, market.venue(), day=market.day, sessions=market.sessions, rules=market.rules)

    settled = [
        len(
            firewall.step(row | {"delivery": 0, "defect": None, "trade_id": None, "conditions": None, "exchange": None})
        )
        for row in rows
    ]

    assert settled == [0, 0, 0, 0, 5, 0, 0, 0, 0, 5]
    assert firewall.finish() == []


def test_memory_for_copies_is_bounded(market) -> None:
    rows = market.raw(Feed.TRADES, [market.trade(ms, trade_id=str(ms % 50)) for ms in range(100)])

    assert [outcome.rule for outcome in market.live(Feed.TRADES, rows)].count("duplicate") == 50
    assert [outcome.rule for outcome in market.live(Feed.TRADES, rows, memory=10)].count("duplicate") == 0


def test_a_book_is_not_judged_row_by_row(market) -> None:
    with pytest.raises(FirewallError, match="whole messages"):
        Firewall(Feed.BOOK, market.venue(), day=market.day, sessions=market.sessions, rules=market.rules)
