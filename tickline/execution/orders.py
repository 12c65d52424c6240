"""The life of an order: which states there are, and what each event makes of them. The one definition for backtest,
paper and live.

Theory: an order is sent and then on its way (SENT) until the venue has it. There it works, may be triggered and filled
in parts, and ends exactly once. What has ended stays so; an event that is not in the table cannot happen, and whoever
sees it has a bug or a venue that lies.
"""

from enum import IntEnum

import numpy as np

from tickline.compiled import kernel
from tickline.errors import OrderError
from tickline.signals.desk import (
    MOST_WORKING,
    NEVER,
    Flag,
    Kind,
    Record,
)


class Status(IntEnum):
    """Where an order is in its life."""

    SENT = 0  # on its way to the venue
    WORKING = 1  # the venue has it
    PARTLY_FILLED = 2
    FILLED = 3
    CANCELLED = 4
    EXPIRED = 5
    REJECTED = 6


class Happening(IntEnum):
    """What may happen to an order."""

    ACCEPT = 0
    REJECT = 1
    FILL_PART = 2
    FILL_REST = 3
    CANCEL = 4
    EXPIRE = 5


ENDED = (Status.FILLED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED)

TRANSITIONS = {
    (Status.SENT, Happening.ACCEPT): Status.WORKING,
    (Status.SENT, Happening.REJECT): Status.REJECTED,
    (Status.SENT, Happening.CANCEL): Status.CANCELLED,
    (Status.SENT, Happening.EXPIRE): Status.EXPIRED,
    (Status.WORKING, Happening.FILL_PART): Status.PARTLY_FILLED,
    (Status.WORKING, Happening.FILL_REST): Status.FILLED,
    (Status.WORKING, Happening.CANCEL): Status.CANCELLED,
    (Status.WORKING, Happening.EXPIRE): Status.EXPIRED,
    (Status.PARTLY_FILLED, Happening.FILL_PART): Status.PARTLY_FILLED,
    (Status.PARTLY_FILLED, Happening.FILL_REST): Status.FILLED,
    (Status.PARTLY_FILLED, Happening.CANCEL): Status.CANCELLED,
    (Status.PARTLY_FILLED, Happening.EXPIRE): Status.EXPIRED,
}
"""Everything that can happen, and what comes of it."""

_IMPOSSIBLE = -1
_NEXT = np.full((len(Status), len(Happening)), _IMPOSSIBLE)
for (_status, _happening), _after in TRANSITIONS.items():
    _NEXT[_status, _happening] = _after


def advance(status: Status, happening: Happening) -> Status:
    """What an order becomes. Raises OrderError where that cannot happen to it."""
    after = TRANSITIONS.get((status, happening))
    if after is None:
        raise OrderError(f"an order that is {status.name} cannot {happening.name}; its venue or its journal is wrong")
    return after


class Refusal(IntEnum):
    """Why an intent did not become an order."""

    NONE = 0
    NO_LOTS = 1  # nothing to do
    NOT_REDUCING = 2  # a reduce-only order that would not make the position smaller
    WOULD_TAKE = 3  # a post-only order that would trade at once, or can only take
    NO_PRICE = 4  # a limit or trigger is missing or not positive
    NO_MARGIN = 5  # the account cannot carry what it would come to hold
    TOO_MANY = 6  # no room for more working orders
    NO_SHORT = 7  # the account may not sell what it does not hold
    UNKNOWN_INSTRUMENT = 8


@kernel
def happen(order: Record, happening: int) -> None:
    """Let something happen to an order. Asserts that it can."""
    after = _NEXT[order.status, happening]
    assert after != _IMPOSSIBLE
    order.status = after


@kernel
def remaining(order: Record) -> int:
    """The lots of an order that have not traded, of its sign."""
    return order.lots - order.filled


@kernel
def refusal(desk: Record, intent: Record) -> int:  # noqa: PLR0911 - one for each reason
    """Why an intent cannot become an order, by its own terms and the position alone; NONE where it can."""
    if intent.instrument < 0 or intent.instrument >= desk.listed:
        return Refusal.UNKNOWN_INSTRUMENT
    if intent.lots == 0:
        return Refusal.NO_LOTS
    if desk.working >= MOST_WORKING:
        return Refusal.TOO_MANY
    if _lacks_price(intent):
        return Refusal.NO_PRICE
    if intent.flags & Flag.POST_ONLY and intent.kind != Kind.LIMIT and intent.kind != Kind.STOP_LIMIT:
        return Refusal.WOULD_TAKE
    held = desk.positions[intent.instrument].lots
    if intent.flags & Flag.REDUCE_ONLY and (held == 0 or (held > 0) == (intent.lots > 0)):
        return Refusal.NOT_REDUCING
    return Refusal.NONE


@kernel
def send(desk: Record, intent: Record, ts: int, ts_effective: int) -> Record:
    """The order an intent becomes: sent at `ts`, at the venue from `ts_effective` on (UTC ns)."""
    order = desk.orders[desk.working]
    desk.working += 1
    desk.ordered += 1
    write(order, desk.ordered, intent, ts, ts_effective)
    return order


@kernel
def write(order: Record, order_id: int, intent: Record, ts: int, ts_effective: int) -> None:
    """Make a record an order of these terms that was just sent."""
    order.id = order_id
    order.status = Status.SENT
    order.reason = Refusal.NONE
    order.instrument = intent.instrument
    order.lots = intent.lots
    order.kind = intent.kind
    order.tif = intent.tif
    order.flags = intent.flags
    order.price = intent.price
    order.trigger = intent.trigger
    order.expires = intent.expires
    order.group = intent.group
    order.grouping = intent.grouping
    order.tag = intent.tag
    order.filled = 0
    order.ts_sent = ts
    order.ts_effective = ts_effective
    order.ts_cancel = NEVER
    order.ts_ended = NEVER
    order.triggered = 0
    order.reached = 0
    order.ahead = 0.0
    order.traded = 0.0


@kernel
def ask_to_cancel(desk: Record, order_id: int, ts_effective: int) -> None:
    """Let the venue have a cancel from `ts_effective` on; an order that has ended stays as it is."""
    for nth in range(desk.working):
        if desk.orders[nth].id == order_id:
            desk.orders[nth].ts_cancel = min(desk.orders[nth].ts_cancel, ts_effective)
            return


@kernel
def is_over(order: Record) -> bool:
    """Whether an order has ended."""
    return order.status >= Status.FILLED


@kernel
def sweep(desk: Record) -> None:
    """Take the orders that ended off the desk; the others keep their order."""
    kept = 0
    for nth in range(desk.working):
        if not is_over(desk.orders[nth]):
            if kept < nth:
                desk.orders[kept] = desk.orders[nth]
            kept += 1
    desk.working = kept


@kernel
def _lacks_price(intent: Record) -> bool:
    limited = intent.kind == Kind.LIMIT or intent.kind == Kind.STOP_LIMIT
    triggered = intent.kind >= Kind.STOP
    return (limited and (intent.price == NEVER or intent.price <= 0)) or (
        triggered and (intent.trigger == NEVER or intent.trigger <= 0)
    )
