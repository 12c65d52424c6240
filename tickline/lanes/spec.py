"""Lanes as configuration declares them: which venues and mappings they look at, and within what they may act."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tickline.kpi.targets import LaneTargets
from tickline.lanes.expected import EntryPrior
from tickline.lanes.gates import GateSettings
from tickline.lanes.model import Lane
from tickline.lanes.paper_spec import PaperSettings
from tickline.lanes.pricing import PricingSettings
from tickline.lanes.scheduler_spec import SchedulerSettings
from tickline.markets.spec import MappingSpec, lists_no_markets
from tickline.reference.loading import load_folder
from tickline.reference.models import Money, Name, Named, Venue
from tickline.sizing.stake import StakeSettings


class LaneSpec(Named):
    """Lanes over some prediction venues and the mappings between them.

    Quotes are looked at every `every_s` seconds of a recorded day. What legs slip, and how often they are filled, is
    learned from the paper trades of the `learned_days` before; `entry` is believed of a lane until it has its own.
    `clusters` name events (as `tickline kpi` names them) that move together, for the caps of a cluster.
    """

    description: str = ""
    owner: str = "team:markets"
    venues: Annotated[tuple[Name, ...], Field(min_length=1)]
    mappings: tuple[Name, ...] = ()
    lanes: Annotated[tuple[Lane, ...], Field(min_length=1)] = tuple(Lane)
    every_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    capital: Money = Decimal(10_000)
    clusters: dict[Name, tuple[str, ...]] = Field(default={})
    pricing: PricingSettings = PricingSettings()
    gates: GateSettings = GateSettings()
    stake: StakeSettings = StakeSettings()
    paper: PaperSettings = PaperSettings()
    entry: EntryPrior = EntryPrior()
    learned_days: Annotated[int, Field(ge=1, le=90)] = 7
    scheduler: SchedulerSettings = SchedulerSettings()
    kpi: LaneTargets = LaneTargets()


def load_lanes(folder: Path, venues: Mapping[str, Venue], mappings: Mapping[str, MappingSpec]) -> dict[str, LaneSpec]:
    """Every set of lanes in a folder.

    Raises ConfigError as `load_folder` does, also where one names a venue without markets, or a mapping that is not
    declared or is of other venues.
    """
    return load_folder(folder, LaneSpec, lambda spec: _objections(spec, venues, mappings))


def adjudications_path(folder: Path, name: str) -> Path:
    """The append-only file of what people said of opportunities that a set of lanes found."""
    return folder / f"{name}.adjudications.jsonl"


def _objections(spec: LaneSpec, venues: Mapping[str, Venue], mappings: Mapping[str, MappingSpec]) -> Iterator[str]:
    for name in spec.venues:
        yield from (f"venues: {reason}" for reason in lists_no_markets(name, venues))
    for name in spec.mappings:
        if name not in mappings:
            yield f"mappings: no mapping {name!r} is declared; there are {', '.join(mappings) or 'none'}"
        elif not {mappings[name].left, mappings[name].right} <= set(spec.venues):
            yield f"mappings: {name} is between {mappings[name].left} and {mappings[name].right}; list both as venues"
