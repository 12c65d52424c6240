"""Which pairs a mapping has, what they are flagged for, and that none is tradable before a person said so."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markets.pairs import (
    DAY,
    END,
    NO_PROPOSALS,
    SPEC,
    candidate,
    candidates,
    id_of,
    known,
    listed,
    market,
    prices,
    ruling,
)
from tickline.errors import MarketError
from tickline.lake.market_schemas import MAPPING, MAPPING_DRIFT
from tickline.markets.mapping import Known, Mapped, facts_of, mapping_of
from tickline.markets.model import Relation
from tickline.markets.review import Ruling, RulingVerdict

REJECTED = RulingVerdict.REJECTED


def mapped(said: pl.DataFrame, of: Known, *rulings: Ruling) -> Mapped:
    return mapping_of(said, NO_PROPOSALS, of, {one.pair_id: one for one in rulings}, SPEC)


def only(said: pl.DataFrame, of: Known, *rulings: Ruling) -> dict[str, Any]:
    (row,) = mapped(said, of, *rulings).mapping.to_dicts()
    return row


ONE = candidates(candidate("x", "y"))
BOTH = (market("a", "x"), market("b", "y"))


def test_what_scores_high_waits_for_a_person() -> None:
    row = only(ONE, known(*BOTH))
    assert (row["basis"], row["confidence"], row["decision"]) == ("scored", 0.95, None)
    assert (row["flags"], row["severity"], row["is_tradable"]) == (["undecided"], "note", False)
    assert (row["left_terms"], row["right_terms"]) == ("a/x/1", "b/y/1")


def test_what_was_approved_for_these_terms_is_tradable() -> None:
    row = only(ONE, known(*BOTH), ruling("x", "y"))
    assert (row["is_tradable"], row["severity"], row["flags"], row["decided_by"]) == (True, "none", [], "ada")
    assert row["confidence"] == 0.95


@pytest.mark.parametrize("changed", ["left", "right"])
def test_other_terms_than_the_approved_ones_block_until_somebody_looks(changed: str) -> None:
    stale = ruling("x", "y", **{f"{changed}_terms": "before"})
    made = mapped(ONE, known(*BOTH), stale)
    (row,) = made.mapping.to_dicts()
    assert (row["is_tradable"], row["severity"], row["flags"]) == (False, "block", ["terms"])
    (found,) = made.drift.to_dicts()
    assert (found["kind"], found["field"], found["before"]) == ("terms", "terms_sha256", "before")
    assert found["venue"] == {"left": "a", "right": "b"}[changed]
    assert only(ONE, known(*BOTH), ruling("x", "y"))["is_tradable"]


def test_a_rejected_pair_is_blocked_whatever_its_terms() -> None:
    for terms in ("a/x/1", "other"):
        row = only(ONE, known(*BOTH), ruling("x", "y", verdict=REJECTED, left_terms=terms))
        assert (row["is_tradable"], row["severity"], row["flags"]) == (False, "block", ["rejected"])


def test_a_shared_id_goes_before_any_score() -> None:
    of = known(market("a", "x", strict_id="0x1"), market("b", "y", strict_id="0x1"), market("b", "z"))
    made = mapped(candidates(candidate("x", "z"), candidate("x", "y", score=0.2, relation="related")), of)
    rows = {row["right_market"]: row for row in made.mapping.to_dicts()}
    assert (rows["y"]["basis"], rows["y"]["confidence"], rows["y"]["severity"]) == ("strict_id", 1.0, "note")
    assert (rows["z"]["basis"], rows["z"]["flags"]) == ("scored", ["cardinality", "undecided"])


def test_a_shared_id_needs_no_candidate_and_hides_no_conflict() -> None:
    of = known(market("a", "x", strict_id="0x1"), market("b", "y", strict_id="0x1"))
    assert only(candidates(), of)["pair_id"] == id_of("x", "y")
    other_way = candidates(candidate("x", "y", relation="complement", conflicts=["polarity"]))
    row = only(other_way, of)
    assert (row["relation"], row["flags"], row["severity"]) == ("complement", ["undecided"], "note")
    contradicted = candidates(candidate("x", "y", relation="different", conflicts=["numbers"]))
    row = only(contradicted, of)
    assert (row["relation"], row["flags"], row["severity"]) == ("equivalent", ["conflict", "undecided"], "warn")


AGREEING = {"relation": "related", "score": 0.5, "text": 0.95, "dates": 1.0, "price": 0.9}


def test_the_fallback_takes_text_dates_and_price_and_says_so() -> None:
    row = only(candidates(candidate("x", "y", **AGREEING)), known(*BOTH))
    assert (row["basis"], row["confidence"], row["flags"]) == ("fallback", 0.9, ["fallback", "undecided"])
    assert facts_of(mapped(candidates(candidate("x", "y", **AGREEING)), known(*BOTH)).mapping)["fallback"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"text": 0.5},
        {"dates": 0.5},
        {"price": 0.5},
        {"text": None},
        {"dates": None},
        {"price": None},
        {"relation": "related", "conflicts": ["numbers"]},
        {"relation": "subset", "conflicts": ["numbers"]},
        {"relation": "different"},
    ],
)
def test_the_fallback_takes_nothing_less(change: dict[str, Any]) -> None:
    assert mapped(candidates(candidate("x", "y", **AGREEING | change)), known(*BOTH)).mapping.is_empty()


def test_there_is_no_fallback_where_either_market_shares_an_id() -> None:
    of = known(market("a", "x", strict_id="0x1"), market("b", "y", strict_id="0x1"), market("b", "z"), market("a", "w"))
    said = candidates(candidate("x", "z", **AGREEING), candidate("w", "y", **AGREEING))
    assert mapped(said, of).mapping["basis"].to_list() == ["strict_id"]
    alone = known(market("a", "x", strict_id="0x1"), market("b", "z"), market("a", "w"), market("b", "y"))
    assert mapped(said, alone).mapping["basis"].to_list() == ["fallback", "fallback"]


def test_another_relation_or_a_low_score_is_no_pair() -> None:
    said = candidates(candidate("x", "y", relation="related", conflicts=["date"]), candidate("w", "y", score=0.89))
    assert mapped(said, known(*BOTH, market("a", "w"))).mapping.is_empty()


def test_a_person_may_pair_what_nothing_proposed() -> None:
    row = only(candidates(candidate("x", "y", score=0.3, relation="related")), known(*BOTH), ruling("x", "y"))
    assert (row["basis"], row["relation"], row["confidence"], row["is_tradable"]) == ("human", "equivalent", 0.95, True)


def test_what_a_person_said_of_the_relation_goes() -> None:
    said = ruling("x", "y", relation=Relation.SUBSET, subset_side="right")
    row = only(ONE, known(*BOTH), said)
    assert (row["relation"], row["subset_side"], row["flags"], row["is_tradable"]) == (
        "subset",
        "right",
        ["relation"],
        True,
    )


def test_a_ruling_of_other_venues_is_refused() -> None:
    with pytest.raises(MarketError, match="keep each mapping's decisions in its own file"):
        mapped(ONE, known(*BOTH), ruling("x", "y", venues=("a", "c")))


@pytest.mark.parametrize(
    ("second", "flagged"),
    [
        (0.97, {"y", "z"}),
        (0.93, {"y", "z"}),  # not clearly the best
        (0.90, {"z"}),
    ],
)
def test_of_several_pairs_of_a_market_only_a_clear_best_is_left(second: float, flagged: set[str]) -> None:
    said = candidates(candidate("x", "y", score=0.97), candidate("x", "z", score=second))
    rows = mapped(said, known(*BOTH, market("b", "z"))).mapping
    assert set(rows.filter(severity="block")["right_market"]) == flagged


def test_an_approved_pair_goes_before_a_better_scored_one() -> None:
    said = candidates(candidate("x", "y", score=0.91), candidate("x", "z", score=1.0))
    rows = mapped(said, known(*BOTH, market("b", "z")), ruling("x", "y")).mapping
    assert rows.filter("is_tradable")["right_market"].to_list() == ["y"]
    assert rows.filter(severity="block")["right_market"].to_list() == ["z"]


def test_two_approved_pairs_of_a_market_block_each_other() -> None:
    of = known(*BOTH, market("b", "z"))
    rows = mapped(ONE, of, ruling("x", "y"), ruling("x", "z", relation=Relation.COMPLEMENT)).mapping
    assert rows["severity"].to_list() == ["block", "block"]
    assert not rows["is_tradable"].any()
    freed = mapped(ONE, of, ruling("x", "y"), ruling("x", "z", verdict=REJECTED)).mapping
    assert freed.filter("is_tradable")["right_market"].to_list() == ["y"]


def test_a_subset_does_not_count_against_one_to_one() -> None:
    said = ruling("x", "z", relation=Relation.SUBSET, subset_side="left")
    rows = mapped(ONE, known(*BOTH, market("b", "z")), ruling("x", "y"), said).mapping
    assert rows["is_tradable"].to_list() == [True, True]


@pytest.mark.parametrize(
    ("change", "kind", "field"),
    [
        ({"status": "closed"}, "closed", "status"),
        ({"status": "settled"}, "closed", "status"),
        ({"status": "voided"}, "closed", "status"),
        ({"ts_close": END}, "stale", "ts_close"),
        ({"ts_last": END - timedelta(hours=13)}, "stale", "ts_last"),
    ],
)
def test_a_link_to_a_market_that_ended_is_blocked(change: dict[str, Any], kind: str, field: str) -> None:
    made = mapped(ONE, known(BOTH[0], market("b", "y", **change)), ruling("x", "y"))
    (row,) = made.mapping.to_dicts()
    assert (row["flags"], row["severity"], row["is_tradable"]) == ([kind], "block", False)
    assert made.drift.select("venue", "market_id", "kind", "field").rows() == [("b", "y", kind, field)]


def test_a_paused_market_is_a_warning() -> None:
    row = only(ONE, known(BOTH[0], market("b", "y", status="paused")), ruling("x", "y"))
    assert (row["flags"], row["severity"], row["is_tradable"]) == (["stale"], "warn", True)


def test_a_pair_whose_market_is_not_listed_any_more_is_blocked() -> None:
    made = mapped(candidates(), known(BOTH[0]), ruling("x", "y"))
    (row,) = made.mapping.to_dicts()
    assert (row["flags"], row["severity"], row["right_terms"]) == (["gone"], "block", None)
    assert mapped(ONE, known(BOTH[0])).mapping.is_empty()


def test_a_pair_is_told_of_on_the_day_its_market_ends_and_not_for_ever() -> None:
    shut = market("b", "y", status="settled")
    first = known(BOTH[0], shut, before=listed(*BOTH))
    assert only(ONE, first, ruling("x", "y"))["flags"] == ["closed"]
    later = mapped(ONE, known(BOTH[0], shut, before=listed(BOTH[0], shut)), ruling("x", "y"))
    assert (later.mapping.height, later.drift.height) == (0, 0)
    vanished = known(BOTH[0], before=listed(*BOTH, market("b", "z")))
    assert only(candidates(), vanished, ruling("x", "y"))["flags"] == ["gone"]
    assert mapped(candidates(), known(BOTH[0], before=listed(BOTH[0], shut)), ruling("x", "y")).mapping.is_empty()


def looks(gap: float, hours: range) -> pl.DataFrame:
    return prices(*(("a", "x", hour, 0.5) for hour in hours), *(("b", "y", hour, 0.5 + gap) for hour in hours))


@pytest.mark.parametrize(
    ("gap", "hours", "severity"),
    [
        (0.05, range(0, 24), "none"),
        (0.15, range(0, 24), "warn"),
        (-0.15, range(0, 24), "warn"),
        (0.3, range(0, 24), "block"),
        (0.3, range(0, 4), "none"),
    ],
)
def test_prices_apart_for_long_are_flagged(gap: float, hours: range, severity: str) -> None:
    row = only(ONE, known(*BOTH, mids=looks(gap, hours)), ruling("x", "y"))
    assert row["severity"] == severity
    assert row["flags"] == ([] if severity == "none" else ["divergence"])
    assert row["is_tradable"] == (severity != "block")


def test_prices_that_came_together_again_are_not_apart() -> None:
    apart, together = looks(0.3, range(0, 20)), looks(0.0, range(20, 24))
    assert only(ONE, known(*BOTH, mids=pl.concat([apart, together])), ruling("x", "y"))["severity"] == "none"


def test_whoever_approved_while_prices_were_apart_has_seen_it() -> None:
    of = known(*BOTH, mids=looks(0.3, range(0, 24)))
    row = only(ONE, of, ruling("x", "y", at=DAY + timedelta(hours=10)))
    assert (row["severity"], row["is_tradable"]) == ("note", True)


@pytest.mark.parametrize(
    ("said", "right", "severity"),
    [
        ({"relation": Relation.COMPLEMENT}, 0.5, "none"),
        ({"relation": Relation.COMPLEMENT}, 0.9, "block"),
        ({"relation": Relation.SUBSET, "subset_side": "left"}, 0.9, "none"),
        ({"relation": Relation.SUBSET, "subset_side": "left"}, 0.1, "block"),
        ({"relation": Relation.SUBSET, "subset_side": "right"}, 0.1, "none"),
        ({"relation": Relation.SUBSET, "subset_side": "right"}, 0.9, "block"),
    ],
)
def test_apart_is_what_contradicts_the_relation(said: dict[str, Any], right: float, severity: str) -> None:
    mids = looks(right - 0.5, range(0, 24))
    row = only(candidates(), known(*BOTH, mids=mids), ruling("x", "y", **said))
    assert row["severity"] == severity


def test_changed_fields_are_told_by_day_and_within_the_day() -> None:
    before = listed(market("b", "y", rules="old", category="Sports", terms_sha256="b/y/0"))
    noon = DAY + timedelta(hours=12)
    of = known(
        BOTH[0],
        market("b", "y", rules="new", strike_low=2.7),
        market("b", "y", rules="new", strike_low=2.8, version=2, ts_first=noon, terms_sha256="b/y/2"),
        market("b", "lone", rules="changed"),
        before=pl.concat([before, listed(market("b", "lone"))]),
    )
    made = mapped(ONE, of, ruling("x", "y"))
    told = made.drift.filter(kind="terms").select("market_id", "ts", "field", "before", "after", "severity")
    assert set(told.rows()) == {
        ("y", DAY, "rules", "old", "new", "block"),
        ("y", DAY, "category", "Sports", None, "note"),
        ("y", DAY, "strike_low", None, "2.7", "block"),
        ("y", noon, "strike_low", "2.7", "2.8", "block"),
        ("y", END, "terms_sha256", "b/y/1", "b/y/2", "block"),
        ("lone", DAY, "rules", "It resolves to Yes if it happens.", "changed", "block"),
    }
    assert made.drift.filter(market_id="lone")["pair_id"].to_list() == [None]
    assert made.mapping["is_tradable"].to_list() == [False]
    again = mapped(ONE, of, ruling("x", "y", right_terms="b/y/2", at=noon + timedelta(hours=1)))
    assert again.mapping.select("is_tradable", "severity").row(0) == (True, "note")


def test_a_market_in_no_pair_that_vanished_or_closed_is_told_once() -> None:
    before = listed(market("a", "left"), market("a", "shut"), market("a", "long_shut", status="closed"))
    of = known(market("a", "shut", status="closed"), market("a", "long_shut", status="closed"), before=before)
    drift = mapped(candidates(), of).drift
    assert drift.select("market_id", "kind", "pair_id").rows() == [("left", "gone", None), ("shut", "closed", None)]
    assert drift["severity"].to_list() == ["note", "note"]


MARKETS = ("p", "q", "r")
STATUSES = ("open", "open", "paused", "closed", "upcoming")


@st.composite
def days(draw: st.DrawFn) -> tuple[pl.DataFrame, Known, list[Ruling]]:
    """Any day: markets that come, go, change and close, candidates of any kind, and what was decided on any terms."""

    def some_market(venue: str, name: str) -> dict[str, Any]:
        return market(
            venue,
            name,
            status=draw(st.sampled_from(STATUSES)),
            strict_id=draw(st.sampled_from([None, "0x1", "0x2"])),
            terms_sha256=draw(st.sampled_from([f"{venue}/{name}/1", f"{venue}/{name}/2"])),
            ts_close=draw(st.sampled_from([END, END + timedelta(days=1)])),
        )

    there = [some_market(venue, name) for venue in "ab" for name in draw(st.sets(st.sampled_from(MARKETS)))]
    pairs = draw(st.sets(st.tuples(st.sampled_from(MARKETS), st.sampled_from(MARKETS)), max_size=6))
    share = st.sampled_from([0.0, 0.86, 0.95, 1.0])
    said = [
        candidate(
            *pair,
            score=draw(share),
            text=draw(share),
            dates=draw(share),
            price=draw(share),
            relation=draw(st.sampled_from(list(Relation))).value,
            conflicts=draw(st.sampled_from([[], [], ["numbers"]])),
        )
        for pair in sorted(pairs)
    ]
    decided = draw(st.sets(st.tuples(st.sampled_from(MARKETS), st.sampled_from(MARKETS)), max_size=4))
    rulings = [
        ruling(
            *pair,
            verdict=draw(st.sampled_from(list(RulingVerdict))),
            relation=draw(st.sampled_from([Relation.EQUIVALENT, Relation.COMPLEMENT])),
            left_terms=draw(st.sampled_from([f"a/{pair[0]}/1", f"a/{pair[0]}/2"])),
        )
        for pair in sorted(decided)
    ]
    return candidates(*said), known(*there), rulings


Day = tuple[pl.DataFrame, Known, list[Ruling]]


@settings(max_examples=5, deadline=None)
@given(days())
def test_nothing_is_tradable_that_nobody_approved(day: Day) -> None:
    hold_to_what_was_approved(*day)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(days())
def test_nothing_is_tradable_that_nobody_approved_on_many_days(day: Day) -> None:
    hold_to_what_was_approved(*day)


def hold_to_what_was_approved(said: pl.DataFrame, of: Known, rulings: list[Ruling]) -> None:
    assert not mapped(said, of).mapping["is_tradable"].any()
    made = mapped(said, of, *rulings)
    assert dict(made.mapping.schema) == MAPPING.columns
    assert dict(made.drift.schema) == MAPPING_DRIFT.columns
    by_pair = {one.pair_id: one for one in rulings}
    seen: list[tuple[str, str]] = []
    terms = {(row["venue"], row["market_id"]): row["terms_sha256"] for row in of.today.to_dicts()}
    for row in made.mapping.to_dicts():
        assert 0 <= row["confidence"] <= 1
        assert row["is_tradable"] or row["flags"], "a refusal says why"
        if row["is_tradable"]:
            approval = by_pair[row["pair_id"]]
            assert approval.verdict is RulingVerdict.APPROVED
            assert row["severity"] != "block"
            assert row["relation"] == approval.relation
            assert terms["a", row["left_market"]] == approval.left_terms
            assert terms["b", row["right_market"]] == approval.right_terms
            seen += [("a", row["left_market"]), ("b", row["right_market"])]
    assert len(seen) == len(set(seen)), "each market is in one tradable pair at most"


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(days(), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(day: Day, chance: Any) -> None:
    said, of, rulings = day
    made = mapped(said, of, *rulings)
    shuffled = mapped(said.reverse(), replace(of, today=of.today.reverse()), *chance.sample(rulings, len(rulings)))
    assert shuffled.mapping.equals(made.mapping)
    assert shuffled.drift.equals(made.drift)


def test_a_clock_of_another_zone_is_the_same_moment() -> None:
    of = known(*BOTH)
    at = datetime.fromisoformat("2026-03-09T01:00:00+01:00")
    assert mapped(ONE, replace(of, at=at)).mapping.equals(mapped(ONE, of).mapping)
