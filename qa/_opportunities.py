"""A made-up world of bets listed under many names, and a stream of opportunities in it that see each bet many times.

Every bet is a number, or a step between two thresholds of it, listed on several venues, sometimes inverted. The lanes
themselves make its baskets and name its families; what each basket really is a bet on is known from how the world was
made, and by nothing the lanes say.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import polars as pl

from tickline.lake.market_schemas import CLEAN_MARKETS, MAPPING
from tickline.lanes import cross, intra, parity
from tickline.lanes.gates import Checked, CheckStanding, Context, GateSettings, Listed, Paired, Readiness
from tickline.lanes.model import Basket, Kind, Lane, Leg, Opportunity, PricedLeg, Style
from tickline.markets.model import Basis, Label, MarketKey, Relation, Severity, Side, Status
from tickline.sizing.robust import Looks
from tickline.sizing.stake import StakeSettings

VENUES = ("alpha", "beta", "gamma")
RUNGS = 2
START_NS = 1_750_000_000_000_000_000
SECOND_NS = 1_000_000_000
MEAN_WAIT_S = 20.0
BUCKET_NS = 600 * SECOND_NS
SETTLES_NS = START_NS + 45 * 86_400 * SECOND_NS
MAPPED = "mapped"


@dataclass(frozen=True, slots=True)
class World:
    """Baskets as the lanes make them, and by basket id what each really is a bet on: the questions it turns on."""

    baskets: tuple[Basket, ...]
    bets: dict[str, str]


def made_world(numbers: int, seed: int) -> World:
    """So many numbers, each with two thresholds, each of these listed on two or three venues."""
    random = np.random.default_rng(seed)
    listings = list(_listings(numbers, random))
    markets = _markets(listings)
    mapping = _mapping(listings)
    question = {(venue, market): about for venue, market, about, _ in listings}
    baskets: list[Basket] = []
    for find in (intra.find, cross.find, parity.find):
        found = find(markets, mapping)
        legs = found.legs.sort("basket_id", "leg").partition_by("basket_id", as_dict=True)
        baskets.extend(_basket(row, legs[row["basket_id"],]) for row in found.baskets.iter_rows(named=True))
    bets = {
        one.basket_id: " and ".join(sorted({question[leg.market.venue, leg.market.market_id] for leg in one.legs}))
        for one in baskets
    }
    return World(tuple(baskets), bets)


def stream(world: World, count: int, seed: int) -> Iterator[Opportunity]:
    """Opportunities in order of time: a few bets are seen very often, each through any of its baskets."""
    random = np.random.default_rng(seed)
    aliases: dict[str, list[Basket]] = {}
    for basket in world.baskets:
        aliases.setdefault(world.bets[basket.basket_id], []).append(basket)
    seen = [aliases[bet] for bet in random.permutation(sorted(aliases)).tolist()]
    which = random.zipf(1.3, count) % len(seen)
    through = random.random(count)
    times = START_NS + (random.exponential(MEAN_WAIT_S, count).cumsum() * SECOND_NS).astype(np.int64)
    costs, splits = random.uniform(0.90, 0.985, count), random.uniform(0.2, 0.8, count)
    depths = random.integers(20, 2_000, count)
    for nth, now in enumerate(times.tolist()):
        of = seen[which[nth]]
        basket = of[int(through[nth] * len(of))]
        yield opportunity(basket, now, cost=float(costs[nth]), split=float(splits[nth]), depth=int(depths[nth]))


def opportunity(basket: Basket, now_ns: int, *, cost: float, split: float = 0.5, depth: int = 500) -> Opportunity:
    """A basket of two legs at a cost of one unit, split between them, at a moment."""
    first = Decimal(str(round(cost * split, 3)))
    prices = (first, Decimal(str(round(cost, 3))) - first)
    fees = (Decimal("0.001"), Decimal("0.0015"))
    bucket = now_ns // BUCKET_NS * BUCKET_NS
    legs = tuple(
        PricedLeg(leg, None, price, fee, Decimal(depth), now_ns - 2 * SECOND_NS)
        for leg, price, fee in zip(basket.legs, prices, fees, strict=True)
    )
    paid, charged = sum(prices, Decimal(0)), sum(fees, Decimal(0))
    return Opportunity(
        opportunity_id=hashlib.sha256(f"{basket.basket_id} {bucket}".encode()).hexdigest()[:24],
        basket=basket,
        style=Style.TAKER,
        ts_ns=now_ns,
        bucket_ns=bucket,
        legs=legs,
        cost=paid,
        fees=charged,
        edge=basket.floor - paid - charged,
        depth=Decimal(depth),
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is green, listed, mapped and seen all along, so that only time and the desk itself decide."""

    gates: GateSettings
    stake: StakeSettings
    markets: dict[MarketKey, Listed]
    pairs: dict[str, Paired]

    def at(self, found: Opportunity) -> Context:
        """What is true at the moment an opportunity is found."""
        return Context(
            now_ns=found.ts_ns,
            gates=self.gates,
            stake=self.stake,
            kills={},
            checks=_GREEN,
            pairs=self.pairs,
            markets=self.markets,
            readiness=_READY,
            skews_ns=_EXACT,
            looks={one.leg: Looks((float(one.price),) * 3, (float(one.depth),) * 3) for one in found.legs},
        )


def surroundings(world: World, gates: GateSettings, stake: StakeSettings) -> Surroundings:
    """Everything in order for a world's markets and pairs."""
    listed = {leg.market: Listed(Status.OPEN, SETTLES_NS) for basket in world.baskets for leg in basket.legs}
    pairs = {one.pair_id: Paired(MAPPED, True, Severity.NONE) for one in world.baskets if one.pair_id is not None}
    return Surroundings(gates, stake, listed, pairs)


_GREEN = {
    name: (Checked(str(nth), f"clean_markets/{name}/2025-06-15", "clean_markets", CheckStanding.GREEN),)
    for nth, name in enumerate((*VENUES, MAPPED), 1)
}
_READY = {lane.value: Readiness(is_ready=True, covered=1.0) for lane in Lane}
_EXACT = dict.fromkeys(VENUES, 0)


def _listings(numbers: int, random: np.random.Generator) -> Iterator[tuple[str, str, str, bool]]:
    """(venue, market, question, whether it asks the opposite) of each listing."""
    for number in range(numbers):
        on = sorted(random.choice(VENUES, size=int(random.integers(2, len(VENUES) + 1)), replace=False).tolist())
        for rung in range(RUNGS):
            for venue in on:
                inverted = venue == "gamma" and number % 2 == 1
                yield venue, f"{venue[0]}{number}-{rung}{'x' if inverted else ''}", f"{number} above {rung}", inverted


def _markets(listings: list[tuple[str, str, str, bool]]) -> pl.DataFrame:
    rows = [
        {
            "venue": venue,
            "market_id": market,
            "event_id": f"e{about.split()[0]}",
            "title": about,
            "strike_op": "le" if inverted else "gt",
            "strike_low": None if inverted else float(about.split()[-1]),
            "strike_high": float(about.split()[-1]) if inverted else None,
            "status": "open",
            "group_id": f"g{about.split()[0]}",
            "group_kind": "ladder",
            "version": 1,
        }
        for venue, market, about, inverted in listings
    ]
    settles = pl.lit(SETTLES_NS).cast(pl.Datetime("ns", "UTC"))
    columns = {"venue": pl.String()} | dict(CLEAN_MARKETS.columns)
    frame = pl.DataFrame(rows, schema_overrides={"strike_low": pl.Float64(), "strike_high": pl.Float64()})
    there = set(frame.columns)
    return frame.select(
        (settles if name.startswith("ts_") else pl.col(name) if name in there else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in columns.items()
    )


def _mapping(listings: list[tuple[str, str, str, bool]]) -> pl.DataFrame:
    by_question: dict[str, list[tuple[str, str, bool]]] = {}
    for venue, market, about, inverted in listings:
        by_question.setdefault(about, []).append((venue, market, inverted))
    rows = [
        {
            "pair_id": hashlib.sha256(f"{left} {right}".encode()).hexdigest()[:24],
            "left_venue": left[0],
            "left_market": left[1],
            "right_venue": right[0],
            "right_market": right[1],
            "relation": (Relation.EQUIVALENT if left[2] == right[2] else Relation.COMPLEMENT).value,
            "basis": Basis.HUMAN.value,
            "confidence": 0.99,
            "severity": Severity.NONE.value,
            "decision": "approved",
            "is_tradable": True,
        }
        for same in by_question.values()
        for nth, left in enumerate(same)
        for right in same[nth + 1 :]
    ]
    frame = pl.DataFrame(rows)
    there = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in there else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in MAPPING.columns.items()
    )


def _basket(row: dict[str, object], legs: pl.DataFrame) -> Basket:
    return Basket(
        basket_id=str(row["basket_id"]),
        lane=Lane(row["lane"]),
        kind=Kind(row["kind"]),
        legs=tuple(
            Leg(MarketKey(venue, market), Side(side))
            for venue, market, side in legs.select("venue", "market_id", "side").iter_rows()
        ),
        floor=int(row["floor"]),  # type: ignore[call-overload]
        family=str(row["family"]),
        event=str(row["event"]),
        source=Basis(row["source"]),
        label=None if row["label"] is None else Label(row["label"]),
        pair_id=None if row["pair_id"] is None else str(row["pair_id"]),
        confidence=float(row["confidence"]),  # type: ignore[arg-type]
        ts_settle_ns=SETTLES_NS,
    )
