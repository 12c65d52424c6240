"""Whether an opportunity is taken, and at what size: pure, out of the desk's state and what is true at the moment."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import polars as pl

from tickline.lake.lane_schemas import DECISIONS
from tickline.lanes.depth import Level, Reach, average, of_each, reach, walked
from tickline.lanes.desk import NS_A_DAY, DeskState, exposure_of, on_day, take
from tickline.lanes.expected import CERTAIN
from tickline.lanes.gates import Case, Context, answers
from tickline.lanes.model import Decision, Opportunity, PricedLeg
from tickline.markets.fees import most_fee
from tickline.sizing.robust import UNSEEN
from tickline.sizing.stake import Means, Offer, Proposal, Stake, keys_of, stake_of

NOTHING = Decimal(0)
PLACES = Decimal("1e-12")


def decide(state: DeskState, opportunity: Opportunity, context: Context) -> tuple[DeskState, Decision]:
    """Ask every gate, and take the opportunity where none refuses.

    What is refused has no size and leaves the state as it was, but for a new day's beginning. An opportunity that is
    taken rests its family and counts under every cap until it is closed (`tickline.lanes.desk.close`).
    """
    state = on_day(state, context.now_ns, context.stake)
    proposal, stake = _sized(state, opportunity, context)
    venues = tuple(stake.costs)
    said = answers(Case(state, opportunity, context, stake, venues))
    is_taken = all(answer.passed for answer in said)
    decision = Decision(
        opportunity=opportunity,
        ts_ns=context.now_ns,
        answers=said,
        size=stake.size if is_taken else NOTHING,
        stake=stake.stake if is_taken else NOTHING,
        worst_loss=stake.stake if is_taken else NOTHING,
        expected=_expected(opportunity, stake, context) if is_taken else NOTHING,
        kelly=stake.kelly_share,
        multiplier=_multiplier(state, opportunity.basket.lane.value),
    )
    if not is_taken:
        return state, decision
    exposure = exposure_of(stake.costs, stake.size, keys=keys_of(proposal))
    return take(state, decision, exposure=exposure, cooldown_s=context.gates.cooldown_s), decision


def frames(decisions: Iterable[Decision]) -> pl.DataFrame:
    """Decisions as rows of DECISIONS."""
    made = list(decisions)
    said = [answer for one in made for answer in one.answers]
    asked = pl.DataFrame(
        {
            "gate": pl.Series([one.gate for one in said], dtype=pl.String),
            "passed": pl.Series([one.passed for one in said], dtype=pl.Boolean),
            "detail": pl.Series([one.detail for one in said], dtype=pl.String),
            "row": pl.Series([row for row, one in enumerate(made) for _ in one.answers], dtype=pl.Int64),
        }
    )
    gates = asked.group_by("row").agg(pl.struct("gate", "passed", "detail").alias("gates"))
    rows = pl.DataFrame(
        {
            "row": range(len(made)),
            "opportunity_id": [one.opportunity.opportunity_id for one in made],
            "lane": [one.opportunity.basket.lane.value for one in made],
            "kind": [one.opportunity.basket.kind.value for one in made],
            "family": [one.opportunity.basket.family for one in made],
            "ts": [one.ts_ns for one in made],
            "is_taken": [one.is_taken for one in made],
            "reason": [one.reason for one in made],
            "size": [one.size for one in made],
            "stake": [one.stake for one in made],
            "worst_loss": [one.worst_loss for one in made],
            "expected": [one.expected for one in made],
            "kelly": [one.kelly for one in made],
            "multiplier": [one.multiplier for one in made],
        },
        schema_overrides={"row": pl.Int64()} | {name: of for name, of in DECISIONS.columns.items() if name != "gates"},
        strict=False,
    )
    return (
        rows.join(gates, on="row", how="left")
        .select(pl.col(name).cast(dtype) for name, dtype in DECISIONS.columns.items())
        .sort(DECISIONS.sort, maintain_order=True)
    )


def _sized(state: DeskState, opportunity: Opportunity, context: Context) -> tuple[Proposal, Stake]:
    """The size at which a unit is reckoned at what it costs at that size.

    It is sized as detected first, then at what so many cost, until that is no more than it was sized at. What a unit
    costs only goes up on the way, so sizes only go down.
    """
    settings, lane = context.stake, opportunity.basket.lane.value
    held = reach(opportunity, context.levels, least_edge=context.gates.edge)
    proposal = _proposal(opportunity, context, held)
    means = Means(
        capital=state.capital,
        bankroll=state.bankrolls.get(lane, NOTHING),
        multiplier=state.restraint.multiplier,
        exposure=state.exposure,
        curve=context.impact.get(lane, settings.of_lane(lane).impact),
    )
    stake = stake_of(proposal, means, settings)
    while stake.size and (offers := _at_size(opportunity, context, proposal, size=stake.size)) != proposal.offers:
        proposal = replace(proposal, offers=offers)
        stake = stake_of(proposal, means, settings)
    return proposal, stake


def _proposal(opportunity: Opportunity, context: Context, held: Reach) -> Proposal:
    basket = opportunity.basket
    looks = context.looks
    offers = tuple(
        Offer(one.leg.market.venue, one.price, one.fee, depth, top, looks.get(one.leg, UNSEEN))
        for one, depth, top in zip(opportunity.legs, held.depths, held.tops, strict=True)
    )
    settle = basket.ts_settle_ns
    return Proposal(
        lane=basket.lane.value,
        event=basket.event,
        cluster=context.clusters.get(basket.event, basket.event),
        floor=basket.floor,
        confidence=basket.confidence,
        offers=offers,
        depth=held.units,
        days=None if settle is None else (settle - context.now_ns) / NS_A_DAY,
    )


def _at_size(opportunity: Opportunity, context: Context, proposal: Proposal, *, size: Decimal) -> tuple[Offer, ...]:
    """The offers at what a contract of each costs on average where `size` are bought, and no less than they were at."""
    if not context.levels and not context.fees:
        return proposal.offers
    offers = []
    for one, offer in zip(opportunity.legs, proposal.offers, strict=True):
        levels = context.levels.get(one.leg)
        price, fee = average(levels, size) if levels else (offer.price, offer.fee)
        fee = max(offer.fee, fee, _charged(one, context, size=size))
        price = max(offer.price, price)
        is_dearer = price > offer.price or fee > offer.fee
        offers.append(replace(offer, price=price, fee=fee) if is_dearer else offer)
    return tuple(offers)


def _charged(one: PricedLeg, context: Context, *, size: Decimal) -> Decimal:
    """The most an order of a leg can be charged, of each contract: 0 where the market's fees are not known.

    What is bought at each level is reckoned as an order of its own, which is never charged less.
    """
    fees = context.fees.get(one.leg.market)
    if fees is None:
        return NOTHING
    levels = context.levels.get(one.leg) or (Level(one.price, one.depth, one.fee),)
    charged = (
        most_fee(fees, level.price, taken, is_maker=False, fills=context.stake.fills)
        for level, taken in walked(levels, size)
    )
    return of_each(sum(charged, NOTHING), size)


def _expected(opportunity: Opportunity, stake: Stake, context: Context) -> Decimal:
    """What is expected of the whole size, with the odds that its legs are filled."""
    odds = context.entry.get(opportunity.basket.lane.value, CERTAIN)
    units = float(stake.size)
    return Decimal(str(odds.worth(stake.expected / units) * units)).quantize(PLACES)


def _multiplier(state: DeskState, lane: str) -> float:
    """What the drawdown and the lane's bankroll leave of what all capital would be sized at."""
    return state.restraint.multiplier * float(state.bankrolls.get(lane, NOTHING) / state.capital)
