"""One paper order: when it arrives, what of the book it takes, how it moves up a queue, and what it is charged.

Taking orders get what is displayed within their limit, level by level. What they took stays taken for as long as the
level is displayed: a recorded book does not know of them. Resting orders buy at their limit: trades at it move them up
their queue (`tickline.execution.queueing`), trades and asks beyond it reach them, all of it up to what was traded or
offered.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from tickline.execution.queueing import QueueModel, after_change, after_trade
from tickline.lanes.model import Action, Origin
from tickline.lanes.paper_events import Level, Quote, Trade
from tickline.lanes.paper_spec import PaperSettings
from tickline.markets.fees import OrderFees
from tickline.markets.model import Side

SECOND_NS = 1_000_000_000
_MS_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Intent:
    """What an order of a paper position is to do: `limit` is the most a buy pays, the least a sale takes."""

    leg: int
    action: Action
    side: Side
    is_buy: bool
    size: Decimal
    limit: Decimal
    expected: Decimal
    is_maker: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a paper position; `nth` counts those.

    A resting order has `ahead` lots before it in a queue of `level` lots; None where its place is not known.
    """

    nth: int
    intent: Intent
    arrives_ns: int
    fees: OrderFees
    filled: Decimal = Decimal(0)
    has_arrived: bool = False
    is_over: bool = False
    ahead: float | None = None
    level: int = 0
    traded: int = 0

    @property
    def left(self) -> Decimal:
        """Contracts it still wants."""
        return self.intent.size - self.filled


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken of a level that is still displayed."""

    side: Side
    is_buy: bool
    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Execution:
    """A part of an order that traded."""

    price: Decimal
    size: Decimal
    fee: Decimal
    is_maker: bool
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class Filling:
    """What became of an order, and of what is displayed."""

    order: Order
    taken: tuple[Taken, ...]
    executions: tuple[Execution, ...] = ()


def latency_ns(opportunity_id: str, nth: int, settings: PaperSettings) -> int:
    """How long the nth order of an opportunity travels: the same whenever it is asked."""
    drawn = int.from_bytes(hashlib.sha256(f"{opportunity_id}/{nth}".encode()).digest()[:8], "big") / 2**64
    return round((settings.latency_ms - settings.latency_tail_ms * math.log1p(-drawn)) * _MS_NS)


def arrive(order: Order, quote: Quote | None, taken: tuple[Taken, ...], *, settings: PaperSettings) -> Filling:
    """Let an order reach its venue at `arrives_ns`, where `quote` was the last to be seen.

    A resting order that would take is refused, as post-only orders are.
    """
    order = replace(order, has_arrived=True)
    is_fresh = quote is not None and order.arrives_ns - quote.ts_ns <= settings.stale_after_s * SECOND_NS
    if quote is not None and is_fresh:
        if not order.intent.is_maker:
            return _once(_take(order, quote, taken, settings), settings)
        if any(price <= order.intent.limit for price, _ in quote.of(order.intent.side).asks):
            return Filling(replace(order, is_over=True), taken)
        return Filling(_joined(order, quote, settings), taken)
    return _once(Filling(order, taken), settings)


def see_quote(order: Order, quote: Quote, taken: tuple[Taken, ...], *, settings: PaperSettings) -> Filling:
    """Let an order that has arrived see its market's next quote."""
    filling = _take(order, quote, taken, settings)
    if not order.intent.is_maker:
        return filling
    return replace(filling, order=_moved(filling.order, quote, settings))


def see_trade(order: Order, trade: Trade, taken: tuple[Taken, ...], *, settings: PaperSettings) -> Filling:
    """Let a resting order see a trade of its side."""
    lots = _lots(trade.size, settings)
    if trade.price > order.intent.limit or lots == 0:
        return Filling(order, taken)
    if trade.price < order.intent.limit:
        reached = lots
    elif order.ahead is None:
        return Filling(order, taken)
    else:
        ahead, reached = after_trade(order.ahead, lots)
        order = replace(order, ahead=ahead, traded=order.traded + lots)
    size = min(order.left, min(reached, lots) * settings.lot_size)
    if size <= 0:
        return Filling(order, taken)
    order, execution = _executed(order, order.intent.limit, size, trade.origin)
    return Filling(order, taken, (execution,))


def still_taken(taken: tuple[Taken, ...], quote: Quote) -> tuple[Taken, ...]:
    """What was taken of the levels that a new quote still displays."""
    return tuple(
        one for one in taken if any(price == one.price for price, _ in _levels(quote, one.side, is_buy=one.is_buy))
    )


def sweep(levels: tuple[Level, ...], size: Decimal, settings: PaperSettings) -> Iterator[tuple[Decimal, Decimal]]:
    """The prices and sizes that an order of `size` would get of these levels, best first, as far as they go."""
    left = size
    for price, shown in levels:
        there = min(left, whole(settings.unstated_size if shown is None else shown, settings))
        if there > 0:
            yield price, there
            left -= there


def whole(size: Decimal, settings: PaperSettings) -> Decimal:
    """A size without what is less than a lot."""
    return _lots(size, settings) * settings.lot_size


def _take(order: Order, quote: Quote, taken: tuple[Taken, ...], settings: PaperSettings) -> Filling:
    executions = []
    for price, shown in _levels(quote, order.intent.side, is_buy=order.intent.is_buy):
        if order.left <= 0 or (price > order.intent.limit if order.intent.is_buy else price < order.intent.limit):
            break
        gone = _taken_at(taken, order, price)
        size = min(order.left, whole((settings.unstated_size if shown is None else shown) - gone, settings))
        if size > 0:
            at, origin = order.intent.limit if order.intent.is_maker else price, quote.of(order.intent.side).origin
            order, execution = _executed(order, at, size, origin)
            executions.append(execution)
            others = tuple(
                one
                for one in taken
                if (one.side, one.is_buy, one.price) != (order.intent.side, order.intent.is_buy, price)
            )
            taken = (*others, Taken(order.intent.side, order.intent.is_buy, price, gone + size))
    return Filling(order, taken, tuple(executions))


def _executed(order: Order, price: Decimal, size: Decimal, origin: Origin | None) -> tuple[Order, Execution]:
    fees, fee = order.fees.after(price, size, is_buy=order.intent.is_buy, is_maker=order.intent.is_maker)
    filled = order.filled + size
    after = replace(order, fees=fees, filled=filled, is_over=filled >= order.intent.size)
    return after, Execution(price, size, fee, order.intent.is_maker, origin)


def _once(filling: Filling, settings: PaperSettings) -> Filling:
    order = filling.order
    if settings.remainder == "cancel" and order.intent.action is Action.ENTER and not order.intent.is_maker:
        return replace(filling, order=replace(order, is_over=True))
    return filling


def _joined(order: Order, quote: Quote, settings: PaperSettings) -> Order:
    lots = _displayed(order, quote, settings)
    return order if lots is None else replace(order, ahead=float(lots), level=lots, traded=0)


def _moved(order: Order, quote: Quote, settings: PaperSettings) -> Order:
    if order.ahead is None:
        return _joined(order, quote, settings)
    lots = _displayed(order, quote, settings)
    if lots is None:
        return order
    model = int(QueueModel[settings.queue.upper()])
    cancelled = order.level - lots - order.traded
    ahead = after_change(order.ahead, model, order.level, lots, cancelled, float(settings.lot_size))
    return replace(order, ahead=ahead, level=lots, traded=0)


def _displayed(order: Order, quote: Quote, settings: PaperSettings) -> int | None:
    """Lots at a resting order's price; None where the quote does not say: empty, not so deep, or without sizes."""
    for price, shown in quote.of(order.intent.side).bids:
        if price == order.intent.limit:
            return None if shown is None else _lots(shown, settings)
        if price < order.intent.limit:
            return 0
    return None


def _levels(quote: Quote, side: Side, *, is_buy: bool) -> tuple[Level, ...]:
    ladder = quote.of(side)
    return ladder.asks if is_buy else ladder.bids


def _taken_at(taken: tuple[Taken, ...], order: Order, price: Decimal) -> Decimal:
    for one in taken:
        if (one.side, one.is_buy, one.price) == (order.intent.side, order.intent.is_buy, price):
            return one.size
    return Decimal(0)


def _lots(size: Decimal, settings: PaperSettings) -> int:
    return max(int(size // settings.lot_size), 0)
