"""LEAN's tick files: what their fields mean, and what is refused."""

import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import RAW, Feed
from tickline.reference.models import Venue
from tickline.sources.lean import Lean


def opened(
    folder: Path,
    feed: Feed = Feed.TRADES,
    security: str = "equity",
    zone: str = "America/New_York",
    names: tuple[str, ...] = ("SPY",),
) -> Lean:
    settings: dict[str, Any] = {"kind": "lean", "folder": str(folder), "security": security, "time_zone": zone}
    venue = Venue.model_validate(
        {
            "name": "v",
            "kind": "equity",
            "calendar": "c",
            "start": "2013-01-01",
            "feeds": {feed: settings},
            "instruments": [
                {"name": name, "kind": "equity", "quote": "USD", "tick_size": "0.01", "lot_size": "1"} for name in names
            ],
        }
    )
    return Lean.open(venue.feeds[feed], venue, feed)


def write(folder: Path, text: str, day: str = "20131008", kind: str = "trade", member: str | None = None) -> Path:
    path = folder / "spy" / f"{day}_{kind}.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member or f"{day}_spy_tick_{kind}.csv", text)
    return path


def rows(source: Lean, day: date = date(2013, 10, 8)) -> pl.DataFrame:
    batches = [batch.frame for one in source.objects(day) for batch in source.batches(one, day)]
    return pl.concat([RAW[source.feed].empty(), *batches])


def test_an_equity_trade_line_means_what_lean_says(tmp_path: Path) -> None:
    write(tmp_path, "34200007,1684500,500,Q,20002000,0\r\n34200008,1684501,1,D,1,1\r\n")
    first, second = rows(opened(tmp_path)).to_dicts()
    assert first == {
        "instrument": "SPY",
        "ts_event": datetime(2013, 10, 8, 13, 30, 0, 7000, tzinfo=UTC),
        "ts_recv": None,
        "price": 168.45,
        "size": 500.0,
        "side": None,
        "trade_id": None,
        "conditions": "20002000",
        "exchange": "Q",
        "seq": 0,
        "delivery": 0,
        "defect": None,
    }
    assert (second["price"], second["conditions"], second["seq"]) == (168.4501, "1!", 1)


def test_every_price_is_the_float_nearest_to_what_the_file_says(tmp_path: Path) -> None:
    prices = range(1_600_000, 1_700_000, 7)
    write(tmp_path, "\n".join(f"34200000,{price},1,Q,1,0" for price in prices))
    assert rows(opened(tmp_path))["price"].to_list() == [price / 10_000 for price in prices]


@pytest.mark.parametrize(
    ("feed", "security", "line", "expected"),
    [
        (Feed.QUOTES, "equity", "0,1684500,2,1684600,3,P,1,0", (168.45, 2.0, 168.46, 3.0)),
        (Feed.QUOTES, "forex", "0,1.38700,1.38790", (1.387, None, 1.3879, None)),
        (Feed.QUOTES, "crypto", "0,19650,0.02,19650.01,14.5", (19650.0, 0.02, 19650.01, 14.5)),
        (Feed.QUOTES, "crypto", "0,19650,0.02,19650.01,14.5,1", (19650.0, 0.02, 19650.01, 14.5)),
    ],
)
def test_quotes_of_each_kind_of_security(
    tmp_path: Path, feed: Feed, security: str, line: str, expected: tuple[float | None, ...]
) -> None:
    write(tmp_path, line, kind="quote")
    (row,) = rows(opened(tmp_path, feed, security, "UTC")).select("bid", "bid_size", "ask", "ask_size", "defect").rows()
    assert row == (*expected, None)


def test_crypto_trades_are_not_scaled(tmp_path: Path) -> None:
    write(tmp_path, "1.5,19650.25,0.5\n2,19650.25,0.5,1\n")
    found = (
        rows(opened(tmp_path, security="crypto", zone="UTC")).select("ts_event", "price", "size", "conditions").rows()
    )
    assert found[0] == (datetime(2013, 10, 8, 0, 0, 0, 1500, tzinfo=UTC), 19650.25, 0.5, None)
    assert found[1][3] == "!"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("junk", "not 6 fields: 'junk'"),
        ("1,2,3", "not 6 fields: '1,2,3'"),
        ("1,2,3,Q,1,0,9", "not 6 fields: '1,2,3,Q,1,0,9'"),
        ("1,x,3,Q,1,0", "price 'x' is not a number"),
        ("1,2,,Q,1,0", "size '' is not a number"),
        ("86400000,2,3,Q,1,0", "no millisecond of the file's day: '86400000'"),
        ("-1,2,3,Q,1,0", "no millisecond of the file's day: '-1'"),
        ("nan,2,3,Q,1,0", "no millisecond of the file's day: 'nan'"),
        ("1,2,3,Q,1,maybe", "neither suspicious nor not: 'maybe'"),
        ("\x00\udcff\x1c", "not 6 fields"),
    ],
)
def test_a_malformed_line_is_a_row_with_a_defect_and_costs_no_other(tmp_path: Path, line: str, says: str) -> None:
    good = "34200007,1684500,500,Q,20002000,0"
    text = f"{good}\n{line}\n{good}".encode("utf-8", "surrogateescape").decode("latin-1")
    write(tmp_path, text)
    found = rows(opened(tmp_path))
    assert found.height == 3
    assert found["defect"].to_list()[::2] == [None, None]
    assert says in found["defect"][1]


def test_local_times_are_read_by_the_clocks_of_their_day(tmp_path: Path) -> None:
    """New York's clocks went back on 2013-11-03 and forward on 2014-03-09."""
    for day in ("20131101", "20131104", "20140310"):
        write(tmp_path, "34200000,1,1,Q,1,0", day=day)
    write(tmp_path, "9000000,1,1,Q,1,0\n34200000,1,1,Q,1,0", day="20140309")
    source = opened(tmp_path)
    opens = [rows(source, date(year, month, day))["ts_event"].to_list()[-1].hour for year, month, day in
             [(2013, 11, 1), (2013, 11, 4), (2014, 3, 10), (2014, 3, 9)]]  # fmt: skip
    assert opens == [13, 14, 13, 13]
    skipped = rows(source, date(2014, 3, 9)).row(0, named=True)
    assert skipped["ts_event"] is None
    assert "9000000" in skipped["defect"]


@pytest.mark.parametrize(
    "member",
    ["20131009_spy_tick_trade.csv", "20131008_aapl_tick_trade.csv", "20131008_spy_minute_trade.csv", "../x.csv"],
)
def test_a_renamed_file_is_refused(tmp_path: Path, member: str) -> None:
    write(tmp_path, "1,2,3,Q,1,0", member=member)
    with pytest.raises(SourceError, match=r"20131008_trade.zip: holds .* not what its name says"):
        rows(opened(tmp_path))


def test_a_day_is_complete_once_a_file_reaches_beyond_it(tmp_path: Path) -> None:
    write(tmp_path, "1,2,3,Q,1,0", day="20131008")
    write(tmp_path, "1,2,3,Q,1,0", day="20131011")
    source = opened(tmp_path)
    assert [source.complete(date(2013, 10, day)) for day in (7, 8, 9, 11, 12)] == [True, True, True, True, False]


def test_settings_that_cannot_be_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"venue v: feeds.trades: .*time_zone"):
        opened(tmp_path, zone="Mars/Olympus")
    with pytest.raises(ConfigError, match="no forex trades ticks"):
        opened(tmp_path, security="forex")


@pytest.mark.parametrize("names", [("../../etc",), ("/etc",), (".",), ("a\0",), ("SPY\n",), ("SPY", "spy")])
def test_a_name_that_is_no_folder_of_its_own_must_be_given_one(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="symbols: name a folder"):
        opened(tmp_path, names=names)


def test_real_spy_trades_are_all_there(real_data: Path) -> None:
    source = opened(real_data / "lean" / "equity" / "tick")
    found = rows(source, date(2013, 10, 7))
    with zipfile.ZipFile(real_data / "lean/equity/tick/spy/20131007_trade.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    assert found.height == len(lines)
    assert found["defect"].null_count() == found.height
    assert found["size"].sum() == sum(int(line.split(",")[2]) for line in lines)


def test_the_two_real_fx_venues_agree_on_the_clock(real_data: Path) -> None:
    """FXCM's fixed five hours and Oanda's UTC: prices of the same minute are the same to a pip."""
    mids = []
    for venue, zone in (("fxcm", "Etc/GMT+5"), ("oanda", "UTC")):
        folder = real_data / "lean" / "forex" / venue / "tick"
        source = opened(folder, Feed.QUOTES, "forex", zone)
        path = {"SPY": folder / "eurusd"}
        quotes = rows(Lean(source.settings, source.feed, path), date(2014, 5, 6))
        mids.append(
            quotes.group_by(pl.col("ts_event").dt.truncate("1m")).agg(((pl.col("bid") + pl.col("ask")) / 2).last())
        )
    both = mids[0].join(mids[1], on="ts_event", suffix="_oanda")
    assert both.height > 1000
    assert (both["bid"] - both["bid_oanda"]).abs().median() < 0.0001
