"""The markets of two venues, compared: candidates with their signals, a score, conflicts and a relation."""

import hashlib
from datetime import UTC, datetime

import numpy as np
import polars as pl

from tickline.lake.market_schemas import CANDIDATES
from tickline.markets import numbers
from tickline.markets.blocking import KINDS, Blocks, block, with_pairs
from tickline.markets.model import MarketKey
from tickline.markets.prices import coherence
from tickline.markets.reading import Listing, Question, read
from tickline.markets.scoring import score_pairs
from tickline.markets.spec import Scoring


def candidates(
    left: pl.DataFrame,
    right: pl.DataFrame,
    spec: Scoring,
    *,
    left_venue: str,
    right_venue: str,
    prices: pl.DataFrame | None,
) -> pl.DataFrame:
    """Pairs of markets that may be one question: CANDIDATES of two clean_markets frames.

    `prices` has the columns venue, market_id, ts and mid (0..1); None where nothing was quoted. Of a market with
    several versions the last counts. Pairs with a shared strict id are always among the candidates, and are judged as
    any other: their texts may still conflict.
    """
    left, right = _current(left), _current(right)
    if left.is_empty() or right.is_empty():
        return CANDIDATES.empty()
    asked = questions(left), questions(right)
    found = block(*asked, largest_block=spec.largest_block, most=spec.most_candidates)
    found = with_pairs(found, *_sharing_ids(left, right))
    pairs = _named(found, left, right, left_venue=left_venue, right_venue=right_venue)
    if prices is not None and not prices.is_empty():
        pairs = pairs.with_columns(price=coherence(pairs, prices, spec))
    else:
        pairs = pairs.with_columns(price=pl.lit(None, dtype=pl.Float64))
    scored = score_pairs(*asked, pairs, spec)
    return (
        scored.with_columns(pair_id=_pair_ids(scored))
        .select(pl.col(name).cast(dtype) for name, dtype in CANDIDATES.columns.items())
        .sort(CANDIDATES.sort)
    )


def pair_id(left: MarketKey, right: MarketKey) -> str:
    """The id of a pair, whichever of both is named first: 24 hex digits."""
    return hashlib.sha256("\n".join(sorted((str(left), str(right)))).encode()).hexdigest()[:24]


def questions(markets: pl.DataFrame) -> list[Question]:
    """What each row of a clean_markets frame asks, in its order."""
    columns = markets.select(_READ).iter_rows()
    return [read(_listing(row)) for row in columns]


_READ = (
    "title", "event_title", "yes_label", "strike_op", "strike_low", "strike_high", "ts_expiry", "ts_close",
)  # fmt: skip


def _listing(row: tuple[object, ...]) -> Listing:
    title, event_title, label, op, low, high, expiry, close = row
    decided = expiry if isinstance(expiry, datetime) else None
    closes = close if isinstance(close, datetime) else None
    return Listing(
        title=str(title or ""),
        event_title=str(event_title or ""),
        yes_label=str(label or ""),
        strike=numbers.of_strike(op, low, high),  # type: ignore[arg-type]
        decided=decided.date() if decided else None,
        is_whole_day=decided is not None and decided.time() == datetime.min.time(),
        closes=closes.astimezone(UTC).date() if closes else None,
    )


def _current(markets: pl.DataFrame) -> pl.DataFrame:
    return markets.sort("market_id", "version").unique("market_id", keep="last", maintain_order=True)


def _sharing_ids(left: pl.DataFrame, right: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    sides = [
        frame.select("strict_id").with_row_index(name).drop_nulls()
        for frame, name in ((left, "left_at"), (right, "right_at"))
    ]
    joined = sides[0].join(sides[1], on="strict_id").sort("left_at", "right_at")
    return joined["left_at"].to_numpy().astype(np.int64), joined["right_at"].to_numpy().astype(np.int64)


def _named(
    found: Blocks, left: pl.DataFrame, right: pl.DataFrame, *, left_venue: str, right_venue: str
) -> pl.DataFrame:
    sides = [
        frame.select(
            pl.col("market_id").alias(f"{side}_market"),
            pl.col("strict_id").alias(f"{side}_strict"),
            pl.col("resolution_source").alias(f"{side}_source"),
            pl.col("category").alias(f"{side}_category"),
        )[at]
        for side, frame, at in (("left", left, found.left), ("right", right, found.right))
    ]
    blocks = [pl.Series(kind, found.kinds[:, at]) for at, kind in enumerate(KINDS)]
    named = pl.concat_list(pl.when(pl.col(kind)).then(pl.lit(kind)) for kind in KINDS).list.drop_nulls()
    return (
        pl.concat(sides, how="horizontal")
        .with_columns(
            pl.Series("left_at", found.left),
            pl.Series("right_at", found.right),
            pl.lit(left_venue).alias("left_venue"),
            pl.lit(right_venue).alias("right_venue"),
            *blocks,
        )
        .with_columns(blocks=named)
        .drop(KINDS)
    )


def _pair_ids(pairs: pl.DataFrame) -> pl.Series:
    keys = pairs.select(
        pl.concat_str(f"{side}_venue", f"{side}_market", separator=":").alias(side) for side in ("left", "right")
    )
    # As `pair_id`, without an object for each of very many rows.
    joined = keys.select(
        pl.concat_str(pl.min_horizontal("left", "right"), pl.max_horizontal("left", "right"), separator="\n")
    ).to_series()
    sha256 = hashlib.sha256
    return pl.Series([sha256(one.encode()).hexdigest()[:24] for one in joined.to_list()], dtype=pl.String)
