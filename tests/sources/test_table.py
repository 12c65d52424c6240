"""Tables through a declared mapping: what a column becomes, and what drift is refused."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tickline.errors import ConfigError, SchemaDrift, SourceError
from tickline.lake.schemas import RAW, Feed
from tickline.reference.models import Venue
from tickline.sources.table import Table

DAY = date(2024, 8, 8)
MAPPING: dict[str, Any] = {
    "format": "csv",
    "times": {"ts_event": {"from": "t", "unit": "s"}},
    "columns": {"instrument": {"constant": "AB"}, "price": {"from": "p"}},
}


def opened(path: Path | str, feed: Feed = Feed.TRADES, **settings: Any) -> Table:
    venue = Venue.model_validate(
        {
            "name": "v",
            "kind": "crypto",
            "calendar": "always",
            "start": "2024-08-01",
            "end": "2026-12-31",
            "feeds": {feed: {"kind": "table", "files": str(path)} | MAPPING | settings},
            "instruments": [{"name": "AB", "kind": "spot", "quote": "B", "tick_size": "0.01", "lot_size": "1"}],
        }
    )
    return Table.open(venue.feeds[feed], venue, feed)


def rows(source: Table, day: date = DAY) -> pl.DataFrame:
    batches = [batch.frame for one in source.objects(day) for batch in source.batches(one, day)]
    return pl.concat([RAW[source.feed].empty(), *batches])


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1723118400", {"unit": "s"}),
        ("1723118400.000000001", {"unit": "s"}),
        ("1723118400000", {"unit": "ms"}),
        ("1723118400000000", {"unit": "us"}),
        ("1723118400000000000", {"unit": "ns"}),
        ("2024-08-08T08:00:00", {"format": "%Y-%m-%dT%H:%M:%S", "time_zone": "America/New_York"}),
        ("08.08.2024 14:00:00.0", {"format": "%d.%m.%Y %H:%M:%S%.f", "time_zone": "Europe/Berlin"}),
        ("2024-08-08T13:00:00+0100", {"format": "%Y-%m-%dT%H:%M:%S%z"}),
    ],
)
def test_a_time_is_read_in_its_unit_or_format_and_zone(tmp_path: Path, text: str, time: dict[str, str]) -> None:
    source = opened(csv(tmp_path, "t,p", f"{text},1"), times={"ts_event": {"from": "t"} | time})
    (row,) = rows(source).to_dicts()
    assert row["ts_event"] == datetime(2024, 8, 8, 12, tzinfo=UTC)
    assert row["defect"] is None


@pytest.mark.parametrize("text", ["soon", "1e400", "99999999999999999999999999", "-99999999999999999999"])
def test_a_time_that_is_none_is_a_defect(tmp_path: Path, text: str) -> None:
    source = opened(csv(tmp_path, "t,p", "1723118400,1", f"{text},1"))
    assert rows(source)["defect"].to_list() == [None, f"ts_event '{text}' is not a time"]


@pytest.mark.parametrize("year", ["9999", "2262", "1600", "0001"])
def test_a_date_of_another_age_is_a_defect_not_a_date_of_ours(tmp_path: Path, year: str) -> None:
    time = {"from": "t", "format": "%Y-%m-%d", "time_zone": "UTC"}
    text = f"{year}-12-31"
    found = rows(opened(csv(tmp_path, "t,p", "2024-08-08,1", f"{text},1"), times={"ts_event": time}))
    assert found["defect"].to_list() == [None, f"ts_event '{text}' is not a time"]


def test_columns_are_renamed_divided_replaced_and_made_up(tmp_path: Path) -> None:
    path = csv(tmp_path, "t,p,s,who", "1723118400,16742,B,x", "1723118401,1684500,S,y")
    columns = {
        "instrument": {"from": "who", "values": {"x": "AB"}},
        "price": {"from": "p", "divide_by": 100},
        "size": {"constant": 1},
        "side": {"from": "s", "values": {"B": "buy", "S": "sell"}},
        "exchange": {"constant": "Z"},
    }
    found = rows(opened(path, columns=columns))
    assert found.select("instrument", "price", "size", "side", "exchange", "seq").rows() == [
        ("AB", 167.42, 1.0, "buy", "Z", 1),
        ("y", 16845.0, 1.0, "sell", "Z", 2),
    ]


def test_other_columns_than_declared_are_drift_with_a_diff(tmp_path: Path) -> None:
    source = opened(csv(tmp_path, "t,price,extra", "1723118400,1,2"))
    with pytest.raises(SchemaDrift, match="missing 'p', unexpected 'extra', unexpected 'price'") as drift:
        rows(source)
    assert "t.csv" in str(drift.value)


def test_ignored_columns_may_be_there_or_not(tmp_path: Path) -> None:
    assert rows(opened(csv(tmp_path, "t,p,extra", "1723118400,1,2"), ignore=["extra", "more"])).height == 1
    with pytest.raises(SchemaDrift, match="'p' twice"):
        rows(opened(csv(tmp_path, "t,p,p", "1723118400,1,2")))


def test_a_column_that_appears_in_the_middle_of_json_lines_is_drift(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"t":1723118400,"p":1}\n{"t":1723118400,"p":1,"new":2}\n')
    with pytest.raises(SchemaDrift, match="unexpected 'new'"):
        rows(opened(path, format="json_lines"))


def test_one_stray_quote_costs_one_line_not_its_page(tmp_path: Path) -> None:
    lines = [f"{1723118400 + n},1" for n in range(100)]
    found = rows(opened(csv(tmp_path, "t,p", *lines[:50], '"1723118400,1', *lines[50:])))
    assert (found.height, found["defect"].null_count()) == (101, 100)


def test_a_column_may_be_called_anything(tmp_path: Path) -> None:
    names = ["record", "defect", "line", "field_0", "seq", "literal"]
    path = csv(tmp_path, ",".join(["t", "p", *names]), "1723118400,1,2,3,4,5,6,7")
    for name in names:
        columns = MAPPING["columns"] | {"price": {"from": name}}
        source = opened(path, columns=columns, ignore=["p", *(other for other in names if other != name)])
        assert rows(source).select("price", "defect").rows() == [(names.index(name) + 2, None)]


def test_a_csv_without_header_has_declared_names(tmp_path: Path) -> None:
    found = rows(opened(csv(tmp_path, "9;1723118400;1.5"), names=["skip", "t", "p"], ignore=["skip"], separator=";"))
    assert found["price"].to_list() == [1.5]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_typed_columns_need_no_text(tmp_path: Path, form: str) -> None:
    at = datetime(2024, 8, 8, 12, tzinfo=UTC)
    frame = pl.DataFrame({"t": [at, None], "p": [1.25, 2.5]}, schema_overrides={"t": pl.Datetime("us", "UTC")})
    path = tmp_path / "t.bin"
    frame.write_parquet(path) if form == "parquet" else frame.write_ipc(path)
    found = rows(opened(path, format=form, times={"ts_event": {"from": "t"}}))
    assert found["ts_event"].to_list() == [at, None]
    assert found["price"].to_list() == [1.25, 2.5]


@pytest.mark.parametrize(
    ("column", "odd"),
    [
        ("t", pl.Series([{"x": 1}])),
        ("t", pl.Series([date(2024, 8, 8)])),
        ("t", pl.Series([b"1723118400"])),
        ("p", pl.Series([[1.5]])),
        ("p", pl.Series([datetime(2024, 8, 8, tzinfo=UTC)])),
    ],
)
def test_a_column_of_a_type_no_tick_has_is_drift(tmp_path: Path, column: str, odd: pl.Series) -> None:
    path = tmp_path / "t.bin"
    pl.DataFrame({"t": [1723118400], "p": [1.5]}).with_columns(odd.alias(column)).write_parquet(path)
    with pytest.raises(SchemaDrift, match=rf"{column} is"):
        rows(opened(path, format="parquet"))


def test_typed_times_too_far_away_are_defects(tmp_path: Path) -> None:
    path = tmp_path / "t.bin"
    far = pl.Series([1723118400 * 10**6, 2**62, -(2**62), 2**63 - 1]).cast(pl.Datetime("us"))
    pl.DataFrame({"t": far, "p": [1.0] * 4}).write_parquet(path)
    found = rows(opened(path, format="parquet", times={"ts_event": {"from": "t"}}))
    assert found["defect"].is_null().to_list() == [True, False, False, False]


@pytest.mark.parametrize("form", ["parquet", "arrow", "json_arrays"])
def test_a_file_of_another_format_is_refused_by_name(tmp_path: Path, form: str) -> None:
    path = csv(tmp_path, "t,p", "1723118400,1")
    with pytest.raises(SourceError, match=r"t\.csv"):
        rows(opened(path, format=form, names=["t", "p"]))


def test_a_table_whose_times_lie_outside_the_venues_life_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="check `times`"):
        opened(csv(tmp_path, "t,p", "1723118400000,1")).objects(DAY)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"columns": {"price": {"from": "p"}}}, "map at least"),
        ({"columns": {"instrument": {"constant": "A"}, "weight": {"from": "p"}}}, "weight"),
        ({"columns": {"instrument": {"constant": "A", "divide_by": 2}}}, "divide_by"),
        ({"columns": {"instrument": {"constant": "A", "from": "b"}}}, "either `from` or `constant`"),
        ({"times": {"ts_event": {"from": "t", "format": "%H"}}}, "time_zone"),
        ({"times": {"ts_event": {"from": "t", "unit": "weeks"}}}, "unit"),
        ({"format": "json_arrays"}, "names"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_impossible_mappings_are_config_errors(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        opened("t.csv", **settings)
    assert "venue v: feeds.trades" in str(error.value)


def test_real_trades_of_another_year_than_the_venues_are_refused(real_data: Path) -> None:
    source = opened(
        real_data / "freqtrade" / "XRP_ETH-trades.json.gz",
        format="json_arrays",
        names=["ms", "id", "type", "side", "price", "amount", "cost"],
        ignore=["id", "type", "side", "amount", "cost"],
        times={"ts_event": {"from": "ms", "unit": "ms"}},
        columns=MAPPING["columns"] | {"price": {"from": "price"}},
    )
    with pytest.raises(SourceError, match="check `times`"):
        source.objects(DAY)


def test_the_real_dirty_kalshi_file_loses_its_merge_markers_only(real_data: Path) -> None:
    folder = real_data / "prediction" / "kalshi_superbowl_1hz"
    source = opened(
        f"{folder}/orderbook_snapshots_{{date:%Y%m%d}}.csv.gz",
        Feed.QUOTES,
        ignore=["bid_levels", "ask_levels", "spread", "best_bid_size", "best_ask_size"],
        times={"ts_event": {"from": "timestamp", "format": "%Y-%m-%dT%H:%M:%S%.f", "time_zone": "America/New_York"}},
        columns={
            "instrument": {"from": "ticker"},
            "bid": {"from": "best_bid_price"},
            "ask": {"from": "best_ask_price"},
        },
    )
    found = pl.concat([rows(source, date(2026, 2, day)) for day in (7, 8, 9, 10)])
    defects = found["defect"].drop_nulls().to_list()
    assert found.height == 51_107
    assert [defect.split("'")[1][:7] for defect in defects] == ["<<<<<<<", "=======", ">>>>>>>"]


def test_a_broken_dated_file_is_named_with_the_days_that_wait_for_it_and_no_other_day_does(tmp_path: Path) -> None:
    header, noons = "t,p", {day: 1723118400 + 86_400 * (day - 8) for day in range(5, 12)}
    for day, noon in noons.items():
        csv(tmp_path, header, f"{noon},1.5").rename(tmp_path / f"2024-08-{day:02}.csv")
    source = opened(tmp_path / "{date}.csv")
    made = {day: rows(source, date(2024, 8, day)).height for day in noons}
    assert set(made.values()) == {1}
    (tmp_path / "2024-08-08.csv").write_text("t,price\n1,2\n")
    for day in noons:
        if 7 <= day <= 9:
            with pytest.raises(SchemaDrift, match=r"2024-08-08\.csv: .*missing 'p'.* \(2024-08-07 to 2024-08-09\)"):
                rows(source, date(2024, 8, day))
        else:
            assert rows(source, date(2024, 8, day)).height == 1
    (tmp_path / "2024-08-08.csv").write_text("")
    with pytest.raises(SourceError, match=r"2024-08-08\.csv: empty.* \(2024-08-07 to 2024-08-09\)"):
        source.objects(date(2024, 8, 7))


def test_a_broken_file_without_a_date_keeps_every_day_waiting(tmp_path: Path) -> None:
    csv(tmp_path, "t,price", "1723118400,1.5")
    with pytest.raises(SchemaDrift, match=r"t\.csv: .*\(any day, for its name has no date\)"):
        opened(tmp_path / "*.csv").objects(date(2026, 1, 1))
