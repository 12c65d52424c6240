from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tickline.lake.market_schemas import MARKET_QUOTES, QUARANTINE_MARKETS
from tickline.lake.schemas import CLEAN, Feed
from tickline.lanes.paper_events import Resolved
from tickline.lanes.recorded import events_of
from tickline.lanes.tape import ends_of

NOON = datetime(2026, 3, 7, 12, tzinfo=UTC)
WHENCE = {"venue": "kalshi", "input_venue": "kalshi", "input_period": "2026-03-07"}
ADDED = {name: pl.String() for name in ("venue", "input", "input_venue", "input_period")} | {"input_row": pl.UInt32()}


def after(minutes):
    return NOON + timedelta(minutes=minutes)


def quotes(*rows):
    """(instrument, minutes after noon, bid, ask), had a second later."""
    told = [
        WHENCE
        | {"input": "clean_quotes", "input_row": nth, "instrument": name, "ts_event": after(minutes), "seq": nth}
        | {"ts_recv": after(minutes) + timedelta(seconds=1), "bid": bid, "ask": ask, "bid_size": 10.0, "ask_size": 20.0}
        for nth, (name, minutes, bid, ask) in enumerate(rows)
    ]
    return pl.DataFrame(told, schema=CLEAN[Feed.QUOTES].columns | ADDED)


def looks(*rows):
    """(market, minutes after noon, yes_bid, yes_ask)."""
    told = [
        WHENCE
        | {"input": "market_quotes", "input_row": nth, "market_id": name, "ts_recv": after(minutes), "status": "open"}
        | {"yes_bid": bid, "yes_ask": ask}
        for nth, (name, minutes, bid, ask) in enumerate(rows)
    ]
    return pl.DataFrame(told, schema=MARKET_QUOTES.columns | ADDED)


def refused(*rows):
    told = [{"venue": "kalshi", "market_id": name, "ts_recv": after(minutes)} for name, minutes in rows]
    return pl.DataFrame(told, schema={"venue": pl.String()} | QUARANTINE_MARKETS.columns)


@pytest.fixture
def one_book(markets_of):
    return markets_of({"market_id": "A", "yes_instrument": "A"})


@pytest.fixture
def two_books(markets_of):
    return markets_of({"market_id": "A", "yes_instrument": "A:YES", "no_instrument": "A:NO"})


def test_what_is_no_instrument_of_its_own_is_implied_by_the_other(one_book):
    (event,) = events_of(
        one_book, quotes(("A", 5, 0.4, 0.43)), looks(("A", 0, 0.4, 0.5)), refused(), stale_s=900
    ).to_dicts()
    assert event["ts"] == after(5) + timedelta(seconds=1) == event["ts_quoted"]
    assert event["ts_event"] == after(5)
    assert (event["no_bid"], event["no_ask"]) == (0.57, 0.6)
    assert (event["no_bid_size"], event["no_ask_size"]) == (20.0, 10.0)
    assert (event["yes_row"], event["no_row"], event["status"]) == (0, 0, "open")


def test_each_side_is_told_from_its_own_row_and_is_as_old_as_the_older(two_books):
    fed = quotes(("A:YES", 1, 0.4, 0.43), ("A:NO", 3, 0.55, 0.58), ("A:YES", 9, 0.41, 0.44))
    events = events_of(two_books, fed, looks(("A", 0, 0.4, 0.5)), refused(), stale_s=900).to_dicts()
    assert [(one["yes_ask"], one["no_ask"]) for one in events] == [(0.43, None), (0.43, 0.58), (0.44, 0.58)]
    assert [(one["yes_row"], one["no_row"]) for one in events] == [(0, None), (0, 1), (2, 1)]
    assert events[-1]["ts_quoted"] == after(3) + timedelta(seconds=1)


def test_a_side_that_was_not_quoted_for_too_long_has_no_price(two_books):
    fed = quotes(("A:NO", 1, 0.55, 0.58), ("A:YES", 17, 0.4, 0.42))
    *_, event = events_of(two_books, fed, looks(("A", 0, 0.4, 0.5)), refused(), stale_s=900).to_dicts()
    assert (event["yes_ask"], event["no_ask"], event["no_bid"]) == (0.42, None, None)


def test_a_refused_look_stops_a_market_until_the_next_good_one(one_book):
    fed = quotes(("A", 5, 0.4, 0.43), ("A", 15, 0.4, 0.43), ("A", 25, 0.4, 0.43))
    told = events_of(one_book, fed, looks(("A", 0, 0.4, 0.5), ("A", 20, 0.4, 0.5)), refused(("A", 10)), stale_s=900)
    assert told["status"].to_list() == ["open", "closed", "closed", "open"]
    assert told["yes_ask"].to_list() == [0.43, None, 0.43, 0.43]


def test_a_market_that_nobody_looked_at_yet_is_not_open(one_book):
    told = events_of(one_book, quotes(("A", 5, 0.4, 0.43)), looks(("A", 7, 0.4, 0.5)), refused(), stale_s=900)
    assert told["status"].to_list() == [None]


def test_markets_without_a_feed_are_told_from_looks(one_book, markets_of):
    both = pl.concat([one_book, markets_of({"market_id": "B", "yes_instrument": "B"})])
    told = events_of(
        both, quotes(("A", 5, 0.4, 0.43)), looks(("A", 0, 0.1, 0.2), ("B", 1, 0.7, 0.8)), refused(), stale_s=900
    )
    assert told.select("market_id", "yes_ask", "input").rows() == [
        ("B", 0.8, "market_quotes"),
        ("A", 0.43, "clean_quotes"),
    ]


def test_a_voided_market_resolves_though_its_venue_names_no_result(markets_of):
    ends = ends_of(markets_of({"market_id": "A", "status": "voided", "ts_last": after(30), "ts_close": None}))
    assert [(type(one), one.result) for one in ends] == [(Resolved, "void")]
