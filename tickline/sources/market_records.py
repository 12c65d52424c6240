"""What prediction venues' own market records say beyond ccxt's market structure.

Kalshi's spelling comes first (prices in dollars, in older records in cents), then Polymarket's.
https://docs.kalshi.com/api-reference/market/get-market, https://docs.polymarket.com/api-reference/markets
"""

import polars as pl

from tickline.lake.schema import NS


def told_by_venue() -> list[pl.Expr]:
    """title, rules, ts_open, ts_close, bid and ask of an outcome, from `payload` and its `position` in its market.

    Null where the record does not say.
    """
    is_first = pl.col("position") == 0
    # Polymarket quotes the first outcome alone; selling that is buying the other.
    best_bid = pl.when(is_first).then(_number("bestBid")).otherwise(1 - _number("bestAsk"))
    best_ask = pl.when(is_first).then(_number("bestAsk")).otherwise(1 - _number("bestBid"))
    bid = pl.when(is_first).then(_dollars("yes_bid")).otherwise(_dollars("no_bid"))
    ask = pl.when(is_first).then(_dollars("yes_ask")).otherwise(_dollars("no_ask"))
    rules = [_told("rules_primary", "description"), _told("rules_secondary")]
    return [
        _told("title", "question").alias("title"),
        pl.concat_str(rules, separator="\n", ignore_nulls=True).str.strip_chars().alias("rules"),
        _moment("open_time", "startDate").alias("ts_open"),
        _moment("close_time", "endDate").alias("ts_close"),
        bid.fill_null(best_bid).alias("bid"),
        ask.fill_null(best_ask).alias("ask"),
    ]


def _told(*names: str) -> pl.Expr:
    return pl.coalesce(pl.col("payload").str.json_path_match(f"$.{name}") for name in names)


def _number(name: str) -> pl.Expr:
    return _told(name).cast(pl.Float64, strict=False)


def _moment(*names: str) -> pl.Expr:
    parsed = _told(*names).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)
    representable = parsed.dt.year().is_between(1678, 2261)
    return pl.when(representable).then(parsed).dt.replace_time_zone("UTC").cast(NS)


def _dollars(side: str) -> pl.Expr:
    return pl.coalesce(_number(f"{side}_dollars"), _number(side) / 100)
