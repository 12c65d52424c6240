"""Odds of entering out of fills, against numbers counted by hand."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.lanes.expected import EntryOdds, EntryPrior, entry_odds, odds_by_lane
from tickline.lanes.model import Lane
from tickline.lanes.paper import frames
from tickline.lanes.paper_events import Passed, Resolved

NEARLY_NONE = EntryPrior(first=0.5, rest=0.5, unwind=0.5, positions=1e-9)


def lived(desk, name, events, fees=None):
    """A position that was opened, lived through events, and ended, with its fills."""
    position = desk.opened(opportunity_id=name, fees=fees or desk.FREE)
    end = [Resolved(desk.at(500), desk.A, "yes"), Resolved(desk.at(501), desk.B, "yes"), Passed(desk.at(600))]
    return desk.follow(position, [*events, *end])


def framed(*lives):
    return frames([position for position, _ in lives], [fill for _, fills in lives for fill in fills])[::-1]


@pytest.fixture
def failed_events(desk):
    """The second leg gets 4 of 10; the other 6 of the first are sold at 0.38."""
    return [
        desk.quote(1.5, desk.B, no_ask=[("0.50", "4")]),
        desk.quote(20, desk.B, no_ask=[("0.60", "4")]),
        desk.quote(61.5, desk.A, yes_bid=[("0.38", "50")]),
    ]


def test_odds_are_those_of_the_rest_given_the_first(desk, failed_events):
    full = lived(desk, "full", [])
    none = lived(desk, "none", [desk.quote(0.5, desk.A, yes_ask=[("0.60", "9")])])
    part = lived(desk, "part", failed_events)
    (row,) = entry_odds(*framed(full, none, part), NEARLY_NONE).iter_rows(named=True)
    assert (row["lane"], row["positions"]) == ("cross", 3.0)
    assert row["first"] == pytest.approx(2 / 3)
    assert row["rest"] == pytest.approx((1 + 0.4) / 2)
    assert row["unwind"] == pytest.approx(0.40 - 0.38)


def test_selling_again_costs_its_fees_and_those_of_buying(desk, failed_events):
    part = lived(desk, "part", failed_events, desk.CURVE)
    (row,) = entry_odds(*framed(part), NEARLY_NONE).iter_rows(named=True)
    # 0.17 for buying 10 at 0.40; selling 6 at 0.38 brings 2.28 less 0.07 * 6 * 0.38 * 0.62 = 0.0990, to the cent 0.10.
    assert row["unwind"] == pytest.approx((6 * 0.417 - 2.18) / 6)


def test_a_lane_is_drawn_towards_the_prior_by_what_that_stands_for(desk):
    prior = EntryPrior(first=0.4, rest=0.2, unwind=0.1, positions=3)
    (row,) = entry_odds(*framed(lived(desk, "full", [])), prior).iter_rows(named=True)
    assert row["first"] == pytest.approx((1 + 3 * 0.4) / 4)
    assert row["rest"] == pytest.approx((1 + 3 * 0.2) / 4)
    assert row["unwind"] == pytest.approx(0.1)


def test_open_positions_do_not_count_yet(desk):
    opened = desk.follow(desk.opened(), [Passed(desk.at(10))])
    assert entry_odds(*framed(opened), EntryPrior()).is_empty()


shares = st.floats(0, 1, allow_subnormal=False)


@given(shares, shares, shares, st.floats(0.001, 0.5))
@settings(max_examples=40, deadline=None)
def test_entering_is_worth_what_its_three_outcomes_are(first, rest, unwind, edge):
    outcomes = {"both": first * rest, "first alone": first - first * rest, "neither": 1 - first}
    worth = {"both": edge, "first alone": -unwind, "neither": 0.0}
    assert sum(outcomes.values()) == pytest.approx(1)
    mean = sum(outcomes[name] * worth[name] for name in outcomes)
    assert EntryOdds(first, rest, unwind).worth(edge) == pytest.approx(mean, abs=1e-12)


def test_entering_is_worth_what_a_unit_brought_on_average(desk, failed_events):
    lives = [lived(desk, "full", []), lived(desk, "part", failed_events)]
    odds = odds_by_lane(*framed(*lives), tuple(Lane), NEARLY_NONE)
    realised = [position.cash.realised for position, _ in lives]
    assert realised == [Decimal("1.00"), Decimal("0.28")]
    assert odds["cross"].worth(0.10) == pytest.approx(float(sum(realised)) / 20)
    assert odds["bucket"] == EntryOdds(0.5, 0.5, 0.5)
