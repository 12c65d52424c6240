"""A portfolio as configuration declares it: what is held together, by which method it is weighed, and within what."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tickline.errors import ConfigError
from tickline.reference.loading import load_folder, not_listed
from tickline.reference.models import Declared, Money, Name, Named, Share, Symbol, Venue
from tickline.sizing.allocation import FEWEST_ROWS, Method, require_suited

Leverage = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


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


class PortfolioSpec(Named):
    """Instruments of one venue and one calendar that are held together.

    At the regular close of each session they are weighed by the closes of bars of `timeframe` over the `lookback`
    sessions up to and including it. `capital` is in the currency the instruments are quoted in; `sessions_per_year`
    makes volatilities those of a year: 252 for equities, 365 for what never closes.
    """

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


def load_portfolios(folder: Path, venues: Mapping[str, Venue]) -> dict[str, PortfolioSpec]:
    """Every portfolio in a folder.

    Raises ConfigError as `load_folder` does, also where one contradicts the venues, or its method does not suit its
    instruments.
    """

    def objections(spec: PortfolioSpec) -> Iterator[str]:
        missing = list(not_listed(spec.instruments, spec.venue, venues))
        yield from missing
        calendars = venues[spec.venue].calendars_of(spec.instruments) if not missing else []
        if len(calendars) > 1:
            yield (
                f"instruments: they trade on {', '.join(calendars)} and close at different times; "
                "declare a portfolio for each calendar"
            )
        try:
            require_suited(spec.allocation, sorted(spec.instruments))
        except ConfigError as error:
            yield f"allocation: {error}"

    return load_folder(folder, PortfolioSpec, objections)
