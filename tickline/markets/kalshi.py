"""Kalshi's market records, as its REST API gives them, as looks.

https://docs.kalshi.com/api-reference/market/get-market, /getting_started/market_lifecycle, /fixed_point_migration. A
record may carry its event's under `event`, as answers to /events nest them the other way round.
"""

import polars as pl

from tickline.markets.model import Status, StrikeOp
from tickline.markets.payloads import is_true, moment, number, told

STATUSES = {
    "initialized": Status.UPCOMING,
    "unopened": Status.UPCOMING,
    "active": Status.OPEN,
    "open": Status.OPEN,
    "inactive": Status.PAUSED,
    "closed": Status.CLOSED,
    "determined": Status.CLOSED,
    "disputed": Status.CLOSED,
    "amended": Status.CLOSED,
    "settled": Status.SETTLED,
    "finalized": Status.SETTLED,
}
RESULTS = {"yes": "yes", "no": "no", "scalar": "void", "void": "void"}
"""A scalar result pays both sides a part, as a void does."""

STRIKES = {
    "greater": StrikeOp.GT,
    "greater_or_equal": StrikeOp.GE,
    "less": StrikeOp.LT,
    "less_or_equal": StrikeOp.LE,
    "between": StrikeOp.BETWEEN,
}
"""What compares a number; `custom`, `structured` and `functional` strikes do not."""

_PLAIN = (
    *("ticker", "event_ticker", "title", "yes_sub_title", "no_sub_title", "rules_primary", "rules_secondary"),
    *("category", "status", "result", "market_type", "strike_type", "floor_strike", "cap_strike", "custom_strike"),
    *("open_time", "close_time", "latest_expiration_time", "expiration_time", "expected_expiration_time"),
    *("settlement_timer_seconds", "tick_size", "volume", "volume_fp", "seriesTicker"),
    *("yes_bid_size_fp", "yes_ask_size_fp"),
    *(f"{side}{unit}" for side in ("yes_bid", "yes_ask", "no_bid", "no_ask") for unit in ("", "_dollars")),
)
_PATHS = {name: name for name in _PLAIN} | {
    "event_name": "event.title",
    "event_category": "event.category",
    "series_ticker": "event.series_ticker",
    "mutually_exclusive": "event.mutually_exclusive",
    "source_name": "event.settlement_sources.0.name",
    "step_0": "price_ranges.0.step",
    "step_1": "price_ranges.1.step",
    "step_2": "price_ranges.2.step",
}
_SIDES = ("yes_bid", "yes_ask", "no_bid", "no_ask")


def is_own(payload: pl.Expr) -> pl.Expr:
    """Whether a record is Kalshi's."""
    return (
        payload.str.contains('"ticker"', literal=True) & payload.str.contains('"event_ticker"', literal=True)
    ).fill_null(value=False)


def looks(rows: pl.DataFrame) -> pl.DataFrame:
    """Looks of Kalshi's markets; see `tickline.markets.looks` for what comes in and goes out."""
    said = told(rows["payload"], _PATHS)
    # The rows' own columns where they are not told again.
    kept = rows.select(
        *("market_id", "ts_recv", "copy", "raw_row", "outcomes", "event_id", "event_title"),
        *("yes_instrument", "no_instrument"),
        row_title="title",
        row_status="status",
        row_category="category",
        row_tick="tick_size",
    )
    frame = pl.concat([kept, said], how="horizontal")
    settled = pl.coalesce("status", "row_status").replace_strict(STATUSES, default=None, return_dtype=pl.String())
    result = pl.col("result").str.to_lowercase().replace_strict(RESULTS, default=None, return_dtype=pl.String())
    event = pl.coalesce("event_ticker", "event_id")
    is_void = (settled == Status.SETTLED) & (result == "void")
    rules = pl.concat_str("rules_primary", "rules_secondary", separator="\n", ignore_nulls=True)
    return frame.select(
        *("market_id", "ts_recv", "copy", "raw_row", "is_readable", "yes_instrument", "no_instrument"),
        *_strike(),
        *_times(),
        *(_price(side) for side in _SIDES),
        _units().alias("units"),
        event.alias("event_id"),
        pl.coalesce("event_title", "event_name").alias("event_title"),
        pl.coalesce("series_ticker", event.str.split("-").list.first()).alias("series"),
        pl.coalesce("title", "row_title").alias("title"),
        pl.coalesce("yes_sub_title", pl.lit("Yes")).alias("yes_label"),
        # Kalshi repeats the YES label where NO has none of its own.
        pl.when(pl.col("no_sub_title") != pl.col("yes_sub_title"))
        .then("no_sub_title")
        .otherwise(pl.lit("No"))
        .alias("no_label"),
        pl.when(rules != "").then(rules).alias("rules"),
        pl.coalesce("category", "event_category", "row_category").alias("category"),
        pl.col("source_name").alias("resolution_source"),
        pl.when(is_void).then(pl.lit(Status.VOIDED)).otherwise(settled).alias("status"),
        result.alias("result"),
        pl.coalesce(
            pl.min_horizontal(number(f"step_{at}") for at in range(3)), number("tick_size") / 100, pl.col("row_tick")
        ).alias("tick_size"),
        number("volume_fp", "volume").alias("volume"),
        number("yes_bid_size_fp").alias("yes_bid_size"),
        number("yes_ask_size_fp").alias("yes_ask_size"),
        number("yes_ask_size_fp").alias("no_bid_size"),
        number("yes_bid_size_fp").alias("no_ask_size"),
        pl.when(pl.col("market_type").fill_null("binary") == "binary").then("outcomes").otherwise(0).alias("outcomes"),
        pl.lit(True).alias("is_mirrored"),
        is_true("mutually_exclusive").alias("is_exclusive"),
        pl.when(is_true("mutually_exclusive")).then(event).alias("exclusive_id"),
        pl.col("custom_strike").is_not_null().alias("is_free"),
    )


def _strike() -> list[pl.Expr]:
    op = pl.col("strike_type").replace_strict(STRIKES, default=None, return_dtype=pl.String())
    has_low = op.is_in([StrikeOp.GT, StrikeOp.GE, StrikeOp.BETWEEN])
    has_high = op.is_in([StrikeOp.LT, StrikeOp.LE, StrikeOp.BETWEEN])
    return [
        op.alias("strike_op"),
        pl.when(has_low).then(number("floor_strike")).alias("strike_low"),
        pl.when(has_high).then(number("cap_strike")).alias("strike_high"),
    ]


def _times() -> list[pl.Expr]:
    expiry = moment("latest_expiration_time", "expiration_time")
    timer = pl.duration(seconds=number("settlement_timer_seconds").fill_null(0).cast(pl.Int64))
    return [
        moment("open_time").alias("ts_open"),
        moment("close_time").alias("ts_close"),
        expiry.alias("ts_expiry"),
        (pl.coalesce(moment("expected_expiration_time"), expiry) + timer).alias("ts_settle"),
    ]


def _price(side: str) -> pl.Expr:
    """Dollars. A bid of nothing, or an ask of nothing or of all a contract can pay, says there is none."""
    dollars = pl.coalesce(number(f"{side}_dollars"), number(side) / 100)
    absent = (dollars == 0) | (dollars == 1) if side.endswith("ask") else dollars == 0
    return pl.when(~absent).then(dollars).alias(side)


def _units() -> pl.Expr:
    """Where both are told they must agree, and cents are whole."""
    problems = []
    for side in _SIDES:
        dollars, cents = number(f"{side}_dollars"), number(side)
        problems += [
            pl.when((dollars * 100 - cents).abs() > 1).then(
                pl.format(f"{side} is {{}} cents and {{}} dollars", cents, dollars)
            ),
            pl.when(dollars.is_null() & (cents % 1 != 0)).then(pl.format(f"{side} is {{}} cents", cents)),
        ]
    return pl.coalesce(problems)
