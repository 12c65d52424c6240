"""That a market is the same question as at most one of another venue: which of its pairs is clearly the best."""

import polars as pl

from tickline.lake.market_schemas import MAPPING_DRIFT
from tickline.markets.model import Basis, Relation, Severity

_FIRMEST = {basis.value: rank for rank, basis in enumerate(Basis)}
_OF = ["venue", "market_id", "other_venue"]


def not_one_to_one(pairs: pl.DataFrame, *, margin: float) -> pl.DataFrame:
    """A blocking finding (MAPPING_DRIFT columns) for every pair of a market but its clearly best one.

    `pairs` have the columns of MAPPING up to `confidence`, `is_approved` and `ts`. What was approved goes before what
    was not, then the firmer basis, then the higher confidence by at least `margin`. Two approved pairs of one market
    contradict each other, so neither is the best.
    """
    ranked = (
        pl.concat([_seen_from(pairs, side, other) for side, other in (("left", "right"), ("right", "left"))])
        .filter(pl.len().over(_OF) > 1)
        .sort(*_OF, "is_approved", "firmness", "confidence", "pair_id", descending=[False] * 3 + [True, False] * 2)
        .with_columns(rank=pl.int_range(pl.len()).over(_OF))
        .with_columns(
            *(
                pl.col(name).get(0).over(_OF).alias(f"best_{name}")
                for name in ("is_approved", "firmness", "confidence")
            ),
            best=pl.col("pair_id").get(0).over(_OF),
        )
    )
    as_good = (
        (pl.col("rank") > 0)
        & (pl.col("is_approved") == pl.col("best_is_approved"))
        & (
            pl.col("is_approved")
            | (
                (pl.col("firmness") == pl.col("best_firmness"))
                & (pl.col("confidence") > pl.col("best_confidence") - margin)
            )
        )
    )
    flagged = ranked.with_columns(is_tied=as_good.any().over(_OF)).filter((pl.col("rank") > 0) | pl.col("is_tied"))
    return flagged.select(
        "pair_id",
        "venue",
        "market_id",
        "ts",
        kind=pl.lit("cardinality"),
        field=pl.lit("pair"),
        before=pl.when("is_tied").then(pl.lit("several as good")).otherwise("best"),
        after=pl.col("pair_id"),
        severity=pl.lit(Severity.BLOCK.value),
    ).select(pl.col(name).cast(dtype) for name, dtype in MAPPING_DRIFT.columns.items())


def _seen_from(pairs: pl.DataFrame, side: str, other: str) -> pl.DataFrame:
    one_question = pairs.filter(
        pl.col("relation").is_in([Relation.EQUIVALENT.value, Relation.COMPLEMENT.value]),
        pl.col("left_venue") != pl.col("right_venue"),
    )
    return one_question.select(
        "pair_id",
        "is_approved",
        "confidence",
        "ts",
        venue=f"{side}_venue",
        market_id=f"{side}_market",
        other_venue=f"{other}_venue",
        firmness=pl.col("basis").replace_strict(_FIRMEST, return_dtype=pl.Int32),
    )
