"""A strategy: its bounded parameters, what it listens to, and what it does on each event.

The same object is run by backtests, on paper and live. `on_event` is written in the part of Python numba compiles. It
reads the event and the desk, keeps what it must remember in a vector of Float64, and says what it wants through the
functions of `desk`: no clock, no randomness, no input but these.
"""

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from pydantic import TypeAdapter, ValidationError

from tickline.compiled import code_sha256, specialised
from tickline.errors import ConfigError
from tickline.signals.desk import Floats, Record, Records

Parameters: TypeAlias = Any
"""A NamedTuple of numbers, each annotated with its bounds: `fast: Annotated[int, Field(ge=2, le=500)] = 20`."""

OnEvent: TypeAlias = Callable[[Parameters, Floats, Record, Record], None]


@dataclass(frozen=True, slots=True)
class Strategy:
    """What a strategy declares.

    `streams` names the roles of the timeframes it listens to; orders are matched on the first. `instruments` is how
    many it trades, `signals` which columns of the signals it reads, in this order. `state_size` says how many Float64
    it remembers; they start as zeros, but for what `begin` writes. `wakes` is true of one that asks for CLOCK events.

    `exposure`, where there is one, says how much of its size it wants to hold, -1 to 1 (NaN where a bar tells it
    nothing), by bars and its own memory alone: what ensembles vote with. `check` says what is wrong with parameters
    that are each within bounds. `parts` are the strategies it is made of beside its module, each with parameters.
    """

    name: str
    describe: str
    parameters: type[Parameters]
    state_size: Callable[[Parameters], int]
    on_event: OnEvent
    streams: tuple[str, ...] = ("bars",)
    instruments: int = 1
    signals: tuple[str, ...] = ()
    wakes: bool = False
    exposure: Callable[[Parameters, Floats, Record, Floats], float] | None = None
    check: Callable[[Parameters], str | None] | None = None
    begin: Callable[[Parameters, Floats], None] | None = None
    parts: tuple[tuple["Strategy", Parameters], ...] = ()

    def chosen(self, values: Mapping[str, Any]) -> Parameters:
        """The parameters with these values and the others' defaults.

        Raises ConfigError, naming each, where a value is out of bounds, of another type or of no parameter, or where
        they do not go together.
        """
        try:
            parameters = TypeAdapter(self.parameters).validate_python(dict(values))
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(str(part) for part in one['loc']) or 'parameters'}: {one['msg']} (got {one['input']!r})"
                for one in error.errors(include_url=False)
            )
            raise ConfigError(f"parameters of strategy {self.name}: {wrong}") from error
        if self.check is not None and (odd := self.check(parameters)) is not None:
            raise ConfigError(f"parameters of strategy {self.name}: {odd}")
        return parameters

    @property
    def code(self) -> str:
        """The sha256 of the source of the strategy's module, of all it imports of its own package and Tickline, and of
        the strategies it is made of."""
        sources = [code_sha256(self.on_event.__module__), code_sha256(__name__)]
        parts = [f"{part.code} {parameters}" for part, parameters in self.parts]
        return hashlib.sha256(" ".join(sources + parts).encode()).hexdigest()


def load_strategy(module: str) -> Strategy:
    """The `STRATEGY` of a module by its dotted path, such as `tickline.signals.strategies.sma_trend`.

    Raises ConfigError where there is no such module, it cannot be imported, or it declares none.
    """
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a module may raise anything
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"no strategy {module!r}: {why}; give the dotted path of a module that loads") from error
    strategy = getattr(found, "STRATEGY", None)
    if not isinstance(strategy, Strategy):
        raise ConfigError(f"{module} declares no STRATEGY (a tickline.signals.strategy.Strategy)")
    return strategy


def fresh_memory(strategy: Strategy, parameters: Parameters) -> Floats:
    """The memory of a strategy that has seen nothing."""
    memory = np.zeros(strategy.state_size(parameters))
    if strategy.begin is not None:
        strategy.begin(parameters, memory)
    return memory


def decide(
    strategy: Strategy, parameters: Parameters, memory: Floats, *, event: Record, desk: Records
) -> tuple[Floats, Records]:
    """What a strategy remembers and wants after one event; neither its memory nor the desk (an array of one DESK) is
    changed.

    The intents are INTENT records in the order they were said.
    """
    after, own = memory.copy(), desk.copy()
    own["asked"] = 0
    compiled(strategy)(parameters, after, event, own[0])
    return after, own["intents"][0, : own["asked"][0]].copy()


@cache
def compiled(strategy: Strategy) -> Any:
    """A strategy's `on_event`, compiled once on each machine."""
    return specialised(strategy.on_event, strategy.code)


@cache
def engine_for(build: Callable[[Any], Callable[..., Any]], strategy: Strategy) -> Any:
    """The engine that `build` makes around a strategy: compiled once on each machine, whatever process asks."""
    content = hashlib.sha256(f"{code_sha256(build.__module__)} {strategy.code}".encode()).hexdigest()
    return specialised(build(compiled(strategy)), content)
