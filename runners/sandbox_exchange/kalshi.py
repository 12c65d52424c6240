"""Kalshi's REST wire format over a universe: events, markets, order books and trades.

https://docs.kalshi.com/api-reference. Lists are paged by a cursor that names the last row served.
"""

import base64
import binascii
from typing import Any

import polars as pl

from runners.sandbox_exchange.universe import Universe
from runners.sandbox_exchange.wire import Reply, Request

HOST = "external-api.kalshi.com"
_ROOT = "/trade-api/v2/"
_KEYS = {"events": "event_ticker", "markets": "ticker", "trades": "trade_id"}
_MAX_ROWS = {"trades": 1000, "markets": 1000, "events": 200}


def respond(universe: Universe, request: Request, _now_ms: int) -> Reply:
    """What Kalshi answers to a GET."""
    match request.path.removeprefix(_ROOT).split("/"):
        case ["events"]:
            reply = _paged("events", _events(universe, request), request)
        case ["events", ticker]:
            reply = _single("event", _events(universe, request), "event_ticker", ticker)
        case ["markets"]:
            reply = _paged("markets", _markets(universe, request), request)
        case ["markets", "trades"]:
            reply = _paged("trades", _trades(universe, request), request)
        case ["markets", ticker]:
            reply = _single("market", _markets(universe, request), "ticker", ticker)
        case ["markets", ticker, "orderbook"]:
            reply = _order_book(universe, ticker)
        case _:
            reply = _not_found(request.path)
    return reply


def _events(universe: Universe, request: Request) -> list[dict[str, Any]]:
    wanted = request.query.get("series_ticker")
    markets = _markets(universe, request)
    events = universe.markets.unique("event_id", keep="first", maintain_order=True)
    return [
        {
            "event_ticker": row["event_id"],
            "series_ticker": _series(row["event_id"]),
            "title": row["event_title"],
            "sub_title": "",
            "category": row["category"],
            "mutually_exclusive": False,
            "markets": [market for market in markets if market["event_ticker"] == row["event_id"]],
        }
        for row in events.iter_rows(named=True)
        if wanted in (None, _series(row["event_id"]))
    ]


def _markets(universe: Universe, request: Request) -> list[dict[str, Any]]:
    tickers = request.query["tickers"].split(",") if "tickers" in request.query else None
    event = request.query.get("event_ticker")
    return [
        {
            "ticker": row["instrument"],
            "event_ticker": row["event_id"],
            "market_type": "binary",
            "title": row["title"],
            "subtitle": "",
            "yes_sub_title": "",
            "no_sub_title": "",
            "rules_primary": row["rules"],
            "rules_secondary": "",
            "status": row["status"],
            "result": "",
            "open_time": _iso(row["ts_open"]),
            "close_time": _iso(row["ts_close"]),
            "expiration_time": _iso(row["ts_close"]),
            "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": _dollars(row["tick_size"])}],
            "yes_bid_dollars": _dollars(row["bid"]),
            "yes_ask_dollars": _dollars(row["ask"]),
            "no_bid_dollars": _dollars(1 - row["ask"]),
            "no_ask_dollars": _dollars(1 - row["bid"]),
            "volume_fp": "0.00",
        }
        for row in universe.markets.iter_rows(named=True)
        if (tickers is None or row["instrument"] in tickers) and event in (None, row["event_id"])
    ]


def _order_book(universe: Universe, ticker: str) -> Reply:
    """Bids only, worst first: an offer of YES is a bid for NO."""
    if ticker not in universe.markets["instrument"]:
        return _not_found(ticker)
    yes = [[_dollars(price), f"{size:.2f}"] for price, size in reversed(universe.levels_of(ticker, "bid"))]
    no = [[_dollars(1 - price), f"{size:.2f}"] for price, size in reversed(universe.levels_of(ticker, "ask"))]
    return Reply(200, {"orderbook_fp": {"yes_dollars": yes, "no_dollars": no}})


def _trades(universe: Universe, request: Request) -> list[dict[str, Any]]:
    """Newest first."""
    seconds = pl.col("ts_event").dt.epoch("s")
    bounded = seconds.is_between(request.number("min_ts", 0), request.number("max_ts", 2**40))
    trades = universe.trades_of(request.query.get("ticker", "")).filter(bounded).reverse()
    return [
        {
            "trade_id": row["trade_id"],
            "ticker": row["instrument"],
            "created_time": _iso(row["ts_event"]),
            "count_fp": f"{row['size']:.2f}",
            "yes_price_dollars": _dollars(row["price"]),
            "no_price_dollars": _dollars(1 - row["price"]),
            "taker_side": "yes" if row["side"] == "buy" else "no",
        }
        for row in trades.iter_rows(named=True)
    ]


def _paged(name: str, rows: list[dict[str, Any]], request: Request) -> Reply:
    limit = min(request.number("limit", 100), _MAX_ROWS[name])
    start = 0
    if token := request.query.get("cursor"):
        keys = [row[_KEYS[name]] for row in rows]
        try:
            start = keys.index(base64.b64decode(token, validate=True).decode()) + 1
        except (ValueError, binascii.Error):
            return Reply(400, {"error": {"code": "bad_request", "message": "invalid cursor"}})
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    cursor = base64.b64encode(page[-1][_KEYS[name]].encode()).decode() if more else ""
    early = rows[max(0, start - request.early) : start]
    return Reply(200, {name: early + page, "cursor": cursor})


def _single(name: str, rows: list[dict[str, Any]], key: str, ticker: str) -> Reply:
    found = [row for row in rows if row[key] == ticker]
    return Reply(200, {name: found[0]}) if found else _not_found(ticker)


def _not_found(what: str) -> Reply:
    return Reply(404, {"error": {"code": "not_found", "message": f"not found: {what}"}})


def _series(event_id: str) -> str:
    return event_id.split("-", maxsplit=1)[0]


def _dollars(price: float) -> str:
    return f"{price:.4f}"


def _iso(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
