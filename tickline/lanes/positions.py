"""A paper position: what was decided, what is held and on its way, and the cash it moved. Stored as JSON, exactly.

What is realised is what sales brought minus what purchases and fees cost, to the last digit; settling is a sale.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import Any

import polars as pl
from pydantic import TypeAdapter, ValidationError

from tickline.errors import LaneError
from tickline.lake.lane_schemas import LANE_FILLS, LANE_POSITIONS
from tickline.lake.schema import NS, Schema
from tickline.lanes.filling import SECOND_NS, Execution, Intent, Order, Taken, latency_ns
from tickline.lanes.model import Action, Kind, Lane, LaneFill, Leg, Origin, PositionStatus, Style
from tickline.lanes.paper_events import Quote
from tickline.lanes.paper_spec import PaperSettings
from tickline.markets.fees import Fees, OrderFees
from tickline.markets.model import MarketKey, Side

EXACT = Context(prec=60)
"""Sums of cash are not rounded."""

_PLACES = Decimal(1).scaleb(-12)
_NOTHING = Decimal(0)


class Phase(StrEnum):
    """What a position is busy with."""

    ENTERING = "entering"
    HEDGING = "hedging"  # the legs are unequal: what is missing is bought
    UNWINDING = "unwinding"  # they stayed so: what has no counterpart is sold
    HOLDING = "holding"
    EXITING = "exiting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class PaperLeg:
    """A leg at the price it was detected at; `at` is its market among those of the position."""

    leg: Leg
    at: int
    price: Decimal
    fees: Fees


@dataclass(frozen=True, slots=True)
class Terms:
    """What was decided, which never changes. `lead` is the leg that is sent first."""

    opportunity_id: str
    lane: Lane
    kind: Kind
    family: str
    event: str
    style: Style
    is_micro: bool
    floor: int
    size: Decimal
    detected: Decimal
    expected: Decimal
    ts_open_ns: int
    lead: int
    legs: tuple[PaperLeg, ...]


@dataclass(frozen=True, slots=True)
class Payout:
    """What a contract of YES pays, from when on; one of NO pays the rest of 1."""

    yes: Decimal
    pays_at_ns: int
    origin: Origin | None

    def of(self, side: Side) -> Decimal:
        """What a contract of a side pays."""
        return self.yes if side is Side.YES else 1 - self.yes


@dataclass(frozen=True, slots=True)
class Market:
    """A market of the position, as last seen."""

    key: MarketKey
    quote: Quote | None = None
    is_open: bool = True
    payout: Payout | None = None
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """Contracts of a leg: how many were bought in all, how many are held, and how many of the other side."""

    bought: Decimal = _NOTHING
    held: Decimal = _NOTHING
    opposite: Decimal = _NOTHING

    def of(self, side: Side, leg: Side) -> Decimal:
        """Contracts of a side that are held, of the leg that bought `leg`."""
        return self.held if side is leg else self.opposite


@dataclass(frozen=True, slots=True)
class Cash:
    """What purchases cost, what sales brought, fees; `stake` is purchases with their fees, `slippage` what was paid for
    legs beyond the prices they were detected at."""

    bought: Decimal = _NOTHING
    sold: Decimal = _NOTHING
    fees: Decimal = _NOTHING
    stake: Decimal = _NOTHING
    slippage: Decimal = _NOTHING

    @property
    def realised(self) -> Decimal:
        """Cash out minus cash in."""
        return EXACT.subtract(EXACT.subtract(self.sold, self.bought), self.fees)


@dataclass(frozen=True, slots=True)
class Note:
    """Why a position went into a phase."""

    ts_ns: int
    phase: Phase
    reason: str


@dataclass(frozen=True, slots=True)
class Position:
    """A decided opportunity on paper. It ends once, in the status of its exit where it had one."""

    terms: Terms
    phase: Phase
    now_ns: int
    markets: tuple[Market, ...]
    holdings: tuple[Holding, ...]
    deadline_ns: int | None
    orders: tuple[Order, ...] = ()
    cash: Cash = Cash()
    sent: int = 0
    fills: int = 0
    exit: PositionStatus | None = None
    withdrawn: str | None = None
    ts_close_ns: int | None = None
    notes: tuple[Note, ...] = ()
    wakes_ns: int | None = None

    @property
    def status(self) -> PositionStatus:
        """How it stands, or ended."""
        if self.phase is not Phase.CLOSED:
            return PositionStatus.OPEN
        return PositionStatus.SETTLED if self.exit is None else self.exit

    @property
    def matched(self) -> Decimal:
        """Units of which every leg was filled."""
        return min(holding.bought for holding in self.holdings)

    @property
    def is_flat(self) -> bool:
        """Whether nothing is held."""
        return not any(holding.held or holding.opposite for holding in self.holdings)

    def market_of(self, leg: int) -> Market:
        """The market of a leg."""
        return self.markets[self.terms.legs[leg].at]

    def to_json(self) -> str:
        """The position as `from_json` reads it, to the last digit."""
        return _STORED.dump_json(self).decode()

    @staticmethod
    def from_json(text: str | bytes) -> "Position":
        """A stored position. Raises LaneError where the text is not one."""
        try:
            return _STORED.validate_json(text)
        except ValidationError as error:
            raise LaneError(f"a stored paper position cannot be read; open it anew or restore it: {error}") from error


_STORED = TypeAdapter(Position)


def send(position: Position, intent: Intent, *, now_ns: int, settings: PaperSettings) -> Position:
    """The position with another order on its way."""
    nth = position.sent + 1
    order = Order(
        nth=nth,
        intent=intent,
        arrives_ns=now_ns + latency_ns(position.terms.opportunity_id, nth, settings),
        fees=OrderFees(position.terms.legs[intent.leg].fees),
    )
    return replace(position, orders=(*position.orders, order), sent=nth)


def enter_phase(position: Position, phase: Phase, now_ns: int, reason: str, *, lasts_s: int | None = None) -> Position:
    """The position in another phase, for at most so many seconds, with none of its orders left and the reason noted."""
    return replace(
        position,
        phase=phase,
        orders=(),
        deadline_ns=None if lasts_s is None else now_ns + lasts_s * SECOND_NS,
        ts_close_ns=now_ns if phase is Phase.CLOSED else None,
        notes=(*position.notes, Note(now_ns, phase, reason)),
    )


def book(
    position: Position, intent: Intent, executions: Iterable[Execution], ts_ns: int
) -> tuple[Position, list[LaneFill]]:
    """The position after parts of one of its orders traded, and the fills they are.

    Raises LaneError where more would be sold than is held, or more of a leg bought than was decided.
    """
    terms = position.terms
    fills: list[LaneFill] = []
    leg = terms.legs[intent.leg]
    holding, cash = position.holdings[intent.leg], position.cash
    for one in executions:
        holding = _held(holding, intent, one.size, leg.leg.side, terms)
        cash = _paid(cash, intent, one)
        fills.append(
            LaneFill(
                opportunity_id=terms.opportunity_id,
                fill=position.fills + len(fills) + 1,
                leg=intent.leg,
                action=intent.action,
                ts_ns=ts_ns,
                market=leg.leg.market,
                side=intent.side,
                is_buy=intent.is_buy,
                expected_price=intent.expected,
                price=one.price,
                size=one.size,
                fee=one.fee,
                is_maker=one.is_maker,
                origin=one.origin,
            )
        )
    holdings = tuple(holding if nth == intent.leg else other for nth, other in enumerate(position.holdings))
    return replace(position, holdings=holdings, cash=cash, fills=position.fills + len(fills)), fills


def frames(positions: Sequence[Position], fills: Sequence[LaneFill]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """LANE_FILLS of fills and LANE_POSITIONS of positions, sorted. The fills must be of these positions."""
    terms = {position.terms.opportunity_id: position.terms for position in positions}
    return (
        _frame([_fill_row(fill, terms[fill.opportunity_id]) for fill in fills], LANE_FILLS),
        _frame([_position_row(position) for position in positions], LANE_POSITIONS),
    )


def _held(holding: Holding, intent: Intent, size: Decimal, leg: Side, terms: Terms) -> Holding:
    change = size if intent.is_buy else -size
    if intent.side is not leg:
        after = replace(holding, opposite=holding.opposite + change)
    else:
        bought = holding.bought + (size if intent.is_buy else _NOTHING)
        after = replace(holding, held=holding.held + change, bought=bought)
    if after.held < 0 or after.opposite < 0 or after.bought > terms.size or after.opposite > terms.size:
        raise LaneError(
            f"paper position {terms.opportunity_id}: {intent.action} of {size} {intent.side} on leg {intent.leg} "
            f"leaves {after.held} held and {after.bought} bought of {terms.size} decided: its orders do not fit it"
        )
    return after


def _paid(cash: Cash, intent: Intent, one: Execution) -> Cash:
    paid = one.price * one.size
    fees = cash.fees + one.fee
    if not intent.is_buy:
        return replace(cash, sold=cash.sold + paid, fees=fees)
    slippage = (one.price - intent.expected) * one.size if intent.action is not Action.EXIT else _NOTHING
    return replace(
        cash,
        bought=cash.bought + paid,
        fees=fees,
        stake=cash.stake + paid + one.fee,
        slippage=cash.slippage + slippage,
    )


def _frame(rows: list[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    raw = schema.columns | {name: pl.Int64() for name, kind in schema.columns.items() if kind == NS}
    frame = pl.DataFrame(rows, schema=raw, orient="row")
    return frame.with_columns(pl.col(name).cast(kind) for name, kind in schema.columns.items()).sort(schema.sort)


def _fill_row(fill: LaneFill, terms: Terms) -> dict[str, Any]:
    origin = fill.origin
    return _whose(terms) | {
        "fill": fill.fill,
        "leg": fill.leg,
        "action": fill.action.value,
        "ts": fill.ts_ns,
        "venue": fill.market.venue,
        "market_id": fill.market.market_id,
        "side": fill.side.value,
        "direction": "buy" if fill.is_buy else "sell",
        "expected_price": _money(fill.expected_price),
        "price": _money(fill.price),
        "size": _money(fill.size),
        "fee": _money(fill.fee),
        "is_maker": fill.is_maker,
        "input": None if origin is None else origin.dataset,
        "input_venue": None if origin is None else origin.venue,
        "input_period": None if origin is None else origin.period,
        "input_row": None if origin is None else origin.row,
    }


def _position_row(position: Position) -> dict[str, Any]:
    terms, cash = position.terms, position.cash
    return _whose(terms) | {
        "event": terms.event,
        "ts_open": terms.ts_open_ns,
        "ts_close": position.ts_close_ns,
        "status": position.status.value,
        "is_micro": terms.is_micro,
        "size": _money(terms.size),
        "filled": _money(position.matched),
        "stake": _money(cash.stake),
        "detected": _money(terms.detected),
        "expected": _money(terms.expected),
        "realised": _money(cash.realised),
        "fees": _money(cash.fees),
        "slippage": _money(cash.slippage),
    }


def _whose(terms: Terms) -> dict[str, Any]:
    return {
        "opportunity_id": terms.opportunity_id,
        "lane": terms.lane.value,
        "kind": terms.kind.value,
        "family": terms.family,
    }


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(_PLACES, ROUND_HALF_EVEN, EXACT)
