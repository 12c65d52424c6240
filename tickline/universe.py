"""Everything a configuration folder declares, loaded and checked together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tickline.backtest.spec import StrategySpec, load_strategies
from tickline.errors import ConfigError
from tickline.lake.retention import RetentionPolicy
from tickline.lanes.spec import LaneSpec, adjudications_path, load_lanes
from tickline.markets.spec import MappingSpec, decisions_path, load_mappings
from tickline.reference.calendars import SessionCalendar, load_calendars
from tickline.reference.loading import Layout, load_layout, load_venues, load_yaml
from tickline.reference.models import Venue
from tickline.signals.spec import SignalSet, load_signals
from tickline.sizing.portfolio import PortfolioSpec, load_portfolios
from tickline.ticks.conditions import Conditions, load_conditions
from tickline.ticks.rules import RuleSet, load_rules


@dataclass(frozen=True, slots=True)
class Universe:
    """What Tickline is told to collect, by which rules it judges it, and what it trades and holds on it."""

    venues: dict[str, Venue]
    calendars: dict[str, SessionCalendar]
    rules: RuleSet
    conditions: dict[str, Conditions]
    retention: RetentionPolicy
    signals: dict[str, SignalSet]
    strategies: dict[str, StrategySpec]
    portfolios: dict[str, PortfolioSpec]
    mappings: dict[str, MappingSpec]
    decisions: dict[str, Path]
    """The file of what people decided about the pairs of each mapping."""
    lanes: dict[str, LaneSpec]
    adjudications: dict[str, Path]
    """The file of what people said of opportunities that each set of lanes found."""


def load_universe(folder: Path) -> Universe:
    """Load a configuration folder (`tickline.yaml` names its parts).

    Raises ConfigError naming the file, the path inside it and the reason.
    """
    layout = load_layout(folder)
    calendars = load_calendars(layout.calendars)
    venues = load_venues(layout.venues, calendars)
    mappings = load_mappings(layout.mappings, venues)
    lanes = load_lanes(layout.lanes, venues, mappings)
    universe = Universe(
        venues=venues,
        calendars=calendars,
        rules=load_rules(layout.rules),
        conditions=load_conditions(layout.conditions),
        retention=load_yaml(layout.retention, RetentionPolicy),
        signals=load_signals(layout.signals, venues),
        strategies=load_strategies(layout.strategies, venues),
        portfolios=load_portfolios(layout.portfolios, venues),
        mappings=mappings,
        decisions={name: decisions_path(layout.mappings, name) for name in mappings},
        lanes=lanes,
        adjudications={name: adjudications_path(layout.lanes, name) for name in lanes},
    )
    problems = list(_names_taken(layout, universe))
    problems += [
        f"{layout.venues / name}.yaml: {problem}"
        for name, venue in universe.venues.items()
        for problem in _contradictions(venue, universe)
    ]
    problems += [
        f"{layout.strategies / name}.yaml: {problem}"
        for name, spec in universe.strategies.items()
        for problem in _signals_amiss(spec, universe.signals)
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    return universe


def _names_taken(layout: Layout, universe: Universe) -> Iterator[str]:
    """Which names are used twice, by the file of the second."""
    taken: dict[str, Path] = {}
    for part in ("venues", "signals", "strategies", "portfolios", "mappings", "lanes"):
        for name in getattr(universe, part):
            path = getattr(layout, part) / f"{name}.yaml"
            if name in taken:
                yield f"{path}: name: {name!r} is that of {taken[name]}; partitions are told apart by these names"
            taken.setdefault(name, path)


def _contradictions(venue: Venue, universe: Universe) -> Iterator[str]:
    """What a venue's file says that the rules and sale conditions do not know, by the place in the file."""
    parameters = universe.rules.parameters
    if venue.conditions is not None and venue.conditions not in universe.conditions:
        there = ", ".join(universe.conditions)
        yield f"conditions: no such table is declared (got {venue.conditions!r}); there are {there}"
    for name, reason in parameters.objections(venue.parameters):
        yield f"parameters.{name}: {reason}"
    for instrument in venue.instruments:
        for name, reason in parameters.objections(instrument.parameters):
            yield f"instruments.{instrument.name}.parameters.{name}: {reason}"


def _signals_amiss(spec: StrategySpec, sets: Mapping[str, SignalSet]) -> Iterator[str]:
    """Why a strategy would not get the signals it reads."""
    wanted, there = spec.strategy.signals, ", ".join(sets) or "none; add one as signals/NAME.yaml"
    if spec.signals is None:
        if wanted:
            yield f"signals: {spec.strategy.name} reads {', '.join(wanted)}; name a set that has them of {there}"
    elif spec.signals not in sets:
        yield f"signals: no signal set {spec.signals!r} is declared; there are {there}"
    else:
        declared = sets[spec.signals]
        if missing := [name for name in wanted if name not in declared.columns]:
            has = ", ".join(declared.columns)
            yield f"signals: {declared.name} lacks {', '.join(missing)}, which {spec.strategy.name} reads; it has {has}"
        if declared.venue != spec.venue or not set(spec.instruments) <= set(declared.instruments):
            covered = f"{', '.join(declared.instruments)} of {declared.venue}"
            yield f"signals: {declared.name} is of {covered} alone; widen it, or name another set"
