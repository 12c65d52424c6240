"""The tape of a tick backtest: order, clocks, flags, and where each tick comes from."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.backtest.book import clear, open_books, put
from tickline.backtest.ticks import CLEARS, CLOSES, LEVEL, OPENING, TRADE, Frames, origins, tape_of
from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.lake.schemas import CLEAN, CLOSING, Feed
from tickline.signals.desk import INSTRUMENT

MS = 1_000_000
NO_CLOSES = np.zeros(0, np.int64)


def grid(count=1):
    records = np.zeros(count, INSTRUMENT)
    records["tick_size"], records["lot_size"] = 0.1, 0.001
    return records


def frame(schema, rows, **fixed):
    """A frame of a schema; times in ms, what is not given null."""
    columns = {name: [row.get(name) for row in rows] for name in {key for row in rows for key in row}}
    times = [pl.col(name) * MS for name in ("ts_event", "ts_recv", "ts_last") if name in columns]
    given = pl.DataFrame(columns, strict=False).with_columns(
        *times, **{name: pl.lit(one) for name, one in fixed.items()}
    )
    absent = [pl.lit(None).alias(name) for name in schema.columns if name not in given.columns]
    whole = given.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in schema.columns.items())
    return whole.with_columns(pl.col("instrument").fill_null("X"))


def trades(*rows):
    return (
        frame(CLEAN[Feed.TRADES], [{"sets": 15, "side": "buy", "size": 0.001, **row} for row in rows])
        if rows
        else CLEAN[Feed.TRADES].empty()
    )


def levels(*rows):
    return (
        frame(CLEAN[Feed.BOOK], [{"kind": "delta", "epoch": 1, **row} for row in rows])
        if rows
        else CLEAN[Feed.BOOK].empty()
    )


def snapshot(ts, *rows, seq=0, epoch=1):
    whole = {"kind": "snapshot", "ts_event": ts, "ts_recv": ts, "seq": seq, "last_seq": seq, "epoch": epoch}
    return [{**whole, "side": side, "price": price, "size": size} for side, price, size in rows]


def of(made, book=None, names=("X",), **others):
    frames = Frames(made if made is not None else trades(), book if book is not None else levels(), **others)
    return tape_of(frames, names=names, instruments=grid(len(names)), closes=NO_CLOSES)


def test_prices_and_sizes_become_whole_ticks_and_lots():
    tape = of(trades({"ts_event": 1, "ts_recv": 1, "price": 61800.3, "size": 0.199, "side": "sell"}))
    (tick,) = tape.ticks
    assert (tick["price"], tick["lots"], tick["side"], tick["kind"]) == (618003, 199, -1, TRADE)


def test_ticks_are_in_the_venues_order_and_known_in_ours():
    made = trades({"ts_event": 1, "ts_recv": 9, "price": 1.0}, {"ts_event": 5, "ts_recv": 10, "price": 2.0})
    book = levels(
        *snapshot(2, ("bid", 1.0, 1.0), seq=1),
        {"ts_event": 4, "ts_recv": 4, "side": "bid", "price": 3.0, "size": 1.0, "last_seq": 2},
    )
    tape = of(made, book)
    assert (tape.ticks["ts"] // MS).tolist() == [1, 2, 4, 5]
    assert tape.local.tolist() == [1, 2, 0, 3]


def test_what_happened_at_one_time_comes_as_it_was_known():
    made = trades({"ts_event": 5, "ts_recv": 7, "price": 1.0}, {"ts_event": 5, "ts_recv": 9, "price": 1.0})
    book = levels(
        *snapshot(1, ("bid", 1.0, 1.0)),
        {"ts_event": 5, "ts_recv": 8, "side": "bid", "price": 1.0, "size": 2.0, "last_seq": 9},
    )
    assert of(made, book).ticks["kind"].tolist() == [LEVEL, TRADE, LEVEL, TRADE]


def test_a_receive_clock_behind_the_venues_is_set_forward_until_nothing_is_seen_before_it_happened():
    tape = of(
        trades(*({"ts_event": ts, "ts_recv": ts - 100 + late, "price": 1.0} for ts, late in ((1, 7), (9, 2), (20, 4))))
    )
    assert ((tape.ticks["ts_recv"] - tape.ticks["ts"]) // MS).tolist() == [5, 0, 2]


def test_a_receive_clock_ahead_of_the_venues_is_left_alone():
    tape = of(trades({"ts_event": 1, "ts_recv": 4, "price": 1.0}))
    assert tape.ticks["ts_recv"] // MS == 4


def test_a_message_is_known_no_sooner_than_those_before_it():
    book = levels(
        *snapshot(1, ("bid", 1.0, 1.0)),
        {"ts_event": 2, "ts_recv": 90, "side": "bid", "price": 1.0, "size": 2.0, "last_seq": 1},
        {"ts_event": 3, "ts_recv": 50, "side": "bid", "price": 1.0, "size": 3.0, "last_seq": 2},
    )
    assert (of(None, book).ticks["ts_recv"] // MS).tolist() == [1, 90, 90]


def test_within_a_message_levels_go_before_they_come_and_bids_come_before_asks():
    message = {"ts_event": 2, "ts_recv": 2, "last_seq": 1}
    book = levels(
        *snapshot(1, ("bid", 1.0, 1.0), ("ask", 1.1, 1.0)),
        {**message, "side": "ask", "price": 1.3, "size": 1.0},
        {**message, "side": "bid", "price": 1.2, "size": 1.0},
        {**message, "side": "ask", "price": 1.1, "size": 0.0},
    )
    assert list(
        zip(of(None, book).ticks["side"][2:].tolist(), of(None, book).ticks["lots"][2:].tolist(), strict=True)
    ) == [
        (-1, 0),
        (1, 1_000),
        (-1, 1_000),
    ]


def test_the_first_level_of_each_snapshot_clears_and_the_last_of_each_message_closes():
    book = levels(
        *snapshot(1, ("bid", 1.0, 1.0), ("ask", 1.1, 1.0)),
        *snapshot(2, ("bid", 1.0, 1.0), ("ask", 1.1, 1.0), seq=5, epoch=2),
        {"ts_event": 3, "ts_recv": 3, "side": "bid", "price": 1.0, "size": 0.5, "last_seq": 6, "epoch": 2},
    )
    assert of(None, book).ticks["flags"].tolist() == [CLEARS, CLOSES, CLEARS, CLOSES, CLOSES]


def test_levels_of_a_book_that_is_not_there_are_left_out():
    going_on = {"ts_event": 1, "ts_recv": 1, "side": "bid", "price": 1.0, "size": 1.0, "epoch": 0}
    tape = of(None, levels(going_on, *snapshot(2, ("bid", 2.0, 1.0))))
    assert tape.ticks["price"].tolist() == [20]


def test_an_opening_book_is_the_snapshot_the_days_levels_go_on_from():
    going_on = {"ts_event": 5, "ts_recv": 5, "side": "bid", "price": 1.0, "size": 1.0, "epoch": 0, "last_seq": 8}
    left = [
        {"ts_last": 1, "seq_last": 7, "side": side, "price": price, "size": 2.0}
        for side, price in (("bid", 0.9), ("ask", 1.2))
    ]
    tape = of(None, levels(going_on), opening=frame(CLOSING[Feed.BOOK], left))
    assert tape.ticks["kind"].tolist() == [OPENING, OPENING, LEVEL]
    assert tape.ticks["flags"].tolist() == [CLEARS, CLOSES, CLOSES]
    assert origins(tape.ticks)["input"].to_list() == ["closing_book", "closing_book", "clean_book"]


def test_prints_that_may_not_set_the_last_price_are_left_out():
    made = trades(
        {"ts_event": 1, "ts_recv": 1, "price": 1.0, "sets": 8}, {"ts_event": 2, "ts_recv": 2, "price": 2.0, "sets": 12}
    )
    assert of(made).ticks["price"].tolist() == [20]


def test_each_tick_names_the_row_it_comes_from():
    made = trades(
        *(
            {"ts_event": ts, "ts_recv": ts, "price": ts, "instrument": name}
            for ts, name in ((1, "X"), (2, "Y"), (3, "X"))
        )
    )
    book = levels(*snapshot(2, ("bid", 1.0, 1.0), ("ask", 1.1, 1.0)))
    tape = of(made, book)
    assert origins(tape.ticks).rows() == [
        ("clean_trades", 0),
        ("clean_book", 0),
        ("clean_book", 1),
        ("clean_trades", 2),
    ]
    assert origins(tape.ticks)["input_row"].dtype == pl.UInt32


def test_instruments_are_numbered_as_they_are_named():
    made = trades(
        {"ts_event": 1, "ts_recv": 1, "price": 1.0, "instrument": "X"},
        {"ts_event": 2, "ts_recv": 2, "price": 1.0, "instrument": "Y"},
    )
    assert of(made, names=("Y", "X")).ticks["instrument"].tolist() == [1, 0]


def test_a_window_without_ticks_is_refused_by_name():
    with pytest.raises(ConfigError, match="of Z in this window"):
        of(trades({"ts_event": 1, "ts_recv": 1, "price": 1.0}), names=("Z",))


MESSAGES = st.lists(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 3)),
        min_size=1,
        max_size=6,
        unique_by=lambda one: one[:2],
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(MESSAGES)
def test_the_tape_builds_the_book_its_messages_say(messages):
    """Bids are below 1.0 and asks above, so that no message crosses; the oracle is a dictionary."""
    rows, held = snapshot(0, ("bid", 0.1, 1.0), ("ask", 2.0, 1.0)), {("bid", 1): 1_000, ("ask", 20): 1_000}
    for nth, message in enumerate(messages, 1):
        for is_bid, price, lots in message:
            side, tick = ("bid", price) if is_bid else ("ask", 10 + price)
            held[side, tick] = lots
            known = {"ts_event": nth // 2, "ts_recv": nth, "seq": nth, "last_seq": nth}
            rows.append({**known, "side": side, "price": tick / 10, "size": lots / 1_000})
    ticks = of(None, levels(*rows)).ticks
    books = open_books(ticks, 1)
    for tick in ticks:
        if tick["flags"] & CLEARS:
            clear(books.sides[0], books.lots)
            clear(books.sides[1], books.lots)
        own = 0 if tick["side"] > 0 else 1
        put(books.sides[own], books.sides[1 - own], books.lots, int(tick["price"]), int(tick["lots"]))
    found = {("bid", at): int(books.lots[books.sides[0]["base"] + at]) for at in range(1, 10)}
    found |= {("ask", at): int(books.lots[books.sides[1]["base"] + at]) for at in range(11, 21)}
    assert {key: lots for key, lots in found.items() if lots} == {key: lots for key, lots in held.items() if lots}


def test_times_are_utc_nanoseconds():
    made = trades({"ts_event": 1, "ts_recv": 1, "price": 1.0})
    assert made["ts_event"].dtype == NS
    assert of(made).ticks["ts"][0] == MS
