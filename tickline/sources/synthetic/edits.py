"""What each fault does to a true row: columns to overwrite, by feed and by the name of the rule that should refuse it.

Expressions read the row, the touch where there is one, `tick` and `lot` (the instrument's grid), `before` (the event
time of the row before) and `draw`, a random number in [0, 1). Every edit goes far beyond what its rule allows and
leaves alone what the rules before that one look at.
"""

import polars as pl

from tickline.lake.schema import NS
from tickline.lake.schemas import Feed

Edit = dict[str, pl.Expr]

BEHIND_S = 20
"""How far an out-of-order row falls behind the row before it, at most."""

_DRAW, _TICK, _LOT = pl.col("draw"), pl.col("tick"), pl.col("lot")
_NAN, _INFINITE = pl.lit(float("nan")), pl.lit(float("inf"))
_DAY_NS = 86_400 * 10**9
_HUGE = 1e15
"""Times this, any size is beyond what any market trades."""


def _either(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    return pl.when(_DRAW < 0.5).then(one).otherwise(other)


def _off_grid(column: str, step: pl.Expr) -> pl.Expr:
    return pl.col(column) + step * (0.2 + 0.6 * _DRAW)


def _nearest_tick(price: pl.Expr) -> pl.Expr:
    return (price / _TICK).round().clip(1) * _TICK


def _event_time() -> dict[str, Edit]:
    ns = pl.col("ts_event").to_physical()
    # More than a day away, so that the row still belongs to the day it was received on.
    days = ((2 + 18 * _DRAW) * _DAY_NS).cast(pl.Int64)
    unit = pl.when(_DRAW < 1 / 3).then(10**9).when(_DRAW < 2 / 3).then(10**6).otherwise(10**3)
    return {
        "ts_missing": {"ts_event": pl.lit(None, NS)},
        "ts_wrong_unit": {"ts_event": (ns // unit).cast(NS)},
        "ts_future": {"ts_event": (ns + days).cast(NS)},
        "ts_stale": {"ts_event": (ns - days).cast(NS)},
    }


def _malformed(column: str) -> Edit:
    return {column: pl.lit(None, pl.Float64), "defect": pl.lit(f"{column}: 'n/a' is not a number")}


def _out_of_order() -> Edit:
    behind = ((2 + (BEHIND_S - 2) * _DRAW) * 1e9).cast(pl.Int64)
    return {"ts_event": (pl.col("before").to_physical() - behind).cast(NS)}


_PRICE, _SIZE = pl.col("price"), pl.col("size")
_BID, _ASK = pl.col("bid"), pl.col("ask")
_UNLISTED: Edit = {"instrument": pl.col("instrument") + ".OLD"}

EDITS: dict[Feed, dict[str, Edit]] = {
    Feed.TRADES: {
        "malformed": _malformed("price"),
        **_event_time(),
        "unknown_instrument": _UNLISTED,
        "price_not_finite": {"price": _either(_NAN, _INFINITE)},
        "price_not_positive": {"price": _either(pl.lit(0.0), -_PRICE)},
        "micro_price": {"price": _TICK * (0.05 + 0.4 * _DRAW)},
        "price_implausible": {"price": _PRICE * 1e9},
        "price_off_grid": {"price": _off_grid("price", _TICK)},
        "size_not_finite": {"size": _either(_NAN, _INFINITE)},
        "size_not_positive": {"size": _either(pl.lit(0.0), -_SIZE)},
        "size_implausible": {"size": _SIZE * _HUGE},
        "size_off_grid": {"size": _off_grid("size", _LOT)},
        "unknown_side": {"side": pl.lit("unknown")},
        "out_of_order": _out_of_order(),
        "jump": {"price": _PRICE * 10},
    },
    Feed.QUOTES: {
        "malformed": _malformed("bid"),
        **_event_time(),
        "unknown_instrument": _UNLISTED,
        "quote_not_finite": {"bid": _either(_NAN, _BID), "ask": _either(_ASK, _INFINITE)},
        "quote_not_positive": {"bid": _either(pl.lit(0.0), -_BID)},
        "one_sided": {
            "bid": _either(pl.lit(None, pl.Float64), _BID),
            "bid_size": _either(pl.lit(None, pl.Float64), pl.col("bid_size")),
            "ask": _either(_ASK, pl.lit(None, pl.Float64)),
            "ask_size": _either(pl.col("ask_size"), pl.lit(None, pl.Float64)),
        },
        "micro_price": {"bid": _TICK * (0.05 + 0.4 * _DRAW)},
        "price_implausible": {"bid": _BID * 1e9, "ask": _ASK * 1e9},
        "price_off_grid": {"ask": _off_grid("ask", _TICK)},
        "quote_size_not_finite": {"bid_size": _either(_NAN, _INFINITE)},
        "quote_size_not_positive": {"ask_size": _either(pl.lit(0.0), -pl.col("ask_size"))},
        "size_implausible": {"ask_size": pl.col("ask_size") * _HUGE},
        "crossed": {"bid": _ASK, "ask": _BID},
        "locked": {"ask": _BID},
        "wide_spread": {"bid": _nearest_tick(_BID * 0.5), "ask": _nearest_tick(_ASK * 1.5)},
        "out_of_order": _out_of_order(),
        "jump": {"bid": _BID * 10, "ask": _ASK * 10},
    },
    Feed.BOOK: {
        "malformed": _malformed("size"),
        **_event_time(),
        "unknown_instrument": _UNLISTED,
        "level_not_finite": {"price": _either(_NAN, _PRICE), "size": _either(_SIZE, _INFINITE)},
        "level_not_positive": {"price": _either(-_PRICE, _PRICE), "size": _either(_SIZE, -_SIZE - _LOT)},
        "price_off_grid": {"price": _off_grid("price", _TICK)},
        "unknown_side": {"side": pl.lit("both")},
        "book_crossed": {"side": pl.lit("bid"), "price": pl.col("best_ask") + 2 * _TICK, "size": 3 * _LOT},
    },
}
"""What to overwrite, by feed and rule."""

_ONE = pl.lit(1.0)
_LOW = _BID + _ASK < 1.0

OUTCOME_EDITS: dict[Feed, dict[str, Edit]] = {
    Feed.TRADES: {"jump": {"price": pl.when(_PRICE < 0.5).then(_ONE - 3 * _TICK).otherwise(3 * _TICK)}},
    Feed.QUOTES: {
        "wide_spread": {"bid": _TICK, "ask": _ONE - _TICK},
        "jump": {
            "bid": pl.when(_LOW).then(_ONE - 3 * _TICK).otherwise(2 * _TICK),
            "ask": pl.when(_LOW).then(_ONE - 2 * _TICK).otherwise(3 * _TICK),
        },
    },
}
"""The same for probabilities, which cannot jump tenfold or be half as much again."""
