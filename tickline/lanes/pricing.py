"""Baskets priced against a book: all of them in arrays, the few that are worth it again exactly, with trade fees.

A basket is an opportunity where its floor is at least `min_edge` above the asks of its legs and the fees of one
contract of each. Without a usable quote for every leg it is refused with the worst reason of its legs, unless it
holds without them: then they are left out, and the opportunity is of fewer legs and a lower floor than the basket it
is named after. A crossed book is as good as none: where a venue mirrors YES and NO in one book, what looks like an
intra edge is such a book, torn or stale, and nothing that can be bought.
"""

import math
from collections.abc import Mapping
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
from tickline.lanes.baskets import LEAVES_OUT, id_of
from tickline.lanes.book import NEVER, Book
from tickline.lanes.model import Basket, Leg, Opportunity, Origin, PricedLeg, Style
from tickline.lanes.structure import NO, YES, Floats, Indices, Structure
from tickline.markets.fees import Fees, Rounding, fees_of, trade_fee
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

    `opportunities` are in the order of their ids. `refusals` is LANE_DIAGNOSTICS of stage quote. `counts` has a row a
    lane: lane, baskets, refused, below (the edge is less than asked for) and opportunities; they add up.
    """

    opportunities: tuple[Opportunity, ...]
    refusals: pl.DataFrame
    counts: pl.DataFrame


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
    terms = _terms(structure, book, near)
    found = [
        _exactly(basket, slice(*structure.starts[row : row + 2]), legs, structure, book=book, terms=terms)
        for basket, row in zip(structure.baskets_at(near), near.tolist(), strict=True)
    ]
    is_hit = np.array([one.edge >= exact(settings.min_edge) for one in found], dtype=np.bool_)
    hits = [_named(one, settings) for one, is_one in zip(found, is_hit, strict=True) if is_one]
    return Priced(
        tuple(sorted(hits, key=lambda one: one.opportunity_id)),
        _refusals(structure, worst),
        _counts(structure, worst, near[is_hit]),
    )


def opportunity_id(basket: Basket, style: Style, bucket_ns: int) -> str:
    """The id of whatever is found of a basket within a time bucket: 24 hex digits, the same on every look."""
    legs = " ".join(f"{leg.market}:{leg.side}" for leg in sorted(basket.legs))
    return id_of(basket.kind, legs, style, str(bucket_ns))


@lru_cache(maxsize=65_536)
def exact(quoted: float) -> Decimal:
    """A quoted price or size as it is meant: what is left of binary fractions beyond the ninth place is none of it."""
    return Decimal(repr(round(float(quoted), _PLACES)))


_SLACK = 1e-9
_PLACES = 9  # no venue's ticks are finer


@dataclass(frozen=True, slots=True, eq=False)
class _Legs:
    """Every leg at its quote: what is wrong with it, what a contract costs at least, whether its basket holds without
    it, and whether it is left out, because it cannot be bought or costs the 1 that it adds."""

    objection: npt.NDArray[np.int8]
    least_cost: Floats
    is_optional: npt.NDArray[np.bool_]
    is_out: npt.NDArray[np.bool_]


def _legs(structure: Structure, book: Book, settings: PricingSettings) -> _Legs:
    objection = _objections(book, settings)[structure.market, structure.side]
    least_cost = _least_costs(book)[structure.market, structure.side]
    leaves_out = structure.baskets["kind"].is_in(LEAVES_OUT).to_numpy()
    is_optional = np.repeat(leaves_out, np.diff(structure.starts)) & (structure.side == NO)
    is_out = is_optional & ((objection != Objection.NONE) | (least_cost >= 1))
    return _Legs(objection, least_cost, is_optional, is_out)


def _worst(legs: _Legs, structure: Structure) -> npt.NDArray[np.int8]:
    """What is worst with the legs of each basket; with all of them where fewer than two are left."""
    left = _by_basket(np.add, (~legs.is_out).astype(np.int64), structure)
    of_left = _by_basket(np.maximum, np.where(legs.is_out, np.int8(Objection.NONE), legs.objection), structure)
    return np.where(left < 2, _by_basket(np.maximum, legs.objection, structure), of_left)


def _by_basket(ufunc: np.ufunc, by_leg: npt.NDArray[Any], structure: Structure) -> npt.NDArray[Any]:
    """What is by leg, taken together over the legs of each basket."""
    return ufunc.reduceat(by_leg, structure.starts[:-1]) if structure.size else by_leg[:0]


def _objections(book: Book, settings: PricingSettings) -> npt.NDArray[np.int8]:
    """What is wrong with each market's quote, by side: (markets, 2)."""
    with np.errstate(invalid="ignore"):
        is_offered = (book.ask > 0) & (book.ask <= 1)
        is_crossed = (book.bid > book.ask + _SLACK).any(axis=1)
        has_none = book.ask_size <= 0
    never = book.ts_quote == NEVER
    is_stale = np.where(never, 0, book.ts_ns - np.where(never, 0, book.ts_quote)) > settings.max_quote_age_s * 10**9
    found = np.zeros(book.ask.shape, dtype=np.int8)
    found[~is_offered] = Objection.NO_ASK
    found[has_none] = Objection.NO_SIZE
    for is_so, objection in (
        (is_crossed, Objection.CROSSED),
        (is_stale, Objection.STALE),
        (~book.is_open, Objection.NOT_OPEN),
        (never, Objection.NO_QUOTE),
    ):
        found[is_so] = objection
    return found


def _least_costs(book: Book) -> Floats:
    """What one contract costs at least, by market and side: the bound on its fee is a unit too high at most."""
    return book.ask + np.maximum(book.fee - book.fee_unit[:, None], 0.0)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What there is to know of a market beside its prices; a fee of one contract is rounded up on every venue."""

    instruments: tuple[str | None, str | None]
    fees: Fees
    origin: Origin | None


def _terms(structure: Structure, book: Book, rows: Indices) -> dict[int, _Terms]:
    """The terms of every market that the baskets at these rows have a leg of."""
    markets = np.unique(structure.market[np.concatenate([structure.market[:0], *structure.legs_at(rows)])])
    described = zip(
        markets.tolist(),
        structure.markets[markets].iter_rows(named=True),
        book.origins[markets].iter_rows(),
        strict=True,
    )
    return {
        market: _Terms(
            (row["yes_instrument"], row["no_instrument"]),
            replace(fees_of(row), rounding=Rounding.UP),
            None if origin[0] is None else Origin(*origin),
        )
        for market, row, origin in described
    }


def _exactly(
    basket: Basket, rows: slice, legs: _Legs, structure: Structure, *, book: Book, terms: Mapping[int, _Terms]
) -> Opportunity:
    """The basket whose legs are these rows at exact prices, without what is left out, and as yet without an id."""
    numbers = range(rows.start, rows.stop)
    priced = [
        (number, _priced(leg, market, book, terms[market]))
        for number, leg, market in zip(numbers, basket.legs, structure.market[rows].tolist(), strict=True)
        if not legs.is_out[number]
    ]
    left = tuple(leg for number, leg in priced if not legs.is_optional[number] or leg.price + leg.fee < 1)
    cost, fees = sum((leg.price for leg in left), Decimal(0)), sum((leg.fee for leg in left), Decimal(0))
    floor = basket.floor - (len(basket.legs) - len(left))
    return Opportunity(
        opportunity_id="",
        basket=replace(basket, legs=tuple(leg.leg for leg in left), floor=floor),
        style=Style.TAKER,
        ts_ns=book.ts_ns,
        bucket_ns=0,
        legs=left,
        cost=cost,
        fees=fees,
        edge=floor - cost - fees,
        depth=min((leg.depth for leg in left), default=Decimal(0)),
    )


def _priced(leg: Leg, market: int, book: Book, terms: _Terms) -> PricedLeg:
    side = NO if leg.side is Side.NO else YES
    ask, size = exact(book.ask[market, side]), float(book.ask_size[market, side])
    return PricedLeg(
        leg=leg,
        instrument=terms.instruments[side],
        price=ask,
        fee=trade_fee(terms.fees, ask, Decimal(1), is_maker=False),
        depth=Decimal(0) if math.isnan(size) else exact(size),
        ts_quote_ns=int(book.ts_quote[market]),
        origin=terms.origin,
    )


def _named(found: Opportunity, settings: PricingSettings) -> Opportunity:
    bucket_ns = found.ts_ns - found.ts_ns % (settings.bucket_s * 10**9)
    is_cheap = any(leg.price < exact(settings.micro_price) for leg in found.legs)
    return replace(
        found,
        opportunity_id=opportunity_id(found.basket, found.style, bucket_ns),
        bucket_ns=bucket_ns,
        is_micro=is_cheap or found.depth < exact(settings.micro_depth),
    )


def _refusals(structure: Structure, worst: npt.NDArray[np.int8]) -> pl.DataFrame:
    kinds = len(Objection)
    counted = np.bincount(structure.subject * kinds + worst, minlength=structure.subjects.height * kinds)
    cells = np.flatnonzero(counted)
    cells = cells[cells % kinds != Objection.NONE]
    told: pl.DataFrame = structure.subjects[cells // kinds]
    return told.select(
        "lane",
        "subject",
        pl.lit("quote").alias("stage"),
        pl.Series("reason", [REASONS[Objection(one)] for one in cells % kinds], dtype=pl.String),
        pl.Series("count", counted[cells], dtype=pl.Int64),
    ).sort(LANE_DIAGNOSTICS.sort)


def _counts(structure: Structure, worst: npt.NDArray[np.int8], hits: Indices) -> pl.DataFrame:
    is_hit = np.zeros(structure.size, dtype=np.bool_)
    is_hit[hits] = True
    outcome = structure.baskets.select("lane").with_columns(
        refused=pl.Series(worst != Objection.NONE), opportunities=pl.Series(is_hit)
    )
    summed = outcome.group_by("lane").agg(
        pl.len().cast(pl.Int64).alias("baskets"), pl.col("refused", "opportunities").sum().cast(pl.Int64)
    )
    below = pl.col("baskets") - pl.col("refused") - pl.col("opportunities")
    return summed.select("lane", "baskets", "refused", below.alias("below"), "opportunities").sort("lane")
