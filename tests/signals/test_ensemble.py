"""Ensembles vote with the exposures of members whose parameters were drawn before the first event."""

from dataclasses import replace
from typing import Annotated, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from tickline.compiled import inlined
from tickline.errors import ConfigError
from tickline.signals.desk import EVENT, INSTRUMENT, EventKind, open_desk
from tickline.signals.regimes import Regime
from tickline.signals.strategies import donchian_breakout, pairs, sma_trend
from tickline.signals.strategies.ensemble import STRATEGY, _members, ensemble
from tickline.signals.strategies.following import WANTED
from tickline.signals.strategy import Strategy, decide, fresh_memory


class Level(NamedTuple):
    """Long above a level, short below; `least` bars are watched first."""

    level: Annotated[float, Field(gt=0)] = 100.0
    least: Annotated[int, Field(ge=0, le=50)] = 0
    turned: bool = False


@inlined
def _of_level(p, memory, event, signals):
    memory[0] += 1.0
    if memory[0] <= p.least:
        return np.nan
    side = 1.0 if event.close > p.level else -1.0
    return -side if p.turned else side


@inlined
def _of_signal(p, memory, event, signals):
    return signals[0]


def _nothing(p, memory, event, desk):
    pass


LEVEL = Strategy("level", "", Level, lambda p: 1, _nothing, exposure=_of_level)
SIGNAL = Strategy("signal", "", Level, lambda p: 0, _nothing, signals=("says",), exposure=_of_signal)
BOTH = ensemble(name="both", describe="", kinds=((LEVEL, Level()), (SIGNAL, Level())))


def wanted(parameters, closes, *, regime=Regime.PREDICTABLE, says=0.0, strategy=BOTH):
    """The exposure of an ensemble after each close."""
    desk = open_desk(np.ones(1, INSTRUMENT), capital=10_000, unit=1.0)
    desk["signals"][0, :2] = regime, says
    memory, event, seen = fresh_memory(strategy, parameters), np.zeros(1, EVENT), []
    event["kind"] = EventKind.BAR
    for close in closes:
        event["close"] = close
        memory, _ = decide(strategy, parameters, memory, event=event[0], desk=desk)
        seen.append(memory[WANTED])
    return seen


@given(
    seed=st.integers(0, 1_000),
    members=st.integers(1, 6),
    threshold=st.sampled_from([0.1, 0.5, 0.9]),
    says=st.sampled_from([-1.0, 0.0, 1.0]),
    closes=st.lists(st.floats(60, 140), min_size=1, max_size=5),
)
@settings(max_examples=25, deadline=None)
def test_it_trades_where_the_mean_vote_of_all_members_passes_the_threshold(seed, members, threshold, says, closes):
    parameters = BOTH.chosen({"seed": seed, "members": members, "threshold": threshold})
    levels = [drawn.level for strategy, drawn in _members(BOTH.parts, parameters) if strategy is LEVEL]
    for close, got in zip(closes, wanted(parameters, closes, says=says), strict=True):
        vote = (sum(1 if close > level else -1 for level in levels) + members * says) / (2 * members)
        assert got == (np.sign(vote) if abs(vote) >= threshold else 0)


def test_members_know_their_parameters_and_vote_nothing_before_they_know_their_exposure():
    strategy = ensemble(name="late", describe="", kinds=((LEVEL, Level(least=3, turned=True)),))
    parameters = strategy.chosen({"members": 1, "spread": 0})
    assert wanted(parameters, [120.0] * 4 + [80.0], strategy=strategy) == [0, 0, 0, -1, 1]


@pytest.mark.parametrize("regime", [Regime.STOCHASTIC, np.nan])
def test_it_stands_aside_in_another_regime_and_in_an_unknown_one(regime):
    parameters = BOTH.chosen({"spread": 0, "threshold": 0.5})
    assert wanted(parameters, [120.0], says=1.0) == [1]
    assert wanted(parameters, [120.0], says=1.0, regime=regime) == [0]
    assert wanted(parameters._replace(regime=-1), [120.0], says=1.0, regime=regime) == [1]


def test_members_are_drawn_around_the_given_parameters_and_keep_their_relations():
    parameters = STRATEGY.chosen({"members": 25, "spread": 0.9})
    drawn = list(_members(STRATEGY.parts, parameters))
    assert len({values for _, values in drawn}) == 75
    for strategy, values in drawn:
        assert strategy.chosen(values._asdict()) == values
    trends = [values for strategy, values in drawn if strategy is sma_trend.STRATEGY]
    assert all(values.fast < values.slow and 2 <= values.fast <= 38 for values in trends)
    assert drawn == list(_members(STRATEGY.parts, parameters))
    assert drawn != list(_members(STRATEGY.parts, parameters._replace(seed=2)))


def test_more_members_leave_the_first_ones_as_they_were():
    few, many = (list(_members(STRATEGY.parts, STRATEGY.chosen({"members": count}))) for count in (2, 4))
    assert [one for nth, one in enumerate(many) if nth % 4 < 2] == few


def test_a_spread_that_no_draw_survives_is_refused():
    edge = Level(level=5.0)
    narrow = replace(LEVEL, check=lambda p: None if p == edge else "not the one")
    strategy = ensemble(name="edge", describe="", kinds=((narrow, edge),))
    with pytest.raises(ConfigError, match="narrow the spread"):
        fresh_memory(strategy, strategy.chosen({}))


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (replace(LEVEL, exposure=None, name="maker"), "maker has no exposure"),
        (replace(LEVEL, instruments=2), "2 instruments"),
        (replace(LEVEL, streams=("other",)), "listens to"),
        (pairs.STRATEGY, "no exposure"),
    ],
)
def test_what_cannot_vote_is_refused(member, why):
    with pytest.raises(ConfigError, match=why):
        ensemble(name="odd", describe="", kinds=((LEVEL, Level()), (member, member.parameters())))


def test_an_ensemble_of_nobody_is_refused():
    with pytest.raises(ConfigError, match="no members"):
        ensemble(name="nobody", describe="", kinds=())


def test_an_ensemble_may_be_a_member():
    nested = ensemble(name="nested", describe="", kinds=((BOTH, BOTH.chosen({"spread": 0, "members": 1})),))
    assert nested.signals == ("regime", "regime", "says")
    parameters = nested.chosen({"members": 1, "spread": 0})
    memory = fresh_memory(nested, parameters)
    assert memory.size == nested.state_size(parameters)
    assert np.count_nonzero(memory == 100.0) == 2  # the level of each member of the inner one


def test_the_code_covers_members_and_their_parameters():
    def code(kind):
        return ensemble(name="one", describe="", kinds=(kind,)).code

    trend = code((sma_trend.STRATEGY, sma_trend.Parameters()))
    assert trend == code((sma_trend.STRATEGY, sma_trend.Parameters()))
    assert trend != code((sma_trend.STRATEGY, sma_trend.Parameters(fast=21)))
    assert trend != code((donchian_breakout.STRATEGY, donchian_breakout.Parameters()))
