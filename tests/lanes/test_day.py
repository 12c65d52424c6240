from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from tickline.lake.lane_schemas import LANE_STATE, LANES
from tickline.lanes.day import Material, look_at, replay
from tickline.lanes.gates import Checked, CheckStanding
from tickline.lanes.model import Lane
from tickline.lanes.recorded import EVENTS
from tickline.lanes.seen import World
from tickline.lanes.spec import LaneSpec

DAY = date(2026, 3, 7)
BEGIN = datetime(2026, 3, 7, tzinfo=UTC)
GREEN = {
    "kalshi": [Checked("clean_markets@1/2", "clean_markets/kalshi/2026-03-07", "clean_markets", CheckStanding.GREEN)]
}
SPEC = LaneSpec.model_validate(
    {
        "name": "lanes",
        "venues": ["kalshi"],
        "lanes": ["bucket"],
        "every_s": 1_800,
        "scheduler": {"coverage": {"fresh_s": 900, "ready_after": 1}},
        "gates": {"close_s": 60},
    }
)


@pytest.fixture
def markets(markets_of):
    settles = datetime(2026, 3, 20, tzinfo=UTC)
    group = {"group_id": "G", "group_kind": "exclusive", "label": "unknown", "label_source": "metadata"}
    return markets_of(
        *(
            {"market_id": name, "ts_close": settles, "ts_settle": settles, "ts_first": BEGIN, "ts_last": BEGIN, **group}
            for name in ("A", "B", "C")
        )
    ).with_columns(
        input=pl.lit("clean_markets"),
        input_venue=pl.lit("kalshi"),
        input_period=pl.lit(DAY.isoformat()),
        input_row=pl.int_range(pl.len(), dtype=pl.UInt32),
    )


def quoted(no_asks, *, hours=(0, 24), every_s=300):
    """Every five minutes: each market's NO at these asks, a hundred contracts on offer."""
    first, last = (BEGIN + timedelta(hours=one) for one in hours)
    rows, row, at = [], round(hours[0] * 10_000), first
    while at < last:
        for name, ask in zip(("A", "B", "C"), no_asks, strict=True):
            quote = {"no_ask": ask, "no_bid": ask - 0.02, "yes_ask": 1.02 - ask, "yes_bid": 1 - ask}
            sizes = {f"{side}_{of}_size": 100.0 for side in ("yes", "no") for of in ("bid", "ask")}
            whence = {"input": "clean_quotes", "input_venue": "kalshi", "input_period": DAY.isoformat()}
            named = {"venue": "kalshi", "market_id": name, "ts": at, "ts_event": at, "status": "open"}
            rows.append(named | quote | sizes | whence | {"input_row": row, "yes_row": row, "no_row": row + 1})
            row += 2
        at += timedelta(seconds=every_s)
    return pl.DataFrame(rows, schema=EVENTS)


def material(markets, events, mapping_of, *, day=DAY, state=None, checks=GREEN):
    mapping = mapping_of().with_columns(mapping=pl.lit("pairs"))
    left = LANE_STATE.empty() if state is None else state
    return Material(day, markets, events, mapping, mapping, left, World(checks, {}))


def fair_then_cheap():
    return pl.concat([quoted((0.68, 0.68, 0.68), hours=(0, 6)), quoted((0.62, 0.62, 0.62), hours=(6, 12))])


def test_what_is_cheap_is_found_decided_and_traded_on_paper(markets, mapping_of):
    made = replay(material(markets, fair_then_cheap(), mapping_of), SPEC)
    assert {name: frame.schema for name, frame in made.items()} == {
        name: pl.Schema(schema.columns) for name, schema in LANES.items()
    }
    found = made["opportunities"]
    assert found["kind"].unique().to_list() == ["all_no"]
    assert found["ts"].min() >= BEGIN + timedelta(hours=6)
    assert found["edge"].to_list() == pytest.approx([0.14] * found.height)
    assert found["opportunity_id"].n_unique() == found.height
    decisions = made["decisions"]
    assert set(decisions["opportunity_id"]) == set(found["opportunity_id"])
    taken = decisions.filter("is_taken")
    assert taken.height >= 1
    assert set(taken["opportunity_id"]) == set(made["lane_positions"]["opportunity_id"])
    assert (taken["ts"].diff().drop_nulls() >= timedelta(seconds=SPEC.gates.cooldown_s)).all()
    (first, *_) = made["lane_positions"].sort("ts_open").iter_rows(named=True)
    assert first["filled"] == first["size"] > 0
    assert first["stake"] == first["size"] * Decimal("1.86")


def test_every_fill_and_leg_names_the_row_it_was_priced_in(markets, mapping_of):
    events = fair_then_cheap()
    made = replay(material(markets, events, mapping_of), SPEC)
    assert made["lane_fills"].height >= 3
    for priced in (made["lane_fills"], made["opportunity_legs"]):
        for leg in priced.iter_rows(named=True):
            (row,) = events.filter(no_row=leg["input_row"]).iter_rows(named=True)
            assert (row["input"], row["market_id"], row["no_ask"]) == (
                leg["input"],
                leg["market_id"],
                float(leg["price"]),
            )


def test_nothing_is_known_before_it_happened(markets, mapping_of):
    events = fair_then_cheap()
    until = BEGIN + timedelta(hours=8)
    whole = replay(material(markets, events, mapping_of), SPEC)
    cut = replay(material(markets, events.filter(pl.col("ts") < until), mapping_of), SPEC)
    for name in ("opportunities", "decisions"):
        before = pl.col("ts") < until
        assert whole[name].filter(before).equals(cut[name].filter(before))
        assert whole[name].filter(before).height > 0


def test_replaying_a_day_again_gives_the_same_rows(markets, mapping_of):
    first, second = (replay(material(markets, fair_then_cheap(), mapping_of), SPEC) for _ in range(2))
    assert all(first[name].equals(second[name]) for name in LANES)


def test_a_position_goes_on_the_next_day_and_is_paid_there(markets, mapping_of):
    first = replay(material(markets, fair_then_cheap(), mapping_of), SPEC)
    held = first["lane_positions"].filter(status="open")
    assert held.height > 0
    settled = markets.with_columns(
        status=pl.lit("settled"),
        result=pl.when(pl.col("market_id") == "A").then(pl.lit("yes")).otherwise(pl.lit("no")),
        ts_settle=pl.lit(BEGIN + timedelta(hours=30)).cast(pl.Datetime("ns", "UTC")),
        ts_last=pl.lit(BEGIN + timedelta(hours=29)).cast(pl.Datetime("ns", "UTC")),
    )
    nothing = pl.DataFrame(schema=EVENTS)
    after = replay(material(settled, nothing, mapping_of, day=date(2026, 3, 8), state=first["lane_state"]), SPEC)
    positions = after["lane_positions"]
    assert set(positions["opportunity_id"]) == set(held["opportunity_id"])
    assert positions["status"].unique().to_list() == ["settled"]
    for position in positions.iter_rows(named=True):
        assert position["realised"] == position["filled"] * Decimal("0.14")
    assert after["lane_state"].filter(kind="position").is_empty()


@pytest.mark.parametrize("standing", [one for one in CheckStanding if one is not CheckStanding.GREEN])
def test_nothing_is_taken_on_data_that_is_not_green(markets, mapping_of, standing):
    checks = {"kalshi": [Checked("clean_markets@1/2", "clean_markets/kalshi/2026-03-07", "clean_markets", standing)]}
    made = replay(material(markets, quoted((0.6, 0.6, 0.6), hours=(0, 4)), mapping_of, checks=checks), SPEC)
    assert made["opportunities"].height > 0
    assert not made["decisions"]["is_taken"].any()
    assert made["lane_positions"].is_empty()


def test_stopped_markets_are_not_priced(markets, mapping_of):
    events = quoted((0.6, 0.6, 0.6), hours=(0, 4)).with_columns(
        status=pl.when(pl.col("market_id") != "A").then(pl.lit("closed")).otherwise("status")
    )
    priced, refusals = look_at(
        material(markets, events, mapping_of), SPEC, int((BEGIN + timedelta(hours=3)).timestamp()) * 10**9
    )
    assert not priced.opportunities
    assert "market not open" in refusals["reason"].to_list()


def test_a_day_that_could_not_be_made_costs_no_open_position(markets, mapping_of):
    first = replay(material(markets, fair_then_cheap(), mapping_of), SPEC)
    held = first["lane_positions"].filter(status="open")["opportunity_id"]
    nothing = pl.DataFrame(schema=EVENTS)
    later = replay(material(markets, nothing, mapping_of, day=date(2026, 3, 9), state=first["lane_state"]), SPEC)
    assert set(later["lane_positions"].filter(status="open")["opportunity_id"]) == set(held)
    assert held.len() > 0


def test_what_one_basket_took_of_a_quote_is_not_there_for_another(markets, mapping_of):
    """NO of A is cheap in a basket with YES of A and in one with the NOs of B and C."""
    events = quoted((0.62, 0.62, 0.62), hours=(0, 4)).with_columns(yes_ask=pl.lit(0.3), yes_bid=pl.lit(0.28))
    rich = SPEC.model_copy(update={"lanes": (Lane.INTRA, Lane.BUCKET), "capital": Decimal(1_000_000)})
    made = replay(material(markets, events, mapping_of), rich)
    taken = made["decisions"].filter("is_taken")
    first = taken.filter(pl.col("ts") == taken["ts"].min())
    legs = made["opportunity_legs"].filter(side="no", market_id="A")
    sizes = first.join(legs, on="opportunity_id")["size"].cast(pl.Float64)
    assert sizes.len() == 2
    assert sizes.sum() <= 75, "half of the hundred, and half of what that left"
