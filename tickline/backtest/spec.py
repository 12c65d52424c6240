"""A strategy as configuration declares it: what it trades, with which parameters, over which windows, and what it must
show before anybody may trade it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tickline.backtest.assumptions import Assumptions
from tickline.backtest.space import Space, space_of
from tickline.backtest.study import Method, Objective, require_suited
from tickline.errors import ConfigError
from tickline.reference.loading import load_folder, not_listed
from tickline.reference.models import Declared, FiniteFloat, Name, Named, Symbol, Venue
from tickline.signals.strategy import Parameters, Strategy, load_strategy

Sessions = Annotated[int, Field(ge=1, le=10_000)]
Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
Setting = bool | int | FiniteFloat


class Pieces(Declared):
    """How ticks within a window's test sessions are cut: into `count` equal spans of time, each tested after `train`
    before it were searched."""

    count: Annotated[int, Field(ge=2, le=1_000)]
    train: Annotated[int, Field(ge=1, le=999)] = 1


class WalkForward(Declared):
    """How sessions are cut into windows: each trains on `train` sessions (from the first on where `anchored`), leaves
    out `gap`, and is tested on the `test` after them; the next begins `test` later. `train` may be 0 where nothing is
    searched: the sessions before a test are then only there to warm up on, `warmup` of them. In tick mode a search goes
    by `pieces` within the test."""

    test: Sessions
    train: Annotated[int, Field(ge=0, le=10_000)] = 0
    gap: Annotated[int, Field(ge=0, le=1_000)] = 0
    anchored: bool = False
    warmup: Annotated[int, Field(ge=0, le=1_000)] = 0
    pieces: Pieces | None = None


class Search(Declared):
    """Which parameters are searched on each window's training sessions, within what, and how.

    The trial with the most of the first objective over the training is chosen, of those with at least `min_trades`.
    """

    space: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    method: Method = Method.GRID
    trials: Annotated[int, Field(ge=2, le=100_000)] = 1_000
    batch: Annotated[int, Field(ge=1, le=10_000)] = 64
    seed: int = 1
    objectives: tuple[Objective, ...] = (Objective.SHARPE,)
    min_trades: Annotated[int, Field(ge=0)] = 10

    @model_validator(mode="after")
    def _suited(self) -> "Search":
        try:
            require_suited(self.method, trials=self.trials, batch=self.batch, objectives=self.objectives)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self


class Gates(Declared):
    """What the stitched tests of all windows must show; `approval_sharpe` before a person may approve it."""

    sharpe: FiniteFloat = 1.0
    approval_sharpe: FiniteFloat = 1.5
    max_drawdown: Annotated[float, Field(ge=0, le=1)] = 0.05
    win_rate: Annotated[float, Field(ge=0, le=1)] = 0.4
    min_trades: Annotated[int, Field(ge=0)] = 30
    cost_share: Annotated[float, Field(ge=0)] = 0.5
    pbo: Annotated[float, Field(ge=0, le=1)] = 0.5


class StrategySpec(Named):
    """One strategy on one venue. `module` declares its STRATEGY; `timeframes` are its streams', the first is traded on.

    In tick mode it is woken every `wake_ms`, where it asks for that. `parameters` are those that differ from the
    strategy's defaults, `signals` names the set whose columns it reads, `capital` is in the currency the instruments
    are quoted in. A run of one window may take `minutes` and `memory_gb` at most.
    """

    description: str = ""
    owner: str = "team:research"
    module: str
    venue: Name
    instruments: Annotated[tuple[Symbol, ...], Field(min_length=1, max_length=16)]
    mode: Literal["bar", "tick"] = "bar"
    timeframes: Annotated[tuple[Timeframe, ...], Field(min_length=1, max_length=8)] = ("1m",)
    signals: Name | None = None
    capital: Annotated[Decimal, Field(gt=0, le=Decimal("1e10"), allow_inf_nan=False)] = Decimal(100_000)
    wake_ms: Annotated[float, Field(gt=0, le=3_600_000)] = 100.0
    parameters: dict[str, Setting] = Field(default={})
    assumptions: Assumptions = Assumptions()
    windows: WalkForward
    search: Search | None = None
    gates: Gates = Gates()
    minutes: Annotated[float, Field(gt=0, le=1_440)] = 30
    memory_gb: Annotated[float, Field(gt=0, le=1_024)] = 8

    @model_validator(mode="after")
    def _consistent(self) -> "StrategySpec":
        cut = self.windows
        if self.mode == "bar" and self.search is not None and cut.train == 0:
            raise ValueError("a search needs sessions to train on: set windows.train")
        if self.mode == "tick" and (cut.train or cut.warmup or (self.search is None) != (cut.pieces is None)):
            raise ValueError("ticks are searched within a window: set windows.pieces with search, not train or warmup")
        if self.mode == "tick" and self.signals is not None:
            raise ValueError("signals are known at the close of bars: set mode to bar, or leave signals out")
        if cut.pieces is not None and cut.pieces.train >= cut.pieces.count:
            raise ValueError("windows.pieces: none is left to test")
        if len(set(self.instruments)) < len(self.instruments):
            raise ValueError("an instrument is named twice")
        return self

    @property
    def strategy(self) -> Strategy:
        """The strategy its module declares. Raises ConfigError where there is none."""
        return load_strategy(self.module)

    def chosen(self, values: Mapping[str, Setting] | None = None) -> Parameters:
        """The strategy's parameters: the defaults, what the configuration says, and these values over both.

        Raises ConfigError where one is out of bounds.
        """
        return self.strategy.chosen({**self.parameters, **(values or {})})

    @property
    def space(self) -> Space:
        """What is searched over. Raises ConfigError where it leaves the strategy's own bounds."""
        return space_of(self.strategy.parameters, self.search.space if self.search is not None else {})


def load_strategies(folder: Path, venues: Mapping[str, Venue]) -> dict[str, StrategySpec]:
    """Every strategy in a folder.

    Raises ConfigError as `load_folder` does, also where one contradicts the venues, or asks of its strategy what that
    does not offer.
    """

    def objections(spec: StrategySpec) -> Iterator[str]:
        yield from not_listed(spec.instruments, spec.venue, venues)
        strategy = spec.strategy
        if len(spec.instruments) != strategy.instruments:
            yield f"instruments: {strategy.name} trades {strategy.instruments} (got {len(spec.instruments)})"
        if spec.mode == "bar" and len(spec.timeframes) != len(strategy.streams):
            wanted = ", ".join(strategy.streams)
            yield f"timeframes: {strategy.name} listens to {wanted}: give one for each (got {len(spec.timeframes)})"
        spec.chosen()
        if spec.search is not None:
            _ = spec.space

    return load_folder(folder, StrategySpec, objections)
