"""Injected faults: as many as configured, each what its name says, and found by the rule it is named after."""

from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import RAW, Feed
from tickline.reference.calendars import load_calendars
from tickline.reference.loading import load_venues
from tickline.reference.models import SourceSpec
from tickline.reference.sessions import venue_sessions
from tickline.sources.synthetic import Synthetic
from tickline.sources.synthetic.faults import known
from tickline.ticks.firewall import Judged, judge
from tickline.ticks.rules import load_rules

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "config"
CALENDARS = load_calendars(CONFIG / "calendars.yaml")
VENUES = load_venues(CONFIG / "venues", CALENDARS)
RULES = load_rules(CONFIG / "rules.yaml")
FRIDAY, MONDAY = date(2026, 3, 6), date(2026, 3, 9)
FEEDS = [(name, feed) for name, venue in VENUES.items() for feed in sorted(venue.feeds)]
ONE_OF_EACH_KIND = [(name, feed) for name, feed in FEEDS if name != "predsim_b"]
RATE = 0.0025


def opened(name: str, feed: Feed, **settings: Any) -> Synthetic:
    """A feed of a demo venue with some of its settings replaced."""
    venue = VENUES[name]
    spec = SourceSpec(kind="synthetic", **venue.feeds[feed].settings | settings)
    return Synthetic.open(spec, venue, feed, calendars=CALENDARS)


def delivered(source: Synthetic, day: date) -> pl.DataFrame:
    (made,) = source.objects(day)
    return pl.concat([RAW[source.feed].empty(), *(batch.frame for batch in source.batches(made, day))])


def judged(source: Synthetic, day: date) -> Judged:
    raw = delivered(source, day).sort(RAW[source.feed].sort, maintain_order=True)
    sessions = venue_sessions(source.venue, CALENDARS, day - timedelta(days=7), day + timedelta(days=7))
    return judge(raw, source.feed, source.venue, day=day, sessions=sessions, rules=RULES)


def by_row(frame: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Refused rows and their rule, in an order of their own."""
    columns = [*RAW[feed].columns, "rule"]
    return frame.select(columns).sort(columns)


@cache
def everything(name: str, feed: Feed) -> Synthetic:
    """The feed with every fault it can have."""
    return opened(name, feed, faults=dict.fromkeys(known(feed), RATE))


@cache
def truth_of_everything(name: str, feed: Feed) -> pl.DataFrame:
    return everything(name, feed).ground_truth(FRIDAY)


@cache
def verdict_on_everything(name: str, feed: Feed) -> Judged:
    return judged(everything(name, feed), FRIDAY)


@cache
def without_faults(name: str, feed: Feed) -> pl.DataFrame:
    return delivered(opened(name, feed, faults={}), FRIDAY)


@pytest.mark.parametrize(("name", "feed"), FEEDS)
def test_the_firewall_refuses_the_faulty_rows_of_the_demo_for_their_reason_and_no_others(name: str, feed: Feed) -> None:
    source = opened(name, feed)
    verdict = judged(source, MONDAY)
    assert by_row(verdict.quarantine, feed).equals(by_row(source.ground_truth(MONDAY), feed))


@pytest.mark.parametrize(("name", "feed"), ONE_OF_EACH_KIND)
def test_the_firewall_names_every_class_of_fault(name: str, feed: Feed) -> None:
    truth = truth_of_everything(name, feed)
    closes = VENUES[name].calendar != "always"
    assert set(truth["rule"]) == set(known(feed)) - {"sequence_gap"} - (set() if closes else {"outside_session"})
    assert by_row(verdict_on_everything(name, feed).quarantine, feed).equals(by_row(truth, feed))


@pytest.mark.parametrize(("name", "feed"), ONE_OF_EACH_KIND)
def test_the_firewall_finds_the_gaps_that_lost_messages_leave(name: str, feed: Feed) -> None:
    kind = "book" if feed is Feed.BOOK else "sequence"
    found = verdict_on_everything(name, feed).gaps.filter(kind=kind).sort("instrument", "seq_from")
    lost = everything(name, feed).missing(FRIDAY).sort("instrument", "seq_from")
    assert lost.height > 5
    assert found.equals(lost)


def test_the_rules_of_the_firewall_are_all_injected() -> None:
    for feed in Feed:
        declared = {rule.name for rule in RULES.of(feed)}
        gap = set() if feed is Feed.BOOK else {"sequence_gap"}
        assert set(known(feed)) == declared | gap


@pytest.mark.parametrize(("name", "feed"), ONE_OF_EACH_KIND)
def test_there_are_as_many_faults_as_configured(name: str, feed: Feed) -> None:
    per_message = ["instrument", "seq", "delivery"]
    truth = truth_of_everything(name, feed).with_columns(pl.col("instrument").str.strip_suffix(".OLD"))
    true = without_faults(name, feed)
    lost = everything(name, feed).missing(FRIDAY)
    for own in true.partition_by("instrument"):
        instrument = own["instrument"][0]
        messages = own["seq"].n_unique()
        faulty = truth.filter(instrument=instrument).unique([*per_message, "rule"]).group_by("rule").len()
        for rule, count in faulty.rows():
            assert count == pytest.approx(RATE * messages, rel=0.02, abs=4 if rule == "book_gap" else 1), rule
        if feed is not Feed.BOOK:
            missing = lost.filter(instrument=instrument)["missing"].sum()
            assert missing == pytest.approx(RATE * messages, rel=0.02, abs=1)


@pytest.mark.parametrize(("name", "feed"), [("coinsim", Feed.BOOK), ("fxsim", Feed.QUOTES), ("predsim_a", Feed.TRADES)])
def test_rows_that_are_not_in_the_ground_truth_are_those_of_a_feed_without_faults(name: str, feed: Feed) -> None:
    source = opened(name, feed, faults=dict.fromkeys(set(known(feed)) - {"frozen", "outside_session"}, RATE))
    remaining = delivered(source, FRIDAY).join(
        source.ground_truth(FRIDAY), on=list(RAW[feed].columns), how="anti", nulls_equal=True
    )
    true = without_faults(name, feed)
    content = [column for column in RAW[feed].columns if column != "delivery"]
    if feed is Feed.BOOK:
        # A mended book has snapshots where a whole one has deltas, and new sizes from there on.
        remaining = remaining.filter(kind="delta")
        content.remove("size")
    assert remaining.height > 0.8 * true.height
    assert remaining.join(true, on=content, how="anti", nulls_equal=True).is_empty()


def _of(name: str, feed: Feed, rule: str) -> pl.DataFrame:
    """The faulty rows of a rule beside the true rows they were made from (suffix `_true`)."""
    own = truth_of_everything(name, feed).filter(rule=rule)
    rows = own.join(without_faults(name, feed), on=["instrument", "seq"], suffix="_true")
    assert rows.height == own.height > 0
    return rows


def test_a_wrong_unit_is_the_true_time_in_seconds_milliseconds_or_microseconds() -> None:
    rows = _of("coinsim", Feed.TRADES, "ts_wrong_unit")
    raw, true = rows["ts_event"].to_physical(), rows["ts_event_true"].to_physical()
    assert set((true / raw).log10().round(6)) == {3, 6, 9}


def test_a_jump_is_ten_times_the_price_for_one_tick() -> None:
    rows = _of("coinsim", Feed.TRADES, "jump")
    assert (rows["price"] / rows["price_true"] - 10).abs().max() < 1e-9
    assert rows.sort("instrument", "seq").select(pl.col("seq").diff().over("instrument").min()).item() > 4


def test_a_price_off_its_grid_is_still_near_the_market() -> None:
    rows = _of("coinsim", Feed.TRADES, "price_off_grid")
    assert (rows["price"] / rows["price_true"] - 1).abs().max() < 0.001
    assert (rows["price"] > 0).all()


def test_a_crossed_quote_is_the_true_one_the_wrong_way_round() -> None:
    rows = _of("coinsim", Feed.QUOTES, "crossed")
    assert rows.select("bid", "ask").rows() == rows.select("ask_true", "bid_true").rows()


def test_a_duplicate_is_a_row_of_the_delivery_before_received_again_no_earlier() -> None:
    frame = delivered(everything("nysim", Feed.TRADES), FRIDAY)
    copies = truth_of_everything("nysim", Feed.TRADES).filter(rule="duplicate")
    told = [name for name in RAW[Feed.TRADES].columns if name not in ("delivery", "ts_recv")]
    both = copies.join(frame, on=told, suffix="_first", nulls_equal=True)
    before = both.filter(pl.col("delivery_first") == pl.col("delivery") - 1)
    assert before.height == copies.height > 0
    assert (before["ts_recv"] >= before["ts_recv_first"]).all()


def test_prints_outside_the_session_are_received_when_they_claim_to_happen() -> None:
    rows = truth_of_everything("nysim", Feed.TRADES).filter(rule="outside_session")
    hours = rows["ts_event"].dt.hour()
    assert rows.height
    assert (hours.is_between(1, 8) | (hours >= 22)).all()
    assert (rows["ts_recv"] - rows["ts_event"]).max() < timedelta(seconds=1)


def test_a_frozen_feed_repeats_its_quote_while_receipts_go_on() -> None:
    frame = delivered(everything("coinsim", Feed.QUOTES), FRIDAY).filter(instrument="ETH-USD").sort("seq")
    refused = truth_of_everything("coinsim", Feed.QUOTES).filter(rule="frozen", instrument="ETH-USD")
    quote = ["bid", "bid_size", "ask", "ask_size"]
    runs = frame.with_columns(run=pl.struct(quote).rle_id()).filter(pl.len().over("run") >= 20)
    told = runs.group_by("run").agg(
        lasted=pl.col("ts_recv").max() - pl.col("ts_recv").min(),
        refused=pl.col("seq").is_in(refused["seq"].implode()).sum(),
    )
    assert told["refused"].sum() == refused.height > 0
    assert (told["lasted"] > timedelta(seconds=60)).all()
    assert (told["refused"] > 0).all()


def test_a_frozen_feed_needs_to_be_told_when_it_counts_as_frozen() -> None:
    venue = VENUES["fxsim"].model_copy(update={"parameters": {}})
    with pytest.raises(ConfigError, match="frozen_rows"):
        Synthetic.open(venue.feeds[Feed.QUOTES], venue, Feed.QUOTES, calendars=CALENDARS)


def test_rates_that_leave_no_room_are_refused_when_the_day_is_made() -> None:
    processes = {
        name: process | {"quotes_per_hour": 4}
        for name, process in VENUES["fxsim"].feeds[Feed.QUOTES].settings["processes"].items()
    }
    source = opened("fxsim", Feed.QUOTES, processes=processes, faults={"frozen": 0.05})
    with pytest.raises(SourceError, match="lower the rates"):
        source.ground_truth(MONDAY)
