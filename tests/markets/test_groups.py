"""Which markets exclude or imply each other, and who says so."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.markets.groups import grouped
from tickline.markets.looks import LOOKS

EXPIRY = datetime(2026, 3, 8, tzinfo=UTC)
NOBODY = pl.DataFrame(schema=LOOKS)


def market(name: str, **changed: Any) -> dict[str, Any]:
    return {"market_id": name, "event_id": "HIGH", "title": f"Will it be {name}?", "ts_expiry": EXPIRY} | changed


def strike(name: str, op: str, low: float | None = None, high: float | None = None, **changed: Any) -> dict[str, Any]:
    rules = "Yes if the highest temperature is as said."
    title = f"Will it be {low} or {high}?"
    return market(name, title=title, strike_op=op, strike_low=low, strike_high=high, rules=rules, **changed)


def found(*markets: dict[str, Any], unread: pl.DataFrame = NOBODY) -> list[dict[str, Any]]:
    frame = pl.DataFrame([dict.fromkeys(LOOKS) | one for one in markets], schema=LOOKS)
    return grouped(frame, unread).rows(named=True)


def label(*markets: dict[str, Any], unread: pl.DataFrame = NOBODY) -> tuple[str, str] | None:
    """Label and source of the one group all the markets are in; None where they are in none."""
    rows = found(*markets, unread=unread)
    groups = {(row["group_id"], row["group_kind"], row["label"], row["label_source"]) for row in rows}
    assert len(groups) == 1
    ((group, kind, labelled, source),) = groups
    assert kind == (None if group is None else "exclusive")
    return None if group is None else (labelled, source)


LOW, MIDDLE, HIGH = strike("L", "lt", high=56), strike("M", "between", 56, 57), strike("H", "gt", 57)


def test_pieces_that_reach_from_end_to_end_are_exhaustive() -> None:
    assert label(LOW, MIDDLE, HIGH) == ("exhaustive", "metadata")


@pytest.mark.parametrize(
    "markets",
    [
        [LOW, MIDDLE],  # open above
        [MIDDLE, HIGH],  # open below
        [LOW, strike("M", "between", 58, 59), strike("H", "gt", 59)],  # 56 and 57 are missing
        [strike("L", "lt", high=56), strike("H", "gt", 56)],  # 56 itself is missing
        [LOW, MIDDLE, strike("N", "between", 60, 61), strike("H", "gt", 61)],
        [
            strike("L", "lt", high=100),
            strike("M", "between", 100, 200),
            strike("N", "between", 300, 400),
            strike("H", "gt", 400),
        ],
    ],
)
def test_pieces_with_a_hole_are_exclusive_and_nobody_knows_more(markets: list[dict[str, Any]]) -> None:
    assert label(*markets) == ("unknown", "metadata")


@pytest.mark.parametrize(
    "markets",
    [
        [LOW, strike("M", "between", 55, 57), HIGH],  # 55 is in two
        [strike("M", "between", 56, 57), strike("N", "between", 57, 58)],  # 57 is in two
        [LOW, MIDDLE, strike("H", "ge", 57)],
        [LOW | {"is_exclusive": False}, MIDDLE | {"is_exclusive": False}, HIGH | {"is_exclusive": False}],
        [LOW | {"is_free": True}, MIDDLE | {"is_free": True}, HIGH | {"is_free": True}],
        [MIDDLE],
    ],
)
def test_pieces_that_overlap_or_are_no_pieces_exclude_nothing(markets: list[dict[str, Any]]) -> None:
    assert label(*markets) is None


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=6, unique=True), st.data())
def test_buckets_are_exclusive_and_exhaustive_just_where_every_number_falls_in_one(
    edges: list[int], data: st.DataObject
) -> None:
    cuts = sorted(edges)
    pieces = [
        strike("L", "lt", high=cuts[0]),
        *(strike(f"M{low}", "between", low, high - 1) for low, high in pairwise(cuts)),
        strike("H", "ge", cuts[-1]),
    ]
    kept = [piece for piece in pieces if data.draw(st.booleans())]
    holds = {"lt": lambda n, p: n < p["strike_high"], "ge": lambda n, p: n >= p["strike_low"]} | {
        "between": lambda n, p: p["strike_low"] <= n <= p["strike_high"]
    }
    hits = [sum(holds[piece["strike_op"]](number, piece) for piece in kept) for number in range(-25, 26)]
    rows = found(*kept)
    assert max(hits, default=0) <= 1
    for row in rows:
        assert row["label"] != "exhaustive" or min(hits) == 1
    if min(hits) == 1 and len(kept) > 1:
        assert {row["label"] for row in rows} == {"exhaustive"}


def named(name: str, **changed: Any) -> dict[str, Any]:
    return market(name, exclusive_id="CUP", is_exclusive=True, yes_label=name, **changed)


@pytest.mark.parametrize(
    ("markets", "expected"),
    [
        ([named("France"), named("Spain")], ("unknown", "metadata")),
        ([named("France"), named("Other")], ("exhaustive", "heuristic")),
        ([named("Belgium"), named("Tie")], ("exhaustive", "heuristic")),
        ([named("France"), named("Another Green World")], ("unknown", "metadata")),
        ([named("France", exhausts=True), named("Spain", exhausts=True)], ("exhaustive", "metadata")),
        ([named("France", exhausts=False), named("Other", exhausts=False)], ("non_exhaustive", "metadata")),
        (
            [named("Araki", rules="If he stays, all markets resolve to No."), named("Other")],
            ("non_exhaustive", "heuristic"),
        ),
    ],
)
def test_a_group_the_venue_names_is_labelled_by_it_first_and_by_its_words_next(
    markets: list[dict[str, Any]], expected: tuple[str, str]
) -> None:
    assert label(*markets) == expected


def test_a_group_with_a_market_nobody_could_read_is_not_exhaustive() -> None:
    unread = pl.DataFrame([dict.fromkeys(LOOKS) | {"event_id": "HIGH"}], schema=LOOKS)
    assert label(LOW, MIDDLE, HIGH, unread=unread) == ("unknown", "metadata")
    assert label(named("France", exhausts=True), named("Spain", exhausts=True), unread=unread) == (
        "unknown",
        "metadata",
    )


def test_thresholds_of_one_number_are_a_ladder() -> None:
    rows = found(strike("A", "gt", 5), strike("B", "ge", 6), strike("C", "gt", 7))
    assert {(row["group_kind"], row["label"]) for row in rows} == {("ladder", None)}
    assert len({row["group_id"] for row in rows}) == 1


def test_thresholds_of_different_things_or_days_are_none() -> None:
    other = strike("B", "gt", 7) | {"rules": "Yes if the lowest temperature is as said."}
    later = strike("B", "gt", 7) | {"ts_expiry": datetime(2026, 3, 9, tzinfo=UTC)}
    for second in (other, later, strike("B", "lt", high=7), strike("B", "gt", 5)):
        rows = found(strike("A", "gt", 5), second)
        assert "ladder" not in {row["group_kind"] for row in rows}


def test_a_parent_is_the_venues_word_or_the_stage_before() -> None:
    titles = {
        "final": "Will France reach the FIFA World Cup Final?",
        "semi": "Will France qualify for FIFA World Cup Semifinals?",
        "eight": "Will France qualify for FIFA World Cup Quarterfinals?",
        "spain": "Will Spain qualify for FIFA World Cup Quarterfinals?",
        "rugby": "Will France qualify for Rugby World Cup Semifinals?",
    }
    rows = found(
        *(market(name, title=title) for name, title in titles.items()),
        market("child", parent_id="spain"),
        market("orphan", parent_id="nobody"),
    )
    parents = {row["market_id"]: (row["parent_id"], row["parent_source"]) for row in rows if row["parent_id"]}
    assert parents == {
        "final": ("semi", "heuristic"),
        "semi": ("eight", "heuristic"),
        "child": ("spain", "metadata"),
    }


def test_who_wins_the_election_was_nominated() -> None:
    rows = found(
        market("office", title="Will Gavin Newsom win the 2028 US presidential election?"),
        market("ticket", title="Will Gavin Newsom win the 2028 Democratic presidential nomination?"),
        market("other", title="Will JD Vance win the 2028 Republican presidential nomination?"),
    )
    assert {row["market_id"]: row["parent_id"] for row in rows} == {"office": "ticket", "ticket": None, "other": None}
