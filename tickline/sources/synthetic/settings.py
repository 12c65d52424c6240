"""What a synthetic source is told: how each instrument moves and trades, and which faults to inject."""

from typing import Annotated, TypeVar

from pydantic import AwareDatetime, Field, NonNegativeFloat, PositiveFloat, ValidationError

from tickline.errors import ConfigError
from tickline.reference.models import Declared, SourceSpec, Symbol

D = TypeVar("D", bound=Declared)

Share = Annotated[float, Field(ge=0, le=1)]


class Shift(Declared):
    """A lasting change of level that is true: from `at` on the price is `factor` times what it would have been.

    For an outcome the factor applies to its odds.
    """

    at: AwareDatetime
    factor: PositiveFloat


class Process(Declared):
    """How one instrument moves and trades.

    `level` is its price at the start of the venue's first day and `volatility` the daily standard deviation of the
    logarithm of its price (of its odds, for an outcome). Instruments of one seed that name the same `path` follow
    it together, each with a deviation of its own (`basis`, a standard deviation within the day); an `opposite` one
    follows it downside up. Rates are for an hour of the regular segment. `spread_ticks` is the usual spread, sizes
    are medians, and `depth` is the number of levels on each side of its book, 0 for no book.
    """

    level: PositiveFloat
    volatility: NonNegativeFloat
    path: str | None = None
    opposite: bool = False
    basis: NonNegativeFloat = 0.0
    quotes_per_hour: PositiveFloat
    trades_per_hour: NonNegativeFloat = 0.0
    spread_ticks: Annotated[float, Field(ge=1)] = 1.0
    quote_size: PositiveFloat = 1.0
    trade_size: PositiveFloat = 1.0
    depth: Annotated[int, Field(ge=0, le=50)] = 0
    shifts: tuple[Shift, ...] = ()


class Condition(Declared):
    """A sale condition: the share of prints that carry it, and how far from the market they are, as a part of it."""

    share: Share
    away: Annotated[float, Field(gt=-1, lt=1)] = 0.0


class Settings(Declared):
    """Everything a synthetic feed depends on besides its venue and the day.

    `processes` has one entry for each instrument of the venue. `faults` are rates by rule name: the share of the
    feed's rows (messages, for a book) that the rule is right to refuse, or for `sequence_gap` the share that never
    arrives. `extended` is the sale condition of prints in a pre or post segment.
    """

    seed: int
    processes: dict[Symbol, Process]
    latency_ms: PositiveFloat = 8.0
    conditions: dict[str, Condition] = Field(default_factory=dict)
    extended: str | None = None
    exchanges: tuple[str, ...] = ()
    faults: dict[str, Annotated[float, Field(ge=0, le=0.05)]] = Field(default_factory=dict)


def validated(model: type[D], spec: SourceSpec, *, place: str) -> D:
    """A source's settings as a model. Raises ConfigError naming the place and whatever is wrong."""
    try:
        return model.model_validate(spec.settings)
    except ValidationError as error:
        reasons = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
        raise ConfigError(f"{place}: {'; '.join(reasons)}") from error
