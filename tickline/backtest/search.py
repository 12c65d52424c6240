"""The search for parameters: one interface for every way to propose them, with each trial recorded, guarded and kept.

Proposers move in the unit cube and see merits alone. What was evaluated once is never evaluated again, so a search that
was killed and is started again over its log proposes the same sets and ends as it would have.
"""

import fcntl
import hashlib
import math
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
import orjson

from tickline.backtest.clonal import clonal
from tickline.backtest.space import Parameters, Points, Space, canonical, trial_id
from tickline.backtest.swarm import swarm
from tickline.errors import BacktestError, ConfigError, LakeError
from tickline.lake.storage import fsync_path

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


Evaluate: TypeAlias = Callable[[Sequence[Parameters]], Sequence[Score]]
"""Scores a batch of sets, in their order; the same set always scores the same. What fails is a Score that says so."""

Proposals: TypeAlias = Generator[Points, Points, Points | None]
"""Yields points of the cube, (sets, parameters), and is sent merits, (sets, objectives), -inf where refused."""


def search(
    study: Study,
    evaluate: Evaluate,
    *,
    known: Mapping[str, Score] | None = None,
    log: "TrialLog | None" = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> list[Trial]:
    """Every set that was tried, in the order first proposed; a set proposed again is not tried again.

    `known` and `log` say by trial id what sets score; those are not evaluated. Each batch is in the log before the
    next is proposed. `on_batch` is told how many sets were proposed, of how many. Raises ConfigError where the space
    does not suit the method, ValueError where `evaluate` gives other than a score for each set.
    """
    return _searched(study, evaluate, known=known, log=log, on_batch=on_batch)[0]


def survivors(study: Study, trials: Sequence[Trial]) -> tuple[Parameters, ...]:
    """The population that clonal selection ended with, best first: the `start` of the next walk-forward window.

    The search is gone through again over the scores of its trials. Raises ConfigError where the method is not clonal.
    """
    if study.method != Method.CLONAL:
        raise ConfigError(f"{study.method} leaves no population behind; only clonal adapts between windows")
    _, cells = _searched(study, lambda _: (), known={trial.id: trial.score for trial in trials})
    assert cells is not None
    return tuple(study.space.decode(cells))


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the most of the first objective, then of the next; of equal ones the one with the lowest id.

    Raises BacktestError, saying why each kind was refused, where none may be chosen.
    """
    allowed = [trial for trial in trials if trial.refused is None]
    if not allowed:
        reasons = sorted({trial.refused for trial in trials if trial.refused is not None})
        raise BacktestError(
            f"none of {len(trials)} trials may be chosen: {'; '.join(reasons[:3])}{' ...' if reasons[3:] else ''}. "
            "Widen the space, lengthen the window or lower min_trades"
        )
    return min(allowed, key=_order)


def chosen(trials: Sequence[Trial]) -> Parameters | None:
    """The parameters of the best trial; None where none may be chosen of those that ran: then nothing is to be traded.

    Raises BacktestError where every trial failed.
    """
    ran = [trial for trial in trials if trial.score.failure is None]
    if ran and all(trial.refused is not None for trial in ran):
        return None
    return best(trials).parameters


def front(trials: Sequence[Trial]) -> list[Trial]:
    """The trials no other beats in one objective without being worse in another, best first; none of the refused."""
    allowed = sorted((trial for trial in trials if trial.refused is None), key=_order)
    values = np.array([trial.score.values for trial in allowed], np.float64)
    return [trial for trial, own in zip(allowed, values, strict=True) if not _dominated(own, values)]


class TrialLog:
    """What a study's trials scored: a file of JSON lines, each batch written through to the disk.

    A last line that was torn is dropped. One process at a time has it open. Raises ConfigError where the file is the
    log of another study, LakeError where it is open elsewhere or damaged.
    """

    def __init__(self, path: Path, study: Study) -> None:
        self.scores: dict[str, Score] = {}
        self._path = path
        self._file = path.open("a+b")
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._resume(study)
        except BlockingIOError as error:
            self._file.close()
            raise LakeError(f"{path}: another search is writing it; wait for that one or stop it") from error
        except BaseException:
            self._file.close()
            raise

    def append(self, trials: Sequence[Trial]) -> None:
        """Record trials; those recorded before are not again."""
        fresh = {trial.id: trial for trial in trials if trial.id not in self.scores}
        self._write(
            [
                {"number": trial.number, "id": trial.id, "parameters": trial.parameters} | asdict(trial.score)
                for trial in fresh.values()
            ]
        )
        self.scores |= {trial.id: trial.score for trial in fresh.values()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _resume(self, study: Study) -> None:
        header = {"study": study.sha256, **study.described}
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            if not canonical(header).startswith(content):
                raise ConfigError(f"{self._path} is no log of trials; name another file")
            self._file.truncate(0)
            self._write([header])
            fsync_path(self._path.parent)
            return
        self._file.truncate(len(whole))
        first, *rest = whole.splitlines()
        if first != canonical(header):
            raise ConfigError(
                f"{self._path} is not the log of this study ({study.sha256}); name another file or move it away"
            )
        for number, line in enumerate(rest, start=2):
            trial, score = self._read(line, number)
            self.scores[trial] = score

    def _read(self, line: bytes, number: int) -> tuple[str, Score]:
        try:
            said = orjson.loads(line)
            if trial_id(said["parameters"]) != said["id"]:
                raise ValueError("the parameters are not those of the id")
            return said["id"], Score(tuple(said["values"]), said["trades"], said["failure"])
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"{self._path}:{number}: not a trial ({error}); cut the file before this line and search again"
            ) from error

    def _write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._file.write(b"".join(canonical(line) + b"\n" for line in lines))
        self._file.flush()
        os.fsync(self._file.fileno())


def _searched(
    study: Study,
    evaluate: Evaluate,
    *,
    known: Mapping[str, Score] | None,
    log: TrialLog | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> tuple[list[Trial], Points | None]:
    """The trials, and what the proposer leaves behind."""
    scores = dict(known or {}) | (log.scores if log else {})
    trials: dict[str, Trial] = {}
    proposals = PROPOSERS[study.method](study)
    points = next(proposals)
    proposed = 0
    while True:
        sets = study.space.decode(points)
        ids = [trial_id(one) for one in sets]
        scores |= _evaluated(evaluate, {name: one for name, one in zip(ids, sets, strict=True) if name not in scores})
        for number, (name, one) in enumerate(zip(ids, sets, strict=True), start=proposed):
            if name not in trials:
                score = _checked(study, scores[name])
                trials[name] = Trial(number, name, one, score, _refusal(study, score))
        proposed += len(sets)
        if log:
            log.append([trials[name] for name in ids])
        if on_batch:
            on_batch(proposed, study.total)
        try:
            points = proposals.send(np.array([_merits(study, trials[name]) for name in ids]))
        except StopIteration as end:
            return list(trials.values()), end.value


def _evaluated(evaluate: Evaluate, sets: Mapping[str, Parameters]) -> dict[str, Score]:
    scores = evaluate(list(sets.values())) if sets else ()
    if len(scores) != len(sets):
        raise ValueError(f"{len(scores)} scores for {len(sets)} sets of parameters: evaluate owes one for each")
    return dict(zip(sets, scores, strict=True))


def _checked(study: Study, score: Score) -> Score:
    """The score in plain numbers; a failure where an objective is none."""
    if score.failure is not None:
        return replace(score, values=(), trades=int(score.trades))
    if len(score.values) != study.objectives:
        raise ValueError(f"{score} has {len(score.values)} values, and the study {study.objectives} objectives")
    values = tuple(float(value) for value in score.values)
    if not all(map(math.isfinite, values)):
        return Score((), int(score.trades), f"objectives {values} are not all finite")
    return Score(values, int(score.trades))


def _refusal(study: Study, score: Score) -> str | None:
    if score.failure is not None:
        return score.failure
    return f"fewer than {study.min_trades} trades" if score.trades < study.min_trades else None


def _merits(study: Study, trial: Trial) -> tuple[float, ...]:
    return (-math.inf,) * study.objectives if trial.refused is not None else trial.score.values


def _order(trial: Trial) -> tuple[tuple[float, ...], str]:
    return tuple(-value for value in trial.score.values), trial.id


def _dominated(own: Points, values: Points) -> bool:
    return bool(np.any(np.all(values >= own, axis=1) & np.any(values > own, axis=1)))


def _grid(study: Study) -> Proposals:
    sets = study.space.grid(limit=study.trials)
    while batch := list(islice(sets, study.batch)):
        yield study.space.encode(batch)
    return None


def _random(study: Study) -> Proposals:
    rng = np.random.default_rng(study.seed)
    for size in _batches(study):
        yield rng.random((size, study.space.dimensions))
    return None


def _optuna(study: Study) -> Proposals:
    import optuna
    from optuna.samplers import NSGAIISampler, TPESampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = (
        TPESampler(seed=study.seed)
        if study.method == Method.TPE
        else NSGAIISampler(population_size=study.batch, seed=study.seed)
    )
    asked = optuna.create_study(directions=["maximize"] * study.objectives, sampler=sampler)
    cube: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in study.space.domains
    }
    for size in _batches(study):
        trials = [asked.ask(cube) for _ in range(size)]
        merits = yield np.array([[trial.params[name] for name in cube] for trial in trials])
        for trial, merit in zip(trials, merits, strict=True):
            asked.tell(trial, merit.tolist())
    return None


def _cma_es(study: Study) -> Proposals:
    from cmaes import CMA

    # Asked here and not through optuna, whose sampler keeps its state in a pickle and mixes generations in a batch.
    rng = np.random.default_rng(study.seed)
    bounds = np.tile([0.0, 1.0], (study.space.dimensions, 1))
    optimiser = None
    for size in _batches(study):
        if optimiser is None or optimiser.should_stop():  # converged: begin anew elsewhere
            optimiser = CMA(
                mean=rng.random(study.space.dimensions),
                sigma=0.3,
                bounds=bounds,
                seed=int(rng.integers(2**31)),
                population_size=size,
            )
        points = np.array([optimiser.ask() for _ in range(size)])
        merits = yield points
        ranks = np.argsort(np.argsort(-merits[:, 0], kind="stable"))
        optimiser.tell([(point, float(rank)) for point, rank in zip(points, ranks, strict=True)])
    return None


def _pso(study: Study) -> Proposals:
    generations = study.trials // study.batch
    return swarm(study.space.dimensions, particles=study.batch, generations=generations, seed=study.seed)


def _clonal(study: Study) -> Proposals:
    newcomers = np.random.default_rng([study.seed, 1]).random((study.batch - len(study.start), study.space.dimensions))
    cells = np.concatenate([study.space.encode(study.start), newcomers])
    return clonal(cells, generations=study.trials // study.batch, seed=study.seed)


def _batches(study: Study) -> list[int]:
    whole, rest = divmod(study.trials, study.batch)
    return [study.batch] * whole + [rest] * (rest > 0)


PROPOSERS: Mapping[Method, Callable[[Study], Proposals]] = {
    Method.GRID: _grid,
    Method.RANDOM: _random,
    Method.TPE: _optuna,
    Method.CMA_ES: _cma_es,
    Method.NSGA2: _optuna,
    Method.PSO: _pso,
    Method.CLONAL: _clonal,
}
