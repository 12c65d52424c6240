"""What a desk knows of itself between decisions: what is at risk, what rests, and what closed trades made of it.

Frozen: taking and closing give a new state. It is stored as JSON, so that one day goes on where the last one ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache

from pydantic import TypeAdapter, ValidationError

from tickline.errors import LaneError
from tickline.lanes.cooldown import NS_A_SECOND, Taken, with_taken
from tickline.lanes.model import Decision
from tickline.sizing.bankroll import Record, bankrolls, recorded, shares
from tickline.sizing.caps import ACCOUNT, Scope
from tickline.sizing.drawdown import UNRESTRAINED, Restraint, after_settling, restrained
from tickline.sizing.stake import StakeSettings

NOTHING = Decimal(0)
NS_A_DAY = 86_400 * NS_A_SECOND


@dataclass(frozen=True, slots=True)
class Held:
    """A taken opportunity that has not ended: what it has at risk, by key of `tickline.sizing.caps`, and in all."""

    lane: str
    family: str
    ts_ns: int
    stake: Decimal
    expected: Decimal
    exposure: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Closing:
    """How a taken opportunity ended. It failed where it was not filled as meant: unfilled, abandoned or hedged.

    A failure that made nothing was never in the market: it says nothing of what the lane earns or of what to expect.
    """

    opportunity_id: str
    ts_ns: int
    realised: Decimal
    is_failure: bool = False


@dataclass(frozen=True, slots=True)
class DeskState:
    """A desk between two decisions.

    `taken` is by family, `held` by opportunity id, `exposure` by key of `tickline.sizing.caps`, `records` and
    `bankrolls` by lane. `made` is what closed trades realised in all, `peak` the most it ever was. `day` counts UTC
    days from 1970; `day_made` is what was realised on it. `failures` counts those in a row.
    """

    capital: Decimal
    bankrolls: Mapping[str, Decimal]
    taken: Mapping[str, Taken] = field(default_factory=dict)
    held: Mapping[str, Held] = field(default_factory=dict)
    exposure: Mapping[str, Decimal] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    made: Decimal = NOTHING
    peak: Decimal = NOTHING
    day: int = 0
    day_made: Decimal = NOTHING
    failures: int = 0
    last_failure_ns: int = 0
    restraint: Restraint = UNRESTRAINED

    @property
    def drawdown(self) -> float:
        """What is lost since equity was highest, as a share of that."""
        highest = self.capital + self.peak
        return float((self.peak - self.made) / highest) if highest > 0 else 1.0


def opened_desk(capital: Decimal, lanes: Iterable[str], settings: StakeSettings) -> DeskState:
    """A desk that has done nothing yet. Raises ConfigError where its bankrolls cannot be split between the lanes."""
    names = sorted(lanes)
    return DeskState(capital, bankrolls(capital, shares({}, names, settings.bankrolls)))


def reopened(state: DeskState, fresh: DeskState, settings: StakeSettings) -> DeskState:
    """A stored state under the capital and lanes that are declared now, which are those of a `fresh` desk.

    All it has done and holds stays. Raises ConfigError where its bankrolls cannot be split between the lanes.
    """
    split = shares(state.records, list(fresh.bankrolls), settings.bankrolls)
    return replace(state, capital=fresh.capital, bankrolls=bankrolls(fresh.capital, split))


def on_day(state: DeskState, now_ns: int, settings: StakeSettings) -> DeskState:
    """The state on the UTC day of a moment: its own loss begins again, and what is earned is restored."""
    day = now_ns // NS_A_DAY
    if day <= state.day:
        return state
    restraint = restrained(state.restraint, state.drawdown, day=day, cut=settings.drawdown)
    return replace(state, day=day, day_made=NOTHING, restraint=restraint)


def take(state: DeskState, decision: Decision, *, exposure: Mapping[str, Decimal], cooldown_s: int) -> DeskState:
    """The state after an opportunity was taken. `exposure` is what it puts at risk under each key.

    Raises LaneError where the same opportunity is held already.
    """
    found = decision.opportunity
    if found.opportunity_id in state.held:
        raise LaneError(f"opportunity {found.opportunity_id} is held already; it cannot be taken twice")
    basket = found.basket
    held = Held(basket.lane.value, basket.family, decision.ts_ns, decision.stake, decision.expected, exposure)
    taken = with_taken(
        state.taken,
        basket.family,
        found.opportunity_id,
        now_ns=decision.ts_ns,
        bucket_ns=found.bucket_ns,
        cooldown_s=cooldown_s,
    )
    total = dict(state.exposure)
    for key, amount in exposure.items():
        total[key] = total.get(key, NOTHING) + amount
    return replace(state, taken=taken, held={**state.held, found.opportunity_id: held}, exposure=total)


def close(state: DeskState, closing: Closing, settings: StakeSettings) -> DeskState:
    """The state after a held opportunity ended: what it had at risk is free, and what it made counts.

    Raises LaneError where it is not held.
    """
    held = state.held.get(closing.opportunity_id)
    if held is None:
        raise LaneError(f"opportunity {closing.opportunity_id} is closed but not held; close what was taken, once")
    others = dict(state.held)
    del others[closing.opportunity_id]
    state = on_day(state, closing.ts_ns, settings)
    made = state.made + closing.realised
    records, restraint = state.records, state.restraint
    if closing.realised or not closing.is_failure:
        record = recorded(records.get(held.lane, Record()), float(closing.realised / held.stake))
        records = {**records, held.lane: record}
        restraint = after_settling(restraint, closing.realised, held.expected, cut=settings.drawdown)
    state = replace(
        state,
        held=others,
        exposure=_freed(state.exposure, held.exposure),
        records=records,
        bankrolls=bankrolls(state.capital, shares(records, list(state.bankrolls), settings.bankrolls)),
        made=made,
        peak=max(state.peak, made),
        day_made=state.day_made + closing.realised,
        failures=state.failures + 1 if closing.is_failure else 0,
        last_failure_ns=closing.ts_ns if closing.is_failure else state.last_failure_ns,
    )
    return replace(state, restraint=restrained(restraint, state.drawdown, day=state.day, cut=settings.drawdown))


def acknowledged(state: DeskState) -> DeskState:
    """The state after a person accepted its losses: drawdown and failures count from here, what is held stays."""
    return replace(state, peak=state.made, failures=0)


def exposure_of(costs: Mapping[str, Decimal], size: Decimal, *, keys: Iterable[str]) -> dict[str, Decimal]:
    """What `size` units put at risk: under each venue what its contracts cost, under every other key all of it."""
    total = size * sum(costs.values(), NOTHING)
    return {Scope.VENUE.of(venue): size * cost for venue, cost in costs.items()} | dict.fromkeys(keys, total)


def at_risk(state: DeskState) -> Decimal:
    """What all that is held may lose."""
    return state.exposure.get(ACCOUNT, NOTHING)


def to_json(state: DeskState) -> str:
    """The state as JSON: money as text, exact; families in the order they were taken."""
    return _adapter().dump_json(state).decode()


def from_json(text: str | bytes) -> DeskState:
    """The state that was stored. Raises LaneError where it is not one: a desk that forgot its risk must not trade."""
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        raise LaneError(f"the stored state of the desk is not readable: {error.errors()[0]['msg']}") from error


def _freed(exposure: Mapping[str, Decimal], by: Mapping[str, Decimal]) -> dict[str, Decimal]:
    left = dict(exposure)
    for key, amount in by.items():
        left[key] -= amount
        if not left[key]:
            del left[key]
    return left


@cache
def _adapter() -> TypeAdapter[DeskState]:
    return TypeAdapter(DeskState)
