import gzip
import json
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tickline.bars import kernels
from tickline.bars.rollup import append, rollup
from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.lake.schemas import BARS, CLEAN, Feed
from tickline.reference.sessions import windows
from tickline.ticks.conditions import BITS

FRIDAY = date(2026, 3, 6)
ALL, VOLUME_ONLY = 15, 8
END = 2**62


@pytest.fixture(scope="module")
def minutes(sessions):
    return windows(sessions, "1m")


def test_a_bar_of_hand_made_prints(trades, at, minutes, instruments):
    ticks = trades(
        ("COIN", at(FRIDAY, "10:00:01"), 1, 10.05, 0.5, ALL),
        ("COIN", at(FRIDAY, "10:00:02"), 2, 10.20, 0.1, ALL),
        ("COIN", at(FRIDAY, "10:00:59"), 3, 9.90, 0.3, ALL),
        ("COIN", at(FRIDAY, "10:00:59"), 4, 10.00, 0.001, ALL),
    )
    bar = rollup(ticks, None, minutes, instruments, watermark=END).row(0, named=True)
    assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (10.05, 10.20, 9.90, 10.00)
    assert bar["volume"] == 0.901
    assert bar["turnover"] == Decimal("9.025")  # 5.025 + 1.02 + 2.97 + 0.01
    assert bar["vwap"] == pytest.approx(9.025 / 0.901, rel=1e-15)
    assert (bar["trades"], bar["quotes"], bar["bid_open"]) == (4, 0, None)
    assert (bar["ts_first"], bar["seq_first"]) == (at(FRIDAY, "10:00:01"), 1)
    assert (bar["ts_last"], bar["seq_last"]) == (at(FRIDAY, "10:00:59"), 4)
    assert (bar["ts_open"], bar["ts_close"]) == (at(FRIDAY, "10:00"), at(FRIDAY, "10:01"))
    assert (bar["session_date"], bar["segment"]) == (FRIDAY, "regular")


def test_a_bar_of_hand_made_quotes_leaves_one_sided_ones_out(quotes, at, minutes, instruments):
    ticks = quotes(
        ("COIN", at(FRIDAY, "10:00:01"), 1, 10.00, 10.02),
        ("COIN", at(FRIDAY, "10:00:02"), 2, 10.01, 10.05),
        ("COIN", at(FRIDAY, "10:00:03"), 3, None, 9.00),
        ("COIN", at(FRIDAY, "10:00:04"), 4, 9.99, 10.01),
    )
    bar = rollup(None, ticks, minutes, instruments, watermark=END).row(0, named=True)
    assert [bar[f"bid_{name}"] for name in ("open", "high", "low", "close")] == [10.00, 10.01, 9.99, 9.99]
    assert [bar[f"ask_{name}"] for name in ("open", "high", "low", "close")] == [10.02, 10.05, 10.01, 10.01]
    assert (bar["quotes"], bar["quote_seq_first"], bar["quote_seq_last"]) == (3, 1, 4)
    assert (bar["open"], bar["volume"], bar["turnover"], bar["vwap"], bar["trades"]) == (None, 0, 0, None, 0)


def test_trades_and_quotes_of_a_window_share_its_bar(trades, quotes, at, minutes, instruments):
    bars = rollup(
        trades(("COIN", at(FRIDAY, "10:00:01"), 1, 10.0, 1.0, ALL), ("COIN", at(FRIDAY, "10:01"), 2, 11.0, 1.0, ALL)),
        quotes(("COIN", at(FRIDAY, "10:00:05"), 1, 9.0, 12.0), ("COIN", at(FRIDAY, "10:02"), 2, 8.0, 13.0)),
        minutes,
        instruments,
        watermark=END,
    )
    assert bars.select("open", "bid_open", "trades", "quotes").rows() == [
        (10.0, 9.0, 1, 1),
        (11.0, None, 1, 0),
        (None, 8.0, 0, 1),
    ]


def test_windows_hold_their_open_and_not_their_close(trades, at, minutes, instruments):
    edges = ["09:52:59.999", "09:53", "09:59:59.999", "10:00", "10:16:59.999", "10:17", "10:29:59.999", "10:30"]
    edges += ["10:42:29.999", "10:42:30", "10:49:59.999", "10:50"]
    ticks = trades(*(("ACME", at(FRIDAY, edge), seq, 10.0, 100.0, ALL) for seq, edge in enumerate(edges)))
    bars = rollup(ticks, None, minutes, instruments, watermark=END)
    opened = [(row["segment"], row["ts_open"], row["seq_first"]) for row in bars.rows(named=True)]
    assert opened == [
        ("pre", at(FRIDAY, "09:53"), 1),
        ("pre", at(FRIDAY, "09:59"), 2),
        ("regular", at(FRIDAY, "10:00"), 3),
        ("regular", at(FRIDAY, "10:16"), 4),
        ("regular", at(FRIDAY, "10:30"), 7),
        ("regular", at(FRIDAY, "10:42"), 8),
        ("post", at(FRIDAY, "10:42:30"), 9),  # a closing auction printed at the close itself
        ("post", at(FRIDAY, "10:49:30"), 10),
    ]


def test_the_last_bar_is_cut_at_an_early_close(trades, at, sessions, instruments):
    ticks = trades(("ACME", at(FRIDAY, "10:42:10"), 1, 10.0, 100.0, ALL))
    for timeframe, opens in [("1m", "10:42"), ("5m", "10:40"), ("15m", "10:30"), ("4h", "10:30")]:
        bar = rollup(ticks, None, windows(sessions, timeframe), instruments, watermark=END).row(0, named=True)
        assert (bar["ts_open"], bar["ts_close"]) == (at(FRIDAY, opens), at(FRIDAY, "10:42:30"))


def test_a_print_sets_only_what_its_conditions_allow(trades, at, minutes, instruments):
    ticks = trades(
        ("COIN", at(FRIDAY, "10:00:01"), 1, 99.0, 1.0, BITS["volume"]),
        ("COIN", at(FRIDAY, "10:00:02"), 2, 10.0, 1.0, BITS["open"] | BITS["high_low"]),
        ("COIN", at(FRIDAY, "10:00:03"), 3, 12.0, 1.0, BITS["high_low"] | BITS["volume"]),
        ("COIN", at(FRIDAY, "10:00:04"), 4, 11.0, 1.0, BITS["last"]),
        ("COIN", at(FRIDAY, "10:00:05"), 5, 1.0, 1.0, BITS["volume"]),
    )
    bar = rollup(ticks, None, minutes, instruments, watermark=END).row(0, named=True)
    assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (10.0, 12.0, 10.0, 11.0)
    assert (bar["seq_first"], bar["seq_last"]) == (2, 4)
    assert (bar["volume"], bar["turnover"], bar["trades"]) == (3.0, Decimal(112), 3)


def test_prices_are_null_where_no_print_may_set_one(trades, at, minutes, instruments):
    ticks = trades(("COIN", at(FRIDAY, "10:00:01"), 1, 99.0, 2.0, VOLUME_ONLY))
    bar = rollup(ticks, None, minutes, instruments, watermark=END).row(0, named=True)
    assert [bar[name] for name in ("open", "high", "low", "close", "ts_first", "seq_last")] == [None] * 6
    assert (bar["volume"], bar["vwap"], bar["trades"]) == (2.0, 99.0, 1)


def test_prints_that_set_nothing_make_no_bar(trades, at, minutes, instruments):
    ticks = trades(("COIN", at(FRIDAY, "10:00:01"), 1, 99.0, 2.0, 0))
    assert rollup(ticks, None, minutes, instruments, watermark=END).is_empty()


def test_the_bits_are_those_the_firewall_writes():
    assert {"open": kernels.OPEN, "high_low": kernels.HIGH_LOW, "last": kernels.LAST, "volume": kernels.VOLUME} == BITS


def test_ties_in_time_and_seq_are_broken_by_price(trades, quotes, at, minutes, instruments):
    when = at(FRIDAY, "10:00:01")
    bar = rollup(
        trades(*(("COIN", when, 7, price, 1.0, ALL) for price in (10.0, 11.0, 9.0, 10.5))),
        quotes(*(("COIN", when, 7, bid, ask) for bid, ask in ((5.0, 7.0), (5.0, 6.0), (6.0, 6.5), (6.0, 7.5)))),
        minutes,
        instruments,
        watermark=END,
    ).row(0, named=True)
    assert (bar["open"], bar["close"]) == (9.0, 11.0)
    assert (bar["bid_open"], bar["ask_open"], bar["bid_close"], bar["ask_close"]) == (5.0, 6.0, 6.0, 7.5)


def test_a_bar_is_final_once_its_window_closed_by_the_watermark(trades, at, minutes, instruments):
    ticks = trades(*(("COIN", at(FRIDAY, clock), 1, 10.0, 1.0, ALL) for clock in ("10:00", "10:01", "10:02")))
    watermark = int(at(FRIDAY, "10:02").timestamp()) * 1_000_000_000
    assert rollup(ticks, None, minutes, instruments, watermark=watermark)["is_final"].to_list() == [True, True, False]
    assert (
        rollup(ticks, None, minutes, instruments, watermark=watermark - 1)["is_final"].to_list() == [True] + [False] * 2
    )


def test_no_ticks_make_no_bars(minutes, instruments):
    for empty in (None, CLEAN[Feed.TRADES].empty(), CLEAN[Feed.TRADES].empty().lazy()):
        assert_frame_equal(rollup(empty, None, minutes, instruments, watermark=END), BARS.empty())


def test_ticks_outside_every_window_make_no_bars(trades, at, minutes, instruments):
    ticks = trades(("ACME", at(FRIDAY, "10:20"), 1, 10.0, 100.0, ALL))
    assert_frame_equal(rollup(ticks, None, minutes, instruments, watermark=END), BARS.empty())


def test_sums_beyond_64_bits_are_exact(trades, at, minutes, instruments):
    ticks = trades(
        *(("DUST", at(FRIDAY, "10:00:01"), seq, 90_000.00000001, 90_000_000.0001, ALL) for seq in range(100))
    )
    bar = rollup(ticks, None, minutes, instruments, watermark=END).row(0, named=True)
    assert bar["turnover"] == 100 * Decimal("90000.00000001") * Decimal("90000000.0001")
    assert bar["volume"] == 9_000_000_000.01


def test_volumes_are_the_floats_nearest_to_their_decimals(trades, at, minutes, instruments):
    sizes = [lots / 1000 for lots in range(1, 1000)]
    start = at(FRIDAY, "00:00")
    ticks = trades(*(("COIN", start + timedelta(minutes=nth), 1, 10.0, size, ALL) for nth, size in enumerate(sizes)))
    bars = rollup(ticks, None, minutes, instruments, watermark=END)
    again = append(bars, trades=None, quotes=None, windows=minutes, instruments=instruments, watermark=END)
    assert bars["volume"].to_list() == sizes
    assert again["volume"].to_list() == sizes


def test_ticks_spread_over_files_and_batches_make_the_same_bars(
    trades, at, minutes, instruments, tmp_path, monkeypatch
):
    start = at(FRIDAY, "10:00")
    rows = [
        (name, start + timedelta(seconds=nth), 1, 10.0 + nth / 100, 100.0, ALL)
        for name in ("ACME", "COIN")
        for nth in range(300)
    ]
    whole = trades(*rows).with_columns(pl.col("price").mul(20).round() / 20)
    early, late = (whole.filter(pl.col("ts_event").dt.minute() < 3), whole.filter(pl.col("ts_event").dt.minute() >= 3))
    early.write_parquet(tmp_path / "a.parquet")
    late.write_parquet(tmp_path / "b.parquet")
    monkeypatch.setattr("tickline.bars.rollup.ROW_GROUP", 77)
    bars = rollup(pl.scan_parquet(tmp_path / "*.parquet"), None, minutes, instruments, watermark=END)
    monkeypatch.undo()
    assert_frame_equal(bars, rollup(whole, None, minutes, instruments, watermark=END))


@pytest.mark.parametrize(
    ("traded", "says"),
    [
        ((10.001, 1.0), "price 10.001 is finer than tick_size"),
        ((float("nan"), 1.0), "price nan"),
        ((-1.0, 1.0), "price -1.0"),
        ((10.0, 0.0005), "size 0.0005 is finer than lot_size"),
        ((10.0, 0.0), "size 0.0"),
        ((10.0, 1.5e12), "size 1500000000000.0"),
        ((1e8, 1e12), "declare a coarser lot_size"),
    ],
)
def test_what_would_not_be_exact_is_refused_by_name(trades, at, minutes, instruments, traded, says):
    ticks = trades(*(("COIN", at(FRIDAY, "10:00:01"), seq, *traded, ALL) for seq in range(2)))
    with pytest.raises(ConfigError, match=r"^COIN at 2026-03-06 10:00:01.* \(seq [01]\): ") as refused:
        rollup(ticks, None, minutes, instruments, watermark=END)
    assert says in str(refused.value)


def test_a_grid_finer_than_turnover_is_refused(trades, at, minutes, instruments):
    fine = instruments.with_columns(lot_size=pl.lit(1e-8), tick_size=pl.lit(1e-8))
    ticks = trades(("COIN", at(FRIDAY, "10:00:01"), 1, 10.0, 1.0, ALL))
    with pytest.raises(ConfigError, match="more decimal places than turnover"):
        rollup(ticks, None, minutes, fine, watermark=END)


def test_an_unlisted_instrument_is_refused_by_name(trades, at, minutes, instruments):
    ticks = trades(("GHOST", at(FRIDAY, "10:00:01"), 1, 10.0, 1.0, ALL))
    with pytest.raises(ConfigError, match="GHOST"):
        rollup(ticks, None, minutes, instruments, watermark=END)


def test_overlapping_windows_are_refused(trades, at, sessions, instruments):
    ticks = trades(("ACME", at(FRIDAY, "10:00:01"), 1, 10.0, 100.0, ALL))
    with pytest.raises(ValueError, match="calendar cash overlap"):
        rollup(ticks, None, windows(sessions, "1w"), instruments, watermark=END)


def test_a_tick_without_a_needed_value_is_refused(trades, at, minutes, instruments):
    ticks = trades(("COIN", at(FRIDAY, "10:00:01"), None, 10.0, 1.0, ALL))
    with pytest.raises(ValueError, match="seq"):
        rollup(ticks, None, minutes, instruments, watermark=END)


def test_late_ticks_change_only_the_bars_of_their_windows(trades, quotes, at, minutes, instruments):
    early = trades(*(("COIN", at(FRIDAY, f"10:0{minute}:30"), 1, 10.0, 1.0, ALL) for minute in range(5)))
    bars = rollup(early, None, minutes, instruments, watermark=0)
    late = append(
        bars,
        trades=trades(
            ("COIN", at(FRIDAY, "10:02:10"), 9, 12.0, 0.5, ALL), ("COIN", at(FRIDAY, "10:07"), 1, 8.0, 1.0, ALL)
        ),
        quotes=quotes(("COIN", at(FRIDAY, "10:03"), 1, 9.0, 9.5)),
        windows=minutes,
        instruments=instruments,
        watermark=0,
    )
    assert late.join(bars, on=BARS.columns.keys(), how="anti", nulls_equal=True)["ts_open"].to_list() == [
        at(FRIDAY, "10:02"),
        at(FRIDAY, "10:03"),
        at(FRIDAY, "10:07"),
    ]
    changed = late.row(2, named=True)
    assert (changed["open"], changed["high"], changed["close"], changed["volume"]) == (12.0, 12.0, 10.0, 1.5)


@pytest.mark.parametrize("traded", [("COIN", 10.0, 4e11), ("ACME", 1e13, 4e12)])
def test_sums_that_late_ticks_make_too_large_are_refused(trades, at, minutes, instruments, traded):
    """Three such prints exceed 2^50 thousandths of COIN, or the turnover of ACME that a decimal can hold."""
    name, price, size = traded

    def add(bars, seq):
        late = trades((name, at(FRIDAY, "10:00:01"), seq, price, size, ALL))
        return append(bars, trades=late, quotes=None, windows=minutes, instruments=instruments, watermark=END)

    two = add(add(BARS.empty(), 1), 2)
    assert two["volume"].item() == 2 * size
    with pytest.raises(ConfigError, match=f"instruments {name}: .* would not be exact"):
        add(two, 3)


def test_late_ticks_are_not_added_to_bars_of_other_windows(trades, at, minutes, sessions, instruments):
    ticks = trades(("ACME", at(FRIDAY, "10:00:01"), 1, 10.0, 100.0, ALL))
    bars = rollup(ticks, None, windows(sessions, "5m"), instruments, watermark=END)
    with pytest.raises(ValueError, match="other windows"):
        append(bars, trades=ticks, quotes=None, windows=minutes, instruments=instruments, watermark=END)


@pytest.mark.parametrize(("timeframe", "buckets"), [("1m", 2469), ("5m", 706)])
def test_recorded_trades_give_the_recorded_candles(real_data, timeframe, buckets):
    folder = real_data / "freqtrade"
    recorded = json.loads(gzip.decompress((folder / "XRP_ETH-trades.json.gz").read_bytes()))
    ticks = pl.DataFrame(
        [(row[0], int(row[1]), row[4], row[5]) for row in recorded],
        schema={"ms": pl.Int64, "seq": pl.Int64, "price": pl.Float64, "size": pl.Float64},
        orient="row",
    ).select(
        pl.lit("XRP/ETH").alias("instrument"),
        (pl.col("ms") * 1_000_000).cast(NS).alias("ts_event"),
        "seq",
        "price",
        "size",
        pl.lit(ALL, pl.UInt8).alias("sets"),
    )
    days = ticks["ts_event"].dt.date().unique().sort()
    always = pl.DataFrame({"session_date": days}).select(
        pl.lit("always").alias("calendar"),
        "session_date",
        pl.lit("regular").alias("segment"),
        pl.col("session_date").cast(NS).alias("open"),
        pl.col("session_date").cast(NS).dt.offset_by("1d").alias("close"),
    )
    listed = pl.DataFrame({"instrument": "XRP/ETH", "calendar": "always", "tick_size": 1e-8, "lot_size": 1.0})
    bars = rollup(ticks, None, windows(always, timeframe), listed, watermark=0)
    candles = pl.read_ipc(folder / f"XRP_ETH-{timeframe}.feather")
    assert candles.height == buckets
    assert_frame_equal(
        bars.select(pl.col("ts_open").alias("date"), "open", "high", "low", "close", "volume"),
        candles,
        check_exact=True,
    )
