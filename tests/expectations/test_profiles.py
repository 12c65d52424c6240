"""A profile is exact: what a plain loop over the rows counts, however partitions are put together."""

import math
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from expectations import profiles
from expectations.context import Partition
from expectations.profiles import profile
from expectations.suites import SUITES
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import CLEAN, Feed

NAN, INF = float("nan"), float("inf")
MIDNIGHT = datetime(2026, 3, 9, tzinfo=UTC)

trades = st.lists(
    st.fixed_dictionaries(
        {
            "instrument": st.sampled_from(["A", "B", "Z", None]),
            "ts_event": st.none()
            | st.integers(-20, 100).map(lambda half_hours: MIDNIGHT + half_hours * timedelta(minutes=30)),
            "price": st.sampled_from([100.0, 100.01, 0.005, 0.0, -1.0, NAN, INF, -INF, None]),
            "size": st.sampled_from([1.0, 2.0, 0.5, 0.0, NAN, None]),
            "side": st.sampled_from(["buy", "sell", "short", None]),
            "trade_id": st.sampled_from(["1", "2", "3", None]),
            "seq": st.integers(0, 3),
            "sets": st.just(15),
            "raw_row": st.integers(0, 6),
        }
    ),
    max_size=12,
)


def naive(rows: list[dict], instrument: str | None) -> dict[str, int]:
    """The counts of one instrument, one row at a time."""
    grids, always = {"A": (0.01, 1.0), "B": (0.5, 0.1)}, {"B"}
    own = [row for row in rows if row["instrument"] == instrument]
    counts = Counter(rows=len(own))
    for row in own:
        ts, price, size = row["ts_event"], row["price"], row["size"]
        numbers = [value for value in (price, size) if value is not None]
        needed = ("instrument", "ts_event", "price", "size", "seq", "sets", "raw_row")
        counts["nulls"] += any(row[name] is None for name in needed)
        counts["not_finite"] += any(not math.isfinite(value) for value in numbers)
        counts["not_positive"] += any(value <= 0 for value in numbers)
        counts["unknown_instruments"] += instrument not in grids
        counts["unknown_sides"] += row["side"] == "short"
        counts["outside_day"] += ts is not None and not MIDNIGHT <= ts < MIDNIGHT + timedelta(days=1)
        # The exchange trades 08:00 to midnight on Monday and Tuesday; the days known end with Tuesday.
        if instrument in grids and ts is not None:
            known = MIDNIGHT - timedelta(days=1) <= ts < MIDNIGHT + timedelta(days=2)
            trading = known and (instrument in always or (ts.date() >= MIDNIGHT.date() and ts.hour >= 8))
            counts["outside_session"] += not trading
        if instrument in grids:
            on_grids = zip((price, size), grids[instrument], strict=True)
            finite = [(value, grid) for value, grid in on_grids if value is not None and math.isfinite(value)]
            counts["off_grid"] += any(abs(value / grid - round(value / grid)) > 1e-6 for value, grid in finite)
    ids = [row["trade_id"] for row in own if row["trade_id"] is not None]
    counts["duplicates"] = len(ids) - len(set(ids))
    return counts


EXACT = (
    *("rows", "nulls", "not_finite", "not_positive", "unknown_instruments", "unknown_sides"),
    *("outside_day", "outside_session", "off_grid", "duplicates"),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=trades)
def test_trades_are_counted_as_a_loop_counts_them(rows, world):
    frame = pl.DataFrame(rows, schema=CLEAN[Feed.TRADES].columns)
    table = profile(
        [Partition(PartitionKey("clean_trades", "v", "2026-03-09"), frame.lazy(), len(rows))], world.context
    )

    for subject in {row["instrument"] for row in rows} | {"A", "B"}:
        (found,) = table.filter(pl.col("subject").eq_missing(subject), scope="subject").to_dicts()
        counted = naive(rows, subject)
        assert {name: found[name] for name in EXACT} == {name: counted[name] for name in EXACT}, subject
    (own,) = table.filter(scope="partition").to_dicts()
    raw_rows = [row["raw_row"] for row in rows]
    assert own["repeated_rows"] == len(raw_rows) - len(set(raw_rows))
    order = [
        (row["instrument"] or "", row["ts_event"] or datetime.min.replace(tzinfo=UTC), row["seq"], row["raw_row"])
        for row in rows
    ]
    assert own["out_of_order"] == sum(here < before for before, here in pairwise(order))


@pytest.fixture(scope="module")
def partitions(world) -> dict[str, list[Partition]]:
    """Several days of every daily dataset, flawless, dirty, drifted and empty."""

    def days(dataset: str) -> list[Partition]:
        base = world.partition(dataset)
        rows = base.frame.collect()
        frames = [rows, rows.reverse(), rows.drop(rows.columns[-1]), rows.clear(), pl.concat([rows, rows])]
        return [
            replace(
                base, key=replace(base.key, period=f"2026-03-{9 + number:02d}"), frame=frame.lazy(), rows=frame.height
            )
            for number, frame in enumerate(frames)
        ]

    return {dataset: days(dataset) for dataset in SUITES if dataset not in ("sessions", "instruments")}


def together(batch: list[Partition], world) -> pl.DataFrame:
    return profile(batch, world.context).sort("period", "scope", "subject")


@pytest.mark.parametrize(
    "dataset", ["raw_trades", "clean_trades", "clean_book", "quarantine_quotes", "bars_5m", "bars_1w"]
)
@pytest.mark.parametrize(("batch_rows", "eager_rows"), [(10**9, 10**9), (10**9, 0), (50, 0), (1, 10**9)])
def test_a_partition_counts_the_same_alone_and_among_others(
    dataset, batch_rows, eager_rows, partitions, world, monkeypatch
):
    alone = pl.concat([profile([each], world.context) for each in partitions[dataset]], how="diagonal")
    monkeypatch.setattr(profiles, "BATCH_ROWS", batch_rows)
    monkeypatch.setattr(profiles, "EAGER_ROWS", eager_rows)

    batched = together(partitions[dataset], world)

    assert_frame_equal(batched, alone.sort("period", "scope", "subject"), check_column_order=False)


def test_equal_hashes_of_different_keys_are_no_duplicates(world, monkeypatch):
    # A hash so short that most keys collide.
    monkeypatch.setattr(profiles, "_short", lambda key, _schema: pl.col(key).str.len_chars())

    table = profile([world.partition("clean_trades")], world.context)

    assert table["duplicates"].sum() == 0


def test_rows_are_only_ever_streamed(world, tmp_path, monkeypatch):
    path = tmp_path / "trades.parquet"
    rows = pl.concat([world.rows("clean_trades")] * 500)
    rows.write_parquet(path, row_group_size=1000)
    monkeypatch.setattr(profiles, "EAGER_ROWS", 0)
    collected = []
    collect_all = pl.collect_all

    def spy(frames, **options):
        found = collect_all(frames, **options)
        collected.extend(frame.height for frame in found)
        assert options == {"engine": "streaming"}
        return found

    monkeypatch.setattr(pl, "collect_all", spy)
    table = profile([Partition(world.key("clean_trades"), pl.scan_parquet(path), rows.height)], world.context)

    assert table.filter(scope="partition")["rows"].to_list() == [20_000]
    assert max(collected) == 2


@pytest.mark.slow
def test_profiling_costs_a_small_multiple_of_reading(world, tmp_path):
    rows, path = 5_000_000, tmp_path / "trades.parquet"
    numbers = pl.int_range(rows, eager=True).alias("seq")
    frame = numbers.to_frame().select(
        instrument=pl.lit("B"),
        ts_event=pl.lit(MIDNIGHT).cast(pl.Datetime("ns", "UTC")) + pl.duration(microseconds=pl.col("seq") * 17_000),
        ts_recv=pl.lit(None, pl.Datetime("ns", "UTC")),
        price=(pl.col("seq") % 1000 + 1) / 2,
        size=(pl.col("seq") % 77 + 1) / 10,
        side=pl.lit("buy"),
        trade_id=pl.col("seq").cast(pl.String),
        conditions=pl.lit(None, pl.String),
        exchange=pl.lit(None, pl.String),
        seq="seq",
        sets=pl.lit(15, pl.UInt8),
        raw_row=pl.col("seq").cast(pl.UInt32),
    )
    frame.cast(CLEAN[Feed.TRADES].columns).write_parquet(path)
    partition = Partition(world.key("clean_trades"), pl.scan_parquet(path), rows)
    start = time.process_time()
    pl.scan_parquet(path).collect(engine="streaming")
    read = time.process_time() - start
    start = time.process_time()
    table = profile([partition], world.context)
    counted = time.process_time() - start
    assert table.filter(scope="partition")["rows_short"].item() == 0
    assert counted < 8 * read
