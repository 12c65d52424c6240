"""Rules between markets that no score makes one question: that one implies the other, or that exactly one wins.

They are guessed from what texts and prices say, within a venue and across, and only ever proposed: a person decides.
"""

import polars as pl

from tickline.markets.alignment import aligned
from tickline.markets.dates import Extent
from tickline.markets.matching import questions
from tickline.markets.model import Basis, Relation
from tickline.markets.relations import Comparison, compare
from tickline.markets.spec import Proposals, Watch

PROPOSED = {"relation": pl.String(), "subset_side": pl.String(), "basis": pl.String(), "confidence": pl.Float64()}
"""What a proposal says of a candidate, beside who its markets are."""

_PAIR = ["pair_id", "left_venue", "left_market", "right_venue", "right_market"]


def proposals(
    candidates: pl.DataFrame, markets: pl.DataFrame, prices: pl.DataFrame, rules: Proposals, watch: Watch
) -> pl.DataFrame:
    """The rules worth a person's look: who the markets are, and PROPOSED; one row a pair, sorted by pair_id.

    `candidates` are CANDIDATES rows of one venue or two, `markets` the newest clean_markets with a leading `venue`,
    `prices` the columns venue, market_id, ts and mid. Pairs in one of a venue's own groups are left out: that rule is
    known. The `subset_side` that implies the other is told by numbers and dates in the texts, else by the prices; null
    where neither tells.
    """
    between = _beyond_groups(candidates, markets)
    moves = _comovement(between, prices, watch)
    sides = _sides_by_text(between, markets, rules)
    said = between.join(moves, on="pair_id", how="left").join(sides, on="pair_id", how="left")
    found = pl.concat([_by_text(said, rules), _by_price(said, rules)])
    sure = found.sort("confidence", "pair_id", descending=[True, False])
    for side in ("left", "right"):
        rank = pl.int_range(pl.len()).over(f"{side}_venue", f"{side}_market", "relation")
        sure = sure.filter(rank < rules.most)
    return sure.select(*_PAIR, *PROPOSED).sort("pair_id")


def _by_text(said: pl.DataFrame, rules: Proposals) -> pl.DataFrame:
    """Pairs whose texts say that one implies the other or, within a venue, that exactly one wins."""
    complement = (pl.col("relation") == Relation.COMPLEMENT.value) & (pl.col("left_venue") == pl.col("right_venue"))
    subset = pl.col("relation") == Relation.SUBSET.value
    kept = said.filter(subset | complement, pl.col("score") >= rules.score)
    side = pl.coalesce("told", _side_by_price(rules))
    return kept.with_columns(
        subset_side=pl.when(subset).then(side),
        basis=pl.lit(Basis.SCORED.value),
        confidence=pl.col("score").clip(0, 1),
    ).select(*_PAIR, *PROPOSED)


def _by_price(said: pl.DataFrame, rules: Proposals) -> pl.DataFrame:
    """Pairs of one subject whose prices keep to a rule that their texts do not say."""
    kept = said.filter(pl.col("relation") == Relation.RELATED.value, pl.col("looks") >= rules.looks)
    side, across = _side_by_price(rules), pl.col("left_venue") != pl.col("right_venue")
    alike = pl.col("together") >= rules.correlation
    excludes = (pl.col("together") <= -rules.correlation) & (pl.col("off_one") <= rules.slack)
    equals = alike & across & (pl.max_horizontal("left_over", "right_over") <= rules.slack)
    relation = (
        pl.when(excludes)
        .then(pl.lit(Relation.COMPLEMENT.value))
        .when(equals)
        .then(pl.lit(Relation.EQUIVALENT.value))
        .when(alike & side.is_not_null())
        .then(pl.lit(Relation.SUBSET.value))
    )
    found = kept.with_columns(relation=relation).drop_nulls("relation")
    return found.with_columns(
        subset_side=pl.when(pl.col("relation") == Relation.SUBSET.value).then(side),
        basis=pl.lit(Basis.HEURISTIC.value),
        confidence=pl.min_horizontal("score", pl.col("together").abs()).clip(0, 1),
    ).select(*_PAIR, *PROPOSED)


def _beyond_groups(candidates: pl.DataFrame, markets: pl.DataFrame) -> pl.DataFrame:
    """Candidates between markets that are there, each pair once, without pairs of one group."""
    once = candidates.filter(
        (pl.col("left_venue") != pl.col("right_venue")) | (pl.col("left_market") < pl.col("right_market"))
    )
    for side in ("left", "right"):
        named = {"venue": f"{side}_venue", "market_id": f"{side}_market", "group_id": f"{side}_group"}
        once = once.join(markets.select(*named).rename(named), on=[f"{side}_venue", f"{side}_market"])
    in_one = (pl.col("left_venue") == pl.col("right_venue")) & (pl.col("left_group") == pl.col("right_group"))
    return once.filter(~in_one.fill_null(False)).drop("left_group", "right_group")


def _comovement(pairs: pl.DataFrame, prices: pl.DataFrame, watch: Watch) -> pl.DataFrame:
    """How the mids of pairs move: looks, correlation of their changes (`together`), and how far off each rule was."""
    left, right = pl.col("left_mid"), pl.col("right_mid")
    changes = [pl.col(name).diff().over("pair_id").alias(f"{name}_change") for name in ("left_mid", "right_mid")]
    return (
        aligned(pairs, prices, within_s=watch.unmatched_s)
        .with_columns(changes)
        .group_by("pair_id", maintain_order=True)
        .agg(
            looks=pl.len(),
            together=pl.corr("left_mid_change", "right_mid_change").fill_nan(None),
            off_one=(left + right - 1).abs().max(),
            left_over=(left - right).max(),
            right_over=(right - left).max(),
        )
    )


def _sides_by_text(pairs: pl.DataFrame, markets: pl.DataFrame, rules: Proposals) -> pl.DataFrame:
    """Of pairs that are said to be subsets, the side whose numbers and dates lie within the other's: pair_id, told."""
    subsets = pairs.filter(pl.col("relation") == Relation.SUBSET.value, pl.col("score") >= rules.score)
    sides = [subsets.select(venue=f"{side}_venue", market_id=f"{side}_market") for side in ("left", "right")]
    named = markets.join(pl.concat(sides), on=["venue", "market_id"], how="semi")
    asked = dict(zip(named.select("venue", "market_id").iter_rows(), questions(named.drop("venue")), strict=True))
    both = zip(sides[0].iter_rows(), sides[1].iter_rows(), strict=True)
    told = [_inner(compare(asked[left], asked[right])) for left, right in both]
    return subsets.select("pair_id", pl.Series("told", told, pl.String))


def _inner(compared: Comparison) -> str | None:
    extents = {compared.numbers, compared.dates} - {Extent.SAME, Extent.UNKNOWN}
    return {Extent.LEFT_INSIDE: "left", Extent.RIGHT_INSIDE: "right"}.get(extents.pop()) if len(extents) == 1 else None


def _side_by_price(rules: Proposals) -> pl.Expr:
    """The side that never cost more than the other, where the other did."""
    enough = pl.col("looks") >= rules.looks
    left_less = (pl.col("left_over") <= rules.slack) & (pl.col("right_over") > rules.slack)
    right_less = (pl.col("right_over") <= rules.slack) & (pl.col("left_over") > rules.slack)
    return pl.when(enough & left_less).then(pl.lit("left")).when(enough & right_less).then(pl.lit("right"))
