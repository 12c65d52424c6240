"""Venue, Instrument and FeeSchedule as configuration declares them. Calendars live in `calendars`."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tickline.lake.schemas import Feed

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""A venue's or calendar's name: it becomes an asset key, so it is short and plain."""

Symbol = Annotated[str, Field(min_length=1, max_length=120)]
"""An instrument as its venue spells it. Any text: it never becomes a path except through the codec."""

PositiveDecimal = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
FiniteDecimal = Annotated[Decimal, Field(allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


class Declared(BaseModel):
    """A frozen piece of configuration: unknown keys are refused, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VenueKind(StrEnum):
    """What is traded on a venue."""

    CRYPTO = "crypto"
    EQUITY = "equity"
    FX = "fx"
    PREDICTION = "prediction"


class InstrumentKind(StrEnum):
    """What an instrument is."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    EQUITY = "equity"
    FX = "fx"
    OUTCOME = "outcome"


class FeeSchedule(Declared):
    """What a venue charges on a trade's notional, in basis points, before any venue-specific curve."""

    maker_bps: FiniteDecimal = Decimal(0)
    taker_bps: FiniteDecimal = Decimal(0)


class Instrument(Declared):
    """One tradable thing on one venue.

    `tick_size` and `lot_size` are the grid its prices and sizes lie on. `calendar` overrides the venue's.
    `parameters` override the firewall's parameters for this instrument alone.
    """

    name: Symbol
    kind: InstrumentKind
    base: str = ""
    quote: str
    tick_size: PositiveDecimal
    lot_size: PositiveDecimal
    calendar: str | None = None
    parameters: dict[str, FiniteFloat] = {}


class SourceSpec(BaseModel):
    """Where a feed comes from: the kind of source, and that source's own settings (checked by the source)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the kind."""
        return dict(self.model_extra or {})


class Venue(Declared):
    """A place that publishes ticks: its calendar, instruments, fees and the source of each feed.

    `start` and `end` bound its partitions (UTC days for ticks, session dates for bars), both inclusive.
    `conditions` names the sale-condition table that says what a print may set.
    """

    name: Name
    kind: VenueKind
    description: str = ""
    owner: str = "team:data"
    calendar: str
    start: date
    end: date | None = None
    feeds: dict[Feed, SourceSpec]
    markets: SourceSpec | None = None
    fees: FeeSchedule = FeeSchedule()
    conditions: str | None = None
    parameters: dict[str, FiniteFloat] = {}
    instruments: Annotated[tuple[Instrument, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> "Venue":
        names = [instrument.name for instrument in self.instruments]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"instruments listed twice: {', '.join(twice)}")
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        return self

    def calendar_of(self, instrument: Instrument) -> str:
        """The calendar an instrument trades on."""
        return instrument.calendar or self.calendar


Severity = Literal["reject", "note"]
"""reject: the row is quarantined. note: the row stays clean and the finding is counted."""
