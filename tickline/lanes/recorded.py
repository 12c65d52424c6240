"""A recorded day of prediction markets as events: what each market was quoted at, and whether it could be traded then.

Quotes come from the venue's quote feed where it has one, through the firewall, and else from looks at its listings. An
event is dated when we had it, so that nothing is known early.
"""

import polars as pl

from tickline.lake.schema import NS
from tickline.lanes.structure import KEY
from tickline.markets.model import Status

ORIGIN = ("input", "input_venue", "input_period", "input_row")

EVENTS: dict[str, pl.DataType] = {
    "venue": pl.String(),
    "market_id": pl.String(),
    "ts": NS,  # when we had it
    "ts_event": NS,  # when the venue says it was
    "ts_quoted": NS,  # when we had the older of the two sides
    "status": pl.String(),
    **{f"{side}_{of}": pl.Float64() for side in ("yes", "no") for of in ("bid", "ask", "bid_size", "ask_size")},
    "input": pl.String(),
    "input_venue": pl.String(),
    "input_period": pl.String(),
    "input_row": pl.UInt32(),  # of the side that was quoted last
    "yes_row": pl.UInt32(),
    "no_row": pl.UInt32(),
}
"""Columns of events. Rows of YES and NO differ where each is an instrument of its own."""

_PLACES = 9  # no venue's ticks are finer
_FOUR = ("bid", "ask", "bid_size", "ask_size")


def events_of(
    markets: pl.DataFrame, quotes: pl.DataFrame, looks: pl.DataFrame, refused: pl.DataFrame, *, stale_s: int
) -> pl.DataFrame:
    """The events (EVENTS) of a day, in the order we had them.

    `markets` is CLEAN_MARKETS, `quotes` CLEAN_QUOTES, `looks` MARKET_QUOTES and `refused` QUARANTINE_MARKETS, each with
    `venue`, quotes and looks also with the columns of ORIGIN. A market whose quotes are in the feed has no events from
    looks; a look that was refused stops its market until the next good one. Where YES and NO are quoted each for
    itself, a side whose own last quote is more than `stale_s` old has none.
    """
    standing = _standing(looks, refused)
    fed = _of_feed(markets, quotes, stale_s)
    seen = _of_looks(looks).join(fed.select(*KEY).unique(), on=KEY, how="anti")
    stops = _stops(refused, markets)
    dated = pl.concat([fed, seen], how="diagonal").sort("ts")
    told = dated.join_asof(
        standing, on="ts", by=list(KEY), strategy="backward", check_sortedness=False
    )  # a market not looked at yet is not known to be open
    return (
        pl.concat([told, stops], how="diagonal")
        .select(pl.col(name).cast(dtype) for name, dtype in EVENTS.items())
        .sort("ts", *KEY, maintain_order=True)
    )


def _standing(looks: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """The status of markets at each look: a refused one is not open, whatever the venue calls it."""
    good = looks.select(*KEY, pl.col("ts_recv").alias("ts"), "status")
    bad = refused.select(*KEY, pl.col("ts_recv").alias("ts"), pl.lit(Status.CLOSED.value).alias("status"))
    return pl.concat([good, bad]).drop_nulls().sort("ts", maintain_order=True)


def _stops(refused: pl.DataFrame, markets: pl.DataFrame) -> pl.DataFrame:
    return (
        refused.join(markets.select(*KEY).unique(), on=KEY, how="semi")
        .unique([*KEY, "ts_recv"], maintain_order=True)
        .select(
            *KEY,
            *(pl.col("ts_recv").alias(name) for name in ("ts", "ts_event", "ts_quoted")),
            pl.lit(Status.CLOSED.value).alias("status"),
        )
    )


def _of_looks(looks: pl.DataFrame) -> pl.DataFrame:
    rows = [pl.col("input_row").alias(f"{side}_row") for side in ("yes", "no")]
    times = [pl.col("ts_recv").alias(name) for name in ("ts", "ts_event", "ts_quoted")]
    return looks.with_columns(*times, *rows).drop("status", "ts_recv", "raw_row", "volume")


def _of_feed(markets: pl.DataFrame, quotes: pl.DataFrame, stale_s: int) -> pl.DataFrame:
    """Quotes of instruments as quotes of both sides: of the other instrument the last one known, or, where the venue
    lists only one, what its own implies."""
    sides = (
        pl.concat(
            markets.select(*KEY, pl.col(f"{side}_instrument").alias("instrument"), pl.lit(side).alias("side"))
            for side in ("yes", "no")
        )
        .drop_nulls("instrument")
        .unique(maintain_order=True)
    )
    both = sides.group_by(KEY).agg((pl.col("side").n_unique() == 2).alias("has_both"))
    of_market = (
        quotes.join(sides, on=["venue", "instrument"], how="inner")
        .join(both, on=KEY, how="left")
        .with_columns(ts=pl.coalesce("ts_recv", "ts_event"))
        .sort("ts", "ts_event", "seq", maintain_order=True)
    )
    own = [
        pl.when(pl.col("side") == side).then(pl.col(name)).forward_fill().over(KEY).alias(f"{side}_{name}")
        for side in ("yes", "no")
        for name in _FOUR
    ]
    last = [
        pl.when(pl.col("side") == side).then(pl.col(name)).forward_fill().over(KEY).alias(f"{side}_{alias}")
        for side in ("yes", "no")
        for name, alias in (("input_row", "row"), ("ts", "ts"))
    ]
    told = of_market.with_columns(*own, *last).with_columns(_fresh("yes", stale_s) + _fresh("no", stale_s))
    both_sides = told.with_columns(_mirrored("yes", "no") + _mirrored("no", "yes"))
    of_event = ("bid", "ask", "bid_size", "ask_size", "side", "has_both", "instrument", "seq", "raw_row", "ts_recv")
    return both_sides.with_columns(ts_quoted=pl.min_horizontal("yes_ts", "no_ts")).drop(*of_event, "yes_ts", "no_ts")


def _fresh(side: str, stale_s: int) -> list[pl.Expr]:
    """A side as it was last quoted, or nothing where that is too long ago."""
    is_fresh = pl.col("ts") - pl.col(f"{side}_ts") <= pl.duration(seconds=stale_s)
    return [pl.when(is_fresh).then(f"{side}_{name}").alias(f"{side}_{name}") for name in (*_FOUR, "row", "ts")]


def _mirrored(side: str, other: str) -> list[pl.Expr]:
    """A side that is no instrument of its own: buying it is selling the other."""
    implied = {
        "bid": (1 - pl.col(f"{other}_ask")).round(_PLACES),
        "ask": (1 - pl.col(f"{other}_bid")).round(_PLACES),
        "bid_size": pl.col(f"{other}_ask_size"),
        "ask_size": pl.col(f"{other}_bid_size"),
        "row": pl.col(f"{other}_row"),
    }
    return [
        pl.when("has_both")
        .then(pl.col(f"{side}_{name}"))
        .otherwise(pl.coalesce(f"{side}_{name}", value))
        .alias(f"{side}_{name}")
        for name, value in implied.items()
    ]
