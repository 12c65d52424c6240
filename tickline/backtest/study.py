"""What a search is over and by what method, and what a trial of it came to."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tickline.backtest.space import Parameters, Space, canonical
from tickline.errors import ConfigError

SMALLEST_POPULATION = 4


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
    the population clonal selection begins with, `inputs` the hashes of whatever scores depend on besides the set.
    Raises ConfigError where these do not go together.
    """

    space: Space
    method: Method
    trials: int
    seed: int
    batch: int = 16
    objectives: int = 1
    min_trades: int = 30
    start: tuple[Parameters, ...] = ()
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.trials, self.batch, self.objectives) < 1 or self.min_trades < 0:
            raise ConfigError(
                "a search needs one trial, one in a batch and one objective or more, and min_trades of 0 up"
            )
        if self.objectives > 1 and self.method not in MANY_OBJECTIVES:
            raise ConfigError(f"{self.method} takes one objective, not {self.objectives}; search with {Method.NSGA2}")
        if self.method in POPULATIONS and (self.batch < SMALLEST_POPULATION or self.trials % self.batch):
            raise ConfigError(
                f"{self.method} goes by generations: make batch (now {self.batch}) {SMALLEST_POPULATION} or more and "
                f"trials (now {self.trials}) a multiple of it"
            )
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


@dataclass(frozen=True, slots=True)
class Score:
    """What came of a set: the objectives, of which more is better, over how many trades; or why nothing did."""

    values: tuple[float, ...] = ()
    trades: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A set of parameters that was tried. `number` counts proposals from 0; `refused` says why it may not be chosen."""

    number: int
    id: str
    parameters: Parameters
    score: Score
    refused: str | None
