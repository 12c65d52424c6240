"""The search: every method against known optima, its guards, and a log that survives its process being killed."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.backtest.search import best, chosen, front, search
from tickline.backtest.space import Choice, Integer, Real, Space, trial_id
from tickline.backtest.study import Method, Score, Study, Trial
from tickline.backtest.trial_log import TrialLog
from tickline.errors import BacktestError, ConfigError, LakeError

SPACE = Space(
    {"fast": Integer(1, 40), "slow": Integer(10, 100, 10), "stop": Choice((1, 2, 4, 8)), "atr": Real(0.5, 4.0)}
)
STEPPED = Space({"fast": Integer(1, 8), "slow": Choice((10, 20, 50))})
METHODS = sorted(set(Method) - {Method.GRID})
LEARNING = sorted({Method.TPE, Method.CMA_ES, Method.PSO, Method.CLONAL})


def study(method=Method.RANDOM, **said):
    defaults = {
        "space": STEPPED if method == Method.GRID else SPACE,
        "trials": 64,
        "seed": 1,
        "batch": 8,
        "min_trades": 10,
    }
    return Study(method=method, **(defaults | said))


def score(one):
    """Best at fast 17, slow 60, stop 4, atr 1.5; sets of a slow 100 trade too seldom, those of a fast 1 fail."""
    if one["fast"] == 1:
        return Score(failure="division by zero")
    distance = abs(one["fast"] - 17) / 40 + abs(one["slow"] - 60) / 90
    distance += abs(one.get("stop", 4) - 4) / 7 + abs(one.get("atr", 1.5) - 1.5) / 3.5
    return Score((-distance,), 5 if one["slow"] == 100 else 50, returns=(distance, -0.1), reach=one["fast"])


def evaluate(sets):
    return [score(one) for one in sets]


class Counting:
    """Scores, and remembers what it was asked."""

    def __init__(self):
        self.batches = []

    def __call__(self, sets):
        self.batches.append([trial_id(one) for one in sets])
        return evaluate(sets)

    @property
    def asked(self):
        return [name for batch in self.batches for name in batch]


@pytest.mark.parametrize("method", sorted(Method))
def test_every_method_is_deterministic_and_stays_in_the_space(method):
    plan = study(method)
    trials = search(plan, evaluate)
    assert trials == search(plan, evaluate)
    assert all(plan.space.clip(trial.parameters) == trial.parameters for trial in trials)
    assert all(trial.id == trial_id(trial.parameters) for trial in trials)
    if method != Method.GRID:
        assert trials != search(study(method, seed=2), evaluate)


@pytest.mark.parametrize("method", sorted(Method))
def test_no_set_is_evaluated_twice_and_each_is_listed_once(method):
    plan = study(method, space=STEPPED, trials=96)  # far more proposals than the 24 sets there are
    asked = Counting()
    trials = search(plan, asked)
    assert len(asked.asked) == len(set(asked.asked))
    assert [trial.id for trial in trials] == asked.asked
    assert [trial.number for trial in trials] == sorted({trial.number for trial in trials})
    assert all(batch for batch in asked.batches)


@pytest.mark.parametrize("method", LEARNING)
@pytest.mark.parametrize("seed", [1, 2])
def test_methods_that_learn_beat_random_on_the_same_number_of_trials(method, seed):
    plan = study(method, trials=120, seed=seed)
    found, drawn = (best(search(one, evaluate)) for one in (plan, replace(plan, method=Method.RANDOM)))
    assert found.score.values[0] > drawn.score.values[0]


def test_a_grid_tries_every_set_and_its_best_is_the_best_there_is():
    trials = search(study(Method.GRID), evaluate)
    assert [trial.parameters for trial in trials] == list(STEPPED.grid())
    assert best(trials).parameters == {"fast": 8, "slow": 50}
    with pytest.raises(ConfigError, match=r"24 sets .* more than 23"):
        search(study(Method.GRID, trials=23), evaluate)


def two_sided(sets):
    """Return falls and safety rises with x: every x is a fair trade; y only costs."""
    return [Score((-(one["x"] ** 2) - one["y"], -((one["x"] - 2) ** 2) - one["y"]), 50) for one in sets]


def test_nsga2_comes_closer_to_the_front_than_random_does():
    space = Space({"x": Real(-10, 10), "y": Real(0, 10)})
    plan = study(Method.NSGA2, space=space, objectives=("return", "safety"), trials=320, batch=20)
    dominated = {}
    for method in (Method.NSGA2, Method.RANDOM):
        found = front(search(replace(plan, method=method), two_sided))
        # Of points of the true front (x from 0 to 2, y of 0), how far the nearest found falls short of each.
        truth = [two_sided([{"x": x, "y": 0}])[0].values for x in np.linspace(0, 2, 21)]
        values = np.array([trial.score.values for trial in found])
        dominated[method] = np.mean([np.max(np.array(point) - values, axis=1).min() for point in truth])
    assert dominated[Method.NSGA2] < dominated[Method.RANDOM] / 2


rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=12)


@settings(max_examples=60, deadline=None)
@given(rows=rows)
def test_the_front_is_what_no_allowed_trial_dominates_and_the_best_is_on_it(rows):
    trials = [
        Trial(n, f"{n * 7919 % 13:02d}", {"n": n}, Score((float(a), float(b)), 50), "refused" if refused else None)
        for n, (a, b, refused) in enumerate(rows)
    ]
    allowed = [trial for trial in trials if trial.refused is None]

    def beats(one, other):
        pairs = list(zip(one.score.values, other.score.values, strict=True))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    expected = [trial for trial in allowed if not any(beats(other, trial) for other in allowed)]
    found = front(trials)
    assert {trial.id for trial in found} == {trial.id for trial in expected}
    assert front(list(reversed(trials))) == found
    if allowed:
        assert best(trials) == found[0]


def test_of_equal_trials_the_lowest_id_is_chosen_whatever_the_order():
    trials = search(study(), lambda sets: [Score((1.0,), 50) for _ in sets])
    assert best(trials) == best(trials[::-1]) == min(trials, key=lambda trial: trial.id)


def test_a_trial_of_too_few_trades_is_kept_and_never_chosen():
    def seldom(sets):
        return [Score((100.0,), 9) if one["fast"] > 4 else Score((float(one["fast"]),), 10) for one in sets]

    trials = search(study(Method.GRID), seldom)
    assert {trial.refused for trial in trials if trial.parameters["fast"] > 4} == {"fewer than 10 trades"}
    assert best(trials).parameters["fast"] == 4
    assert len(trials) == 24


@pytest.mark.parametrize("method", LEARNING)
def test_a_search_is_not_led_to_where_trades_are_too_few(method):
    def tempting(sets):
        return [Score((one["atr"],), 50 if one["atr"] < 2 else 1) for one in sets]

    trials = search(study(method, trials=96), tempting)
    assert 1.7 < best(trials).parameters["atr"] < 2
    assert sum(trial.parameters["atr"] < 2 for trial in trials[48:]) > len(trials[48:]) / 2


@pytest.mark.parametrize("method", sorted(Method))
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_failures_are_kept_with_their_reason_and_never_chosen(method, value):
    def poor(sets):
        return [Score((value,), 50) if one["fast"] % 2 else Score((), 0, "no fills") for one in sets]

    trials = search(study(method, trials=24), poor)
    assert {trial.refused for trial in trials} == {"no fills", f"objectives ({value},) are not all finite"}
    with pytest.raises(BacktestError, match=rf"none of {len(trials)} trials may be chosen: no fills; objectives"):
        best(trials)
    assert front(trials) == []


def test_where_every_trial_that_ran_made_too_few_trades_nothing_is_chosen():
    def idle(sets):
        return [Score((0.5,), 3) if one["fast"] % 2 else Score((), 0, "it broke") for one in sets]

    assert chosen(search(study(Method.RANDOM, trials=24), idle)) is None


def test_what_is_chosen_is_the_best_and_where_every_trial_failed_that_is_said():
    trials = search(study(Method.RANDOM, trials=24), lambda sets: [Score((one["slow"],), 50) for one in sets])
    assert chosen(trials) == best(trials).parameters
    broken = search(study(Method.RANDOM, trials=24), lambda sets: [Score((), 0, "it broke")] * len(sets))
    with pytest.raises(BacktestError, match="may be chosen: it broke"):
        chosen(broken)


def test_progress_is_told_batch_by_batch():
    told = []
    search(study(trials=20), evaluate, on_batch=lambda done, total: told.append((done, total)))
    search(study(Method.GRID), evaluate, on_batch=lambda done, total: told.append((done, total)))
    assert told == [(8, 20), (16, 20), (20, 20), (8, 24), (16, 24), (24, 24)]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"trials": 0}, "one trial"),
        ({"min_trades": -1}, "min_trades of 0 up"),
        ({"method": Method.TPE, "objectives": ("a", "b")}, "tpe takes one objective, not 2; search with nsga2"),
        ({"method": Method.PSO, "batch": 3, "trials": 9}, r"make batch \(now 3\) 4 or more"),
        ({"method": Method.CLONAL, "trials": 60}, r"trials \(now 60\) a multiple"),
        ({"start": ({"fast": 1},)}, "only clonal takes them"),
        ({"method": Method.CLONAL, "start": ({"fast": 1},) * 9}, "at most a batch"),
    ],
)
def test_a_study_that_cannot_be_is_refused(said, message):
    with pytest.raises(ConfigError, match=message):
        study(**said)


def test_scores_that_do_not_fit_the_sets_are_refused():
    with pytest.raises(ValueError, match="7 scores for 8 sets"):
        search(study(), lambda sets: evaluate(sets)[1:])
    with pytest.raises(ValueError, match="has 2 values, and the study 1 objectives"):
        search(study(), lambda sets: [Score((1.0, 2.0), 50) for _ in sets])


def test_clonal_selection_begins_with_the_sets_it_is_given():
    before = search(study(Method.CLONAL), evaluate)
    start = tuple(trial.parameters for trial in before[5:8])
    again = search(study(Method.CLONAL, start=start), evaluate)
    assert tuple(trial.parameters for trial in again[:3]) == start


@pytest.mark.parametrize("method", sorted(Method))
def test_a_log_cut_anywhere_gives_the_search_it_would_have_been(method, tmp_path):
    plan = study(method, trials=40)
    whole = tmp_path / "whole"
    with TrialLog(whole, plan) as log:
        trials = search(plan, evaluate, log=log)
    content = whole.read_bytes()
    for length in (0, 10, len(content) // 3, len(content) // 2, len(content) - 1):
        cut = tmp_path / f"{length}"
        cut.write_bytes(content[:length])
        asked = Counting()
        with TrialLog(cut, plan) as log:
            kept = set(log.scores)
            assert search(plan, asked, log=log) == trials
        assert kept.isdisjoint(asked.asked)
        assert sorted(cut.read_bytes().splitlines()) == sorted(content.splitlines())
    assert len(kept) == len(trials) - 1


def test_a_log_holds_every_trial_with_its_parameters_and_score(tmp_path):
    plan = study(Method.PSO)
    with TrialLog(tmp_path / "log", plan) as log:
        trials = search(plan, evaluate, log=log)
    header, *lines = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert header["study"] == plan.sha256
    assert header["method"] == "pso"
    assert [(line["number"], line["id"], line["parameters"]) for line in lines] == [
        (trial.number, trial.id, trial.parameters) for trial in trials
    ]
    with TrialLog(tmp_path / "log", plan) as log:
        assert log.scores == {trial.id: trial.score for trial in trials}


def test_a_batch_is_on_the_disk_before_the_next_is_evaluated(tmp_path, monkeypatch):
    path, scored = tmp_path / "log", []
    synced = [b""]

    def sync(descriptor, fsync=os.fsync):
        fsync(descriptor)
        synced[0] = path.read_bytes()

    def after_all_before(sets):
        assert all(name.encode() in synced[0] for name in scored)
        scored.extend(trial_id(one) for one in sets)
        return evaluate(sets)

    monkeypatch.setattr(os, "fsync", sync)
    with TrialLog(path, study()) as log:
        search(study(), after_all_before, log=log)
    assert all(name.encode() in synced[0] for name in scored)
    assert len(scored) > 32


def test_a_log_stays_good_for_more_trials_of_its_study(tmp_path):
    asked = Counting()
    for trials in (24, 48):
        plan = study(Method.CMA_ES, trials=trials)
        with TrialLog(tmp_path / "log", plan) as log:
            found = search(plan, asked, log=log)
    assert found == search(study(Method.CMA_ES, trials=48), evaluate)
    assert len(asked.asked) == len(found)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"inputs": ("b" * 64,)},
        {"space": STEPPED},
        {"method": Method.TPE},
        {"batch": 4},
        {"min_trades": 11},
    ],
)
def test_the_log_of_another_study_is_refused_and_left_as_it_is(other, tmp_path):
    path = tmp_path / "log"
    with TrialLog(path, study()) as log:
        search(study(), evaluate, log=log)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="is not the log of this study"):
        TrialLog(path, study(**other))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"notes", b"notes\nand more\n"])
def test_a_file_that_is_no_log_is_refused_and_left_as_it_is(content, tmp_path):
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="name another file"):
        TrialLog(path, study())
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [b"#", b'{"id":"0"}', b'{"failure":null,"id":"0","parameters":{"n":1}}'])
def test_a_damaged_line_is_named(damage, tmp_path):
    path = tmp_path / "log"
    with TrialLog(path, study()) as log:
        search(study(), evaluate, log=log)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:3], damage, *lines[4:]]) + b"\n")
    with pytest.raises(LakeError, match=r"log:4: not a trial"):
        TrialLog(path, study())


def _search_slowly(path, plan, evaluated):
    def slowly(sets):
        with evaluated.open("a") as file:
            file.writelines(f"{trial_id(one)}\n" for one in sets)
        time.sleep(0.02)
        return evaluate(sets)

    with TrialLog(path, plan) as log:
        search(plan, slowly, log=log)


def _start(path, plan, evaluated):
    child = multiprocessing.get_context("fork").Process(target=_search_slowly, args=(path, plan, evaluated))
    child.start()
    return child


@pytest.mark.parametrize("method", [Method.CMA_ES, Method.TPE])
def test_a_search_killed_again_and_again_ends_as_one_that_was_not(method, tmp_path):
    plan = study(method, trials=80)
    path, evaluated = tmp_path / "log", tmp_path / "evaluated"
    evaluated.touch()
    for kills in (1, 2):
        child = _start(path, plan, evaluated)
        deadline = time.monotonic() + 30
        while len(evaluated.read_text().splitlines()) < 24 * kills and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert child.exitcode == -signal.SIGKILL
    asked = Counting()
    with TrialLog(path, plan) as log:
        logged = set(log.scores)
        found = search(plan, asked, log=log)
    assert found == search(plan, evaluate)
    assert 24 <= len(logged) < len(found)
    assert logged.isdisjoint(asked.asked)
    # A kill costs at most the batch it fell in.
    assert len(evaluated.read_text().splitlines()) <= len(logged) + 2 * plan.batch


def test_a_log_that_is_being_written_is_not_opened_by_another_process(tmp_path):
    path, evaluated = tmp_path / "log", tmp_path / "evaluated"
    child = _start(path, study(trials=8000), evaluated)
    while not evaluated.exists():
        time.sleep(0.005)
    with pytest.raises(LakeError, match="another search is writing it"):
        TrialLog(path, study())
    child.kill()
    child.join()
    TrialLog(path, study()).__exit__(None, None, None)
