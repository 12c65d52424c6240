"""Venue, Instrument and FeeSchedule as configuration declares them. Calendars live in `calendars`."""

from collections import Counter
from collections.abc import Collection
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

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2200, 12, 31)
"""Times from the first to the last of these days fit nanoseconds with room to spare."""

Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
"""A date Tickline can speak of."""

GridStep = Annotated[Decimal, Field(ge=Decimal("1e-12"), le=Decimal("1e12"), allow_inf_nan=False)]
"""The distance between two prices or two sizes; what lies on it fits a bar's turnover, Decimal(38, 12)."""

FiniteDecimal = Annotated[Decimal, Field(allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Money = Annotated[Decimal, Field(gt=0, le=Decimal("1e10"), allow_inf_nan=False)]

Parameters = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], FiniteFloat]
"""Numbers the firewall's rules take, by name; an instrument's override its venue's."""


class Declared(BaseModel):
    """A frozen piece of configuration: unknown keys are refused, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(Declared):
    """What has a file of its own, called after it. No two of a configuration share a name: their partitions are told
    apart by it."""

    name: Name


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


class MarketFee(Declared):
    """What a prediction venue charges on some of its markets: those of the series and categories named, all without.

    `taker` and `maker` are shares: of the notional (bps), or of `(price * (1 - price)) ** exponent` a contract (curve).
    Each fill's fee is rounded to `places`, and cash floored to `balance_places` after it, where the venue does that.
    In force from `since`. See `tickline.markets.fees`.
    """

    kind: Literal["none", "bps", "curve"]
    taker: Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False)] = Decimal(0)
    maker: Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False)] = Decimal(0)
    exponent: Annotated[Decimal, Field(ge=0, le=4, allow_inf_nan=False)] = Decimal(1)
    rounding: Literal["up", "down", "half_up"] = "up"
    places: Annotated[int, Field(ge=0, le=12)] = 4
    balance_places: Annotated[int, Field(ge=0, le=12)] | None = None
    series: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    since: Day | None = None


class MarketRules(Declared):
    """What a prediction venue's listings must keep to.

    `widest_gap` is how far both bids of a market may lie above 1, or both asks below it, where each outcome has a book
    of its own: further apart is an error of the listing, not an opportunity. `rows` is the least a day lists.
    """

    widest_gap: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.1
    rows: Annotated[int, Field(ge=0)] = 1


class Instrument(Declared):
    """One tradable thing on one venue.

    `tick_size` and `lot_size` are the grid its prices and sizes lie on. `calendar` overrides the venue's.
    `parameters` override the firewall's parameters for this instrument alone.
    """

    name: Symbol
    kind: InstrumentKind
    base: str = ""
    quote: str
    tick_size: GridStep
    lot_size: GridStep
    calendar: str | None = None
    parameters: Parameters = Field(default={})


class SourceSpec(BaseModel):
    """Where a feed comes from: the kind of source, and that source's own settings (checked by the source)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the kind."""
        return dict(self.model_extra or {})


class Floors(Declared):
    """The least a partition with a regular session must hold to pass its checks.

    `rows` in all, `rows_each` for every instrument. Below `clean_ratio` (clean rows of raw ones, duplicates aside) or
    `coverage` (regular bar windows that have a bar) a partition passes with a warning.
    """

    rows: Annotated[int, Field(ge=0)] = 1
    rows_each: Annotated[int, Field(ge=0)] = 0
    clean_ratio: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.9995
    coverage: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0


class Venue(Named):
    """A place that publishes ticks: its calendar, instruments, fees and the source of each feed.

    `start` and `end` bound its partitions (UTC days for ticks, session dates for bars), both inclusive.
    `conditions` names the sale-condition table that says what a print may set. `poll` is what `tickline poll` asks of
    the venue for feeds that are captured (the settings of `ccxt_venue`). Of `market_fees` the first that is for a
    market applies; where none is, `fees` does. A venue that only lists markets has neither feeds nor instruments.
    """

    kind: VenueKind
    description: str = ""
    owner: str = "team:data"
    calendar: str
    start: Day
    end: Day | None = None
    feeds: dict[Feed, SourceSpec] = {}
    poll: dict[str, Any] | None = None
    markets: SourceSpec | None = None
    fees: FeeSchedule = FeeSchedule()
    market_fees: tuple[MarketFee, ...] = ()
    market_rules: MarketRules = MarketRules()
    floors: Floors = Floors()
    conditions: str | None = None
    parameters: Parameters = Field(default={})
    instruments: tuple[Instrument, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Venue":
        if not self.instruments and (self.feeds or self.markets is None):
            raise ValueError("no instruments: only a venue that lists markets and has no feeds does without")
        listed = Counter(instrument.name for instrument in self.instruments)
        twice = sorted(name for name, times in listed.items() if times > 1)
        if twice:
            raise ValueError(f"instruments listed twice: {', '.join(twice)}")
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        return self

    def calendar_of(self, instrument: Instrument) -> str:
        """The calendar an instrument trades on."""
        return instrument.calendar or self.calendar

    @property
    def calendars(self) -> list[str]:
        """The calendars its instruments trade on, sorted; its own where it has none."""
        return sorted({self.calendar_of(one) for one in self.instruments}) or [self.calendar]

    def calendars_of(self, names: Collection[Symbol]) -> list[str]:
        """The calendars that instruments of these names trade on, sorted."""
        return sorted({self.calendar_of(one) for one in self.instruments if one.name in names})


Severity = Literal["reject", "note"]
"""reject: the row is quarantined. note: the row stays clean and the finding is counted."""
