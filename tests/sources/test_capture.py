"""Reading segments: what was captured comes back exactly, by day, in batches, and damage is noticed."""

import gzip
import hashlib
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import MARKETS, RAW, Feed
from tickline.reference.models import SourceSpec, Venue
from tickline.sources import capture
from tickline.sources.capture import Capture, CapturedMarkets, days_of
from tickline.sources.segments import COLUMNS, Kind, Page, Segment, segments, write

DAY = date(2026, 3, 6)
NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


def page(kind: Kind, rows: list[tuple[Any, ...]], **more: Any) -> Page:
    columns = {name: [row[n] for row in rows] for n, name in enumerate(COLUMNS[kind])}
    known = {"symbol": "BTC/USDT", "url": "/x", "status": 200, "ts_recv": ns(NOON), "since": ns(NOON), "body": "[]"}
    return Page(**(known | {"columns": columns} | more))


def trade(ts: int | None, price: str | None = "1.5", *, number: int = 0, defect: str | None = None) -> tuple[Any, ...]:
    return (ts, price, "2.0", "buy", str(number), number, defect)


def store(folder: Path, kind: Kind, *pages: Page, cursors: dict[str, Any] | None = None) -> Segment:
    return write(folder / kind, pages, cursors or {}, days=days_of(kind, pages))


def read(folder: Path, feed: Feed, day: date = DAY) -> pl.DataFrame:
    source = Capture(folder, feed, ("BTC/USDT",))
    return pl.concat([RAW[feed].empty()] + [b.frame for o in source.objects(day) for b in source.batches(o, day)])


def test_values_come_back_exactly_nan_and_infinity_included(tmp_path: Path) -> None:
    numbers = [0.1, 1 / 3, 1e-300, 123456789.987654321, math.inf, -math.inf, math.nan]
    rows = [trade(ns(NOON) + n, repr(value), number=n) for n, value in enumerate(numbers)]
    store(tmp_path, Kind.TRADES, page(Kind.TRADES, [*rows, trade(None, None, number=7, defect="no price")]))
    frame = read(tmp_path, Feed.TRADES)
    assert dict(frame.schema) == RAW[Feed.TRADES].columns
    assert [repr(value) for value in frame["price"]] == [*map(repr, numbers), "None"]
    assert frame["defect"].to_list() == [None] * 7 + ["no price"]
    assert frame["ts_event"].dt.epoch("ns").to_list() == [*(ns(NOON) + n for n in range(7)), None]


def test_the_body_is_kept_as_it_was_sent(tmp_path: Path) -> None:
    body = '[{"p": 1.10000, "x": "\\ud800 \\u0000 ü"}]\r\n'
    segment = store(tmp_path, Kind.TRADES, page(Kind.TRADES, [], body=body))
    assert [kept.body for kept in segment.pages()] == [body]


def test_every_row_belongs_to_exactly_one_day(tmp_path: Path) -> None:
    asked, received = datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 7, 1, tzinfo=UTC)
    moments = {
        ns(asked) - 1: date(2026, 3, 3),
        ns(asked): date(2026, 3, 4),
        ns(NOON): DAY,
        ns(received + timedelta(hours=23)): date(2026, 3, 8),
        ns(received + timedelta(hours=25)): received.date(),
        ns(asked - timedelta(hours=25)): received.date(),
        ns(NOON) // 1000: received.date(),
        None: received.date(),
    }
    rows = [trade(moment, number=n) for n, moment in enumerate(moments)]
    segment = store(tmp_path, Kind.TRADES, page(Kind.TRADES, rows, since=ns(asked), ts_recv=ns(received)))
    assert (segment.first, segment.last) == (date(2026, 3, 3), date(2026, 3, 8))
    found = {
        seq: day
        for day in (date(2026, 3, 1) + timedelta(days=n) for n in range(12))
        for seq in read(tmp_path, Feed.TRADES, day)["seq"]
    }
    assert found == dict(enumerate(moments.values()))


def test_starting_again_from_a_cursor_gives_exactly_the_rows_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "_BATCH_ROWS", 3)
    pages = [page(Kind.TRADES, [trade(ns(NOON), number=10 * p + n) for n in range(p % 3)]) for p in range(9)]
    store(tmp_path, Kind.TRADES, *pages)
    source = Capture(tmp_path, Feed.TRADES, ())
    (source_object,) = source.objects(DAY)
    batches = list(source.batches(source_object, DAY))
    assert len(batches) > 2
    for number, batch in enumerate(batches):
        rest = list(source.batches(source_object, DAY, cursor=batch.cursor))
        assert [again.cursor for again in rest] == [later.cursor for later in batches[number + 1 :]]
        assert all(a.frame.equals(b.frame) for a, b in zip(rest, batches[number + 1 :], strict=True))
    whole = pl.concat(batch.frame for batch in batches)
    assert whole["delivery"].to_list() == [1, 2, 2, 4, 5, 5, 7, 8, 8]


def test_quotes_are_the_best_finite_levels_of_each_side(tmp_path: Path) -> None:
    poisoned = [
        ("bid", "nan", "9.0", None),
        ("bid", "10.0", "1.0", None),
        ("bid", "11.0", "2.0", None),
        ("bid", None, "3.0", "no price"),
        ("ask", "12.5", "4.0", None),
        ("ask", "inf", "5.0", None),
        ("ask", "12.0", "6.0", None),
    ]
    store(
        tmp_path,
        Kind.BOOK,
        page(Kind.BOOK, poisoned, nonce=77, ts_event=ns(NOON) - 5),
        page(Kind.BOOK, []),
        page(Kind.BOOK, [("ask", "3.0", "1.0", None)]),
        page(Kind.BOOK, [(None, None, None, "ValueError: not a book")]),
    )
    full, one_sided = read(tmp_path, Feed.QUOTES).to_dicts()
    values = ("bid", "bid_size", "ask", "ask_size", "seq", "delivery")
    assert [full[name] for name in values] == [
        11.0,
        2.0,
        12.0,
        6.0,
        77,
        0,
    ]
    assert read(tmp_path, Feed.QUOTES)["ts_event"].dt.epoch("ns").to_list() == [ns(NOON) - 5, ns(NOON)]
    assert [one_sided[name] for name in ("bid", "ask", "seq", "delivery")] == [None, 3.0, 0, 2]
    book = read(tmp_path, Feed.BOOK)
    assert dict(book.schema) == RAW[Feed.BOOK].columns
    assert book.height == 9
    assert book["seq"].to_list() == [77] * 7 + [0, 0]
    assert book.filter(pl.col("defect").is_not_null())["defect"].to_list() == ["no price", "ValueError: not a book"]


def test_a_day_is_complete_only_for_instruments_covered_from_its_start_to_its_end(tmp_path: Path) -> None:
    start = datetime(2026, 3, 6, tzinfo=UTC)
    end, second = start + timedelta(days=1), timedelta(seconds=1)
    covers = {"whole": (start, end), "late": (start + second, end), "early": (start, end - second)}
    cursors = {name: {"covers": [ns(a), ns(b)]} for name, (a, b) in covers.items()}
    assert not Capture(tmp_path, Feed.TRADES, ("whole",)).complete(DAY)
    store(tmp_path, Kind.TRADES, page(Kind.TRADES, []), cursors=cursors)
    assert Capture(tmp_path, Feed.TRADES, ("whole",)).complete(DAY)
    for other in ("late", "early", "never"):
        assert not Capture(tmp_path, Feed.TRADES, ("whole", other)).complete(DAY)


def test_a_folder_that_does_not_exist_yet_holds_nothing(tmp_path: Path) -> None:
    source = Capture(tmp_path / "absent", Feed.TRADES, ())
    assert source.objects(DAY) == []
    assert CapturedMarkets(tmp_path).markets(DAY).equals(MARKETS.empty())


def test_a_damaged_segment_is_refused_wherever_it_is_damaged(tmp_path: Path) -> None:
    segment = store(tmp_path, Kind.TRADES, page(Kind.TRADES, [trade(ns(NOON))]))
    source = Capture(tmp_path, Feed.TRADES, ())
    (source_object,) = source.objects(DAY)
    content = segment.path.read_bytes()
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 1
        segment.path.write_bytes(damaged)
        with pytest.raises(SourceError, match="damaged"):
            list(source.batches(source_object, DAY))
    segment.path.write_bytes(content[:-1])
    with pytest.raises(SourceError, match="damaged"):
        list(source.batches(source_object, DAY))
    segment.path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        list(source.batches(source_object, DAY))


@pytest.mark.parametrize("name", ["trades.jsonl.gz", "00000000_2026-03-06_2026-02-30_" + "0" * 64 + ".jsonl.gz"])
def test_a_renamed_segment_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "trades").mkdir()
    (tmp_path / "trades" / name).write_bytes(b"")
    with pytest.raises(SourceError, match=r"renamed"):
        Capture(tmp_path, Feed.TRADES, ()).objects(DAY)


def test_segments_are_numbered_in_order_and_what_a_killed_writer_left_is_ignored(tmp_path: Path) -> None:
    first = store(tmp_path, Kind.TRADES, page(Kind.TRADES, [trade(ns(NOON))]))
    (tmp_path / "trades" / "tmpabc.staged").write_bytes(b"half a segm")
    second = store(tmp_path, Kind.TRADES, page(Kind.TRADES, [trade(ns(NOON), number=1)]), cursors={"a": {"n": 1}})
    assert segments(tmp_path / "trades") == [first, second]
    assert (first.number, second.number, second.cursors()) == (0, 1, {"a": {"n": 1}})
    assert read(tmp_path, Feed.TRADES)["seq"].to_list() == [0, 1]


def test_equal_pages_make_equal_bytes(tmp_path: Path) -> None:
    one, two = (store(tmp_path / name, Kind.TRADES, page(Kind.TRADES, [trade(ns(NOON))])) for name in ("one", "two"))
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.path.name == two.path.name


KALSHI_CENTS = {
    "title": "T",
    "rules_primary": "A.",
    "rules_secondary": "B.",
    "yes_bid": 12,
    "yes_ask": 55,
    "no_bid": 45,
    "no_ask": 88,
    "open_time": "2025-04-26T15:45:42Z",
    "close_time": "0001-01-01T00:00:00Z",
}
KALSHI_DOLLARS = {
    "title": "T",
    "yes_bid_dollars": "0.1200",
    "yes_ask_dollars": "0.5500",
    "no_bid_dollars": "0.4500",
    "no_ask_dollars": "0.8800",
    "yes_bid": 99,
}
POLYMARKET = {
    "question": "T",
    "description": "A.\nB.",
    "bestBid": 0.12,
    "bestAsk": "0.55",
    "startDate": "2025-04-26T15:45:42.000000Z",
    "endDate": "nonsense",
}


@pytest.mark.parametrize("payload", [KALSHI_CENTS, KALSHI_DOLLARS, POLYMARKET])
def test_venues_spell_a_market_differently_and_mean_the_same(tmp_path: Path, payload: dict[str, Any]) -> None:
    rows = [
        (outcome, "E", "Event", "M", label, position, None, "active", "0.01", orjson.dumps(payload).decode())
        for position, (outcome, label) in enumerate((("M", "YES"), ("M-NO", "NO")))
    ]
    store(tmp_path, Kind.MARKETS, page(Kind.MARKETS, rows))
    frame = CapturedMarkets(tmp_path).markets(DAY)
    assert dict(frame.schema) == MARKETS.columns
    assert frame["title"].to_list() == ["T", "T"]
    assert frame["bid"].to_list() == pytest.approx([0.12, 0.45])
    assert frame["ask"].to_list() == pytest.approx([0.55, 0.88])
    assert frame["ts_close"].to_list() == [None, None]
    if payload is not KALSHI_DOLLARS:
        assert frame["rules"].to_list() == ["A.\nB."] * 2
        assert frame["ts_open"].to_list() == [datetime(2025, 4, 26, 15, 45, 42, tzinfo=UTC)] * 2


def test_a_venues_configuration_opens_the_source(tmp_path: Path) -> None:
    instrument = {"name": "BTC/USDT", "kind": "spot", "quote": "USDT", "tick_size": "0.01", "lot_size": "0.00001"}
    venue = Venue.model_validate(
        {"name": "v", "kind": "crypto", "calendar": "always", "start": DAY, "feeds": {}, "instruments": [instrument]}
    )
    spec = SourceSpec.model_validate({"kind": "capture", "path": str(tmp_path)})
    assert Capture.open(spec, venue, Feed.QUOTES) == Capture(tmp_path, Feed.QUOTES, ("BTC/USDT",))
    assert CapturedMarkets.open(spec, venue, calendars={}) == CapturedMarkets(tmp_path)
    for wrong in ({"kind": "capture"}, {"kind": "capture", "path": str(tmp_path), "pth": 1}):
        with pytest.raises(ConfigError, match="venue v, feed quotes, source capture"):
            Capture.open(SourceSpec.model_validate(wrong), venue, Feed.QUOTES)


def named_by_its_hash(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / f"00000000_{DAY}_{DAY}_{hashlib.sha256(content).hexdigest()}.jsonl.gz").write_bytes(content)


CURSORS = b'\n{"cursors":{"BTC/USDT":{"covers":[0,9]}}}\n'
WHOLE = orjson.dumps(page(Kind.TRADES, [trade(ns(NOON))]))


@pytest.mark.parametrize(
    "content",
    [
        b"not gzip",
        gzip.compress(WHOLE + CURSORS)[:-9],
        gzip.compress(b"{" + CURSORS),
        gzip.compress(b'"text"' + CURSORS),
        gzip.compress(b"{}" + CURSORS),
        gzip.compress(WHOLE.replace(b'"status":200', b'"status":"ok"') + CURSORS),
        gzip.compress(WHOLE.replace(b'"ts_recv":', b'"ts_recv":9') + CURSORS),
        gzip.compress(WHOLE.replace(b'"price":["1.5"]', b'"price":[]') + CURSORS),
        gzip.compress(WHOLE.replace(b'"price":["1.5"]', b'"price":[{"a":1}]') + CURSORS),
        gzip.compress(WHOLE.replace(b'"price":', b'"prise":') + CURSORS),
    ],
    ids=[
        "not gzip",
        "cut short",
        "broken JSON",
        "a text for an object",
        "an empty object",
        "a status in words",
        "a time out of range",
        "no price",
        "a price that is an object",
        "a misspelled column",
    ],
)
def test_a_segment_whose_name_is_right_and_content_is_not_is_a_source_error(tmp_path: Path, content: bytes) -> None:
    named_by_its_hash(tmp_path / "trades", content)
    with pytest.raises(SourceError):
        read(tmp_path, Feed.TRADES)


@pytest.mark.parametrize("covers", [b"{}", b'{"covers":5}', b'{"covers":["a","b"]}', b"null"])
def test_cursors_that_say_nothing_prove_no_day_complete(tmp_path: Path, covers: bytes) -> None:
    named_by_its_hash(tmp_path / "trades", gzip.compress(WHOLE + b'\n{"cursors":{"BTC/USDT":' + covers + b"}}\n"))
    assert not Capture(tmp_path, Feed.TRADES, ("BTC/USDT",)).complete(DAY)
