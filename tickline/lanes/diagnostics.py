"""All lanes at once, and what is told of them: refusals in one table, and what a voided market does to each floor."""

from collections.abc import Sequence

import polars as pl

from tickline.lake.lane_schemas import BASKET_LEGS, BASKETS, LANE_DIAGNOSTICS
from tickline.lake.schema import Schema
from tickline.lanes import bucket, cross, event_tree, intra, parity
from tickline.lanes.baskets import void_floor_of
from tickline.lanes.drafts import Found
from tickline.lanes.model import Kind, Lane
from tickline.markets.model import Label

FINDERS = {
    Lane.INTRA: intra.find,
    Lane.CROSS: cross.find,
    Lane.PARITY: parity.find,
    Lane.BUCKET: bucket.find,
    Lane.EVENT_TREE: event_tree.find,
}


def find(markets: pl.DataFrame, mapping: pl.DataFrame, lanes: Sequence[Lane] = tuple(Lane)) -> Found:
    """What these lanes find.

    `markets` is CLEAN_MARKETS with `venue`, one row a market; `mapping` is MAPPING. Raises LaneError where a market
    is there twice.
    """
    found = [FINDERS[lane](markets, mapping) for lane in lanes]
    return Found(
        _stacked([one.baskets for one in found], BASKETS),
        _stacked([one.legs for one in found], BASKET_LEGS),
        merged([one.refusals for one in found]),
    )


def merged(diagnostics: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Several LANE_DIAGNOSTICS as one; counts of the same lane, subject, stage and reason are added up."""
    rows = pl.concat([LANE_DIAGNOSTICS.empty(), *diagnostics])
    keys = ["lane", "subject", "stage", "reason"]
    return rows.group_by(keys).agg(pl.col("count").sum()).select(*LANE_DIAGNOSTICS.columns).sort(keys)


def void_floors(baskets: pl.DataFrame) -> pl.DataFrame:
    """What voided markets make of the floors of these baskets (BASKETS).

    Columns: lane, kind, legs (Int32), floor (Float64), void_floor (Float64: with any of its markets voided at one
    half) and baskets (UInt32), a row for each lane, kind and number of legs.
    """
    kinds = baskets.group_by("lane", "kind", "legs", "label", "floor").agg(pl.len().alias("baskets"))
    floors = [_void_floor(*row) for row in kinds.select("kind", "legs", "label").iter_rows()]
    return (
        kinds.with_columns(pl.Series("void_floor", floors, dtype=pl.Float64))
        .group_by("lane", "kind", "legs", "floor", "void_floor")
        .agg(pl.col("baskets").sum())
        .sort("lane", "kind", "legs")
    )


def outcomes_of(kind: Kind, legs: int) -> int:
    """How many outcomes a basket of so many legs is over, as `floor_of` counts them."""
    if kind is Kind.INTRA:
        return 1
    return legs - 1 if kind in (Kind.PARENT_NO_CHILDREN_YES, Kind.PARENT_YES_CHILDREN_NO) else legs


def _void_floor(kind: str, legs: int, label: str | None) -> float | None:
    floor = void_floor_of(Kind(kind), outcomes_of(Kind(kind), legs), None if label is None else Label(label))
    return None if floor is None else float(floor)


def _stacked(frames: Sequence[pl.DataFrame], schema: Schema) -> pl.DataFrame:
    return pl.concat([schema.empty(), *frames]).sort(schema.sort)
