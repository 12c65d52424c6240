"""What each directional strategy wants on each bar, against its rules spelled out in NumPy, and how it trades that."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tickline.backtest.assumptions import Assumptions, venue_of
from tickline.backtest.bar_engine import Bars, Charges, Place, build
from tickline.backtest.bar_matching import BAR, arrive, match_open, match_within
from tickline.backtest.matching import Seat, new_log, take_in
from tickline.errors import ConfigError
from tickline.execution.accounting import mark
from tickline.execution.orders import Status
from tickline.reference.models import FeeSchedule
from tickline.signals.desk import (
    EVENT,
    INSTRUMENT,
    INTENT,
    NEVER,
    ORDER,
    Action,
    EventKind,
    Flag,
    Grouping,
    Kind,
    open_desk,
)
from tickline.signals.strategies.following import WANTED, Purpose, at_risk
from tickline.signals.strategy import decide, engine_for, fresh_memory, load_strategy

MINUTE = 60_000_000_000
DIRECTIONAL = ("sma_trend", "donchian_breakout", "mean_reversion", "trend_on_two")


def shipped(name):
    return load_strategy(f"tickline.signals.strategies.{name}")


def desk_of(instruments=1, capital=1_000_000):
    grid = np.zeros(instruments, INSTRUMENT)
    grid[:] = (0.01, 1.0, 1)
    return open_desk(grid, capital=capital * 100, unit=0.01)


def walk(bars, *, seed=7, jump=0.01):
    """Bars of a random walk: open, high, low, close in cents."""
    draws = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(draws.normal(0, jump, bars))), 2)
    begin = np.concatenate(([close[0]], close[:-1]))
    high = np.maximum(begin, close) + draws.integers(0, 30, bars) / 100
    low = np.minimum(begin, close) - draws.integers(0, 30, bars) / 100
    return np.column_stack((begin, high, low, close)).round(2)


def bar_events(prices, *, stream=0, every=1):
    events = np.zeros(len(prices), EVENT)
    events["kind"], events["stream"] = EventKind.BAR, stream
    events["ts"] = (np.arange(len(prices)) + 1) * MINUTE * every
    for at, name in enumerate(("open", "high", "low", "close")):
        events[name] = prices[:, at]
    return events


def filled(tag, lots, price, order=1):
    event = np.zeros(1, EVENT)
    event["kind"], event["tag"], event["lots"], event["price"] = EventKind.FILL, tag, lots, price
    event["order"], event["ts"] = order, MINUTE
    return event[0]


def wanted(strategy, parameters, events):
    """The exposure after each event, as an account that never gets a fill sees it."""
    memory, desk, seen = fresh_memory(strategy, parameters), desk_of(), []
    for event in events:
        memory, _ = decide(strategy, parameters, memory, event=event, desk=desk)
        seen.append(memory[WANTED])
    return np.array(seen)


def mean(values, n):
    return np.array([values[at - n + 1 : at + 1].mean() if at >= n - 1 else np.nan for at in range(len(values))])


def test_a_trend_is_long_above_and_short_below_its_slow_mean():
    prices = walk(120)
    fast, slow = mean(prices[:, 3], 3), mean(prices[:, 3], 10)
    expected = np.where(np.isnan(slow), 0, np.where(fast > slow, 1, -1))
    strategy = shipped("sma_trend")
    got = wanted(strategy, strategy.chosen({"fast": 3, "slow": 10}), bar_events(prices))
    assert got.tolist() == expected.tolist()
    long_only = wanted(strategy, strategy.chosen({"fast": 3, "slow": 10, "short": False}), bar_events(prices))
    assert long_only.tolist() == expected.clip(0).tolist()


def test_a_breakout_is_one_of_the_bars_before_and_ends_at_the_shorter_channel():
    prices = walk(300)
    _, high, low, close = prices.T
    expected, held = [], 0
    for at in range(len(close)):
        if at >= 8:
            if (held > 0 and close[at] < low[at - 4 : at].min()) or (held < 0 and close[at] > high[at - 4 : at].max()):
                held = 0
            if close[at] > high[at - 8 : at].max():
                held = 1
            elif close[at] < low[at - 8 : at].min():
                held = -1
        expected.append(held)
    strategy = shipped("donchian_breakout")
    got = wanted(strategy, strategy.chosen({"enter": 8, "leave": 4, "atr": 3}), bar_events(prices))
    assert got.tolist() == expected
    assert {-1, 0, 1} == set(expected)


def test_a_reversion_buys_the_oversold_below_the_band_until_the_mean():
    prices = walk(400)
    close = prices[:, 3]
    middle = mean(close, 10)
    strength = wilder_rsi(close, 4)
    expected, held = [], 0
    for at in range(len(close)):
        if at >= 9:
            deviation = close[at - 9 : at + 1].std()
            if (held > 0 and close[at] >= middle[at]) or (held < 0 and close[at] <= middle[at]):
                held = 0
            if held == 0 and close[at] < middle[at] - 1.5 * deviation and strength[at] <= 35:
                held = 1
            elif held == 0 and close[at] > middle[at] + 1.5 * deviation and strength[at] >= 65:
                held = -1
        expected.append(held)
    strategy = shipped("mean_reversion")
    parameters = strategy.chosen({"window": 10, "width": 1.5, "rsi": 4, "extreme": 35})
    assert wanted(strategy, parameters, bar_events(prices)).tolist() == expected
    assert {-1, 0, 1} == set(expected)


def wilder_rsi(close, n):
    change, gain, loss, found = np.diff(close), np.nan, np.nan, np.full(len(close), np.nan)
    for at in range(n, len(close)):
        if at == n:
            gain, loss = change[:n].clip(0).mean(), (-change[:n]).clip(0).mean()
        else:
            gain, loss = (
                (gain * (n - 1) + max(change[at - 1], 0)) / n,
                (loss * (n - 1) + max(-change[at - 1], 0)) / n,
            )
        found[at] = 100 * gain / (gain + loss)
    return found


def test_two_timeframes_have_to_agree():
    prices = walk(400, jump=0.003)
    longer = bar_events(prices[3::4], stream=1, every=4)
    events = np.concatenate((longer, bar_events(prices)))
    events = events[np.lexsort((-events["stream"], events["ts"]))]
    strategy = shipped("trend_on_two")
    got = wanted(strategy, strategy.chosen({"fast": 2, "slow": 6, "trend": 5}), events)
    side = np.sign(longer["close"] - mean(longer["close"], 5))
    last, agreed = 0, True
    for event, exposure in zip(events, got, strict=True):
        if event["stream"] == 1:
            of_trend = side[int(event["ts"]) // (4 * MINUTE) - 1]
            last = 0 if np.isnan(of_trend) else of_trend
        else:
            agreed &= exposure in (0, last)
    assert agreed
    assert {-1, 0, 1} == set(got)


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("sma_trend", {"fast": 50, "slow": 50}, "fast"),
        ("trend_on_two", {"fast": 50, "slow": 20}, "fast"),
        ("donchian_breakout", {"enter": 10, "leave": 11}, "leave"),
        ("pairs", {"enter": 1.0, "leave": 1.0}, "leave"),
        ("mean_reversion", {"extreme": 50}, "extreme"),
        ("sma_trend", {"share": 1.5}, "share"),
        ("ensemble", {"members": 1_000}, "members"),
    ],
)
def test_parameters_out_of_bounds_or_that_do_not_go_together_are_refused(name, values, what):
    with pytest.raises(ConfigError, match=what):
        shipped(name).chosen(values)


@pytest.mark.parametrize(
    ("distance", "risk", "share"),
    [(4.0, 0.01, 0.25), (1.0, 0.01, 0.5), (4.0, 0.0, 0.5), (0.0, 0.01, 0.5), (np.nan, 0.01, 0.5)],
)
def test_a_position_loses_at_its_stop_what_may_be_lost_and_no_more(distance, risk, share):
    # At 100 a quarter of equity stopped 4 away loses 1 % of it; a stop 1 away would allow all of it, more than half.
    assert at_risk(0.5, 100.0, distance, risk) == share


@pytest.mark.parametrize("module", ["", ".", "..", "..sma_trend", "a..b", "no/where", "tickline.nothing", "json"])
def test_what_is_no_module_of_a_strategy_is_a_configuration_error(module):
    with pytest.raises(ConfigError, match=r"no strategy|declares no STRATEGY"):
        load_strategy(module)


@pytest.mark.parametrize(
    ("source", "what"), [("def (", "SyntaxError"), ("1 / 0", "ZeroDivisionError: division by zero")]
)
def test_a_module_that_cannot_be_imported_says_why(tmp_path, monkeypatch, source, what):
    name = f"broken_{what.lower()[:4]}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=rf"no strategy '{name}': {what}"):
        load_strategy(name)


def test_a_turn_first_closes_by_an_order_that_can_only_reduce():
    strategy = shipped("sma_trend")
    parameters = strategy.chosen({"fast": 1, "slow": 2, "share": 0.5})
    memory, desk = fresh_memory(strategy, parameters), desk_of()
    falling = bar_events(np.array([[100.0] * 4, [90.0] * 4]))
    memory, _ = decide(strategy, parameters, memory, event=falling[0], desk=desk)
    desk["positions"]["lots"][0, 0] = 30
    memory, intents = decide(strategy, parameters, memory, event=falling[1], desk=desk)
    assert [(one["lots"], one["flags"], one["tag"]) for one in intents] == [
        (-30, Flag.REDUCE_ONLY, Purpose.LEAVE),
        (-5_555, 0, Purpose.ENTER),  # half of a million at 90
    ]


def protected(name="mean_reversion", held=100, exposure=1.0, tag=Purpose.ENTER, **values):
    """What a strategy that saw a true range of 2 asks for when it is told of a fill at 50."""
    strategy = shipped(name)
    parameters = strategy.chosen({"atr": 1, "stop": 3, **values})
    memory, desk = fresh_memory(strategy, parameters), desk_of()
    for event in bar_events(np.array([[50.0, 51, 49, 50]] * 3)):
        memory, _ = decide(strategy, parameters, memory, event=event, desk=desk)
    memory[WANTED] = exposure
    desk["positions"]["lots"][0, 0] = held
    desk["orders"][0, 0] = np.zeros((), ORDER)
    desk["orders"][0, 0]["id"], desk["orders"][0, 0]["tag"] = 9, Purpose.STOP
    desk["working"], desk["ordered"] = 1, 9
    return decide(strategy, parameters, memory, event=filled(tag, held, 50.0), desk=desk)[1]


@pytest.mark.parametrize(("held", "stop", "target"), [(100, 4_400, 5_200), (-100, 5_600, 4_800)])
def test_an_entry_is_stopped_and_takes_profit_and_one_cancels_the_other(held, stop, target):
    older, guard, profit = protected(held=held, exposure=np.sign(held), target=1)
    assert (older["action"], older["order"]) == (Action.CANCEL, 9)
    assert (guard["kind"], guard["lots"], guard["trigger"]) == (Kind.STOP, -held, stop)
    assert (profit["kind"], profit["lots"], profit["trigger"]) == (Kind.TAKE_PROFIT, -held, target)
    assert guard["group"] == profit["group"] > 0
    for one in (guard, profit):
        assert (one["grouping"], one["flags"], one["price"]) == (Grouping.OCO, Flag.REDUCE_ONLY, NEVER)


def test_without_a_target_the_stop_stands_alone():
    (_, stop) = protected()
    assert (stop["kind"], stop["group"], stop["grouping"]) == (Kind.STOP, 0, Grouping.NONE)


def test_an_entry_that_was_given_up_before_it_traded_is_closed():
    _, close = protected(exposure=0.0)
    assert (close["kind"], close["lots"], close["flags"]) == (Kind.MARKET, -100, Flag.REDUCE_ONLY)


def test_a_stop_that_traded_is_not_protected():
    assert protected(held=-100, tag=Purpose.STOP).size == 0


def test_deciding_changes_neither_memory_nor_desk():
    strategy = shipped("sma_trend")
    parameters = strategy.chosen({"fast": 1, "slow": 2})
    memory, desk = fresh_memory(strategy, parameters), desk_of()
    for event in bar_events(walk(3)):
        before, standing = memory.tobytes(), desk.tobytes()
        after, intents = decide(strategy, parameters, memory, event=event, desk=desk)
        assert (memory.tobytes(), desk.tobytes()) == (before, standing)
        memory = after
    assert intents.dtype == INTENT


SETTINGS = {
    "sma_trend": {"fast": 3, "slow": 9, "atr": 3, "stop": 1.5},
    "donchian_breakout": {"enter": 6, "leave": 3, "atr": 3, "stop": 1.0},
    "mean_reversion": {"window": 8, "width": 1.2, "rsi": 3, "extreme": 40, "atr": 3, "stop": 1.0, "target": 1.0},
    "trend_on_two": {"fast": 2, "slow": 5, "trend": 4, "atr": 3, "stop": 1.5},
    "pairs": {"window": 12, "enter": 1.0, "hold": 9},
    "ensemble": {"members": 2, "threshold": 0.2},
}


def series(strategy, bars=250):
    """Bars of each instrument and stream of a strategy, in the order the engine has them, and a regime to trade in."""
    parts = []
    for instrument in range(strategy.instruments):
        prices = walk(bars, seed=3 + instrument)
        for stream, every in zip(range(len(strategy.streams)), (1, 5), strict=False):
            events = bar_events(prices[every - 1 :: every], stream=stream, every=every)
            events["instrument"] = instrument
            parts.append(events)
    events = np.concatenate(parts)
    events = events[np.lexsort((events["instrument"], -events["stream"], events["ts"]))]
    events["volume"], events["session_close"] = 1_000.0, events["ts"].max()
    matched = np.zeros(events.size, BAR)
    matched["ts_open"], matched["ts_close"] = events["ts"] - MINUTE, events["ts"]
    matched["instrument"], matched["volume"] = events["instrument"], events["volume"]
    for name in ("open", "high", "low", "close"):
        matched["ask"][name] = matched["bid"][name] = np.rint(events[name] * 100)
    matched["mark"] = matched["ask"]["close"]
    return Bars(events, matched, np.ones((events.size, len(strategy.signals))))


def seated(strategy):
    venue = venue_of(Assumptions(), [FeeSchedule()] * strategy.instruments)[0]
    no_charges = Charges(*(np.zeros(0, np.int64) for _ in range(4)))
    return Seat(desk_of(strategy.instruments)[0], new_log(10_000), np.zeros(1, EVENT)[0]), Place(venue, no_charges)


def in_engine(strategy, parameters, bars):
    seat, place = seated(strategy)
    run = engine_for(build, strategy)
    assert run(parameters, fresh_memory(strategy, parameters), seat, place, bars, np.zeros((0, 2), np.int64), 0) > 0
    return seat


def event_by_event(strategy, parameters, bars):
    """The same account, but each event is decided on its own by the pure function."""
    seat, place = seated(strategy)
    desk, tally = seat.desk, seat.log.tally
    memory = fresh_memory(strategy, parameters)

    def decided(event, ts_effective):
        nonlocal memory
        memory, intents = decide(strategy, parameters, memory, event=event, desk=np.array([desk]))
        desk["intents"][: intents.size], desk["asked"] = intents, intents.size
        seat.event["ts"] = event["ts"]
        take_in(seat, place.venue, ts_effective)

    def told(ts):
        """Fills and ends as the engine tells of them: all of a moment before anything asked on them is taken in."""
        nonlocal memory
        said = []
        while tally["told_fills"] < tally["fills"] or tally["told_ended"] < tally["ended"]:
            event = np.zeros(1, EVENT)[0]
            event["ts"] = ts
            if tally["told_fills"] < tally["fills"]:
                source = seat.log.fills[tally["told_fills"]]
                tally["told_fills"] += 1
                event["kind"], event["lots"], event["price"] = EventKind.FILL, source["lots"], source["price"] * 0.01
                event["order"] = source["order"]
            else:
                source = seat.log.ended[tally["told_ended"]]
                tally["told_ended"] += 1
                if source["status"] == Status.FILLED:
                    continue
                event["kind"], event["status"], event["order"] = EventKind.CLOSED, source["status"], source["id"]
            event["instrument"], event["tag"] = source["instrument"], source["tag"]
            memory, intents = decide(strategy, parameters, memory, event=event, desk=np.array([desk]))
            said += list(intents)
        desk["intents"][: len(said)], desk["asked"] = said, len(said)
        seat.event["ts"] = ts
        take_in(seat, place.venue, ts)

    for row, (event, bar) in enumerate(zip(bars.events, bars.bars, strict=True)):
        tally["row"] = row
        if event["stream"] == 0:
            if desk["working"]:
                match_open(seat, place.venue, bar)
                told(bar["ts_open"])
                arrive(seat, bar, False)
                match_within(seat, place.venue, bar)
                told(bar["ts_close"])
            mark(desk, bar["instrument"], bar["mark"])
        desk["signals"][: bars.signals.shape[1]] = bars.signals[row]
        decided(event, event["ts"])
    return seat


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_live_event_by_event_decides_what_the_engine_decides(name):
    strategy = shipped(name)
    parameters = strategy.chosen(SETTINGS[name])
    bars = series(strategy)
    whole, single = in_engine(strategy, parameters, bars), event_by_event(strategy, parameters, bars)
    assert whole.log.tally["fills"] >= 5
    for entries in ("fills", "ended"):
        assert getattr(whole.log, entries).tobytes() == getattr(single.log, entries).tobytes()
    alive = slice(0, whole.desk["working"])
    assert whole.desk["orders"][alive].tobytes() == single.desk["orders"][alive].tobytes()
    assert whole.desk["cash"] == single.desk["cash"]


@pytest.mark.slow
def test_decisions_do_not_depend_on_the_seed_of_hashes():
    told = [
        subprocess.run(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            check=True,
            capture_output=True,
        ).stdout
        for seed in "012"
    ]
    assert len(told[0]) > 100
    assert told[0] == told[1] == told[2]


if __name__ == "__main__":
    for _name, _values in SETTINGS.items():
        _strategy = shipped(_name)
        _log = in_engine(_strategy, _strategy.chosen(_values), series(_strategy)).log
        sys.stdout.write(f"{_name} {_strategy.code} {_log.fills[:20].tolist()} {_log.ended[:20].tolist()}\n")
