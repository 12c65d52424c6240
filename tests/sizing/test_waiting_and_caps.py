"""What waiting costs, and how much room the caps leave."""

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.sizing.caps import ACCOUNT, Caps, Scope, room, whole_lots, worst_loss_cap
from tickline.sizing.lockup import Lockup, annualised, carry

AMOUNTS = st.decimals(Decimal("0.000001"), Decimal(100_000), places=6)


def test_money_tied_up_costs_what_it_would_earn_elsewhere_and_a_dispute_that_may_come():
    settings_ = Lockup(rate=0.10, dispute=0.02, dispute_days=4)
    found = carry({"kalshi": 0.5, "polymarket": 0.4}, 73.0, settings_)
    assert found.waiting == pytest.approx(0.9 * 0.10 * 73 / 365)
    assert found.dispute == pytest.approx(0.02 * 0.9 * 0.10 * 4 / 365)
    assert found.total == found.waiting + found.dispute


def test_what_a_venue_pays_is_taken_off_but_makes_no_edge():
    paid = Lockup(rate=0.10, dispute=0, venue_rates={"kalshi": 0.04})
    assert carry({"kalshi": 1.0}, 365, paid).total == pytest.approx(0.06)
    generous = Lockup(rate=0.03, dispute=0, venue_rates={"kalshi": 0.04})
    assert carry({"kalshi": 1.0}, 365, generous).total == 0


def test_a_settlement_nobody_knows_is_far_away_and_one_in_the_past_is_now():
    assert carry({"a": 1.0}, None, Lockup(unknown_days=500)).days == 500
    assert carry({"a": 1.0}, -3.0, Lockup()).days == 0


def test_an_edge_is_worth_more_a_year_the_sooner_it_comes():
    assert annualised(0.01, cost=0.99, days=36.5) == pytest.approx(0.101, rel=0.01)
    assert annualised(0.01, cost=0.99, days=0) == math.inf
    assert annualised(-0.01, cost=0.99, days=0) == -math.inf
    assert annualised(0.0, cost=0.99, days=0) == 0


@settings(max_examples=60, deadline=None)
@given(AMOUNTS, AMOUNTS, st.sampled_from([Decimal("0.01"), Decimal(1), Decimal(10)]))
def test_whole_lots_are_the_most_that_the_amount_buys(amount, unit, lot):
    units = whole_lots(amount, unit, lot=lot)
    assert units % lot == 0
    assert units * unit <= amount < (units + lot) * unit


def test_room_is_what_the_share_of_capital_leaves_and_never_below_nothing():
    caps = Caps(venue=Decimal("0.5"), venues={"kalshi": Decimal("0.1")}, account=Decimal("0.8"))
    at_risk = {"venue:kalshi": Decimal(60), "venue:polymarket": Decimal(60), ACCOUNT: Decimal(900)}
    left = {key: room(caps, Decimal(1000), at_risk, key=key) for key in (*at_risk, Scope.EVENT.of("x"))}
    assert left == {"venue:kalshi": 40, "venue:polymarket": 440, ACCOUNT: 0, "event:x": 50}


def test_a_name_with_a_colon_is_still_of_its_scope():
    assert Caps(event=Decimal("0.25")).share_of(Scope.EVENT.of("kalshi:KX:1")) == Decimal("0.25")


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_what_one_trade_may_lose_grows_with_confidence(one, other):
    low, high = sorted((one, other))
    assert worst_loss_cap(Caps(), Decimal(1000), low) <= worst_loss_cap(Caps(), Decimal(1000), high) <= 20
