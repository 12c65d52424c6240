"""The firewall for one row at a time: the same rules, the same steps, verdicts as soon as they can be known.

Fed a day's rows in canonical order it refuses exactly what `judge` refuses, with two limits. `duplicate` remembers a
bounded number of ticks, and keeps the copy that comes first where `judge` keeps that of the earliest delivery. Rows fed
in another order are judged in that order: `jump` and `frozen` look at the ticks before, and there are others before.
Book feeds are judged by `judge` alone: a book is built from whole messages, not from rows.
"""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import polars as pl

from tickline.errors import FirewallError
from tickline.lake.schemas import Feed
from tickline.reference.models import Venue
from tickline.ticks import scans
from tickline.ticks.conditions import EVERYTHING, Conditions
from tickline.ticks.duplicates import content
from tickline.ticks.rules import Rule, RuleSet, Scan
from tickline.ticks.windows import Windows, midnight_of, windows

Row = Mapping[str, Any]
"""One raw row: the columns of `RAW[feed]`, times as integer nanoseconds since the Unix epoch (UTC)."""

MEMORY = 1_000_000
"""Ticks remembered for finding copies."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: `rule` refused it, or None and it is clean.

    `notes` are the rules that fired without refusing; `sets` is what a clean print may set (see CLEAN).
    """

    row: Row
    rule: str | None
    notes: tuple[str, ...] = ()
    sets: int = EVERYTHING


@dataclass(frozen=True, slots=True)
class _Tick:
    """A row on its way through the rules."""

    row: Row
    numbers: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def instrument(self) -> str:
        return str(self.row["instrument"])


Settled = Iterator[tuple[_Tick, bool]]
"""Ticks a scan has made up its mind about, and whether each is refused."""


class _Watch(Protocol):
    """A scan over ticks as they come."""

    def see(self, tick: _Tick) -> Settled: ...
    def finish(self) -> Settled: ...


class Firewall:
    """Judges the rows of one feed of one venue on one UTC day as they come."""

    def __init__(  # noqa: PLR0913 - each is one thing a verdict depends on
        self,
        feed: Feed,
        venue: Venue,
        *,
        day: date,
        sessions: pl.DataFrame,
        rules: RuleSet,
        conditions: Conditions | None = None,
        memory: int = MEMORY,
    ) -> None:
        if feed is Feed.BOOK:
            raise FirewallError(
                f"{venue.name}: a book feed is judged by whole messages; use tickline.ticks.firewall.judge"
            )
        midnight = midnight_of(day)
        self._conditions = conditions
        self._numbers = {
            each.name: rules.numbers(feed, venue, each) | {"midnight": midnight} for each in venue.instruments
        }
        self._unlisted = rules.numbers(feed, venue, None) | {"midnight": midnight}
        self._tests = [
            (rule, rules.condition(rule, feed).closure(midnight=midnight)) for rule in rules.of(feed) if rule.when
        ]
        open_hours = {each.name: windows(sessions, venue.calendar_of(each), day) for each in venue.instruments}
        watches: dict[Scan, Callable[[], _Watch]] = {
            "sessions": lambda: _Sessions(open_hours),
            "repeats": lambda: _Repeats(feed, memory),
            "order": _Order,
            "jumps": _Jumps,
            "frozen": _Frozen,
        }
        self._watches: list[tuple[Rule, _Watch]] = [
            (rule, watches[rule.scan]()) for rule in rules.of(feed) if rule.scan is not None
        ]

    def step(self, row: Row) -> list[Outcome]:
        """Judge one row. Returns the rows whose verdict is now known: this one, those it settled, or none yet."""
        numbers = self._numbers.get(row["instrument"], self._unlisted)
        named = {**numbers, **row}
        notes: tuple[str, ...] = ()
        for rule, test in self._tests:
            if test(named) is True:
                if rule.severity == "reject":
                    return [Outcome(row, rule.name)]
                notes += (rule.name,)
        return list(self._through(_Tick(row, numbers, notes), 0))

    def finish(self) -> list[Outcome]:
        """Settle what is still held at the end of the day."""
        outcomes: list[Outcome] = []
        for at, (rule, watch) in enumerate(self._watches):
            for tick, refused in watch.finish():
                outcomes += [Outcome(tick.row, rule.name)] if refused else self._through(tick, at + 1)
        return outcomes

    def _through(self, tick: _Tick, at: int) -> Iterator[Outcome]:
        """Take a tick through the scans from the `at`-th on."""
        if at == len(self._watches):
            sets = self._conditions.sets(tick.row["conditions"]) if self._conditions else EVERYTHING
            yield Outcome(tick.row, None, tick.notes, sets)
            return
        rule, watch = self._watches[at]
        for settled, refused in watch.see(tick):
            if refused:
                yield Outcome(settled.row, rule.name)
            else:
                yield from self._through(settled, at + 1)


@dataclass(frozen=True, slots=True)
class _Sessions:
    open_hours: Mapping[str, Windows]

    def see(self, tick: _Tick) -> Settled:
        hours = self.open_hours.get(tick.instrument)
        ts = tick.row["ts_event"]
        yield tick, hours is None or ts is None or not hours.contains(ts)

    def finish(self) -> Settled:
        return iter(())


class _Repeats:
    """Copies by trade id, or by how often each delivery brought the same content."""

    def __init__(self, feed: Feed, memory: int) -> None:
        self.columns, self.memory = content(feed), memory
        self.ids: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.contents: OrderedDict[tuple[Any, ...], dict[int, int]] = OrderedDict()

    def see(self, tick: _Tick) -> Settled:
        row = tick.row
        if row.get("trade_id") is not None:
            key = (tick.instrument, row["trade_id"])
            yield tick, key in self.ids
            self.ids[key] = None
            self._forget(self.ids)
            return
        counts = self.contents.setdefault(tuple(row[name] for name in self.columns), {})
        own = counts[row["delivery"]] = counts.get(row["delivery"], 0) + 1
        yield tick, any(count >= own for delivery, count in counts.items() if delivery != row["delivery"])
        self._forget(self.contents)

    def _forget(self, seen: OrderedDict[Any, Any]) -> None:
        if len(seen) > self.memory:
            seen.popitem(last=False)

    def finish(self) -> Settled:
        return iter(())


def _settle(action: int, tick: _Tick, held: list[_Tick]) -> Settled:
    """What an action of `scans` decides about a tick and those held before it; `held` is brought up to date."""
    before = held.copy()
    if action == scans.HOLD:
        held.append(tick)
        return
    held.clear()
    yield from ((earlier, action != scans.RELEASE) for earlier in before)
    if action == scans.REPLACE:
        held.append(tick)
    else:
        yield tick, False


class _Order:
    def __init__(self) -> None:
        self.states: dict[str, tuple[int, scans.Ints]] = {}
        self.held: dict[str, list[_Tick]] = defaultdict(list)

    def see(self, tick: _Tick) -> Settled:
        delivery, held = tick.row["delivery"], self.held[tick.instrument]
        since, state = self.states.get(tick.instrument, (None, None))
        if state is None or since != delivery:
            yield from ((earlier, True) for earlier in held)
            held.clear()
            state = scans.order_state()
            self.states[tick.instrument] = delivery, state
        numbers = tick.numbers
        limits = scans.OrderLimits(int(numbers["order_tolerance_s"] * 1e9), int(numbers["order_confirm"]))
        yield from _settle(scans.order_step(state, tick.row["ts_event"], limits), tick, held)

    def finish(self) -> Settled:
        for held in self.held.values():
            yield from ((tick, True) for tick in held)


class _Jumps:
    def __init__(self) -> None:
        self.states: dict[str, scans.Floats] = defaultdict(scans.jump_state)
        self.held: dict[str, list[_Tick]] = defaultdict(list)

    def see(self, tick: _Tick) -> Settled:
        state, held = self.states[tick.instrument], self.held[tick.instrument]
        action = scans.jump_step(state, _price(tick.row), _jump_limits(tick))
        if action == scans.OPEN:
            yield from self._away([*held, tick], state[0])
            held.clear()
        else:
            yield from _settle(action, tick, held)

    def finish(self) -> Settled:
        for instrument, held in self.held.items():
            state = self.states[instrument]
            if held and math.isnan(state[0]):
                scans.jump_open(state)
            yield from self._away(held, state[0])

    def _away(self, ticks: list[_Tick], reference: float) -> Settled:
        for tick in ticks:
            yield tick, not scans.near(_price(tick.row), reference, _jump_limits(tick))


def _price(row: Row) -> float:
    return _number(row["price"]) if "price" in row else (_number(row["bid"]) + _number(row["ask"])) / 2


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _jump_limits(tick: _Tick) -> scans.JumpLimits:
    numbers = tick.numbers
    return scans.JumpLimits(numbers["jump_ratio"], numbers["jump_floor"], int(numbers["jump_confirm"]))


class _Frozen:
    def __init__(self) -> None:
        self.states: dict[str, scans.Floats] = defaultdict(scans.frozen_state)

    def see(self, tick: _Tick) -> Settled:
        row, numbers = tick.row, tick.numbers
        quote = (_number(row["bid"]), _number(row["bid_size"]), _number(row["ask"]), _number(row["ask_size"]))
        received = row["ts_event"] if row["ts_recv"] is None else row["ts_recv"]
        limits = scans.FrozenLimits(int(numbers["frozen_rows"]), numbers["frozen_s"])
        yield tick, scans.frozen_step(self.states[tick.instrument], quote, received / 1e9, limits)

    def finish(self) -> Settled:
        return iter(())
