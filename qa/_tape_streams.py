"""Random order streams in tick mode: scripts on random tapes of trades and book levels, replayed by a book of dicts.

The replay knows the feed and the fills alone. What takes has to find its price as the best there is, and no more than
its level holds after what was taken before; what rests has to be met by a trade or by the other side of the book.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import localcontext
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from qa import _ledger
from qa._ledger import Account, Wrong
from qa._scripted import BARS_SEEN, SCRIPTED, START, Script, charges
from qa._streams import Outcome, Streams, joined, plays_of, venues_of
from tickline.backtest import tick_engine
from tickline.backtest.bar_engine import Place
from tickline.backtest.floor import Clocks
from tickline.backtest.matching import FILL, Seat, new_log
from tickline.backtest.tick_engine import open_floor
from tickline.backtest.ticks import CLEARS, CLOSES, LEVEL, TICK, TRADE, Tape
from tickline.execution.queueing import QueueModel
from tickline.signals.desk import DESK, EVENT, INSTRUMENT, ORDER, Kind, Records, open_desk
from tickline.signals.strategy import engine_for

STEPS, DEPTH = 70, 3
ENTRIES = 20_000
FASTEST = 2_000_000
"""Latencies and the time between ticks are of this order (ns)."""


class Taped(NamedTuple):
    """Streams in tick mode: an outcome as in bar mode, without bars, and the tape of each."""

    outcome: Outcome
    tapes: list[Tape]


def ran(seed: int, count: int) -> Taped:
    """What comes of so many streams of a seed."""
    draws = np.random.default_rng([seed, 1])
    mids = draws.choice([30, 400], (count, 1))
    listed = draws.integers(1, 3, count)
    tapes = [_tape(draws, int(mid), int(several)) for mid, several in zip(mids[:, 0], listed, strict=True)]
    near = np.broadcast_to(mids[:, :, None], (count, 3, 16))
    plays = plays_of(draws, listed, near, np.full((count, 3, 1), 3))
    plays["at"] = np.where(plays["on"] == 0, draws.integers(0, 2 * STEPS, plays.shape), plays["at"] % 7)
    plays["tag"] = np.where(
        plays["on"] == 0, plays["tag"] % 7, 7
    )  # what is asked on news makes no news that asks again
    plays["lasts"] = draws.integers(0, 20, plays.shape) * FASTEST
    venues = venues_of(draws, count)
    venues["order_latency"], venues["answer_latency"] = draws.choice([0, 1, FASTEST, 5 * FASTEST], (2, count))
    venues["queue"], venues["partial_fills"] = draws.integers(0, 4, count), draws.random(count) < 0.7
    grids = np.zeros((count, 3), INSTRUMENT)
    grids["tick_size"], grids["lot_size"], grids["tick_value"] = 0.01, 1.0, draws.choice([1, 7, 1_000_000], (count, 3))
    capital = (mids[:, 0] * grids["tick_value"].max(axis=1)) * draws.choice([3, 60, 5_000], count)
    streams = Streams([], plays, grids, venues, [], capital)
    return Taped(_run(streams, tapes, listed), tapes)


def wrong_in(taped: Taped) -> Wrong:
    """What is wrong in streams, by the name of the check."""
    outcome = taped.outcome
    found = {f"tick_{name}": of for name, of in {**_ledger.of_accounts(outcome), **_ledger.of_orders(outcome)}.items()}
    offered = Counter[tuple[str, int]]()
    for nth, tape in enumerate(taped.tapes):
        offered.update((f"tick_{name}", nth) for name in _replayed(outcome, nth, tape))
    for name in {name for name, _ in offered}:
        found[name] = np.array(sorted(nth for other, nth in offered if other == name), np.int64)
    return {name: of for name, of in found.items() if of.size}


def _run(streams: Streams, tapes: list[Tape], listed: np.ndarray) -> Outcome:  # type: ignore[type-arg]
    engine, log, event = engine_for(tick_engine.build, SCRIPTED), new_log(ENTRIES), np.zeros(1, EVENT)
    desks, tracks = np.zeros(len(tapes), DESK), np.zeros((len(tapes), 2), np.int64)
    fills, orders = [], []
    for nth, tape in enumerate(tapes):
        for name in ("fills", "ended", "told_fills", "told_ended", "charged", "ts", "row"):
            log.tally[name] = 0
        grid, capital = streams.grids[nth, : listed[nth]], int(streams.capital[nth])
        ours = open_desk(grid, capital=capital, unit=1e-8)
        desks[nth : nth + 1] = open_desk(grid, capital=capital, unit=1e-8)
        seat, floor = Seat(ours[0], log, event[0]), open_floor(tape, desks[nth], Clocks())
        place, memory = Place(streams.venues[nth], charges()), np.zeros(BARS_SEEN + 2)
        if engine(Script(streams.plays[nth], 0), memory, seat, place, tape, floor) is False:
            raise RuntimeError(f"stream {nth} filled a log of {ENTRIES} entries")
        desk = desks[nth]
        tracks[nth] = desk["equity"], desk["cash"]
        fills.append(log.fills[: log.tally["fills"]].copy())
        orders.append(np.concatenate([log.ended[: log.tally["ended"]], desk["orders"][: desk["working"]]]))
    return Outcome(streams, *joined(fills, FILL), *joined(orders, ORDER), desks, tracks)


class Book:
    """The levels of one instrument as the feed tells them, lots by price, less what was taken since it last did."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[int, int]] = {1: {}, -1: {}}

    def tell(self, tick: Records) -> None:
        """Take note of a level; what it crosses is gone."""
        side, price, lots = int(tick["side"]), int(tick["price"]), int(tick["lots"])
        if tick["flags"] & CLEARS:
            self.sides = {1: {}, -1: {}}
        self.sides[side].pop(price, None)
        if lots:
            self.sides[side][price] = lots
            self.sides[-side] = {
                other: there for other, there in self.sides[-side].items() if (other - price) * side > 0
            }

    def best(self, side: int) -> int | None:
        """The best price of a side."""
        return max(self.sides[side], key=lambda price: price * side, default=None)


def _replayed(outcome: Outcome, nth: int, tape: Tape) -> Iterator[str]:
    """The names of the checks a stream fails."""
    low, high = np.searchsorted(outcome.fills_of, [nth, nth + 1])
    first, last = np.searchsorted(outcome.orders_of, [nth, nth + 1])
    orders = {int(one["id"]): one for one in outcome.orders[first:last] if one["id"]}
    fills, at, books = outcome.fills[low:high], 0, [Book(), Book(), Book()]
    with localcontext(prec=80):
        account = Account(outcome, nth)
        for row, tick in enumerate(tape.ticks):
            if tick["kind"] == TRADE:
                account.take("mark", {"instrument": tick["instrument"], "mark": tick["price"]})
            else:
                books[tick["instrument"]].tell(tick)
            while at < fills.size and fills[at]["row"] == row:
                fill = fills[at]
                at += 1
                yield from _fill(books[fill["instrument"]], tick, fill, orders.get(int(fill["order"])))
                account.take("fill", fill)
        if not _ledger.agrees(account, outcome.desks[nth]):
            yield "decimal_ledger"
    if _more_than_traded(outcome, nth, tape):
        yield "more_than_traded"
    if at < fills.size:
        yield "fill_out_of_order"


def _fill(book: Book, tick: Records, fill: Records, order: Records | None) -> Iterator[str]:
    """What is wrong with a fill on a book; what it takes leaves it."""
    if order is None:
        return  # a check of the orders says so
    lots, price, side = abs(int(fill["lots"])), int(fill["price"]), 1 if fill["lots"] > 0 else -1
    limited = order["kind"] in (Kind.LIMIT, Kind.STOP_LIMIT)
    if limited and (price - int(order["price"])) * side > 0:
        yield "limit_price"
    if fill["ts"] < order["ts_effective"] or order["ts_effective"] < order["ts_sent"]:
        yield "fill_before_it_arrived"
    if fill["maker"]:
        if not limited or price != order["price"]:
            yield "maker"
        if tick["instrument"] != fill["instrument"] or (price - int(tick["price"])) * side < 0:
            yield "made_outside_the_market"
        if tick["side"] * side > 0:
            yield "made_by_its_own_side"
        return
    there = book.sides[-side].get(price, 0)
    if there < lots or price != book.best(-side):
        yield "taken_outside_the_book"
    book.sides[-side].pop(price, None)
    if there > lots:
        book.sides[-side][price] = there - lots


def _more_than_traded(outcome: Outcome, nth: int, tape: Tape) -> bool:
    """Whether a fill at a trade's own price was of more lots than it had, where fills may be partial.

    Under the risk-averse queue alone: the others estimate who cancelled, and may find an order before the first place.
    """
    low, high = np.searchsorted(outcome.fills_of, [nth, nth + 1])
    fills = outcome.fills[low:high]
    ticks = tape.ticks[fills["row"]]
    at_trade = (fills["maker"] > 0) & (ticks["kind"] == TRADE) & (ticks["price"] == fills["price"])
    venue = outcome.streams.venues[nth]
    is_exact = venue["partial_fills"] and venue["queue"] == QueueModel.RISK_AVERSE
    return bool(is_exact and np.any(at_trade & (np.abs(fills["lots"]) > ticks["lots"])))


def _tape(draws: np.random.Generator, mid: int, listed: int) -> Tape:
    made: list[SimpleNamespace] = []
    ts = START
    for nth in range(listed):
        made += _snapshot(draws, ts, nth, mid)
    mids, dice = [mid] * listed, draws.integers(0, 2**31, (STEPS, 6))
    for step in dice.tolist():
        ts += step[0] % (4 * FASTEST) if step[1] % 5 else 0
        nth, side, lots, kind = step[2] % listed, 1 - 2 * (step[3] % 2), 1 + step[4] % 12, step[5] % 100
        if kind < 35:
            made.append(
                _tick(ts, TRADE, nth, side if step[1] % 7 else 0, mids[nth] + side * (1 + step[3] % 9 // 7), lots)
            )
        elif kind < 85:
            made.append(_tick(ts, LEVEL, nth, side, mids[nth] - side * (1 + step[3] % 4), lots * (step[1] % 4 > 0)))
        elif kind < 97:
            mids[nth] = max(mids[nth] + side, DEPTH + 2)
            made.append(_tick(ts, LEVEL, nth, side, mids[nth] - side, lots))
        else:
            made += _snapshot(draws, ts, nth, mids[nth])
    ticks = np.zeros(len(made), TICK)
    for name in ("ts", "kind", "instrument", "side", "price", "lots", "flags"):
        ticks[name] = [getattr(one, name) for one in made]
    ticks["row"] = np.arange(ticks.size)
    ticks["ts_recv"] = np.maximum.accumulate(ticks["ts"] + draws.integers(0, 2 * FASTEST, ticks.size))
    return Tape(ticks, np.argsort(ticks["ts_recv"], kind="stable"), np.array([START + STEPS * FASTEST], np.int64))


def _snapshot(draws: np.random.Generator, ts: int, nth: int, mid: int) -> list[SimpleNamespace]:
    places = [(side, mid - side * away) for side in (1, -1) for away in range(1, DEPTH + 1)]
    sizes = draws.integers(1, 13, len(places)).tolist()
    levels = [_tick(ts, LEVEL, nth, *place, lots) for place, lots in zip(places, sizes, strict=True)]
    for level in levels:
        level.flags = 0
    levels[0].flags, levels[-1].flags = CLEARS, CLOSES
    return levels


def _tick(ts: int, kind: int, nth: int, side: int, price: int, lots: int) -> SimpleNamespace:
    return SimpleNamespace(ts=ts, kind=kind, instrument=nth, side=side, price=price, lots=lots, flags=CLOSES)
