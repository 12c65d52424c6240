from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lake.market_schemas import CANDIDATES, CLEAN_MARKETS
from tickline.markets.comparing import EXTENTS, compare_all
from tickline.markets.matching import candidates, pair_id, questions
from tickline.markets.model import MarketKey
from tickline.markets.relations import CONFLICTS, compare
from tickline.markets.spec import Scoring

DAY = datetime(2026, 5, 16, tzinfo=UTC)
TITLES = (
    "Will Republicans win the WA-05 House seat?",
    "Will Republicans win the VA-09 House seat?",
    "Will Democratic win the House race for WA-05?",
    "Will the Republican Party win the House race for WA-5?",
    "Will GDP growth be above 3% in Q2 2026?",
    "Will GDP growth be 3% or higher in Q2 2026?",
    "Will GDP growth be at most 3% in Q2 2026?",
    "Will GDP growth be more than 4% in Q2 2026?",
    "Will Ann Lee resign by June 30, 2026?",
    "Will Ann Lee resign before July 1, 2026?",
    "Will Ann Lee resign by September 30, 2026?",
    "Will Ann Lee not resign by June 30, 2026?",
    "Rangers vs. Astros",
    "Rangers vs. Astros: O/U 8.5",
    "Astros vs. Rangers",
    "Will another team win the cup?",
)


def markets(*titles: str, **columns: object) -> pl.DataFrame:
    rows = [
        dict.fromkeys(CLEAN_MARKETS.columns)
        | {"market_id": f"m{at}", "title": title, "yes_label": "Yes", "version": 1, "ts_expiry": DAY}
        | columns
        for at, title in enumerate(titles)
    ]
    return pl.DataFrame(rows, schema=CLEAN_MARKETS.columns)


def matched(left: pl.DataFrame, right: pl.DataFrame, prices: pl.DataFrame | None = None) -> pl.DataFrame:
    return candidates(left, right, Scoring(), left_venue="one", right_venue="other", prices=prices)


def relation(left: str, right: str, **columns: object) -> str:
    return matched(markets(left, **columns), markets(right, **columns))["relation"].item()


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (TITLES[0], TITLES[3], "equivalent"),
        (TITLES[8], TITLES[9], "equivalent"),
        (TITLES[8], TITLES[10], "subset"),
        (TITLES[8], TITLES[11], "complement"),
        (TITLES[4], TITLES[6], "complement"),
        (TITLES[4], TITLES[7], "subset"),
        (TITLES[4], TITLES[5], "subset"),
        (TITLES[12], TITLES[13], "related"),
        (TITLES[15], TITLES[15], "related"),
    ],
)
def test_the_relation_follows_from_what_differs(left: str, right: str, expected: str) -> None:
    assert relation(left, right) == expected


def test_two_markets_that_cannot_be_told_apart_are_nobodys_equivalent() -> None:
    found = matched(
        markets("Rangers vs. Astros Winner?", "Rangers vs. Astros Winner?"), markets("Rangers vs. Astros Winner?")
    )

    assert found["relation"].to_list() == ["related", "related"]
    assert all("ambiguous" in conflicts for conflicts in found["conflicts"])


def test_the_same_teams_on_another_day_are_another_match() -> None:
    left = markets("Rangers vs. Astros")
    right = markets("Rangers vs. Astros").with_columns(ts_expiry=pl.col("ts_expiry") + timedelta(days=1))

    assert matched(left, right)["conflicts"].item().to_list() == ["date"]


def test_a_shared_id_makes_candidates_of_texts_with_nothing_in_common() -> None:
    found = matched(markets("Foo?", strict_id="0x1"), markets("Bar?", strict_id="0x1"))

    assert found.height == 1
    assert found["conflicts"].item().to_list() == ["entity"]


def test_no_markets_give_no_candidates() -> None:
    empty = pl.DataFrame(schema=CLEAN_MARKETS.columns)

    assert matched(empty, markets("Foo?")).equals(CANDIDATES.empty())


@settings(max_examples=3, deadline=None)
@given(st.permutations(TITLES), st.permutations(TITLES))
def test_neither_the_order_of_rows_nor_the_side_matters(left: list[str], right: list[str]) -> None:
    by_title = {title: f"m{at}" for at, title in enumerate(TITLES)}
    one, other = (
        markets(*titles).with_columns(market_id=pl.Series([by_title[title] for title in titles]))
        for titles in (left, right)
    )
    found = matched(one, other)
    turned = candidates(other, one, Scoring(), left_venue="other", right_venue="one", prices=None)

    assert found.equals(matched(markets(*TITLES), markets(*TITLES)))
    told = ("pair_id", "score", "relation", "conflicts")
    same = turned.sort("right_market", "left_market").select(told)
    assert same.with_columns(pl.col("score").round(9)).equals(found.select(told).with_columns(pl.col("score").round(9)))


def test_comparing_many_pairs_finds_what_comparing_each_finds() -> None:
    asked = questions(markets(*TITLES))
    at_left, at_right = (grid.ravel() for grid in np.meshgrid(np.arange(len(asked)), np.arange(len(asked))))
    many = compare_all(asked, asked, at_left, at_right)

    for at, (left, right) in enumerate(zip(at_left, at_right, strict=True)):
        each = compare(asked[left], asked[right])
        assert (EXTENTS[many.numbers[at]], EXTENTS[many.dates[at]]) == (each.numbers, each.dates)
        assert many.is_aligned[at] == each.is_aligned
        found = {name for name, is_there in zip(CONFLICTS, many.conflicts[at], strict=True) if is_there}
        # Words are compared loosely where something else rules equivalence out already.
        assert found - {"entity"} == set(each.conflicts) - {"entity"}
        assert bool(found) == bool(each.conflicts)


def test_prices_that_move_together_at_one_level_fit_and_others_do_not() -> None:
    times = [DAY + timedelta(minutes=at) for at in range(30)]
    walk = 0.5 + 0.1 * np.sin(np.arange(30))
    sides = {("one", "m0"): walk, ("other", "m0"): walk + 0.01, ("other", "m1"): 1 - walk - 0.3}
    prices = pl.concat(
        pl.DataFrame({"venue": venue, "market_id": market, "ts": times, "mid": mids})
        for (venue, market), mids in sides.items()
    )
    found = matched(markets(TITLES[8]), markets(TITLES[9], TITLES[11]), prices)
    price = dict(found.select("right_market", "price").iter_rows())

    assert price["m0"] > 0.95
    assert price["m1"] < 0.1
    assert matched(markets(TITLES[8]), markets(TITLES[9]))["price"].item() is None


def test_a_pair_has_one_id_whichever_market_is_named_first() -> None:
    one, other = MarketKey("a", "1"), MarketKey("b", "2")

    assert pair_id(one, other) == pair_id(other, one)
    assert len(pair_id(one, other)) == 24
    found = matched(markets(TITLES[0]), markets(TITLES[3]))
    assert found["pair_id"].item() == pair_id(MarketKey("one", "m0"), MarketKey("other", "m0"))
