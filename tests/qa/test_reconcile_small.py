"""The reconcile command's checks find nothing wrong with a sound desk, and every planted error."""

import pytest

from qa._desk_runs import Fault
from qa._opportunities import made_world
from qa._reconciled import wrong_in
from qa.reconcile import SEEN_BY, facts_of, judged, run, with_fault, with_spoilt_rows

WORLD = made_world(6, 1)


def test_nothing_is_wrong_with_a_sound_desk_that_took_refused_and_closed():
    sound = judged(WORLD, 400)
    assert wrong_in(sound) == {}
    facts = facts_of(sound)
    assert all(facts[name] for name in ("taken", "closed", "refused_by_cooldown", "families_of_several_lanes"))


def test_an_error_in_the_desk_is_seen():
    assert SEEN_BY[Fault.FAMILY_PER_ALIAS] <= set(wrong_in(judged(WORLD, 400, Fault.FAMILY_PER_ALIAS)))


@pytest.mark.slow
def test_every_planted_error_is_seen():
    found = {fault.value: with_fault(WORLD, 1_500, fault) for fault in Fault} | with_spoilt_rows(WORLD, 1_500)
    assert {name for name, seen in SEEN_BY.items() if not seen <= set(found[name])} == set()


@pytest.mark.slow
def test_the_small_size_is_as_it_should_be():
    assert run(small=True)["ok"]
