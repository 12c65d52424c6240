"""The synthetic source as a source: reproducible, resumable, honest about its settings, and true to its markets."""

import hashlib
import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import MARKETS, RAW, Feed
from tickline.reference.calendars import load_calendars
from tickline.reference.loading import load_venues
from tickline.reference.models import SourceSpec, Venue
from tickline.sources.source import SourceObject
from tickline.sources.synthetic import Synthetic, SyntheticMarkets
from tickline.sources.synthetic.paths import activity, arrivals, brownian, generator, path

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "config"
CALENDARS = load_calendars(CONFIG / "calendars.yaml")
VENUES = load_venues(CONFIG / "venues", CALENDARS)
FRIDAY, SUNDAY, MONDAY = date(2026, 3, 6), date(2026, 3, 8), date(2026, 3, 9)
FEEDS = [(name, feed) for name, venue in VENUES.items() for feed in sorted(venue.feeds)]


def opened(venue: Venue, feed: Feed, **settings: Any) -> Synthetic:
    """A feed of a venue with some of its settings replaced."""
    spec = SourceSpec(kind="synthetic", **venue.feeds[feed].settings | settings)
    return Synthetic.open(spec, venue, feed, calendars=CALENDARS)


def ticks(venue: Venue, feed: Feed, day: date, **settings: Any) -> pl.DataFrame:
    """All rows of a day, in the order delivered."""
    source = opened(venue, feed, **settings)
    (made,) = source.objects(day)
    return pl.concat([RAW[feed].empty(), *(batch.frame for batch in source.batches(made, day))])


@cache
def true_ticks(name: str, feed: Feed, day: date) -> pl.DataFrame:
    """The same of a venue by its name, without any fault."""
    return ticks(VENUES[name], feed, day, faults={})


def hashes() -> list[str]:
    """One day of every kind of feed."""
    feeds = [("coinsim", Feed.BOOK), ("fxsim", Feed.QUOTES), ("nysim", Feed.TRADES), ("predsim_b", Feed.QUOTES)]
    return [hashlib.sha256(ticks(VENUES[name], feed, MONDAY).write_csv().encode()).hexdigest() for name, feed in feeds]


_PRINT_HASHES = """
import sys
sys.path.insert(0, sys.argv[1])
from test_synthetic import hashes
print("\\n".join(hashes()))
"""


@pytest.mark.slow
def test_the_same_day_is_made_of_the_same_rows_in_every_process() -> None:
    environment = os.environ | {"PYTHONHASHSEED": "271828", "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, "-c", _PRINT_HASHES, str(Path(__file__).parent)]
    there = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=CONFIG.parent)
    assert there.stdout.splitlines() == hashes()


def test_a_day_does_not_depend_on_what_was_asked_before() -> None:
    source = opened(VENUES["coinsim"], Feed.TRADES)
    (made,) = source.objects(MONDAY)
    first = [batch.frame for batch in source.batches(made, MONDAY)]
    source.ground_truth(FRIDAY)
    again = [batch.frame for batch in source.batches(made, MONDAY)]
    assert pl.concat(first).equals(pl.concat(again))


def test_another_seed_makes_other_rows_and_another_object() -> None:
    one, other = opened(VENUES["coinsim"], Feed.TRADES), opened(VENUES["coinsim"], Feed.TRADES, seed=7)
    assert one.objects(MONDAY)[0].sha256 != other.objects(MONDAY)[0].sha256
    prices = [ticks(VENUES["coinsim"], Feed.TRADES, MONDAY, seed=seed)["price"].to_list()[:50] for seed in (7, 8)]
    assert prices[0] != prices[1]


@pytest.mark.parametrize(("name", "feed"), FEEDS)
def test_frames_have_the_raw_schema_and_come_in_the_order_of_receipt(name: str, feed: Feed) -> None:
    frame = ticks(VENUES[name], feed, MONDAY)
    assert dict(frame.schema) == RAW[feed].columns
    assert frame["ts_recv"].is_sorted()
    assert 10_000 < frame.height < 60_000


def test_starting_again_from_any_cursor_yields_exactly_the_rows_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickline.sources.synthetic.source.BATCH_ROWS", 5_000)
    source = opened(VENUES["coinsim"], Feed.QUOTES)
    (made,) = source.objects(MONDAY)
    batches = list(source.batches(made, MONDAY))
    assert len(batches) > 3
    assert max(batch.frame.height for batch in batches) == 5_000
    for at in (0, 2, len(batches) - 1):
        rest = list(source.batches(made, MONDAY, cursor=batches[at].cursor))
        assert [batch.cursor for batch in rest] == [batch.cursor for batch in batches[at + 1 :]]
        assert all(one.frame.equals(other.frame) for one, other in zip(rest, batches[at + 1 :], strict=True))


def test_objects_and_cursors_of_others_are_refused() -> None:
    source = opened(VENUES["coinsim"], Feed.QUOTES)
    (made,) = source.objects(MONDAY)
    with pytest.raises(SourceError, match="not made by these settings"):
        next(source.batches(SourceObject(made.uri, "0" * 64, made.size), MONDAY))
    with pytest.raises(SourceError, match="no cursor"):
        next(source.batches(made, MONDAY, cursor="page-2"))


def test_every_day_is_one_complete_object_of_its_own() -> None:
    source = opened(VENUES["fxsim"], Feed.QUOTES)
    days = [date(2026, 3, 5) + timedelta(days=at) for at in range(5)]
    objects = [made for day in days for made in source.objects(day)]
    assert len({made.uri for made in objects}) == len({made.sha256 for made in objects}) == len(days)
    assert all(source.complete(day) for day in days)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"seeds": 3}, "seeds"),
        ({"seed": "many"}, "seed"),
        ({"processes": {}}, "'BTC-USD' is missing"),
        ({"faults": {"crossed": 0.001}}, "crossed cannot be put into trades"),
        ({"faults": {"jump": 0.05, "micro_price": 0.05}}, "at most 0.08"),
        ({"faults": {"jump": 0.06}}, "faults.jump"),
        ({"latency_ms": float("nan")}, "latency_ms"),
        ({"conditions": {"I": {"share": 0.7}, "F": {"share": 0.6}}}, "more than all prints"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as refused:
        opened(VENUES["coinsim"], Feed.TRADES, **settings)
    assert "venue coinsim, feed trades" in str(refused.value)


def test_paths_join_up_at_midnight() -> None:
    key = (3, "a path")
    days = [path(MONDAY + timedelta(days=at), np.ones(86_400), *key, volatility=0.02, origin=FRIDAY) for at in range(3)]
    assert days[0][-1] == pytest.approx(days[1][0], abs=1e-12)
    assert days[1][-1] == pytest.approx(days[2][0], abs=1e-12)
    assert path(FRIDAY, np.ones(86_400), *key, volatility=0.02, origin=FRIDAY)[0] == 0.0


def test_the_last_price_of_a_day_is_next_to_the_first_of_the_next() -> None:
    for instrument in ("BTC-USD", "ETH-USD", "XRP-USD"):
        friday, saturday = (
            true_ticks("coinsim", Feed.QUOTES, day).filter(instrument=instrument) for day in (FRIDAY, date(2026, 3, 7))
        )
        assert saturday["bid"][0] == pytest.approx(friday["bid"][-1], rel=0.002)


def test_levels_are_a_brownian_motion_over_days() -> None:
    level = np.array([brownian(date(2020, 1, 1) + timedelta(days=at), 5, "levels") for at in range(512)])
    assert np.diff(level).std() == pytest.approx(1, rel=0.12)
    assert (level[16:] - level[:-16]).std() == pytest.approx(4, rel=0.35)
    assert abs(np.corrcoef(np.diff(level)[1:], np.diff(level)[:-1])[0, 1]) < 0.15


def test_days_beyond_the_calendar_of_paths_are_refused() -> None:
    with pytest.raises(SourceError, match="1969-12-31"):
        brownian(date(1969, 12, 31), 1, "x")


def test_within_a_day_a_path_varies_as_much_as_it_is_told() -> None:
    busy = np.ones(86_400)
    days = [path(MONDAY + timedelta(days=at), busy, 3, "x", volatility=0.02, origin=MONDAY) for at in range(20)]
    assert np.sqrt(np.mean([np.sum(np.diff(day) ** 2) for day in days])) == pytest.approx(0.02, rel=0.03)


def test_arrivals_keep_their_rate_and_come_in_bursts() -> None:
    busy = np.zeros(86_400)
    busy[30_000:66_000] = 1.0
    times = arrivals(busy, 3_600, generator(1, "arrivals"))
    assert len(times) == pytest.approx(36_000, rel=0.05)
    assert times.min() >= 30_000
    assert times.max() < 66_000
    minutes = np.bincount(((times - 30_000) // 60).astype(int), minlength=600)
    assert minutes.var() / minutes.mean() > 2  # 1 for a stream without bursts


@pytest.mark.parametrize(
    ("name", "day", "spans"),
    [
        # New York, 04:00 to 20:00: an hour earlier in UTC from the Sunday on; to 17:00 after the early close at 13:00.
        ("nysim", FRIDAY, [(0, 1), (9, 22)]),
        ("nysim", date(2026, 3, 7), []),
        ("nysim", SUNDAY, []),
        ("nysim", MONDAY, [(8, 24)]),
        ("fxsim", FRIDAY, [(0, 22)]),
        ("fxsim", date(2026, 3, 7), []),
        ("fxsim", SUNDAY, [(21, 24)]),
        ("fxsim", MONDAY, [(0, 24)]),
    ],
)
def test_ticks_fall_into_sessions_only(name: str, day: date, spans: list[tuple[int, int]]) -> None:
    frame = true_ticks(name, Feed.QUOTES, day)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    inside = [
        frame["ts_event"].is_between(midnight + timedelta(hours=opens), midnight + timedelta(hours=closes))
        for opens, closes in spans
    ]
    assert frame.height == sum(span.sum() for span in inside)
    for span, (opens, _) in zip(inside, spans, strict=True):
        first = frame.filter(span)["ts_event"].min()
        assert first < midnight + timedelta(hours=opens, minutes=15)


def test_regular_trading_is_busiest_at_both_ends_and_busier_than_the_rest() -> None:
    frame = true_ticks("nysim", Feed.TRADES, MONDAY)
    minute = (frame["ts_event"].dt.hour().cast(pl.Int32) * 60 + frame["ts_event"].dt.minute() - 13 * 60 - 30).to_numpy()
    first, middle, last = (np.count_nonzero((minute >= at) & (minute < at + 60)) for at in (0, 165, 330))
    before = np.count_nonzero((minute >= -60) & (minute < 0))
    assert min(first, last) > 1.3 * middle
    assert middle > 2 * before


def test_rates_are_as_configured() -> None:
    processes = VENUES["fxsim"].feeds[Feed.QUOTES].settings["processes"]
    days = [MONDAY, date(2026, 3, 10)]
    rows = pl.concat([true_ticks("fxsim", Feed.QUOTES, day) for day in days])
    for instrument, process in processes.items():
        expected = 24 * len(days) * process["quotes_per_hour"]
        assert rows.filter(instrument=instrument).height == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize(("name", "feed"), FEEDS)
def test_prices_and_sizes_are_the_doubles_nearest_to_the_grid(name: str, feed: Feed) -> None:
    frame = true_ticks(name, feed, MONDAY)
    columns = {
        Feed.TRADES: (["price"], ["size"]),
        Feed.QUOTES: (["bid", "ask"], ["bid_size", "ask_size"]),
        Feed.BOOK: (["price"], ["size"]),
    }
    for instrument in VENUES[name].instruments:
        own = frame.filter(instrument=instrument.name).head(250)
        for names, step in zip(columns[feed], (instrument.tick_size, instrument.lot_size), strict=True):
            for value in own.select(names).to_series().to_list():
                assert float(round(Decimal(value) / step) * step) == value


@pytest.mark.parametrize(("name", "feed"), FEEDS)
def test_ids_are_consecutive_and_times_follow_them(name: str, feed: Feed) -> None:
    for own in true_ticks(name, feed, MONDAY).partition_by("instrument"):
        seq = own["seq"].unique(maintain_order=True)
        assert set(seq.diff().drop_nulls()) == {1}
        assert own["ts_event"].is_sorted()
        assert (own["ts_recv"] > own["ts_event"]).all()
        assert (own["ts_recv"] - own["ts_event"]).median() < timedelta(seconds=0.1)
        if feed is Feed.TRADES:
            assert own["trade_id"].to_list() == [str(number) for number in own["seq"]]


def test_ids_rise_from_day_to_day() -> None:
    friday, monday = (true_ticks("nysim", Feed.TRADES, day)["seq"] for day in (FRIDAY, MONDAY))
    assert friday.max() < monday.min()


@pytest.mark.parametrize("name", ["coinsim", "predsim_a", "predsim_b"])
def test_trades_print_at_or_between_the_quotes_that_stand(name: str) -> None:
    quotes = true_ticks(name, Feed.QUOTES, MONDAY).sort("ts_event", maintain_order=True)
    trades = true_ticks(name, Feed.TRADES, MONDAY).sort("ts_event", maintain_order=True)
    assert (quotes["bid"] < quotes["ask"]).all()
    met = trades.join_asof(quotes, on="ts_event", by="instrument", check_sortedness=False)
    within = pl.col("price").is_between(pl.col("bid"), pl.col("ask"))
    aggressor = pl.when(pl.col("side") == "buy").then("ask").otherwise("bid")
    shares = met.select(within=within.mean(), at_touch=(pl.col("price") == aggressor).mean())
    assert shares["within"].item() > 0.995
    assert 0.9 < shares["at_touch"].item() < 1


def test_volatility_clusters() -> None:
    quotes = true_ticks("coinsim", Feed.QUOTES, date(2026, 3, 10)).filter(instrument="ETH-USD")
    middle = quotes.group_by_dynamic("ts_event", every="1m").agg(pl.col("bid").last())["bid"].to_numpy()
    moves = np.abs(np.diff(np.log(middle)))
    lags = [np.corrcoef(moves[lag:], moves[:-lag])[0, 1] for lag in range(1, 11)]
    assert np.mean(lags) > 0.05


def test_sizes_are_at_least_a_lot_and_their_median_is_as_configured() -> None:
    sizes = true_ticks("nysim", Feed.TRADES, MONDAY).filter(instrument="ACME")["size"]
    assert sizes.min() >= 1
    assert sizes.median() == pytest.approx(90, rel=0.05)
    assert sizes.mean() > 1.2 * sizes.median()


def test_sale_conditions_have_their_shares_and_mark_extended_hours() -> None:
    trades = true_ticks("nysim", Feed.TRADES, MONDAY)
    marks = trades["conditions"].fill_null("")
    assert marks.str.contains("I").mean() == pytest.approx(0.25, abs=0.02)
    opens, closes = datetime(2026, 3, 9, 13, 30, tzinfo=UTC), datetime(2026, 3, 9, 20, tzinfo=UTC)
    regular = trades["ts_event"].is_between(opens, closes, closed="left")
    assert (marks.str.starts_with("T") == ~regular).all()
    assert set(trades["exchange"]) == {"N", "P", "Q", "Z", "D"}


def test_a_shift_of_level_is_lasting_and_happens_in_every_feed_at_once() -> None:
    for feed, column in ((Feed.TRADES, "price"), (Feed.QUOTES, "bid")):
        frame = true_ticks("coinsim", feed, MONDAY).filter(instrument="BTC-USD")
        at = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
        minute = timedelta(minutes=2)
        before = frame.filter(pl.col("ts_event").is_between(at - minute, at, closed="left"))[column].median()
        after = frame.filter(pl.col("ts_event").is_between(at + timedelta(seconds=2), at + minute))[column].median()
        assert after / before == pytest.approx(1.125, rel=0.01)
    tuesday = true_ticks("coinsim", Feed.QUOTES, date(2026, 3, 10)).filter(instrument="BTC-USD")
    assert tuesday["bid"][0] == pytest.approx(frame["bid"][-1], rel=0.002)


def _middles(name: str, instrument: str) -> pl.DataFrame:
    quotes = true_ticks(name, Feed.QUOTES, MONDAY).filter(instrument=instrument)
    middle = (pl.col("bid") + pl.col("ask")) / 2
    return quotes.group_by_dynamic("ts_event", every="30m").agg(middle.mean().alias("middle"))


def test_venues_that_list_one_question_agree_on_its_price_but_not_exactly() -> None:
    one, other = _middles("predsim_a", "FEDDEC-26MAR-CUT"), _middles("predsim_b", "fed-decision-in-march/decrease/Yes")
    apart = (one["middle"] - other["middle"]).abs()
    assert 0 < apart.mean() < 0.02


def test_the_two_sides_of_a_question_add_up_to_one() -> None:
    yes, no = (_middles("predsim_a", f"CPIYOY-26FEB-T2.7:{side}")["middle"] for side in ("YES", "NO"))
    assert (yes + no - 1).abs().max() < 0.03


def test_probabilities_stay_between_a_tick_and_one_minus_a_tick() -> None:
    for name in ("predsim_a", "predsim_b"):
        quotes = true_ticks(name, Feed.QUOTES, MONDAY)
        assert quotes["bid"].min() >= 0.01
        assert quotes["ask"].max() <= 0.99


def test_a_book_kept_by_its_messages_is_never_crossed_and_always_as_deep_as_declared() -> None:
    rows = true_ticks("coinsim", Feed.BOOK, MONDAY)
    touches = true_ticks("coinsim", Feed.QUOTES, MONDAY).filter(instrument="XRP-USD").select("bid", "ask").rows()
    book: dict[str, dict[float, float]] = {"bid": {}, "ask": {}}
    messages = rows.partition_by("seq", maintain_order=True)[:2_500]
    for message, (bid, ask) in zip(messages, touches, strict=False):
        if message["kind"][0] == "snapshot":
            book = {"bid": {}, "ask": {}}
        for side, price, size in message.select("side", "price", "size").rows():
            if size == 0:
                del book[side][price]
            else:
                book[side][price] = size
        assert (max(book["bid"]), min(book["ask"])) == (bid, ask)
        assert len(book["bid"]) == len(book["ask"]) == 10
    assert len([message for message in messages if message["kind"][0] == "snapshot"]) == 3


def test_activity_is_zero_where_nothing_trades() -> None:
    assert not activity([], MONDAY).any()


def test_markets_are_polled_with_their_rules_and_the_quotes_that_stand() -> None:
    venue = VENUES["predsim_a"]
    assert venue.markets is not None
    source = SyntheticMarkets.open(venue.markets, venue, calendars=CALENDARS)
    markets = source.markets(MONDAY)
    assert dict(markets.schema) == MARKETS.columns
    assert markets.equals(source.markets(MONDAY))
    assert markets.height == 4 * len(venue.instruments)
    assert markets["rules"].str.len_chars().min() > 80
    still = pl.col("ts_close") > pl.col("ts_recv")
    assert set(markets.filter(still)["status"]) == {"open"}
    assert set(markets.filter(~still)["status"]) == {"closed", "settled"}
    noon = markets.filter(pl.col("ts_recv") == datetime(2026, 3, 9, 12, tzinfo=UTC), instrument="FILM-26-MERIDIAN")
    standing = (
        true_ticks("predsim_a", Feed.QUOTES, MONDAY)
        .filter(pl.col("instrument") == "FILM-26-MERIDIAN", pl.col("ts_event") <= noon["ts_recv"].item())
        .tail(1)
    )
    assert noon.select("bid", "ask").rows() == standing.select("bid", "ask").rows()
    assert noon["payload"].str.json_path_match("$.market_id").item() == "FILM-26-MERIDIAN"


def test_markets_need_a_listing_for_each_instrument() -> None:
    venue = VENUES["predsim_a"]
    assert venue.markets is not None
    listings = dict(list(venue.markets.settings["listings"].items())[1:])
    with pytest.raises(ConfigError, match="FEDDEC-26MAR-CUT"):
        SyntheticMarkets.open(SourceSpec(kind="synthetic", listings=listings), venue, calendars=CALENDARS)


def test_a_second_of_processor_time_makes_hundreds_of_thousands_of_rows() -> None:
    venue = VENUES["fxsim"]
    processes = {
        name: process | {"quotes_per_hour": 7_000}
        for name, process in venue.feeds[Feed.QUOTES].settings["processes"].items()
    }
    ticks(venue, Feed.QUOTES, FRIDAY)
    started = time.process_time()
    rows = ticks(venue, Feed.QUOTES, MONDAY, processes=processes).height
    assert rows / (time.process_time() - started) > 300_000
