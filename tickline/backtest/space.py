"""Bounded parameters to search over: their grid, random sets of them, and the unit cube that every search moves in."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Annotated, Any, TypeAlias, get_type_hints

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tickline.errors import ConfigError
from tickline.reference.models import Declared

MOST_SETS = 1_000_000
"""The largest grid that is enumerated."""

Parameters: TypeAlias = Mapping[str, float]
"""A value for each parameter."""

Points: TypeAlias = npt.NDArray[np.float64]
"""Points of the unit cube, shape (sets, parameters)."""

_FINENESS = 2.0**40
"""How many steps a Real has, so that a value is the same one after going to the cube and back."""


@dataclass(frozen=True, slots=True)
class Integer:
    """Whole numbers from `low` in steps, up to at most `high`."""

    low: int
    high: int
    step: int = 1

    def __post_init__(self) -> None:
        if not (self.low <= self.high and self.step > 0):
            raise ConfigError(f"{self} holds no value; its low must not exceed its high, nor its step be below 1")

    def values(self) -> Sequence[int]:
        """Every value, ascending."""
        return range(self.low, self.high + 1, self.step)

    def at(self, place: float) -> int:
        """The value at a place from 0 to 1."""
        return self.values()[_level(place, len(self.values()))]

    def place(self, value: float) -> float:
        """The place from 0 to 1 of the value nearest to this one."""
        levels = len(self.values())
        return (min(max(round((value - self.low) / self.step), 0), levels - 1) + 0.5) / levels


@dataclass(frozen=True, slots=True)
class Real:
    """Numbers from `low` to `high`; where `log`, a place in the cube is one on the logarithms."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ConfigError(f"{self} holds no value; give finite bounds, the low one first")
        if self.log and self.low <= 0:
            raise ConfigError(f"{self} has no logarithm; give a low above 0 or leave out log")

    def values(self) -> Sequence[float]:
        """Raises ConfigError: a Real has too many."""
        raise ConfigError(f"{self} has no steps; list its values or search without a grid")

    def at(self, place: float) -> float:
        """The value at a place from 0 to 1."""
        place = round(place * _FINENESS) / _FINENESS
        low, high = self._scaled(self.low), self._scaled(self.high)
        value = low * (1.0 - place) + high * place
        return min(max(math.exp(value) if self.log else value, self.low), self.high)

    def place(self, value: float) -> float:
        """The place from 0 to 1 of the value nearest to this one."""
        if self.low == self.high:
            return 0.5
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(min(max(value, self.low), self.high)) - low) / (high - low)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values. Searches take values listed side by side for alike, so list them in order."""

    options: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.options or len(set(self.options)) < len(self.options):
            raise ConfigError(f"{self} must list one value or more, each once")

    def values(self) -> Sequence[float]:
        """Every value, as listed."""
        return self.options

    def at(self, place: float) -> float:
        """The value at a place from 0 to 1."""
        return self.options[_level(place, len(self.options))]

    def place(self, value: float) -> float:
        """The place from 0 to 1 of the value nearest to this one."""
        nearest = min(range(len(self.options)), key=lambda at: abs(self.options[at] - value))
        return (nearest + 0.5) / len(self.options)


Domain: TypeAlias = Integer | Real | Choice


@dataclass(frozen=True, slots=True)
class Space:
    """What each parameter may be. Columns of the unit cube are the parameters in order of their names.

    Raises ConfigError where there is no parameter.
    """

    domains: Mapping[str, Domain]

    def __post_init__(self) -> None:
        if not self.domains:
            raise ConfigError("nothing to search over; name one parameter or more")
        object.__setattr__(self, "domains", dict(sorted(self.domains.items())))

    @property
    def dimensions(self) -> int:
        """How many parameters there are."""
        return len(self.domains)

    def size(self) -> int:
        """How many sets the grid has. Raises ConfigError, naming the parameter, where one has no steps."""
        return math.prod(len(values) for values in self._levels().values())

    def grid(self, limit: int = MOST_SETS) -> Iterator[dict[str, float]]:
        """Every set of parameters, the last name's values changing fastest.

        Raises ConfigError where there are more than `limit`, or a parameter has no steps.
        """
        size = self.size()
        if size > limit:
            levels = " x ".join(f"{name} {len(values)}" for name, values in self._levels().items())
            raise ConfigError(
                f"the grid has {size:,} sets ({levels}), more than {limit:,}; widen steps or search at random"
            )
        return (dict(zip(self.domains, values, strict=True)) for values in product(*self._levels().values()))

    def random(self, count: int, *, seed: int) -> list[dict[str, float]]:
        """Sets drawn evenly over the cube; more drawn with the same seed begin with the same ones."""
        return self.decode(np.random.default_rng(seed).random((count, self.dimensions)))

    def encode(self, sets: Sequence[Parameters]) -> Points:
        """The places of sets in the unit cube."""
        places = [[domain.place(one[name]) for name, domain in self.domains.items()] for one in sets]
        return np.array(places, np.float64).reshape(len(sets), self.dimensions)

    def decode(self, points: Points) -> list[dict[str, float]]:
        """The sets at points of the unit cube; what lies outside is taken to its edge."""
        inside = np.clip(points, 0.0, 1.0).tolist()
        return [
            {name: domain.at(place) for (name, domain), place in zip(self.domains.items(), point, strict=True)}
            for point in inside
        ]

    def clip(self, parameters: Parameters) -> dict[str, float]:
        """The set nearest to this one that lies in the space."""
        return self.decode(self.encode([parameters]))[0]

    def described(self) -> dict[str, dict[str, Any]]:
        """The space in plain values: what a hash of it is taken of."""
        return {name: {"kind": type(domain).__name__} | asdict(domain) for name, domain in self.domains.items()}

    def _levels(self) -> dict[str, Sequence[float]]:
        levels = {}
        for name, domain in self.domains.items():
            try:
                levels[name] = domain.values()
            except ConfigError as error:
                raise ConfigError(f"parameter {name}: {error}") from error
        return levels


class Narrowing(Declared):
    """What a configuration says of one parameter: bounds within the model's own, or the values to try."""

    low: int | float | None = None
    high: int | float | None = None
    step: int | None = None
    log: bool | None = None
    values: tuple[int | float, ...] | None = None


def space_of(model: type, narrowing: Mapping[str, Mapping[str, Any]] | None = None) -> Space:
    """The space of a parameters model: a NamedTuple or pydantic model of numbers whose annotations bound them.

    `narrowing` names the parameters to search over, each with what it narrows: `{low: 5, high: 50, step: 5}`, `{low:
    0.1, high: 10, log: true}`, `{values: [1, 2, 5]}`, or `{}` for the model's own bounds. Without it every parameter
    that has bounds is searched. Raises ConfigError naming the parameter where it is not the model's, has no bounds, or
    is given values its own bounds refuse.
    """
    fields = _fields(model)
    unknown = sorted(set(narrowing or {}) - set(fields))
    if unknown:
        raise ConfigError(f"no parameter {', '.join(unknown)} in {model.__name__}; it has {', '.join(sorted(fields))}")
    if narrowing is None:
        narrowing = {
            name: {} for name, field in fields.items() if field.annotation is bool or None not in _bounds(field)
        }
    return Space({name: _domain(name, fields[name], said) for name, said in narrowing.items()})


def trial_id(parameters: Parameters) -> str:
    """The sha256 of a set of parameters in canonical JSON."""
    return hashlib.sha256(canonical(parameters)).hexdigest()


def canonical(value: Any) -> bytes:
    """Plain values as JSON with sorted keys: equal values are equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _fields(model: type) -> dict[str, FieldInfo]:
    if issubclass(model, BaseModel):
        return dict(model.model_fields)
    hints = get_type_hints(model, include_extras=True)
    return {name: FieldInfo.from_annotation(hint) for name, hint in hints.items()}


def _domain(name: str, field: FieldInfo, said: Mapping[str, Any]) -> Domain:
    try:
        return _narrowed(field, Narrowing.model_validate(dict(said)))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = "".join(f"{part}: " for part in detail["loc"])
        raise ConfigError(f"parameter {name}: {place}{detail['msg']} (got {detail['input']!r})") from error
    except ConfigError as error:
        raise ConfigError(f"parameter {name}: {error}") from error


def _narrowed(field: FieldInfo, said: Narrowing) -> Domain:
    """Raises ValidationError where the field refuses a value, ConfigError where no domain comes of it."""
    annotation: Any = Annotated[(field.annotation, None, *field.metadata)]  # Annotated takes no type alone
    own: TypeAdapter[Any] = TypeAdapter(annotation)
    if said.values is not None:
        if said.model_fields_set != {"values"}:
            raise ConfigError("values stand alone; leave out low, high, step and log")
        return Choice(tuple(own.validate_python(value, strict=True) for value in said.values))
    if field.annotation is bool:
        return Choice((False, True))
    if field.annotation not in (int, float):
        raise ConfigError(f"bounds are for int and float, not {field.annotation}; list its values")
    low, high = (
        own_ if set_ is None else set_ for own_, set_ in zip(_bounds(field), (said.low, said.high), strict=True)
    )
    if low is None or high is None:
        raise ConfigError("the model does not bound it; give low and high")
    low, high = (own.validate_python(edge, strict=True) for edge in (low, high))
    if field.annotation is float:
        if said.step is not None:
            raise ConfigError("steps are for whole numbers; list its values instead")
        return Real(low, high, bool(said.log))
    if said.log is not None:
        raise ConfigError("log is for real numbers; leave it out or list its values")
    multiples = [entry.multiple_of for entry in field.metadata if hasattr(entry, "multiple_of")]
    integer = Integer(int(low), int(high), said.step if said.step is not None else int(max(multiples, default=1)))
    for value in integer.values()[:2]:  # the step, too, must suit a multiple_of
        own.validate_python(value, strict=True)
    return integer


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """The least and the greatest value an annotation lets through; None where it does not say."""
    low: float | None = None
    high: float | None = None
    for entry in field.metadata:
        low, high = getattr(entry, "ge", low), getattr(entry, "le", high)
        if hasattr(entry, "gt"):
            low = entry.gt + 1 if field.annotation is int else math.nextafter(entry.gt, math.inf)
        if hasattr(entry, "lt"):
            high = entry.lt - 1 if field.annotation is int else math.nextafter(entry.lt, -math.inf)
    return low, high


def _level(place: float, levels: int) -> int:
    return min(int(place * levels), levels - 1)
