"""What a search is over and by what method, and what a trial of it came to."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tickline.backtest.space import Parameters, Space, canonical
from tickline.errors import ConfigError

SMALLEST_POPULATION = 4


class Objective(StrEnum):
    """What a trial may be judged by, each such that more is better."""

    SHARPE = "sharpe"  # mean of the returns over equal stretches of its time, by their spread
    TOTAL_RETURN = "total_return"
    MAX_DRAWDOWN = "max_drawdown"  # 0 where equity never fell, else negative


class Method(StrEnum):
    """How sets of parameters are proposed."""

    GRID = "grid"  # all of them
    RANDOM = "random"
    TPE = "tpe"  # tree-structured Parzen estimator (Bergstra et al. 2011), by optuna
    CMA_ES = "cma_es"  # covariance matrix adaptation (Hansen 2016), by the library optuna uses
    NSGA2 = "nsga2"  # several objectives at once (Deb et al. 2002), by optuna
    PSO = "pso"
    CLONAL = "clonal"


MANY_OBJECTIVES = {Method.GRID, Method.RANDOM, Method.NSGA2}
POPULATIONS = {Method.CMA_ES, Method.NSGA2, Method.PSO, Method.CLONAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is searched and how.

    `trials` sets are proposed, `batch` at a time; a grid is proposed whole, and refused where it has more. Of methods
    with a population `batch` is its size. A set that made fewer than `min_trades` trades is never chosen. `start` is
    the population clonal selection begins with, `inputs` the hashes of whatever scores depend on besides the set,
    `objectives` the names of the values a score has. Raises ConfigError where these do not go together.
    """

    space: Space
    method: Method
    trials: int
    seed: int
    batch: int = 16
    objectives: tuple[str, ...] = (Objective.SHARPE,)
    min_trades: int = 30
    start: tuple[Parameters, ...] = ()
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.trials, self.batch) < 1 or self.min_trades < 0:
            raise ConfigError("a search needs one trial and one in a batch or more, and min_trades of 0 up")
        require_suited(self.method, trials=self.trials, batch=self.batch, objectives=self.objectives)
        if self.start and (self.method != Method.CLONAL or len(self.start) > self.batch):
            raise ConfigError(f"{len(self.start)} sets to start from: only clonal takes them, and at most a batch")

    @property
    def total(self) -> int:
        """How many sets will be proposed. Raises ConfigError where the method is grid and the space has none."""
        return self.space.size() if self.method == Method.GRID else self.trials

    @property
    def described(self) -> dict[str, Any]:
        """The study in plain values, but for how long it goes on: a log stays good for more trials."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name not in ("space", "trials")}
        return fields | {"space": self.space.described()}

    @property
    def sha256(self) -> str:
        """The hash of the description."""
        return hashlib.sha256(canonical(self.described)).hexdigest()


def require_suited(method: Method, *, trials: int, batch: int, objectives: Sequence[str]) -> None:
    """Raise ConfigError where a method cannot search for so many objectives, or by batches of this size."""
    if len(set(objectives)) != len(objectives) or not objectives:
        raise ConfigError(f"objectives {', '.join(objectives) or 'none'}: name one or more, each once")
    if len(objectives) > 1 and method not in MANY_OBJECTIVES:
        raise ConfigError(f"{method} takes one objective, not {len(objectives)}; search with {Method.NSGA2}")
    if method in POPULATIONS and (batch < SMALLEST_POPULATION or trials % batch):
        raise ConfigError(
            f"{method} goes by generations: make batch (now {batch}) {SMALLEST_POPULATION} or more and trials (now "
            f"{trials}) a multiple of it"
        )


@dataclass(frozen=True, slots=True)
class Score:
    """What came of a set: the objectives, of which more is better, over how many trades; or why nothing did.

    `returns` are those over equal stretches of its time, and `reach` is how many of them a position was held into
    after that of its entry, at most.
    """

    values: tuple[float, ...] = ()
    trades: int = 0
    failure: str | None = None
    returns: tuple[float, ...] = ()
    reach: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """A set of parameters that was tried. `number` counts proposals from 0; `refused` says why it may not be chosen."""

    number: int
    id: str
    parameters: Parameters
    score: Score
    refused: str | None
