"""What may refuse an opportunity. Every gate answers every time, and says on what ground.

A gate that lacks what it needs refuses: what is missing, old or unreadable is never good news.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tickline.lanes.cooldown import NS_A_SECOND, is_repeated, resting
from tickline.lanes.depth import Level
from tickline.lanes.desk import DeskState, at_risk
from tickline.lanes.expected import EntryOdds
from tickline.lanes.model import GateAnswer, Kind, Leg, Opportunity
from tickline.markets.fees import Fees
from tickline.markets.model import Basis, Label, MarketKey, Severity, Status
from tickline.reference.models import Declared, Share
from tickline.sizing.impact import ImpactCurve
from tickline.sizing.robust import UNSEEN, Looks
from tickline.sizing.stake import Stake, StakeSettings

Seconds = Annotated[int, Field(ge=0, le=31_536_000)]

NEEDS_EXHAUSTIVE = frozenset({Kind.ALL_YES, Kind.PARENT_NO_CHILDREN_YES})
"""Kinds whose floor is only one where the group's label says that one of it must win."""


class GateSettings(Declared):
    """What an opportunity must meet.

    Quotes are at most `quote_age_s` old and `apart_s` apart, and dated no later than the moment they are looked at by
    `skew_s`, which is also the most a venue's clock may be off. Edges and prices are per unit. `daily_loss` and
    `drawdown` are shares of capital and of the highest equity. After `failures` in a row nothing is taken for
    `failure_pause_s`.
    """

    quote_age_s: Seconds = 900
    apart_s: Seconds = 600
    skew_s: Seconds = 5
    severity: Severity = Severity.NOTE
    """The worst flag that a mapping may trade with; `block` never trades."""
    refused_sources: tuple[Basis, ...] = (Basis.HEURISTIC,)
    confidence: Share = 0.9
    covered: Share = 0.5
    """The least share of what a lane should look at that it did look at."""
    edge: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.005")
    least_price: Share = 0.02
    least_depth: Annotated[float, Field(ge=0, le=1e9)] = 1.0
    close_s: Seconds = 3_600
    cooldown_s: Annotated[int, Field(ge=1, le=31_536_000)] = 3_600
    most_held: Annotated[int, Field(ge=0, le=1_000_000)] = 200
    daily_loss: Share = 0.03
    drawdown: Share = 0.2
    failures: Annotated[int, Field(ge=1, le=1_000)] = 5
    failure_pause_s: Seconds = 3_600


class CheckStanding(StrEnum):
    """How the checks of a partition stand. Only green is good."""

    GREEN = "green"
    WARN = "warn"
    RED = "red"
    MISSING = "missing"
    OLD = "old"  # of other content than there is now, or by another suite
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Checked:
    """One suite's verdict on a partition that a decision stands on; no id where there is none."""

    verdict_id: str | None
    partition: str
    suite: str
    standing: CheckStanding


@dataclass(frozen=True, slots=True)
class Paired:
    """How a pair of markets stands in the mapping of this name."""

    mapping: str
    is_tradable: bool
    severity: Severity


@dataclass(frozen=True, slots=True)
class Listed:
    """How a market stands, and when its trading ends."""

    status: Status
    ts_close_ns: int | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a lane has what it looks at, and what share of it; `detail` says what is missing."""

    is_ready: bool
    covered: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What is true of the world at a moment. What a gate asks for and is not in it makes that gate refuse.

    `kills` has a reason by "global", "venue:NAME" or "lane:NAME", and is None where the switches cannot be read.
    `checks` are by the name of the venue or mapping whose partitions were checked, `pairs` by pair id. `skews_ns` says
    by venue how much later than we received it its last event was by its own clock; `readiness` is by lane. Some may be
    left out: `impact` (curves by lane; else the declared one), `clusters` (by event; else each is one of its own),
    `levels` (by leg; else the best quotes) and `fees` (by market; else the fee of one contract stands as detected, and
    what rounding costs an order is left out). `looks`, by leg, may not.
    """

    now_ns: int
    gates: GateSettings
    stake: StakeSettings
    kills: Mapping[str, str] | None = None
    checks: Mapping[str, Sequence[Checked]] = field(default_factory=dict)
    pairs: Mapping[str, Paired] = field(default_factory=dict)
    markets: Mapping[MarketKey, Listed] = field(default_factory=dict)
    readiness: Mapping[str, Readiness] = field(default_factory=dict)
    skews_ns: Mapping[str, int] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    impact: Mapping[str, ImpactCurve] = field(default_factory=dict)
    entry: Mapping[str, EntryOdds] = field(default_factory=dict)
    levels: Mapping[Leg, Sequence[Level]] = field(default_factory=dict)
    fees: Mapping[MarketKey, Fees] = field(default_factory=dict)
    looks: Mapping[Leg, Looks] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """What the gates are asked about: an opportunity as a desk in its state sees it, at the size it would be taken."""

    state: DeskState
    opportunity: Opportunity
    context: Context
    stake: Stake
    venues: tuple[str, ...]


def answers(case: Case) -> tuple[GateAnswer, ...]:
    """What every gate says, in their fixed order."""
    said = [GateAnswer(name, *gate(case)) for name, gate in GATES.items()]
    said += [GateAnswer("cap_" + key.partition(":")[0], *_cap(case, key)) for key in case.stake.rooms]
    return (*said, GateAnswer("size", *_size(case)))


Said = tuple[bool, str]


def _kill_switch(case: Case) -> Said:
    kills = case.context.kills
    if kills is None:
        return False, "the kill switches cannot be read, which means killed"
    if not kills:
        return True, "nothing is killed"
    lane = case.opportunity.basket.lane
    asked = ("global", f"lane:{lane.value}", *(f"venue:{venue}" for venue in case.venues))
    hit = [f"{one} is killed: {kills[one]}" for one in asked if one in kills]
    return not hit, "; ".join(hit) or "what it trades on is not killed"


def _readiness(case: Case) -> Said:
    lane, least = case.opportunity.basket.lane.value, case.context.gates.covered
    found = case.context.readiness.get(lane)
    if found is None:
        return False, f"nothing is known of the readiness of {lane}"
    told = f"{found.covered:.3f} of {lane} is covered, {least} is needed"
    if not found.is_ready:
        return False, f"{lane} is not ready: {found.detail or told}"
    return found.covered >= least, told


def _checks(case: Case) -> Said:
    ids: list[str] = []
    wrong: list[str] = []
    for name in _stood_on(case):
        found = case.context.checks.get(name, ())
        if not found:
            wrong.append(f"{name} has no verdict")
        for one in found:
            if one.standing is CheckStanding.GREEN and one.verdict_id is not None:
                ids.append(one.verdict_id)
            else:
                which = one.verdict_id or "no id"
                wrong.append(f"verdict {which} ({one.suite} of {one.partition}) is {one.standing.value}")
    return not wrong, "; ".join(wrong) or f"verdicts {', '.join(ids)} are green"


def _stood_on(case: Case) -> Iterator[str]:
    yield from case.venues
    pair_id = case.opportunity.basket.pair_id
    if pair_id is not None:
        pair = case.context.pairs.get(pair_id)
        yield pair.mapping if pair is not None else f"the mapping of pair {pair_id}"


def _status(case: Case) -> Said:
    context, wrong, soonest = case.context, [], None
    for one in case.opportunity.legs:
        found = context.markets.get(one.leg.market)
        if found is None:
            wrong.append(f"{one.leg.market} is not listed")
        elif found.status is not Status.OPEN:
            wrong.append(f"{one.leg.market} is {found.status.value}")
        elif found.ts_close_ns is None:
            wrong.append(f"when {one.leg.market} closes is not known")
        else:
            soonest = found.ts_close_ns if soonest is None else min(soonest, found.ts_close_ns)
    if wrong or soonest is None:
        return False, "; ".join(wrong) or "there are no legs"
    left = (soonest - context.now_ns) // NS_A_SECOND
    return left >= context.gates.close_s, f"the first leg closes in {left} s, {context.gates.close_s} s are needed"


def _quote_age(case: Case) -> Said:
    """A quote is as old as its event, where that is before we received it; a clock that is ahead makes none younger."""
    limits, now, skews = case.context.gates, case.context.now_ns, case.context.skews_ns
    for venue in case.venues:
        if venue not in skews:
            return False, f"how far the clock of {venue} is off is not known"
        if abs(skews[venue]) > limits.skew_s * NS_A_SECOND:
            return (
                False,
                f"the clock of {venue} is off by {skews[venue] / NS_A_SECOND:.3f} s, {limits.skew_s} s at most",
            )
    times = [one.ts_quote_ns + min(skews[one.leg.market.venue], 0) for one in case.opportunity.legs]
    if not times:
        return False, "there are no legs"
    oldest, newest = min(times), max(times)
    if newest - now > limits.skew_s * NS_A_SECOND:
        return False, f"a quote is dated {(newest - now) / NS_A_SECOND:.3f} s from now"
    age, apart = (now - oldest) / NS_A_SECOND, (newest - oldest) / NS_A_SECOND
    told = (
        f"the oldest quote is {age:.3f} s old, {limits.quote_age_s} s at most; "
        f"quotes are {apart:.3f} s apart, {limits.apart_s} s at most"
    )
    return age <= limits.quote_age_s and apart <= limits.apart_s, told


def _mapping(case: Case) -> Said:
    basket, worst = case.opportunity.basket, case.context.gates.severity
    if not basket.is_tradable:
        return False, "a person has to approve it first"
    if basket.pair_id is None:
        return True, "it stands on no mapping"
    pair = case.context.pairs.get(basket.pair_id)
    if pair is None:
        return False, f"pair {basket.pair_id} is in no mapping"
    if not pair.is_tradable:
        return (
            False,
            f"pair {basket.pair_id} of {pair.mapping} is not tradable; its worst flag is {pair.severity.value}",
        )
    mild = _SEVERITIES[pair.severity] <= _SEVERITIES[worst] and pair.severity is not Severity.BLOCK
    return mild, f"pair {basket.pair_id} of {pair.mapping} is flagged {pair.severity.value}, {worst.value} at worst"


def _source(case: Case) -> Said:
    basket = case.opportunity.basket
    if basket.source in case.context.gates.refused_sources:
        return False, f"its source is {basket.source.value}, which is not traded on"
    if basket.kind in NEEDS_EXHAUSTIVE and basket.label is not Label.EXHAUSTIVE:
        label = "missing" if basket.label is None else basket.label.value
        return False, f"{basket.kind.value} needs an exhaustive group, its label is {label}"
    return True, f"its source is {basket.source.value}"


def _confidence(case: Case) -> Said:
    found, least = case.opportunity.basket.confidence, case.context.gates.confidence
    return found >= least, f"confidence is {found:.4f}, {least} is needed"


def _book(case: Case) -> Said:
    limits, fewest = case.context.gates, case.context.stake.robustness.fewest
    if case.opportunity.is_micro:
        return False, "a leg is priced so low, or so thin, that nothing follows from it alone"
    seen = None
    for one in case.opportunity.legs:
        looks = case.context.looks.get(one.leg, UNSEEN)
        count = len(looks.prices)
        if count < fewest:
            return False, f"{count} recent looks at {one.leg.market} {one.leg.side.value}, {fewest} are needed"
        if float(one.price) < limits.least_price:
            return False, f"{one.leg.market} {one.leg.side.value} is priced {one.price}, {limits.least_price} at least"
        if float(one.depth) < limits.least_depth:
            return (
                False,
                f"{one.leg.market} {one.leg.side.value} has {one.depth} contracts, {limits.least_depth} at least",
            )
        seen = count if seen is None else min(seen, count)
    return seen is not None, f"{seen} looks or more at every leg" if seen is not None else "there are no legs"


def _edge(case: Case) -> Said:
    stake, least = case.stake, case.context.gates.edge
    told = (
        f"{stake.net:.6f} a unit is left of {stake.win:.6f} (fees of {stake.fees:.6f} are paid) after slippage "
        f"{stake.slipped:.6f} and lock-up {stake.carry.total:.6f}, {least} is needed"
    )
    return stake.net >= least, told


def _hurdle(case: Case) -> Said:
    stake, hurdle = case.stake, case.context.stake.lockup.hurdle
    return (
        stake.yearly >= hurdle,
        f"{stake.yearly:.4f} a year over {stake.carry.days:.2f} days, {hurdle} is needed",
    )


def _cooldown(case: Case) -> Said:
    found, state, seconds = case.opportunity, case.state, case.context.gates.cooldown_s
    family = found.basket.family
    last = resting(state.taken, family, now_ns=case.context.now_ns, cooldown_s=seconds)
    if last is not None:
        since = (case.context.now_ns - last.ts_ns) / NS_A_SECOND
        return False, f"family {family} was taken {since:.3f} s ago by {last.opportunity_id}, it rests {seconds} s"
    if found.opportunity_id in state.held or is_repeated(state.taken, family, found.opportunity_id):
        return False, f"opportunity {found.opportunity_id} was taken already"
    return True, f"family {family} is not resting"


def _held(case: Case) -> Said:
    count, most = len(case.state.held), case.context.gates.most_held
    return count < most, f"{count} are held with {at_risk(case.state)} at risk, {most} at most"


def _daily_loss(case: Case) -> Said:
    made, most = case.state.day_made, Decimal(str(case.context.gates.daily_loss)) * case.state.capital
    return made > -most or not made, f"{made} was made today, a loss of {most} ends the day"


def _drawdown(case: Case) -> Said:
    found, most = case.state.drawdown, case.context.gates.drawdown
    return found <= most, f"drawdown is {found:.4f}, {most} at most; beyond it a person has to acknowledge"


def _failures(case: Case) -> Said:
    state, limits = case.state, case.context.gates
    since = (case.context.now_ns - state.last_failure_ns) // NS_A_SECOND
    told = f"{state.failures} failures in a row, {limits.failures} pause it"
    if state.failures < limits.failures:
        return True, told
    return since >= limits.failure_pause_s, f"{told} for {limits.failure_pause_s} s, the last {since} s ago"


def _cap(case: Case, key: str) -> Said:
    left, fits = case.stake.rooms[key], case.stake.limits[key]
    return fits >= case.context.stake.lot, f"{key} has room for {left}, which is {fits} units"


def _size(case: Case) -> Said:
    stake, settings = case.stake, case.context.stake
    told = (
        f"{stake.size} units, bound by {stake.binding} at {stake.limits[stake.binding]}: chance {stake.chance:.6f}, "
        f"kelly {stake.kelly.full:.4f} lowered {stake.kelly.lowered:.4f} shrunk {stake.kelly.shrunk:.4f}, "
        f"by kelly {stake.limits['kelly']}, by impact {stake.limits['impact']}, by depth {stake.limits['depth']}, "
        f"by loss {stake.limits['trade']}"
    )
    return stake.size >= settings.least * settings.lot, told


_SEVERITIES = {severity: rank for rank, severity in enumerate(Severity)}

GATES: dict[str, Callable[[Case], Said]] = {
    "kill_switch": _kill_switch,
    "readiness": _readiness,
    "checks": _checks,
    "status": _status,
    "quote_age": _quote_age,
    "mapping": _mapping,
    "source": _source,
    "confidence": _confidence,
    "book": _book,
    "edge": _edge,
    "hurdle": _hurdle,
    "cooldown": _cooldown,
    "held": _held,
    "daily_loss": _daily_loss,
    "drawdown": _drawdown,
    "failures": _failures,
}
"""In the order in which a refusal is told first. Those of the caps (of a trade, each venue, the event, its cluster, the
lane and the account) and of the size come after them."""
