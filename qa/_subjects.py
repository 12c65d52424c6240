"""What `qa fuzz` spoils: a few good lines of every format a source reads, how they make a file, and how it is read."""

import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from qa._bad_rows import DAY, START, VENUE, reference_sessions
from tickline.lake.schemas import RAW, Feed
from tickline.reference.models import SourceSpec
from tickline.sources.capture import CapturedMarkets, read_candles
from tickline.sources.opening import open_source
from tickline.sources.segments import COLUMNS, Kind, Page
from tickline.ticks.firewall import judge
from tickline.ticks.rules import load_rules

RULES = load_rules(Path(__file__).parent.parent / "config" / "rules.yaml")
BTC = VENUE.model_copy(update={"instruments": VENUE.instruments[1:2]})
NOON = START // 10**9 + 43_200  # in seconds

Pack = Callable[[bytes], bytes]
Read = Callable[[Path], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Subject:
    """One format, read for one feed.

    `lines` are good lines of it, joined by `comma` and enclosed in `ends` to make a file's content, which `pack` turns
    into bytes that lie at `place` below a folder; `read` reads that folder.
    """

    name: str
    lines: tuple[bytes, ...]
    place: Callable[[bytes], str]
    read: Read
    pack: Pack = bytes
    ends: tuple[bytes, bytes] = (b"", b"\n")
    comma: bytes = b"\n"
    file_lines: int = 400

    def content(self, lines: list[bytes]) -> bytes:
        """Lines as a file has them, before it is packed."""
        return self.ends[0] + self.comma.join(lines) + self.ends[1]

    def rows(self, data: bytes, folder: Path) -> pl.DataFrame:
        """What bytes say, read as a file of this format in a folder of their own."""
        path = folder / self.place(data)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        return self.read(folder)


def zipped(member: str) -> Pack:
    """Puts content into a zip of one member."""

    def pack(content: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, content)
        return out.getvalue()

    return pack


def gzipped(content: bytes) -> bytes:
    """Content as gzip."""
    return gzip.compress(content, 1, mtime=0)


def delivered(feed: Feed, settings: Mapping[str, Any]) -> Read:
    """Reads a feed's rows by a source's settings, FOLDER standing for the folder."""

    def read(folder: Path) -> pl.DataFrame:
        placed = orjson.loads(orjson.dumps(settings).replace(b"FOLDER", str(folder).encode()))
        source = open_source(SourceSpec.model_validate(placed), BTC, feed, calendars={})
        found = source.objects(DAY)
        frames = [batch.frame for one in found for batch in source.batches(one, DAY)]
        source.complete(DAY)
        return pl.concat([RAW[feed].empty(), *frames])

    return read


def judged(rows: pl.DataFrame) -> None:
    """Have the firewall judge rows, if they are raw rows of a feed."""
    for feed in Feed:
        if dict(rows.schema) == RAW[feed].columns:
            judge(rows, feed, BTC, day=DAY, sessions=reference_sessions(), rules=RULES)


def _lean(security: str, feed: Feed, *lines: bytes) -> Subject:
    kind = {Feed.TRADES: "trade", Feed.QUOTES: "quote"}[feed]
    settings = {"kind": "lean", "folder": "FOLDER", "security": security, "time_zone": "America/New_York"}
    return Subject(
        f"lean {security} {feed}",
        lines,
        lambda _data: f"btc/{DAY:%Y%m%d}_{kind}.zip",
        delivered(feed, settings),
        zipped(f"{DAY:%Y%m%d}_btc_{kind}_tick.csv"),
    )


def _recorded(kind: str, feed: Feed, settings: Mapping[str, Any], *lines: bytes, pack: Pack = bytes) -> Subject:
    return Subject(
        f"{kind} {settings.get('exchange', '')} {feed}",
        lines,
        lambda _data: f"btc_{DAY:%Y%m%d}",
        delivered(feed, {"kind": kind, "files": "FOLDER/btc_{date:%Y%m%d}", **settings}),
        pack,
    )


def _binance(feed: Feed) -> Subject:
    at = NOON * 1000
    trade = {"e": "trade", "E": at, "T": at, "s": "BTC", "t": 9, "p": "61837.63", "q": "0.02", "m": True}
    quote = {"u": 400900217, "s": "BTC", "b": "61837.62", "B": "31.2", "a": "61837.63", "A": "40.6"}
    depth = {
        "e": "depthUpdate",
        "E": at,
        "s": "BTC",
        "U": 157,
        "u": 160,
        "b": [["61837.5", "10"]],
        "a": [["61838", "0"]],
    }
    future = depth | {"T": at, "pu": 156}
    snapshot = {"lastUpdateId": 156, "bids": [["61837.4", "1"], ["61837.3", "2"]], "asks": [["61838.2", "1"]]}
    messages = ({"stream": "btc@trade", "data": trade}, trade, quote, quote | {"e": "bookTicker", "E": at, "T": at})
    lines = (b"%d%09d %s" % (NOON, n, orjson.dumps(one)) for n, one in enumerate((*messages, snapshot, depth, future)))
    return _recorded("binance_ws", feed, {"snapshot_symbol": "BTC"}, *lines, pack=gzipped)


def _cryptofeed(exchange: str, feed: Feed) -> Subject:
    at = f"{DAY}T12:00:00.123456Z"
    messages: dict[str, tuple[Any, ...]] = {
        "binance": (
            {
                "stream": "x",
                "data": {"e": "aggTrade", "s": "BTC", "a": 5, "p": "1", "q": "2", "T": NOON * 1000, "m": False},
            },
            {"e": "depthUpdate", "E": NOON * 1000, "s": "BTC", "U": 1, "u": 2, "b": [["1", "2"]], "a": []},
            {"lastUpdateId": 1, "bids": [["1", "2"]], "asks": [["2", "1"]]},
            {"u": 7, "s": "BTC", "b": "1", "B": "5", "a": "2", "A": "6"},
        ),
        "coinbase": (
            {
                "type": "match",
                "trade_id": 5,
                "side": "sell",
                "size": "9",
                "price": "5",
                "product_id": "BTC",
                "time": at,
            },
            {"type": "ticker", "sequence": 3, "product_id": "BTC", "best_bid": "1", "best_ask": "2", "time": at},
            {"type": "snapshot", "product_id": "BTC", "bids": [["1", "2"]], "asks": [["2", "3"]]},
            {"type": "l2update", "product_id": "BTC", "changes": [["sell", "2", "0"]], "time": at},
            {"type": "subscriptions", "channels": [{"name": "level2", "product_ids": ["BTC"]}]},
        ),
        "kraken": (
            [337, [["5541.2", "0.1", f"{NOON}.321597", "s", "l", ""]], "trade", "BTC"],
            [337, ["5698.4", "5700.0", f"{NOON}.545897", "1.01", "0.98"], "spread", "BTC"],
            [1, {"as": [["3", "1", f"{NOON}.5"]], "bs": [["2", "1", f"{NOON}.5"]]}, "book-10", "BTC"],
            [1, {"a": [["3", "1", f"{NOON}.5"]]}, {"b": [["1", "0", f"{NOON}.25", "r"]], "c": "974"}, "book-10", "BTC"],
            {"event": "heartbeat"},
        ),
        "bitstamp": (
            {
                "event": "trade",
                "channel": "live_trades_BTC",
                "data": {"id": 4, "type": 1, "price_str": "10", "amount_str": "2", "microtimestamp": f"{NOON}000000"},
            },
            {
                "event": "data",
                "channel": "diff_order_book_BTC",
                "data": {"microtimestamp": f"{NOON}000001", "bids": [["1", "2"]], "asks": [["2", "3"]]},
            },
            {"microtimestamp": f"{NOON}000000", "bids": [["1", "2"]], "asks": []},
        ),
    }
    said = [b"%d.%06d: %s" % (NOON, n, orjson.dumps(message)) for n, message in enumerate(messages[exchange])]
    answers = [b"https://x.com/api/v2/order_book/BTC?symbol=BTC -> " + line for line in said[-2:]]
    opening = (b"wss://x.com <-> %d.5" % NOON, b'wss://x.com <- %d.6: {"event":"subscribe"}' % NOON)
    return _recorded("cryptofeed", feed, {"exchange": exchange}, *opening, *said, *answers, b'configuration: {"a":1}')


TABLE = {
    "kind": "table",
    "files": "FOLDER/btc_{date:%Y%m%d}",
    "names": ["ms", "id", "side", "price", "amount"],
    "times": {"ts_event": {"from": "ms", "unit": "ms"}},
    "columns": {
        "instrument": {"constant": "BTC"},
        "seq": {"from": "id"},
        "trade_id": {"from": "id"},
        "side": {"from": "side", "values": {"b": "buy"}},
        "price": {"from": "price", "divide_by": 100},
        "size": {"from": "amount"},
    },
}


def _table(form: str, *lines: bytes, **settings: Any) -> Subject:
    return Subject(
        f"table {form} {' '.join(settings)}".strip(),
        lines,
        lambda _data: f"btc_{DAY:%Y%m%d}",
        delivered(Feed.TRADES, TABLE | {"format": form} | settings),
    )


def _page(number: int, columns: dict[str, list[Any]], **more: Any) -> bytes:
    at = (NOON + number) * 10**9
    page = Page("BTC", "/x?a=1", 200, at, at - 10**12, columns, '{"body":1}', **more)
    return orjson.dumps(page)


def _captured(kind: Kind, name: str, read: Read, *lines: bytes) -> Subject:
    """A segment is called by the hash of its bytes, so that one that is spoiled here still passes for whole."""

    def place(data: bytes) -> str:
        return f"{kind}/00000000_{DAY}_{DAY}_{hashlib.sha256(data).hexdigest()}.jsonl.gz"

    cursors = b'\n{"cursors":{"BTC":{"covers":[0,1]}}}\n'
    return Subject(f"capture {name}", lines, place, read, gzipped, ends=(b"", cursors), file_lines=4)


def _captures() -> list[Subject]:
    at, capture = NOON * 10**9, {"kind": "capture", "path": "FOLDER"}
    trade = [[at], ["61800.5"], ["0.01"], ["buy"], ["77"], [77], [None]]
    level = [["bid", "ask"], ["61800.5", "61801"], ["1", "2"], [None, None]]
    candle = [[at], ["1"], ["2"], ["0.5"], ["1.5"], ["100"], [None]]
    record = '{"title":"Will it?","yes_bid":45,"yes_ask":47,"open_time":"2026-03-01T00:00:00Z","rules_primary":"R"}'
    outcome = [["BTC"], ["E"], ["Event"], ["M"], ["Yes"], [0], ["Crypto"], ["active"], ["0.01"], [record]]
    rows = {Kind.TRADES: trade, Kind.BOOK: level, Kind.CANDLES: candle, Kind.MARKETS: outcome}
    pages = {
        kind: tuple(
            _page(number, dict(zip(COLUMNS[kind], columns, strict=True)), nonce=number or None, timeframe="1m")
            for number in range(3)
        )
        for kind, columns in rows.items()
    }
    return [
        *(
            _captured(kind, feed, delivered(feed, capture), *pages[kind])
            for kind, feed in ((Kind.TRADES, Feed.TRADES), (Kind.BOOK, Feed.QUOTES), (Kind.BOOK, Feed.BOOK))
        ),
        _captured(Kind.CANDLES, "candles", lambda folder: read_candles(folder, DAY), *pages[Kind.CANDLES]),
        _captured(Kind.MARKETS, "markets", lambda folder: CapturedMarkets(folder).markets(DAY), *pages[Kind.MARKETS]),
    ]


_NOON_MS = b"%d" % (NOON * 1000)

SUBJECTS = (
    _lean(
        "equity",
        Feed.TRADES,
        b"57600000,618000000,100,P,20,0",
        b"57600001.5,618000000,1,Q,,1",
        b"57600002,1,1,P,80000000,0",
    ),
    _lean("equity", Feed.QUOTES, b"57600000,618000000,100,618010000,200,P,1,0", b"57600001,0,0,618010000,5,Q,,0"),
    _lean("forex", Feed.QUOTES, b"57600000,1.38712,1.38721", b"57600250,1.38711,1.3872"),
    _lean("crypto", Feed.TRADES, b"57600000,61800.5,0.01,0", b"57600001,61800.51,1e-05,0"),
    _lean("crypto", Feed.QUOTES, b"57600000,61800.5,0.01,61800.6,2,0", b"57600001,61800.5,0.01,61800.6,2,1"),
    *(_binance(feed) for feed in Feed),
    *(_cryptofeed(exchange, feed) for exchange in ("binance", "bitstamp", "coinbase", "kraken") for feed in Feed),
    _table("csv", _NOON_MS + b",7,buy,6180050,0.01", _NOON_MS + b',8,"sell",6180051,2', b',,"a ""quote""",1,1'),
    _table(
        "csv",
        f"{DAY}T12:00:00.5,7,buy,6180050,0.01".encode(),
        f"{DAY}T12:00:01,8,sell,6180051,2".encode(),
        times={"ts_event": {"from": "ms", "format": "%Y-%m-%dT%H:%M:%S%.f", "time_zone": "America/New_York"}},
    ),
    replace(
        _table(
            "csv",
            b"btc|" + _NOON_MS + b"|7|6180050",
            b"btc|" + _NOON_MS + b"|8|6180051",
            files="FOLDER/btc*",  # its days are found by reading it
            separator="|",
            names=None,
            columns={
                "instrument": {"from": "name", "values": {"btc": "BTC"}},
                "seq": {"from": "id"},
                "price": {"from": "price"},
            },
        ),
        ends=(b"name|ms|id|price\n", b"\n"),
    ),
    replace(
        _table(
            "json_lines",
            b'{"ms":%s,"id":7,"side":"buy","price":6180050.0,"amount":"0.01"}' % _NOON_MS,
            b'{"ms":"%s","id":"8","side":null,"price":"6180051","amount":2}' % _NOON_MS,
        ),
        file_lines=20,
    ),
    replace(
        _table(
            "json_arrays",
            b'[%s,7,"buy",6180050.0,"0.01"]' % _NOON_MS,
            b'["%s","8",null,"6180051",2]' % _NOON_MS,
        ),
        ends=(b"[", b"]"),
        comma=b",",
        file_lines=4,
    ),
    *_captures(),
)
"""Every format that is read line by line."""
