"""A mapping as configuration declares it: which two prediction venues are compared, and how sure it must be."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from tickline.reference.loading import load_folder
from tickline.reference.models import Declared, Name, Named, Share, Venue, VenueKind


class Scoring(Declared):
    """How sure a mapping must be."""

    accept: Share = 0.9
    """The least score at which two markets without a conflict are called equivalent."""


class MappingSpec(Named):
    """Two prediction venues whose markets are compared day by day."""

    description: str = ""
    owner: str = "team:markets"
    left: Name
    right: Name
    lookback: Annotated[int, Field(ge=1, le=90)] = 3
    """How many days of prices, the day itself included, coherence is judged on."""
    scoring: Scoring = Scoring()

    @model_validator(mode="after")
    def _two_venues(self) -> "MappingSpec":
        if self.left == self.right:
            raise ValueError(f"left and right are both {self.left}: a mapping is between two venues")
        return self


def load_mappings(folder: Path, venues: Mapping[str, Venue]) -> dict[str, MappingSpec]:
    """Every mapping in a folder; what people decided about its pairs is beside it, see `decisions_path`.

    Raises ConfigError as `load_folder` does, also where one names a venue that lists no markets.
    """
    return load_folder(folder, MappingSpec, lambda spec: _objections(spec, venues))


def decisions_path(folder: Path, name: str) -> Path:
    """The append-only file of what people decided about a mapping's pairs."""
    return folder / f"{name}.decisions.jsonl"


def _objections(spec: MappingSpec, venues: Mapping[str, Venue]) -> Iterator[str]:
    for side, name in (("left", spec.left), ("right", spec.right)):
        yield from (f"{side}: {reason}" for reason in lists_no_markets(name, venues))


def lists_no_markets(name: str, venues: Mapping[str, Venue]) -> Iterator[str]:
    """Why a venue of this name has no markets to compare or trade."""
    listing = [one for one, venue in venues.items() if venue.kind is VenueKind.PREDICTION and venue.markets]
    if name not in listing:
        yield f"no venue {name!r} that lists prediction markets is declared; there are {', '.join(listing) or 'none'}"
