"""Prediction markets of two venues as no one declared them: groups, ladders, trees and approved pairs, seeded.

Fair prices fit together (a group's add up to one, a ladder's fall, a parent's is its children's sum, a pair's are the
same); quotes are a spread around them that moves from cycle to cycle, and a few are mispriced enough to be found.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.lake.market_schemas import CLEAN_MARKETS, MAPPING
from tickline.lake.schema import NS

SEED = 20260307
START = datetime(2026, 3, 7, 12, tzinfo=UTC)
START_NS = int(START.timestamp()) * 10**9
VENUES = ("kalshi", "polymarket")
BLOCK = 20
"""Markets of a venue come in blocks: an exhaustive group of 5, an open one of 4, a ladder of 5, a parent with an
exclusive group of 4 children, and one market alone."""

Floats = npt.NDArray[np.float64]

_PAIRED = {0: "equivalent", 1: "equivalent", 9: "equivalent", 19: "complement", 14: "equivalent"}
"""Which markets of a block are mapped to the same of the other venue's block, and as what."""
_FEES = {"kalshi": (0.07, "up", 4), "polymarket": (0.04, "down", 5)}
_SPREAD = 0.005  # of a bid and an ask to the fair price
_MOVES = 0.2  # share of markets whose fair price moves in a cycle
_MISPRICED = 0.002


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """`markets` is CLEAN_MARKETS with venue, by venue and market_id; `mapping` is MAPPING."""

    markets: pl.DataFrame
    mapping: pl.DataFrame
    blocks: int

    def quotes(self, cycles: int) -> Iterator[tuple[int, pl.DataFrame]]:
        """The moment (ns, UTC) and quotes of each cycle, a second apart and in no order; the same ones each time."""
        random = np.random.default_rng(SEED)
        raw = random.gamma(2.0, size=(self.blocks, BLOCK))
        for cycle in range(cycles):
            moved = random.random(raw.shape) < _MOVES
            raw = np.where(moved, np.maximum(raw * random.uniform(0.9, 1.1, raw.shape), 1e-3), raw)
            yes = np.concatenate([fair.ravel() for fair in (_fair(raw), _complemented(_fair(raw)))])
            ts_ns = START_NS + cycle * 10**9
            yield ts_ns, _quoted(self.markets, yes, random, ts_ns=ts_ns, cycle=cycle)


def world(markets: int) -> World:
    """About so many markets over both venues."""
    blocks = markets // (len(VENUES) * BLOCK)
    listed = pl.concat([_listed(venue, blocks) for venue in VENUES])
    return World(listed, _mapping(listed, blocks), blocks)


def _fair(raw: Floats) -> Floats:
    """Probabilities of YES in the order of a block; (blocks, BLOCK)."""
    group = raw[:, :5] / raw[:, :5].sum(axis=1, keepdims=True)
    open_group = raw[:, 5:9] / raw[:, 4:9].sum(axis=1, keepdims=True)
    rungs = np.cumsum(raw[:, 9:14][:, ::-1], axis=1)[:, ::-1]
    ladder = rungs / (rungs[:, :1] + 1)
    children = raw[:, 15:19] / (raw[:, 15:19].sum(axis=1, keepdims=True) + raw[:, 14:15])
    alone = raw[:, 19:] / (raw[:, 19:] + 1)
    fair = np.hstack([group, open_group, ladder, children.sum(axis=1, keepdims=True), children, alone])
    clipped: Floats = np.clip(fair, 0.02, 0.98)
    return clipped


def _complemented(fair: Floats) -> Floats:
    """The same on the other venue, where the market alone asks the opposite."""
    return np.hstack([fair[:, :19], 1 - fair[:, 19:]])


def _quoted(markets: pl.DataFrame, yes: Floats, random: np.random.Generator, *, ts_ns: int, cycle: int) -> pl.DataFrame:
    # Each side has a book of its own, and is cheap by itself.
    yes_ask, no_ask = (
        np.round(np.clip(fair + _SPREAD - _cheap(random, yes.size), 0.01, 0.99), 3) for fair in (yes, 1 - yes)
    )
    sizes = np.round(random.lognormal(5, 1, (4, yes.size)), 2)
    told = markets.select("venue", "market_id").with_columns(
        ts=pl.lit(ts_ns).cast(NS),
        status=pl.lit("open"),
        yes_bid=np.round(yes_ask - 2 * _SPREAD, 3),
        yes_ask=yes_ask,
        no_bid=np.round(no_ask - 2 * _SPREAD, 3),
        no_ask=no_ask,
        yes_bid_size=sizes[0],
        yes_ask_size=sizes[1],
        no_bid_size=sizes[2],
        no_ask_size=sizes[3],
        input=pl.lit("market_quotes"),
        input_venue=pl.col("venue"),
        input_period=pl.lit(START.date().isoformat()),
        input_row=pl.int_range(pl.len(), dtype=pl.UInt32) + cycle * yes.size,
    )
    shuffled: pl.DataFrame = told[random.permutation(told.height)]
    return shuffled


def _cheap(random: np.random.Generator, size: int) -> Floats:
    return np.where(random.random(size) < _MISPRICED, random.uniform(0.05, 0.1, size), 0.0)


def _listed(venue: str, blocks: int) -> pl.DataFrame:
    nth = pl.int_range(blocks * BLOCK, eager=True)
    place, block = pl.col("place"), pl.col("block")
    taker, rounding, places = _FEES[venue]
    ends = [(5, "group"), (9, "open"), (14, "ladder"), (15, None), (19, "children"), (20, None)]
    kinds = [next(kind for end, kind in ends if at < end) for at in range(BLOCK)]
    frame = pl.DataFrame({"place": nth % BLOCK, "block": nth // BLOCK}).with_columns(
        part=place.replace_strict(dict(enumerate(kinds)), return_dtype=pl.String),
        market_id=pl.format("m{}", (block * BLOCK + place).cast(pl.String).str.zfill(7)),
        number=block.cast(pl.String).str.zfill(6),
    )
    is_ladder = pl.col("part") == "ladder"
    columns = {
        "event_id": pl.format("{}-{}", pl.coalesce("part", pl.lit("own")), "number"),
        "title": pl.format("Question {} of block {}", place, block),
        "yes_instrument": pl.format("{}:yes", "market_id"),
        "no_instrument": pl.format("{}:no", "market_id"),
        "strike_op": pl.when(is_ladder).then(pl.lit("ge")),
        "strike_low": pl.when(is_ladder).then(place.cast(pl.Float64)),
        "status": pl.lit("open"),
        "ts_expiry": pl.lit(START),
        "ts_settle": pl.lit(START),
        "tick_size": pl.lit(0.001),
        "group_id": pl.when(pl.col("part").is_not_null()).then(pl.format("{}-{}", "part", "number")),
        "group_kind": pl.when(is_ladder)
        .then(pl.lit("ladder"))
        .when(pl.col("part").is_not_null())
        .then(pl.lit("exclusive")),
        "label": pl.col("part").replace_strict(
            {"group": "exhaustive", "open": "non_exhaustive", "children": "unknown"}, default=None
        ),
        "label_source": pl.lit("metadata"),
        "parent_id": pl.when(pl.col("part") == "children").then(
            pl.format("m{}", (block * BLOCK + 14).cast(pl.String).str.zfill(7))
        ),
        "parent_source": pl.lit("metadata"),
        "fee_kind": pl.lit("curve"),
        "fee_taker": pl.lit(taker),
        "fee_maker": pl.lit(0.0),
        "fee_exponent": pl.lit(1.0),
        "fee_rounding": pl.lit(rounding),
        "fee_places": pl.lit(places),
        "version": pl.lit(1),
    }
    return frame.with_columns(**columns).select(
        pl.lit(venue).alias("venue"),
        *(
            (pl.col(name) if name in columns or name == "market_id" else pl.lit(None)).cast(dtype).alias(name)
            for name, dtype in CLEAN_MARKETS.columns.items()
        ),
    )


def _mapping(markets: pl.DataFrame, blocks: int) -> pl.DataFrame:
    ids = markets.filter(pl.col("venue") == VENUES[0])["market_id"]
    places = pl.Series("place", list(_PAIRED) * blocks)
    rows = pl.Series("row", np.repeat(np.arange(blocks) * BLOCK, len(_PAIRED))) + places
    paired = pl.DataFrame({"market_id": ids.gather(rows), "place": places})
    columns = {
        "pair_id": pl.format("pair-{}", "market_id"),
        "left_venue": pl.lit(VENUES[0]),
        "left_market": pl.col("market_id"),
        "right_venue": pl.lit(VENUES[1]),
        "right_market": pl.col("market_id"),
        "relation": pl.col("place").replace_strict(_PAIRED),
        "basis": pl.lit("human"),
        "confidence": pl.lit(0.97),
        "flags": pl.lit([], pl.List(pl.String)),
        "severity": pl.lit("none"),
        "decision": pl.lit("approved"),
        "is_tradable": pl.lit(value=True),
    }
    return paired.select(
        columns.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in MAPPING.columns.items()
    )
