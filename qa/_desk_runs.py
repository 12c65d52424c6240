"""A desk run over a stream of opportunities: what it decided, what was opened, and what it thinks of itself at the end.

A fault changes one thing about the run, as an error in the desk or in the rows it leaves would.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl

from qa._opportunities import Surroundings, World
from tickline.lake.lane_schemas import LANE_POSITIONS
from tickline.lanes.decisions import decide, frames
from tickline.lanes.desk import Closing, DeskState, close, from_json, opened_desk, to_json
from tickline.lanes.model import Decision, Lane, Opportunity

CAPITAL = Decimal(1_000_000)
HANDED_ON = 500
"""After so many opportunities the state is stored, and the desk goes on with what is read back."""

MEAN_HOLD_S = 6_000.0


class Fault(StrEnum):
    """An error in the desk that the checks have to see."""

    FAMILY_PER_ALIAS = "family_per_alias"
    FAMILY_PER_LANE = "family_per_lane"
    COOLDOWN_PER_OPPORTUNITY = "cooldown_per_opportunity"
    COOLDOWN_TOO_LONG = "cooldown_too_long"
    FORGOTTEN_OVERNIGHT = "forgotten_overnight"
    EXPOSURE_NOT_FREED = "exposure_not_freed"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run leaves.

    `seen` has each opportunity's id, ts (ns) and what it really bets on, `legs` what each contract of a unit cost,
    `opened` is LANE_POSITIONS. `cooldown_s` is the declared one.
    """

    seen: pl.DataFrame
    decisions: pl.DataFrame
    opened: pl.DataFrame
    legs: pl.DataFrame
    state: DeskState
    cooldown_s: int


def ran(
    world: World, found: Iterable[Opportunity], around: Surroundings, *, seed: int, fault: Fault | None = None
) -> Ran:
    """Decide on every opportunity in turn, opening what is taken and closing it some hours later."""
    random = np.random.default_rng(seed)
    told = _misled(around, fault)
    state = opened_desk(CAPITAL, [lane.value for lane in Lane], around.stake)
    decisions: list[Decision] = []
    closings: list[tuple[int, str, Decimal, bool]] = []
    ended: dict[str, Closing] = {}
    for nth, one in enumerate(found):
        while closings and closings[0][0] <= one.ts_ns:
            closing = Closing(*_pick(heapq.heappop(closings)))
            ended[closing.opportunity_id] = closing
            state = _closed(state, closing, around, fault)
        state, decision = decide(state, _as_told(one, fault), told.at(one))
        decisions.append(replace(decision, opportunity=_as_kept(one, fault)))
        if decision.is_taken:
            held_ns = int(random.exponential(MEAN_HOLD_S) * 1e9) + 1
            realised = (decision.expected * Decimal(str(round(random.normal(1, 0.3), 6)))).quantize(Decimal("1e-12"))
            heapq.heappush(closings, (one.ts_ns + held_ns, one.opportunity_id, realised, bool(random.random() < 0.03)))
        if nth % HANDED_ON == HANDED_ON - 1:
            state = _handed_on(state, fault)
    taken = [one for one in decisions if one.size]
    return Ran(
        seen=_seen(world, decisions),
        decisions=frames(decisions),
        opened=_opened(taken, ended),
        legs=_legs(taken),
        state=state,
        cooldown_s=around.gates.cooldown_s,
    )


def _pick(due: tuple[int, str, Decimal, bool]) -> tuple[str, int, Decimal, bool]:
    ts_ns, opportunity_id, realised, is_failure = due
    return opportunity_id, ts_ns, realised, is_failure


def _misled(around: Surroundings, fault: Fault | None) -> Surroundings:
    if fault is Fault.COOLDOWN_TOO_LONG:
        longer = around.gates.model_copy(update={"cooldown_s": around.gates.cooldown_s * 2})
        return replace(around, gates=longer)
    return around


def _as_told(one: Opportunity, fault: Fault | None) -> Opportunity:
    if fault is Fault.COOLDOWN_PER_OPPORTUNITY:
        return replace(one, basket=replace(one.basket, family=one.opportunity_id))
    return _as_kept(one, fault)


def _as_kept(one: Opportunity, fault: Fault | None) -> Opportunity:
    basket = one.basket
    if fault is Fault.FAMILY_PER_ALIAS:
        return replace(one, basket=replace(basket, family=basket.basket_id))
    if fault is Fault.FAMILY_PER_LANE:
        return replace(one, basket=replace(basket, family=f"{basket.lane.value} {basket.family}"))
    return one


def _closed(state: DeskState, closing: Closing, around: Surroundings, fault: Fault | None) -> DeskState:
    after = close(state, closing, around.stake)
    return replace(after, exposure=state.exposure) if fault is Fault.EXPOSURE_NOT_FREED else after


def _handed_on(state: DeskState, fault: Fault | None) -> DeskState:
    after = from_json(to_json(state))
    return replace(after, taken={}) if fault is Fault.FORGOTTEN_OVERNIGHT else after


def _seen(world: World, decisions: list[Decision]) -> pl.DataFrame:
    found = [one.opportunity for one in decisions]
    return pl.DataFrame(
        {
            "opportunity_id": [one.opportunity_id for one in found],
            "ts": [one.ts_ns for one in found],
            "bet": [world.bets[one.basket.basket_id] for one in found],
        },
        schema_overrides={"ts": LANE_POSITIONS.columns["ts_open"]},
    )


def _opened(taken: list[Decision], ended: dict[str, Closing]) -> pl.DataFrame:
    rows = [_position(one, ended.get(one.opportunity.opportunity_id)) for one in taken]
    return pl.DataFrame(rows, schema=LANE_POSITIONS.columns).sort(LANE_POSITIONS.sort)


def _position(one: Decision, closing: Closing | None) -> dict[str, Any]:
    found, basket = one.opportunity, one.opportunity.basket
    return {
        "opportunity_id": found.opportunity_id,
        "lane": basket.lane.value,
        "kind": basket.kind.value,
        "family": basket.family,
        "event": basket.event,
        "ts_open": one.ts_ns,
        "ts_close": None if closing is None else closing.ts_ns,
        "status": "open" if closing is None else "abandoned" if closing.is_failure else "settled",
        "is_micro": found.is_micro,
        "size": one.size,
        "filled": one.size,
        "stake": one.stake,
        "detected": found.edge * one.size,
        "expected": one.expected,
        "realised": None if closing is None else closing.realised,
        "fees": found.fees * one.size,
        "slippage": Decimal(0),
    }


def _legs(taken: list[Decision]) -> pl.DataFrame:
    """What a contract of each leg of what was taken cost, its fee included."""
    legs = [(one.opportunity.opportunity_id, leg) for one in taken for leg in one.opportunity.legs]
    return pl.DataFrame(
        {
            "opportunity_id": [of for of, _ in legs],
            "venue": [leg.leg.market.venue for _, leg in legs],
            "cost": [leg.price + leg.fee for _, leg in legs],
        },
        schema={"opportunity_id": pl.String(), "venue": pl.String(), "cost": LANE_POSITIONS.columns["stake"]},
    )
