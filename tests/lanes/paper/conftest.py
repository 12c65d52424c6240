"""Two markets, a basket of YES on one and NO on the other, and what may happen to them."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from tickline.lanes.model import Basket, Decision, Kind, Lane, Leg, Opportunity, Origin, PricedLeg, Style
from tickline.lanes.paper import open_position, step
from tickline.lanes.paper_events import Ladder, Quote
from tickline.lanes.paper_spec import PaperSettings
from tickline.markets.fees import FeeKind, Fees
from tickline.markets.model import Basis, MarketKey, Side

SECOND = 1_000_000_000
START = 1_000 * SECOND
A, B = MarketKey("north", "A"), MarketKey("south", "B")
FREE = Fees()
CURVE = Fees(kind=FeeKind.CURVE, taker=Decimal("0.07"), maker=Decimal("0.0175"), places=4, balance_places=2)
PLAIN = PaperSettings(latency_ms=1_000, latency_tail_ms=0, ev_stop=None, hedge_gain=None)


def at(seconds):
    """A time of so many seconds after the position was opened."""
    return START + round(seconds * SECOND)


def levels(*pairs):
    return tuple((Decimal(price), None if size is None else Decimal(size)) for price, size in pairs)


def quote(seconds, market, *, row=0, yes_bid=(), yes_ask=(), no_bid=(), no_ask=()):
    """A quote from levels as pairs of text."""
    origin = Origin("market_quotes", market.venue, "2026-03-07", row)
    yes = Ladder(levels(*yes_bid), levels(*yes_ask), origin)
    no = Ladder(levels(*no_bid), levels(*no_ask), origin)
    return Quote(at(seconds), market, yes, no)


CROSS = (Kind.CROSS, 1, (Leg(A, Side.YES), Leg(B, Side.NO)))


def decided(
    *,
    of=CROSS,
    size=10,
    depths=(10, 20),
    prices=("0.40", "0.50"),
    style=Style.TAKER,
    opportunity_id="one",
    expected="0.9",
):
    """YES of A at 0.40 and NO of B at 0.50, which pay 1 together, or what else is given."""
    kind, floor, legs = of
    basket = Basket("basket", Lane.CROSS, kind, legs, floor, "family", "event", Basis.STRICT_ID)
    priced = tuple(
        PricedLeg(
            leg,
            None,
            Decimal(price),
            Decimal(0),
            Decimal(depth),
            START,
            Origin("market_quotes", leg.market.venue, "2026-03-06", 0),
        )
        for leg, price, depth in zip(legs, prices, depths, strict=True)
    )
    cost = sum(map(Decimal, prices))
    found = Opportunity(
        opportunity_id, basket, style, START, START, priced, cost, Decimal(0), floor - cost, Decimal(min(depths))
    )
    amount = Decimal(size)
    return Decision(found, START, (), amount, amount * cost, Decimal(0), Decimal(expected), 0.1, 1.0)


def opened(settings=PLAIN, *, fees=FREE, **terms):
    decision = decided(**terms)
    schedules = {one.leg.market: fees for one in decision.opportunity.legs}
    return open_position(decision, schedules, now_ns=START, settings=settings)


def follow(position, events, settings=PLAIN):
    """The position after events, and its fills."""
    fills = []
    for event in events:
        position, more = step(position, event, settings)
        fills += more
    return position, fills


@pytest.fixture(scope="session")
def desk():
    return SimpleNamespace(
        A=A,
        B=B,
        FREE=FREE,
        CURVE=CURVE,
        PLAIN=PLAIN,
        START=START,
        SECOND=SECOND,
        at=at,
        quote=quote,
        decided=decided,
        opened=opened,
        follow=follow,
    )
