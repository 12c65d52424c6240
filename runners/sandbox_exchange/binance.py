"""Binance's spot REST wire format over a universe.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
"""

from collections.abc import Callable

import polars as pl

from runners.sandbox_exchange.universe import Universe
from runners.sandbox_exchange.wire import Reply, Request

HOST = "api.binance.com"
_MAX_ROWS = 1000
_INVALID_SYMBOL = Reply(400, {"code": -1121, "msg": "Invalid symbol."})
_BAD_COMBINATION = Reply(400, {"code": -1128, "msg": "Combination of optional parameters invalid."})
_BAD_INTERVAL = Reply(400, {"code": -1120, "msg": "Invalid interval."})
_ILLEGAL_NUMBER = Reply(400, {"code": -1100, "msg": "Illegal characters found in a parameter."})
_NOT_FOUND = Reply(404, {"code": -1000, "msg": "No such endpoint."})
_INTERVALS_MS = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}


def respond(universe: Universe, request: Request, now_ms: int) -> Reply:
    """What Binance answers to a GET."""
    name = request.path.removeprefix("/api/v3/")
    if name in _OF_THE_VENUE:
        return _OF_THE_VENUE[name](universe, now_ms)
    if name not in _OF_A_SYMBOL:
        return _NOT_FOUND
    symbol = request.query.get("symbol", "")
    if symbol not in universe.instruments["instrument"]:
        return _INVALID_SYMBOL
    try:
        return _OF_A_SYMBOL[name](universe, request, symbol)
    except ValueError:
        return _ILLEGAL_NUMBER


def _ping(_universe: Universe, _now_ms: int) -> Reply:
    return Reply(200, {})


def _time(_universe: Universe, now_ms: int) -> Reply:
    return Reply(200, {"serverTime": now_ms})


def _exchange_info(universe: Universe, now_ms: int) -> Reply:
    symbols = [
        {
            "symbol": row["instrument"],
            "status": "TRADING",
            "baseAsset": row["base"],
            "baseAssetPrecision": 8,
            "quoteAsset": row["quote"],
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.00000001",
                    "maxPrice": "1000000",
                    "tickSize": _text(row["tick_size"]),
                },
                {
                    "filterType": "LOT_SIZE",
                    "minQty": "0.00000001",
                    "maxQty": "9000000",
                    "stepSize": _text(row["lot_size"]),
                },
            ],
            "permissions": ["SPOT"],
        }
        for row in universe.instruments.iter_rows(named=True)
    ]
    return Reply(200, {"timezone": "UTC", "serverTime": now_ms, "rateLimits": [], "symbols": symbols})


def _depth(universe: Universe, request: Request, symbol: str) -> Reply:
    limit = request.number("limit", 100)
    bids, asks = (
        [[_text(p), _text(q)] for p, q in universe.levels_of(symbol, side)[:limit]] for side in ("bid", "ask")
    )
    return Reply(200, {"lastUpdateId": 1 + universe.trades_of(symbol).height, "bids": bids, "asks": asks})


def _agg_trades(universe: Universe, request: Request, symbol: str) -> Reply:
    timed = "startTime" in request.query or "endTime" in request.query
    if "fromId" in request.query and timed:
        return _BAD_COMBINATION
    trades = _with_ids(universe.trades_of(symbol))
    limit = min(request.number("limit", 500), _MAX_ROWS)
    if "fromId" in request.query:
        page = trades.filter(pl.col("id") >= request.number("fromId", 0) - request.early).head(limit)
    elif timed:
        page = trades.filter(_within(request)).head(limit)
    else:
        page = trades.tail(limit)
    rows = page.select(
        a="id",
        p=_texts("price"),
        q=_texts("size"),
        f="id",
        l="id",
        T="ms",
        m=pl.col("side") == "sell",
        M=pl.lit(value=True),
    )
    return Reply(200, rows.to_dicts())


def _trades(universe: Universe, request: Request, symbol: str) -> Reply:
    page = _with_ids(universe.trades_of(symbol)).tail(min(request.number("limit", 500), _MAX_ROWS))
    rows = page.select(
        id="id",
        price=_texts("price"),
        qty=_texts("size"),
        quoteQty=(pl.col("price") * pl.col("size")).map_elements(_text, pl.String),
        time="ms",
        isBuyerMaker=pl.col("side") == "sell",
        isBestMatch=pl.lit(value=True),
    )
    return Reply(200, rows.to_dicts())


def _klines(universe: Universe, request: Request, symbol: str) -> Reply:
    interval = request.query.get("interval", "")
    if interval not in _INTERVALS_MS:
        return _BAD_INTERVAL
    length_ms, limit = _INTERVALS_MS[interval], min(request.number("limit", 500), _MAX_ROWS)
    bars = (
        _with_ids(universe.trades_of(symbol))
        .group_by(pl.col("ms") // length_ms * length_ms, maintain_order=True)
        .agg(
            open=pl.col("price").first(),
            high=pl.col("price").max(),
            low=pl.col("price").min(),
            close=pl.col("price").last(),
            volume=pl.col("size").sum(),
            turnover=(pl.col("price") * pl.col("size")).sum(),
            count=pl.len(),
        )
    )
    page = bars.filter(_within(request)).head(limit) if "startTime" in request.query else bars.tail(limit)
    return Reply(
        200,
        [
            [ms, *map(_text, prices), _text(volume), ms + length_ms - 1, _text(turnover), count, "0", "0", "0"]
            for ms, *prices, volume, turnover, count in page.rows()
        ],
    )


_OF_THE_VENUE: dict[str, Callable[[Universe, int], Reply]] = {
    "ping": _ping,
    "time": _time,
    "exchangeInfo": _exchange_info,
}
_OF_A_SYMBOL: dict[str, Callable[[Universe, Request, str], Reply]] = {
    "depth": _depth,
    "aggTrades": _agg_trades,
    "trades": _trades,
    "klines": _klines,
}


def _with_ids(trades: pl.DataFrame) -> pl.DataFrame:
    return trades.with_columns(id=pl.col("trade_id").cast(pl.Int64), ms=pl.col("ts_event").dt.epoch("ms"))


def _within(request: Request) -> pl.Expr:
    return pl.col("ms").is_between(request.number("startTime", 0), request.number("endTime", 2**62))


def _texts(name: str) -> pl.Expr:
    return pl.col(name).map_elements(_text, pl.String)


def _text(number: float) -> str:
    return f"{number:.8f}"
