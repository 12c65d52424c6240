from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lake.schemas import Feed

MS = 1_000_000


def message(market, ms: int, ids: dict, bids: dict, asks: dict, **changes) -> list[dict]:
    """The rows of one message: prices to sizes."""
    ts = market.start + ms * MS
    shared = {"instrument": "AAA", "ts_event": ts, "ts_recv": ts + 20 * MS, "seq": ids.get("last_seq") or ms}
    levels = [("bid", price, size) for price, size in bids.items()] + [("ask", p, s) for p, s in asks.items()]
    return [
        shared | {"kind": "delta"} | ids | {"side": side, "price": price, "size": size} | changes
        for side, price, size in levels
    ]


def snap(market, ms, last, bids=None, asks=None, **changes):
    return message(
        market, ms, {"kind": "snapshot", "last_seq": last}, bids or {99.0: 1.0}, asks or {101.0: 1.0}, **changes
    )


def spot(market, ms, first, last, bids=None, asks=None, **changes):
    return message(market, ms, {"first_seq": first, "last_seq": last}, bids or {98.0: 1.0}, asks or {}, **changes)


def perp(market, ms, before, first, last):
    return message(market, ms, {"prev_seq": before, "first_seq": first, "last_seq": last}, {98.0: 1.0}, {})


def quiet(market):
    return market.venue(parameters={"silence_s": 1e6})


def test_deltas_that_overlap_a_snapshot_continue_it_and_older_ones_belong_to_no_book(market) -> None:
    rows = [*spot(market, 0, 1, 5), *spot(market, 1, 6, 10), *snap(market, 2, 8), *spot(market, 3, 11, 12)]

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert judged.quarantine.select("rule", "last_seq").rows() == [("book_gap", 5)]
    assert judged.clean["epoch"].unique().to_list() == [1]
    assert judged.gaps.select("kind", "seq_from", "seq_to", "missing").rows() == [("book", None, 8, None)]


def test_a_missing_delta_breaks_the_book_until_the_next_snapshot(market) -> None:
    rows = [
        *snap(market, 0, 10),
        *spot(market, 1, 11, 12),
        *spot(market, 2, 15, 16),
        *spot(market, 3, 17, 18),
        *snap(market, 4, 20),
        *spot(market, 5, 19, 22),
    ]

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert judged.quarantine["last_seq"].to_list() == [16, 18]
    assert judged.clean["epoch"].to_list() == [1, 1, 1, 2, 2, 2]
    gap = judged.gaps.row(0, named=True)
    assert (gap["seq_from"], gap["seq_to"], gap["missing"]) == (12, 20, 2)
    assert gap["ts_to"] > gap["ts_from"]


def test_futures_deltas_chain_by_the_message_before(market) -> None:
    rows = [
        *snap(market, 0, 10),
        *perp(market, 1, 8, 9, 12),
        *perp(market, 2, 12, 40, 44),
        *perp(market, 3, 45, 46, 50),
    ]

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert judged.quarantine["last_seq"].to_list() == [50]


def test_a_snapshot_stamped_before_older_deltas_still_comes_after_them(market) -> None:
    rows = [*snap(market, 0, 10), *spot(market, 500, 5, 9), *spot(market, 600, 10, 12)]

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert judged.quarantine["last_seq"].to_list() == [9]


def test_venues_without_ids_apply_messages_as_delivered(market) -> None:
    rows = [
        *message(market, 0, {}, {98.0: 1.0}, {}),
        *message(market, 1, {"kind": "snapshot"}, {99.0: 1.0, 98.0: 2.0}, {101.0: 1.0}),
        *message(market, 2, {}, {98.5: 1.0}, {}),
    ]

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert judged.quarantine["rule"].to_list() == ["book_gap"]
    assert judged.clean["epoch"].unique().to_list() == [1]


def test_a_level_refused_for_its_price_does_not_break_the_chain(market) -> None:
    rows = [*snap(market, 0, 10), *spot(market, 1, 11, 12, {-1.0: 1.0}), *spot(market, 2, 13, 14)]

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert judged.quarantine["rule"].to_list() == ["level_not_positive"]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ({"price": float("nan")}, "level_not_finite"),
        ({"size": None}, "level_not_finite"),
        ({"size": -1.0}, "level_not_positive"),
        ({"price": 99.005}, "price_off_grid"),
        ({"side": "buy"}, "unknown_side"),
        ({"kind": "update"}, "malformed"),
        ({"price": 101.0}, "book_crossed"),
        ({"price": 250.0}, "book_crossed"),
    ],
)
def test_one_bad_level_never_costs_its_message(market, fault, rule) -> None:
    bad = spot(market, 1, 11, 12)[0] | fault
    rows = [*snap(market, 0, 10), *spot(market, 1, 11, 12, {99.5: 1.0, 99.25: 1.0}), bad, *spot(market, 2, 13, 14)]

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert judged.quarantine["rule"].to_list() == [rule]
    assert judged.clean.height == 5


def test_a_refused_level_is_not_in_the_book(market) -> None:
    bad = spot(market, 1, 11, 12, {250.005: 1.0})
    rows = [*snap(market, 0, 10), *bad, *spot(market, 2, 13, 14, asks={102.0: 1.0})]

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert judged.quarantine["rule"].to_list() == ["price_off_grid"]


def test_a_book_that_moves_up_in_one_message_does_not_cross(market) -> None:
    move = spot(market, 1, 11, 12, {101.5: 1.0}, {101.0: 0.0, 102.0: 1.0})

    judged = market.judge(Feed.BOOK, [*snap(market, 0, 10), *move], venue=quiet(market))

    assert judged.quarantine.is_empty()


def test_delivering_the_same_messages_again_starts_no_new_epoch(market) -> None:
    rows = [*snap(market, 0, 10), *spot(market, 1, 11, 12), *spot(market, 2, 13, 14)]
    again = [row | {"delivery": 1} for row in rows]

    judged = market.judge(Feed.BOOK, rows + again, venue=quiet(market))

    assert judged.counts["duplicate"] == len(rows)
    assert judged.clean["epoch"].unique().to_list() == [1]


levels = st.dictionaries(
    st.sampled_from([97.0, 98.0, 99.0, 100.0, 101.0, 102.0]), st.sampled_from([0.0, 1.0]), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(st.tuples(levels, levels), max_size=12))
def test_replaying_the_clean_rows_never_shows_a_crossed_book(market, drawn) -> None:
    rows = snap(market, 0, 0)
    for at, (bids, asks) in enumerate(drawn, start=1):
        rows += spot(market, at, at, at, bids, asks)

    judged = market.judge(Feed.BOOK, rows, venue=quiet(market))

    assert set(judged.quarantine["rule"]) <= {"book_crossed"}
    book: dict[str, dict[float, float]] = defaultdict(dict)
    for _, part in judged.clean.sort("last_seq").group_by("last_seq", maintain_order=True):
        for side, price, size in part.select("side", "price", "size").rows():
            book[side][price] = size
        bids = [price for price, size in book["bid"].items() if size > 0]
        asks = [price for price, size in book["ask"].items() if size > 0]
        assert not bids or not asks or max(bids) < min(asks)
