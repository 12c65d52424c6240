"""Baskets priced against a book: all of them in arrays, the few that are worth it again exactly, with trade fees.

A basket is an opportunity where its floor is at least `min_edge` above the asks of its legs and the fees of one
contract of each. Without a usable quote for every leg it is refused with the worst reason of its legs, unless it
holds without them: then they are left out, and the opportunity is of fewer legs and a lower floor than the basket it
is named after. A crossed book is as good as none: where a venue mirrors YES and NO in one book, what looks like an
intra edge is such a book, torn or stale, and nothing that can be bought.
"""

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from tickline.errors import LaneError
from tickline.lake.lane_schemas import LANE_DIAGNOSTICS
from tickline.lanes.baskets import id_of
from tickline.lanes.book import NEVER, Book
from tickline.lanes.model import Basket, Leg, Opportunity, PricedLeg, Style
from tickline.lanes.structure import NO, YES, Floats, Indices, Structure
from tickline.markets.fees import Fees, trade_fee
from tickline.markets.model import Side
from tickline.reference.models import Declared, Share

Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class PricingSettings(Declared):
    """When a priced basket counts as an opportunity, and when as a small one that nothing should follow from alone."""

    min_edge: Share = 0.005
    """The least edge of a unit."""
    micro_price: Share = 0.03
    """A leg below this price makes an opportunity a micro one,"""
    micro_depth: Positive = 10.0
    """and so does a book of fewer units than this, or of unknown depth."""
    max_quote_age_s: Annotated[int, Field(ge=1, le=604_800)] = 900
    """A quote older than this is no quote."""
    bucket_s: Annotated[int, Field(ge=1, le=86_400)] = 3_600
    """Ids of one basket are told apart by time buckets of this length."""


class Objection(IntEnum):
    """What is wrong with a leg's quote, worst last."""

    NONE = 0
    NO_ASK = 1
    NO_SIZE = 2
    CROSSED = 3
    STALE = 4
    NOT_OPEN = 5
    NO_QUOTE = 6


REASONS = {
    Objection.NO_ASK: "nobody offers a leg",
    Objection.NO_SIZE: "nothing is offered at a leg's ask",
    Objection.CROSSED: "crossed or torn book: a bid is above its ask",
    Objection.STALE: "stale quote",
    Objection.NOT_OPEN: "market not open",
    Objection.NO_QUOTE: "no quote",
}


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """What pricing every basket once came to.

    `opportunities` are in the order of their ids, `hits` are the rows of their baskets. `objections` says of each
    basket what is worst with its legs, as a number of `Objection`.
    """

    opportunities: tuple[Opportunity, ...]
    structure: Structure
    objections: npt.NDArray[np.int8]
    hits: Indices

    @property
    def refused(self) -> Indices:
        """How many baskets were refused, by what is told of and objection, see `refusals_of`."""
        kinds = len(Objection)
        size = self.structure.subjects.height * kinds
        return np.bincount(self.structure.subject * kinds + self.objections, minlength=size)

    @property
    def reasons(self) -> dict[str, int]:
        """How many baskets were refused, by reason, of all that is told of."""
        counted = np.bincount(self.objections, minlength=len(Objection)).tolist()
        return {reason: counted[objection] for objection, reason in REASONS.items() if counted[objection]}

    @property
    def refusals(self) -> pl.DataFrame:
        """Why baskets were refused: LANE_DIAGNOSTICS of stage quote."""
        return refusals_of(self.structure, self.refused)

    @property
    def counts(self) -> pl.DataFrame:
        """A row a lane: lane, baskets, refused, below (the edge is less than asked for) and opportunities; they add
        up."""
        is_hit = np.zeros(self.structure.size, dtype=np.bool_)
        is_hit[self.hits] = True
        outcome = self.structure.baskets.select("lane").with_columns(
            refused=pl.Series(self.objections != Objection.NONE), opportunities=pl.Series(is_hit)
        )
        summed = outcome.group_by("lane").agg(
            pl.len().cast(pl.Int64).alias("baskets"), pl.col("refused", "opportunities").sum().cast(pl.Int64)
        )
        below = pl.col("baskets") - pl.col("refused") - pl.col("opportunities")
        return summed.select("lane", "baskets", "refused", below.alias("below"), "opportunities").sort("lane")


def price(structure: Structure, book: Book, settings: PricingSettings) -> Priced:
    """Every basket at the asks of one book, taking.

    An opportunity's depth is 0 where a book does not say how much is offered at its ask. Raises LaneError where the
    book is of other markets than the structure.
    """
    if book.size != structure.markets.height:
        raise LaneError(f"the book has {book.size} markets, the structure {structure.markets.height}: make it of those")
    legs = _legs(structure, book, settings)
    worst = _worst(legs, structure)
    edges = structure.floor - _by_basket(np.add, np.where(legs.is_out, 1.0, legs.least_cost), structure)
    near = np.flatnonzero((worst == Objection.NONE) & (edges > settings.min_edge - _SLACK))
    found = {row: _exactly(row, legs, structure, book=book, settings=settings) for row in near.tolist()}
    hits = {row: one for row, one in found.items() if one is not None}
    opportunities = tuple(sorted(hits.values(), key=lambda one: one.opportunity_id))
    return Priced(opportunities, structure, worst, np.array(list(hits), dtype=np.int64))


def refusals_of(structure: Structure, refused: Indices) -> pl.DataFrame:
    """LANE_DIAGNOSTICS of stage quote, of counts as `Priced.refused` gives them, or the sum of those of many looks."""
    kinds = len(Objection)
    cells = np.flatnonzero(refused)
    cells = cells[cells % kinds != Objection.NONE]
    told: pl.DataFrame = structure.subjects[cells // kinds]
    return told.select(
        "lane",
        "subject",
        pl.lit("quote").alias("stage"),
        pl.Series("reason", [REASONS[Objection(one)] for one in cells % kinds], dtype=pl.String),
        pl.Series("count", refused[cells], dtype=pl.Int64),
    ).sort(LANE_DIAGNOSTICS.sort)


def opportunity_id(basket: Basket, style: Style, bucket_ns: int) -> str:
    """The id of whatever is found of a basket within a time bucket: 24 hex digits, the same on every look."""
    legs = " ".join(f"{leg.market}:{leg.side}" for leg in sorted(basket.legs))
    return id_of(basket.kind, legs, style, str(bucket_ns))


@lru_cache(maxsize=65_536)
def exact(quoted: float) -> Decimal:
    """A quoted price or size as it is meant: what is left of binary fractions beyond the ninth place is none of it."""
    return Decimal(repr(round(float(quoted), _PLACES)))


_NOTHING = Decimal(0)
_SLACK = 1e-9
_PLACES = 9  # no venue's ticks are finer


@dataclass(frozen=True, slots=True, eq=False)
class _Legs:
    """Every leg at its quote: what is wrong with it, what a contract costs at least, and whether it is left out,
    because it cannot be bought or costs the 1 that it adds."""

    objection: npt.NDArray[np.int8]
    least_cost: Floats
    is_out: npt.NDArray[np.bool_]


def _legs(structure: Structure, book: Book, settings: PricingSettings) -> _Legs:
    sided = structure.market * 2 + structure.side  # one index takes from (markets, 2) faster than two
    objection = _objections(book, settings).ravel()[sided]
    least_cost = _least_costs(book).ravel()[sided]
    is_out = structure.is_optional & ((objection != Objection.NONE) | (least_cost >= 1))
    return _Legs(objection, least_cost, is_out)


def _worst(legs: _Legs, structure: Structure) -> npt.NDArray[np.int8]:
    """What is worst with the legs of each basket; with all of them where fewer than two are left."""
    of_all = _by_basket(np.maximum, legs.objection, structure)
    if not legs.is_out.any():
        return of_all
    left = _by_basket(np.add, (~legs.is_out).astype(np.int64), structure)
    of_left = _by_basket(np.maximum, np.where(legs.is_out, np.int8(Objection.NONE), legs.objection), structure)
    return np.where(left < 2, of_all, of_left)


def _by_basket(ufunc: np.ufunc, by_leg: npt.NDArray[Any], structure: Structure) -> npt.NDArray[Any]:
    """What is by leg, taken together over the legs of each basket."""
    return ufunc.reduceat(by_leg, structure.starts[:-1]) if structure.size else by_leg[:0]


def _objections(book: Book, settings: PricingSettings) -> npt.NDArray[np.int8]:
    """What is wrong with each market's quote, by side: (markets, 2)."""
    with np.errstate(invalid="ignore"):
        is_offered = (book.ask > 0) & (book.ask <= 1)
        is_above = book.bid > book.ask + _SLACK
        has_none = book.ask_size <= 0
    never = book.ts_quote == NEVER
    is_stale = np.where(never, 0, book.ts_ns - np.where(never, 0, book.ts_quote)) > settings.max_quote_age_s * 10**9
    of_side = np.maximum(~is_offered * np.int8(Objection.NO_ASK), has_none * np.int8(Objection.NO_SIZE))
    of_market = np.zeros(book.size, dtype=np.int8)
    for is_so, objection in (
        (is_above[:, YES] | is_above[:, NO], Objection.CROSSED),
        (is_stale, Objection.STALE),
        (~book.is_open, Objection.NOT_OPEN),
        (never, Objection.NO_QUOTE),
    ):
        of_market = np.maximum(of_market, is_so * np.int8(objection))
    return np.maximum(of_side, of_market[:, None])


def _least_costs(book: Book) -> Floats:
    """What one contract costs at least, by market and side: the bound on its fee is a unit too high at most."""
    return book.ask + np.maximum(book.fee - book.fee_unit[:, None], 0.0)


def _exactly(
    row: int, legs: _Legs, structure: Structure, *, book: Book, settings: PricingSettings
) -> Opportunity | None:
    """The basket at this row at exact prices, without what is left out; None where its edge is too small then."""
    basket, left = structure.basket_at(row), []
    for nth, leg in enumerate(basket.legs, structure.starts[row]):
        if legs.is_out[nth]:
            continue
        priced = _priced(leg, int(structure.market[nth]), structure, book)
        if not structure.is_optional[nth] or priced.price + priced.fee < 1:
            left.append(priced)
    cost, fees = sum((leg.price for leg in left), _NOTHING), sum((leg.fee for leg in left), _NOTHING)
    floor = basket.floor - (len(basket.legs) - len(left))
    edge = floor - cost - fees
    if edge < exact(settings.min_edge):
        return None
    if len(left) < len(basket.legs):
        basket = replace(basket, legs=tuple(leg.leg for leg in left), floor=floor)
    bucket_ns = book.ts_ns - book.ts_ns % (settings.bucket_s * 10**9)
    depth = min((leg.depth for leg in left), default=_NOTHING)
    micro_price = exact(settings.micro_price)
    return Opportunity(
        opportunity_id=opportunity_id(basket, Style.TAKER, bucket_ns),
        basket=basket,
        style=Style.TAKER,
        ts_ns=book.ts_ns,
        bucket_ns=bucket_ns,
        legs=tuple(left),
        cost=cost,
        fees=fees,
        edge=edge,
        depth=depth,
        is_micro=depth < exact(settings.micro_depth) or any(leg.price < micro_price for leg in left),
    )


def _priced(leg: Leg, market: int, structure: Structure, book: Book) -> PricedLeg:
    side, listing = NO if leg.side is Side.NO else YES, structure.listing_at(market)
    ask, size = exact(book.ask[market, side]), float(book.ask_size[market, side])
    return PricedLeg(
        leg=leg,
        instrument=listing.instruments[side],
        price=ask,
        fee=_fee_of_one(listing.fees_up, ask),
        depth=_NOTHING if math.isnan(size) else exact(size),
        ts_quote_ns=int(book.ts_quote[market]),
        origin=book.origin(market, side),
    )


@lru_cache(maxsize=65_536)
def _fee_of_one(fees: Fees, price: Decimal) -> Decimal:
    return trade_fee(fees, price, Decimal(1), is_maker=False)
