"""Prices of baskets: all in arrays as a slow exact oracle says, and what has no price says why."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from itertools import chain
from random import Random

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tickline.errors import LaneError
from tickline.lake.lane_schemas import LANE_DIAGNOSTICS, OPPORTUNITIES, OPPORTUNITY_LEGS
from tickline.lanes import diagnostics
from tickline.lanes.book import Book
from tickline.lanes.model import Lane
from tickline.lanes.opportunities import frames
from tickline.lanes.pricing import PricingSettings, price
from tickline.lanes.structure import compiled

NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
OPEN = PricingSettings(min_edge=0.0)


def priced(markets, mapping, quotes, settings=OPEN, *, ts_ns=NOW_NS, lanes=(Lane.INTRA, Lane.CROSS, Lane.BUCKET)):
    found = diagnostics.find(markets, mapping, lanes)
    structure = compiled(found.baskets, found.legs, markets)
    return price(structure, Book.from_frames(structure.markets, quotes, ts_ns), settings)


def quote(market_id, yes_ask, no_ask, *, size=100.0, **more):
    """A book whose YES and NO are one, with its bids where the other side's asks put them."""
    return {
        "market_id": market_id,
        "yes_bid": None if no_ask is None else 1 - no_ask,
        "yes_ask": yes_ask,
        "no_bid": None if yes_ask is None else 1 - yes_ask,
        "no_ask": no_ask,
        "yes_ask_size": size,
        "no_ask_size": size,
    } | more


@pytest.fixture
def pair(markets_of, mapping_of):
    curve = {"fee_kind": "curve", "fee_taker": 0.07}
    markets = markets_of({"market_id": "A"} | curve, {"venue": "poly", "market_id": "X", "yes_instrument": "X-yes"})
    return markets, mapping_of({"left": "kalshi:A", "right": "poly:X"})


def test_an_opportunity_is_the_floor_less_asks_and_fees(pair, quotes_of):
    origin = {"input": "market_quotes", "input_venue": "poly", "input_period": "2026-03-07", "input_row": 4}
    quotes = quotes_of(quote("A", 0.62, 0.40, size=30.0), quote("X", 0.54, 0.48, venue="poly", size=20.5))
    quotes = quotes.with_columns(
        pl.when(pl.col("venue") == "poly").then(pl.lit(value)).alias(name) for name, value in origin.items()
    )
    (one,) = priced(*pair, quotes).opportunities
    assert [(leg.leg.side, leg.price, leg.fee, leg.depth) for leg in one.legs] == [
        ("no", Decimal("0.4"), Decimal("0.0168"), Decimal("30.0")),
        ("yes", Decimal("0.54"), Decimal(0), Decimal("20.5")),
    ]
    assert (one.cost, one.fees, one.edge, one.depth) == tuple(map(Decimal, ("0.94", "0.0168", "0.0432", "20.5")))
    assert (one.bucket_ns, one.ts_ns, one.is_micro) == (NOW_NS, NOW_NS, False)
    assert [leg.instrument for leg in one.legs] == [None, "X-yes"]
    assert one.legs[0].origin is None
    assert (one.legs[1].origin.period, one.legs[1].origin.row) == ("2026-03-07", 4)


def test_an_id_is_of_the_basket_and_the_time_bucket(pair, quotes_of):
    quotes = quotes_of(quote("A", 0.62, 0.40), quote("X", 0.54, 0.48, venue="poly"))
    looks = [priced(*pair, quotes, ts_ns=NOW_NS + minutes * 60 * 10**9) for minutes in (0, 9)]
    assert looks[0].opportunities[0].opportunity_id == looks[1].opportunities[0].opportunity_id
    later = quotes.with_columns(pl.col("ts") + timedelta(hours=1))
    (moved,) = priced(*pair, later, ts_ns=NOW_NS + 3_600 * 10**9).opportunities
    assert moved.opportunity_id != looks[0].opportunities[0].opportunity_id
    assert moved.basket == looks[0].opportunities[0].basket


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"yes_ask": None, "no_bid": None}, "nobody offers a leg"),
        ({"yes_ask_size": 0.0}, "nothing is offered at a leg's ask"),
        ({"yes_bid": 0.56}, "crossed or torn book: a bid is above its ask"),
        ({"ts": NOW - timedelta(seconds=901)}, "stale quote"),
        ({"status": "paused"}, "market not open"),
        ({"ts": NOW + timedelta(seconds=1)}, "no quote"),
    ],
)
def test_a_basket_without_a_usable_quote_for_each_leg_says_why(pair, quotes_of, changed, reason):
    quotes = quotes_of(quote("A", 0.62, 0.40), quote("X", 0.54, 0.48, venue="poly") | changed)
    result = priced(*pair, quotes)
    assert result.opportunities == ()
    refusals = result.refusals.filter(lane="cross", subject="A=X")
    assert reason in refusals["reason"].to_list()
    assert result.refusals.schema == LANE_DIAGNOSTICS.columns
    assert result.refusals["stage"].unique().to_list() == ["quote"]


def test_an_intra_edge_of_a_mirrored_book_is_a_torn_book(markets_of, mapping_of, quotes_of):
    result = priced(markets_of({"market_id": "A"}), mapping_of(), quotes_of(quote("A", 0.45, 0.50)))
    assert result.opportunities == ()
    assert result.refusals["reason"].to_list() == ["crossed or torn book: a bid is above its ask"]


def test_an_intra_edge_of_two_books_is_an_opportunity(markets_of, mapping_of, quotes_of):
    apart = quote("A", 0.45, 0.50) | {"yes_bid": 0.40, "no_bid": 0.44}
    (one,) = priced(markets_of({"market_id": "A"}), mapping_of(), quotes_of(apart)).opportunities
    assert (one.basket.lane, one.edge) == ("intra", Decimal("0.05"))


@pytest.mark.parametrize(
    ("cheap", "size", "is_micro"), [(0.03, 10.0, False), (0.02, 10.0, True), (0.03, 9.5, True), (0.03, None, True)]
)
def test_what_is_cheap_thin_or_of_unknown_depth_is_micro(pair, quotes_of, cheap, size, is_micro):
    quotes = quotes_of(quote("A", cheap, 0.98), quote("X", 0.99, 0.9, venue="poly") | {"no_ask_size": size})
    (one,) = priced(*pair, quotes).opportunities
    assert one.is_micro is is_micro
    assert one.depth == Decimal(str(size or 0))


def test_of_quotes_at_one_time_the_last_counts(pair, quotes_of):
    quotes = quotes_of(
        quote("A", 0.62, 0.40), quote("X", 0.60, 0.48, venue="poly"), quote("X", 0.54, 0.48, venue="poly")
    )
    assert len(priced(*pair, quotes).opportunities) == 1
    assert priced(*pair, quotes.reverse()).opportunities == ()


def test_what_is_not_enough_is_counted_and_everything_adds_up(pair, quotes_of):
    quotes = quotes_of(quote("A", 0.62, 0.40), quote("X", 0.54, 0.48, venue="poly"))
    counts = priced(*pair, quotes, PricingSettings(min_edge=0.05)).counts
    assert counts.rows() == [("cross", 2, 0, 2, 0), ("intra", 2, 0, 2, 0)]
    assert priced(*pair, quotes, PricingSettings(min_edge=0.0432)).counts.rows()[0] == ("cross", 2, 0, 1, 1)


@pytest.fixture
def group(markets_of, mapping_of):
    of_group = {"group_id": "G", "group_kind": "exclusive", "label": "exhaustive", "label_source": "metadata"}
    return markets_of(*({"market_id": name} | of_group for name in "ABCD")), mapping_of()


def test_a_no_that_cannot_be_bought_for_what_it_adds_is_left_out(group, quotes_of):
    quotes = quotes_of(
        quote("A", 0.6, 0.5), quote("B", 0.7, 0.4, size=7.0), quote("C", 0.1, None), quote("D", 0.1, 1.0)
    )
    (one,) = priced(*group, quotes).opportunities
    assert [(leg.leg.market.market_id, leg.leg.side) for leg in one.legs] == [("A", "no"), ("B", "no")]
    assert one.basket.legs == tuple(leg.leg for leg in one.legs)
    assert (one.basket.floor, one.edge, one.depth) == (1, Decimal("0.1"), Decimal(7))
    assert one.basket.basket_id in diagnostics.find(*group).baskets["basket_id"].to_list()
    more = priced(*group, quotes.with_columns(no_ask=pl.col("no_ask").fill_null(0.95))).opportunities[0]
    assert (more.basket.floor, more.edge) == (2, Decimal("0.15"))
    assert more.opportunity_id != one.opportunity_id


def test_of_one_no_that_is_left_nothing_is_said_but_why(group, quotes_of):
    quotes = quotes_of(quote("A", 0.6, 0.5), *(quote(name, 0.3, None) for name in "BCD"))
    result = priced(*group, quotes)
    assert result.opportunities == ()
    bucket = result.refusals.filter(lane="bucket")
    assert bucket.select("reason", "count").rows() == [("nobody offers a leg", 1)]


def test_a_book_of_other_markets_is_refused(pair, quotes_of):
    markets, mapping = pair
    found = diagnostics.find(markets, mapping)
    structure = compiled(found.baskets, found.legs, markets)
    with pytest.raises(LaneError, match="the book has 1 markets, the structure 2"):
        price(structure, Book.from_frames(structure.markets.head(1), quotes_of(), NOW_NS), OPEN)
    with pytest.raises(LaneError, match="quotes are without no_ask"):
        Book.from_frames(structure.markets, quotes_of().drop("no_ask"), NOW_NS)
    with pytest.raises(LaneError, match="kalshi:A is of no basket or market"):
        compiled(found.baskets, found.legs, markets.filter(venue="poly"))
    with pytest.raises(LaneError, match="has not the 2 legs"):
        compiled(found.baskets, found.legs.head(3), markets)


def test_without_baskets_nothing_is_found(markets_of, mapping_of, quotes_of):
    result = priced(markets_of(), mapping_of(), quotes_of())
    assert (result.opportunities, result.refusals.height, result.counts.height) == ((), 0, 0)


SCHEDULES = [
    {"fee_kind": "none"},
    {"fee_kind": "bps", "fee_taker": 0.0123},
    {"fee_kind": "curve", "fee_taker": 0.07},
    {"fee_kind": "curve", "fee_taker": 0.07, "fee_places": 2},
    {"fee_kind": "curve", "fee_taker": 0.05, "fee_places": 5, "fee_rounding": "down"},
    {"fee_kind": "curve", "fee_taker": 0.25, "fee_exponent": 2.0, "fee_rounding": "half_up"},
]
SCENES = 40


def exact_fee(market, ask):
    curve = Decimal(str(market["fee_taker"])) * (ask * (1 - ask)) ** int(market["fee_exponent"])
    whole = {"none": Decimal(0), "bps": Decimal(str(market["fee_taker"])) * ask, "curve": curve}[market["fee_kind"]]
    return whole.quantize(Decimal(1).scaleb(-market["fee_places"]), ROUND_CEILING)


def slowly(found, markets, quotes, least):
    """Basket id -> exact edge of every basket that is worth at least `least`, one leg at a time."""
    by_key = {(row["venue"], row["market_id"]): row for row in markets.rows(named=True)}
    books = {(row["venue"], row["market_id"]): row for row in quotes.rows(named=True)}
    legs = found.legs.partition_by("basket_id", as_dict=True)
    edges = {}
    for basket in found.baskets.rows(named=True):
        edge, bought = Decimal(int(basket["floor"])), 0
        leaves_out = basket["kind"] in ("all_no", "parent_yes_children_no")
        for leg in legs[basket["basket_id"],].rows(named=True):
            key = leg["venue"], leg["market_id"]
            book, side = books[key], leg["side"]
            ask = book[f"{side}_ask"]
            is_usable = not (ask is None or book[f"{side}_ask_size"] == 0 or is_crossed(book))
            paid = Decimal(str(ask)) + exact_fee(by_key[key], Decimal(str(ask))) if is_usable else None
            if leaves_out and side == "no" and (paid is None or paid >= 1):
                edge -= 1
                continue
            if paid is None:
                break
            edge, bought = edge - paid, bought + 1
        else:
            if edge >= Decimal(str(least)) and bought > 1:
                edges[basket["basket_id"]] = edge
    return edges


def is_crossed(book):
    both = [(book[f"{side}_bid"], book[f"{side}_ask"]) for side in ("yes", "no")]
    return any(None not in (bid, ask) and bid > ask + 1e-6 for bid, ask in both)


def scene(random, nth):
    """A group, two mapped markets that imply a third, and what all are quoted at."""
    group = {"group_id": f"G{nth}", "group_kind": "exclusive", "label": "exhaustive", "label_source": "metadata"}
    child = {"parent_id": f"P{nth}", "parent_source": "metadata"}
    names = [("kalshi", "A", group), ("kalshi", "B", group), ("kalshi", "C", group)]
    names += [("poly", "X", child), ("poly", "Y", child), ("poly", "P", {})]
    markets = [
        {"venue": venue, "market_id": f"{name}{nth}", "event_id": f"E{nth}"} | of | random.choice(SCHEDULES)
        for venue, name, of in names
    ]
    pairs = [
        {"left": f"kalshi:A{nth}", "right": f"poly:X{nth}"},
        {"left": f"kalshi:B{nth}", "right": f"poly:Y{nth}", "relation": "complement"},
    ]
    quotes = []
    for market in markets:
        yes = random.choice([None, *range(1, 100)] if random.random() < 0.2 else range(20, 60))
        no = None if yes is None else min(99, max(1, 100 - yes + random.randint(-1, 4)))
        size = random.choice([None, 0.0, 3.5, 80.0, 80.0, 80.0, 80.0])
        quoted = quote(market["market_id"], yes and yes / 100, no and no / 100, size=size, venue=market["venue"])
        quotes.append(quoted)
    return markets, pairs, quotes


@pytest.mark.parametrize(("seed", "least"), [(1, 0.0), (2, 0.02)])
def test_arrays_find_exactly_what_a_slow_exact_oracle_finds(markets_of, mapping_of, quotes_of, seed, least):
    random = Random(seed)
    scenes = [scene(random, nth) for nth in range(SCENES)]
    markets, mapping, quotes = (
        make(*chain.from_iterable(one[part] for one in scenes))
        for part, make in enumerate((markets_of, mapping_of, quotes_of))
    )
    found = diagnostics.find(markets, mapping)
    result = priced(markets, mapping, quotes, PricingSettings(min_edge=least), lanes=tuple(Lane))
    exactly = slowly(found, markets, quotes, least)
    assert {one.basket.basket_id: one.edge for one in result.opportunities} == exactly
    assert len(exactly) > SCENES / 4
    total = result.counts.select(pl.col("refused", "below", "opportunities").sum()).row(0)
    assert (sum(total), total[2]) == (found.baskets.height, len(exactly))
    assert result.refusals["count"].sum() == total[0]


def test_rows_are_those_of_the_schemas_whatever_the_order(pair, quotes_of):
    quotes = quotes_of(quote("A", 0.30, 0.40), quote("X", 0.54, 0.31, venue="poly"))
    torn = quotes.with_columns(yes_bid=0.0, no_bid=0.0)
    found = priced(*pair, torn).opportunities
    assert len(found) == 4
    opportunities, legs = frames(found)
    assert opportunities.schema == OPPORTUNITIES.columns
    assert legs.schema == OPPORTUNITY_LEGS.columns
    assert legs.height == 8
    for frame, again in zip((opportunities, legs), frames(found[::-1]), strict=True):
        assert_frame_equal(frame, again)
    summed = legs.group_by("opportunity_id").agg(pl.col("price", "fee").sum(), pl.col("depth").min())
    joined = opportunities.join(summed, on="opportunity_id")
    assert joined.select(
        ((pl.col("floor") - pl.col("price") - pl.col("fee") - pl.col("edge")).abs() < 1e-9).all()
    ).item()
    assert joined.select((pl.col("depth") == pl.col("depth_right")).all()).item()
    assert [frame.height for frame in frames([])] == [0, 0]
