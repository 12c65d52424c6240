"""What a day of listings comes to, whatever the venue says in it: priced, or refused with a reason."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lake.market_schemas import CLEAN_MARKETS, MARKET_QUOTES, QUARANTINE_MARKETS
from tickline.lake.schemas import MARKETS
from tickline.markets.cleaning import Cleaned, clean
from tickline.markets.fees import FeeKind, fees_of
from tickline.markets.screening import RULES
from tickline.reference.models import MarketFee, SourceSpec, Venue, VenueKind

DAY = date(2026, 3, 6)
NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
VENUE = Venue(
    name="somewhere", kind=VenueKind.PREDICTION, calendar="always", start=DAY, markets=SourceSpec(kind="synthetic")
)
ROW: dict[str, Any] = {
    "instrument": "RAIN:YES",
    "ts_recv": NOON,
    "event_id": "RAIN",
    "event_title": "Rain",
    "market_id": "RAIN",
    "title": "Will it rain?",
    "outcome": "Yes",
    "rules": "Yes if it rains.",
    "category": "Climate",
    "status": "open",
    "ts_open": NOON - timedelta(days=9),
    "ts_close": NOON + timedelta(days=9),
    "tick_size": 0.01,
    "bid": 0.4,
    "ask": 0.45,
    "payload": None,
    "delivery": 0,
}


def row(**changed: Any) -> dict[str, Any]:
    return ROW | changed


def no_row(**changed: Any) -> dict[str, Any]:
    return row(instrument="RAIN:NO", outcome="No", bid=0.54, ask=0.61) | changed


def cleaned(*rows: dict[str, Any], venue: Venue = VENUE) -> Cleaned:
    raw = pl.DataFrame(list(rows), schema=MARKETS.columns).sort(MARKETS.sort, maintain_order=True)
    return clean(raw, venue, DAY)


def kalshi(**changed: Any) -> dict[str, Any]:
    """The YES row of a market as Kalshi tells it."""
    record = {
        "ticker": "KXHIGHNY-26MAR07-B56",
        "event_ticker": "KXHIGHNY-26MAR07",
        "title": "Will the high in NYC be 56-57°?",
        "yes_sub_title": "56° to 57°",
        "no_sub_title": "56° to 57°",
        "rules_primary": "If the highest temperature is between 56-57°, it resolves to Yes.",
        "rules_secondary": "",
        "status": "active",
        "result": "",
        "market_type": "binary",
        "strike_type": "between",
        "floor_strike": 56,
        "cap_strike": 57,
        "open_time": "2026-03-06T00:00:00Z",
        "close_time": "2026-03-08T04:59:00Z",
        "latest_expiration_time": "2026-03-14T15:00:00Z",
        "expected_expiration_time": "2026-03-08T15:00:00Z",
        "settlement_timer_seconds": 3600,
        "yes_bid": 7,
        "yes_ask": 9,
        "no_bid": 91,
        "no_ask": 93,
        "tick_size": 1,
        "volume": 12,
        "event": {"mutually_exclusive": True, "category": "Climate", "series_ticker": "KXHIGHNY", "title": "High"},
    } | changed
    payload = json.dumps(record)
    return row(instrument=record["ticker"], market_id=record["ticker"], event_id=None, title=None, payload=payload)


def polymarket(**changed: Any) -> dict[str, Any]:
    """The first outcome's row of a market as Polymarket tells it."""
    record = {
        "conditionId": "0xabc",
        "question": "Will Arsenal win the league?",
        "description": "Yes if Arsenal wins.",
        "outcomes": '["Yes", "No"]',
        "clobTokenIds": '["71", "28"]',
        "outcomePrices": '["0.0855", "0.9145"]',
        "groupItemTitle": "Arsenal",
        "active": True,
        "closed": False,
        "archived": False,
        "acceptingOrders": True,
        "bestBid": 0.084,
        "bestAsk": 0.087,
        "orderPriceMinTickSize": 0.001,
        "startDate": "2025-09-09T20:28:43.533604Z",
        "endDate": "2026-05-25T12:00:00Z",
        "negRisk": True,
        "negRiskMarketID": "0x37",
        "events": [{"id": "12483", "title": "League winner", "negRisk": True, "negRiskAugmented": False}],
    } | changed
    return row(
        instrument="71", market_id="0xabc", event_id=None, event_title=None, title=None, payload=json.dumps(record)
    )


def test_both_outcomes_of_a_look_become_one_quote_that_names_the_first_of_their_rows() -> None:
    result = cleaned(row(), no_row())
    (quote,) = result.quotes.rows(named=True)
    assert (quote["yes_bid"], quote["yes_ask"], quote["no_bid"], quote["no_ask"]) == (0.4, 0.45, 0.54, 0.61)
    assert quote["raw_row"] == 0
    (market,) = result.markets.rows(named=True)
    assert (market["yes_instrument"], market["no_instrument"]) == ("RAIN:YES", "RAIN:NO")
    assert result.counts == {"raw": 2, "looks": 1, "quoted": 2, "refused": 0}


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("no_price", {"bid": None, "ask": None}),
        ("no_price", {"bid": 0.0, "ask": 1.0}),
        ("price_not_finite", {"bid": float("nan")}),
        ("price_not_finite", {"ask": float("inf")}),
        ("price_in_cents", {"bid": 40.0, "ask": 45.0}),
        ("price_outside", {"bid": 400.0, "ask": 450.0}),
        ("price_outside", {"bid": -0.1}),
        ("crossed", {"bid": 0.5, "ask": 0.45}),
        ("off_grid", {"bid": 0.405}),
        ("not_trading", {"status": "closed"}),
        ("not_trading", {"status": "settled"}),
        ("not_trading", {"status": "cancelled"}),
    ],
)
def test_a_look_at_prices_that_cannot_be_is_refused_and_its_terms_stay(rule: str, changed: dict[str, Any]) -> None:
    result = cleaned(row(**changed))
    assert result.quotes.is_empty()
    assert result.quarantine["rule"].to_list() == [rule]
    assert result.quarantine["reason"].null_count() == 0
    assert result.markets.height == 1


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("missing_id", {"market_id": None}),
        ("missing_id", {"market_id": " "}),
        ("missing_title", {"title": ""}),
        ("unknown_status", {"status": "frobnicated"}),
        ("unknown_status", {"status": None}),
        ("times_out_of_order", {"ts_close": NOON - timedelta(days=10)}),
        ("unreadable", {"payload": "{"}),
        ("strike_impossible", {"payload": '{"strike_op": "between", "strike_low": 3, "strike_high": 2}'}),
        ("strike_impossible", {"payload": '{"strike_op": "ge"}'}),
        ("not_binary", {"instrument": None}),
    ],
)
def test_a_look_whose_terms_cannot_be_is_refused_whole(rule: str, changed: dict[str, Any]) -> None:
    result = cleaned(row(**changed))
    assert result.quarantine["rule"].to_list() == [rule]
    assert result.markets.is_empty()


def test_prices_of_both_outcomes_that_do_not_sum_to_what_one_of_them_pays_are_refused() -> None:
    assert cleaned(row(), no_row(bid=0.4, ask=0.42)).quarantine["rule"].to_list() == ["wrong_sum", "wrong_sum"]
    # Two books can stand a little apart: that is an opportunity, not an error.
    assert cleaned(row(), no_row(bid=0.4, ask=0.52)).quotes.height == 1


def test_a_market_of_more_than_two_outcomes_is_refused() -> None:
    third = no_row(instrument="RAIN:MAYBE", outcome="Maybe")
    assert cleaned(row(), no_row(), third).quarantine["rule"].to_list() == ["not_binary"] * 3


def test_one_id_with_two_sets_of_terms_in_one_delivery_is_nobody() -> None:
    result = cleaned(row(), row(title="Will it snow?"))
    assert result.quarantine["rule"].to_list() == ["conflicting_id"] * 2
    assert result.markets.is_empty()


def test_a_market_listed_twice_alike_is_quoted_once() -> None:
    result = cleaned(row(), row())
    assert result.quotes.height == 1
    assert result.quarantine["rule"].to_list() == ["repeated"]
    assert result.markets.height == 1


def test_an_outcome_that_two_markets_claim_is_neithers() -> None:
    result = cleaned(row(), row(market_id="SNOW", title="Will it snow?"))
    assert result.quarantine["rule"].to_list() == ["shared_instrument"] * 2


def test_edited_rules_are_another_version_and_other_prices_are_not() -> None:
    later = [NOON + timedelta(hours=step) for step in range(4)]
    edited = "Yes if it rains or snows."
    result = cleaned(
        row(ts_recv=later[0]),
        row(ts_recv=later[1], bid=0.41),
        row(ts_recv=later[2], rules=edited),
        row(ts_recv=later[3], rules=edited, status="closed"),
    )
    first, second = result.markets.rows(named=True)
    assert (first["version"], first["ts_first"], first["ts_last"]) == (1, later[0], later[1])
    assert (second["version"], second["ts_first"], second["ts_last"]) == (2, later[2], later[3])
    assert (first["rules"], second["rules"]) == (ROW["rules"], edited)
    assert (first["status"], second["status"]) == ("open", "closed")
    assert first["terms_sha256"] != second["terms_sha256"]


def test_terms_that_come_back_are_a_further_version_with_the_first_hash() -> None:
    titles = ["Will it rain?", "Will it pour?", "Will it rain?"]
    looks = [row(title=title, ts_recv=NOON + timedelta(hours=nth)) for nth, title in enumerate(titles)]
    markets = cleaned(*looks).markets
    assert markets["version"].to_list() == [1, 2, 3]
    assert markets["terms_sha256"][0] == markets["terms_sha256"][2]


def test_kalshi_in_cents_and_in_dollars_is_the_same_market() -> None:
    dollars = {f"{side}_dollars": f"{cents / 100:.4f}" for side, cents in _CENTS.items()}
    in_cents, both = cleaned(kalshi()), cleaned(kalshi(**dollars))
    only = cleaned(kalshi(**dollars, **dict.fromkeys(_CENTS)))
    assert in_cents.quotes.equals(both.quotes)
    assert in_cents.quotes.equals(only.quotes)
    assert in_cents.quotes.select("yes_bid", "yes_ask", "no_bid", "no_ask").row(0) == (0.07, 0.09, 0.91, 0.93)


def test_kalshis_terms_are_read_from_its_record() -> None:
    (market,) = cleaned(kalshi()).markets.rows(named=True)
    told = {name: market[name] for name in ("event_id", "series", "category", "yes_label", "no_label", "strike_op")}
    assert told == {
        "event_id": "KXHIGHNY-26MAR07",
        "series": "KXHIGHNY",
        "category": "Climate",
        "yes_label": "56° to 57°",
        "no_label": "No",
        "strike_op": "between",
    }
    assert (market["strike_low"], market["strike_high"], market["tick_size"]) == (56, 57, 0.01)
    assert market["ts_expiry"] == datetime(2026, 3, 14, 15, tzinfo=UTC)
    assert market["ts_settle"] == datetime(2026, 3, 8, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "result", "expected"),
    [
        ("initialized", "", ("upcoming", None)),
        ("inactive", "", ("paused", None)),
        ("closed", "", ("closed", None)),
        ("determined", "yes", ("closed", "yes")),
        ("disputed", "no", ("closed", "no")),
        ("finalized", "no", ("settled", "no")),
        ("settled", "yes", ("settled", "yes")),
        ("finalized", "scalar", ("voided", "void")),
    ],
)
def test_where_a_kalshi_market_stands(status: str, result: str, expected: tuple[str, str | None]) -> None:
    (market,) = cleaned(kalshi(status=status, result=result)).markets.rows(named=True)
    assert (market["status"], market["result"]) == expected


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("unknown_status", {"status": "under_review"}),
        ("units_disagree", {"yes_bid_dollars": "7.0000"}),
        ("units_disagree", {"yes_bid": 0.07, "yes_ask": 0.09}),
        ("crossed", {"no_bid": 95}),
        ("mirror_broken", {"yes_bid": 5}),
        ("not_binary", {"market_type": "scalar"}),
        ("strike_impossible", {"floor_strike": None}),
    ],
)
def test_a_kalshi_record_that_contradicts_itself_is_refused(rule: str, changed: dict[str, Any]) -> None:
    assert cleaned(kalshi(**changed)).quarantine["rule"].to_list() == [rule]


def test_polymarkets_second_outcome_is_quoted_from_the_first() -> None:
    result = cleaned(polymarket())
    assert result.quotes.select("yes_bid", "yes_ask", "no_bid", "no_ask").row(0) == (0.084, 0.087, 0.913, 0.916)
    (market,) = result.markets.rows(named=True)
    told = [market[name] for name in ("strict_id", "yes_instrument", "no_instrument", "yes_label", "event_title")]
    assert told == ["0xabc", "71", "28", "Arsenal", "League winner"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"acceptingOrders": False}, ("paused", None)),
        ({"active": False}, ("paused", None)),
        ({"closed": True}, ("closed", None)),
        ({"closed": True, "outcomePrices": '["0", "1"]'}, ("settled", "no")),
        ({"closed": True, "outcomePrices": '["1", "0"]', "umaResolutionStatus": "resolved"}, ("settled", "yes")),
        ({"closed": True, "outcomePrices": '["0.5", "0.5"]', "umaResolutionStatus": "resolved"}, ("voided", "void")),
    ],
)
def test_where_a_polymarket_market_stands(changed: dict[str, Any], expected: tuple[str, str | None]) -> None:
    (market,) = cleaned(polymarket(**changed)).markets.rows(named=True)
    assert (market["status"], market["result"]) == expected


def test_a_markets_own_fee_schedule_comes_first_and_the_venues_rounds_it() -> None:
    venue = VENUE.model_copy(
        update={
            "market_fees": (
                MarketFee(kind="curve", taker="0.05", rounding="down", places=5, categories=("Climate",)),
                MarketFee(kind="none"),
            )
        }
    )
    schedule = {"rate": 0.07, "exponent": 2, "takerOnly": True}
    (own,) = cleaned(polymarket(feesEnabled=True, feeSchedule=schedule), venue=venue).markets.rows(named=True)
    assert [own[f"fee_{name}"] for name in ("kind", "taker", "maker", "exponent")] == ["curve", 0.07, 0.0, 2.0]
    (free,) = cleaned(polymarket(feesEnabled=False), venue=venue).markets.rows(named=True)
    assert fees_of(free).kind is FeeKind.NONE
    (of_category,) = cleaned(row(), venue=venue).markets.rows(named=True)
    assert [of_category[name] for name in ("fee_kind", "fee_taker", "fee_rounding", "fee_places")] == [
        *("curve", 0.05, "down", 5)
    ]
    (other,) = cleaned(row(category="Sports"), venue=venue).markets.rows(named=True)
    assert other["fee_kind"] == "none"


def test_a_fee_counts_from_its_day_on() -> None:
    fees = (MarketFee(kind="curve", taker="0.09", since=date(2026, 3, 7)), MarketFee(kind="curve", taker="0.07"))
    venue = VENUE.model_copy(update={"market_fees": fees})
    raw = pl.DataFrame([row()], schema=MARKETS.columns)
    taken = [clean(raw, venue, day).markets["fee_taker"][0] for day in (DAY, date(2026, 3, 7))]
    assert taken == [0.07, 0.09]


_CENTS = {"yes_bid": 7, "yes_ask": 9, "no_bid": 91, "no_ask": 93}
_ODD = st.sampled_from([None, 0.0, 0.4, 0.45, 0.455, 1.0, 45.0, 450.0, -1.0, float("nan"), float("inf")])
_ROWS = st.fixed_dictionaries(
    {
        "market_id": st.sampled_from([None, "", "A", "B"]),
        "instrument": st.sampled_from([None, "A:YES", "A:NO", "B"]),
        "outcome": st.sampled_from([None, "Yes", "No", "Up", "Down"]),
        "title": st.sampled_from([None, "Will it?", "Will it not?"]),
        "status": st.sampled_from([None, "open", "closed", "voided", "odd"]),
        "bid": _ODD,
        "ask": _ODD,
        "payload": st.sampled_from(
            [None, "{", "[]", '{"ticker": 1, "event_ticker": 2}', '{"conditionId": {}, "outcomes": 7}']
        ),
        "ts_recv": st.sampled_from([NOON, NOON + timedelta(hours=1)]),
    }
)


@settings(max_examples=12, deadline=None)
@given(st.lists(_ROWS, max_size=8))
def test_every_raw_row_is_behind_one_quote_or_is_in_quarantine_once(rows: list[dict[str, Any]]) -> None:
    result = cleaned(*(row(**changed) for changed in rows))
    for frame, schema in (
        (result.markets, CLEAN_MARKETS),
        (result.quotes, MARKET_QUOTES),
        (result.quarantine, QUARANTINE_MARKETS),
    ):
        assert dict(frame.schema) == schema.columns
    refused = set(result.quarantine["raw_row"])
    assert len(refused) == result.quarantine.height
    assert refused.isdisjoint(result.quotes["raw_row"])
    assert result.counts["quoted"] + len(refused) == len(rows) == result.counts["raw"]
    assert result.counts["quoted"] >= result.quotes.height
    by_rule = {rule.name: result.counts.get(f"refused_{rule.name}", 0) for rule in RULES}
    assert sum(by_rule.values()) == len(refused)
    prices = result.quotes.select("yes_bid", "yes_ask", "no_bid", "no_ask")
    assert all(0 < price < 1 for line in prices.iter_rows() for price in line if price is not None)
    assert set(result.quotes["status"]) <= {"open"}
