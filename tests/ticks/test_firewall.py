import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tickline.errors import FirewallError, SchemaDrift
from tickline.lake.schemas import CLEAN, GAPS, QUARANTINE, RAW, Feed

SECOND = 1000  # ms

BAD_TRADES = [
    ("malformed", {"defect": "price: 'abc'", "price": None}),
    ("ts_missing", {"ts_event": None}),
    ("ts_wrong_unit", {"ts_event": 1_773_014_460_000_000}),
    ("ts_wrong_unit", {"ts_event": 0}),
    ("unknown_instrument", {"instrument": "aaa"}),
    ("unknown_instrument", {"instrument": None}),
    ("price_not_finite", {"price": math.nan}),
    ("price_not_finite", {"price": math.inf}),
    ("price_not_finite", {"price": None}),
    ("price_not_positive", {"price": 0.0}),
    ("price_not_positive", {"price": -0.0}),
    ("price_not_positive", {"price": -math.ulp(0.0)}),
    ("micro_price", {"price": 1e-9}),
    ("price_implausible", {"price": 1e12}),
    ("price_off_grid", {"price": 100.005}),
    ("size_not_finite", {"size": math.nan}),
    ("size_not_finite", {"size": None}),
    ("size_not_positive", {"size": 0.0}),
    ("size_implausible", {"size": 1e18}),
    ("size_off_grid", {"size": 1.0005}),
    ("unknown_side", {"side": "BUY"}),
    ("outside_session", {"instrument": "HRS"}),
    ("jump", {"price": 1000.0}),
    ("jump", {"price": 10.0}),
]

BAD_QUOTES = [
    ("quote_not_finite", {"bid": math.nan}),
    ("quote_not_finite", {"bid": None, "ask": math.inf}),
    ("quote_not_positive", {"ask": 0.0}),
    ("one_sided", {"bid": None}),
    ("one_sided", {"bid": None, "ask": None}),
    ("micro_price", {"bid": 0.001}),
    ("price_implausible", {"ask": 1e9}),
    ("price_off_grid", {"bid": 99.995}),
    ("quote_size_not_finite", {"ask_size": math.nan}),
    ("quote_size_not_positive", {"bid_size": 0.0}),
    ("size_implausible", {"bid_size": 1e18}),
    ("crossed", {"bid": 100.02}),
    ("locked", {"bid": 100.01}),
    ("wide_spread", {"bid": 50.0}),
    ("jump", {"bid": 999.99, "ask": 1000.01}),
]


@pytest.mark.parametrize(("rule", "fault"), BAD_TRADES)
def test_a_bad_trade_is_refused_by_the_rule_for_its_fault(market, rule, fault) -> None:
    good = [market.trade(second * SECOND) for second in range(20)]

    judged = market.judge(Feed.TRADES, [*good, market.trade(10 * SECOND + 1) | fault])

    assert judged.quarantine["rule"].to_list() == [rule]
    assert judged.clean.height == 20
    assert judged.counts[rule] == 1
    assert sum(judged.counts.values()) == 1


@pytest.mark.parametrize(("rule", "fault"), BAD_QUOTES)
def test_a_bad_quote_is_refused_by_the_rule_for_its_fault(market, rule, fault) -> None:
    good = [market.quote(second * SECOND) for second in range(20)]

    judged = market.judge(Feed.QUOTES, [*good, market.quote(10 * SECOND + 1) | fault])

    assert judged.quarantine["rule"].to_list() == [rule]
    assert judged.clean.height == 20


@pytest.mark.parametrize(
    ("rule", "ts_event_s", "ts_recv_s"),
    [
        ("ts_future", 3600, 3594),
        ("ts_future", 86_400, None),
        ("ts_stale", -1, None),
        ("ts_stale", -1, 100),
    ],
)
def test_times_are_judged_by_receipt_and_by_the_day(market, rule, ts_event_s, ts_recv_s) -> None:
    times = {
        "ts_event": market.start + ts_event_s * 10**9,
        "ts_recv": None if ts_recv_s is None else market.start + ts_recv_s * 10**9,
    }

    assert market.judge(Feed.TRADES, [market.trade(0) | times]).quarantine["rule"].to_list() == [rule]


def test_a_clock_a_few_seconds_behind_the_venue_is_no_fault(market) -> None:
    judged = market.judge(Feed.TRADES, [market.trade(5000, ts_recv=market.start + 10**9)])

    assert judged.clean.height == 1


def test_a_reason_tells_what_was_seen_and_what_was_allowed(market) -> None:
    judged = market.judge(Feed.TRADES, [market.trade(0, price=100.005), market.trade(1, defect="no 'p'", price=None)])

    assert judged.quarantine["reason"].to_list() == [
        "price 100.005 is not a multiple of the tick 0.01",
        "could not be parsed: no 'p'",
    ]


def test_frames_have_exactly_the_declared_schemas_even_when_empty(market) -> None:
    for feed in Feed:
        judged = market.judge(feed, RAW[feed].empty())
        assert dict(judged.clean.schema) == CLEAN[feed].columns
        assert dict(judged.quarantine.schema) == QUARANTINE[feed].columns
        assert dict(judged.gaps.schema) == GAPS.columns
        assert judged.clean.is_empty()


def test_a_drifted_batch_is_refused_with_a_diff(market) -> None:
    drifted = (
        market.raw(Feed.TRADES, [market.trade(0)]).rename({"size": "qty"}).with_columns(pl.col("price").cast(pl.String))
    )

    with pytest.raises(SchemaDrift) as refusal:
        market.judge(Feed.TRADES, drifted)

    message = str(refusal.value)
    assert "missing size (Float64)" in message
    assert "unexpected qty (Float64)" in message
    assert "retyped price (Float64 became String)" in message
    assert "coin trades 2026-03-09" in message


def test_an_unknown_parameter_is_refused_by_name(market) -> None:
    with pytest.raises(FirewallError, match=r"venue coin.*: max_prize is no parameter of a rule; there are .*frozen_s"):
        market.judge(Feed.TRADES, [market.trade(0)], venue=market.venue(parameters={"max_prize": 1}))


@pytest.mark.parametrize("parameters", [{"order_tolerance_s": 1e300}, {"silence_s": -1}, {"jump_confirm": 65}])
def test_a_parameter_beyond_what_its_scan_can_count_is_refused_by_name(market, parameters) -> None:
    (name,) = parameters
    with pytest.raises(FirewallError, match=f"{name} must lie from"):
        market.judge(Feed.TRADES, [market.trade(0)], venue=market.venue(parameters=parameters))


def test_a_book_that_no_rule_follows_is_not_judged(market) -> None:
    rules = market.rules.model_copy(update={"rules": tuple(r for r in market.rules.rules if r.scan is None)})
    with pytest.raises(FirewallError, match="no rule follows the book"):
        market.judge(Feed.BOOK, [], rules=rules)


def test_a_calendar_without_sessions_is_refused_not_taken_for_a_holiday(market) -> None:
    with pytest.raises(FirewallError, match="no sessions of calendar 'hours'"):
        market.judge(Feed.TRADES, [], sessions=market.sessions.filter(pl.col("calendar") != "hours"))


def test_an_instrument_overrides_its_venue_and_the_venue_its_kind(market) -> None:
    declared = market.venue(parameters={"max_price": 50})
    first, *others = declared.instruments
    declared = declared.model_copy(
        update={"instruments": (first.model_copy(update={"parameters": {"max_price": 200.0}}), *others)}
    )

    judged = market.judge(Feed.TRADES, [market.trade(0), market.trade(1, instrument="BBB")], venue=declared)

    assert judged.clean["instrument"].to_list() == ["AAA"]
    assert judged.quarantine["rule"].to_list() == ["price_implausible"]


def test_a_rule_that_only_notes_is_counted_and_keeps_the_row(market) -> None:
    noting = market.rules.model_validate(
        market.rules.model_dump()
        | {"rules": [{"name": "big", "feeds": ["trades"], "severity": "note", "when": "size > 10", "reason": "big"}]}
    )

    judged = market.judge(Feed.TRADES, [market.trade(0), market.trade(1, size=11.0)], rules=noting)

    assert judged.clean.height == 2
    assert judged.counts == {"big": 1}


def test_sessions_are_half_open_and_the_lunch_break_is_closed(market) -> None:
    hour = 3600 * SECOND
    times = [9 * hour - 1, 9 * hour, 12 * hour - 1, 12 * hour, 13 * hour - 1, 13 * hour, 17 * hour - 1, 17 * hour]

    judged = market.judge(Feed.TRADES, [market.trade(ms, instrument="HRS") for ms in times])

    assert judged.clean["seq"].to_list() == [9 * hour, 12 * hour - 1, 13 * hour, 17 * hour - 1]
    assert set(judged.quarantine["rule"]) == {"outside_session"}


def test_a_book_merged_from_several_dealers_may_cross_itself_where_the_venue_says_so(market) -> None:
    rows = [market.quote(0, bid=100.01), market.quote(1, bid=100.02), market.quote(2, bid=101.0, ask=100.0)]

    judged = market.judge(Feed.QUOTES, rows, venue=market.venue(parameters={"max_cross_bps": 2}))

    assert judged.clean["seq"].to_list() == [0, 1]
    assert judged.quarantine["rule"].to_list() == ["crossed"]


# Laws that hold for any rows, good or bad.

prices = st.sampled_from([100.0, 100.01, 99.99, 130.0, 1000.0, 100.005, 0.0, -1.0, math.nan, math.inf, None])
trades = st.lists(
    st.fixed_dictionaries(
        {
            "instrument": st.sampled_from(["AAA", "AAA", "BBB", "HRS", "ZZZ", None]),
            "ms": st.integers(0, 40).map(lambda at: at * 500 + 10 * 3600 * 1000),
            "late": st.sampled_from([0, 0, 0, 0, -3000, 3000, None]),
            "price": st.one_of(st.just(100.0), prices),
            "size": st.sampled_from([1.0, 1.0, 2.0, 0.0, math.nan]),
            "side": st.sampled_from(["buy", "sell", None, "?"]),
            "delivery": st.integers(0, 2),
            "trade_id": st.sampled_from([None, None, "1", "2", "3", "x"]),
        }
    ),
    max_size=30,
)


def as_rows(market, drawn) -> list[dict]:
    rows = []
    for row in drawn:
        made = market.trade(row["ms"])
        late = row["late"]
        ts_event = None if late is None else made["ts_event"] + late * 1_000_000
        plain = {name: value for name, value in row.items() if name not in ("ms", "late")}
        rows.append(made | plain | {"ts_event": ts_event})
    return rows


@settings(max_examples=30, deadline=None)
@given(drawn=trades)
def test_every_raw_row_is_clean_or_refused_exactly_once(market, drawn) -> None:
    raw = market.raw(Feed.TRADES, as_rows(market, drawn))

    judged = market.judge(Feed.TRADES, raw)

    shared = [name for name in CLEAN[Feed.TRADES].columns if name in RAW[Feed.TRADES].columns]
    kept = pl.concat([judged.clean.select(shared), judged.quarantine.select(shared)])
    assert_frame_equal(kept.sort(shared), raw.select(shared).sort(shared))
    numbers = pl.concat([judged.clean["raw_row"], judged.quarantine["raw_row"]]).sort()
    assert numbers.to_list() == list(range(raw.height))
    assert sum(judged.counts.values()) == judged.quarantine.height


@settings(max_examples=30, deadline=None)
@given(drawn=trades, data=st.data())
def test_the_order_and_chunking_of_the_rows_change_nothing(market, drawn, data) -> None:
    rows = as_rows(market, drawn)
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    chunked = pl.concat(
        [market.raw(Feed.TRADES, shuffled[:cut]), market.raw(Feed.TRADES, shuffled[cut:])], rechunk=False
    )

    before, after = market.judge(Feed.TRADES, rows), market.judge(Feed.TRADES, chunked)

    assert_frame_equal(before.clean, after.clean)
    assert_frame_equal(before.quarantine, after.quarantine)
    assert_frame_equal(before.gaps, after.gaps)
    assert before.counts == after.counts


@settings(max_examples=30, deadline=None)
@given(drawn=trades)
def test_delivering_everything_again_leaves_the_clean_rows_as_they_were(market, drawn) -> None:
    rows = as_rows(market, drawn)
    again = [row | {"delivery": row["delivery"] + 3, "ts_recv": row["ts_recv"] + 10**9} for row in rows]

    once, twice = market.judge(Feed.TRADES, rows), market.judge(Feed.TRADES, rows + again)

    assert_frame_equal(once.clean.drop("raw_row"), twice.clean.drop("raw_row"))


@settings(max_examples=30, deadline=None)
@given(drawn=trades, other=trades)
def test_rows_of_one_instrument_never_change_verdicts_of_another(market, drawn, other) -> None:
    own = [row for row in as_rows(market, drawn) if row["instrument"] == "AAA"]
    foreign = [row for row in as_rows(market, other) if row["instrument"] != "AAA"]

    alone = market.judge(Feed.TRADES, own).clean
    together = market.judge(Feed.TRADES, own + foreign).clean.filter(pl.col("instrument") == "AAA")

    assert_frame_equal(alone.drop("raw_row"), together.drop("raw_row"))
