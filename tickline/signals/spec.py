"""A signal set as configuration declares it: features and labels of the bars of a venue, as columns."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field, field_validator

from tickline.errors import ConfigError
from tickline.lake.schemas import BARS, SESSIONS
from tickline.reference.loading import load_folder, not_listed
from tickline.reference.models import Declared, Name, Named, Symbol, Venue
from tickline.signals.features import FEATURES, FeatureSpec, Parameter
from tickline.signals.labellers import LABELLERS

OF_BARS = tuple(name for name, feature in FEATURES.items() if BARS.columns.keys() >= set(feature.reads))
"""The features that read nothing but bars."""

KEYS = ("instrument", "ts_close", "session_date", "segment")
"""What says which bar a signal is of."""

_TAKEN = frozenset(BARS.columns) | {"bid", "ask", "stream", "place", "session_close", "name", "value"}
_PRICES = ("open", "high", "low", "close")


class Column(Declared):
    """One output of a feature or labeller by name; parameters not given have their defaults."""

    of: str
    output: str = ""
    parameters: dict[str, Any] = Field(default={})

    @property
    def numbers(self) -> dict[str, float]:
        """Every parameter with its value. Raises ConfigError where one is unknown or out of bounds."""
        if self.of in FEATURES:
            return dict(FeatureSpec(self.of, self.parameters).parameters)
        known = LABELLERS[self.of].parameters
        if unknown := sorted(set(self.parameters) - {parameter.name for parameter in known}):
            raise ConfigError(f"labeller {self.of}: no parameter {', '.join(unknown)}; it has {_named(known)}")
        return {one.name: one.checked(self.parameters.get(one.name, one.default), self.of) for one in known}

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the feature or labeller says, of which a column is one."""
        return FEATURES[self.of].outputs if self.of in FEATURES else LABELLERS[self.of].outputs


class SignalSet(Named):
    """Columns of numbers known at the close of each bar of some instruments, made session by session.

    Each session is computed from the bars of `lookback` sessions before it and its own, so what needs longer to warm
    up is null at first, and averages without an end begin anew there. `prices` of `mids` are those between bid and ask,
    for venues without trades. Raises ValueError, as pydantic wants it, for unknown features, labellers, outputs or
    parameters.
    """

    description: str = ""
    owner: str = "team:research"
    venue: Name
    instruments: Annotated[tuple[Symbol, ...], Field(min_length=1, max_length=256)]
    timeframe: Literal["1m", "5m", "15m", "1h", "4h", "1d"] = "1m"
    segments: Annotated[tuple[Literal["pre", "regular", "post"], ...], Field(min_length=1)] = ("regular",)
    prices: Literal["trades", "mids"] = "trades"
    lookback: Annotated[int, Field(ge=0, le=1_000)] = 1
    columns: Annotated[dict[Name, Column], Field(min_length=1, max_length=64)]

    @field_validator("columns")
    @classmethod
    def _makeable(cls, columns: dict[str, Column]) -> dict[str, Column]:
        problems = []
        for name, column in columns.items():
            try:
                _require_makeable(name, column)
            except ConfigError as error:
                problems.append(f"{name}: {error}")
        if problems:
            raise ValueError("; ".join(problems))
        return columns

    @property
    def made_by(self) -> dict[str, Any]:
        """What decides the numbers, for staleness: each column with all its parameters, defaults included."""
        of_columns = {name: [one.of, one.output, one.numbers] for name, one in self.columns.items()}
        return self.model_dump(mode="json", exclude={"description", "owner", "columns"}) | {"columns": of_columns}

    @property
    def modules(self) -> list[str]:
        """The modules its features and labellers are in."""
        used = {one.of for one in self.columns.values()}
        return sorted(
            {FEATURES[name].batch.__module__ if name in FEATURES else LABELLERS[name].module for name in used}
        )


def signals(bars: pl.DataFrame, opens: pl.DataFrame, declared: SignalSet) -> pl.DataFrame:
    """KEYS of each bar and a Float64 column for each of the set's, from that bar and earlier ones of its instrument.

    `bars` are BARS, in any order, `opens` the SESSIONS of their calendar. Other instruments and segments than the set's
    are left out. What is not known is null.
    """
    own = pl.col("instrument").is_in(declared.instruments) & pl.col("segment").is_in(declared.segments)
    priced = _mids(bars.filter(own)) if declared.prices == "mids" else bars.filter(own)
    ordered = priced.sort("instrument", "ts_close").lazy()
    features = [_feature(column).alias(name) for name, column in declared.columns.items() if column.of not in LABELLERS]
    wide = ordered.select(*KEYS, *features)
    for (of, numbers), wanted in _labelled(declared.columns).items():
        said = LABELLERS[of].label(ordered, opens.lazy(), *numbers)
        outputs = [pl.col(output).alias(name) for name, output in wanted.items()]
        wide = wide.join(
            said.select("instrument", pl.col("ts").alias("ts_close"), *outputs),
            on=["instrument", "ts_close"],
            how="left",
            maintain_order="left",
        )
    values = [pl.col(name).cast(pl.Float64).fill_nan(None) for name in declared.columns]
    return wide.select(*KEYS, *values).collect()


def load_signals(folder: Path, venues: Mapping[str, Venue]) -> dict[str, SignalSet]:
    """Every signal set in a folder. Raises ConfigError as `load_folder` does, also where one contradicts the venues."""

    def objections(declared: SignalSet) -> Iterator[str]:
        missing = list(not_listed(declared.instruments, declared.venue, venues))
        yield from missing
        calendars = venues[declared.venue].calendars_of(declared.instruments) if not missing else []
        if len(calendars) > 1:
            yield f"instruments: they trade on {', '.join(calendars)}; give each calendar a set of its own"

    return load_folder(folder, SignalSet, objections)


def _require_makeable(name: str, column: Column) -> None:
    if name in _TAKEN:
        raise ConfigError("a bar has a column of that name; call it otherwise")
    if column.of not in (*OF_BARS, *LABELLERS):
        why = "reads more than bars" if column.of in FEATURES else "is no feature and no labeller"
        raise ConfigError(f"{column.of!r} {why}; there are {', '.join((*LABELLERS, *OF_BARS))}")
    if column.output not in column.outputs:
        said = f"name one of its outputs: {', '.join(column.outputs)}" if column.outputs != ("",) else "it has but one"
        raise ConfigError(f"{column.of} has no output {column.output!r}; {said}")
    numbers = column.numbers
    if column.of in LABELLERS:
        # Parameters that do not go together are found where they are used.
        LABELLERS[column.of].label(BARS.empty().lazy(), SESSIONS.empty().lazy(), *numbers.values())


def _feature(column: Column) -> pl.Expr:
    made = FeatureSpec(column.of, column.parameters).expressions()
    return made[column.outputs.index(column.output)]


def _labelled(columns: Mapping[str, Column]) -> dict[tuple[str, tuple[float, ...]], dict[str, str]]:
    """Which outputs to take as which columns, by labeller and parameters: each is run once."""
    wanted: dict[tuple[str, tuple[float, ...]], dict[str, str]] = defaultdict(dict)
    for name, column in columns.items():
        if column.of in LABELLERS:
            wanted[column.of, tuple(column.numbers.values())][name] = column.output
    return wanted


def _mids(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.with_columns(((pl.col(f"bid_{price}") + pl.col(f"ask_{price}")) / 2).alias(price) for price in _PRICES)


def _named(parameters: Iterable[Parameter]) -> str:
    return ", ".join(parameter.name for parameter in parameters)
