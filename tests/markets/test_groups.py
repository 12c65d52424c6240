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
    said = {"lt": f"<{high}°", "gt": f">{low}°", "ge": f"{low}° or above", "between": f"{low}-{high}°"}[op]
    title = f"Will the high be {said} on March 7?"
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


def asked(name: str, op: str, number: float, **changed: Any) -> dict[str, Any]:
    ends = {"strike_high": number} if op in ("lt", "le") else {"strike_low": number}
    return market(name, strike_op=op, **({"title": name} | ends | changed))


CPI, JOBS = "Will CPI be {} in March?", "Will unemployment be {} in March?"


@pytest.mark.parametrize(
    "markets",
    [
        [asked("CPI below 2.5%", "lt", 2.5), asked("Unemployment above 4%", "gt", 4)],
        [asked("CPI below 4%", "lt", 4), asked("Unemployment at least 4%", "ge", 4)],
        [
            asked("A", "lt", 4, title="March", yes_label="CPI below 4%"),
            asked("B", "ge", 4, title="March", yes_label="Jobless 4% or more"),
        ],
        [asked("Is it below 7 on March 7?", "lt", 7), asked("Is it at least 7 on March 8?", "ge", 7)],
        [asked("Is it below 7 by 5 PM?", "lt", 7), asked("Is it at least 7 by 6 PM?", "ge", 7)],
        [
            asked("A", "lt", 7, title="Is it below 7?", ts_close=EXPIRY),
            asked("B", "ge", 7, title="Is it at least 7?", ts_close=datetime(2026, 3, 7, tzinfo=UTC)),
        ],
    ],
)
def test_pieces_of_different_numbers_exclude_nothing(markets: list[dict[str, Any]]) -> None:
    assert label(*markets) is None


def test_two_numbers_of_one_event_are_two_groups() -> None:
    rows = found(*(asked(of.format(said), op, 4) for of in (CPI, JOBS) for said, op in (("<4%", "lt"), ("≥4%", "ge"))))
    groups = {row["market_id"]: row["group_id"] for row in rows}
    assert {row["label"] for row in rows} == {"exhaustive"}
    assert groups[CPI.format("<4%")] == groups[CPI.format("≥4%")] != groups[JOBS.format("<4%")]
    assert groups[JOBS.format("<4%")] == groups[JOBS.format("≥4%")]


@pytest.mark.parametrize(
    ("low", "middle", "high"),
    [
        ("44° or below", "45° to 46°", "47° or above"),
        ("<45°", "45-46°", ">46°"),
        ("below 45°", "between 45° and 46°", "greater than 46°"),
    ],
)
def test_pieces_are_told_in_the_ways_venues_tell_them(low: str, middle: str, high: str) -> None:
    ends = [("lt", None, 45.0), ("between", 45.0, 46.0), ("gt", 46.0, None)]
    for title, said in (("Will the high be {} on March 8?", "Yes"), ("The high on March 8", "{}")):
        pieces = [
            strike(told, *end) | {"title": title.format(told), "yes_label": said.format(told)}
            for told, end in zip((low, middle, high), ends, strict=True)
        ]
        assert label(*pieces) == ("exhaustive", "metadata")


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
        ([named("France", exhausts=True), named("Spain", exhausts=False)], ("non_exhaustive", "metadata")),
        ([named("France", exhausts=False), named("Spain", exhausts=True)], ("non_exhaustive", "metadata")),
        ([named("France"), named("Spain", exhausts=True)], ("exhaustive", "metadata")),
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
    rows = found(*(strike(name, "gt", number) for name, number in (("A", 5), ("B", 6), ("C", -7))))
    assert {(row["group_kind"], row["label"]) for row in rows} == {("ladder", None)}
    assert len({row["group_id"] for row in rows}) == 1


def test_thresholds_of_different_things_or_days_are_none() -> None:
    other = strike("B", "gt", 7) | {"rules": "Yes if the lowest temperature is as said."}
    later = strike("B", "gt", 7) | {"ts_expiry": datetime(2026, 3, 9, tzinfo=UTC)}
    for second in (other, later, strike("B", "lt", high=7), strike("B", "gt", 5)):
        rows = found(strike("A", "gt", 5), second)
        assert "ladder" not in {row["group_kind"] for row in rows}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("BTC above 70,000 on March 7?", "BTC above 75,000 on March 7?"),
        ("BTC above $70k on March 7?", "BTC above $75K on March 7?"),
        ("BTC above 0.07m on March 7?", "BTC above 0.075 million on March 7?"),
        ("On March 7, is BTC 70000.00 or more?", "On March 7, is BTC 75,000.0 or more?"),
        ("BTC above 70 thousand on March 7?", "BTC above 75,000 on March 7?"),
        ("BTC on March 7?", "BTC on March 7?"),
    ],
)
def test_a_ladder_tells_its_strike_as_venues_write_it(first: str, second: str) -> None:
    rows = found(asked("A", "gt", 70000, title=first), asked("B", "gt", 75000, title=second))
    assert {row["group_kind"] for row in rows} == {"ladder"}
    assert len({row["group_id"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("BTC above 70,000 on March 7?", 70000), ("BTC above 75,000 on March 9?", 75000)),
        (("BTC above 70,000 by 5 PM?", 70000), ("BTC above 75,000 by 6 PM?", 75000)),
        (("Rain above 7 on March 7?", 7), ("Rain above 9 on March 9?", 9)),
        (("On March 7, rain above 7?", 7), ("On March 9, rain above 9?", 9)),
        (("BTC above 70 on March 7?", 70000), ("BTC above 75 on March 7?", 75000)),
        (("Spend above 7 million?", 7), ("Spend above 9 thousand?", 9)),
    ],
)
def test_other_numbers_tell_thresholds_apart(first: tuple[str, float], second: tuple[str, float]) -> None:
    rows = found(*(asked(title, "gt", number) for title, number in (first, second)))
    assert {row["group_kind"] for row in rows} == {None}


def test_a_number_below_nothing_is_told_with_a_minus() -> None:
    low, high = "Will it be -5\N{EN DASH}-3°?", "Will it be above \N{MINUS SIGN}3°?"
    pieces = [
        strike("L", "lt", high=-5) | {"title": "Will it be below -5°?"},
        strike("M", "between", -5, -3) | {"title": low},
        strike("H", "gt", -3) | {"title": high},
    ]
    assert label(*pieces) == ("exhaustive", "metadata")
    assert label(pieces[0], pieces[2] | {"title": "Will it be above 3°?"}) is None


def test_no_markets_have_no_groups() -> None:
    assert grouped(NOBODY, NOBODY).is_empty()


def test_thresholds_that_close_at_different_times_are_no_ladder() -> None:
    rows = found(strike("A", "gt", 5, ts_close=EXPIRY), strike("B", "gt", 7, ts_close=datetime(2026, 3, 7, tzinfo=UTC)))
    assert {row["group_kind"] for row in rows} == {None}


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
