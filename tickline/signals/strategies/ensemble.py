"""Ensembles: many strategies with parameters drawn around given ones, traded where enough of them agree.

A bag of parameters says less about the luck of one set. The draws are made before the first event and kept in the
memory, each beside what its member remembers; decisions draw nothing. Source of the idea: Leo Breiman, Bagging
Predictors, Machine Learning 24 (1996), with parameters resampled in place of data.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from pydantic import Field

from tickline.compiled import inlined
from tickline.errors import ConfigError
from tickline.signals.desk import EventKind, Floats, Record
from tickline.signals.regimes import Regime
from tickline.signals.strategies import donchian_breakout, mean_reversion, sma_trend
from tickline.signals.strategies.following import WANTED, follow
from tickline.signals.strategy import Parameters as Drawn
from tickline.signals.strategy import Strategy

Kind: TypeAlias = tuple[Strategy, Drawn]
"""A strategy, and the parameters that those of its members are drawn around."""


class Parameters(NamedTuple):
    """`members` of each kind, their numbers within `spread` (a share) of the given ones, drawn by `seed`; it trades
    where the mean vote reaches `threshold`, in the `regime` of that label alone, in any with -1; `share` of equity to
    hold."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    members: Annotated[int, Field(ge=1, le=25)] = 5
    spread: Annotated[float, Field(ge=0, lt=1)] = 0.3
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.3
    regime: Annotated[int, Field(ge=-1, le=15)] = int(Regime.PREDICTABLE)
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    short: bool = True


FIRST = WANTED + 1
"""Where in the memory the members begin, one after the other."""

SIZE, VOTE, DRAWN = 0, 1, 2
"""Where a member keeps how much memory it takes, its last vote and its parameters; what it remembers comes after."""

_TRIES = 1_000


def ensemble(*, name: str, describe: str, kinds: tuple[Kind, ...]) -> Strategy:
    """A strategy of the mean exposure of many, its parameters those above.

    It reads the signal `regime` and those of its kinds, in their order, and listens to the streams of the one that has
    most. A member that does not know its exposure yet votes 0, and its last one where a bar tells it nothing.

    Raises ConfigError where a kind has no exposure to vote with, trades several instruments, or listens to other
    streams than the rest.
    """
    streams = _streams(name, kinds)
    kinds = tuple((strategy, strategy.chosen(centre._asdict())) for strategy, centre in kinds)
    votes = _votes_of(kinds, _places_of_signals(kinds))
    count = len(kinds)

    def state_size(p: Parameters) -> int:
        return FIRST + sum(_size(*member) for member in _members(kinds, p))

    def begin(p: Parameters, memory: Floats) -> None:
        at = FIRST
        for strategy, drawn in _members(kinds, p):
            size, own = _size(strategy, drawn), at + DRAWN + len(drawn)
            memory[at + SIZE] = size
            memory[at + DRAWN : own] = drawn
            if strategy.begin is not None:
                strategy.begin(drawn, memory[own : at + size])
            at += size

    @inlined
    def exposure(p: Parameters, memory: Floats, event: Record, signals: Floats) -> float:
        mean = votes(memory, FIRST, p.members, event, signals) / (p.members * count)
        if event.stream != 0:
            return np.nan
        is_aside = p.regime >= 0 and signals[0] != p.regime  # an unknown one, NaN, differs too
        if is_aside or abs(mean) < p.threshold:
            return 0.0
        return 1.0 if mean > 0.0 else -1.0 if p.short else 0.0

    def on_event(p: Parameters, memory: Floats, event: Record, desk: Record) -> None:
        if event.kind == EventKind.BAR:
            follow(desk, memory, event, exposure(p, memory, event, desk.signals), p.share)

    return Strategy(
        name=name,
        describe=describe,
        parameters=Parameters,
        state_size=state_size,
        on_event=on_event,
        streams=streams,
        signals=("regime", *(signal for strategy, _ in kinds for signal in strategy.signals)),
        exposure=exposure,
        begin=begin,
        parts=kinds,
    )


def _streams(name: str, kinds: tuple[Kind, ...]) -> tuple[str, ...]:
    """The streams all kinds listen to, or the first of."""
    streams = max((strategy.streams for strategy, _ in kinds), key=len, default=())
    if not kinds:
        raise ConfigError(f"ensemble {name} has no members; give it one kind or more")
    for strategy, _ in kinds:
        if strategy.exposure is None:
            raise ConfigError(f"ensemble {name}: {strategy.name} has no exposure to vote with; leave it out")
        if strategy.instruments != 1:
            raise ConfigError(
                f"ensemble {name}: {strategy.name} trades {strategy.instruments} instruments; leave it out"
            )
        if strategy.streams != streams[: len(strategy.streams)]:
            raise ConfigError(
                f"ensemble {name}: {strategy.name} listens to {strategy.streams}, another to {streams}; name them alike"
            )
    return streams


def _places_of_signals(kinds: tuple[Kind, ...]) -> list[int]:
    """Where each kind's signals begin among the ensemble's, after the regime."""
    return list(accumulate((len(strategy.signals) for strategy, _ in kinds), initial=1))[:-1]


def _members(kinds: tuple[Kind, ...], p: Parameters) -> Iterator[tuple[Strategy, Drawn]]:
    """Every member with its parameters; the n-th of a kind is the same one however many there are."""
    for nth, (strategy, centre) in enumerate(kinds):
        for member in range(p.members):
            yield strategy, _draw(strategy, centre, p.spread, np.random.default_rng((p.seed, nth, member)))


def _draw(strategy: Strategy, centre: Drawn, spread: float, draws: np.random.Generator) -> Drawn:
    """Parameters that the strategy accepts, each number within a share of the given one."""
    wrong = ""
    for _ in range(_TRIES):
        values = {name: _near(value, spread, draws) for name, value in centre._asdict().items()}
        try:
            return strategy.chosen(values)
        except ConfigError as error:
            wrong = str(error)
    raise ConfigError(f"no parameters within {spread:g} of {centre} in {_TRIES} draws; narrow the spread ({wrong})")


def _near(value: float, spread: float, draws: np.random.Generator) -> float:
    drawn = value * draws.uniform(1.0 - spread, 1.0 + spread)
    return value if isinstance(value, bool) else round(drawn) if isinstance(value, int) else drawn


def _size(strategy: Strategy, drawn: Drawn) -> int:
    return DRAWN + len(drawn) + strategy.state_size(drawn)


def _votes_of(kinds: tuple[Kind, ...], signals_at: list[int]) -> Any:
    """A compiled function: the sum of the votes of the members of these kinds, which begin at a place of the memory."""
    of_first: Any = _votes_of_kind(*kinds[0], signals_at[0])
    of_rest: Any = _votes_of(kinds[1:], signals_at[1:]) if len(kinds) > 1 else None

    @njit(nogil=True)
    def votes(memory: Floats, at: int, members: int, event: Record, signals: Floats) -> float:
        total, at = of_first(memory, at, members, event, signals)
        if of_rest is not None:
            total += of_rest(memory, at, members, event, signals)
        return float(total)

    return votes


def _votes_of_kind(strategy: Strategy, centre: Drawn, signals_at: int) -> Any:
    """A compiled function: (sum of the votes of a kind's members, where in the memory the next kind begins)."""
    exposure: Any = strategy.exposure
    parameters, streams = strategy.parameters, len(strategy.streams)
    read, own = _reader(tuple(type(value) for value in centre)), DRAWN + len(centre)

    @njit(nogil=True)
    def votes(memory: Floats, at: int, members: int, event: Record, signals: Floats) -> tuple[float, int]:
        total = 0.0
        for _ in range(members):
            member = memory[at : at + int(memory[at + SIZE])]
            if event.stream < streams:
                vote = exposure(parameters(*read(member[DRAWN:own])), member[own:], event, signals[signals_at:])
                if not np.isnan(vote):
                    member[VOTE] = vote
            total += member[VOTE]
            at += member.size
        return total, at

    return votes


def _reader(types: tuple[type, ...], at: int = 0) -> Any:
    """A compiled function: a tuple of numbers of these types from a row of floats."""
    if not types:
        return njit(lambda row: ())
    number, rest = types[0], _reader(types[1:], at + 1)
    return njit(lambda row: (number(row[at]), *rest(row)))


STRATEGY = ensemble(
    name="ensemble",
    describe="A bag of trends, breakouts and reversions, traded where they agree and the market is predictable",
    kinds=tuple((module.STRATEGY, module.Parameters()) for module in (sma_trend, donchian_breakout, mean_reversion)),
)
