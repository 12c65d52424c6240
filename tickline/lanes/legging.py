"""How a position is entered: one leg after the other, and what is done where they end up unequal.

The leg with the thinnest book goes first, because it is the one that may fail; what it gets is ordered of the others.
When the window is over, orders are cancelled, what is missing is bought within a band of the detected prices, and what
still has no counterpart is sold at the bid. Where that leaves nothing, the position is abandoned.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from tickline.lanes.filling import SECOND_NS, Execution, Intent, Order
from tickline.lanes.model import Action, PositionStatus, Style
from tickline.lanes.paper_spec import PaperSettings
from tickline.lanes.positions import Phase, Position, enter_phase, send


def enter(position: Position, leg: int, size: Decimal, *, now_ns: int, settings: PaperSettings) -> Position:
    """The position with an order on its way for so many contracts of a leg, at the price it was detected at."""
    price = position.terms.legs[leg].price
    return send(
        position,
        Intent(
            leg=leg,
            action=Action.ENTER,
            side=position.terms.legs[leg].leg.side,
            is_buy=True,
            is_maker=position.terms.style is Style.MAKER,
            size=size,
            limit=price,
            expected=price,
        ),
        now_ns=now_ns,
        settings=settings,
    )


def follow(
    position: Position, order: Order, executions: Sequence[Execution], *, now_ns: int, settings: PaperSettings
) -> Position:
    """The position with what its first leg got ordered of the others; from its first fill the window counts."""
    if order.intent.action is not Action.ENTER or order.intent.leg != position.terms.lead or not executions:
        return position
    got = sum((one.size for one in executions), Decimal(0))
    if position.holdings[order.intent.leg].bought == got:
        position = replace(position, deadline_ns=now_ns + settings.legging_s * SECOND_NS)
    for leg in range(len(position.terms.legs)):
        if leg != order.intent.leg:
            position = enter(position, leg, got, now_ns=now_ns, settings=settings)
    return position


def after_entering(position: Position, now_ns: int, settings: PaperSettings) -> Position:
    """What follows once every leg is filled, the window is over, a market closed, or no order is left."""
    if position.matched == position.terms.size:
        return enter_phase(position, Phase.HOLDING, now_ns, "every leg is filled")
    is_open = all(market.is_open for market in position.markets)
    if is_open and position.orders and not _is_over(position, now_ns):
        return position
    why = _why(position, now_ns)
    if not any(holding.bought for holding in position.holdings):
        position = replace(position, exit=PositionStatus.UNFILLED)
        return enter_phase(position, Phase.CLOSED, now_ns, f"{why}, nothing was filled")
    if all(holding.bought == position.matched for holding in position.holdings):
        return enter_phase(position, Phase.HOLDING, now_ns, f"{why}, every leg is filled alike, in part")
    if not is_open:
        return _unwind(position, now_ns, settings, why)
    return _hedge(position, now_ns, settings, why)


def after_hedging(position: Position, now_ns: int, settings: PaperSettings) -> Position:
    """What follows once the legs are equal, the time to make them so is over, or no order is left."""
    if all(holding.bought == position.matched for holding in position.holdings):
        return enter_phase(position, Phase.HOLDING, now_ns, "the missing contracts were bought")
    if position.orders and not _is_over(position, now_ns):
        return position
    return _unwind(position, now_ns, settings, _why(position, now_ns))


def after_unwinding(position: Position, now_ns: int, settings: PaperSettings) -> Position:
    """What follows once no order is left: what could not be sold is held until it resolves."""
    if position.orders:
        return position
    left = any(holding.held > position.matched for holding in position.holdings)
    reason = "what has no counterpart cannot be sold any more" if left else "what had no counterpart was sold"
    return enter_phase(position, Phase.HOLDING, now_ns, reason)


def _hedge(position: Position, now_ns: int, settings: PaperSettings, why: str) -> Position:
    wanted = max(holding.bought for holding in position.holdings)
    missing = [wanted - holding.bought for holding in position.holdings]
    reason = f"{why}, {_unequal(position)}: buying what is missing up to {settings.hedge_band} dearer"
    position = enter_phase(position, Phase.HEDGING, now_ns, reason, lasts_s=settings.hedge_s)
    for leg, size in enumerate(missing):
        price = position.terms.legs[leg].price
        if size:
            position = send(
                position,
                Intent(
                    leg=leg,
                    action=Action.HEDGE,
                    side=position.terms.legs[leg].leg.side,
                    is_buy=True,
                    size=size,
                    limit=min(price + settings.hedge_band, Decimal(1)),
                    expected=price,
                ),
                now_ns=now_ns,
                settings=settings,
            )
    return position


def _unwind(position: Position, now_ns: int, settings: PaperSettings, why: str) -> Position:
    matched = position.matched
    excess = [holding.held - matched for holding in position.holdings]
    reason = f"{why}, {_unequal(position)}: selling what has no counterpart"
    if not matched:
        position = replace(position, exit=PositionStatus.ABANDONED)
    position = enter_phase(position, Phase.UNWINDING, now_ns, reason)
    for leg, size in enumerate(excess):
        if size > 0:
            position = sell(position, leg, size, Action.UNWIND, now_ns=now_ns, settings=settings)
    return position


def sell(
    position: Position, leg: int, size: Decimal, action: Action, *, now_ns: int, settings: PaperSettings
) -> Position:
    """The position with a sale at any bid on its way, where the leg's market is open; else as it is."""
    market, side = position.market_of(leg), position.terms.legs[leg].leg.side
    if not market.is_open:
        return position
    bids = () if market.quote is None else market.quote.of(side).bids
    return send(
        position,
        Intent(
            leg=leg,
            action=action,
            side=side,
            is_buy=False,
            size=size,
            limit=Decimal(0),
            expected=bids[0][0] if bids else Decimal(0),
        ),
        now_ns=now_ns,
        settings=settings,
    )


def _is_over(position: Position, now_ns: int) -> bool:
    return position.deadline_ns is not None and now_ns >= position.deadline_ns


def _why(position: Position, now_ns: int) -> str:
    if not all(market.is_open for market in position.markets):
        return "a market closed"
    return "its time is over" if _is_over(position, now_ns) else "no order is left"


def _unequal(position: Position) -> str:
    return f"legs filled {', '.join(str(holding.bought) for holding in position.holdings)} of {position.terms.size}"
