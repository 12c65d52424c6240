"""The bucket lane: NO of all markets of an exclusive group, and YES of all where one of them has to be yes.

That a group is exclusive is the venue's word; whether it is exhaustive may be guessed, and all-YES that stands on a
guess is not traded. A group that loses a market to a result of no stays what it is; one that was voided or closed
without a result leaves the rest exclusive, but no longer exhaustive.
"""

import polars as pl

from tickline.lanes.drafts import DRAFT, Found, assemble, current, is_live
from tickline.lanes.families import key
from tickline.lanes.model import Kind, Lane
from tickline.markets.model import Basis, GroupKind, Label, Side, Status

_GROUP = ("venue", "group_id")


def find(markets: pl.DataFrame, mapping: pl.DataFrame) -> Found:
    """All-NO of each exclusive group of two or more markets that are not over, all-YES of those that are exhaustive.

    `markets` is CLEAN_MARKETS with `venue`, one row a market; `mapping` (MAPPING) only names families. Refusals are
    told of the group. Raises LaneError where a market is there twice.
    """
    known = current(markets)
    grouped = known.filter(pl.col("group_id").is_not_null()).with_columns(key(*_GROUP).alias("subject"))
    judged = grouped.join(_groups(grouped), on="subject", how="left")
    refused = judged.filter(pl.col("reason").is_not_null()).unique("subject").select("subject", "reason")
    members = judged.filter(pl.col("reason").is_null(), is_live())
    drafts = pl.concat(
        [
            _legs(members.with_columns(source=pl.lit(Basis.METADATA)), Kind.ALL_NO, Side.NO),
            _legs(members, Kind.ALL_YES, Side.YES),
        ]
    )
    return assemble(Lane.BUCKET, drafts, known, mapping=mapping, refusals=[refused])


def label_of_live() -> pl.Expr:
    """Of a group's markets, as an aggregate: whether one of those that are not over has to resolve to yes.

    Unknown where the markets are not labelled alike, or where one is over that may be or become yes.
    """
    label = pl.col("label")
    is_whole = (is_live() | (_is_no())).all()
    agree = (label.n_unique() == 1) & label.first().is_not_null()
    return (
        pl.when(agree & (is_whole | (label.first() != Label.EXHAUSTIVE)))
        .then(label.first())
        .otherwise(pl.lit(Label.UNKNOWN))
    )


def _groups(grouped: pl.DataFrame) -> pl.DataFrame:
    live = is_live().sum()
    objection = (
        pl.when((pl.col("group_kind") == GroupKind.LADDER).all())
        .then(pl.lit("a ladder, not exclusive"))
        .when(~(pl.col("group_kind") == GroupKind.EXCLUSIVE).fill_null(value=False).all())
        .then(pl.lit("not known to be exclusive"))
        .when(((pl.col("status") == Status.SETTLED) & (pl.col("result") == Side.YES)).fill_null(value=False).any())
        .then(pl.lit("decided: one of it resolved to yes"))
        .when(live == 0)
        .then(pl.lit("every market of it is over"))
        .when((live == 1) & (pl.len() == 1))
        .then(pl.lit("group of one"))
        .when(live == 1)
        .then(pl.lit("one market of it is left"))
    )
    is_guessed = (pl.col("label_source") == Basis.HEURISTIC).fill_null(value=False).any()
    return grouped.group_by("subject").agg(
        objection.alias("reason"),
        live.cast(pl.Int32).alias("n"),
        label_of_live().alias("of_group"),
        pl.when(is_guessed).then(pl.lit(Basis.HEURISTIC)).otherwise(pl.lit(Basis.METADATA)).alias("source"),
    )


def _legs(members: pl.DataFrame, kind: Kind, side: Side) -> pl.DataFrame:
    made = members.with_columns(
        draft="subject",
        kind=pl.lit(kind),
        label="of_group",
        pair_id=pl.lit(None, pl.String()),
        confidence=pl.lit(1.0),
        is_tradable=pl.col("source") != Basis.HEURISTIC,
        side=pl.lit(side),
    )
    return made.select(pl.col(name).cast(dtype) for name, dtype in DRAFT.items())


def _is_no() -> pl.Expr:
    return ((pl.col("status") == Status.SETTLED) & (pl.col("result") == Side.NO)).fill_null(value=False)
