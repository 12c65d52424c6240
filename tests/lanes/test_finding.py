"""What each lane finds in what is known of the markets, and why it finds no more."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tickline.errors import LaneError
from tickline.lake.lane_schemas import BASKET_LEGS, BASKETS, LANE_DIAGNOSTICS
from tickline.lanes import bucket, cross, diagnostics, event_tree, intra, parity


def told(found):
    return {(row["subject"], row["reason"]): row["count"] for row in found.refusals.iter_rows(named=True)}


def legs_of(found, **of):
    """Of each basket where those columns hold, its legs as "market side" texts."""
    chosen = found.baskets.filter(**of) if of else found.baskets
    joined = chosen.select("basket_id").join(found.legs, on="basket_id").sort("basket_id", "leg")
    listed = joined.group_by("basket_id").agg(pl.format("{} {}", "market_id", "side"))
    return sorted(tuple(sorted(legs)) for legs in listed["market_id"])


def sets(*legs):
    return sorted(tuple(sorted(leg.split(", "))) for leg in legs)


def group(markets_of, *rows, **of_all):
    of_group = {"group_id": "G", "group_kind": "exclusive", "label": "unknown", "label_source": "metadata"} | of_all
    return markets_of(*(of_group | row for row in rows))


def test_intra_is_of_every_market_that_is_not_over(markets_of, mapping_of):
    markets = markets_of(
        {"market_id": "A"}, {"market_id": "B", "status": "voided"}, {"market_id": "C", "status": "paused"}
    )
    found = intra.find(markets, mapping_of())
    assert legs_of(found) == sets("A yes, A no", "C yes, C no")
    assert told(found) == {("kalshi:B", "market voided"): 1}


def test_a_market_that_is_there_twice_is_refused(markets_of, mapping_of):
    markets = markets_of({"market_id": "A"}, {"market_id": "A", "version": 2})
    with pytest.raises(LaneError, match="kalshi:A is there twice"):
        intra.find(markets, mapping_of())


@pytest.fixture
def two_venues(markets_of):
    return markets_of(
        *({"market_id": name} for name in "AB"),
        *({"venue": "poly", "market_id": name} for name in "XY"),
        {"venue": "poly", "market_id": "Z", "status": "closed"},
    )


def test_cross_is_both_ways_round(two_venues, mapping_of):
    found = cross.find(two_venues, mapping_of({"left": "kalshi:A", "right": "poly:X", "basis": "strict_id"}))
    assert legs_of(found, kind="cross", floor=1.0, pair_id="A=X") == sets("A yes, X no", "A no, X yes")
    assert found.baskets["source"].unique().to_list() == ["strict_id"]


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ({"right": "poly:X", "decision": None, "is_tradable": False}, "mapping not approved"),
        ({"right": "poly:X", "decision": "rejected", "is_tradable": False}, "mapping rejected"),
        ({"right": "poly:X", "is_tradable": False, "flags": ["stale", "drift"]}, "mapping blocked: drift, stale"),
        ({"right": "poly:X", "is_tradable": False}, "mapping blocked: terms changed since it was approved"),
        ({"right": "poly:Z"}, "market closed"),
        ({"right": "poly:W"}, "market gone"),
    ],
)
@pytest.mark.parametrize(("lane", "relation"), [(cross, "equivalent"), (parity, "complement"), (parity, "subset")])
def test_a_pair_that_must_not_be_used_says_why(two_venues, mapping_of, pair, reason, lane, relation):
    mapping = mapping_of({"left": "kalshi:A", "relation": relation, "subset_side": "left"} | pair)
    found = lane.find(two_venues, mapping)
    assert found.baskets.is_empty()
    assert list(told(found)) == [(mapping["pair_id"][0], reason)]


def test_complements_are_bought_on_the_same_side(two_venues, mapping_of):
    found = parity.find(two_venues, mapping_of({"left": "kalshi:A", "right": "poly:X", "relation": "complement"}))
    assert legs_of(found, kind="complement", floor=1.0) == sets("A yes, X yes", "A no, X no")


@pytest.mark.parametrize(("side", "legs"), [("left", "A no, X yes"), ("right", "A yes, X no")])
def test_of_a_subset_the_implied_is_bought_as_yes(two_venues, mapping_of, side, legs):
    pair = {"left": "kalshi:A", "right": "poly:X", "relation": "subset", "subset_side": side}
    found = parity.find(two_venues, mapping_of(pair))
    assert legs_of(found, kind="ladder", floor=1.0) == sets(legs)


def ladder(markets_of, *rungs):
    return markets_of(
        *(
            {"market_id": f"{op}{strike}", "group_id": "L", "group_kind": "ladder", "strike_op": op} | at | more
            for op, strike, more in rungs
            for at in [{"strike_low": float(strike)} if op in ("gt", "ge") else {"strike_high": float(strike)}]
        )
    )


def pays_at_least_one(legs, values):
    """Whether YES and NO of thresholds pay 1 or more whatever the number."""
    compare = {
        "gt": lambda x, strike: x > strike,
        "ge": lambda x, strike: x >= strike,
        "lt": lambda x, strike: x < strike,
        "le": lambda x, strike: x <= strike,
    }
    split = [(leg[:2], float(leg.split()[0][2:]), leg.endswith("yes")) for leg in legs]
    return all(sum(compare[op](x, strike) is wins for op, strike, wins in split) >= 1 for x in values)


@pytest.mark.parametrize("ops", [("gt", "ge"), ("lt", "le")])
def test_of_each_two_rungs_the_implied_is_bought_as_yes(markets_of, mapping_of, ops):
    rungs = [(op, strike, {}) for op in ops for strike in (10, 20, 30)]
    found = parity.find(ladder(markets_of, *rungs), mapping_of())
    bought = legs_of(found, kind="ladder", floor=1.0)
    assert len(bought) == 15
    assert all(pays_at_least_one(legs, [5, 10, 15, 20, 25, 30, 35]) for legs in bought)


def test_rungs_without_a_threshold_of_another_time_or_alone_are_refused(markets_of, mapping_of):
    late = {"ts_expiry": markets_of({"market_id": "x"})["ts_close"][0]}
    rungs = ladder(markets_of, ("gt", 1, {}), ("gt", 2, {}), ("gt", 3, late), ("le", 1, {}), ("eq", 4, {}))
    found = parity.find(rungs, mapping_of())
    assert legs_of(found) == sets("gt1 yes, gt2 no")
    assert told(found) == {
        ("kalshi:L", "different expiry"): 2,
        ("kalshi:L", "ladder of one rung"): 1,
        ("kalshi:L", "no threshold"): 1,
    }


@pytest.mark.parametrize("size", [2, 37, 40])
@pytest.mark.parametrize("label", ["exhaustive", "non_exhaustive", "unknown", None])
def test_a_group_is_bought_as_its_label_allows(markets_of, mapping_of, size, label):
    markets = group(markets_of, *({"market_id": f"M{nth}"} for nth in range(size)), label=label)
    found = bucket.find(markets, mapping_of())
    floors = dict(found.baskets.select("kind", "floor").iter_rows())
    if label == "exhaustive":
        assert floors == {"all_no": size - 1, "all_yes": 1}
        assert told(found) == {}
    else:
        assert floors == {"all_no": size - 1}
        assert told(found) == {("kalshi:G", f"all_yes guarantees nothing: label {label or 'unknown'}"): 1}
    assert found.baskets["family"].n_unique() == 1


@pytest.mark.parametrize(
    ("of_last", "yes_left", "no_left"),
    [
        ({"status": "settled", "result": "no"}, 2, 2),
        ({"status": "closed"}, None, 2),
        ({"status": "voided", "result": "void"}, None, 2),
        ({"label": "non_exhaustive"}, None, 3),
        ({"status": "settled", "result": "yes"}, None, None),
    ],
)
def test_what_is_over_of_a_group_is_left_out_and_may_take_its_label(markets_of, mapping_of, of_last, yes_left, no_left):
    markets = group(
        markets_of, {"market_id": "A"}, {"market_id": "B"}, {"market_id": "C"} | {"label": "exhaustive"} | of_last,
        label="exhaustive",
    )  # fmt: skip
    legs = dict(bucket.find(markets, mapping_of()).baskets.select("kind", "legs").iter_rows())
    assert (legs.get("all_yes"), legs.get("all_no")) == (yes_left, no_left)


@pytest.mark.parametrize(
    ("rows", "of_all", "reason"),
    [
        ([{"market_id": "A"}], {}, "group of one"),
        ([{"market_id": "A"}, {"market_id": "B", "status": "closed"}], {}, "one market of it is left"),
        ([{"market_id": "A"}, {"market_id": "B"}], {"group_kind": "ladder"}, "a ladder, not exclusive"),
        ([{"market_id": "A"}, {"market_id": "B", "group_kind": None}], {}, "not known to be exclusive"),
        ([{"market_id": name, "status": "closed"} for name in "AB"], {}, "every market of it is over"),
        (
            [{"market_id": "A"}, {"market_id": "B", "status": "settled", "result": "yes"}],
            {},
            "decided: one of it resolved to yes",
        ),
    ],
)
def test_a_group_that_gives_nothing_says_why(markets_of, mapping_of, rows, of_all, reason):
    found = bucket.find(group(markets_of, *rows, **of_all), mapping_of())
    assert found.baskets.is_empty()
    assert told(found) == {("kalshi:G", reason): 1}


def test_a_guessed_label_waits_for_a_person_and_exclusivity_does_not(markets_of, mapping_of):
    of = {"label": "exhaustive", "label_source": "heuristic"}
    found = bucket.find(group(markets_of, {"market_id": "A"}, {"market_id": "B"}, **of), mapping_of())
    assert set(found.baskets.select("kind", "source", "is_tradable").iter_rows()) == {
        ("all_no", "metadata", True),
        ("all_yes", "heuristic", False),
    }


def tree(markets_of, *children, parties=("P", "Q"), **of_all):
    """Two parties of which one wins, and candidates of theirs."""
    of_party = {"group_id": "parties", "group_kind": "exclusive", "label": "unknown", "label_source": "metadata"}
    of_child = {"group_id": "G", "group_kind": "exclusive", "label": "exhaustive", "label_source": "metadata"}
    of_child |= {"parent_source": "metadata"} | of_all
    return markets_of(*(of_party | {"market_id": name} for name in parties), *(of_child | one for one in children))


def of_parents(**children):
    return [{"market_id": child, "parent_id": parent} for child, parent in children.items()]


def test_children_exhaust_a_parent_if_the_others_of_their_group_imply_its_rivals(markets_of, mapping_of):
    found = event_tree.find(tree(markets_of, *of_parents(a="P", b="P", c="Q")), mapping_of())
    assert legs_of(found, kind="parent_yes_children_no") == sets("P yes, a no, b no", "Q yes, c no")
    assert legs_of(found, kind="parent_no_children_yes") == sets("P no, a yes, b yes", "Q no, c yes")
    assert dict(found.baskets.select("legs", pl.col("floor").max().over("legs")).iter_rows()) == {3: 2.0, 2: 1.0}


@pytest.mark.parametrize(
    "changed",
    [
        {"children": of_parents(a="P", b="P", c=None)},
        {"children": [*of_parents(a="P", b="P"), {"market_id": "c", "parent_id": "P", "status": "closed"}]},
        {"label": "non_exhaustive"},
        {"children": of_parents(a="P", b="P", c="R"), "parties": ("P", "Q")},
    ],
)
def test_what_does_not_exhaust_the_parent_is_not_bought_as_yes(markets_of, mapping_of, changed):
    children = changed.pop("children", of_parents(a="P", b="P"))
    found = event_tree.find(tree(markets_of, *children, **changed), mapping_of())
    assert legs_of(found, kind="parent_no_children_yes") == []
    assert legs_of(found, kind="parent_yes_children_no") == sets("P yes, a no, b no")
    assert ("kalshi:P", "parent_no_children_yes guarantees nothing: label unknown") in told(found)


def test_children_that_are_not_exclusive_are_taken_one_by_one(markets_of, mapping_of):
    alone = [row | {"group_id": None, "group_kind": None} for row in of_parents(a="P", b="P")]
    found = event_tree.find(tree(markets_of, *alone), mapping_of())
    assert legs_of(found) == sets("P yes, a no", "P yes, b no")
    assert told(found) == {("kalshi:P", "children not exclusive"): 2}


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        ({"parent_id": "R"}, ("kalshi:R", "parent gone")),
        ({"parent_id": "P", "status": "closed"}, ("kalshi:P", "child closed")),
        ({"parent_id": "a"}, ("kalshi:a", "its own parent")),
    ],
)
def test_a_child_that_cannot_be_used_says_why(markets_of, mapping_of, child, reason):
    found = event_tree.find(tree(markets_of, {"market_id": "a"} | child), mapping_of())
    assert found.baskets.is_empty()
    assert told(found) == {reason: 1}


def test_a_guessed_parent_waits_for_a_person(markets_of, mapping_of):
    found = event_tree.find(tree(markets_of, *of_parents(a="P"), parent_source="heuristic"), mapping_of())
    assert set(found.baskets.select("source", "is_tradable").iter_rows()) == {("heuristic", False)}


def test_what_is_found_does_not_depend_on_the_order_of_rows(markets_of, mapping_of):
    markets = tree(markets_of, *of_parents(a="P", b="P", c="Q"))
    markets = pl.concat([markets, markets.with_columns(venue=pl.lit("poly"))])
    mapping = mapping_of(
        *({"left": f"kalshi:{name}", "right": f"poly:{name}", "relation": relation, "subset_side": "left"}
          for name, relation in zip("abP", ("equivalent", "complement", "subset"), strict=True))
    )  # fmt: skip
    found = diagnostics.find(markets, mapping)
    again = diagnostics.find(markets.sample(fraction=1, shuffle=True, seed=7), mapping.reverse())
    for name, schema in (("baskets", BASKETS), ("legs", BASKET_LEGS), ("refusals", LANE_DIAGNOSTICS)):
        frame = getattr(found, name)
        assert frame.schema == schema.columns
        assert_frame_equal(frame, getattr(again, name))
    assert found.baskets["lane"].n_unique() == 5
    assert found.baskets.filter(
        pl.col("legs") != found.legs.group_by("basket_id").len().sort("basket_id")["len"]
    ).is_empty()


def test_one_bet_is_one_family_whichever_lane_finds_it(markets_of, mapping_of):
    markets = markets_of(
        {"market_id": "A"}, {"venue": "poly", "market_id": "X"}, {"venue": "poly", "market_id": "Y", "event_id": "F"}
    )
    mapping = mapping_of(
        {"left": "kalshi:A", "right": "poly:X"}, {"left": "kalshi:A", "right": "poly:Y", "relation": "complement"}
    )
    baskets = diagnostics.find(markets, mapping).baskets
    assert baskets.group_by("lane").len().sort("lane").rows() == [("cross", 2), ("intra", 3), ("parity", 2)]
    assert baskets["family"].unique().to_list() == ["kalshi:A"]
    assert baskets["event"].unique().to_list() == ["kalshi:E"]


def test_a_mapping_nobody_approved_joins_no_families(markets_of, mapping_of):
    markets = markets_of({"market_id": "A"}, {"venue": "poly", "market_id": "X"})
    pair = {"left": "kalshi:A", "right": "poly:X", "is_tradable": False, "decision": None}
    baskets = diagnostics.find(markets, mapping_of(pair)).baskets
    assert sorted(baskets["family"]) == ["kalshi:A", "poly:X"]
    assert sorted(baskets["event"]) == ["kalshi:E", "poly:E"]


def test_families_of_many_questions_are_told_apart(markets_of, mapping_of):
    groups = [group(markets_of, *({"market_id": name} for name in names), group_id=names) for names in ("ABC", "DEFG")]
    baskets = bucket.find(pl.concat(groups), mapping_of()).baskets
    first, second = sorted(baskets["family"])
    assert first.startswith("kalshi:A+2#")
    assert second.startswith("kalshi:D+3#")


def test_what_voids_do_to_each_floor_is_told(markets_of, mapping_of):
    found = diagnostics.find(tree(markets_of, *of_parents(a="P", b="P", c="Q")), mapping_of())
    told_of = {
        row["kind"]: row["void_floor"] / row["floor"] for row in diagnostics.void_floors(found.baskets).rows(named=True)
    }
    assert told_of.pop("intra") == 1
    assert set(told_of.values()) == {0.5}
