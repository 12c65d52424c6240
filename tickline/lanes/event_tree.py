"""The event tree lane: a market and the markets that imply it.

Parents are the venue's own where it names them, and otherwise guessed; a basket that stands on a guess is labelled so
and is not traded. Children that are not of one exclusive group are each taken alone: YES(P) + NO(C) pays 1.

One of the children is yes if the parent is, though nobody says so of them, where they are of an exhaustive group and
whatever else is of it cannot go with the parent: it resolved to no, or implies another of the parent's exclusive
group. A party's win and its candidates are such a tree.
"""

import polars as pl

from tickline.lanes.drafts import DRAFT, Found, assemble, current, is_live
from tickline.lanes.families import key
from tickline.lanes.model import Kind, Lane
from tickline.markets.model import Basis, GroupKind, Label, Side, Status

_TREE = ("venue", "parent_id", "siblings")


def find(markets: pl.DataFrame, mapping: pl.DataFrame) -> Found:
    """YES of each parent with NO of its exclusive children, and NO with YES of them where they exhaust it.

    `markets` is CLEAN_MARKETS with `venue`, one row a market; `mapping` (MAPPING) only names families. Refusals are
    told of the parent. Raises LaneError where a market is there twice.
    """
    known = current(markets)
    children = _children(known)
    refused = children.filter(pl.col("reason").is_not_null()).select("subject", "reason")
    usable = children.filter(pl.col("reason").is_null()).join(_labels(known), on=_TREE, how="left")
    trees = usable.with_columns(
        n=pl.len().over(_TREE).cast(pl.Int32),
        label=pl.col("label_of_children").fill_null(Label.UNKNOWN),
        draft=pl.format("{} {}", "subject", "siblings"),
        pair_id=pl.lit(None, pl.String()),
        confidence=pl.lit(1.0),
    )
    drafts = pl.concat(
        [
            *_legs(_grounded(trees, _is_guess()), Kind.PARENT_YES_CHILDREN_NO, Side.YES),
            *_legs(
                _grounded(trees.filter(pl.col("is_group")), _is_guess() | _is_guessed_label()),
                Kind.PARENT_NO_CHILDREN_YES,
                Side.NO,
            ),
        ]
    )
    apart = usable.filter(~pl.col("is_group")).select("subject", pl.lit("children not exclusive").alias("reason"))
    return assemble(Lane.EVENT_TREE, drafts, known, mapping=mapping, refusals=[refused, apart])


def _children(known: pl.DataFrame) -> pl.DataFrame:
    """Markets with a parent: what they are exclusive with (`siblings`), and why they are not used."""
    parents = known.select("venue", parent_id="market_id", parent_status="status")
    objection = (
        pl.when(pl.col("parent_status").is_null())
        .then(pl.lit("parent gone"))
        .when(~is_live("parent_status"))
        .then(pl.format("parent {}", "parent_status"))
        .when(~is_live())
        .then(pl.format("child {}", "status"))
        .when(pl.col("parent_id") == pl.col("market_id"))
        .then(pl.lit("its own parent"))
    )
    return (
        _with_siblings(known.filter(pl.col("parent_id").is_not_null()))
        .join(parents, on=["venue", "parent_id"], how="left")
        .with_columns(subject=key("venue", "parent_id"), reason=objection)
    )


def _with_siblings(markets: pl.DataFrame) -> pl.DataFrame:
    is_group = (pl.col("group_kind") == GroupKind.EXCLUSIVE) & pl.col("group_id").is_not_null()
    return markets.with_columns(is_group.fill_null(value=False).alias("is_group")).with_columns(
        siblings=pl.when("is_group")
        .then(pl.format("group {}", "group_id"))
        .otherwise(pl.format("market {}", "market_id"))
    )


def _labels(known: pl.DataFrame) -> pl.DataFrame:
    """For each parent and exclusive group of children: whether one of the children is yes if the parent is."""
    rivals = known.select(
        "venue",
        parent_id="market_id",
        rivals=pl.when(pl.col("group_kind") == GroupKind.EXCLUSIVE)
        .then(pl.col("group_id"))
        .otherwise(pl.format("market {}", "market_id")),
    )
    members = _with_siblings(known).filter("is_group").join(rivals, on=["venue", "parent_id"], how="left")
    is_no = ((pl.col("status") == Status.SETTLED) & (pl.col("result") == Side.NO)).fill_null(value=False)
    whole = members.group_by("venue", "siblings").agg(
        (pl.col("label") == Label.EXHAUSTIVE).fill_null(value=False).all().alias("is_exhaustive"),
        # Who is over without a no may be, or have been, the one.
        (is_live() | is_no).all().alias("is_whole"),
        (pl.col("rivals").is_not_null() | is_no).all().alias("have_parents"),
        pl.col("rivals").filter(~is_no).n_unique().alias("sets_of_parents"),
    )
    exhausts = pl.col("is_exhaustive", "is_whole", "have_parents")
    is_known = pl.all_horizontal(exhausts) & (pl.col("sets_of_parents") == 1)
    trees = members.filter(pl.col("parent_id").is_not_null()).select(_TREE).unique()
    return trees.join(whole, on=["venue", "siblings"]).select(
        *_TREE,
        pl.when(is_known).then(pl.lit(Label.EXHAUSTIVE)).otherwise(pl.lit(Label.UNKNOWN)).alias("label_of_children"),
    )


def _grounded(trees: pl.DataFrame, is_guess: pl.Expr) -> pl.DataFrame:
    """Trees with who says so: what a guess is part of is not traded."""
    any_guess = is_guess.any().over(_TREE)
    return trees.with_columns(
        source=pl.when(any_guess).then(pl.lit(Basis.HEURISTIC)).otherwise(pl.lit(Basis.METADATA)),
        is_tradable=~any_guess,
    )


def _is_guess() -> pl.Expr:
    return (pl.col("parent_source") != Basis.METADATA).fill_null(value=True)


def _is_guessed_label() -> pl.Expr:
    return (pl.col("label_source") == Basis.HEURISTIC).fill_null(value=False)


def _legs(trees: pl.DataFrame, kind: Kind, of_parent: Side) -> list[pl.DataFrame]:
    children = trees.with_columns(kind=pl.lit(kind), side=pl.lit(of_parent.other))
    parents = children.unique(_TREE, maintain_order=True).with_columns(market_id="parent_id", side=pl.lit(of_parent))
    return [legs.select(pl.col(name).cast(dtype) for name, dtype in DRAFT.items()) for legs in (parents, children)]
