"""From the legs a lane proposes to baskets: floors, ids, families and events, and why a proposal came to nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tickline.errors import LaneError
from tickline.lake.lane_schemas import BASKET_LEGS, BASKETS, LANE_DIAGNOSTICS
from tickline.lake.schema import Schema
from tickline.lanes.baskets import floor_of, id_of
from tickline.lanes.families import families, questions
from tickline.lanes.model import Kind, Lane
from tickline.markets.model import Basis, Label, Status

KEY = ("venue", "market_id")

LIVE = (Status.UPCOMING, Status.OPEN, Status.PAUSED)
"""Statuses of markets that still may be traded before they resolve."""

FIRMEST_FIRST = (Basis.METADATA, Basis.STRICT_ID, Basis.HUMAN, Basis.SCORED, Basis.FALLBACK, Basis.HEURISTIC)

DRAFT = {
    "draft": pl.String(),  # told apart within a lane by it and the kind
    "subject": pl.String(),  # what a refusal is told of
    "kind": pl.String(),
    "n": pl.Int32(),  # outcomes
    "label": pl.String(),
    "source": pl.String(),
    "pair_id": pl.String(),
    "confidence": pl.Float64(),
    "is_tradable": pl.Boolean(),
    "venue": pl.String(),
    "market_id": pl.String(),
    "side": pl.String(),
}
"""One row a leg of a proposed basket."""

_OF_BASKET = ("kind", "n", "label", "source", "pair_id", "confidence", "is_tradable")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a lane finds in what is known of the markets, before any price.

    `baskets` is BASKETS, `legs` is BASKET_LEGS, `refusals` is LANE_DIAGNOSTICS of stage rule: why there are no more.
    """

    baskets: pl.DataFrame
    legs: pl.DataFrame
    refusals: pl.DataFrame


def is_live(status: str = "status") -> pl.Expr:
    """Whether a market of this status still may be traded before it resolves."""
    return pl.col(status).is_in(LIVE)


def current(markets: pl.DataFrame) -> pl.DataFrame:
    """The markets by venue and market_id, with `ts_pays`: when each pays, as far as its venue says.

    Raises LaneError where a market is there twice.
    """
    ordered = markets.sort(KEY).with_columns(pl.coalesce("ts_settle", "ts_expiry", "ts_close").alias("ts_pays"))
    twice = ordered.filter(pl.struct(KEY).is_duplicated())
    if not twice.is_empty():
        raise LaneError(
            f"market {twice['venue'][0]}:{twice['market_id'][0]} is there twice: pass its last version only"
        )
    return ordered


def assemble(
    lane: Lane, drafts: pl.DataFrame, markets: pl.DataFrame, *, mapping: pl.DataFrame, refusals: Sequence[pl.DataFrame]
) -> Found:
    """Baskets out of proposed legs (DRAFT), refusing those that guarantee nothing.

    `markets` is as `current` gives it, `refusals` are frames of subject and reason. A basket that several drafts come
    to is kept once, on the firmest of their grounds.
    """
    floored = drafts.join(_floors(drafts), on=["kind", "n", "label"], how="left", nulls_equal=True)
    nothing = floored.filter(pl.col("floor").is_null()).unique(["draft", "kind"])
    named = questions(markets, mapping).with_columns(markets["ts_pays"]).with_row_index("market")
    legs = (
        floored.filter(pl.col("floor").is_not_null())
        .with_columns(pl.struct("kind", "draft").rank("dense").alias("basket"))
        .join(named, on=KEY, how="left")
        .sort("basket", "market", "side")
    )
    family = families(legs.select("basket", "question"))
    baskets = _one_each(_baskets(legs).join(family, on="basket")).with_columns(pl.lit(lane).alias("lane"))
    kept = legs.join(baskets.select("basket", "basket_id"), on="basket", maintain_order="left")
    return Found(
        _shaped(baskets, BASKETS),
        _shaped(kept.with_columns(pl.int_range(pl.len()).over("basket").alias("leg")), BASKET_LEGS),
        told(lane, [*refusals, nothing.select("subject", _nothing().alias("reason"))]),
    )


def told(lane: Lane, refusals: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Refusals of stage rule (LANE_DIAGNOSTICS) from frames of subject and reason."""
    listed = pl.concat([pl.DataFrame(schema=_REFUSAL), *(frame.select(*_REFUSAL) for frame in refusals)])
    counted = listed.group_by("subject", "reason").agg(pl.len().alias("count"))
    return _shaped(counted.with_columns(pl.lit(lane).alias("lane"), pl.lit("rule").alias("stage")), LANE_DIAGNOSTICS)


_REFUSAL = {"subject": pl.String(), "reason": pl.String()}


def _floors(drafts: pl.DataFrame) -> pl.DataFrame:
    kinds = drafts.select("kind", "n", "label").unique()
    floors = [floor_of(Kind(kind), n, None if label is None else Label(label)) for kind, n, label in kinds.iter_rows()]
    return kinds.with_columns(pl.Series("floor", floors, dtype=pl.Float64))


def _baskets(legs: pl.DataFrame) -> pl.DataFrame:
    """One row a basket; its legs are in order."""
    text = pl.format("{}:{}:{}", *KEY, "side")
    listed = (
        legs.with_columns(text.alias("text"))
        .group_by("basket", maintain_order=True)
        .agg(
            pl.col("draft", *_OF_BASKET, "floor").first(),
            pl.col("event").min(),
            pl.col("text").str.join(" "),
            pl.len().alias("legs"),
            pl.col("ts_pays").max().alias("ts_settle"),
        )
    )
    ids = [id_of(kind, text) for kind, text in listed.select("kind", "text").iter_rows()]
    return listed.with_columns(pl.Series("basket_id", ids, dtype=pl.String))


def _one_each(baskets: pl.DataFrame) -> pl.DataFrame:
    firmness = pl.col("source").replace_strict({basis: nth for nth, basis in enumerate(FIRMEST_FIRST)})
    return baskets.sort("basket_id", ~pl.col("is_tradable"), firmness, "draft").unique(
        "basket_id", keep="first", maintain_order=True
    )


def _nothing() -> pl.Expr:
    return pl.format("{} guarantees nothing: label {}", "kind", pl.col("label").fill_null(Label.UNKNOWN))


def _shaped(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.columns.items()).sort(schema.sort)
