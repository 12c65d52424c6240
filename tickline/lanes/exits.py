"""Whether and how a held position is left before it resolves. It is left at most once, and whole.

Stops and hedges need every leg that is held in an open market: half a position sold is a bet. What was withdrawn is no
hedge any more, so of it everything is sold that can be.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from tickline.lanes.filling import SECOND_NS, Intent, sweep
from tickline.lanes.legging import sell
from tickline.lanes.model import Action, PositionStatus
from tickline.lanes.paper_events import Ladder, Level, Quote
from tickline.lanes.paper_spec import PaperSettings
from tickline.lanes.positions import Phase, Position, enter_phase, send
from tickline.markets.fees import OrderFees

_LEAVABLE = (Phase.HOLDING, Phase.UNWINDING)

Exit = tuple[PositionStatus, str]
"""How a position is left, and why."""


def time_stop_ns(position: Position, settings: PaperSettings) -> int | None:
    """When the position has been held for too long; None where that is never, or it cannot be left."""
    if settings.hold_s is None or not _can_leave(position):
        return None
    return position.terms.ts_open_ns + settings.hold_s * SECOND_NS


def exit_of(position: Position, now_ns: int, settings: PaperSettings) -> Exit | None:
    """Why the position is to be left now; None where it is held on."""
    if not _can_leave(position):
        return None
    stop_ns = time_stop_ns(position, settings)
    if stop_ns is not None and now_ns >= stop_ns:
        return PositionStatus.TIME_STOP, f"held for {settings.hold_s} s"
    if position.phase is not Phase.HOLDING:
        return None
    return _ev_stop(position, now_ns, settings) or _hedge_gain(position, now_ns, settings)


def leave(position: Position, exit_: Exit, *, now_ns: int, settings: PaperSettings) -> Position:
    """The position on its way out: other sides being bought where it is hedged, else all it holds being sold."""
    status, reason = exit_
    position = replace(position, exit=status)
    if status is not PositionStatus.HEDGED:
        return _sell_all(enter_phase(position, Phase.EXITING, now_ns, reason), now_ns, settings)
    position = enter_phase(position, Phase.EXITING, now_ns, reason, lasts_s=settings.hedge_s)
    for leg, holding in enumerate(position.holdings):
        asks = _opposite(position, leg).asks
        prices = [price for price, _ in sweep(asks, holding.held, settings)]
        position = send(
            position,
            Intent(
                leg=leg,
                action=Action.EXIT,
                side=position.terms.legs[leg].leg.side.other,
                is_buy=True,
                size=holding.held,
                limit=prices[-1],
                expected=prices[0],
            ),
            now_ns=now_ns,
            settings=settings,
        )
    return position


def after_exiting(position: Position, now_ns: int, settings: PaperSettings) -> Position:
    """What follows once nothing is held, or a hedge is complete or out of time: what it did not cover is sold."""
    if position.is_flat:
        return enter_phase(position, Phase.CLOSED, now_ns, "nothing is held")
    if position.deadline_ns is None or (position.orders and now_ns < position.deadline_ns):
        return position
    if all(holding.opposite == holding.held for holding in position.holdings):
        return replace(position, deadline_ns=None)
    reason = "the other sides could not all be bought: selling what they do not cover"
    return _sell_all(enter_phase(position, Phase.EXITING, now_ns, reason), now_ns, settings)


def _can_leave(position: Position) -> bool:
    if position.exit is not None or position.phase not in _LEAVABLE:
        return False
    is_held = False
    for leg, holding in zip(position.terms.legs, position.holdings, strict=True):
        if holding.held:
            is_held = True
            if not position.markets[leg.at].is_open:
                return False
    return is_held


def _sell_all(position: Position, now_ns: int, settings: PaperSettings) -> Position:
    for leg, holding in enumerate(position.holdings):
        if holding.held > holding.opposite:
            size = holding.held - holding.opposite
            position = sell(position, leg, size, Action.EXIT, now_ns=now_ns, settings=settings)
    return position


def _ev_stop(position: Position, now_ns: int, settings: PaperSettings) -> Exit | None:
    """Held contracts are worth their mid price, what the market expects them to pay: a hedge whose legs fall together
    is none. A side that nobody tells of is not known to be worthless."""
    if settings.ev_stop is None:
        return None
    value = position.cash.realised
    for leg, holding in enumerate(position.holdings):
        if holding.held:
            quote = _fresh(position, leg, now_ns, settings)
            told = None if quote is None else quote.of(position.terms.legs[leg].leg.side)
            if told is None or not (told.bids or told.asks):
                return None
            value += holding.held * _mark(told)
    least = -settings.ev_stop * position.cash.stake
    if value >= least:
        return None
    return PositionStatus.EV_STOP, f"expected to bring {value} on a stake of {position.cash.stake}"


def _hedge_gain(position: Position, now_ns: int, settings: PaperSettings) -> Exit | None:
    """A contract and its other side pay 1 together, whatever happens."""
    units = position.matched
    if settings.hedge_gain is None or any(holding.held != units for holding in position.holdings):
        return None
    least = position.terms.floor + settings.hedge_gain
    locked = Decimal(len(position.holdings))
    books = []
    for leg in range(len(position.holdings)):
        quote = _fresh(position, leg, now_ns, settings)
        books.append(_opposite(position, leg).asks)
        if quote is None or not books[-1]:
            return None
        locked -= books[-1][0][0]
        if locked < least:  # at best prices and without fees
            return None
    exact = _locked(position, books, settings)
    if exact is None or exact < least * units:
        return None
    return PositionStatus.HEDGED, f"the other sides lock in {exact}, holding {position.terms.floor * units}"


def _locked(position: Position, books: Sequence[tuple[Level, ...]], settings: PaperSettings) -> Decimal | None:
    """What all units bring whatever happens once the other sides are bought, with their fees; None where they are not
    to be had."""
    units = position.matched
    locked = len(books) * units
    for leg, asks in enumerate(books):
        fees, got = OrderFees(position.terms.legs[leg].fees), Decimal(0)
        for price, size in sweep(asks, units, settings):
            fees, fee = fees.after(price, size, is_buy=True, is_maker=False)
            locked, got = locked - price * size - fee, got + size
        if got < units:
            return None
    return locked


def _fresh(position: Position, leg: int, now_ns: int, settings: PaperSettings) -> Quote | None:
    """The last quote of a leg's market, where one was seen since the position was opened and not too long ago."""
    quote = position.market_of(leg).quote
    if quote is None or quote.ts_ns <= position.terms.ts_open_ns:
        return None
    return quote if now_ns - quote.ts_ns <= settings.stale_after_s * SECOND_NS else None


def _mark(ladder: Ladder) -> Decimal:
    if not ladder.bids:
        return Decimal(0)
    bid = ladder.bids[0][0]
    return (bid + ladder.asks[0][0]) / 2 if ladder.asks else bid


def _opposite(position: Position, leg: int) -> Ladder:
    quote, side = position.market_of(leg).quote, position.terms.legs[leg].leg.side.other
    return Ladder() if quote is None else quote.of(side)
