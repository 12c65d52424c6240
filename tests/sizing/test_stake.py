"""Sizes: never above any bound, the surer the larger, and never set by one look."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.sizing.caps import ACCOUNT, Caps
from tickline.sizing.impact import ImpactCurve
from tickline.sizing.lockup import Lockup
from tickline.sizing.robust import UNSEEN, Looks, median, spread
from tickline.sizing.stake import LaneSizing, Means, Offer, Proposal, StakeSettings, keys_of, stake_of

SETTINGS = StakeSettings(lot=Decimal(1), caps=Caps(event=Decimal("0.1"), cluster=Decimal("0.2")))
CENTS = st.integers(1, 60).map(lambda cents: Decimal(cents) / 100)
OFFERS = st.builds(
    lambda venue, price, depth: Offer(venue, price, Decimal("0.002"), depth, depth),
    st.sampled_from(["kalshi", "polymarket"]),
    CENTS,
    st.integers(0, 5_000).map(Decimal),
)
EXPOSURES = st.dictionaries(
    st.sampled_from([ACCOUNT, "event:e", "cluster:c", "lane:cross", "venue:kalshi", "venue:polymarket"]),
    st.decimals(0, 9_000, places=3),
)


def proposed(offers, *, confidence=0.99, days=10.0):
    return Proposal(
        lane="cross",
        event="e",
        cluster="c",
        floor=1,
        confidence=confidence,
        offers=tuple(offers),
        depth=min(one.depth for one in offers),
        days=days,
    )


def means(exposure=None, *, multiplier=1.0, curve=None):
    return Means(
        capital=Decimal(10_000),
        bankroll=Decimal(2_000),
        multiplier=multiplier,
        exposure=exposure or {},
        curve=curve or ImpactCurve(),
    )


def two(first="0.40", second="0.55", depth=5_000, looks=(UNSEEN, UNSEEN)):
    return [
        Offer("kalshi", Decimal(first), Decimal("0.002"), Decimal(depth), Decimal(depth), looks[0]),
        Offer("polymarket", Decimal(second), Decimal("0.002"), Decimal(depth), Decimal(depth), looks[1]),
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(OFFERS, min_size=1, max_size=4), EXPOSURES, st.floats(0, 1), st.floats(0.1, 1))
def test_a_size_is_whole_lots_and_never_above_any_bound(offers, exposure, confidence, multiplier):
    proposal, own = proposed(offers, confidence=confidence), means(exposure, multiplier=multiplier)
    found = stake_of(proposal, own, SETTINGS)
    caps, capital, size = SETTINGS.caps, own.capital, found.size
    assert size >= 0
    assert size % SETTINGS.lot == 0
    if not size:
        return
    assert size <= float(proposal.depth) * SETTINGS.participation
    assert size * found.unit <= capital * caps.trade * Decimal(str(confidence))
    assert float(size) * float(found.unit) <= float(own.bankroll) * multiplier * found.kelly_share + 1e-6
    for key in keys_of(proposal):
        assert exposure.get(key, 0) + size * found.unit <= capital * caps.share_of(key)
    for venue in {one.venue for one in offers}:
        cost = sum(one.price + one.fee for one in offers if one.venue == venue)
        assert exposure.get(f"venue:{venue}", 0) + size * cost <= capital * caps.venue
    assert all(size <= limit for limit in found.limits.values())
    assert size == found.limits[found.binding]


@settings(max_examples=40, deadline=None)
@given(st.lists(OFFERS, min_size=1, max_size=3), EXPOSURES, st.floats(0, 1), st.floats(0, 1))
def test_the_surer_the_larger(offers, exposure, one, other):
    low, high = sorted((one, other))
    less = stake_of(proposed(offers, confidence=low), means(exposure), SETTINGS)
    assert less.size <= stake_of(proposed(offers, confidence=high), means(exposure), SETTINGS).size


@settings(max_examples=40, deadline=None)
@given(st.lists(OFFERS, min_size=1, max_size=3), EXPOSURES, st.floats(0, 400), st.floats(0, 400), st.floats(0.1, 1))
def test_waiting_longer_or_after_losses_is_never_larger(offers, exposure, one, other, multiplier):
    soon, late = sorted((one, other))
    first = stake_of(proposed(offers, days=soon), means(exposure), SETTINGS)
    assert stake_of(proposed(offers, days=late), means(exposure), SETTINGS).size <= first.size
    assert stake_of(proposed(offers, days=soon), means(exposure, multiplier=multiplier), SETTINGS).size <= first.size


def test_where_kelly_binds_a_multiplier_of_a_half_halves_it():
    full = stake_of(proposed(two("0.30", "0.55")), means(), UNCAPPED_BUT_DOUBTED)
    half = stake_of(proposed(two("0.30", "0.55")), means(multiplier=0.5), UNCAPPED_BUT_DOUBTED)
    assert full.binding == half.binding == "kelly"
    assert full.size > 100
    assert half.size == pytest.approx(full.size / 2, abs=1)


LOOKS = st.lists(st.tuples(st.floats(0.2, 0.6), st.integers(5, 3_000).map(float)), min_size=3, max_size=9)


@settings(max_examples=80, deadline=None)
@given(LOOKS, st.data(), st.sampled_from([0.001, 0.01, 0.5, 0.99]), st.sampled_from([0.0, 1.0, 1e4, 1e9]))
def test_replacing_any_one_look_by_an_extreme_changes_the_size_by_no_more_than_its_neighbours_bound(
    looks, data, price, depth
):
    """The last look is the one traded on, so it is among those replaced."""
    at = data.draw(st.integers(0, len(looks) - 1))
    replaced = [*looks[:at], (price, depth), *looks[at + 1 :]]
    found = _sized_on(replaced)
    assert found.size <= _most_on_the_others(looks, at)


def _sized_on(looks):
    prices, depths = zip(*looks, strict=True)
    price, depth = Decimal(str(round(prices[-1], 6))), Decimal(str(depths[-1]))
    first = Offer("kalshi", price, Decimal("0.002"), depth, depth, Looks(prices, depths))
    other = Offer("polymarket", Decimal("0.35"), Decimal("0.002"), Decimal(10**9), Decimal(10**9))
    return stake_of(proposed([first, other], confidence=1.0), means(), UNCAPPED)


UNCAPPED = StakeSettings(
    caps=Caps(**dict.fromkeys(("trade", "venue", "event", "cluster", "lane", "account"), Decimal(1))),
    lanes={"cross": LaneSizing(error=0.0, impact=ImpactCurve(alpha=0))},
    lockup=Lockup(rate=0),
)


UNCAPPED_BUT_DOUBTED = StakeSettings(
    caps=UNCAPPED.caps, participation=1.0, lanes={"cross": LaneSizing(error=0.05, impact=ImpactCurve(alpha=0))}
)


def _most_on_the_others(looks, at):
    """The size at the cheapest price and the greatest depth that medians can reach while the others stay."""
    others = looks[:at] + looks[at + 1 :]
    prices, depths = ([look[which] for look in others] for which in (0, 1))
    lowest = min(median([*prices, extreme]) for extreme in (0.0, 1.0))
    reach = UNCAPPED.robustness.deviations * max(
        UNCAPPED.robustness.least_spread, *(spread([*prices, one]) for one in (0.0, 0.001, 0.01, 0.5, 0.99, 1.0))
    )
    price = Decimal(str(max(lowest - reach, 0)))
    deepest = Decimal(str(median([*depths, 1e12])))
    first = Offer("kalshi", price, Decimal("0.002"), deepest, deepest)
    other = Offer("polymarket", Decimal("0.35"), Decimal("0.002"), Decimal(10**9), Decimal(10**9))
    return stake_of(proposed([first, other], confidence=1.0), means(), UNCAPPED).size + 1


def test_one_micro_price_among_normal_looks_is_sized_as_if_it_were_not_there():
    steady = Looks((0.40,) * 4 + (0.03,), (500.0,) * 5)
    tempted = stake_of(proposed(two("0.03", "0.55", looks=(steady, UNSEEN))), means(), SETTINGS)
    normal = stake_of(proposed(two("0.39", "0.55")), means(), SETTINGS)
    assert tempted.detected < normal.detected
    assert tempted.size <= normal.size
    assert tempted.win == pytest.approx(normal.win, abs=0.001)


def test_a_book_that_is_thick_for_one_look_is_sized_as_the_thin_one_it_was():
    thin = Looks((0.40,) * 5, (6.0, 5.0, 6.0, 5.0, 90_000.0))
    assert stake_of(proposed(two(depth=90_000, looks=(thin, UNSEEN))), means(), SETTINGS).size == 3


def test_less_than_the_least_is_nothing():
    five = SETTINGS.model_copy(update={"least": 5})
    assert stake_of(proposed(two(depth=8)), means(), five).size == 0
    assert stake_of(proposed(two(depth=10)), means(), five).size == 5


def test_expected_reckons_with_waiting_slippage_and_the_chance_that_the_floor_is_not_paid():
    found = stake_of(proposed(two(depth=50), confidence=0.99), means(), SETTINGS)
    by_hand = 25 * ((1 - 0.01 * 0.25) - 0.954 - found.carry.total - 0.0002 * 25**0.6)
    assert found.size == 25
    assert found.expected == pytest.approx(by_hand, rel=1e-9)
    assert found.net == pytest.approx(0.046 - found.carry.total - 0.0002 * 25**0.6)


def test_what_is_more_than_its_floor_is_not_bought_at_any_size():
    assert stake_of(proposed(two("0.60", "0.55")), means(), SETTINGS).size == 0


def test_a_lane_that_is_declared_is_sized_by_its_own_numbers():
    doubtful = replace(proposed(two()), lane="cross")
    own = StakeSettings(lanes={"cross": LaneSizing(error=0.2)})
    assert stake_of(doubtful, means(), own).size == 0
    assert stake_of(replace(doubtful, lane="intra"), means(), own).size > 0
