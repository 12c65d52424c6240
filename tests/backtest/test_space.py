"""Parameter spaces: their grid, random sets, the unit cube, and what a parameters model lets through."""

import hashlib
import json
from typing import Annotated, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tickline.backtest.space import Choice, Integer, Real, Space, space_of, trial_id
from tickline.errors import ConfigError

examples = settings(max_examples=60, deadline=None)


class Trend(NamedTuple):
    fast: Annotated[int, Field(ge=2, le=100)] = 10
    slow: Annotated[int, Field(gt=2, lt=500)] = 50
    atr: Annotated[float, Field(gt=0, le=10)] = 2.0
    band: Annotated[int, Field(ge=0, le=100, multiple_of=5)] = 5
    both_ways: bool = True
    cap: float = 1.0


class Band(BaseModel):
    window: int = Field(20, ge=5, le=200)
    width: float = Field(2.0, ge=0.5, le=4.0)


bounds = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted)
domains = st.one_of(
    st.builds(
        lambda low, span, step: Integer(low, low + span, step),
        st.integers(-99, 99),
        st.integers(0, 99),
        st.integers(1, 9),
    ),
    bounds.map(lambda edges: Real(*edges)),
    st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)).map(sorted).map(lambda edges: Real(*edges, log=True)),
    st.lists(st.integers(-9, 9), min_size=1, max_size=6, unique=True).map(lambda options: Choice(tuple(options))),
)
spaces = st.dictionaries(st.sampled_from("abcd"), domains, min_size=1).map(Space)


def holds(domain, value):
    if isinstance(domain, Real):
        return isinstance(value, float) and domain.low <= value <= domain.high
    return value in list(domain.values())


@examples
@given(space=spaces, seed=st.integers(0, 2**32))
def test_any_point_decodes_into_the_space_and_its_set_survives_the_way_to_the_cube_and_back(space, seed):
    points = np.random.default_rng(seed).normal(0.5, 1.0, (8, space.dimensions))
    sets = space.decode(points)
    assert all(holds(domain, one[name]) for one in sets for name, domain in space.domains.items())
    places = space.encode(sets)
    assert ((places >= 0) & (places <= 1)).all()
    assert space.decode(places) == sets


@given(low=st.integers(-5, 5), span=st.integers(0, 12), step=st.integers(1, 4))
def test_even_places_reach_every_whole_number_equally_often(low, span, step):
    space = Space({"n": Integer(low, low + span, step)})
    levels = len(range(low, low + span + 1, step))
    drawn = [one["n"] for one in space.decode((np.arange(levels * 10)[:, None] + 0.5) / (levels * 10))]
    assert drawn == [value for value in range(low, low + span + 1, step) for _ in range(10)]


def test_the_ends_of_the_cube_are_the_ends_of_the_bounds():
    space = Space({"a": Integer(3, 9, 3), "b": Real(-2.5, 7.5), "c": Real(0.01, 100.0, log=True), "d": Choice((5, 1))})
    low, middle, high = space.decode(np.array([[0.0] * 4, [0.5] * 4, [1.0] * 4]))
    assert low == {"a": 3, "b": -2.5, "c": pytest.approx(0.01), "d": 5}
    assert middle == {"a": 6, "b": 2.5, "c": pytest.approx(1.0), "d": 1}
    assert high == {"a": 9, "b": 7.5, "c": pytest.approx(100.0), "d": 1}


def test_the_grid_has_every_set_once_in_a_fixed_order():
    space = Space({"slow": Choice((20, 10)), "fast": Integer(1, 6, 2)})
    assert space.size() == 6
    assert [(one["fast"], one["slow"]) for one in space.grid()] == [
        (1, 20),
        (1, 10),
        (3, 20),
        (3, 10),
        (5, 20),
        (5, 10),
    ]


def test_a_grid_too_large_is_refused_at_once_with_its_size():
    space = Space({"fast": Integer(1, 10**12), "slow": Integer(1, 10)})
    with pytest.raises(
        ConfigError, match=r"10,000,000,000,000 sets \(fast 1000000000000 x slow 10\), more than 1,000,000"
    ):
        space.grid()
    with pytest.raises(ConfigError, match=r"20 sets .* more than 19"):
        Space({"n": Integer(1, 20)}).grid(limit=19)


def test_a_grid_over_reals_names_the_parameter_without_steps():
    with pytest.raises(ConfigError, match=r"parameter atr: .* no steps"):
        Space({"atr": Real(1, 2), "fast": Integer(1, 2)}).size()


def test_random_sets_depend_on_the_seed_alone_and_more_begin_with_the_same():
    space = Space({"b": Real(0, 1), "a": Integer(1, 1000)})
    assert space.random(5, seed=7) == space.random(9, seed=7)[:5]
    assert space.random(5, seed=7) != space.random(5, seed=8)


def test_clipping_takes_a_set_to_the_nearest_in_the_space():
    space = Space({"n": Integer(5, 50, 5), "x": Real(0.0, 1.0), "c": Choice((1, 10))})
    assert space.clip({"n": 13, "x": 1.5, "c": 4}) == {"n": 15, "x": 1.0, "c": 1}
    assert space.clip({"n": 999, "x": -1.0, "c": 99}) == {"n": 50, "x": 0.0, "c": 10}


def test_an_id_is_the_sha256_of_canonical_json():
    parameters = {"slow": 50, "atr": 2.5}
    text = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    assert trial_id(parameters) == hashlib.sha256(text.encode()).hexdigest()
    assert trial_id(parameters) == trial_id(dict(reversed(parameters.items())))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Integer(5, 4),
        lambda: Integer(1, 4, 0),
        lambda: Real(2.0, 1.0),
        lambda: Real(0.0, float("inf")),
        lambda: Real(float("nan"), 1.0),
        lambda: Real(0.0, 1.0, log=True),
        lambda: Choice(()),
        lambda: Choice((1, 1.0)),
        lambda: Space({}),
    ],
)
def test_what_holds_no_value_or_one_twice_is_refused(make):
    with pytest.raises(ConfigError):
        make()


def test_without_a_narrowing_every_bounded_parameter_is_searched_over_the_models_own_bounds():
    domains = space_of(Trend).domains
    assert set(domains) == {"fast", "slow", "atr", "band", "both_ways"}  # cap has no bounds
    assert domains["fast"] == Integer(2, 100)
    assert domains["slow"] == Integer(3, 499)
    assert 0 < domains["atr"].low < 1e-300
    assert domains["both_ways"] == Choice((False, True))
    assert space_of(Band).domains == {"width": Real(0.5, 4.0), "window": Integer(5, 200)}


def test_a_narrowing_says_which_parameters_are_searched_and_within_what():
    space = space_of(
        Trend,
        {
            "fast": {"low": 5, "high": 50, "step": 5},
            "slow": {"high": 100},
            "atr": {"low": 1, "high": 4, "log": True},
            "band": {"values": [5, 10, 50]},
            "cap": {"low": 0.5, "high": 2},
            "both_ways": {},
        },
    )
    assert space.domains == {
        "fast": Integer(5, 50, 5),
        "slow": Integer(3, 100),
        "atr": Real(1.0, 4.0, log=True),
        "band": Choice((5, 10, 50)),
        "cap": Real(0.5, 2.0),
        "both_ways": Choice((False, True)),
    }
    assert all(isinstance(edge, float) for edge in (space.domains["atr"].low, space.domains["cap"].high))


@pytest.mark.parametrize(
    ("narrowing", "message"),
    [
        ({"fast": {"low": 1}}, r"parameter fast: .*greater than or equal to 2 \(got 1\)"),
        ({"fast": {"high": 101}}, r"parameter fast: .*less than or equal to 100 \(got 101\)"),
        ({"fast": {"low": 5.5}}, r"parameter fast: .*integer.*5\.5"),
        ({"fast": {"low": 60, "high": 50}}, "parameter fast: .*holds no value"),
        ({"fast": {"values": [5, 101]}}, r"parameter fast: .*got 101"),
        ({"fast": {"values": [5], "low": 2}}, "parameter fast: values stand alone"),
        ({"fast": {"log": True}}, "parameter fast: log is for real"),
        ({"fast": {"step": 0}}, "parameter fast: .*step"),
        ({"fast": {"from": 5}}, "parameter fast: from: "),
        ({"band": {"step": 3}}, "parameter band: .*multiple of 5"),
        ({"atr": {"low": 0}}, "parameter atr: .*greater than 0"),
        ({"atr": {"step": 1}}, "parameter atr: steps are for whole numbers"),
        ({"cap": {"low": 1}}, "parameter cap: the model does not bound it"),
        ({"cap": {"low": 1, "high": float("inf")}}, "parameter cap: .*finite"),
        ({"quick": {}}, r"no parameter quick in Trend; it has atr, band"),
        ({}, "nothing to search over"),
    ],
)
def test_what_the_model_refuses_is_refused_by_the_parameters_name(narrowing, message):
    with pytest.raises(ConfigError, match=message):
        space_of(Trend, narrowing)
