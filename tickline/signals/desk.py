"""What a strategy sees and how it says what it wants: events, its account, its orders, and intents.

Both are fixed records, one block of memory each, so that one strategy runs compiled in a backtest and by single events
live, and what it saw can be kept and compared byte for byte.
Prices a strategy sees are Float64 in the instrument's quote currency; what it asks for is snapped to the instrument's
grid when it is said. Sizes of orders are whole lots, positive to buy and negative to sell. Cash is a whole number of
`unit`s of the account's currency.
"""

from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tickline.compiled import kernel
from tickline.errors import ConfigError

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Records: TypeAlias = npt.NDArray[np.void]
Record: TypeAlias = Any  # one of them: compiled code reads its fields as attributes

NEVER = np.iinfo(np.int64).max
"""A time that does not come, and a price in ticks that is not set."""

MOST_INSTRUMENTS, MOST_WORKING, MOST_INTENTS, MOST_SIGNALS = 16, 128, 256, 32
"""How many instruments one strategy may trade, how many orders it may have working or on the way at a time, how many
intents one event may cause, and how many signals it may read."""


class EventKind(IntEnum):
    """What happened."""

    BAR = 0  # a bar closed: open, high, low, close, volume
    TRADE = 1  # a print: price, size, side of the aggressor
    BOOK = 2  # the best bid or ask changed: bid, bid_size, ask, ask_size
    CLOCK = 3  # the time a strategy asked to be woken at; the best bid and ask as they stand
    FILL = 4  # one of our orders traded: order, tag, lots, price
    CLOSED = 5  # one of our orders ended without being filled whole: order, tag, status


class Kind(IntEnum):
    """When an order trades."""

    MARKET = 0  # at once, at the best price there is
    LIMIT = 1  # at its price or better
    STOP = 2  # as a market order once the price has moved against us to the trigger
    STOP_LIMIT = 3  # as a limit order once the price has moved against us to the trigger
    TAKE_PROFIT = 4  # as a market order once the price has moved in our favour to the trigger


class TimeInForce(IntEnum):
    """How long an order stays."""

    GTC = 0  # until filled or cancelled
    IOC = 1  # what does not trade at once is cancelled
    GTT = 2  # until `expires`
    DAY = 3  # until the session's close


class Flag(IntEnum):
    """What else an order must keep to; flags add up."""

    POST_ONLY = 1  # refused where it would take
    REDUCE_ONLY = 2  # may only make the position smaller


class Grouping(IntEnum):
    """What the orders of one group have to do with each other."""

    NONE = 0
    OCO = 1  # a fill of one cancels the others
    LEGS = 2  # all or nothing: what traded is undone where one leg ends unfilled


class Action(IntEnum):
    """What an intent asks for."""

    SUBMIT = 0
    CANCEL = 1


def _ints(*names: str) -> list[tuple[str, type]]:
    return [(name, np.int64) for name in names]


def _floats(*names: str) -> list[tuple[str, type]]:
    return [(name, np.float64) for name in names]


TERMS = _ints("instrument", "lots", "kind", "tif", "flags", "price", "trigger", "expires", "group", "grouping", "tag")
"""An order in terms: `price` and `trigger` in ticks, `expires` in UTC ns, NEVER where not set; a strategy's `tag`."""

INTENT = np.dtype([*_ints("action", "order"), *TERMS])
"""What a strategy wants. `order` is the id of the one to cancel."""

ORDER = np.dtype(
    [
        *_ints("id", "status", "reason"),
        *TERMS,
        *_ints("filled", "ts_sent", "ts_effective", "ts_cancel", "ts_ended", "triggered", "reached"),
        *_floats("ahead", "traded"),
    ]
)
"""An order working or on the way: `filled` lots of its sign; `reason` says why it was refused; the venue has it from
`ts_effective`, and a cancel from `ts_cancel`, on; it ended at `ts_ended` (UTC ns). `ahead` are the lots in front of it
in the queue of its price, `traded` those that traded there since its level last changed, `reached` those of it whose
turn came."""

INSTRUMENT = np.dtype([*_floats("tick_size", "lot_size"), *_ints("tick_value")])
"""The grid. `tick_value` is what one lot gains when the price rises a tick, in units of cash."""

POSITION = np.dtype(_ints("lots", "cost", "realised", "fees", "mark"))
"""What is held: signed lots, what was paid for them, what closing earned before fees, fees, in units of cash; the last
price in ticks."""

DESK = np.dtype(
    [
        *_ints("capital", "cash", "charges", "equity", "listed", "working", "asked", "ordered", "trading"),
        *_floats("unit"),
        ("instruments", INSTRUMENT, (MOST_INSTRUMENTS,)),
        ("positions", POSITION, (MOST_INSTRUMENTS,)),
        ("orders", ORDER, (MOST_WORKING,)),
        ("intents", INTENT, (MOST_INTENTS,)),
        ("signals", np.float64, (MOST_SIGNALS,)),
    ]
)
"""What a strategy works at. It reads all of it and changes nothing but through the functions below.

Cash in units of `unit`: put in (`capital`), held, paid for funding and borrowing (`charges`), and with positions at
their last price (`equity`). The first `listed` instruments are the strategy's, the first `working` orders are alive,
oldest first, of `ordered` so far; the first `asked` intents were said on this event. While `trading` is 0 it only
watches, to warm up: what it asks for is dropped. `signals` are those of the event's row.
"""

EVENT = np.dtype(
    [
        ("kind", np.int8),
        ("side", np.int8),  # of a trade's aggressor: 1 buy, -1 sell, 0 unknown
        ("stream", np.int16),
        ("instrument", np.int16),
        ("status", np.int16),
        *_ints("ts", "session_close"),
        *_floats("open", "high", "low", "close", "volume", "bid", "ask", "bid_size", "ask_size", "price"),
        *_ints("lots", "order", "tag"),
    ]
)
"""What happened at `ts` (UTC ns, when it was known here). `stream` numbers the strategy's timeframes; the session then
open ends at `session_close`. A trade's size is its `volume`."""


def open_desk(instruments: Records, *, capital: int, unit: float) -> Records:
    """A desk with nothing on it, as an array of one DESK: `capital` units of cash, each worth `unit`.

    Raises ConfigError for more instruments than a desk has room for.
    """
    if instruments.size > MOST_INSTRUMENTS:
        raise ConfigError(f"{instruments.size} instruments; one strategy may trade {MOST_INSTRUMENTS}")
    desk = np.zeros(1, DESK)
    for name in ("capital", "cash", "equity"):
        desk[name] = capital
    desk["unit"], desk["listed"], desk["trading"] = unit, instruments.size, 1
    desk["instruments"][0, : instruments.size] = instruments
    desk["signals"] = np.nan
    return desk


@kernel
def market(desk: Record, instrument: int, lots: int) -> Record:
    """Ask for a market order; the intent, whose terms may still be changed (`flags`, `tif`, `group` ...).

    Asserts that there is room for one more: a strategy that asks for more at once has lost its way.
    """
    assert desk.asked < MOST_INTENTS
    intent = desk.intents[desk.asked]
    desk.asked += 1
    intent.action = Action.SUBMIT
    intent.order = 0
    intent.instrument = instrument
    intent.lots = lots
    intent.kind = Kind.MARKET
    intent.tif = TimeInForce.GTC
    intent.flags = 0
    intent.price = NEVER
    intent.trigger = NEVER
    intent.expires = NEVER
    intent.group = 0
    intent.grouping = Grouping.NONE
    intent.tag = 0
    return intent


@kernel
def limit(desk: Record, instrument: int, lots: int, price: float) -> Record:
    """Ask for a limit order; a price off the grid becomes the next one that gives away less."""
    intent = market(desk, instrument, lots)
    intent.kind = Kind.LIMIT
    intent.price = ticks_within(price, desk.instruments[instrument].tick_size, lots)
    return intent


@kernel
def stop(desk: Record, instrument: int, lots: int, trigger: float) -> Record:
    """Ask for a stop order: a market order once the price is at the trigger or beyond it."""
    intent = market(desk, instrument, lots)
    intent.kind = Kind.STOP
    intent.trigger = nearest_tick(trigger, desk.instruments[instrument].tick_size)
    return intent


@kernel
def take_profit(desk: Record, instrument: int, lots: int, trigger: float) -> Record:
    """Ask for a take-profit: a market order once the price is at the trigger or better."""
    intent = market(desk, instrument, lots)
    intent.kind = Kind.TAKE_PROFIT
    intent.trigger = nearest_tick(trigger, desk.instruments[instrument].tick_size)
    return intent


@kernel
def cancel(desk: Record, order: int) -> None:
    """Ask to cancel an order by its id."""
    intent = market(desk, 0, 0)
    intent.action = Action.CANCEL
    intent.order = order


@kernel
def cancel_all(desk: Record, instrument: int) -> None:
    """Ask to cancel every order of an instrument."""
    for nth in range(desk.working):
        if desk.orders[nth].instrument == instrument:
            cancel(desk, desk.orders[nth].id)


@kernel
def find(desk: Record, instrument: int, tag: int) -> int:
    """The place in `desk.orders` of the oldest order of an instrument with a tag; -1 where there is none."""
    for nth in range(desk.working):
        if desk.orders[nth].instrument == instrument and desk.orders[nth].tag == tag:
            return nth
    return -1


@kernel
def equity(desk: Record) -> float:
    """Cash and positions at their last price, in the account's currency."""
    return desk.equity * desk.unit


@kernel
def lots_worth(desk: Record, instrument: int, value: float, price: float) -> int:
    """How many whole lots at a price are worth at most `value` of the account's currency; none where there is no
    price."""
    grid = desk.instruments[instrument]
    of_a_lot = price / grid.tick_size * grid.tick_value * desk.unit
    return int(value / of_a_lot) if of_a_lot > 0 and value > 0 else 0


@kernel
def nearest_tick(price: float, tick_size: float) -> int:
    """A price in ticks, rounded to the nearest."""
    return int(np.rint(price / tick_size))


@kernel
def ticks_within(price: float, tick_size: float, lots: int) -> int:
    """A limit in ticks: rounded down to buy and up to sell; what lies on the grid stays, whatever its last bit says."""
    exact = price / tick_size
    nearest = np.rint(exact)
    if abs(exact - nearest) <= 1e-6:
        return int(nearest)
    return int(np.floor(exact)) if lots > 0 else int(np.ceil(exact))
