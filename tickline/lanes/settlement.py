"""What a resolved market pays the contracts held of it, and when. Settling is a sale without a fee."""

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from tickline.lanes.filling import Execution, Intent
from tickline.lanes.model import Action, LaneFill
from tickline.lanes.paper_events import Quote, Resolved
from tickline.lanes.paper_spec import PaperSettings
from tickline.lanes.positions import EXACT, Market, Payout, Position, book

_HALF = Decimal("0.5")
_PLACES = Decimal(1).scaleb(-12)


def resolve(market: Market, resolved: Resolved, settings: PaperSettings) -> Market:
    """The market with its payout: 1 or 0, or what a void pays on its venue. It may be amended until it is paid."""
    pays_at_ns = max(resolved.ts_ns, resolved.ts_settle_ns or resolved.ts_ns)
    if resolved.result == "void":
        yes = _void(market, resolved, settings)
    else:
        yes = Decimal(1) if resolved.result == "yes" else Decimal(0)
    return replace(market, is_open=False, payout=Payout(yes, pays_at_ns, resolved.origin))


def owed_at(position: Position) -> int | None:
    """When the next payout of something held is due; None where none is known of."""
    due = []
    for leg, holding in zip(position.terms.legs, position.holdings, strict=True):
        payout = position.markets[leg.at].payout
        if payout is not None and (holding.held or holding.opposite):
            due.append(payout.pays_at_ns)
    return min(due, default=None)


def pay(position: Position, now_ns: int) -> tuple[Position, list[LaneFill]]:
    """The position after every payout due by now, leg by leg. A leg is expected to pay its share of the floor."""
    fills: list[LaneFill] = []
    share = EXACT.divide(Decimal(position.terms.floor), Decimal(len(position.terms.legs))).quantize(_PLACES, ROUND_DOWN)
    for nth, leg in enumerate(position.terms.legs):
        payout = position.markets[leg.at].payout
        if payout is None or payout.pays_at_ns > now_ns:
            continue
        for side, expected in ((leg.leg.side, share), (leg.leg.side.other, 1 - share)):
            size = position.holdings[nth].of(side, leg.leg.side)
            if size:
                sale = Intent(nth, Action.SETTLE, side, False, size, Decimal(0), expected)
                paid = Execution(payout.of(side), size, Decimal(0), False, payout.origin)
                position, more = book(position, sale, [paid], now_ns)
                fills += more
    return position, fills


def _void(market: Market, resolved: Resolved, settings: PaperSettings) -> Decimal:
    if market.key.venue not in settings.fair_voids:
        return _HALF
    if resolved.fair is not None:
        return resolved.fair
    return _HALF if market.quote is None else _mid(market.quote)


def _mid(quote: Quote) -> Decimal:
    if not quote.yes.bids or not quote.yes.asks:
        return _HALF
    return (quote.yes.bids[0][0] + quote.yes.asks[0][0]) / 2
