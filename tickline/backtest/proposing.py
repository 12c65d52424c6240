"""Every way to propose sets of parameters. Proposers move in the unit cube and see merits alone."""

from collections.abc import Callable, Generator, Mapping
from itertools import islice
from typing import TypeAlias

import numpy as np

from tickline.backtest.clonal import clonal
from tickline.backtest.space import Points
from tickline.backtest.study import Method, Study
from tickline.backtest.swarm import swarm

Proposals: TypeAlias = Generator[Points, Points, None]
"""Yields points of the cube, (sets, parameters), and is sent merits, (sets, objectives), -inf where refused."""


def _grid(study: Study) -> Proposals:
    sets = study.space.grid(limit=study.trials)
    while batch := list(islice(sets, study.batch)):
        yield study.space.encode(batch)


def _random(study: Study) -> Proposals:
    rng = np.random.default_rng(study.seed)
    for size in _batches(study):
        yield rng.random((size, study.space.dimensions))


def _optuna(study: Study) -> Proposals:
    import optuna
    from optuna.samplers import NSGAIISampler, TPESampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = (
        TPESampler(seed=study.seed)
        if study.method == Method.TPE
        else NSGAIISampler(population_size=study.batch, seed=study.seed)
    )
    asked = optuna.create_study(directions=["maximize"] * len(study.objectives), sampler=sampler)
    cube: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in study.space.domains
    }
    for size in _batches(study):
        trials = [asked.ask(cube) for _ in range(size)]
        merits = yield np.array([[trial.params[name] for name in cube] for trial in trials])
        for trial, merit in zip(trials, merits, strict=True):
            asked.tell(trial, merit.tolist())


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


def _pso(study: Study) -> Proposals:
    generations = study.trials // study.batch
    return swarm(study.space.dimensions, particles=study.batch, generations=generations, seed=study.seed)


def _clonal(study: Study) -> Proposals:
    newcomers = np.random.default_rng([study.seed, 1]).random((study.batch - len(study.start), study.space.dimensions))
    cells = np.concatenate([study.space.encode(study.start), newcomers])
    yield from clonal(cells, generations=study.trials // study.batch, seed=study.seed)


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
