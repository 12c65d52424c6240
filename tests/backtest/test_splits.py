"""Laws of splits over random sizes and labels, each checked pair by pair, and the examples of the book."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tickline.backtest.splits import combinatorial
from tickline.errors import ConfigError

examples = settings(max_examples=80, deadline=None)
labels = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), min_size=6, max_size=40)


def spans(drawn):
    starts, lengths = np.array(sorted(drawn)).T
    return starts, starts + lengths


def purged_folds(starts, ends, *, folds, embargo=0):
    """One stretch tested at a time."""
    return combinatorial(starts, ends, groups=folds, tested=1, embargo=embargo).splits


def listed(windows):
    return [(window.train.tolist(), window.test.tolist()) for window in windows]


def _is_clean(window, starts, ends, embargo):
    """Whether no pair of labels overlaps and the embargo holds, pair by pair, for one stretch of tests."""
    for tested in window.test:
        for trained in window.train:
            if starts[trained] <= ends[tested] and starts[tested] <= ends[trained]:
                return False
    after = [at for at in range(len(starts)) if starts[at] > ends[window.test].max()]
    return not set(after[:embargo]) & set(window.train.tolist())


def _folds(make):
    try:
        return make()
    except ConfigError as error:
        assume("nothing is left to train on" not in str(error))
        raise


@examples
@given(drawn=labels, folds=st.integers(2, 6), embargo=st.integers(0, 4))
def test_purged_folds_train_on_no_label_that_overlaps_a_tested_one(drawn, folds, embargo):
    starts, ends = spans(drawn)
    windows = _folds(lambda: purged_folds(starts, ends, folds=folds, embargo=embargo))
    assert np.concatenate([window.test for window in windows]).tolist() == list(range(len(starts)))
    for window in windows:
        assert _is_clean(window, starts, ends, embargo)


@examples
@given(drawn=labels, folds=st.integers(2, 6))
def test_purging_takes_nothing_that_does_not_overlap(drawn, folds):
    starts, ends = spans(drawn)
    for window in _folds(lambda: purged_folds(starts, ends, folds=folds)):
        for at in set(range(len(starts))) - {*window.train.tolist(), *window.test.tolist()}:
            assert any(starts[at] <= ends[test] and starts[test] <= ends[at] for test in window.test)


def test_labels_of_an_instant_without_embargo_are_plain_k_fold():
    assert listed(purged_folds(range(5), range(5), folds=2)) == [([3, 4], [0, 1, 2]), ([0, 1, 2], [3, 4])]


def test_labels_of_two_sessions_and_an_embargo_take_their_neighbours():
    # Sample i is known at i + 2. Testing 4..7 purges 2, 3 before and 8, 9 after, and embargoes 10.
    window = purged_folds(range(12), range(2, 14), folds=3, embargo=1)[1]
    assert (window.train.tolist(), window.test.tolist()) == ([0, 1, 11], [4, 5, 6, 7])


@examples
@given(drawn=labels, groups=st.integers(2, 6), data=st.data(), embargo=st.integers(0, 3))
def test_combinatorial_splits_are_purged_around_every_tested_stretch(drawn, groups, data, embargo):
    starts, ends = spans(drawn)
    tested = data.draw(st.integers(1, groups - 1))
    split = _folds(lambda: combinatorial(starts, ends, groups=groups, tested=tested, embargo=embargo))
    assert len(split.splits) == comb(groups, tested)
    for choice, window in zip(combinations(range(groups), tested), split.splits, strict=True):
        assert window.test.tolist() == np.concatenate([split.groups[group] for group in choice]).tolist()
        for group in choice:
            stretch = type(window)(window.train, split.groups[group])
            assert _is_clean(stretch, starts, ends, embargo)


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (6, 1), (5, 4), (8, 3)])
def test_backtest_paths_use_each_test_of_each_split_once(groups, tested):
    split = combinatorial(range(40), range(40), groups=groups, tested=tested)
    assert split.paths.shape == (comb(groups, tested) * tested // groups, groups)
    used = {(int(window), group) for path in split.paths for group, window in enumerate(path)}
    assert len(used) == split.paths.size
    assert used == {(at, group) for at, choice in enumerate(combinations(range(groups), tested)) for group in choice}


def test_six_groups_by_two_make_the_five_paths_of_the_book():
    # Figure 12.2 of Lopez de Prado (2018): the first path tests G1 in S1, G2 in S1, G3 in S2, ..., counted from 1.
    paths = combinatorial(range(12), range(12), groups=6, tested=2).paths + 1
    assert paths[0].tolist() == [1, 1, 2, 3, 4, 5]
    assert paths[1].tolist() == [2, 6, 6, 7, 8, 9]


def test_paths_are_assembled_out_of_what_each_split_found_for_each_sample():
    split = combinatorial(range(11), range(11), groups=4, tested=2)
    found = [window.test + 100.0 * at for at, window in enumerate(split.splits)]
    assembled = split.assemble(found)
    assert (assembled % 100).tolist() == [list(map(float, range(11)))] * 3
    for path, windows in zip(assembled, split.paths, strict=True):
        assert [int(path[group[0]] // 100) for group in split.groups] == windows.tolist()


@pytest.mark.parametrize(
    ("starts", "ends", "finding"),
    [
        ([0, 1, 2], [0, 1], "one start and one end"),
        ([0, 2, 1], [5, 5, 5], "not ordered"),
        ([0, 1, 2], [0, 0, 2], "sample 1 ends at 0, before it starts at 1"),
        ([0, 1, 2], [9, 9, 9], "nothing is left to train on"),
        ([0], [0], "cannot be split into 2"),
    ],
)
def test_labels_that_cannot_be_split_are_refused(starts, ends, finding):
    with pytest.raises(ConfigError, match=finding):
        purged_folds(starts, ends, folds=2)


def test_impossible_folds_are_refused():
    with pytest.raises(ConfigError, match="test at least one"):
        combinatorial(range(9), range(9), groups=3, tested=3)
    with pytest.raises(ConfigError, match="embargo of -1"):
        purged_folds(range(9), range(9), folds=3, embargo=-1)
    with pytest.raises(ConfigError, match="leave at least one"):
        purged_folds(range(9), range(9), folds=1)
