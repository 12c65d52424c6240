"""Firewall rules and their parameters as configuration declares them, checked against the columns they judge."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

import polars as pl
from pydantic import Field, model_validator

from tickline.errors import FirewallError
from tickline.lake.schemas import RAW, Feed
from tickline.reference.loading import load_yaml
from tickline.reference.models import Declared, FiniteFloat, Instrument, Name, Severity, Venue, VenueKind
from tickline.ticks.language import Expression, Kind, parse
from tickline.ticks.scans import MAX_CONFIRM

Numbers = dict[str, FiniteFloat]

Scan = Literal["sessions", "repeats", "order", "jumps", "frozen", "book_chain", "book_cross"]

SCANS: dict[Scan, tuple[frozenset[Feed], frozenset[str]]] = {
    "sessions": (frozenset({Feed.TRADES, Feed.QUOTES}), frozenset()),
    "repeats": (frozenset(Feed), frozenset()),
    "order": (frozenset({Feed.TRADES, Feed.QUOTES}), frozenset({"order_tolerance_s", "order_confirm"})),
    "jumps": (frozenset({Feed.TRADES, Feed.QUOTES}), frozenset({"jump_ratio", "jump_floor", "jump_confirm"})),
    "frozen": (frozenset({Feed.QUOTES}), frozenset({"frozen_rows", "frozen_s"})),
    "book_chain": (frozenset({Feed.BOOK}), frozenset()),
    "book_cross": (frozenset({Feed.BOOK}), frozenset()),
}
"""The rules that need more than one row: the feeds each can judge and the parameters it reads."""

_CONFIRM, _SPAN, _COUNT = (1, MAX_CONFIRM), (0, 1e9), (1, 1e9)
LIMITS = {
    "order_confirm": _CONFIRM,
    "jump_confirm": _CONFIRM,
    "order_tolerance_s": _SPAN,
    "frozen_s": _SPAN,
    "silence_s": _SPAN,
    "frozen_rows": _COUNT,
}
"""Between what a scan's parameters must lie: so many rows it may hold, and thirty years of seconds fit nanoseconds."""

GAP_PARAMETERS = frozenset({"consecutive_seq", "seq_over_midnight", "silence_s"})

INSTRUMENT_NUMBERS = ("tick_size", "lot_size", "known", "midnight")
"""What expressions may read besides columns and parameters. `known` is 0 for an instrument the venue does not list,
`midnight` the Unix time at which the judged day begins."""


def kinds(feed: Feed) -> dict[str, Kind]:
    """The columns of a feed's raw rows and what each is to the rule language."""
    return {name: _kind(dtype) for name, dtype in RAW[feed].columns.items()}


def _kind(dtype: pl.DataType) -> Kind:
    if isinstance(dtype, pl.Datetime):
        return Kind.TIME
    return Kind.TEXT if isinstance(dtype, pl.String) else Kind.NUMBER


class Rule(Declared):
    """One way a row can be wrong: a condition on the row (`when`), or a named scan over its neighbours.

    `reason` is the sentence kept with a refused row; `{name}` stands for a column, number or parameter.
    """

    name: Name
    feeds: Annotated[tuple[Feed, ...], Field(min_length=1)]
    severity: Severity = "reject"
    when: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    scan: Scan | None = None
    reason: Annotated[str, Field(min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _one_way(self) -> "Rule":
        if (self.when is None) == (self.scan is None):
            raise ValueError(f"rule {self.name}: say either `when` or `scan`")
        if self.scan is not None:
            unfit = sorted(set(self.feeds) - SCANS[self.scan][0])
            if unfit:
                raise ValueError(f"rule {self.name}: scan {self.scan} cannot judge {', '.join(unfit)}")
            if self.severity != "reject":
                raise ValueError(f"rule {self.name}: a scan can only reject")
        return self

    def placeholders(self) -> tuple[tuple[str, str | None], ...]:
        """The reason as pairs of literal text and the name that follows it."""
        try:
            return tuple((text, name) for text, name, _, _ in Formatter().parse(self.reason))
        except ValueError as error:
            raise FirewallError(f"rule {self.name}: reason {self.reason!r}: {error}") from None


class Parameters(Declared):
    """Thresholds, weakest first: `default`, the feed's, the venue kind's. Venue and instrument override them."""

    default: Numbers
    feeds: dict[Feed, Numbers] = Field(default_factory=dict)
    kinds: dict[VenueKind, Numbers] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _declared(self) -> "Parameters":
        for place, numbers in (*self.feeds.items(), *self.kinds.items()):
            unknown = sorted(numbers.keys() - self.default.keys())
            if unknown:
                raise ValueError(f"{place}: {', '.join(unknown)} has no default")
        for level, numbers in (("default", self.default), *self.feeds.items(), *self.kinds.items()):
            for name, reason in self.objections(numbers):
                raise ValueError(f"{level}: {name} {reason}")
        return self

    def objections(self, own: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        """Each of a venue's or an instrument's own parameters that cannot be, and why."""
        for name, value in own.items():
            least, most = LIMITS.get(name, (-math.inf, math.inf))
            if name not in self.default:
                yield name, f"is no parameter of a rule; there are {', '.join(sorted(self.default))}"
            elif not least <= value <= most:
                yield name, f"must lie from {least} to {most:g} (got {value:g})"


class RuleSet(Declared):
    """All rules in order of priority (the first that fires names the row) and their parameters."""

    parameters: Parameters
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=250)]

    @model_validator(mode="after")
    def _fits(self) -> "RuleSet":
        shadowed = sorted(self.parameters.default.keys() & {*INSTRUMENT_NUMBERS, *(n for f in Feed for n in kinds(f))})
        if shadowed:
            raise ValueError(f"parameter {', '.join(shadowed)} would hide a column or number of that name")
        missing = sorted(GAP_PARAMETERS - self.parameters.default.keys())
        if missing:
            raise ValueError(f"parameters.default lacks {', '.join(missing)}")
        for feed in Feed:
            self._fits_feed(feed)
        return self

    def _fits_feed(self, feed: Feed) -> None:
        rules = self.of(feed)
        twice = sorted({rule.name for rule in rules if [r.name for r in rules].count(rule.name) > 1})
        if twice:
            raise ValueError(f"rules listed twice for {feed}: {', '.join(twice)}")
        known = self.kinds(feed)
        scanning = ""
        for rule in rules:
            if rule.scan is None and scanning:
                raise ValueError(f"rule {rule.name} follows the scan {scanning}; scans come last")
            scanning = rule.name if rule.scan else ""
            lacking = sorted(SCANS[rule.scan][1] - self.parameters.default.keys()) if rule.scan else []
            if lacking:
                raise ValueError(f"rule {rule.name}: parameters.default lacks {', '.join(lacking)}")
            try:
                if rule.when is not None:
                    self.condition(rule, feed)
                unknown = sorted({name for _, name in rule.placeholders() if name is not None} - known.keys())
            except FirewallError as error:
                raise ValueError(str(error)) from None
            if unknown:
                raise ValueError(f"rule {rule.name}: the reason names {', '.join(unknown)}, unknown for {feed}")
        scans = [rule.scan for rule in rules]
        if "book_cross" in scans and "book_chain" not in scans[: scans.index("book_cross")]:
            raise ValueError("the scan book_cross needs a rule with the scan book_chain before it")

    def of(self, feed: Feed) -> tuple[Rule, ...]:
        """The rules that judge a feed, in order."""
        return tuple(rule for rule in self.rules if feed in rule.feeds)

    def kinds(self, feed: Feed) -> dict[str, Kind]:
        """Every name a rule on a feed may use."""
        numbers = (*INSTRUMENT_NUMBERS, *self.parameters.default)
        return kinds(feed) | dict.fromkeys(numbers, Kind.NUMBER)

    def condition(self, rule: Rule, feed: Feed) -> Expression:
        """A rule's `when`, checked against a feed. Raises FirewallError."""
        if rule.when is None:
            raise FirewallError(f"rule {rule.name} is the scan {rule.scan}, it has no condition")
        return parse(rule.when, self.kinds(feed), place=f"rule {rule.name} on {feed}")

    def numbers(self, feed: Feed, venue: Venue, instrument: Instrument | None) -> dict[str, float]:
        """The instrument's numbers and parameters by name; NaN grids and `known` 0 for an unlisted instrument.

        Raises FirewallError where the venue or instrument overrides a parameter that does not exist, or by a value
        outside its LIMITS; loading a universe refuses such a venue.
        """
        own = instrument.parameters if instrument else {}
        for name, reason in self.parameters.objections({**venue.parameters, **own}):
            where = f"venue {venue.name}" + (f", instrument {instrument.name}" if instrument else "")
            raise FirewallError(f"{where}: {name} {reason}")
        return {
            **self.parameters.default,
            **self.parameters.feeds.get(feed, {}),
            **self.parameters.kinds.get(venue.kind, {}),
            **venue.parameters,
            **own,
            "tick_size": float(instrument.tick_size) if instrument else float("nan"),
            "lot_size": float(instrument.lot_size) if instrument else float("nan"),
            "known": float(instrument is not None),
        }


def load_rules(path: Path) -> RuleSet:
    """Read the rules of a `rules.yaml`.

    Raises ConfigError naming the file, the line and the rule where one is not well-formed or does not fit its feed.
    """
    return load_yaml(path, RuleSet)
