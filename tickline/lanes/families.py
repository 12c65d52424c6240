"""Families: what bets are about, so that aliases of one bet are counted once and held back together.

Markets that tradable mappings call equivalent or complements are one question, named after the first of them. A
basket's family is the set of its questions: YES(A) + NO(B), the other way round, and either with a complement of B,
are all of one family, whichever lane found them. Events are one where a mapping, a group or a parent ties them.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tickline.markets.model import Relation

_SAME_QUESTION = (Relation.EQUIVALENT, Relation.COMPLEMENT)
_SAME_EVENT = (*_SAME_QUESTION, Relation.SUBSET)


def questions(markets: pl.DataFrame, mapping: pl.DataFrame) -> pl.DataFrame:
    """The question and the event of each market, named alike on all venues.

    `markets` is CLEAN_MARKETS with `venue`, one row a market; `mapping` is MAPPING. Columns: venue, market_id,
    question and event (String, "venue:id" of the first member), by venue and market_id.
    """
    keyed = markets.sort("venue", "market_id").select(
        "venue",
        "market_id",
        key("venue", "market_id").alias("market"),
        key("venue", pl.coalesce("event_id", "market_id")).alias("of_event"),
        key("venue", "group_id").alias("of_group"),
        key("venue", "parent_id").alias("parent"),
    )
    pairs = mapping.filter("is_tradable").select(
        "relation",
        key("left_venue", "left_market").alias("left"),
        key("right_venue", "right_market").alias("right"),
    )
    same = pairs.filter(pl.col("relation").is_in(_SAME_QUESTION)).select("left", "right")
    return keyed.select(
        "venue",
        "market_id",
        _first_of_component(keyed["market"], same).alias("question"),
        _first_of_component(keyed["of_event"], _tied_events(keyed, pairs)).alias("event"),
    )


def families(questions_of_baskets: pl.DataFrame) -> pl.DataFrame:
    """The family of each basket, from its questions (one or more rows of basket and question).

    Columns: basket and family (String): the question itself where there is one, both where there are two; else the
    first of them, how many more there are, and 12 hex digits of all.
    """
    listed = (
        questions_of_baskets.unique()
        .sort("basket", "question")
        .group_by("basket", maintain_order=True)
        .agg(pl.col("question").first().alias("first"), pl.col("question").str.join("|").alias("all"), pl.len())
    )
    many = listed.filter(pl.col("len") > 2)["all"].unique(maintain_order=True)
    digests = pl.DataFrame({"all": many, "digest": pl.Series([_digest(text) for text in many], dtype=pl.String)})
    return listed.join(digests, on="all", how="left", maintain_order="left").select(
        "basket",
        pl.when(pl.col("digest").is_null())
        .then("all")
        .otherwise(pl.format("{}+{}#{}", "first", pl.col("len") - 1, "digest"))
        .alias("family"),
    )


def key(venue: str, of_venue: str | pl.Expr) -> pl.Expr:
    """A venue's market, event or group as one text; null where there is none."""
    return pl.format("{}:{}", venue, of_venue)


def _tied_events(keyed: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    event_of = keyed.select("market", event="of_event")
    mapped = pairs.filter(pl.col("relation").is_in(_SAME_EVENT)).select("left", "right")
    parents = keyed.filter(pl.col("parent").is_not_null()).select(left="parent", right="market")
    of_markets = (
        pl.concat([mapped, parents])
        .join(event_of, left_on="left", right_on="market", maintain_order="left")
        .join(event_of, left_on="right", right_on="market", maintain_order="left")
        .select(left="event", right="event_right")
    )
    of_groups = (
        keyed.filter(pl.col("of_group").is_not_null())
        .select(pl.col("of_event").first().over("of_group").alias("left"), pl.col("of_event").alias("right"))
        .unique(maintain_order=True)
    )
    return pl.concat([of_markets, of_groups])


def _first_of_component(names: pl.Series, edges: pl.DataFrame) -> pl.Series:
    """For each name, the least name of those that edges (left, right) connect it with; other names are ignored."""
    nodes = names.unique().sort()
    index = pl.DataFrame({"name": nodes}).with_row_index("node")
    ends = edges.join(index, left_on="left", right_on="name").join(index, left_on="right", right_on="name")
    rows, columns = ends["node"].to_numpy(), ends["node_right"].to_numpy()
    graph = coo_array((np.ones(rows.size, dtype=np.int8), (rows, columns)), shape=(nodes.len(), nodes.len()))
    component: npt.NDArray[np.int32] = connected_components(graph, directed=False)[1]
    _, first = np.unique(component, return_index=True)  # nodes are sorted, so the first of a component is its least
    named = index.with_columns(nodes.gather(first[component]).alias("least")).select("name", "least")
    return pl.DataFrame({"name": names}).join(named, on="name", how="left", maintain_order="left")["least"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
