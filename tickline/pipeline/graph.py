"""Every stage of a universe, in an order in which each comes after what it needs."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from tickline.backtest.spec import StrategySpec
from tickline.errors import ConfigError
from tickline.lanes.spec import LaneSpec
from tickline.markets.spec import MappingSpec
from tickline.pipeline.allocations import allocation_stage
from tickline.pipeline.backtests import backtest_stages
from tickline.pipeline.bars import bar_stages
from tickline.pipeline.clean import clean_stages
from tickline.pipeline.clean_markets import clean_market_stages
from tickline.pipeline.identification import identification_stage
from tickline.pipeline.lanes import lane_stage
from tickline.pipeline.mapping import mapping_stage
from tickline.pipeline.markets import market_stages
from tickline.pipeline.raw import raw_stages
from tickline.pipeline.reference import reference_stages
from tickline.pipeline.signals import signal_stage
from tickline.pipeline.stage import Cadence, Stage
from tickline.reference.models import Venue
from tickline.reference.sessions import session_days
from tickline.signals.spec import SignalSet
from tickline.sizing.portfolio import PortfolioSpec
from tickline.universe import Universe


def stages(universe: Universe, *, today: date) -> list[Stage]:
    """The stages of every venue, then of every mapping, set of lanes, signal set, strategy and portfolio, up to the day
    before `today`."""
    of_venues = {name: venue_stages(universe, venue, today=today) for name, venue in universe.venues.items()}
    of_mappings = [pair_stage(universe, spec, today=today) for spec in universe.mappings.values()]
    of_lanes = [stage for spec in universe.lanes.values() for stage in found_stages(universe, spec, today=today)]
    of_sets = [set_stage(universe, declared, today=today) for declared in universe.signals.values()]
    of_strategies = [
        stage for spec in universe.strategies.values() for stage in strategy_stages(universe, spec, today=today)
    ]
    of_portfolios = [portfolio_stage(universe, spec, today=today) for spec in universe.portfolios.values()]
    between = of_mappings + of_lanes + of_sets + of_strategies + of_portfolios
    return [stage for of_venue in of_venues.values() for stage in of_venue] + between


def pair_stage(universe: Universe, spec: MappingSpec, *, today: date) -> Stage:
    """One mapping's stage over the UTC days both of its venues have."""
    left, right = universe.venues[spec.left], universe.venues[spec.right]
    days = shared_days(universe, [left, right], today=today)
    made = mapping_stage(spec, left, right, days, universe.decisions[spec.name])
    return replace(made, running=left.end is None and right.end is None)


def found_stages(universe: Universe, spec: LaneSpec, *, today: date) -> list[Stage]:
    """One set of lanes' stage over the UTC days all of its venues have, and the sample of what it found there."""
    venues = [universe.venues[name] for name in spec.venues]
    days = shared_days(universe, venues, today=today)
    made = [
        lane_stage(spec, venues, days),
        identification_stage(spec.name, days, spec.kpi.identification, universe.adjudications[spec.name]),
    ]
    return [replace(stage, running=all(venue.end is None for venue in venues)) for stage in made]


def shared_days(universe: Universe, venues: Iterable[Venue], *, today: date) -> tuple[date, ...]:
    """The UTC days that all of some venues have, increasing."""
    return tuple(sorted(set.intersection(*(set(days_of(universe, venue, today=today)) for venue in venues))))


def set_stage(universe: Universe, declared: SignalSet, *, today: date) -> Stage:
    """One signal set's stage over the session dates its venue's bars have."""
    venue = universe.venues[declared.venue]
    made = signal_stage(declared, venue, sorted(whole_sessions(universe, venue, today=today)))
    return replace(made, running=venue.end is None)


def strategy_stages(universe: Universe, spec: StrategySpec, *, today: date) -> list[Stage]:
    """One strategy's stages over the session dates its venue's bars have."""
    venue = universe.venues[spec.venue]
    made = backtest_stages(spec, venue, whole_sessions(universe, venue, today=today))
    return [replace(stage, running=venue.end is None) for stage in made]


def portfolio_stage(universe: Universe, spec: PortfolioSpec, *, today: date) -> Stage:
    """One portfolio's stage over the session dates its instruments' bars have."""
    venue = universe.venues[spec.venue]
    held = tuple(one for one in venue.instruments if one.name in spec.instruments)
    sessions = whole_sessions(universe, venue.model_copy(update={"instruments": held}), today=today)
    return replace(allocation_stage(spec, venue, tuple(sessions)), running=venue.end is None)


def whole_sessions(universe: Universe, venue: Venue, *, today: date) -> dict[date, tuple[date, ...]]:
    """The session dates of a venue that are over and lie within its start and end, with the UTC days they touch."""
    last = min(venue.end or today - timedelta(days=1), today - timedelta(days=1))
    return {
        session_date: days
        for session_date, days in session_days(venue, universe.calendars, venue.start, last).items()
        if venue.start <= min(days) and max(days) <= (venue.end or max(days)) and session_date <= last
    }


def venue_stages(universe: Universe, venue: Venue, *, today: date) -> list[Stage]:
    """One venue's stages.

    A UTC day exists once it is over, where some session touches it; a session date where all the UTC days its windows
    touch lie between the venue's start and end, once that date is over. What it trades past midnight UTC joins it
    with the day after.
    """
    days = days_of(universe, venue, today=today)
    whole = whole_sessions(universe, venue, today=today)
    made = [
        *reference_stages(universe, venue, days),
        *raw_stages(universe, venue, days),
        *market_stages(universe.calendars, venue, days),
        *clean_market_stages(venue, days),
        *clean_stages(universe, venue, days),
        *bar_stages(venue, whole, today=today),
    ]
    return [replace(stage, running=venue.end is None) for stage in made]


def days_of(universe: Universe, venue: Venue, *, today: date) -> tuple[date, ...]:
    """The UTC days of a venue that are over and that some session touches, increasing."""
    yesterday = today - timedelta(days=1)
    last = min(venue.end or yesterday, yesterday)
    touched = session_days(venue, universe.calendars, venue.start, last)
    return tuple(sorted({day for days in touched.values() for day in days if venue.start <= day <= last}))


def utc_days(graph: Iterable[Stage]) -> list[str]:
    """The UTC days some stage has a period of, sorted: those the marts are about."""
    return sorted({period for stage in graph if stage.cadence is Cadence.DAY for period in stage.periods})


def find(graph: list[Stage], venue: str, dataset: str) -> Stage:
    """The stage that makes a dataset of a venue. Raises ConfigError where none does."""
    for stage in graph:
        if stage.venue == venue and dataset in stage.datasets:
            return stage
    known = sorted({dataset for stage in graph if stage.venue == venue for dataset in stage.datasets})
    if not known:
        raise ConfigError(f"no venue {venue!r}; there are {', '.join(sorted({stage.venue for stage in graph}))}")
    raise ConfigError(f"venue {venue} has no dataset {dataset!r}; it has {', '.join(known)}")
