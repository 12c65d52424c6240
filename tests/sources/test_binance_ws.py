"""Binance's messages become the rows they mean."""

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import RAW, Feed
from tickline.reference.models import Venue
from tickline.sources.binance_ws import BinanceRecordings
from tickline.sources.recordings import Recording

T = 1_723_161_255_342
DAY = date(2024, 8, 8)


def opened(files: str, feed: Feed, **settings: Any) -> Recording:
    spec = {"kind": "binance_ws", "files": files, "snapshot_symbol": "BTCUSDT"} | settings
    venue = Venue.model_validate(
        {
            "name": "v",
            "kind": "crypto",
            "calendar": "always",
            "start": "2024-08-08",
            "end": "2024-08-09",
            "feeds": {feed: spec},
            "instruments": [{"name": "BTC", "kind": "spot", "quote": "USDT", "tick_size": "0.01", "lot_size": "1"}],
        }
    )
    return BinanceRecordings.open(venue.feeds[feed], venue, feed)


def rows(source: Recording, day: date = DAY) -> pl.DataFrame:
    batches = [batch.frame for one in source.objects(day) for batch in source.batches(one, day)]
    return pl.concat([RAW[source.feed].empty(), *batches])


def recorded(tmp_path: Path, feed: Feed, *messages: Any, **settings: Any) -> list[dict[str, Any]]:
    path = tmp_path / "r.gz"
    path.write_bytes(gzip.compress("".join(f"{T}000123 {json.dumps(message)}\n" for message in messages).encode()))
    return rows(opened(str(path), feed, **settings)).to_dicts()


def trade(**fields: Any) -> dict[str, Any]:
    return {"e": "trade", "E": T + 1, "T": T, "s": "BTCUSDT", "t": 9, "p": "61837.63", "q": "0.02", "m": True} | fields


def test_a_trade_names_the_taker_and_the_time_of_the_match(tmp_path: Path) -> None:
    (row,) = recorded(tmp_path, Feed.TRADES, {"stream": "btcusdt@trade", "data": trade()}, symbols={"BTCUSDT": "BTC"})
    assert row == {
        "instrument": "BTC",
        "ts_event": datetime(2024, 8, 8, 23, 54, 15, 342000, tzinfo=UTC),
        "ts_recv": datetime(2024, 8, 8, 23, 54, 15, 342000, tzinfo=UTC),  # and 123 ns, which datetime cannot show
        "price": 61837.63,
        "size": 0.02,
        "side": "sell",
        "trade_id": "9",
        "conditions": None,
        "exchange": None,
        "seq": 9,
        "delivery": 0,
        "defect": None,
    }


def test_combined_and_bare_streams_say_the_same(tmp_path: Path) -> None:
    combined, bare = recorded(tmp_path, Feed.TRADES, {"stream": "x", "data": trade(m=False)}, trade(m=False))
    assert combined == bare
    assert bare["side"] == "buy"


def test_a_spot_quote_has_no_time_but_its_receipt(tmp_path: Path) -> None:
    spot = {"u": 7, "s": "BTCUSDT", "b": "1.5", "B": "2", "a": "1.6", "A": "3"}
    future = spot | {"e": "bookTicker", "T": T - 10, "E": T - 9}
    first, second = recorded(tmp_path, Feed.QUOTES, spot, future)
    assert first["ts_event"] == first["ts_recv"]
    assert second["ts_event"] == datetime(2024, 8, 8, 23, 54, 15, 332000, tzinfo=UTC)
    assert (first["bid"], first["bid_size"], first["ask"], first["ask_size"], first["seq"]) == (1.5, 2, 1.6, 3, 7)


def test_depth_updates_and_snapshots_keep_the_ids_a_book_is_chained_by(tmp_path: Path) -> None:
    update = {
        "e": "depthUpdate",
        "E": T,
        "s": "BTCUSDT",
        "U": 11,
        "u": 15,
        "pu": 10,
        "b": [["1", "2"]],
        "a": [["3", "0"]],
    }
    snapshot = {"lastUpdateId": 12, "bids": [["1", "2"]], "asks": []}
    found = recorded(tmp_path, Feed.BOOK, update, snapshot)
    kept = [
        [row[name] for name in ("kind", "side", "price", "size", "first_seq", "last_seq", "prev_seq")] for row in found
    ]
    assert kept == [
        ["delta", "bid", 1.0, 2.0, 11, 15, 10],
        ["delta", "ask", 3.0, 0.0, 11, 15, 10],
        ["snapshot", "bid", 1.0, 2.0, None, 12, None],
    ]
    assert {row["instrument"] for row in found} == {"BTCUSDT"}


@pytest.mark.parametrize(
    "broken",
    [
        trade(p=None, m=None),
        trade(T="soon"),
        trade(T=10**30),
        trade(T=True),
        {"e": "trade"},
        {"data": "trade"},
        [],
        7,
    ],
)
def test_a_broken_message_is_one_row_with_a_defect(tmp_path: Path, broken: Any) -> None:
    first, found, last = recorded(tmp_path, Feed.TRADES, trade(t=1), broken, trade(t=3))
    assert (first["defect"], last["defect"]) == (None, None)
    assert found["defect"]
    assert found["price"] is None


def test_numbers_that_are_none_are_named_and_leave_the_rest_of_the_row(tmp_path: Path) -> None:
    (row,) = recorded(tmp_path, Feed.TRADES, trade(p="12,5", t=10**25))
    assert row["defect"] == "price '12,5' is not a number"
    assert (row["price"], row["size"], row["seq"]) == (None, 0.02, None)


def test_a_file_that_no_one_recorded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.gz").write_bytes(b"not\na\nrecording\n")
    with pytest.raises(SourceError, match=r"r.gz: no line was received from 2024-08-08"):
        opened(str(tmp_path / "*.gz"), Feed.TRADES).objects(DAY)


def test_a_template_may_hold_dates_only() -> None:
    with pytest.raises(ConfigError, match=r"venue v: feeds.trades: .*files"):
        opened("{secret}/{date}.gz", Feed.TRADES)


@pytest.mark.slow
@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_real_recordings_give_every_message_they_hold(real_data: Path, market: str) -> None:
    path = real_data / "binance_ws" / market / "btcusdt_20240808.gz"
    pattern = str(path).replace("20240808", "{date:%Y%m%d}")
    messages = [orjson.loads(line.partition(b" ")[2]) for line in gzip.decompress(path.read_bytes()).splitlines()]
    data = [message.get("data", message) for message in messages]
    expected = {
        Feed.TRADES: sum(message.get("e") == "trade" for message in data),
        Feed.QUOTES: sum("B" in message for message in data),
        Feed.BOOK: sum(len(message.get(side, ())) for message in data for side in "ba" if "U" in message)
        + sum(len(message[side]) for message in data if "lastUpdateId" in message for side in ("bids", "asks")),
    }
    for feed, count in expected.items():
        source = opened(pattern, feed)
        found = pl.concat([rows(source), rows(source, date(2024, 8, 9))])
        assert (found.height, found["defect"].null_count()) == (count, count)
