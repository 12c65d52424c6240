"""Order flow, quotes and the volume profile, by hand and by an independent count."""

import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.signals import flow

BID, BID_SIZE, ASK, ASK_SIZE = QUOTE = tuple(pl.col(name) for name in ("bid", "bid_size", "ask", "ask_size"))
# (bid, its size, ask, its size) and what the quote adds to the flow of orders, by the paper's definition.
QUOTES = [
    ((10.0, 5.0, 11.0, 4.0), None),
    ((10.0, 8.0, 11.0, 4.0), 3.0),  # 3 more bid for
    ((10.0, 8.0, 11.0, 9.0), -5.0),  # 5 more on offer
    ((10.5, 2.0, 11.0, 9.0), 2.0),  # a better bid
    ((10.0, 6.0, 11.0, 9.0), -2.0),  # which is gone
    ((10.0, 6.0, 11.5, 7.0), 9.0),  # the ask is taken
    ((10.0, 6.0, 11.0, 1.0), -1.0),  # a better ask
    ((10.5, 3.0, 10.8, 2.0), 1.0),  # a better bid and a better ask
]
prints = st.lists(st.tuples(st.integers(9_900, 10_100), st.integers(1, 9)), min_size=1, max_size=60)


def _quotes():
    rows = [quote for quote, _ in QUOTES]
    return pl.DataFrame(rows, schema=["bid", "bid_size", "ask", "ask_size"], orient="row")


def test_order_flow_imbalance_adds_what_each_quote_brings_to_the_bid_and_takes_from_the_ask():
    said = _quotes().select(y=flow.order_flow_imbalance(*QUOTE, 1))["y"].to_list()
    assert said == [flow for _, flow in QUOTES]
    summed = _quotes().select(y=flow.order_flow_imbalance(*QUOTE, 7))["y"].to_list()
    assert summed == [None] * 7 + [sum(flow for _, flow in QUOTES[1:])]


def test_the_micro_price_leans_to_the_side_that_is_about_to_give_way():
    row = _quotes().select(micro=flow.micro_price(*QUOTE), mid=flow.mid(BID, ASK), spread=flow.spread(BID, ASK))[1]
    assert row.rows(named=True) == [{"micro": (10 * 4 + 11 * 8) / 12, "mid": 10.5, "spread": 1.0}]


def test_imbalances_are_shares():
    assert _quotes().select(y=flow.book_imbalance(BID_SIZE, ASK_SIZE))["y"][1] == pytest.approx(4 / 12)
    assert _quotes().select(y=flow.relative_spread(BID, ASK))["y"][0] == pytest.approx(1 / 10.5)
    trades = pl.DataFrame({"size": [2.0, 1.0, 7.0, 5.0], "side": ["buy", "sell", None, "sell"]})
    said = trades.select(y=flow.volume_imbalance(pl.col("size"), flow.side_sign(pl.col("side")), 2))
    assert said["y"].to_list() == [None, pytest.approx(1 / 3), None, -1]


@settings(deadline=None)
@given(printed=prints, width=st.sampled_from([1, 5, 25]))
def test_the_profile_counts_all_volume_once_and_its_twin_agrees_after_every_print(printed, width):
    frame = pl.DataFrame({"price": [price / 100 for price, _ in printed], "size": [float(size) for _, size in printed]})
    frame = frame.with_columns(instrument=pl.lit("A"))
    counted = Counter()
    state = np.zeros(flow.volume_profile_size(2 * 401))
    for price, size in printed:
        counted[price // width] += size
        control = flow.volume_profile_online(state, price / 100, float(size), width / 100)
        assert counted[round(control * 100 / width)] == max(counted.values())
    profile = flow.volume_profile(frame.lazy(), width=width / 100).collect()
    assert dict(profile.select("level", "volume").iter_rows()) == counted
    lowest = int(state[0])
    assert {lowest + int(at): state[4 + at] for at in np.flatnonzero(state[4:])} == counted
    assert state[3] == 0


def test_a_profile_keeps_count_of_what_it_has_no_level_for():
    state = np.zeros(flow.volume_profile_size(4))
    for price, size in ((10.0, 1.0), (99.0, 5.0), (1.0, 2.0), (math.nan, 9.0), (10.0, 1.0)):
        flow.volume_profile_online(state, price, size, 1.0)
    assert state.tolist() == [8, 1, 2, 7, 0, 0, 2, 0]
