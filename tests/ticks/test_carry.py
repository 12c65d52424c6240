"""What a day goes on from: the books and ids the day before left."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lake.schemas import CLOSING, Feed
from tickline.ticks.book import Book
from tickline.ticks.canonical import NONE
from tickline.ticks.carry import books_of, closing_books, closing_ids, ids_of
from tickline.ticks.gaps import LastId

pytestmark = pytest.mark.slow

MS = 1_000_000
DAY_MS = 86_400_000
NEXT = date(2026, 3, 10)
SEQUENCED = {"consecutive_seq": 1, "seq_over_midnight": 1, "silence_s": 1e6}


def levels(market, ms, seq, kind="delta", *, first=None, bids=None, asks=None) -> list[dict]:
    """The rows of one message: prices to sizes."""
    ts = market.start + ms * MS
    shared = {"instrument": "AAA", "ts_event": ts, "ts_recv": ts, "seq": ms, "kind": kind}
    ids = {"first_seq": (first or seq) if kind == "delta" else None, "last_seq": seq}
    sides = [("bid", *level) for level in (bids or {}).items()] + [("ask", *level) for level in (asks or {}).items()]
    return [shared | ids | {"side": side, "price": price, "size": size} for side, price, size in sides]


def quiet(market):
    return market.venue(parameters={"silence_s": 1e6})


def judge(market, rows, day=None, opening=None):
    return market.judge(Feed.BOOK, rows, venue=quiet(market), day=day or market.day, opening=opening)


@pytest.fixture
def yesterday(market) -> pl.DataFrame:
    """What a day left that ended with one bid, two asks and update 10."""
    rows = levels(market, 0, 9, "snapshot", bids={99.0: 1.0, 98.0: 1.0}, asks={101.0: 2.0})
    rows += levels(market, 1, 10, bids={98.0: 0.0}, asks={101.5: 3.0})
    return judge(market, rows).closing


def test_a_day_leaves_the_levels_last_id_and_time_of_an_unbroken_book(market, yesterday) -> None:
    assert yesterday.schema == CLOSING[Feed.BOOK].columns
    assert yesterday.select("instrument", "seq_last", "side", "price", "size").rows() == [
        ("AAA", 10, "ask", 101.0, 2.0),
        ("AAA", 10, "ask", 101.5, 3.0),
        ("AAA", 10, "bid", 99.0, 1.0),
    ]
    assert yesterday["ts_last"].to_physical().unique().to_list() == [market.start + MS]


def test_deltas_continue_the_book_of_the_day_before_without_a_snapshot(market, yesterday) -> None:
    judged = judge(market, levels(market, DAY_MS, 12, first=11, bids={98.5: 1.0}), NEXT, yesterday)

    assert judged.quarantine.is_empty()
    assert judged.gaps.is_empty()
    assert judged.clean["epoch"].to_list() == [0]
    assert judged.closing.select("side", "price", "seq_last").rows() == [
        ("ask", 101.0, 12),
        ("ask", 101.5, 12),
        ("bid", 98.5, 12),
        ("bid", 99.0, 12),
    ]


def test_a_level_that_crosses_the_book_of_the_day_before_is_refused(market, yesterday) -> None:
    rows = levels(market, DAY_MS, 11, bids={101.0: 1.0, 100.0: 1.0})
    rows += levels(market, DAY_MS + 1, 12, asks={101.0: 0.0})
    rows += levels(market, DAY_MS + 2, 13, bids={101.0: 1.0})

    judged = judge(market, rows, NEXT, yesterday)

    assert judged.quarantine.select("rule", "price", "last_seq").rows() == [("book_crossed", 101.0, 11)]


def test_a_hole_across_midnight_is_a_gap_of_the_later_day(market, yesterday) -> None:
    rows = levels(market, DAY_MS, 14, first=13, bids={98.5: 1.0})
    rows += levels(market, DAY_MS + 5, 20, "snapshot", bids={99.0: 1.0})

    judged = judge(market, rows, NEXT, yesterday)

    assert judged.quarantine["rule"].to_list() == ["book_gap"]
    gap = judged.gaps.row(0, named=True)
    assert (gap["kind"], gap["seq_from"], gap["seq_to"], gap["missing"]) == ("book", 10, 20, 2)
    physical = judged.gaps.select(pl.col("ts_from", "ts_to").to_physical()).row(0)
    assert physical == (market.start + MS, market.start + (DAY_MS + 5) * MS)


def test_a_snapshot_replaces_the_book_of_the_day_before(market, yesterday) -> None:
    rows = levels(market, DAY_MS, 20, "snapshot", bids={102.0: 1.0}, asks={103.0: 1.0})

    judged = judge(market, rows, NEXT, yesterday)

    assert judged.clean["epoch"].unique().to_list() == [1]
    assert judged.closing["price"].to_list() == [103.0, 102.0]


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 10), (10, 10)])
def test_ids_that_begin_anew_do_not_continue_the_book_of_the_day_before(market, yesterday, first, last) -> None:
    rows = levels(market, DAY_MS, last, first=first, bids={98.5: 1.0})
    rows += levels(market, DAY_MS + 1, last + 1, bids={98.0: 1.0})

    judged = judge(market, rows, NEXT, yesterday)

    assert judged.quarantine["rule"].to_list() == ["book_gap", "book_gap"]
    assert judged.gaps.select("seq_from", "missing").rows() == [(None, None)]
    assert judged.closing.is_empty()


def test_a_venue_without_ids_goes_on_from_the_book_of_the_day_before(market) -> None:
    first = judge(market, levels(market, 0, None, "snapshot", bids={99.0: 1.0}))
    second = judge(market, levels(market, DAY_MS, None, bids={98.0: 1.0}), NEXT, first.closing)

    assert second.quarantine.is_empty()
    assert second.closing.select("seq_last", "price").rows() == [(None, 98.0), (None, 99.0)]


def test_a_book_is_handed_on_through_a_day_without_a_message(market, yesterday) -> None:
    assert judge(market, [], NEXT, yesterday).closing.equals(yesterday)


def test_within_a_message_a_level_is_removed_before_it_is_set(market, yesterday) -> None:
    rows = levels(market, DAY_MS, 11, bids={98.0: 5.0})
    rows += [row | {"seq": DAY_MS + 1, "size": 0.0} for row in rows]

    closing = judge(market, rows, NEXT, yesterday).closing
    assert closing.filter(side="bid").select("price", "size").rows() == [(98.0, 5.0), (99.0, 1.0)]


def test_a_book_that_ends_broken_is_not_handed_on(market, yesterday) -> None:
    assert judge(market, levels(market, DAY_MS, 20, bids={98.5: 1.0}), NEXT, yesterday).closing.is_empty()


def test_a_book_from_which_every_level_was_removed_is_still_a_book(market, yesterday) -> None:
    emptied = levels(market, DAY_MS, 11, bids={99.0: 0.0}, asks={101.0: 0.0, 101.5: 0.0})
    second = judge(market, emptied, NEXT, yesterday)

    assert second.closing.select("seq_last", "side", "price").rows() == [(11, None, None)]
    third = judge(market, levels(market, 2 * DAY_MS, 12, bids={500.0: 1.0}), NEXT + timedelta(days=1), second.closing)
    assert third.quarantine.is_empty()


def trades(market, day, ids):
    return [market.trade(day * DAY_MS + at, seq=seq) for at, seq in enumerate(ids)]


def sequenced(market, rows, day=None, opening=None):
    day = day or market.day
    shifted = pl.col("session_date", "open", "close") + pl.duration(days=(day - market.day).days)
    sessions = market.sessions.with_columns(shifted).cast(market.sessions.schema)
    venue = market.venue(parameters=SEQUENCED)
    return market.judge(Feed.TRADES, rows, venue=venue, day=day, sessions=sessions, opening=opening)


def test_ids_missing_at_midnight_are_a_gap_of_the_later_day(market) -> None:
    first = sequenced(market, trades(market, 0, [1, 2, 3]))
    second = sequenced(market, trades(market, 1, [7, 8]), NEXT, first.closing)

    assert first.closing.select("instrument", "seq_last").rows() == [("AAA", 3)]
    assert first.gaps.is_empty()
    assert second.gaps.select("kind", "seq_from", "seq_to", "missing").rows() == [("sequence", 3, 7, 3)]
    assert second.gaps["ts_from"].to_physical().to_list() == [market.start + 2 * MS]


@pytest.mark.parametrize("ids", [[1, 2], [3, 4], [4, 5]])
def test_ids_that_go_on_or_begin_anew_make_no_gap_at_midnight(market, ids) -> None:
    opening = closing_ids({"AAA": LastId(market.start, 3)})

    judged = sequenced(market, trades(market, 1, ids), NEXT, opening)

    assert judged.gaps.is_empty()
    assert judged.closing["seq_last"].to_list() == [ids[-1]]


def test_refused_rows_on_either_side_of_midnight_are_not_missing(market) -> None:
    bad = [market.trade(9, seq=seq, price=-1.0) for seq in (4, 5, 9_999)]
    first = sequenced(market, trades(market, 0, [1, 2, 3]) + bad)
    later = [market.trade(DAY_MS, seq=6, price=-1.0), *trades(market, 1, [7])]

    assert first.closing["seq_last"].to_list() == [5]
    second = sequenced(market, later, NEXT, first.closing)
    assert second.gaps.is_empty()
    assert second.closing["seq_last"].to_list() == [7]


def test_the_last_id_is_handed_on_through_a_day_without_a_trade(market) -> None:
    opening = closing_ids({"AAA": LastId(market.start, 3)})

    assert sequenced(market, [], NEXT, opening).closing.equals(opening)


@pytest.mark.parametrize("parameters", [{}, {"consecutive_seq": 1}, {"seq_over_midnight": 1}])
def test_ids_that_need_not_go_on_over_midnight_are_not_handed_on(market, parameters) -> None:
    judged = market.judge(Feed.TRADES, trades(market, 0, [1, 2]), venue=market.venue(parameters=parameters))

    assert judged.closing.is_empty()


prices = st.sampled_from([97.0, 98.0, 99.0, 100.0, 101.0, 102.0])
sizes = st.sampled_from([0.0, 1.0, 2.0])
side = st.dictionaries(prices, sizes, min_size=1, max_size=3)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), numbered=st.booleans(), steps=st.lists(st.sampled_from([0, 0, 0, 1, 2]), max_size=10))
def test_two_days_in_a_row_are_judged_as_one_long_day(market, data, numbered, steps) -> None:
    start = (100, 100) if numbered else (None, None)
    messages, last = [("snapshot", *start, {99.0: 1.0, 98.0: 1.0}, {100.0: 1.0, 102.0: 1.0})], 100
    for step in steps:
        kind = data.draw(st.sampled_from(["delta", "delta", "delta", "delta", "snapshot"]))
        first, last = last + 1 + max(0, step - 1), last + 1 + step
        ids = (first, last) if numbered else (None, None)
        messages.append((kind, *ids, data.draw(side), data.draw(side)))
    cut = data.draw(st.integers(0, len(messages)))

    def rows(at: int, shift_ms: int) -> list[dict]:
        kind, first, last, bids, asks = messages[at]
        return levels(market, at + shift_ms, last, kind, first=first, bids=bids, asks=asks)

    both = [row for at in range(len(messages)) for row in rows(at, 0)]
    whole = judge(market, both)
    early = judge(market, [row for at in range(cut) for row in rows(at, 0)])
    late_rows = [row for at in range(cut, len(messages)) for row in rows(at, DAY_MS)]
    late = judge(market, late_rows, NEXT, early.closing)

    def told(*frames: pl.DataFrame) -> list[tuple]:
        return sorted(pl.concat(frame.select("seq", "side", "price", "size") for frame in frames).rows())

    back = pl.col("seq") - DAY_MS
    assert told(whole.clean) == told(early.clean, late.clean.with_columns(back))
    refused = late.quarantine.with_columns(back)
    columns = ["seq", "side", "price", "rule"]
    both_refused = pl.concat([early.quarantine.select(columns), refused.select(columns)])
    assert sorted(whole.quarantine.select(columns).rows()) == sorted(both_refused.rows())
    state = ["instrument", "seq_last", "side", "price", "size"]
    assert whole.closing.select(state).rows() == late.closing.select(state).rows()
    assert sorted(whole.closing.drop_nulls("side").select("side", "price", "size").rows()) == replayed(whole)


def replayed(judged) -> list[tuple[str, float, float]]:
    """The levels at the end of a day, by applying its messages to a dictionary."""
    every = pl.concat([judged.clean.select("seq", "kind"), judged.quarantine.select("seq", "kind")])
    broken = set(judged.quarantine.filter(rule="book_gap")["seq"])
    if every.is_empty() or every["seq"].max() in broken:
        return []
    book: dict[tuple[str, float], float] = {}
    for _, message in judged.clean.group_by("seq", maintain_order=True):
        if message["kind"][0] == "snapshot":
            book.clear()
        book |= {(side, price): size for side, price, size in message.select("side", "price", "size").rows()}
    return sorted((*level, size) for level, size in book.items() if size > 0)


@settings(max_examples=20, deadline=None)
@given(ids=st.lists(st.integers(1, 40), unique=True, min_size=1), cut=st.integers(0, 40))
def test_two_days_in_a_row_miss_the_ids_one_long_day_misses(market, ids, cut) -> None:
    ordered = sorted(ids)
    early = sequenced(market, trades(market, 0, ordered[:cut]))
    late = sequenced(market, trades(market, 1, ordered[cut:]), NEXT, early.closing)
    whole = sequenced(market, trades(market, 0, ordered))

    found = pl.concat([early.gaps, late.gaps]).select("seq_from", "seq_to", "missing")
    assert found.rows() == whole.gaps.select("seq_from", "seq_to", "missing").rows()
    assert late.closing["seq_last"].to_list() == whole.closing["seq_last"].to_list() == [ordered[-1]]


books = st.builds(
    Book,
    ts=st.integers(0, 2**60),
    seq=st.one_of(st.just(NONE), st.integers(0, 2**60)),
    levels=st.dictionaries(st.tuples(st.sampled_from(["bid", "ask"]), prices), st.floats(0.5, 9), max_size=5).map(
        lambda sized: pl.DataFrame(
            [(*level, size) for level, size in sized.items()],
            schema={"side": pl.String, "price": pl.Float64, "size": pl.Float64},
            orient="row",
        )
    ),
)


@settings(max_examples=50, deadline=None)
@given(left=st.dictionaries(st.sampled_from(["AAA", "BBB", "CCC"]), books))
def test_books_come_back_from_their_rows_as_they_were(left) -> None:
    back = books_of(closing_books(left))

    assert back.keys() == left.keys()
    for name, book in left.items():
        assert (back[name].ts, back[name].seq) == (book.ts, book.seq)
        assert sorted(back[name].levels.rows()) == sorted(book.levels.rows())


def test_ids_come_back_from_their_rows_as_they_were() -> None:
    left = {"BBB": LastId(7, 2), "AAA": LastId(5, 1)}

    assert closing_ids(left)["instrument"].to_list() == ["AAA", "BBB"]
    assert ids_of(closing_ids(left)) == left
