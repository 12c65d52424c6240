"""The search for parameters: one interface for every way to propose them, with each trial recorded, guarded and kept.

What was evaluated once is never evaluated again, so a search that was killed and is started again over its log proposes
the same sets and ends as it would have.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from tickline.backtest.proposing import PROPOSERS
from tickline.backtest.space import Parameters, Points, trial_id
from tickline.backtest.study import Score, Study, Trial
from tickline.backtest.trial_log import TrialLog
from tickline.errors import BacktestError

Evaluate: TypeAlias = Callable[[Sequence[Parameters]], Sequence[Score]]
"""Scores a batch of sets, in their order; the same set always scores the same. What fails is a Score that says so."""


def search(
    study: Study,
    evaluate: Evaluate,
    *,
    log: TrialLog | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> list[Trial]:
    """Every set that was tried, in the order first proposed; a set proposed again is not tried again.

    `log` says by trial id what sets score; those are not evaluated. Each batch is in the log before the next is
    proposed. `on_batch` is told how many sets were proposed, of how many. Raises ConfigError where the space does not
    suit the method, ValueError where `evaluate` gives other than a score for each set.
    """
    scores = dict(log.scores) if log else {}
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
        except StopIteration:
            return list(trials.values())


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that may be chosen: those with the most of the first objective first, then of the next; of equal ones
    the one with the lowest id."""
    return sorted((trial for trial in trials if trial.refused is None), key=_order)


def best(trials: Sequence[Trial]) -> Trial:
    """The first of those `ranked`.

    Raises BacktestError, saying why each kind was refused, where none may be chosen.
    """
    allowed = ranked(trials)
    if not allowed:
        reasons = sorted({trial.refused for trial in trials if trial.refused is not None})
        raise BacktestError(
            f"none of {len(trials)} trials may be chosen: {'; '.join(reasons[:3])}{' ...' if reasons[3:] else ''}. "
            "Widen the space, lengthen the window or lower min_trades"
        )
    return allowed[0]


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
    allowed = ranked(trials)
    values = np.array([trial.score.values for trial in allowed], np.float64)
    return [trial for trial, own in zip(allowed, values, strict=True) if not _dominated(own, values)]


def _evaluated(evaluate: Evaluate, sets: Mapping[str, Parameters]) -> dict[str, Score]:
    scores = evaluate(list(sets.values())) if sets else ()
    if len(scores) != len(sets):
        raise ValueError(f"{len(scores)} scores for {len(sets)} sets of parameters: evaluate owes one for each")
    return dict(zip(sets, scores, strict=True))


def _checked(study: Study, score: Score) -> Score:
    """The score in plain numbers; a failure where an objective is none."""
    if score.failure is not None:
        return Score(trades=int(score.trades), failure=score.failure)
    if len(score.values) != len(study.objectives):
        raise ValueError(f"{score} has {len(score.values)} values, and the study {len(study.objectives)} objectives")
    values = tuple(float(value) for value in score.values)
    if not all(map(math.isfinite, values)):
        return Score(trades=int(score.trades), failure=f"objectives {values} are not all finite")
    return replace(score, values=values, trades=int(score.trades))


def _refusal(study: Study, score: Score) -> str | None:
    if score.failure is not None:
        return score.failure
    return f"fewer than {study.min_trades} trades" if score.trades < study.min_trades else None


def _merits(study: Study, trial: Trial) -> tuple[float, ...]:
    return (-math.inf,) * len(study.objectives) if trial.refused is not None else trial.score.values


def _order(trial: Trial) -> tuple[tuple[float, ...], str]:
    return tuple(-value for value in trial.score.values), trial.id


def _dominated(own: Points, values: Points) -> bool:
    return bool(np.any(np.all(values >= own, axis=1) & np.any(values > own, axis=1)))
