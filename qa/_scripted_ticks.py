"""A strategy that plays a script on ticks, and small tapes by hand for it to play on.

It is woken every second and asks for what its script says at its n-th wake, or when an order of a tag fills or ends,
and notes all it was told and saw. Times are ms after START, prices in ticks of a cent, lots of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from qa._scripted import PLAY, START, UNIT, ask_for, charges, grid
from qa._scripted import cancel as cancel_at
from qa._scripted import submit as submit_at
from tickline.backtest.assumptions import Assumptions, venue_of
from tickline.backtest.bar_engine import Charges, Place
from tickline.backtest.floor import Clocks, Floor
from tickline.backtest.matching import Log, Seat, new_log
from tickline.backtest.tick_engine import build, open_floor
from tickline.backtest.ticks import CLEARS, CLOSES, LEVEL, TICK, TRADE, Tape
from tickline.compiled import inlined
from tickline.reference.models import FeeSchedule
from tickline.signals.desk import (
    EVENT,
    MOST_INTENTS,
    EventKind,
    Floats,
    Record,
    Records,
    open_desk,
)
from tickline.signals.strategy import Strategy, engine_for

MS, SECOND = 1_000_000, 1_000_000_000
BID, ASK, BUY, SELL, UNKNOWN = 1, -1, 1, -1, 0
FREE = FeeSchedule(maker_bps="0", taker_bps="0")
EVERY_SECOND = Clocks(wake=SECOND)
ENTRIES, NOTES = 2_000, 500

NOTE = (
    *("kind", "ts", "instrument", "order", "tag", "lots", "price", "side", "volume", "status", "session_close"),
    *("bid", "ask", "bid_size", "ask_size", "working", "oldest", "held", "equity"),
)
"""What it notes of each event: `oldest` is the status of the oldest working order, -1 where there is none; `held` are
the lots of the event's instrument; `equity` is the desk's, in units; `ts` and `session_close` are in ns after START."""

WAKES, NOTED, FIRST = 0, 1, 2


class Script(NamedTuple):
    """What to play, as an array of PLAY whose `at` is a wake, from 1 on, or a tag; and how many events to note."""

    plays: Records
    notes: int


def state_size(p: Script) -> int:
    """The floats it remembers."""
    return FIRST + p.notes * len(NOTE)


def on_event(p: Script, memory: Floats, event: Record, desk: Record) -> None:
    """Note the event, and play what is due."""
    if event.kind == EventKind.CLOCK and event.instrument == 0:
        memory[WAKES] += 1
    _note(p, memory, event, desk)
    for nth in range(p.plays.size):
        play = p.plays[nth]
        at = memory[WAKES] if event.kind == EventKind.CLOCK else event.tag
        is_due = play.on == event.kind and play.at == at and desk.asked < MOST_INTENTS
        if is_due and (event.kind != EventKind.CLOCK or event.instrument == 0):
            ask_for(desk, event, play)


@inlined
def _note(p: Script, memory: Floats, event: Record, desk: Record) -> None:
    noted = int(memory[NOTED])
    if noted >= p.notes:
        return
    memory[NOTED] += 1
    note = memory[FIRST + noted * 19 :]
    note[0] = event.kind
    note[1] = event.ts - START
    note[2] = event.instrument
    if event.kind >= EventKind.FILL:
        note[3], note[4], note[5], note[6] = event.order, event.tag, event.lots, event.price
    if event.kind == EventKind.TRADE:
        note[6], note[7], note[8] = event.price, event.side, event.volume
    if event.kind == EventKind.CLOSED:
        note[6], note[9] = 0.0, event.status
    note[10] = event.session_close - START
    note[11], note[12], note[13], note[14] = event.bid, event.ask, event.bid_size, event.ask_size
    note[15] = desk.working
    note[16] = desk.orders[0].status if desk.working else -1
    note[17] = desk.positions[event.instrument].lots
    note[18] = desk.equity


SCRIPTED = Strategy(
    name="scripted_ticks",
    describe="Plays a script on ticks",
    parameters=Script,
    state_size=state_size,
    on_event=on_event,
    streams=(),
    wakes=True,
)


def submit(at: int, lots: int, **terms: int) -> Records:
    """An order asked for at wake `at`, by its terms, as for bars."""
    return submit_at(at, lots, **{"on": EventKind.CLOCK, **terms})


def cancel(at: int, target: int, **terms: int) -> Records:
    """A cancel of the order of a tag asked for at wake `at`."""
    return cancel_at(at, target, **{"on": EventKind.CLOCK, **terms})


def trade(at: float, price: int, lots: int, side: int = UNKNOWN, instrument: int = 0) -> Records:
    """A print `at` ms after START."""
    return _tick(at, TRADE, price, lots, side, instrument)


def level(at: float, side: int, price: int, lots: int, instrument: int = 0) -> Records:
    """A message of one level's new total."""
    tick = _tick(at, LEVEL, price, lots, side, instrument)
    tick["flags"] = CLOSES
    return tick


def book(at: float, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], instrument: int = 0) -> Records:
    """A snapshot of (price, lots), as one message."""
    sides = ((BID, bids), (ASK, asks))
    ticks = np.concatenate(
        [_tick(at, LEVEL, price, lots, side, instrument) for side, levels in sides for price, lots in levels]
    )
    ticks["flags"][0] |= CLEARS
    ticks["flags"][-1] |= CLOSES
    return ticks


def tape(*ticks: Records, latency: float = 0, closes: Sequence[float] = ()) -> Tape:
    """Ticks in the order they are given, known `latency` ms later; sessions close at `closes` ms after START."""
    every = np.concatenate(ticks)
    every["row"] = np.arange(every.size)
    every["ts_recv"] = every["ts"] + round(latency * MS)
    return Tape(every, np.arange(every.size), np.array([START + round(close * MS) for close in closes], np.int64))


def _tick(at: float, kind: int, price: int, lots: int, side: int, instrument: int) -> Records:
    tick = np.zeros(1, TICK)
    tick["ts"] = START + round(at * MS)
    tick["kind"], tick["price"], tick["lots"], tick["side"], tick["instrument"] = kind, price, lots, side, instrument
    return tick


@dataclass(frozen=True)
class Played:
    """What came of a script: the log, the strategy's desk and the floor's account (arrays of one DESK), the floor and
    the memory."""

    log: Log
    desk: Records
    account: Records
    floor: Floor
    memory: Floats

    @property
    def records(self) -> Records:
        """Every fill as a FILL."""
        return self.log.fills[: self.log.tally["fills"]]

    @property
    def fills(self) -> list[tuple[float, int, int]]:
        """Every fill as (ms after START, lots, price in ticks)."""
        return [((int(one["ts"]) - START) / MS, int(one["lots"]), int(one["price"])) for one in self.records]

    @property
    def ended(self) -> Records:
        """Every order that ended and every intent that was refused."""
        return self.log.ended[: self.log.tally["ended"]]

    @property
    def notes(self) -> list[dict[str, float]]:
        """What it was told, by the names of NOTE."""
        noted = int(self.memory[NOTED])
        rows = self.memory[FIRST : FIRST + noted * len(NOTE)].reshape(noted, len(NOTE))
        return [dict(zip(NOTE, row.tolist(), strict=True)) for row in rows]

    def told(self, kind: EventKind) -> list[dict[str, float]]:
        """What it was told of a kind."""
        return [note for note in self.notes if note["kind"] == kind]


def play(
    ticks: Tape,
    *plays: Records,
    assumed: Assumptions | None = None,
    capital: int = 10**15,
    due: Charges | None = None,
    clocks: Clocks = EVERY_SECOND,
) -> Played:
    """Play a script on a tape, with capital in units."""
    instruments = grid(int(ticks.ticks["instrument"].max()) + 1)
    venue = venue_of(assumed or Assumptions(), [FREE] * instruments.size)[0]
    script = Script(np.concatenate(plays) if plays else np.zeros(0, PLAY), NOTES)
    desk, account = (open_desk(instruments, capital=capital, unit=UNIT) for _ in range(2))
    log, event, memory = new_log(ENTRIES), np.zeros(1, EVENT), np.zeros(state_size(script))
    place, floor = Place(venue, charges() if due is None else due), open_floor(ticks, account[0], clocks)
    run: Any = engine_for(build, SCRIPTED)
    assert run(script, memory, Seat(desk[0], log, event[0]), place, ticks, floor), "the log is full"
    return Played(log, desk, account, floor, memory)
