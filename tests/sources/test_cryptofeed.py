"""cryptofeed's captures: lines, connections, and what each exchange's messages mean."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tickline.lake.schemas import RAW, Feed
from tickline.sources import exchanges
from tickline.sources.cryptofeed import DIALECTS, framing
from tickline.sources.files import Files
from tickline.sources.recordings import Dialect, Frame, Recording

NS = 10**9


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (b"wss://x <-> 1618677816.8434298", Frame(1618677816_843429800, b"", "wss://x", opens=True)),
        (b'wss://x <- 1618677817.02: {"a":1}', Frame(1618677817_020000000, b'{"a":1}', "wss://x")),
        (b'https://x/btc -> 1618677817: {"a":1}\r', Frame(1618677817 * NS, b'{"a":1}', "https://x/btc")),
        (b"1618677817.0208309: [1]", Frame(1618677817_020830900, b"[1]")),
        (b'configuration: {"trades":[]}', None),
        (b"soon: {}", Frame(None, b"soon: {}")),
        (b"", Frame(None, b"")),
    ],
)
def test_lines_carry_messages_as_cryptofeed_writes_them(line: bytes, frame: Frame | None) -> None:
    assert framing(line) == frame


def said(dialect: Dialect, message: Any, feed: Feed, address: str = "") -> list[tuple[Any, ...]]:
    return list(dialect(message, address, feed))


def test_coinbase_names_the_makers_side() -> None:
    match = {"type": "match", "trade_id": 5, "side": "sell", "size": "9", "price": "0.5", "product_id": "A-B"}
    match |= {"sequence": 77, "time": "1970-01-01T00:00:01.000002Z"}
    assert said(exchanges.coinbase, match, Feed.TRADES) == [("A-B", NS + 2000, 5, "0.5", "9", "buy", 5)]
    assert said(exchanges.coinbase, match, Feed.BOOK) == []


def test_coinbase_quotes_and_levels() -> None:
    ticker = {"type": "ticker", "sequence": 3, "product_id": "A-B", "best_bid": "1", "best_ask": "2"}
    ticker |= {"time": "1970-01-01T00:00:01Z"}
    assert said(exchanges.coinbase, ticker, Feed.QUOTES) == [("A-B", NS, 3, "1", None, "2", None)]
    update = {"type": "l2update", "product_id": "A-B", "changes": [["sell", "2", "0"]], "time": "1970-01-01T00:00:01Z"}
    assert said(exchanges.coinbase, update, Feed.BOOK) == [
        ("A-B", NS, None, "delta", "ask", "2", "0", None, None, None)
    ]


def test_kraken_updates_count_as_of_their_latest_level_and_snapshots_as_of_receipt() -> None:
    update = [1, {"a": [["3", "1", "2.5"]]}, {"b": [["1", "0", "7.25", "r"]], "c": "974"}, "book-10", "A/B"]
    assert said(exchanges.kraken, update, Feed.BOOK) == [
        ("A/B", 7_250_000_000, None, "delta", "ask", "3", "1", None, None, None),
        ("A/B", 7_250_000_000, None, "delta", "bid", "1", "0", None, None, None),
    ]
    snapshot = [1, {"as": [["3", "1", "2.5"]], "bs": []}, "book-10", "A/B"]
    assert said(exchanges.kraken, snapshot, Feed.BOOK) == [
        ("A/B", None, None, "snapshot", "ask", "3", "1", None, None, None)
    ]


def test_kraken_trades_and_spreads() -> None:
    trades = [1, [["5541.2", "0.1", "1534614057.321597", "s", "l", ""]], "trade", "XBT/USD"]
    assert said(exchanges.kraken, trades, Feed.TRADES) == [
        ("XBT/USD", 1534614057_321597000, None, "5541.2", "0.1", "sell", None)
    ]
    spread = [1, ["5698.4", "5700.0", "1542057299.545897", "1.01", "0.98"], "spread", "XBT/USD"]
    assert said(exchanges.kraken, spread, Feed.QUOTES) == [
        ("XBT/USD", 1542057299_545897000, None, "5698.4", "1.01", "5700.0", "0.98")
    ]
    assert said(exchanges.kraken, {"event": "heartbeat"}, Feed.TRADES) == []


def test_bitstamp_snapshots_take_their_pair_from_the_address() -> None:
    book = {"timestamp": "1", "microtimestamp": "1500000", "bids": [["1", "2"]], "asks": []}
    address = "https://www.bitstamp.net/api/v2/order_book/ethusd"
    assert said(exchanges.bitstamp, book, Feed.BOOK, address) == [
        ("ethusd", 1_500_000_000, 1_500_000, "snapshot", "bid", "1", "2", None, 1_500_000, None)
    ]
    trade = {"id": 4, "type": 1, "price_str": "10", "amount_str": "2", "microtimestamp": "1500000"}
    message = {"event": "trade", "channel": "live_trades_btcusd", "data": trade}
    assert said(exchanges.bitstamp, message, Feed.TRADES) == [("btcusd", 1_500_000_000, 4, "10", "2", "sell", 4)]


def test_binance_aggregates_are_its_trades_and_snapshots_name_their_symbol_in_the_address() -> None:
    trade = {"e": "aggTrade", "E": 6, "s": "AB", "a": 5, "p": "1", "q": "2", "f": 1, "l": 3, "T": 5, "m": False}
    assert said(exchanges.binance, {"stream": "ab@aggTrade", "data": trade}, Feed.TRADES) == [
        ("AB", 5_000_000, 5, "1", "2", "buy", 5)
    ]
    snapshot = {"lastUpdateId": 3, "bids": [["1", "2"]], "asks": []}
    (row,) = said(exchanges.binance, snapshot, Feed.BOOK, "https://api.binance.com/api/v3/depth?symbol=AB&limit=5")
    assert (row[0], row[3], row[8]) == ("AB", "snapshot", 3)


def recording(path: Path, exchange: str, feed: Feed) -> Recording:
    day = date(2021, 4, 17)
    return Recording(Files(str(path), lambda _: (day, day)), framing, DIALECTS[exchange], feed)


def rows(source: Recording, day: date) -> pl.DataFrame:
    batches = [batch.frame for one in source.objects(day) for batch in source.batches(one, day)]
    return pl.concat([RAW[source.feed].empty(), *batches])


def test_a_new_connection_is_a_new_delivery(tmp_path: Path) -> None:
    level = json.dumps(
        {"type": "l2update", "product_id": "A", "changes": [["buy", "1", "1"]], "time": "2021-04-17T00:00:00Z"}
    )
    connection = f"wss://x <-> 1618617600\n1618617600.5: {level}\n1618617600.6: {level}\n"
    (tmp_path / "c").write_text(connection * 2)
    found = rows(recording(tmp_path / "c", "coinbase", Feed.BOOK), date(2021, 4, 17))
    assert found["delivery"].to_list() == [0, 0, 1, 1]
    assert found["seq"].to_list() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("name", "exchange", "feed", "count"),
    [
        ("COINBASE.ws.28.0", "coinbase", Feed.TRADES, 107),
        ("COINBASE.ws.28.0", "coinbase", Feed.QUOTES, 107),
        ("COINBASE.ws.28.0", "coinbase", Feed.BOOK, None),
        ("KRAKEN.ws.50.0", "kraken", Feed.BOOK, None),
        ("BINANCE.0", "binance", Feed.TRADES, 0),
    ],
)
def test_real_captures_are_read_without_a_defect(
    real_data: Path, name: str, exchange: str, feed: Feed, count: int | None
) -> None:
    found = rows(recording(real_data / "cryptofeed" / name, exchange, feed), date(2021, 4, 17))
    assert found["defect"].null_count() == found.height
    assert found.height == count if count is not None else found.height > 4000
    assert found["instrument"].n_unique() == (10 if found.height else 0)


def test_a_real_book_snapshot_has_every_level_of_the_answer(real_data: Path) -> None:
    path = real_data / "cryptofeed" / "BITSTAMP.http.0.0"
    answers = [json.loads(line.partition(": ")[2]) for line in path.read_text().splitlines() if " -> " in line]
    source = Recording(
        Files(str(path), lambda _: (date(2022, 1, 5), date(2022, 1, 5))), framing, DIALECTS["bitstamp"], Feed.BOOK
    )
    found = rows(source, date(2022, 1, 5))
    assert found.height == sum(len(answer["bids"]) + len(answer["asks"]) for answer in answers)
    best = found.filter(pl.col("instrument") == "ethusd", pl.col("side") == "bid")["price"].max()
    assert best == 3802.90
