"""The paper simulation of a decided opportunity: `open_position`, then `step` for each event of its markets.

Theory. A position holds what was decided and never changes (`Terms`), its markets as last seen, its orders on their
way or waiting, what it holds, and its cash. It goes through phases, always forward:

    entering -> hedging -> unwinding -> holding -> exiting -> closed

`legging` decides the first steps, `exits` whether and how it is left, `settlement` what resolved markets pay; `filling`
is the life of one order. A step first lets happen, in the order of their times, what was due before the event: orders
arrive at the book as it was then, windows end, payouts come. Then the event itself happens. What is due at the very
time of an event waits for all events of that time, so it matters neither how often time is said to pass nor which of
two markets is told of first. Nothing is random: an order's latency is drawn from the opportunity's id.

At every moment: contracts held are those bought and not sold, a leg is never bought beyond what was decided, nothing
trades in a market that closed, and realised = sales - purchases - fees.

What is not simulated: paper orders do not move the book, cancels arrive at once, and two positions in one market do
not know of each other.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, localcontext

from tickline.errors import LaneError
from tickline.lanes.exits import after_exiting, exit_of, leave, time_stop_ns
from tickline.lanes.filling import SECOND_NS, Filling, Order, arrive, see_quote, see_trade, still_taken, whole
from tickline.lanes.legging import after_entering, after_hedging, after_unwinding, enter, follow
from tickline.lanes.model import Decision, LaneFill, Opportunity, PositionStatus, PricedLeg, Style
from tickline.lanes.paper_events import Closed, Event, Ladder, Passed, Quote, Resolved, Trade, Withdrawn
from tickline.lanes.paper_spec import PaperSettings
from tickline.lanes.positions import (
    EXACT,
    Holding,
    Market,
    PaperLeg,
    Phase,
    Position,
    Terms,
    book,
    enter_phase,
    frames,
)
from tickline.lanes.settlement import owed_at, pay, resolve
from tickline.markets.fees import Fees
from tickline.markets.model import MarketKey, Side

__all__ = ["Position", "frames", "open_position", "seeing", "step"]

_AFTER = {Phase.ENTERING: after_entering, Phase.HEDGING: after_hedging, Phase.UNWINDING: after_unwinding}


def open_position(
    decision: Decision, fees: Mapping[MarketKey, Fees], *, now_ns: int, settings: PaperSettings
) -> Position:
    """A position whose first order is on its way. `fees` are those of the markets of its legs.

    What was detected is the last that is known of their books. A size of less than a lot is closed at once, unfilled.
    Raises LaneError where the decision was not to take it, or a market's fees are missing.
    """
    opportunity = decision.opportunity
    if not decision.is_taken:
        raise LaneError(f"opportunity {opportunity.opportunity_id} was refused ({decision.reason}): open what is taken")
    with localcontext(EXACT):
        terms = _terms(decision, fees, now_ns, whole(decision.size, settings))
        keys = _keys(opportunity)
        position = Position(
            terms=terms,
            phase=Phase.ENTERING,
            now_ns=now_ns,
            markets=tuple(Market(key, _detected(key, opportunity)) for key in keys),
            holdings=tuple(Holding() for _ in terms.legs),
            deadline_ns=now_ns + settings.patience_s * SECOND_NS,
        )
        if not terms.size:
            position = replace(position, exit=PositionStatus.UNFILLED)
            return enter_phase(position, Phase.CLOSED, now_ns, f"{decision.size} is less than a lot")
        position = enter(position, terms.lead, terms.size, now_ns=now_ns, settings=settings)
        return replace(position, wakes_ns=_wakes(position, settings))


def step(position: Position, event: Event, settings: PaperSettings) -> tuple[Position, list[LaneFill]]:
    """The position after an event, and what it traded until then. Events of other markets only let time pass.

    Raises LaneError where the event is older than one the position saw.
    """
    if position.phase is Phase.CLOSED:
        return position, []
    if event.ts_ns < position.now_ns:
        raise LaneError(
            f"paper position {position.terms.opportunity_id} was at {position.now_ns} and is told of {event.ts_ns}: "
            "give events in the order of their times"
        )
    with localcontext(EXACT):
        unmoved = _unmoved(position, event, settings)
        if unmoved is not None:
            return unmoved, []
        position, fills = _until(position, event.ts_ns, settings)
        if isinstance(event, Passed) or position.phase is Phase.CLOSED:
            return position, fills
        at = next((nth for nth, one in enumerate(position.markets) if one.key == event.market), None)
        if at is None:
            return position, fills
        position = replace(position, now_ns=event.ts_ns)
        position, more = _happen(position, at, event, settings)
        fills += more
        after = _settled(position, event.ts_ns, settings)
        return replace(after, wakes_ns=_wakes(after, settings)), fills


def seeing(market: Market, quote: Quote) -> Market:
    """The market after a quote; what is seen after it closed is not for trading."""
    if not market.is_open:
        return market
    return Market(market.key, quote, taken=still_taken(market.taken, quote) if market.taken else ())


def _unmoved(position: Position, event: Event, settings: PaperSettings) -> Position | None:
    """A held position after a quote on which it does nothing, as on nearly all; None where it may do something."""
    if position.phase is not Phase.HOLDING or position.withdrawn is not None or not isinstance(event, Quote):
        return None
    if position.wakes_ns is not None and position.wakes_ns < event.ts_ns:
        return None
    markets = tuple(seeing(one, event) if one.key == event.market else one for one in position.markets)
    seen = replace(position, markets=markets, now_ns=event.ts_ns)
    return seen if exit_of(seen, event.ts_ns, settings) is None else None


def _until(position: Position, ts_ns: int, settings: PaperSettings) -> tuple[Position, list[LaneFill]]:
    """Let happen what is due before a time, by the settings of now: a position may have been stored under others."""
    fills: list[LaneFill] = []
    position = replace(position, wakes_ns=_wakes(position, settings))
    while position.wakes_ns is not None and position.wakes_ns < ts_ns:
        now_ns = position.wakes_ns
        position = replace(position, now_ns=now_ns)
        for order in position.orders:
            if not order.has_arrived and order.arrives_ns <= now_ns:
                market = position.market_of(order.intent.leg)
                filling = arrive(order, market.quote, market.taken, settings=settings)
                position, more = _traded(position, order, filling, settings)
                fills += more
        position, more = pay(position, now_ns)
        fills += more
        position = _settled(position, now_ns, settings)
        position = replace(position, wakes_ns=_wakes(position, settings))
    return position, fills


def _happen(
    position: Position, at: int, event: Quote | Trade | Closed | Resolved | Withdrawn, settings: PaperSettings
) -> tuple[Position, list[LaneFill]]:
    market = position.markets[at]
    if isinstance(event, Withdrawn):
        return replace(position, withdrawn=event.reason), []
    if isinstance(event, Resolved):
        position = _with_market(position, at, resolve(market, event, settings))
        return pay(_settled(_without_orders(position, at), event.ts_ns, settings), event.ts_ns)
    if isinstance(event, Closed):
        return _without_orders(_with_market(position, at, replace(market, is_open=False)), at), []
    if isinstance(event, Quote):
        position = _with_market(position, at, seeing(market, event))
    return _see(position, at, event, settings)


def _see(position: Position, at: int, event: Quote | Trade, settings: PaperSettings) -> tuple[Position, list[LaneFill]]:
    """Let the orders that wait in a market see a quote or trade of it."""
    fills: list[LaneFill] = []
    for order in position.orders:
        if not order.has_arrived or position.terms.legs[order.intent.leg].at != at:
            continue
        taken = position.markets[at].taken
        if isinstance(event, Quote):
            filling = see_quote(order, event, taken, settings=settings)
        elif order.intent.is_maker and order.intent.side is event.side:
            filling = see_trade(order, event, taken, settings=settings)
        else:
            continue
        position, more = _traded(position, order, filling, settings)
        fills += more
    return position, fills


def _traded(
    position: Position, before: Order, filling: Filling, settings: PaperSettings
) -> tuple[Position, list[LaneFill]]:
    """The position after one of its orders arrived, saw something, or traded."""
    after = filling.order
    changed = (after if order.nth == after.nth else order for order in position.orders)
    position = replace(position, orders=tuple(order for order in changed if not order.is_over))
    if not filling.executions:
        return position, []
    at = position.terms.legs[before.intent.leg].at
    position = _with_market(position, at, replace(position.markets[at], taken=filling.taken))
    position, fills = book(position, after.intent, filling.executions, position.now_ns)
    return follow(position, after, filling.executions, now_ns=position.now_ns, settings=settings), fills


def _settled(position: Position, now_ns: int, settings: PaperSettings) -> Position:
    """The position in the phase that follows from all that happened until now."""
    while True:
        before = position.phase
        position = _next(position, now_ns, settings)
        if position.phase is before:
            return position


def _next(position: Position, now_ns: int, settings: PaperSettings) -> Position:
    if position.phase in (Phase.EXITING, Phase.CLOSED):
        return after_exiting(position, now_ns, settings) if position.phase is Phase.EXITING else position
    if position.withdrawn is not None and position.exit is None:
        return _given_up(position, now_ns, settings)
    exit_ = exit_of(position, now_ns, settings)
    if exit_ is not None:
        return leave(position, exit_, now_ns=now_ns, settings=settings)
    if position.phase is not Phase.HOLDING:
        return _AFTER[position.phase](position, now_ns, settings)
    return enter_phase(position, Phase.CLOSED, now_ns, "nothing is held") if position.is_flat else position


def _given_up(position: Position, now_ns: int, settings: PaperSettings) -> Position:
    reason = f"withdrawn: {position.withdrawn}"
    if any(holding.bought for holding in position.holdings):
        return leave(position, (PositionStatus.ABANDONED, reason), now_ns=now_ns, settings=settings)
    return enter_phase(replace(position, exit=PositionStatus.UNFILLED), Phase.CLOSED, now_ns, reason)


def _wakes(position: Position, settings: PaperSettings) -> int | None:
    """When something happens to the position without anything being told; None where nothing does."""
    if position.phase is Phase.CLOSED:
        return None
    due = [order.arrives_ns for order in position.orders if not order.has_arrived]
    due += [ns for ns in (position.deadline_ns, owed_at(position), time_stop_ns(position, settings)) if ns is not None]
    return min(due, default=None)


def _with_market(position: Position, at: int, market: Market) -> Position:
    markets = tuple(market if nth == at else other for nth, other in enumerate(position.markets))
    return replace(position, markets=markets)


def _without_orders(position: Position, at: int) -> Position:
    """The position without orders in a market."""
    kept = tuple(order for order in position.orders if position.terms.legs[order.intent.leg].at != at)
    return replace(position, orders=kept)


def _terms(decision: Decision, fees: Mapping[MarketKey, Fees], now_ns: int, size: Decimal) -> Terms:
    opportunity = decision.opportunity
    basket, keys = opportunity.basket, _keys(opportunity)
    missing = [str(key) for key in keys if key not in fees]
    if missing:
        raise LaneError(
            f"opportunity {opportunity.opportunity_id}: no fees of {', '.join(missing)}; give those of all legs"
        )
    legs = tuple(
        PaperLeg(one.leg, keys.index(one.leg.market), one.price, fees[one.leg.market]) for one in opportunity.legs
    )
    return Terms(
        opportunity_id=opportunity.opportunity_id,
        lane=basket.lane,
        kind=basket.kind,
        family=basket.family,
        event=basket.event,
        style=opportunity.style,
        is_micro=opportunity.is_micro,
        floor=basket.floor,
        size=size,
        detected=opportunity.edge * size,
        expected=decision.expected,
        ts_open_ns=now_ns,
        lead=min(range(len(legs)), key=lambda nth: (opportunity.legs[nth].depth, nth)),
        legs=legs,
    )


def _keys(opportunity: Opportunity) -> list[MarketKey]:
    return list(dict.fromkeys(one.leg.market for one in opportunity.legs))


def _detected(key: MarketKey, opportunity: Opportunity) -> Quote | None:
    """What detection says of a market's book: the asks it priced. Where legs rest, it says nothing of queues."""
    if opportunity.style is Style.MAKER:
        return None
    priced = [one for one in opportunity.legs if one.leg.market == key]
    return Quote(
        ts_ns=max(one.ts_quote_ns for one in priced),
        market=key,
        yes=_asked(priced, Side.YES),
        no=_asked(priced, Side.NO),
    )


def _asked(priced: list[PricedLeg], side: Side) -> Ladder:
    asked = [one for one in priced if one.leg.side is side]
    origin = next((one.origin for one in asked), None)
    return Ladder(asks=tuple((one.price, one.depth) for one in asked), origin=origin)
