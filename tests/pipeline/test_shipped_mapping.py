"""The mapping that is shipped: what the demo's reviewer decided is about the markets that its venues list."""

from datetime import date
from pathlib import Path

import pytest

from tickline.markets.cleaning import clean
from tickline.markets.matching import pair_id
from tickline.markets.model import MarketKey
from tickline.markets.review import RulingVerdict, in_force, load
from tickline.sources.opening import open_markets
from tickline.universe import Universe, load_universe

CONFIG = Path(__file__).parents[2] / "config"
FIRST, LAST = date(2026, 3, 6), date(2026, 3, 10)


@pytest.fixture(scope="module")
def universe() -> Universe:
    return load_universe(CONFIG)


def terms_on(universe: Universe, day: date) -> dict[MarketKey, str]:
    terms: dict[MarketKey, str] = {}
    for name in ("predsim_a", "predsim_b"):
        venue = universe.venues[name]
        assert venue.markets is not None
        raw = open_markets(venue.markets, venue, calendars=universe.calendars).markets(day)
        listed = clean(raw, venue, day).markets.sort("market_id", "version")
        terms |= {MarketKey(name, key): sha256 for key, sha256 in listed["market_id", "terms_sha256"].iter_rows()}
    return terms


def test_what_was_approved_is_listed_with_exactly_those_terms(universe: Universe) -> None:
    rulings = in_force(load(universe.decisions["predsim"]).rulings)
    terms = terms_on(universe, FIRST)
    approved = [one for one in rulings.values() if one.verdict is RulingVerdict.APPROVED]
    assert len(approved) == 4
    for one in rulings.values():
        assert one.pair_id == pair_id(one.left, one.right)
        assert (one.left_terms, one.right_terms) == (terms[one.left], terms[one.right]), one.pair_id
        assert one.at.date() < FIRST


@pytest.mark.slow
def test_terms_stay_as_they_were_approved_to_the_last_day(universe: Universe) -> None:
    first, last = terms_on(universe, FIRST), terms_on(universe, LAST)
    assert len(first.keys() & last.keys()) > 10
    assert {key: last[key] for key in first if key in last} == {key: first[key] for key in first if key in last}


def test_what_is_approved_follows_one_process_and_what_is_rejected_does_not(universe: Universe) -> None:
    """The simulated venues move by named paths, so that what is one question is known."""
    paths: dict[MarketKey, tuple[str, bool]] = {}
    for name in ("predsim_a", "predsim_b"):
        venue = universe.venues[name]
        assert venue.markets is not None
        processes = venue.feeds["quotes"].settings["processes"]  # type: ignore[index]
        for instrument, listing in venue.markets.settings["listings"].items():
            if listing["outcome"] == "Yes":
                process = processes[instrument]
                paths[MarketKey(name, listing["market_id"])] = (process["path"], process.get("opposite", False))
    for one in in_force(load(universe.decisions["predsim"]).rulings).values():
        (left, turned), (right, other_turned) = paths[one.left], paths[one.right]
        assert (left == right) == (one.verdict is RulingVerdict.APPROVED)
        if left == right:
            assert one.relation == ("equivalent" if turned == other_turned else "complement")
