"""A strategy that plays a script, and small markets by hand for it to play on.

It asks for what its script says when its n-th bar closes (or n-th tick is known), or when an order of a tag fills or
ends, and notes all it was told and saw. Tests and commands share it, because an engine takes seconds to compile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tickline.backtest.assumptions import Assumptions, venue_of
from tickline.backtest.bar_engine import Bars, Charges, Place, build
from tickline.backtest.bar_matching import BAR
from tickline.backtest.matching import Log, Seat, new_log
from tickline.compiled import inlined
from tickline.lake.schema import NS
from tickline.lake.schemas import BARS, SESSIONS
from tickline.reference.models import FeeSchedule, Instrument, InstrumentKind
from tickline.signals.desk import (
    EVENT,
    INSTRUMENT,
    MOST_INTENTS,
    NEVER,
    Action,
    EventKind,
    Floats,
    Grouping,
    Ints,
    Kind,
    Record,
    Records,
    find,
    market,
    open_desk,
)
from tickline.signals.strategy import Strategy, engine_for

MINUTE = 60_000_000_000
START = 1_772_445_600_000_000_000  # 2026-03-02 10:00 UTC
TICK, UNIT = 0.01, 1e-8
TICK_VALUE = 1_000_000
"""What a lot of one gains by a tick of a cent, in units of 1e-8."""

FAIL = 2
"""An action: raise ZeroDivisionError."""

PLAY = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("on", "at", "action", "target", "instrument", "lots", "kind", "tif", "flags"),
            *("price", "trigger", "lasts", "group", "grouping", "tag"),
        )
    ]
)
"""One thing to ask for: `on` a BAR, the `at`-th, or a FILL or CLOSED of the order with tag `at`. `target` is the tag of
the order to cancel; prices are in ticks; `lasts` is how many ns after it was asked for an order expires."""

NOTE = (
    "kind",
    "ts",
    "instrument",
    "stream",
    "order",
    "tag",
    "lots",
    "price",
    "close",
    "working",
    "held",
    "equity",
    "status",
)
"""What it notes of each event: `held` are the lots of the event's instrument, `equity` the desk's, in units."""

BARS_SEEN, NOTED, FIRST = 0, 1, 2


class Script(NamedTuple):
    """What to play, as an array of PLAY, and how many events to note."""

    plays: Records
    notes: int


def state_size(p: Script) -> int:
    """The floats it remembers."""
    return FIRST + p.notes * len(NOTE)


def on_event(p: Script, memory: Floats, event: Record, desk: Record) -> None:
    """Note the event, and play what is due."""
    _note(p, memory, event, desk)
    is_market = event.kind < EventKind.FILL  # whatever it is: what is played on it says BAR, which is 0
    at = int(memory[BARS_SEEN]) if is_market else event.tag
    on = 0 if is_market else event.kind
    for nth in range(p.plays.size):
        play = p.plays[nth]
        if play.on == on and play.at == at and desk.asked < MOST_INTENTS:
            ask_for(desk, event, play)
    if is_market:
        memory[BARS_SEEN] += 1


@inlined
def ask_for(desk: Record, event: Record, play: Record) -> None:
    """Ask for one PLAY on an event."""
    if play.action == FAIL:
        play.tag //= play.lots
    intent = market(desk, play.instrument, play.lots)
    intent.action = play.action
    intent.kind = play.kind
    intent.tif = play.tif
    intent.flags = play.flags
    intent.price = play.price
    intent.trigger = play.trigger
    if play.lasts != NEVER:
        intent.expires = event.ts + play.lasts
    intent.group = play.group
    intent.grouping = play.grouping
    intent.tag = play.tag
    if play.action == Action.CANCEL:
        nth = find(desk, play.instrument, play.target)
        intent.order = desk.orders[nth].id if nth >= 0 else 0


@inlined
def _note(p: Script, memory: Floats, event: Record, desk: Record) -> None:
    noted = int(memory[NOTED])
    if noted >= p.notes:
        return
    memory[NOTED] += 1
    is_order = event.kind >= EventKind.FILL
    note = memory[FIRST + noted * 13 :]
    note[0] = event.kind
    note[1] = event.ts
    note[2] = event.instrument
    note[3] = event.stream
    note[4] = event.order if is_order else 0
    note[5] = event.tag if is_order else 0
    note[6] = event.lots if is_order else 0
    note[7] = event.price if is_order else 0.0
    note[8] = event.close
    note[9] = desk.working
    note[10] = desk.positions[event.instrument].lots
    note[11] = desk.equity
    note[12] = event.status if event.kind == EventKind.CLOSED else 0


SCRIPTED = Strategy(
    name="scripted",
    describe="Plays a script",
    parameters=Script,
    state_size=state_size,
    on_event=on_event,
)


def submit(at: int, lots: int, **terms: int) -> Records:
    """An order asked for when bar `at` closes, by its terms: a limit where it has a `price`, a stop where it has a
    `trigger`, both where it has both; `kind` says otherwise."""
    guessed = {
        (False, False): Kind.MARKET,
        (True, False): Kind.LIMIT,
        (False, True): Kind.STOP,
        (True, True): Kind.STOP_LIMIT,
    }
    return _one(at, {"lots": lots, "kind": guessed["price" in terms, "trigger" in terms], **terms})


def cancel(at: int, target: int, **terms: int) -> Records:
    """A cancel of the oldest order with a tag, asked for when bar `at` closes."""
    return _one(at, {"action": Action.CANCEL, "target": target, **terms})


def fail(at: int) -> Records:
    """An error when bar `at` closes."""
    return _one(at, {"action": FAIL})


def _one(at: int, terms: dict[str, int]) -> Records:
    play = np.zeros(1, PLAY)
    unset = {"price": NEVER, "trigger": NEVER, "lasts": NEVER, "grouping": Grouping.NONE, "on": EventKind.BAR}
    for name, value in {**unset, "at": at, **terms}.items():
        play[name] = value
    return play


def bars(
    *prices: Sequence[int],
    volume: float = 1e9,
    every: int = MINUTE,
    instrument: int = 0,
    stream: int = 0,
    start: int = START,
    spread: int = 0,
) -> Bars:
    """Bars of open, high, low, close in ticks, one after the other; asks are `spread` ticks above."""
    events, rows = np.zeros(len(prices), EVENT), np.zeros(len(prices), BAR)
    table = np.array(prices, np.int64).reshape(-1, 4)
    opens = start + np.arange(len(prices), dtype=np.int64) * every
    rows["ts_open"], rows["ts_close"], events["ts"] = opens, opens + every, opens + every
    events["kind"], events["session_close"] = EventKind.BAR, start + 24 * 60 * MINUTE
    events["stream"] = stream
    for nth, name in enumerate(("open", "high", "low", "close")):
        rows["bid"][name], rows["ask"][name] = table[:, nth], table[:, nth] + spread
        events[name] = table[:, nth] * TICK
    rows["mark"] = (rows["ask"]["close"] + rows["bid"]["close"]) // 2
    for records in (rows, events):
        records["instrument"], records["volume"] = instrument, volume
    return Bars(events, rows, np.zeros((len(prices), 0)))


def merged(*several: Bars) -> Bars:
    """Bars of several instruments or timeframes in the order they become known."""
    events, rows = np.concatenate([one.events for one in several]), np.concatenate([one.bars for one in several])
    order = np.lexsort((events["instrument"], -events["stream"].astype(int), events["ts"]))
    return Bars(events[order], rows[order], np.zeros((events.size, 0)))


def frame(market: Bars, *names: str, day: int = 24 * 60 * MINUTE) -> pl.DataFrame:
    """The bars of one timeframe as the lake keeps them, with LINEAGE; a session is a UTC day."""
    rows, events = market.bars, market.events
    prices = {name: events[name] for name in ("open", "high", "low", "close")}
    quotes = {f"{side}_{name}": rows[side][name] * TICK for side in ("bid", "ask") for name in prices}
    given = pl.DataFrame(
        {
            "instrument": [names[nth] for nth in events["instrument"]],
            "session_date": pl.Series(rows["ts_open"] // day).cast(pl.Int32).cast(pl.Date),
            "segment": ["regular"] * rows.size,
            "ts_open": pl.Series(rows["ts_open"]).cast(NS),
            "ts_close": pl.Series(rows["ts_close"]).cast(NS),
            **prices,
            "volume": events["volume"],
            **quotes,
        }
    )
    whole = given.select(
        (pl.col(name) if name in given.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in BARS.columns.items()
    )
    period = pl.col("session_date").cast(pl.String).alias("input_period")
    return whole.with_columns(pl.lit("bars_1m").alias("input"), period).with_row_index("input_row")


def sessions(market: Bars, day: int = 24 * 60 * MINUTE) -> pl.DataFrame:
    """SESSIONS of the UTC days of the bars."""
    days = np.unique(market.bars["ts_open"] // day)
    return pl.DataFrame(
        {
            "venue": ["sim"] * days.size,
            "calendar": ["always"] * days.size,
            "session_date": pl.Series(days).cast(pl.Int32).cast(pl.Date),
            "segment": ["regular"] * days.size,
            "open": pl.Series(days * day).cast(NS),
            "close": pl.Series((days + 1) * day).cast(NS),
            "is_early_close": [False] * days.size,
        },
        schema=SESSIONS.columns,
    )


def instrument(name: str, tick: str = "0.01", lot: str = "1", quote: str = "USD") -> Instrument:
    """An instrument of a grid."""
    return Instrument(name=name, kind=InstrumentKind.SPOT, quote=quote, tick_size=Decimal(tick), lot_size=Decimal(lot))


def charges(*due: tuple[int, int, int, int]) -> Charges:
    """Charges of (ts, instrument, rate in parts per billion, whether shorts alone pay)."""
    columns = np.array(due, np.int64).reshape(-1, 4)
    return Charges(*(np.ascontiguousarray(columns[:, nth]) for nth in range(4)))


def grid(instruments: int = 1, tick_value: int = TICK_VALUE) -> Records:
    """INSTRUMENT records of a tick of a cent and lots of one."""
    records = np.zeros(instruments, INSTRUMENT)
    records["tick_size"], records["lot_size"], records["tick_value"] = TICK, 1.0, tick_value
    return records


@dataclass(frozen=True)
class Played:
    """What came of a script: the log, the desk (an array of one DESK), the track and the memory."""

    log: Log
    desk: Records
    track: Ints
    memory: Floats

    @cached_property
    def fills(self) -> list[tuple[int, int, int]]:
        """Every fill as (row, lots, price in ticks)."""
        return [(int(fill["row"]), int(fill["lots"]), int(fill["price"])) for fill in self.records]

    @property
    def records(self) -> Records:
        """Every fill as a FILL."""
        return self.log.fills[: self.log.tally["fills"]]

    @property
    def ended(self) -> Records:
        """Every order that ended and every intent that was refused."""
        return self.log.ended[: self.log.tally["ended"]]

    @property
    def account(self) -> Any:
        """The DESK itself."""
        return self.desk[0]

    @property
    def notes(self) -> list[dict[str, float]]:
        """What it was told, by the names of NOTE."""
        noted = int(self.memory[NOTED])
        rows = self.memory[FIRST : FIRST + noted * len(NOTE)].reshape(noted, len(NOTE))
        return [dict(zip(NOTE, row.tolist(), strict=True)) for row in rows]


def play(
    market: Bars,
    *plays: Records,
    assumed: Assumptions | None = None,
    capital: int = 10**15,
    due: Charges | None = None,
    entries: int = 50_000,
) -> Played:
    """Play a script on bars, with capital in units; its first 200 events are noted."""
    instruments = grid(int(market.events["instrument"].max()) + 1)
    fees = FeeSchedule(maker_bps=Decimal(0), taker_bps=Decimal(0))
    venue = venue_of(assumed or Assumptions(), [fees] * instruments.size)
    script = Script(np.concatenate(plays) if plays else np.zeros(0, PLAY), 200)
    desk, log, event = open_desk(instruments, capital=capital, unit=UNIT), new_log(entries), np.zeros(1, EVENT)
    memory, track = np.zeros(state_size(script)), np.zeros((market.events.size, 2), np.int64)
    place = Place(venue[0], charges() if due is None else due)
    run = engine_for(build, SCRIPTED)
    ran = run(script, memory, Seat(desk[0], log, event[0]), place, market, track, 0)
    assert ran == market.events.size, "the log is full"
    return Played(log, desk, track, memory)
