"""What a run leaves: round trips against a slow ledger of lots, and tables that say exactly what the log says."""

from collections import defaultdict, deque
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa._scripted import (
    MINUTE,
    SCRIPTED,
    START,
    Script,
    bars,
    cancel,
    charges,
    frame,
    instrument,
    merged,
    sessions,
    submit,
)
from tickline.backtest.assumptions import Assumptions, Costs
from tickline.backtest.bars import listed, prepare
from tickline.backtest.matching import FILL
from tickline.backtest.results import round_trips
from tickline.backtest.run import Account, frames_of, run_bars
from tickline.lake.schemas import BACKTESTS
from tickline.reference.models import FeeSchedule
from tickline.signals.desk import Flag, Grouping, TimeInForce

FLAT = (100, 100, 100, 100)


# Round trips.


def by_hand(fills):
    """[(instrument, lots, entry, exit)] in the order they closed, one lot at a time."""
    waiting, closed = defaultdict(deque), defaultdict(int)
    for row, (name, lots, _) in enumerate(fills):
        queue, side = waiting[name], 1 if lots > 0 else -1
        for _ in range(abs(lots)):
            if queue and queue[0][1] != side:
                entry, entered = queue.popleft()
                closed[name, entry, row] += entered
            else:
                queue.append((row, side))
    left = defaultdict(int)
    for name, queue in waiting.items():
        for row, side in queue:
            left[name, row] += side
    trips = sorted(closed.items(), key=lambda one: (one[0][2], one[0][1]))
    opened = sorted(left.items(), key=lambda one: one[0][1])
    return [(nth, lots, entry, leave) for (nth, entry, leave), lots in trips] + [
        (nth, lots, entry, -1) for (nth, entry), lots in opened
    ]


_fills = st.lists(st.tuples(st.integers(0, 2), st.integers(-12, 12).filter(bool), st.integers(-50, 10**6)), max_size=40)


@settings(max_examples=100, deadline=None)
@given(_fills)
def test_round_trips_are_first_in_first_out_and_their_lots_and_fees_add_up(made):
    fills = np.zeros(len(made), FILL)
    for nth, name in enumerate(("instrument", "lots", "fee")):
        fills[name] = [one[nth] for one in made]
    trips = round_trips(fills)
    assert [tuple(map(int, trip))[:4] for trip in trips[["instrument", "lots", "entry", "exit"]].tolist()] == by_hand(
        made
    )
    assert trips["fees"].sum() == sum(fee for _, _, fee in made)
    for row, (_, lots, _) in enumerate(made):
        of_row = trips[(trips["entry"] == row) | (trips["exit"] == row)]
        assert np.abs(of_row["lots"]).sum() == abs(lots)
    for trip in trips:
        shares = [row for row in (int(trip["entry"]), int(trip["exit"])) if row >= 0]
        exact = sum(Fraction(made[row][2] * abs(int(trip["lots"])), abs(made[row][1])) for row in shares)
        assert abs(trip["fees"] - exact) < len(made) + 1


def test_no_fills_make_no_round_trips():
    assert round_trips(np.zeros(0, FILL)).size == 0


# Tables.


NAMES = ("A", "B")
FEES = FeeSchedule(maker_bps=Decimal(1), taker_bps=Decimal("2.5"))


def ran(market, *plays, assumed=None, due=None, grids=({}, {})):
    """The frames of a run on bars, what it left and its account."""
    listed_ones = listed([instrument(name, **grid) for name, grid in zip(NAMES, grids, strict=True)], FEES)
    account = Account(listed_ones, Decimal(100_000), assumed or Assumptions())
    ready = prepare([frame(market, *NAMES)], sessions(market), account.traded, assumed=account.assumed, signals=())
    script = Script(np.concatenate(plays), 0)
    left = run_bars(SCRIPTED, script, account, ready, charges() if due is None else due)
    numbers = SCRIPTED.parameters(np.zeros(0), 0)._replace(plays=1)
    return frames_of(left, SCRIPTED, numbers, account, ready), left, ready


def busy():
    """Two instruments, orders of every kind and end, positions left open, charges."""
    draws = np.random.default_rng(5)
    rows = []
    for _ in range(2):
        closes = 1_000 + draws.integers(-20, 21, 60).cumsum()
        opens = np.append(1_000, closes[:-1])
        high, low = (
            np.maximum(opens, closes) + draws.integers(0, 9, 60),
            np.minimum(opens, closes) - draws.integers(0, 9, 60),
        )
        rows.append(list(zip(opens, high, low, closes, strict=True)))
    market = merged(*(bars(*rows[nth], instrument=nth, every=60 * MINUTE) for nth in range(2)))
    asked = [
        submit(
            int(draws.integers(0, 100)),
            int(draws.integers(-9, 10)),
            instrument=int(draws.integers(0, 2)),
            kind=int(draws.integers(0, 5)),
            price=int(draws.integers(950, 1_050)),
            trigger=int(draws.integers(950, 1_050)),
            tif=int(draws.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.DAY])),
            flags=int(draws.choice([0, 0, Flag.REDUCE_ONLY, Flag.POST_ONLY])),
            group=int(draws.integers(1, 4)),
            grouping=int(draws.choice([Grouping.NONE, Grouping.NONE, Grouping.OCO])),
            tag=nth,
        )
        for nth in range(60)
    ]
    due = charges(*((START + hour * 60 * MINUTE, nth, 1_000_000, 0) for hour in (8, 16, 24) for nth in range(2)))
    return ran(
        market,
        *asked,
        cancel(50, 7),
        submit(100, 4, tag=99),
        assumed=Assumptions(costs=Costs(slippage_ticks=1)),
        due=due,
    )


@pytest.fixture(scope="module")
def left():
    return busy()


def test_every_table_has_exactly_the_columns_of_its_schema(left):
    frames, _, _ = left
    for name, table in frames.items():
        assert dict(table.schema) == dict(BACKTESTS[name].columns), name
        assert table.height > 0, name


def test_a_run_of_nothing_leaves_empty_tables_of_the_same_columns():
    frames, _, _ = ran(bars(FLAT, FLAT), cancel(0, 1))
    for name in ("backtest_orders", "backtest_fills", "backtest_trades"):
        assert (frames[name].height, dict(frames[name].schema)) == (0, dict(BACKTESTS[name].columns))
    assert frames["backtest_equity"]["equity"].to_list() == [100_000.0] * 2


def test_tables_come_sorted_as_their_schemas_say(left):
    frames, _, _ = left
    for name, table in frames.items():
        assert table.equals(table.sort(BACKTESTS[name].sort, maintain_order=True)), name


def test_fills_are_exact_and_name_the_bar_they_traded_in(left):
    frames, run, ready = left
    table = frames["backtest_fills"]
    made = run.log.fills[np.lexsort((run.log.fills["order"], run.log.fills["ts"]))]
    assert table["price"].to_list() == [Decimal(int(price)).scaleb(-2) for price in made["price"]]
    assert table["fee"].to_list() == [Decimal(int(fee)).scaleb(-8) for fee in made["fee"]]
    signed = table["size"] * pl.Series([1 if side == "buy" else -1 for side in table["side"]])
    assert [int(lots) for lots in signed] == made["lots"].tolist()
    for fill in table.iter_rows(named=True):
        bar = ready.rows.row(
            by_predicate=(pl.col("input_row") == fill["input_row"]) & (pl.col("instrument") == fill["instrument"]),
            named=True,
        )
        assert bar["session_date"] == fill["session_date"]
        assert bar["ts_close"] - timedelta(hours=1) <= fill["ts"] <= bar["ts_close"]


def test_every_order_and_refusal_is_in_the_table_with_what_was_filled_of_it(left):
    frames, run, _ = left
    orders, fills = frames["backtest_orders"], frames["backtest_fills"]
    alive = run.desk["orders"][0, : run.desk["working"][0]]
    assert orders.height == run.log.ended.size + alive.size
    real = orders.filter(pl.col("order") > 0)
    assert sorted(real["order"]) == list(range(1, int(run.desk["ordered"][0]) + 1))
    traded = fills.group_by("order").agg(pl.col("size").sum())
    both = real.join(traded, on="order", how="left").with_columns(pl.col("size_right").fill_null(0))
    assert both["filled"].to_list() == both["size_right"].to_list()
    assert (orders["filled"] <= orders["size"]).all()
    refused = orders.filter(pl.col("order") == 0)
    assert refused["reason"].null_count() == 0
    assert set(orders["status"]) >= {"filled", "cancelled", "expired", "rejected"}


def test_prices_that_were_not_set_are_null():
    frames, _, _ = ran(bars(FLAT, FLAT), submit(0, 1, tag=1), submit(0, 1, price=50, tag=2))
    orders = frames["backtest_orders"].sort("tag")
    assert orders["price"].to_list() == [None, Decimal("0.50")]
    assert orders["trigger"].to_list() == [None, None]
    assert orders["status"].to_list() == ["filled", "working"]


def test_trades_and_fees_and_charges_make_what_equity_became(left):
    frames, run, _ = left
    trades, facts = frames["backtest_trades"], frames["backtest_run"].row(0, named=True)
    gained = float(facts["equity"] - facts["capital"] + facts["charges"])
    assert facts["charges"] != 0
    assert float(trades["net"].sum()) == pytest.approx(gained, abs=1e-6)
    assert float(trades["fees"].sum()) == pytest.approx(float(facts["fees"]), abs=1e-9)
    assert facts["fees"] == sum(frames["backtest_fills"]["fee"])
    held = (
        trades.filter("is_open")
        .group_by("instrument")
        .agg((pl.col("size") * pl.when(side="long").then(1).otherwise(-1)).sum())
    )
    assert dict(held.iter_rows()) == {
        name: lots for name, lots in zip(NAMES, run.desk["positions"]["lots"][0].tolist(), strict=False) if lots
    }


def test_what_is_still_held_leaves_at_the_last_bar_and_its_price():
    frames, _, _ = ran(bars(FLAT, FLAT, (110,) * 4, (120,) * 4), submit(0, 3))
    (trade,) = frames["backtest_trades"].iter_rows(named=True)
    assert (trade["is_open"], trade["side"], trade["size"]) == (True, "long", 3.0)
    assert (trade["entry_price"], trade["exit_price"]) == (1.0, 1.2)
    assert trade["gross"] == pytest.approx(0.6)
    assert trade["ts_exit"] == frames["backtest_equity"]["ts"][-1]


def test_equity_is_the_account_after_the_last_row_of_each_time(left):
    frames, run, ready = left
    table = frames["backtest_equity"]
    assert table["ts"].to_list() == ready.rows["ts_close"].unique().sort().to_list()
    desk = run.desk[0]
    worth = sum(
        int(held["lots"]) * int(held["mark"]) * int(grid["tick_value"])
        for held, grid in zip(desk["positions"], desk["instruments"], strict=True)
    )
    assert table["equity"][-1] == pytest.approx((int(desk["cash"]) + worth) * 1e-8, abs=1e-9)
    assert table["exposure"][-1] == pytest.approx(worth / (int(desk["cash"]) + worth))
    best = table["equity"].cum_max()
    assert table["drawdown"].to_list() == pytest.approx((1 - table["equity"] / best).to_list())
