"""The accounting command's checks see what they are there to see: streams as they are, and each planted error."""

from dataclasses import replace

import numpy as np
import pytest

from qa import _streams, _tape_streams
from qa._ledger import wrong_in
from tickline.execution.orders import Status
from tickline.signals.desk import Flag, Kind


@pytest.fixture(scope="module")
def outcome():
    return _streams.run(_streams.drawn(7, 150))


def test_the_streams_are_the_same_for_a_seed_and_nothing_is_wrong_with_them(outcome):
    again = _streams.run(_streams.drawn(7, 150))
    assert outcome.fills.tobytes() == again.fills.tobytes()
    assert outcome.desks.tobytes() == again.desks.tobytes()
    assert outcome.fills.size > 1_000
    assert wrong_in(outcome) == {}


def copied(outcome):
    parts = ("fills", "orders", "desks", "tracks")
    return replace(outcome, **{name: getattr(outcome, name).copy() for name in parts})


PLANTED = {
    "a unit of cash too much": ("desks", "cash", 1, {"conservation", "cash", "decimal_ledger"}),
    "a unit of equity too much": ("desks", "equity", 1, {"equity", "track", "decimal_ledger"}),
    "an order that was not counted": ("desks", "ordered", -1, {"order_twice_or_lost"}),
    "a lot more than was ordered": ("orders", "filled", 100_000, {"overfilled_or_negative", "filled_is_sum_of_fills"}),
    "a fill beyond the market": ("fills", "price", 10_000_000, {"cash", "decimal_ledger", "fee"}),
    "a fill at another time": ("fills", "ts", 1, {"fill_at_no_time"}),
    "a fill of an order that never was": ("fills", "order", 100_000, {"fill_of_no_order"}),
    "a fee a unit too high": ("fills", "fee", 1, {"fee", "fees_are_sum_of_fills", "cash"}),
    "an order sent after it traded": ("orders", "ts_sent", 2**40, {"fill_before_the_bar_it_was_sent_in"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_an_error_planted_in_one_place_is_seen(outcome, name):
    table, column, by, seen = PLANTED[name]
    broken = copied(outcome)
    records = getattr(broken, table)
    traded = np.flatnonzero(records["filled"] != 0) if table == "orders" else np.arange(records.size)
    records[column][traded[len(traded) // 2]] += by
    assert seen <= set(wrong_in(broken))


@pytest.mark.parametrize(
    ("kind", "check"), [(Kind.LIMIT, "limit_price"), (Kind.STOP, "taker_price"), (Kind.MARKET, "taker_price")]
)
@pytest.mark.parametrize("better", [1, -1])
def test_a_fill_a_tick_off_what_the_market_offered_is_seen(outcome, kind, check, better):
    broken = copied(outcome)
    orders = {(int(of), int(one["id"])): one for of, one in zip(outcome.orders_of, outcome.orders, strict=True)}
    kinds = [
        orders[int(of), int(fill["order"])]["kind"] for of, fill in zip(outcome.fills_of, outcome.fills, strict=True)
    ]
    for nth in np.flatnonzero(np.array(kinds) == kind)[:20]:
        broken.fills["price"][nth] += better
    assert check in wrong_in(broken)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (
            lambda orders, traded: orders["flags"].__setitem__(traded, Flag.REDUCE_ONLY),
            "reduce_only_that_grew_or_turned",
        ),
        (lambda orders, traded: orders["flags"].__setitem__(traded, Flag.POST_ONLY), "maker"),
        (lambda orders, traded: orders["status"].__setitem__(traded, Status.REJECTED), "refused_but_traded"),
        (lambda orders, traded: orders["trigger"].__setitem__(traded, 2**40), "trigger_not_reached"),
        (lambda orders, traded: orders["ts_effective"].__iadd__(2**40), "fill_before_it_arrived"),
        (lambda orders, traded: orders["lots"].__imul__(-1), "fill_against_its_order"),
    ],
)
def test_terms_that_were_not_kept_are_seen(outcome, change, check):
    broken = copied(outcome)
    change(broken.orders, broken.orders["filled"] != 0)
    assert check in wrong_in(broken)


def test_assumptions_that_were_not_kept_are_seen(outcome):
    for column, value, check in (
        ("at_close", 0, "close_without_convention"),
        ("through", 1, "limit_price"),
        ("participation", 1e-9, "more_than_its_share_of_the_volume"),
    ):
        venues = outcome.streams.venues.copy()
        venues[column] = value
        assert check in wrong_in(replace(outcome, streams=outcome.streams._replace(venues=venues))), column
    venues = outcome.streams.venues.copy()
    venues["costs"]["can_short"] = 0
    assert "short_where_not_allowed" in wrong_in(replace(outcome, streams=outcome.streams._replace(venues=venues)))


@pytest.fixture(scope="module")
def taped():
    return _tape_streams.ran(7, 300)


def test_nothing_is_wrong_with_the_streams_on_tapes(taped):
    made = taped.outcome.fills["maker"] > 0
    assert made.any()
    assert not made.all()
    assert _tape_streams.wrong_in(taped) == {}


@pytest.mark.parametrize(
    ("maker", "column", "by", "check"),
    [
        (0, "price", 1, "tick_taken_outside_the_book"),
        (0, "price", -1, "tick_taken_outside_the_book"),
        (0, "lots", 1_000, "tick_taken_outside_the_book"),
        (1, "price", 50, "tick_maker"),
        (1, "price", -50, "tick_made_outside_the_market"),
        (1, "lots", 1_000, "tick_more_than_traded"),
        (0, "fee", 1, "tick_fees_are_sum_of_fills"),
    ],
)
def test_a_fill_outside_the_book_or_of_more_than_a_level_holds_is_seen(taped, maker, column, by, check):
    fills = taped.outcome.fills.copy()
    chosen = fills["maker"] == maker
    fills[column][chosen] += by * (np.sign(fills["lots"][chosen]) if column != "fee" else 1)
    assert check in _tape_streams.wrong_in(taped._replace(outcome=replace(taped.outcome, fills=fills)))
