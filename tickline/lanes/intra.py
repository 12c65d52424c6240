"""The intra lane: YES and NO of one market, of which exactly one pays."""

import polars as pl

from tickline.lanes.drafts import DRAFT, Found, assemble, current, is_live
from tickline.lanes.families import key
from tickline.lanes.model import Kind, Lane
from tickline.markets.model import Basis, Side


def find(markets: pl.DataFrame, mapping: pl.DataFrame) -> Found:
    """One basket for each market that is not over.

    `markets` is CLEAN_MARKETS with `venue`, one row a market; `mapping` (MAPPING) only names families. Raises
    LaneError where a market is there twice.
    """
    known = current(markets)
    drafts = known.filter(is_live()).with_columns(
        draft=key("venue", "market_id"),
        subject=key("venue", "market_id"),
        kind=pl.lit(Kind.INTRA),
        n=pl.lit(1),
        label=pl.lit(None, pl.String()),
        source=pl.lit(Basis.METADATA),
        pair_id=pl.lit(None, pl.String()),
        confidence=pl.lit(1.0),
        is_tradable=pl.lit(True),
        side=pl.lit([Side.YES, Side.NO]),
    )
    over = known.filter(~is_live()).select(
        key("venue", "market_id").alias("subject"), pl.format("market {}", "status").alias("reason")
    )
    legs = drafts.explode("side").select(pl.col(name).cast(dtype) for name, dtype in DRAFT.items())
    return assemble(Lane.INTRA, legs, known, mapping=mapping, refusals=[over])
