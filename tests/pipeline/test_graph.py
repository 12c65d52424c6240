"""Which periods the stages of the demo universe have, and what each period is made from."""

from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest

from tickline.errors import ConfigError
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.pipeline.graph import find, stages, venue_stages
from tickline.pipeline.stage import Cadence, Stage
from tickline.universe import Universe, load_universe

CONFIG = Path(__file__).parents[2] / "config"
TODAY = date(2026, 3, 20)


@cache
def universe() -> Universe:
    return load_universe(CONFIG)


@cache
def graph() -> list[Stage]:
    return stages(universe(), today=TODAY)


def stage(venue: str, dataset: str) -> Stage:
    return find(graph(), venue, dataset)


def needed(venue: str, dataset: str, period: str) -> set[str]:
    return {str(need.key) for need in stage(venue, dataset).needs(period)}


def test_ticks_of_a_venue_that_never_closes_come_every_utc_day() -> None:
    assert stage("coinsim", "raw_trades").periods == (
        "2026-03-06",
        "2026-03-07",
        "2026-03-08",
        "2026-03-09",
        "2026-03-10",
    )
    assert stage("coinsim", "bars_1m").periods == stage("coinsim", "raw_trades").periods


def test_an_fx_session_needs_the_evening_before_and_sunday_has_no_session_of_its_own() -> None:
    # The session of a date runs from 17:00 New York of the day before: Sunday evening belongs to Monday.
    assert stage("fxsim", "bars_1m").periods == ("2026-03-06", "2026-03-09", "2026-03-10")
    assert stage("fxsim", "raw_quotes").periods == (
        "2026-03-05",
        "2026-03-06",
        "2026-03-08",
        "2026-03-09",
        "2026-03-10",
    )
    assert needed("fxsim", "bars_1m", "2026-03-09") == {
        "clean_quotes/fxsim/2026-03-08",
        "clean_quotes/fxsim/2026-03-09",
        "instruments/fxsim/all",
        "sessions/fxsim/2026",
    }


def test_an_exchange_has_no_weekend() -> None:
    assert stage("nysim", "raw_trades").periods == ("2026-03-06", "2026-03-09", "2026-03-10")
    assert stage("nysim", "bars_1m").periods == ("2026-03-06", "2026-03-09", "2026-03-10")


def test_an_after_hours_session_that_passes_midnight_utc_needs_the_day_after() -> None:
    # 20:00 New York is 01:00 UTC of the next day in winter, so the last session of a venue's days is not whole.
    venue = universe().venues["nysim"].model_copy(update={"start": date(2026, 1, 5), "end": date(2026, 1, 9)})
    (minutes,) = [one for one in venue_stages(universe(), venue, today=TODAY) if one.name == "bars_1m"]
    assert minutes.periods == ("2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08")
    days = {need.key.period for need in minutes.needs("2026-01-05") if need.key.dataset == "clean_trades"}
    assert days == {"2026-01-05", "2026-01-06"}


def test_weeks_begin_on_their_monday_and_need_every_session_of_theirs() -> None:
    assert stage("fxsim", "bars_1w").periods == ("2026-03-02", "2026-03-09")
    assert needed("fxsim", "bars_1w", "2026-03-09") == {
        "bars_1d/fxsim/2026-03-09",
        "bars_1d/fxsim/2026-03-10",
        "instruments/fxsim/all",
        "sessions/fxsim/2026",
    }


def test_sessions_come_by_year_and_a_week_over_new_year_needs_both() -> None:
    venue = universe().venues["coinsim"].model_copy(update={"start": date(2025, 12, 29), "end": date(2026, 1, 4)})
    made = {one.name: one for one in venue_stages(universe(), venue, today=TODAY)}
    assert made["sessions"].periods == ("2025", "2026")
    assert made["bars_1w"].periods == ("2025-12-29",)
    years = {need.key.period for need in made["bars_1w"].needs("2025-12-29") if need.key.dataset == "sessions"}
    assert years == {"2025", "2026"}


def test_instruments_are_not_split_by_time() -> None:
    assert stage("coinsim", "instruments").periods == (WHOLE,)
    assert stage("coinsim", "instruments").cadence is Cadence.WHOLE


def test_a_venue_without_an_end_has_periods_up_to_yesterday() -> None:
    venue = universe().venues["coinsim"].model_copy(update={"end": None})
    made = venue_stages(universe(), venue, today=TODAY)
    (raw,) = [one for one in made if one.name == "raw_trades"]
    assert raw.periods[-1] == (TODAY - timedelta(days=1)).isoformat()
    assert all(one.running for one in made)


def test_every_stage_comes_after_what_it_needs_and_needs_only_what_some_stage_makes() -> None:
    made: set[PartitionKey] = set()
    for one in graph():
        for period in one.periods:
            assert {need.key for need in one.needs(period)} <= made, f"{one}/{period}"
            made.update(one.keys(period))


def test_a_prediction_venue_lists_its_markets_and_others_do_not() -> None:
    listing = {one.venue for one in graph() if one.name == "raw_markets"}
    assert listing == {"predsim_a", "predsim_b"}


def test_a_stage_is_found_by_what_it_makes() -> None:
    assert stage("coinsim", "quarantine_book").name == "clean_book"
    with pytest.raises(ConfigError, match=r"no venue 'nowhere'; there are coin_breakout, .*coin_trend, coinsim, fxsim"):
        find(graph(), "nowhere", "bars_1m")
    with pytest.raises(ConfigError, match="venue fxsim has no dataset 'raw_trades'; it has bars_15m"):
        find(graph(), "fxsim", "raw_trades")


def test_what_a_stage_depends_on_is_in_its_configuration_hash() -> None:
    other = replace(universe(), venues=dict(universe().venues))
    venue = other.venues["coinsim"]
    other.venues["coinsim"] = venue.model_copy(update={"parameters": venue.parameters | {"frozen_rows": 21}})
    changed = {
        before.name
        for before, after in zip(graph(), stages(other, today=TODAY), strict=True)
        if before.config_sha256 != after.config_sha256
    }
    assert changed == {"clean_trades", "clean_quotes", "clean_book"}
