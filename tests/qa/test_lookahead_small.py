"""The lookahead command's check: shipped features pass it, and what looks ahead is caught."""

import pytest

from qa import _histories, lookahead
from qa._scripted import MINUTE, START

MINUTES = 900
CUTS = [START + nth * MINUTE for nth in (700, 899)]


@pytest.fixture(scope="module")
def history():
    return _histories.drawn(5, MINUTES)


def test_a_history_known_by_a_time_is_its_rows_up_to_then(history):
    known = history.known_by(CUTS[0])
    for name in ("bars", "longer"):
        rows, whole = getattr(known, name), getattr(history, name)
        assert rows.equals(whole.filter(whole["ts_close"].cast(int) <= CUTS[0]))
        assert 0 < rows.height < whole.height
    assert known.tape.ticks["ts_recv"].max() <= CUTS[0]
    assert history.known_by(2**62).bars.equals(history.bars)


@pytest.mark.parametrize("subject", lookahead.features(), ids=lambda subject: subject.name)
def test_no_feature_changes_with_what_comes_later(history, subject):
    verdict = lookahead.judge(subject, history, CUTS)
    assert verdict.differing == 0
    assert verdict.telling > 0


@pytest.mark.parametrize(
    "subject",
    [one for one in lookahead.cheaters() if not one.name.startswith("strategy: closes in its parameters")],
    ids=lambda subject: subject.name,
)
def test_what_looks_ahead_is_caught(history, subject):
    assert lookahead.judge(subject, history, CUTS).differing > 0
