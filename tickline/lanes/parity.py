"""The parity lane: complements, implications between mapped markets, and ladders of thresholds of one number.

P(X >= a) >= P(X >= b) for a < b: the lower rung is implied by the higher one, so YES of the lower and NO of the higher
pay at least 1. All pairs of rungs are baskets, since two that are apart can be mispriced where no neighbours are.
"""

import polars as pl

from tickline.lanes.drafts import DRAFT, Found, assemble, current, is_live
from tickline.lanes.families import key
from tickline.lanes.mapped import leg_of, usable
from tickline.lanes.model import Kind, Lane
from tickline.markets.model import Basis, GroupKind, Relation, Side, StrikeOp

_OF_PAIRS = (Relation.COMPLEMENT, Relation.SUBSET)
_UP, _DOWN = (StrikeOp.GE, StrikeOp.GT), (StrikeOp.LE, StrikeOp.LT)


def find(markets: pl.DataFrame, mapping: pl.DataFrame) -> Found:
    """Baskets of tradable complements (both sides) and subsets, and of each two rungs of each ladder.

    `markets` is CLEAN_MARKETS with `venue`, one row a market; `mapping` is MAPPING. Refusals are told of the pair or
    of the ladder. Raises LaneError where a market is there twice.
    """
    known = current(markets)
    pairs, refused = usable(mapping.filter(pl.col("relation").is_in(_OF_PAIRS)), known)
    rungs, no_rungs = _rungs(known.filter(pl.col("group_kind") == GroupKind.LADDER))
    steps, no_steps = _steps(rungs)
    drafts = [*_complements(pairs), *_subsets(pairs), *_of_ladders(steps)]
    return assemble(
        Lane.PARITY, pl.concat(drafts), known, mapping=mapping, refusals=[refused, _unsided(pairs), no_rungs, no_steps]
    )


def _complements(pairs: pl.DataFrame) -> list[pl.DataFrame]:
    complements = pairs.filter(pl.col("relation") == Relation.COMPLEMENT).with_columns(kind=pl.lit(Kind.COMPLEMENT))
    return [
        leg_of(complements.with_columns(draft=pl.format("{} {}", "pair_id", pl.lit(side))), which, side)
        for side in Side
        for which in ("left", "right")
    ]


def _subsets(pairs: pl.DataFrame) -> list[pl.DataFrame]:
    subsets = pairs.filter(pl.col("relation") == Relation.SUBSET, pl.col("subset_side").is_not_null())
    made = subsets.with_columns(kind=pl.lit(Kind.LADDER), draft="pair_id")
    implied = pl.when(pl.col("subset_side") == "left").then(pl.lit("right")).otherwise(pl.lit("left"))
    return [leg_of(made, implied, Side.YES), leg_of(made, pl.col("subset_side"), Side.NO)]


def _unsided(pairs: pl.DataFrame) -> pl.DataFrame:
    unsided = pairs.filter(pl.col("relation") == Relation.SUBSET, pl.col("subset_side").is_null())
    return unsided.select(
        pl.col("pair_id").alias("subject"), pl.lit("which side implies the other unknown").alias("reason")
    )


def _rungs(ladders: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rungs that are not over, numbered so that each is implied by those after it; and why others are not."""
    is_rung = pl.col("strike_op").is_in([*_UP, *_DOWN]).fill_null(value=False) & _threshold().is_finite()
    objection = (
        pl.when(~is_live())
        .then(pl.format("market {}", "status"))
        .when(~is_rung.fill_null(value=False))
        .then(pl.lit("no threshold"))
    )
    judged = ladders.with_columns(
        subject=key("venue", "group_id"), reason=objection, is_up=_is_up(), threshold=_threshold()
    )
    tightness = pl.when("is_up").then("threshold").otherwise(-pl.col("threshold"))
    is_strict = pl.col("strike_op").is_in([StrikeOp.GT, StrikeOp.LT])
    rungs = (
        judged.filter(pl.col("reason").is_null())
        .sort("venue", "group_id", "is_up", tightness, is_strict, "market_id")
        .with_columns(pl.int_range(pl.len()).over("venue", "group_id", "is_up").alias("rung"))
    )
    return rungs, judged.filter(pl.col("reason").is_not_null()).select("subject", "reason")


def _steps(rungs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each two rungs of a ladder that resolve at one time, the implied first; and why other two are not."""
    of = ["venue", "group_id", "is_up"]
    narrow = rungs.select(*of, "subject", "rung", "market_id", "ts_expiry")
    pairs = narrow.join(narrow.drop("subject"), on=of, suffix="_implying").filter(
        pl.col("rung") < pl.col("rung_implying")
    )
    same_time = pl.col("ts_expiry").eq_missing(pl.col("ts_expiry_implying"))
    alone = rungs.filter(pl.len().over(of) == 1)
    return pairs.filter(same_time), pl.concat(
        [
            pairs.filter(~same_time).select("subject", pl.lit("different expiry").alias("reason")),
            alone.select("subject", pl.lit("ladder of one rung").alias("reason")),
        ]
    )


def _of_ladders(steps: pl.DataFrame) -> list[pl.DataFrame]:
    made = steps.with_columns(
        draft=pl.format("{} {} {}", "subject", "market_id", "market_id_implying"),
        kind=pl.lit(Kind.LADDER),
        n=pl.lit(2),
        label=pl.lit(None, pl.String()),
        source=pl.lit(Basis.METADATA),
        pair_id=pl.lit(None, pl.String()),
        confidence=pl.lit(1.0),
        is_tradable=pl.lit(True),
    )
    implied = made.with_columns(side=pl.lit(Side.YES))
    implying = made.with_columns(side=pl.lit(Side.NO), market_id="market_id_implying")
    return [legs.select(pl.col(name).cast(dtype) for name, dtype in DRAFT.items()) for legs in (implied, implying)]


def _is_up() -> pl.Expr:
    return pl.col("strike_op").is_in(_UP)


def _threshold() -> pl.Expr:
    low, high = pl.col("strike_low"), pl.col("strike_high")
    return pl.when(_is_up()).then(pl.coalesce(low, high)).otherwise(pl.coalesce(high, low))
