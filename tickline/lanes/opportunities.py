"""Opportunities as rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from tickline.lake.lane_schemas import OPPORTUNITIES, OPPORTUNITY_LEGS
from tickline.lake.schema import Schema
from tickline.lanes.model import Opportunity, PricedLeg


def frames(opportunities: Sequence[Opportunity]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Opportunities as OPPORTUNITIES and OPPORTUNITY_LEGS, each row once and sorted."""
    legs = ((one, nth, leg) for one in opportunities for nth, leg in enumerate(one.legs))
    return (
        _framed((_opportunity(one) for one in opportunities), OPPORTUNITIES),
        _framed((_leg(*of) for of in legs), OPPORTUNITY_LEGS),
    )


def _opportunity(one: Opportunity) -> dict[str, Any]:
    basket = one.basket
    return {
        "opportunity_id": one.opportunity_id,
        "lane": basket.lane,
        "kind": basket.kind,
        "family": basket.family,
        "basket_id": basket.basket_id,
        "style": one.style,
        "ts": one.ts_ns,
        "bucket": one.bucket_ns,
        "event": basket.event,
        "label": basket.label,
        "source": basket.source,
        "pair_id": basket.pair_id,
        "confidence": basket.confidence,
        "legs": len(one.legs),
        "floor": float(basket.floor),
        "cost": float(one.cost),
        "fees": float(one.fees),
        "edge": float(one.edge),
        "depth": float(one.depth),
        "is_micro": one.is_micro,
        "ts_settle": basket.ts_settle_ns,
    }


def _leg(one: Opportunity, nth: int, leg: PricedLeg) -> dict[str, Any]:
    origin = leg.origin
    return {
        "opportunity_id": one.opportunity_id,
        "leg": nth,
        "venue": leg.leg.market.venue,
        "market_id": leg.leg.market.market_id,
        "instrument": leg.instrument,
        "side": leg.leg.side,
        "price": float(leg.price),
        "fee": float(leg.fee),
        "depth": float(leg.depth),
        "ts_quote": leg.ts_quote_ns,
        "input": None if origin is None else origin.dataset,
        "input_venue": None if origin is None else origin.venue,
        "input_period": None if origin is None else origin.period,
        "input_row": None if origin is None else origin.row,
    }


def _framed(rows: Iterable[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    as_given = {name: pl.Int64() if isinstance(dtype, pl.Datetime) else dtype for name, dtype in schema.columns.items()}
    given = pl.DataFrame(list(rows), schema=as_given)
    return given.select(pl.col(name).cast(dtype) for name, dtype in schema.columns.items()).sort(schema.sort)
