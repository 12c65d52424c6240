"""Rules between markets, guessed from texts and prices, and only ever proposed."""

from typing import Any

import polars as pl
import pytest

from tests.markets.pairs import SPEC, candidate, candidates, id_of, known, listed, market, prices, ruling
from tickline.markets.dependencies import proposals
from tickline.markets.drift import newest
from tickline.markets.mapping import mapping_of
from tickline.markets.model import Relation

ONE_VENUE = ("a", "a")


def proposed(said: pl.DataFrame, *markets: dict[str, Any], mids: pl.DataFrame | None = None) -> list[dict[str, Any]]:
    looks = prices() if mids is None else mids
    found = proposals(said, newest(listed(*markets)), looks, SPEC.proposals, SPEC.watch)
    assert found["pair_id"].is_sorted()
    return found.drop("pair_id", "left_venue", "right_venue").to_dicts()


def above(name: str, strike: float, **changes: Any) -> dict[str, Any]:
    title = f"Bitcoin above ${strike:,.0f} on March 31, 2026?"
    return market("a", name, title=title, strike_op="gt", strike_low=strike, **changes)


RUNGS = candidates(candidate("high", "low", ONE_VENUE, relation="subset", score=0.8, conflicts=["number"]))


def test_a_higher_threshold_implies_a_lower_one() -> None:
    (rule,) = proposed(RUNGS, above("high", 80_000), above("low", 75_000))
    assert rule == {
        "left_market": "high",
        "right_market": "low",
        "relation": "subset",
        "subset_side": "left",
        "basis": "scored",
        "confidence": 0.8,
    }
    (turned,) = proposed(RUNGS, above("high", 75_000), above("low", 80_000))
    assert turned["subset_side"] == "right"


def test_an_earlier_deadline_implies_a_later_one() -> None:
    said = candidates(candidate("x", "y", relation="subset", score=0.8, conflicts=["date"]))
    titles = [f"Will the bridge open by {month} 30, 2026?" for month in ("June", "September")]
    (rule,) = proposed(said, market("a", "x", title=titles[0]), market("b", "y", title=titles[1]))
    assert rule["subset_side"] == "left"


def test_rules_a_venue_states_itself_are_not_proposed_again() -> None:
    assert proposed(RUNGS, above("high", 80_000, group_id="g"), above("low", 75_000, group_id="g")) == []
    assert proposed(RUNGS, above("high", 80_000, group_id="g"), above("low", 75_000, group_id="h"))


def test_a_pair_of_one_venue_stands_once_and_no_market_beside_itself() -> None:
    row = {"relation": "subset", "score": 0.8}
    said = candidates(
        *(candidate(*pair, ONE_VENUE, **row) for pair in (("low", "high"), ("high", "low"), ("low", "low")))
    )
    (rule,) = proposed(said, above("high", 80_000), above("low", 75_000))
    assert (rule["left_market"], rule["right_market"]) == ("high", "low")


@pytest.mark.parametrize("change", [{"score": 0.4}, {"relation": "different"}, {"relation": "equivalent"}])
def test_what_is_unlikely_or_says_nothing_is_not_proposed(change: dict[str, Any]) -> None:
    said = candidates(candidate("high", "low", ONE_VENUE, **{"relation": "subset", "score": 0.8} | change))
    assert proposed(said, above("high", 80_000), above("low", 75_000)) == []


def test_complements_of_two_venues_are_pairs_already() -> None:
    both = (market("a", "x"), market("a", "y"), market("b", "y"))
    assert proposed(candidates(candidate("x", "y", relation="complement")), *both) == []
    (rule,) = proposed(candidates(candidate("x", "y", ONE_VENUE, relation="complement")), *both)
    assert (rule["relation"], rule["subset_side"]) == ("complement", None)


RELATED = candidates(candidate("x", "y", relation="related", score=0.7))
TWO = (market("a", "x"), market("b", "y"))
WALK = [0.30, 0.34, 0.31, 0.40, 0.36, 0.45, 0.41, 0.52, 0.47, 0.50]


def mids(of_y: list[float]) -> pl.DataFrame:
    looks = [("a", "x", hour, mid) for hour, mid in enumerate(WALK)]
    return prices(*looks, *(("b", "y", hour, mid) for hour, mid in enumerate(of_y)))


def test_prices_that_add_up_to_one_suggest_a_complement() -> None:
    (rule,) = proposed(RELATED, *TWO, mids=mids([1 - mid for mid in WALK]))
    assert (rule["relation"], rule["subset_side"], rule["basis"], rule["confidence"]) == (
        "complement",
        None,
        "heuristic",
        0.7,
    )


@pytest.mark.parametrize(("shift", "side"), [(0.1, "left"), (-0.1, "right")])
def test_prices_that_move_together_at_a_distance_suggest_the_cheaper_implies(shift: float, side: str) -> None:
    (rule,) = proposed(RELATED, *TWO, mids=mids([mid + shift for mid in WALK]))
    assert (rule["relation"], rule["subset_side"], rule["basis"]) == ("subset", side, "heuristic")


def test_equal_prices_on_two_venues_suggest_one_question_and_on_one_venue_nothing() -> None:
    (rule,) = proposed(RELATED, *TWO, mids=mids([mid + 0.01 for mid in WALK]))
    assert (rule["relation"], rule["basis"], rule["confidence"]) == ("equivalent", "heuristic", 0.7)
    of_one = prices(*(("a", name, hour, mid) for hour, mid in enumerate(WALK) for name in "xy"))
    said = candidates(candidate("x", "y", ONE_VENUE, relation="related", score=0.7))
    assert proposed(said, market("a", "x"), market("a", "y"), mids=of_one) == []


@pytest.mark.parametrize(
    "of_y",
    [
        [0.9 - mid for mid in WALK],  # against each other, but not to one
        [0.6, 0.6, 0.7, 0.7, 0.6, 0.6, 0.7, 0.7, 0.6, 0.6],  # not together
        [mid + 0.1 for mid in WALK[:5]],  # too few looks
        [],
        [0.7] * 10,  # does not move
    ],
)
def test_other_prices_suggest_nothing(of_y: list[float]) -> None:
    assert proposed(RELATED, *TWO, mids=mids(of_y)) == []


def test_a_market_has_few_rules_proposed_and_the_surest() -> None:
    scores = {f"m{nth}": 0.6 + nth / 100 for nth in range(8)}
    said = candidates(*(candidate("x", name, relation="subset", score=score) for name, score in scores.items()))
    rules = proposed(said, market("a", "x"), *(market("b", name) for name in scores))
    assert {rule["right_market"] for rule in rules} == {"m5", "m6", "m7"}


def test_a_proposal_is_not_tradable_before_it_is_approved_and_then_is() -> None:
    of = known(above("high", 80_000), above("low", 75_000))
    found = proposals(RUNGS, of.today, of.prices, SPEC.proposals, SPEC.watch)
    waiting = mapping_of(candidates(), found, of, {}, SPEC).mapping
    assert waiting.select("relation", "subset_side", "flags", "is_tradable").row(0) == (
        "subset",
        "left",
        ["undecided"],
        False,
    )
    said = ruling("high", "low", ONE_VENUE, relation=Relation.SUBSET, subset_side="left")
    made = mapping_of(candidates(), found, of, {said.pair_id: said}, SPEC).mapping
    assert made.select("pair_id", "is_tradable", "severity").row(0) == (id_of("high", "low", ONE_VENUE), True, "none")
