"""What every file source promises, on small recordings with junk in them."""

import gzip
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tickline.errors import SourceError
from tickline.lake.schemas import RAW, Feed
from tickline.reference.models import Venue
from tickline.sources.opening import open_source

NOON = 1_723_118_400_000  # 2024-08-08 12:00 UTC, in ms


@dataclass(frozen=True)
class Case:
    feed: Feed
    settings: dict[str, Any]
    rows: int
    defects: int
    chunk: str
    write: Callable[[Path], None]


def zipped(path: Path, member: str, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)


def lean_files(folder: Path) -> None:
    day = "14400000,1000000,5,P,1,0\r\n54000000.5,1000100,7,Q,20,1\r\njunk\r\n\r\n99999999,1000000,5,P,1,0\r\n"
    evening = "71990000,1000200,1,P,2000,0\n79200000,1000300,x,P,2000,0\n79200000,1000300,3,P,2000,0,9\n"
    zipped(folder / "abc/20240807_trade.zip", "20240807_abc_Trade_Tick.csv", "\ufeff" + day + evening)
    zipped(folder / "abc/20240808_trade.zip", "20240808_abc_trade_tick.csv", day)


def binance_lines() -> list[str]:
    def trade(at: int, number: int, price: str = "1.5") -> dict[str, Any]:
        return {"e": "trade", "E": at, "T": at, "s": "AB", "t": number, "p": price, "q": "2", "m": number % 2 == 0}

    def depth(at: int, first: int, last: int) -> dict[str, Any]:
        return {"e": "depthUpdate", "E": at, "s": "AB", "U": first, "u": last, "b": [["1", "2"]], "a": [["2", "0"]]}

    late = NOON + 12 * 3_600_000  # the next midnight
    messages: list[tuple[int, Any]] = [
        (NOON, {"stream": "ab@trade", "data": trade(NOON, 1)}),
        (NOON, trade(NOON - 5, 2)),
        (NOON + 1, {"u": 7, "s": "AB", "b": "1", "B": "5", "a": "2", "A": "6"}),
        (NOON + 2, {"stream": "ab@depth", "data": depth(NOON + 1, 11, 12)}),
        (NOON + 3, {"lastUpdateId": 11, "bids": [["1", "1"], ["0.5", "x"]], "asks": [["2", "1"]]}),
        (NOON + 4, trade(NOON * 1000, 3)),
        (NOON + 4, trade(5, 4)),
        (NOON + 5, {"e": "trade", "s": "AB"}),
        (late - 1, trade(late + 3, 5, "not a price")),
        (late + 2, trade(late - 2, 6)),
        (late + 2, {"result": None, "id": 1}),
        (late + 3, {"e": "depthUpdate", "E": late, "s": "AB", "U": 13, "u": 14, "b": [["1"]], "a": []}),
    ]
    return [f"{at}000000 {json.dumps(message)}" for at, message in messages] + ["junk", "7 {", "", "\x00\xff"]


def binance_files(folder: Path) -> None:
    (folder / "ab_20240808.gz").write_bytes(
        gzip.compress("\n".join(binance_lines()).encode("utf-8", "surrogateescape"))
    )


def cryptofeed_files(folder: Path) -> None:
    def match(number: int, second: int) -> str:
        return json.dumps(
            {"type": "match", "trade_id": number, "side": "sell", "size": "1", "price": "2", "product_id": "A-B"}
            | {"time": f"2024-08-08T12:00:{second:02}.5Z"}
        )

    lines = [
        'configuration: {"trades": ["A-B"]}',
        "wss://x <-> 1723118400.5",
        'wss://x <- 1723118400.6: {"type":"subscribe"}',
        f"1723118401.1234567: {match(1, 1)}",
        "1723118401.2: not json",
        f"1723118402: {match(2, 2)}",
        "wss://x <-> 1723118403.5",
        f"1723118404.5: {match(2, 2)}",
        "nothing at all",
        f"1723118405.5: {match(3, 4)}",
    ]
    (folder / "COINBASE.ws.1.0").write_text("\n".join(lines) + "\n")


TABLE = [
    [NOON, "7", "buy", 1.5, 2.0],
    [NOON + 1, "8", "sell", 1.25, 3.0],
    [NOON + 12 * 3_600_000, "9", "sell", 1.25, 3.0],
    [None, "10", "sell", 1.25, None],
]
NAMES = ["ms", "id", "side", "price", "amount"]


def csv_files(folder: Path) -> None:
    lines = [",".join("" if value is None else str(value) for value in row) for row in TABLE]
    quoted = f'{NOON},"11","bu""y",1.5,2'
    broken = ['<<<<<<< "stray', f"{NOON},12,buy,1.5,2,extra", "x,13,buy,1.5,2", f"{NOON},14,buy,one,2"]
    (folder / "t.csv").write_text("\ufeff" + "\r\n".join([",".join(NAMES), *lines, quoted, *broken, ""]))


def json_lines_files(folder: Path) -> None:
    lines = [json.dumps(dict(zip(NAMES, row, strict=True))) for row in TABLE] + ["{", "[1]", '{"ms": 5}']
    (folder / "t.jsonl").write_text("\n".join(lines))


def json_arrays_files(folder: Path) -> None:
    (folder / "t.json.gz").write_bytes(gzip.compress(json.dumps([*TABLE, [1], {"a": 1}]).encode()))


def parquet_files(folder: Path) -> None:
    frame = pl.DataFrame(TABLE, schema=NAMES, orient="row")
    frame.write_parquet(folder / "t.parquet")


def arrow_files(folder: Path) -> None:
    frame = pl.DataFrame(TABLE, schema=NAMES, orient="row")
    frame.with_columns(pl.col("ms").cast(pl.Datetime("ms"))).write_ipc(folder / "t.feather", record_batch_size=2)


def lean(feed: Feed = Feed.TRADES) -> Case:
    settings = {"kind": "lean", "folder": "", "security": "equity", "time_zone": "America/New_York"}
    return Case(feed, settings, 11, 6, "block_bytes", lean_files)


def binance(feed: Feed, rows: int, defects: int) -> Case:
    settings = {"kind": "binance_ws", "files": "ab_{date:%Y%m%d}.gz", "snapshot_symbol": "AB"}
    return Case(feed, settings, rows, defects, "batch_rows", binance_files)


def table(
    form: str, name: str, rows: int, defects: int, write: Callable[[Path], None], unit: str | None = "ms"
) -> Case:
    columns = {
        "instrument": {"constant": "AB"},
        "side": {"from": "side", "values": {"buy": "buy"}},
        "trade_id": {"from": "id"},
        "price": {"from": "price", "divide_by": 4},
        "size": {"from": "amount"},
    }
    settings = {
        "kind": "table",
        "files": name,
        "format": form,
        "columns": columns,
        "times": {"ts_event": {"from": "ms"} | ({"unit": unit} if unit else {"time_zone": "UTC"})},
    } | ({"names": NAMES} if form == "json_arrays" else {})
    return Case(Feed.TRADES, settings, rows, defects, "piece_size", write)


CASES = {
    "lean": lean(),
    "binance trades": binance(Feed.TRADES, 10, 6),
    "binance quotes": binance(Feed.QUOTES, 4, 3),
    "binance book": binance(Feed.BOOK, 9, 5),
    "cryptofeed": Case(
        Feed.TRADES,
        {"kind": "cryptofeed", "files": "COINBASE*", "exchange": "coinbase"},
        6,
        2,
        "batch_rows",
        cryptofeed_files,
    ),
    "csv": table("csv", "t.csv", 9, 4, csv_files),
    "json lines": table("json_lines", "t.jsonl", 7, 3, json_lines_files),
    "json arrays": table("json_arrays", "t.json.gz", 6, 2, json_arrays_files),
    "parquet": table("parquet", "t.parquet", 4, 0, parquet_files),
    "arrow": table("arrow", "t.feather", 4, 0, arrow_files, unit=None),
}
DAYS = [date(2024, 8, 1) + timedelta(days=after) for after in range(15)]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Case]:
    case = CASES[request.param]
    case.write(tmp_path)
    where = "folder" if case.settings["kind"] == "lean" else "files"
    settings = case.settings | {where: str(tmp_path / case.settings[where])}
    venue = Venue.model_validate(
        {
            "name": "v",
            "kind": "crypto",
            "calendar": "always",
            "start": "2024-08-01",
            "end": "2024-08-20",
            "feeds": {case.feed: settings},
            "instruments": [{"name": "ABC", "kind": "spot", "quote": "B", "tick_size": "0.01", "lot_size": "1"}],
        }
    )
    return open_source(venue.feeds[case.feed], venue, case.feed, calendars={}), case


def read(source: Any, day: date, source_object: Any, cursor: str | None = None) -> pl.DataFrame:
    frames = [batch.frame for batch in source.batches(source_object, day, cursor=cursor)]
    return pl.concat([RAW[source.feed].empty(), *frames])


def everything(source: Any) -> pl.DataFrame:
    frames = [read(source, day, one).with_columns(uri=pl.lit(one.uri)) for day in DAYS for one in source.objects(day)]
    return pl.concat(frames)


def test_rows_have_exactly_the_raw_schema(case: tuple[Any, Case]) -> None:
    source, expected = case
    for day in DAYS:
        for one in source.objects(day):
            for batch in source.batches(one, day):
                assert dict(batch.frame.schema) == RAW[expected.feed].columns


def test_every_row_belongs_to_exactly_one_day_and_unreadable_ones_are_kept(case: tuple[Any, Case]) -> None:
    source, expected = case
    rows = everything(source)
    assert rows.height == expected.rows
    assert rows.height - rows["defect"].null_count() == expected.defects


def test_the_rest_follows_every_cursor(case: tuple[Any, Case]) -> None:
    source, expected = case
    small = replace(source, **{expected.chunk: 1})
    for day in DAYS:
        for one in small.objects(day):
            batches = list(small.batches(one, day))
            for at, batch in enumerate(batches):
                rest = pl.concat([RAW[expected.feed].empty(), *(after.frame for after in batches[at + 1 :])])
                assert_frame_equal(read(small, day, one, batch.cursor), rest)


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_the_size_of_chunks_changes_no_row(case: tuple[Any, Case], size: int) -> None:
    source, expected = case
    assert_frame_equal(everything(replace(source, **{expected.chunk: size})), everything(source))


def test_a_file_that_changed_since_it_was_listed_is_refused(case: tuple[Any, Case], tmp_path: Path) -> None:
    source, _ = case
    one = source.objects(date(2024, 8, 8))[0]
    path = next(path for path in tmp_path.rglob("*") if path.is_file() and path.as_uri() == one.uri)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(SourceError, match="changed"):
        list(source.batches(one, date(2024, 8, 8)))


def test_an_empty_file_is_refused_by_name(case: tuple[Any, Case], tmp_path: Path) -> None:
    source, _ = case
    path = next(path for path in sorted(tmp_path.rglob("*0808*")) + sorted(tmp_path.rglob("*")) if path.is_file())
    path.write_bytes(b"")
    with pytest.raises(SourceError, match=path.name.replace("[", "")):
        source.objects(date(2024, 8, 8))


def test_a_cursor_that_no_batch_gave_is_refused(case: tuple[Any, Case]) -> None:
    source, _ = case
    one = source.objects(date(2024, 8, 8))[0]
    with pytest.raises(SourceError, match="cursor"):
        list(source.batches(one, date(2024, 8, 8), cursor="x"))


def test_a_folder_that_does_not_exist_is_named(case: tuple[Any, Case], tmp_path: Path) -> None:
    source, _ = case
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    tmp_path.rmdir()
    with pytest.raises(SourceError, match="no such folder"):
        source.objects(date(2024, 8, 8))
