"""A portfolio as configuration declares it: what is held together, by which method it is weighed, and within what."""

from collections.abc import Container, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tickline.errors import ConfigError
from tickline.reference.loading import load_yaml
from tickline.reference.models import Declared, Name, Symbol, Venue
from tickline.sizing.allocation import FEWEST_ROWS, Method, require_suited

Leverage = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Money = Annotated[Decimal, Field(gt=0, le=Decimal("1e10"), allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class VolatilityTarget(Declared):
    """Exposure at which the weights would have had a volatility of `target` a year, over the last `window` returns.

    Without a window, over all of the lookback's.
    """

    target: Annotated[float, Field(gt=0, lt=10, allow_inf_nan=False)]
    window: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    max_leverage: Leverage = 1.0


class DrawdownCut(Declared):
    """Exposure of 1 up to a drawdown of `begin`, down to 0 at `end`, of what the weights would have made of 1 over the
    lookback."""

    begin: Share
    end: Share

    @model_validator(mode="after")
    def _in_order(self) -> "DrawdownCut":
        if not self.begin < self.end:
            raise ValueError(f"exposure is cut from a drawdown of {self.begin} to {self.end}: give the lower first")
        return self


class Caps(Declared):
    """The most one instrument may be: a share of capital, and an amount of it. What is cut stays cash."""

    weight: Leverage = 1.0
    notional: Money | None = None


class Overlays(Declared):
    """What the method's weights are scaled and cut by, in this order."""

    volatility: VolatilityTarget | None = None
    drawdown: DrawdownCut | None = None
    caps: Caps = Caps()


class PortfolioSpec(Declared):
    """Instruments of one venue and one calendar that are held together.

    At the regular close of each session they are weighed by the closes of bars of `timeframe` over the `lookback`
    sessions up to and including it. `capital` is in the currency the instruments are quoted in; `sessions_per_year`
    makes volatilities those of a year: 252 for equities, 365 for what never closes.
    """

    name: Name
    description: str = ""
    owner: str = "team:research"
    venue: Name
    instruments: Annotated[tuple[Symbol, ...], Field(min_length=1, max_length=256)]
    timeframe: Literal["1m", "5m", "15m", "1h", "4h", "1d"] = "1d"
    lookback: Annotated[int, Field(ge=1, le=1_000)]
    sessions_per_year: Annotated[float, Field(gt=0, le=366, allow_inf_nan=False)] = 252
    allocation: Method
    overlays: Overlays = Overlays()
    capital: Money = Decimal(100_000)

    @model_validator(mode="after")
    def _consistent(self) -> "PortfolioSpec":
        if len(set(self.instruments)) < len(self.instruments):
            raise ValueError("an instrument is named twice")
        if self.timeframe == "1d" and self.lookback <= FEWEST_ROWS:
            raise ValueError(
                f"{self.lookback} closes leave fewer than {FEWEST_ROWS} returns: "
                f"take a lookback above {FEWEST_ROWS}, or shorter bars"
            )
        return self

    @property
    def cap(self) -> float:
        """The most a weight may be, on either side."""
        caps = self.overlays.caps
        return caps.weight if caps.notional is None else min(caps.weight, float(caps.notional / self.capital))

    @property
    def max_exposure(self) -> float:
        """The most the method's weights may be scaled by."""
        target = self.overlays.volatility
        return 1.0 if target is None else target.max_leverage


def load_portfolios(folder: Path, venues: Mapping[str, Venue], taken: Container[str]) -> dict[str, PortfolioSpec]:
    """Every `NAME.yaml` in a folder as a portfolio, sorted by name; none where there is no such folder.

    `taken` are names that others of the configuration bear. Raises ConfigError, listing the problems of all files: one
    does not load, contradicts the venues, or its method does not suit its instruments.
    """
    found: dict[str, PortfolioSpec] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        try:
            spec = load_yaml(path, PortfolioSpec)
            _require_sound(path, spec, venues, taken)
            found[spec.name] = spec
        except ConfigError as error:
            problems.append(str(error) if str(error).startswith(str(path)) else f"{path}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def _require_sound(path: Path, spec: PortfolioSpec, venues: Mapping[str, Venue], taken: Container[str]) -> None:
    if path.name != f"{spec.name}.yaml":
        raise ConfigError(
            f"name: a portfolio's file is called after it (got {path.name!r}, expected '{spec.name}.yaml')"
        )
    if spec.name in venues or spec.name in taken:
        raise ConfigError(f"name: {spec.name!r} is taken; partitions are told apart by these names, choose another")
    if spec.venue not in venues:
        raise ConfigError(f"venue: no venue {spec.venue!r} is declared; there are {', '.join(venues)}")
    venue = venues[spec.venue]
    listed = {instrument.name: venue.calendar_of(instrument) for instrument in venue.instruments}
    unknown = [name for name in spec.instruments if name not in listed]
    if unknown:
        raise ConfigError(
            f"instruments: {spec.venue} does not list {', '.join(unknown)}; it lists {', '.join(sorted(listed))}"
        )
    calendars = sorted({listed[name] for name in spec.instruments})
    if len(calendars) > 1:
        raise ConfigError(
            f"instruments: they trade on {', '.join(calendars)} and close at different times; "
            "declare a portfolio for each calendar"
        )
    try:
        require_suited(spec.allocation, sorted(spec.instruments))
    except ConfigError as error:
        raise ConfigError(f"allocation: {error}") from error
