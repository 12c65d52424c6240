"""What holds for every paper position, whatever happens to its markets, and in whatever pieces its life is told."""

from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickline.lake.lane_schemas import LANE_FILLS, LANE_POSITIONS
from tickline.lanes.filling import latency_ns
from tickline.lanes.model import Action, PositionStatus, Style
from tickline.lanes.paper import Position, frames, step
from tickline.lanes.paper_events import Closed, Passed, Quote, Resolved, Trade, Withdrawn
from tickline.lanes.positions import Phase
from tickline.markets.model import Side

LAST_S = 10_000
GAPS_S = (0, 0.3, 1, 4, 25, 70)

quotes = st.tuples(
    st.just("quote"), st.booleans(), st.integers(30, 60), st.integers(1, 6), st.integers(0, 15), st.integers(0, 15)
)
trades = st.tuples(st.just("trade"), st.booleans(), st.booleans(), st.integers(36, 54), st.integers(1, 15))
ends = st.one_of(
    st.tuples(st.just("closed"), st.booleans()),
    st.tuples(st.just("resolved"), st.booleans(), st.sampled_from(["yes", "no", "void"]), st.sampled_from([None, 50])),
    st.tuples(st.just("withdrawn"), st.booleans()),
)
happenings = st.tuples(
    st.lists(st.tuples(st.sampled_from(GAPS_S), st.one_of(quotes, quotes, quotes, trades)), max_size=25),
    st.lists(st.tuples(st.sampled_from(GAPS_S), st.one_of(ends, quotes)), max_size=5),
)
choices = st.fixed_dictionaries(
    {
        "latency_tail_ms": st.sampled_from([0.0, 800.0]),
        "lot_size": st.sampled_from([Decimal(1), Decimal("0.01")]),
        "remainder": st.sampled_from(["wait", "cancel"]),
        "hold_s": st.sampled_from([None, 40, 100]),
        "ev_stop": st.sampled_from([None, Decimal("0.05")]),
        "hedge_gain": st.sampled_from([None, Decimal(0)]),
        "hedge_s": st.sampled_from([0, 10]),
        "queue": st.sampled_from(["risk_averse", "share", "log", "power"]),
    }
)
styles = st.sampled_from(list(Style))
quickly = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mirrored(desk, seconds, market, row, terms):
    """A quote of one book: a bid for YES is an offer of NO."""
    bid, spread, bid_size, ask_size = terms
    sides = {
        "yes_bid": [(f"0.{bid}", bid_size), ("0.05", 30)],
        "yes_ask": [(f"0.{bid + spread}", ask_size)],
        "no_bid": [(f"0.{100 - bid - spread}", ask_size)],
        "no_ask": [(f"0.{100 - bid}", bid_size)],
    }
    return desk.quote(seconds, market, row=row, **sides)


def events_of(desk, told):
    """Events from drawn tuples, in the order of their times; the row of a quote is its number."""
    seconds, events = 0.1, []
    for row, (gap, (kind, first, *terms)) in enumerate([*told[0], *told[1]]):
        seconds += gap
        market, ts_ns = (desk.A if first else desk.B), desk.at(seconds)
        if kind == "quote":
            events.append(mirrored(desk, seconds, market, row, terms))
        elif kind == "trade":
            side = Side.YES if terms[0] else Side.NO
            events.append(Trade(ts_ns, market, side, Decimal(terms[1]) / 100, Decimal(terms[2])))
        elif kind == "closed":
            events.append(Closed(ts_ns, market))
        elif kind == "withdrawn":
            events.append(Withdrawn(ts_ns, market, "revoked"))
        else:
            later = None if terms[1] is None else desk.at(seconds + terms[1])
            events.append(Resolved(ts_ns, market, terms[0], later))
    return events


def ended(desk):
    """Both markets resolve, and time passes until both have paid."""
    return [
        Resolved(desk.at(LAST_S), desk.A, "yes", desk.at(LAST_S + 5)),
        Resolved(desk.at(LAST_S + 1), desk.B, "void"),
        Passed(desk.at(2 * LAST_S)),
    ]


def assumed(desk, chosen):
    return desk.PLAIN.model_copy(update=chosen)


def fraction_of(fills, *, is_buy):
    return sum((Fraction(one.price) * Fraction(one.size) for one in fills if one.is_buy is is_buy), Fraction(0))


@quickly
@given(told=happenings, chosen=choices, style=styles)
def test_cash_and_contracts_are_conserved_to_the_last_digit(desk, told, chosen, style):
    assumptions, events = assumed(desk, chosen), [*events_of(desk, told), *ended(desk)]
    position = desk.opened(assumptions, style=style, fees=desk.CURVE)
    fills = []
    for event in events:
        position, more = step(position, event, assumptions)
        fills += more
        paid, fees = fraction_of(fills, is_buy=True), sum((Fraction(one.fee) for one in fills), Fraction(0))
        assert Fraction(position.cash.realised) == fraction_of(fills, is_buy=False) - paid - fees
        assert Fraction(position.cash.fees) == fees
        bought_fees = sum((Fraction(one.fee) for one in fills if one.is_buy), Fraction(0))
        assert Fraction(position.cash.stake) == paid + bought_fees
        assert held_of(fills) == Counter(
            {
                (nth, side): holding.of(side, leg.leg.side)
                for nth, (leg, holding) in enumerate(zip(position.terms.legs, position.holdings, strict=True))
                for side in Side
            }
        )
    assert position.phase is Phase.CLOSED
    assert position.is_flat
    assert [fill.fill for fill in fills] == list(range(1, len(fills) + 1))


def held_of(fills):
    """Contracts held by leg and side, out of fills alone; none may be sold before it was bought."""
    held = Counter()
    for fill in fills:
        held[fill.leg, fill.side] += fill.size if fill.is_buy else -fill.size
        assert held[fill.leg, fill.side] >= 0
    return held


@quickly
@given(told=happenings, chosen=choices, style=styles)
def test_nothing_trades_beyond_what_was_decided_displayed_or_allowed(desk, told, chosen, style):
    assumptions, events = assumed(desk, chosen), [*events_of(desk, told), *ended(desk)]
    position, fills = desk.follow(desk.opened(assumptions, style=style), events, assumptions)
    closed = {}
    for event in events:
        if isinstance(event, Closed | Resolved):
            closed.setdefault(event.market, event.ts_ns)
    bought, got = Counter(), defaultdict(Decimal)
    for fill in fills:
        limit = position.terms.legs[fill.leg].price
        if fill.action is Action.SETTLE:
            assert fill.ts_ns >= closed[fill.market]
            assert (fill.fee, fill.is_buy) == (0, False)
            continue
        assert desk.START < fill.ts_ns <= closed[fill.market]
        assert fill.size % assumptions.lot_size == 0
        assert fill.size > 0
        if fill.action in (Action.ENTER, Action.HEDGE):
            bought[fill.leg] += fill.size
            assert fill.price <= limit + (assumptions.hedge_band if fill.action is Action.HEDGE else 0)
        if not fill.is_maker:
            got[fill.leg, fill.is_buy, fill.side, fill.price, fill.origin] += fill.size
    assert all(size <= 10 for size in bought.values())
    assert position.matched == min(bought[0], bought[1])
    shown = {event.yes.origin: event for event in events if isinstance(event, Quote)}
    for (_, is_buy, side, price, origin), size in got.items():
        if origin in shown:  # else it is what was detected
            ladder = shown[origin].of(side)
            assert size <= dict(ladder.asks if is_buy else ladder.bids)[price]
    assert [fill.ts_ns for fill in fills] == sorted(fill.ts_ns for fill in fills)


@quickly
@given(told=happenings, chosen=choices, style=styles)
def test_a_position_ends_once_and_for_one_reason(desk, told, chosen, style):
    assumptions = assumed(desk, chosen)
    position = desk.opened(assumptions, style=style)
    exits, phases = [], [position.phase]
    for event in [*events_of(desk, told), *ended(desk)]:
        position, _ = step(position, event, assumptions)
        exits.append(position.exit)
        phases.append(position.phase)
    assert phases == sorted(phases, key=list(Phase).index)
    assert len({one for one in exits if one is not None}) <= 1
    assert exits == sorted(exits, key=lambda one: one is not None)
    closings = [note for note in position.notes if note.phase is Phase.CLOSED]
    assert [note.ts_ns for note in closings] == [position.ts_close_ns]
    assert position.status is not PositionStatus.OPEN


@quickly
@given(told=happenings, chosen=choices, style=styles)
def test_storing_and_restoring_at_every_event_changes_nothing(desk, told, chosen, style):
    assumptions, events = assumed(desk, chosen), [*events_of(desk, told), *ended(desk)]
    opened = desk.opened(assumptions, style=style, fees=desk.CURVE)
    straight = desk.follow(opened, events, assumptions)
    position, fills = opened, []
    for event in events:
        position = Position.from_json(position.to_json())
        position, more = step(position, event, assumptions)
        fills += more
    assert (position, fills) == straight
    assert position.to_json() == straight[0].to_json()


@quickly
@given(told=happenings, chosen=choices, style=styles, moments=st.lists(st.integers(0, 200), max_size=20))
def test_it_does_not_matter_how_often_time_is_said_to_pass(desk, told, chosen, style, moments):
    assumptions, events = assumed(desk, chosen), [*events_of(desk, told), *ended(desk)]
    passing = [Passed(desk.at(moment / 2)) for moment in moments]
    more = sorted([*passing, *events], key=lambda event: event.ts_ns)
    opened = desk.opened(assumptions, style=style)
    assert desk.follow(opened, more, assumptions) == desk.follow(opened, events, assumptions)


@quickly
@given(told=happenings, chosen=choices)
def test_frames_say_what_positions_and_fills_say(desk, told, chosen):
    assumptions = assumed(desk, chosen)
    position, fills = desk.follow(desk.opened(assumptions, fees=desk.CURVE), events_of(desk, told), assumptions)
    fill_rows, position_rows = frames([position], fills)
    assert fill_rows.schema == LANE_FILLS.columns
    assert position_rows.schema == LANE_POSITIONS.columns
    assert fill_rows["price"].to_list() == [fill.price for fill in fills]
    assert fill_rows["ts"].dt.epoch("ns").to_list() == [fill.ts_ns for fill in fills]
    (row,) = position_rows.iter_rows(named=True)
    cash = fill_rows.select((fill_rows["price"] * fill_rows["size"]).alias("paid"), "direction", "fee")
    signed = sum((paid if direction == "sell" else -paid) - fee for paid, direction, fee in cash.iter_rows())
    assert row["realised"] == signed
    assert (row["size"], row["detected"], row["expected"]) == (10, Decimal("1.0"), Decimal("0.9"))
    assert row["status"] == position.status.value


@given(st.text(min_size=1, max_size=12), st.integers(1, 50))
@settings(max_examples=30)
def test_latency_is_drawn_from_the_opportunity_alone(desk, opportunity_id, nth):
    assumptions = desk.PLAIN.model_copy(update={"latency_tail_ms": 500.0})
    drawn = latency_ns(opportunity_id, nth, assumptions)
    assert drawn == latency_ns(opportunity_id, nth, assumptions)
    assert drawn >= 1_000_000_000


def test_latencies_have_the_mean_that_is_declared(desk):
    assumptions = desk.PLAIN.model_copy(update={"latency_ms": 100.0, "latency_tail_ms": 400.0})
    drawn = [latency_ns("one", nth, assumptions) / 1e6 for nth in range(4_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(500, rel=0.05)
