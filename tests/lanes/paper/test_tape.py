"""A day's events told in bulk leave positions and fills as telling them one by one does."""

from collections import Counter
from decimal import Decimal

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickline.lanes.model import Origin
from tickline.lanes.paper import step
from tickline.lanes.paper_events import Closed, Ladder, Passed, Quote, Resolved
from tickline.lanes.positions import Phase
from tickline.lanes.recorded import EVENTS
from tickline.lanes.tape import Tape

CENTS = st.sampled_from([None, 0, 2, 20, 38, 40, 45, 50, 55, 60, 97, 101])
SIZES = st.sampled_from([None, 0, 3, 15])
SECONDS = st.integers(1, 400)
quotes = st.tuples(
    SECONDS, st.booleans(), st.tuples(CENTS, CENTS, CENTS, CENTS), st.tuples(SIZES, SIZES), st.sampled_from("ooooc")
)
ends = st.one_of(
    st.tuples(st.just(Closed), SECONDS, st.booleans()),
    st.tuples(st.just(Resolved), SECONDS, st.booleans(), st.sampled_from(["yes", "no", "void"])),
)
choices = st.fixed_dictionaries(
    {
        "hold_s": st.sampled_from([None, None, 150]),
        "ev_stop": st.sampled_from([None, Decimal("0.05"), Decimal("0.3")]),
        "hedge_gain": st.sampled_from([None, Decimal(0), Decimal("0.1")]),
        "stale_after_s": st.sampled_from([60, 600]),
    }
)
LOOKS_S = (30, 31, 150, 290, 500)


def events_of(desk, drawn):
    """EVENTS in the order of their times."""
    rows = []
    for row, (seconds, is_first, cents, sizes, status) in enumerate(sorted(drawn, key=lambda one: one[0])):
        market = desk.A if is_first else desk.B
        priced = dict(zip(("yes_bid", "yes_ask", "no_bid", "no_ask"), cents, strict=True))
        rows.append(
            {name: None if value is None else value / 100 for name, value in priced.items()}
            | {f"{name}_size": sizes[nth % 2] for nth, name in enumerate(priced)}
            | {"venue": market.venue, "market_id": market.market_id, "status": "open" if status == "o" else "closed"}
            | {
                "ts": desk.at(seconds),
                "input": "clean_quotes",
                "input_venue": market.venue,
                "input_period": "2026-03-07",
            }
            | {"input_row": row, "yes_row": row, "no_row": row + 1_000}
        )
    schema = EVENTS | {"ts": pl.Int64()}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col("ts").cast(EVENTS["ts"]))


def quotes_of(desk, drawn):
    """The same as events of positions, made here."""
    made = []
    for row, (seconds, is_first, cents, sizes, status) in enumerate(sorted(drawn, key=lambda one: one[0])):
        market = desk.A if is_first else desk.B
        levels = [
            ((Decimal(value) / 100, None if size is None else Decimal(size)),) if value and value <= 100 else ()
            for value, size in zip(cents, (*sizes, *sizes), strict=True)
        ]
        origins = [Origin("clean_quotes", market.venue, "2026-03-07", row + more) for more in (0, 1_000)]
        is_open = status == "o"
        yes = Ladder(levels[0], levels[1], origins[0]) if is_open else Ladder()
        no = Ladder(levels[2], levels[3], origins[1]) if is_open else Ladder()
        made.append(Quote(desk.at(seconds), market, yes, no))
    return made


def one_by_one(positions, happened, looks, assumptions):
    """Positions and fills after each look."""
    since = 0
    for now_ns in looks:
        fills = []
        for event in sorted(happened, key=lambda one: one.ts_ns):
            if since < event.ts_ns <= now_ns:
                moved = [step(one, event, assumptions) for one in positions]
                positions, fills = [one for one, _ in moved], fills + [fill for _, more in moved for fill in more]
        moved = [step(one, Passed(now_ns), assumptions) for one in positions]
        positions, since = [one for one, _ in moved], now_ns
        yield positions, fills + [fill for _, more in moved for fill in more]


def by_id(fills):
    return sorted(fills, key=lambda one: (one.opportunity_id, one.fill))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.lists(quotes, max_size=40), ended=st.lists(ends, max_size=2), chosen=choices)
def test_in_bulk_as_one_by_one(desk, drawn, ended, chosen):
    assumptions = desk.PLAIN.model_copy(update=chosen)
    opened = [
        desk.opened(assumptions, opportunity_id=name, size=size, fees=desk.CURVE)
        for name, size in (("a", 10), ("b", 3))
    ]
    over = [kind(desk.at(seconds), desk.A if first else desk.B, *more) for kind, seconds, first, *more in ended]
    looks = [desk.at(seconds) for seconds in LOOKS_S]
    tape, held = Tape(events_of(desk, drawn), over, assumptions), tuple(opened)
    closed = ()
    for now_ns, (positions, fills) in zip(
        looks, one_by_one(opened, [*quotes_of(desk, drawn), *over], looks, assumptions), strict=True
    ):
        found = tape.advanced(held, now_ns)
        held, closed = found.open, (*closed, *found.ended)
        assert by_id(found.fills) == by_id(fills)
        assert list(held) == [one for one in positions if one.phase is not Phase.CLOSED]
        assert {one.terms.opportunity_id: one for one in closed} == {
            one.terms.opportunity_id: one for one in positions if one.phase is Phase.CLOSED
        }


def test_most_quotes_of_a_held_position_are_not_stepped_through(desk, monkeypatch):
    assumptions = desk.PLAIN.model_copy(update={"ev_stop": Decimal("0.3"), "hedge_gain": Decimal("0.1")})
    calm = [(seconds, True, (39, 41, 59, 61), (50, 50), "o") for seconds in range(10, 350)]
    stepped = Counter()

    def counted(position, event, chosen):
        stepped[type(event)] += 1
        return step(position, event, chosen)

    monkeypatch.setattr("tickline.lanes.tape.step", counted)
    tape = Tape(events_of(desk, calm), [], assumptions)
    found = tape.advanced([desk.opened(assumptions, size=10)], desk.at(360))
    (position,) = found.open
    assert position.phase is Phase.HOLDING
    assert position.now_ns == desk.at(349)
    assert stepped[Quote] <= 1


def test_what_was_taken_of_a_level_is_there_again_once_the_level_was_gone(desk):
    assumptions = desk.PLAIN.model_copy(update={"hedge_gain": Decimal("0.1")})
    asked = [(seconds, True, (39, cents, 59, 61), (50, 50), "o") for seconds, cents in ((10, 40), (11, 41), (12, 40))]
    for count, is_taken in ((1, True), (3, False)):
        tape = Tape(events_of(desk, asked[:count]), [], assumptions)
        (position,) = tape.advanced([desk.opened(assumptions, size=10)], desk.at(60)).open
        assert position.phase is Phase.HOLDING
        assert bool(position.markets[0].taken) is is_taken
