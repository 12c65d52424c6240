"""A sweep: each set comes to what it comes to by itself; and bars that stir no order need not be matched."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from qa._scripted import (
    MINUTE,
    SCRIPTED,
    Script,
    bars,
    charges,
    fail,
    frame,
    grid,
    instrument,
    merged,
    sessions,
    submit,
)
from tickline.backtest import sweep as sweep_module
from tickline.backtest.assumptions import Assumptions, Costs, venue_of
from tickline.backtest.bar_matching import match_open, match_within, stirs
from tickline.backtest.bars import listed, prepare
from tickline.backtest.matching import Seat, new_log
from tickline.backtest.run import Account, frames_of, run_bars
from tickline.backtest.sweep import sweep
from tickline.execution.orders import Status, send
from tickline.reference.models import FeeSchedule
from tickline.signals.desk import EVENT, INTENT, NEVER, Flag, Kind, TimeInForce, open_desk

DAY = 40 * MINUTE
FEES = FeeSchedule(maker_bps=Decimal(1), taker_bps=Decimal("2.5"))
ROWS = 300


def walk(seed, rows=ROWS, **options):
    rng = np.random.default_rng(seed)
    close = 1_000 + np.cumsum(rng.integers(-20, 21, rows))
    opened = np.append(1_000, close[:-1]) + rng.integers(-3, 4, rows)
    high = np.maximum(opened, close) + rng.integers(0, 9, rows)
    low = np.minimum(opened, close) - rng.integers(0, 9, rows)
    return bars(*zip(opened, high, low, close, strict=True), **options)


def script(seed, plays=40):
    rng = np.random.default_rng(seed)
    asked = [
        submit(
            int(at),
            int(rng.integers(-4, 5)),
            instrument=int(rng.integers(0, 2)),
            tag=int(at) % 7,
            **{name: int(1_000 + rng.integers(-40, 41)) for name in ("price", "trigger") if rng.random() < 0.3},
        )
        for at in rng.integers(0, 2 * ROWS, plays)
    ]
    return Script(np.concatenate(asked), 0)


@pytest.fixture(scope="module")
def ready():
    """Two instruments with a longer timeframe, over sessions of forty minutes, that pay funding."""
    short, other = walk(1), walk(2, instrument=1)
    longer = walk(3, rows=ROWS // 5, every=5 * MINUTE, stream=1)
    assumed = Assumptions(costs=Costs(slippage_ticks=1))
    account = Account(listed([instrument("A"), instrument("B")], FEES), Decimal(1_000), assumed)
    market = merged(short, other)
    streams = [frame(market, "A", "B", day=DAY), frame(longer, "A", day=DAY)]
    due = charges(*[(int(market.events["ts"][nth]) - 1, 0, 1_000_000, 0) for nth in (100, 300)])
    return account, prepare(streams, sessions(market, day=DAY), account.traded, assumed=assumed, signals=()), due


def alone(parameters, account, prepared, due):
    """What a set comes to by the run itself and the tables made of it."""
    ran = run_bars(SCRIPTED, parameters, account, prepared, due)
    frames = frames_of(ran, SCRIPTED, Script(0, 0), account, prepared)
    trades = frames["backtest_trades"]
    unit = account.traded.unit
    return {
        "equity": ran.track[prepared.marks - 1, 0].tolist(),
        "final": int(ran.track[-1, 0]),
        "max_drawdown": frames["backtest_equity"]["drawdown"].max(),
        "fills": frames["backtest_fills"].height,
        "trades": trades.height,
        "wins": trades.filter(trades["net"] > 0).height,
        "gross": round(trades["gross"].sum() / float(unit)),
        "fees": int(frames["backtest_run"]["fees"][0] / unit),
    }


def seen(one):
    return {
        name: getattr(one, name) for name in ("final", "max_drawdown", "fills", "trades", "wins", "gross", "fees")
    } | {"equity": one.equity.tolist()}


def test_each_set_comes_to_what_its_run_and_its_tables_say(ready):
    sets = [script(seed) for seed in range(11)]
    found = sweep(SCRIPTED, sets, *ready, threads=2)
    assert all(one.parameters is given for one, given in zip(found, sets, strict=True))
    assert [seen(one) for one in found] == [alone(one, *ready) for one in sets]
    assert min(one.fills for one in found) > 5
    assert len({one.max_drawdown for one in found}) == len(sets)


def test_a_sweep_is_the_same_on_any_number_of_threads(ready):
    sets = [script(seed) for seed in range(20)]
    one, three = (sweep(SCRIPTED, sets, *ready, threads=threads) for threads in (1, 3))
    assert [seen(a) for a in one] == [seen(b) for b in three]


def test_equity_is_kept_where_it_is_asked_for(ready):
    account, prepared, due = ready
    chosen = np.array([1, 250, prepared.rows.height])
    (one,) = sweep(SCRIPTED, [script(1)], account, replace(prepared, marks=chosen), due)
    track = run_bars(SCRIPTED, script(1), account, prepared, due).track
    assert one.equity.tolist() == track[chosen - 1, 0].tolist()


def test_a_set_that_trades_more_than_its_log_holds_comes_to_the_same(ready, monkeypatch):
    whole = sweep(SCRIPTED, [script(1), script(2)], *ready)
    monkeypatch.setattr(sweep_module, "ROWS_A_FILL", 10**9)
    assert [seen(one) for one in sweep(SCRIPTED, [script(1), script(2)], *ready)] == [seen(one) for one in whole]


def test_a_set_that_fails_says_why_and_the_others_go_on(ready):
    failing = Script(np.concatenate([submit(3, 1), fail(50)]), 0)
    good, bad, last = sweep(SCRIPTED, [script(1), failing, script(2)], *ready, threads=1)
    assert "scripted failed on these bars: ZeroDivisionError" in bad.failure
    assert (bad.equity.size, bad.trades, bad.capital) == (0, 0, good.capital)
    assert [seen(one) for one in (good, last)] == [alone(script(seed), *ready) for seed in (1, 2)]


def test_no_sets_come_to_nothing(ready):
    assert sweep(SCRIPTED, [], *ready) == []


# Bars that stir no order.


def sent(desk, intent, ts, arrival):
    send(desk[0], intent, ts, arrival)
    return desk["orders"][0, desk["working"][0] - 1]


def standing(rng):
    """A desk with orders sent, working and triggered, and a bar."""
    desk, ts = open_desk(grid(2), capital=10**12, unit=1e-8), 1_000 * MINUTE
    for _ in range(rng.integers(1, 4)):
        intent, lots = np.zeros(1, INTENT)[0], int(rng.choice([-3, 2]))
        kind, tif = rng.choice(list(Kind)), rng.choice(list(TimeInForce))
        terms = {"instrument": rng.integers(0, 2), "lots": lots, "kind": kind, "tif": tif}
        terms |= {"price": rng.integers(80, 121), "trigger": rng.integers(80, 121)}
        terms |= {"expires": rng.choice([NEVER, NEVER, NEVER, ts, ts + 1]), "flags": rng.choice([0, Flag.POST_ONLY])}
        for name, value in terms.items():
            intent[name] = value
        arrival = int(rng.choice([ts - 1, ts, ts + 1]))
        order = sent(desk, intent, ts - MINUTE, arrival)
        order["ts_cancel"] = rng.choice([NEVER, NEVER, NEVER, ts, ts + 1])
        if arrival < ts and tif != TimeInForce.IOC:
            order["status"] = rng.choice([Status.WORKING, Status.PARTLY_FILLED])
            order["filled"] = lots // 2 if order["status"] == Status.PARTLY_FILLED else 0
            order["triggered"] = ts - 1 if kind >= Kind.STOP and rng.random() < 0.5 else 0
    opened, closed = rng.integers(95, 106, 2)
    high, low = max(opened, closed) + rng.integers(0, 9), min(opened, closed) - rng.integers(0, 9)
    return desk, bars((opened, high, low, closed), start=ts, spread=int(rng.integers(0, 3))).bars[0]


@pytest.mark.parametrize("limit_fill", ["touch", "through"])
def test_matching_a_bar_that_stirs_no_order_changes_nothing(limit_fill):
    rng, still = np.random.default_rng(8), 0
    venue = venue_of(Assumptions(limit_fill=limit_fill), [FEES, FEES])[0]
    for _ in range(3_000):
        desk, bar = standing(rng)
        if stirs(desk[0], bar):
            continue
        still += 1
        log, before = new_log(100), desk.tobytes()
        seat = Seat(desk[0], log, np.zeros(1, EVENT)[0])
        match_open(seat, venue, bar)
        match_within(seat, venue, bar)
        assert desk.tobytes() == before
        assert (log.tally["fills"], log.tally["ended"]) == (0, 0)
    assert still > 300


@pytest.mark.parametrize(
    ("terms", "calm", "stirring"),
    [
        ({"lots": -3, "kind": Kind.STOP, "trigger": 90}, (100, 104, 91, 95), (100, 104, 90, 95)),
        ({"lots": 3, "kind": Kind.STOP, "trigger": 110}, (100, 109, 95, 99), (100, 110, 95, 99)),
        ({"lots": 3, "kind": Kind.LIMIT, "price": 90}, (100, 104, 91, 95), (100, 104, 90, 95)),
        ({"lots": -3, "kind": Kind.TAKE_PROFIT, "trigger": 110}, (100, 109, 95, 99), (100, 110, 95, 99)),
    ],
)
def test_an_order_the_bar_does_not_reach_is_not_stirred(terms, calm, stirring):
    desk, intent = open_desk(grid(), capital=10**12, unit=1e-8), np.zeros(1, INTENT)[0]
    for name, value in {"expires": NEVER, "price": NEVER, "trigger": NEVER, **terms}.items():
        intent[name] = value
    sent(desk, intent, 0, 0)["status"] = Status.WORKING
    assert [bool(stirs(desk[0], bars(prices).bars[0])) for prices in (calm, stirring)] == [False, True]
