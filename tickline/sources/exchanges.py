"""How crypto exchanges say trades, best bid and ask, and books, as collectors record it: one function an exchange.

Each yields a message's rows of one feed in the form of `recordings.Row`; messages of other kinds have none.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tickline.lake.schemas import Feed
from tickline.sources import binance_ws
from tickline.sources.binance_ws import NS_PER_MS
from tickline.sources.recordings import Row, nanoseconds, seconds_ns

NS_PER_US = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAKER = {"buy": "sell", "sell": "buy"}
_KRAKEN_SIDES = {"b": "buy", "s": "sell"}
_KRAKEN_LEVELS = {"bs": ("snapshot", "bid"), "as": ("snapshot", "ask"), "b": ("delta", "bid"), "a": ("delta", "ask")}
_BITSTAMP_SIDES = {0: "buy", 1: "sell"}


def binance(message: Any, address: str, feed: Feed) -> Iterator[Row]:
    """Binance, whose trades collectors take from `aggTrade`; a REST snapshot's symbol is in its address."""
    if not isinstance(message, dict):
        return
    data = message.get("data", message)
    if feed is Feed.TRADES and data.get("e") == "aggTrade":
        side = {True: "sell", False: "buy"}[data["m"]]
        yield data["s"], nanoseconds(data["T"], NS_PER_MS), data["a"], data["p"], data["q"], side, data["a"]
        return
    symbol = parse_qs(urlsplit(address).query).get("symbol", [""])[0]
    yield from binance_ws.rows(message, symbol, feed)


def coinbase(message: Any, _address: str, feed: Feed) -> Iterator[Row]:
    """Coinbase (https://docs.cdp.coinbase.com/exchange/docs/websocket-channels). A match names the maker's side."""
    match feed, message["type"]:
        case Feed.TRADES, "match" | "last_match":
            symbol, trade_id = message["product_id"], message["trade_id"]
            side = _TAKER[message["side"]]
            yield symbol, _iso(message["time"]), trade_id, message["price"], message["size"], side, trade_id
        case Feed.QUOTES, "ticker":
            bid, ask = message["best_bid"], message["best_ask"]
            sizes = message.get("best_bid_size"), message.get("best_ask_size")
            at = _iso(message["time"]) if "time" in message else None
            yield message["product_id"], at, message["sequence"], bid, sizes[0], ask, sizes[1]
        case Feed.BOOK, "snapshot":
            for side, levels in (("bid", message["bids"]), ("ask", message["asks"])):
                for price, size in levels:
                    yield message["product_id"], None, None, "snapshot", side, price, size, None, None, None
        case Feed.BOOK, "l2update":
            at = _iso(message["time"])
            for taken, price, size in message["changes"]:
                side = {"buy": "bid", "sell": "ask"}[taken]
                yield message["product_id"], at, None, "delta", side, price, size, None, None, None


def kraken(message: Any, _address: str, feed: Feed) -> Iterator[Row]:
    """Kraken's websocket v1 (https://docs.kraken.com/api/docs/websocket-v1), whose data messages are lists that end
    with channel and pair; a snapshot's levels have the times of their last changes, so it counts as of its receipt."""
    if not isinstance(message, list):
        return
    channel, pair = message[-2:]
    match feed, channel.partition("-")[0]:
        case Feed.TRADES, "trade":
            for price, size, at, side, *_ in message[1]:
                yield pair, seconds_ns(at), None, price, size, _KRAKEN_SIDES[side], None
        case Feed.QUOTES, "spread":
            bid, ask, at, bid_size, ask_size = message[1]
            yield pair, seconds_ns(at), None, bid, bid_size, ask, ask_size
        case Feed.BOOK, "book":
            levels = [
                (*_KRAKEN_LEVELS[key], price, size, seconds_ns(at))
                for part in message[1:-2]
                for key, changes in part.items()
                if key in _KRAKEN_LEVELS
                for price, size, at, *_ in changes
            ]
            latest = max((at for *_, at in levels), default=None)
            for kind, side, price, size, _ in levels:
                yield pair, latest if kind == "delta" else None, None, kind, side, price, size, None, None, None


def bitstamp(message: Any, address: str, feed: Feed) -> Iterator[Row]:
    """Bitstamp (https://www.bitstamp.net/websocket/v2). Its microsecond time orders a book's messages, but does not
    say whether one is missing."""
    data = message.get("data", message)
    channel, _, pair = message.get("channel", "").rpartition("_")
    match feed, channel:
        case Feed.TRADES, "live_trades" if message["event"] == "trade":
            side = _BITSTAMP_SIDES[data["type"]]
            yield pair, _micro(data), data["id"], data["price_str"], data["amount_str"], side, data["id"]
        case Feed.BOOK, "diff_order_book" if message["event"] == "data":
            yield from _bitstamp_levels(pair, "delta", data)
        case Feed.BOOK, "" if "microtimestamp" in data:
            yield from _bitstamp_levels(urlsplit(address).path.rpartition("/")[2], "snapshot", data)


def _bitstamp_levels(pair: str, kind: str, data: dict[str, Any]) -> Iterator[Row]:
    at = _micro(data)
    order = at // NS_PER_US
    for side, levels in (("bid", data["bids"]), ("ask", data["asks"])):
        for price, size in levels:
            yield pair, at, order, kind, side, price, size, None, order, None


def _micro(data: dict[str, Any]) -> int:
    return nanoseconds(int(data["microtimestamp"]), NS_PER_US)


def _iso(text: str) -> int:
    """An ISO 8601 time with an offset as Unix ns."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset")
    return nanoseconds((at - _EPOCH) // timedelta(microseconds=1), NS_PER_US)
