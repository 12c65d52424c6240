"""The cross lane: YES of a market and NO of an equivalent one, both ways round."""

import polars as pl

from tickline.lanes.drafts import Found, assemble, current
from tickline.lanes.mapped import leg_of, usable
from tickline.lanes.model import Kind, Lane
from tickline.markets.model import Relation, Side


def find(markets: pl.DataFrame, mapping: pl.DataFrame) -> Found:
    """Two baskets for each tradable pair of equivalent markets; refusals are told of the pair.

    `markets` is CLEAN_MARKETS with `venue`, one row a market; `mapping` is MAPPING. Raises LaneError where a market
    is there twice.
    """
    known = current(markets)
    pairs, refused = usable(mapping.filter(pl.col("relation") == Relation.EQUIVALENT), known)
    one_way = pairs.with_columns(kind=pl.lit(Kind.CROSS), draft=pl.format("{} yes left", "pair_id"))
    other_way = pairs.with_columns(kind=pl.lit(Kind.CROSS), draft=pl.format("{} yes right", "pair_id"))
    drafts = pl.concat(
        [
            leg_of(one_way, "left", Side.YES),
            leg_of(one_way, "right", Side.NO),
            leg_of(other_way, "left", Side.NO),
            leg_of(other_way, "right", Side.YES),
        ]
    )
    return assemble(Lane.CROSS, drafts, known, mapping=mapping, refusals=[refused])
