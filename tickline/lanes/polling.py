"""Which markets are looked at in a cycle, within a budget: fair between venues, tiers and lanes.

Venues share the cycle's polls by max-min: none gets more while another wants more and has less. Of a venue's polls a
share is kept to look at every market of a tier once in so many cycles; tiers share it by max-min too, so that many hot
markets cannot starve the cold ones. At the rest lanes take turns, one market each (deficit round robin with a quantum
of one), and the turn is kept from cycle to cycle: two lanes that both want more never differ by more than one poll.
A market that several lanes want is looked at once and counts for the lane whose turn it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from tickline.lanes.model import Lane
from tickline.lanes.scheduler_spec import Polling
from tickline.lanes.structure import KEY, Indices, Structure
from tickline.lanes.tiers import Tier

Bools = npt.NDArray[np.bool_]

NEVER = -(2**40)
"""The cycle a market was last looked at that never was."""
FOR_ITS_TIER = -1
"""The lane of a poll that the tier of the market was due."""


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """Markets that may be looked at, an entry each: venue (row of `venues`) and tier (row of `Tier`).

    `wanted` (markets x lanes, in the order of `Lane`) says which lanes look at it, `repair` which of them need it
    next. A market that no lane wants is not looked at.
    """

    venues: tuple[str, ...]
    venue: Indices
    tier: Indices
    wanted: Bools
    repair: Bools


@dataclass(frozen=True, slots=True, eq=False)
class PollState:
    """Cycles so far, the cycle in which each market was last looked at, and by venue the lane whose turn it is."""

    cycle: int
    polled: Indices
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Polls:
    """Markets to look at in a cycle, in that order, and the lane each is for (row of `Lane`, or FOR_ITS_TIER).

    `short` is by venue how many more would have to be kept for tiers to look at each market as often as declared.
    """

    markets: Indices
    lane: Indices
    short: tuple[int, ...]


def watched_of(structure: Structure, tiers: pl.Series, repair: Bools) -> Watched:
    """The markets of a structure in its order, each wanted by the lanes whose baskets it is in.

    `tiers` are names of `Tier`, a value a market; `repair` is as `coverage.repairs` gives it.
    """
    venues = structure.markets["venue"].unique().sort()
    wanted = np.zeros((structure.markets.height, len(Lane)), dtype=np.bool_)
    wanted[structure.market, structure.lane[structure.basket]] = True
    rows = {tier.value: nth for nth, tier in enumerate(Tier)}
    return Watched(
        venues=tuple(venues),
        venue=venues.search_sorted(structure.markets["venue"]).cast(pl.Int64).to_numpy(),
        tier=tiers.replace_strict(rows, return_dtype=pl.Int64).to_numpy(),
        wanted=wanted,
        repair=repair,
    )


def polling_of(markets: int, venues: int) -> PollState:
    """The state before the first cycle."""
    return PollState(0, np.full(markets, NEVER), (0,) * venues)


def allocate(state: PollState, watched: Watched, polling: Polling) -> tuple[PollState, Polls]:
    """What to look at in the next cycle.

    Never more than `polling` allows, over all venues and of each. Where `short` is 0 for a venue, cycle after cycle,
    and its markets stay in their tiers, each of them is looked at as often as its tier says.
    """
    cycle = state.cycle + 1
    every = np.array([polling.hot_cycles, polling.warm_cycles, polling.cold_cycles])[watched.tier]
    most_due = np.argsort(-(cycle - state.polled) / every, kind="stable")
    most_due = most_due[watched.wanted[most_due].any(axis=1)]
    of_venue = [most_due[watched.venue[most_due] == venue] for venue in range(len(watched.venues))]
    limits = [polling.of_venue.get(name, polling.polls) for name in watched.venues]
    wanted = [min(rows.size, limit) for rows, limit in zip(of_venue, limits, strict=True)]
    budgets = max_min(polling.polls, wanted, first=cycle % max(1, len(wanted)))
    granted = [
        _of_venue(rows, watched, budget, polling=polling, turn=turn)
        for rows, budget, turn in zip(of_venue, budgets, state.turns, strict=True)
    ]
    polls = Polls(
        np.concatenate([one.markets for one in granted] or [_NONE]),
        np.concatenate([one.lane for one in granted] or [_NONE]),
        tuple(one.short for one in granted),
    )
    polled = state.polled.copy()
    polled[polls.markets] = cycle
    return PollState(cycle, polled, tuple(one.turn for one in granted)), polls


def max_min(capacity: int, wanted: Sequence[int], *, first: int) -> list[int]:
    """Whole shares of a capacity: no one gets more than it wants, or more than another that still wants.

    Shares of those that still want differ by one at most; the odd ones go to those from `first` on.
    """
    shares = [0] * len(wanted)
    while hungry := [nth for nth in _from(first, len(wanted)) if shares[nth] < wanted[nth]]:
        each = capacity // len(hungry)
        given = (
            {nth: min(each, wanted[nth] - shares[nth]) for nth in hungry}
            if each
            else dict.fromkeys(hungry[:capacity], 1)
        )
        if not given:
            break
        for nth, more in given.items():
            shares[nth] += more
            capacity -= more
    return shares


def carried_over(state: PollState, before: pl.DataFrame, after: pl.DataFrame) -> PollState:
    """The state for other markets: `before` and `after` have venue and market_id, a row a market. Venues must stay."""
    known = before.select(*KEY).with_columns(pl.Series("polled", state.polled))
    joined = after.select(*KEY).join(known, on=KEY, how="left", maintain_order="left")
    return replace(state, polled=joined["polled"].fill_null(NEVER).to_numpy())


_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Granted:
    markets: Indices
    lane: Indices
    short: int
    turn: int


def _of_venue(rows: Indices, watched: Watched, budget: int, *, polling: Polling, turn: int) -> _Granted:
    """What to look at of one venue; `rows` are its markets, the most due first."""
    every = (polling.hot_cycles, polling.warm_cycles, polling.cold_cycles)
    of_tier = [rows[watched.tier[rows] == tier] for tier in range(len(Tier))]
    due = [-(-one.size // cycles) for one, cycles in zip(of_tier, every, strict=True)]
    kept = max_min(int(budget * polling.floor), due, first=len(Tier) - 1)
    for_tiers = np.concatenate([one[:count] for one, count in zip(of_tier, kept, strict=True)])
    left = rows[~np.isin(rows, for_tiers)]
    for_lanes, lanes, turn = _in_turns(left, watched, budget - for_tiers.size, turn=turn)
    return _Granted(
        np.concatenate([for_tiers, for_lanes]),
        np.concatenate([np.full(for_tiers.size, FOR_ITS_TIER), lanes]),
        0 if budget == rows.size else sum(due) - sum(kept),
        turn,
    )


def _in_turns(rows: Indices, watched: Watched, budget: int, *, turn: int) -> tuple[Indices, Indices, int]:
    """Markets lanes pick one after the other, what they repair first; and whose turn it is after that."""
    queues = []
    for lane in range(len(Lane)):
        own = rows[watched.wanted[rows, lane]]
        needed = watched.repair[own, lane]
        queues.append(iter(np.concatenate([own[needed], own[~needed]])[:budget].tolist()))
    picked: dict[int, int] = {}
    idle = 0
    while len(picked) < budget and idle < len(queues):
        market = next((one for one in queues[turn] if one not in picked), None)
        idle = idle + 1 if market is None else 0
        if market is not None:
            picked[market] = turn
        turn = (turn + 1) % len(queues)
    return np.array(list(picked), dtype=np.int64), np.array(list(picked.values()), dtype=np.int64), turn


def _from(first: int, count: int) -> list[int]:
    return [(first + nth) % count for nth in range(count)]
