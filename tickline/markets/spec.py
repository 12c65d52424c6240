"""A mapping as configuration declares it: which two prediction venues are compared, and how sure it must be."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from tickline.lake.market_schemas import CLEAN_MARKETS
from tickline.markets.model import Severity
from tickline.reference.loading import load_folder
from tickline.reference.models import Declared, Name, Named, Share, Venue, VenueKind

_NOTED = ("event_title", "series", "category", "tick_size")
_WARNED = (
    *("event_id", "title", "group_id", "group_kind", "label", "parent_id"),
    *("fee_kind", "fee_taker", "fee_maker", "fee_exponent", "fee_rounding", "fee_places", "balance_places"),
)
_BLOCKED = (
    *("rules", "yes_label", "no_label", "resolution_source", "strict_id", "strike_op", "strike_low", "strike_high"),
    *("ts_close", "ts_expiry", "ts_settle"),
)


class Weights(Declared):
    """How much each signal counts in the score; a signal that says nothing is left out of the mean."""

    text: Share = 0.05
    """Likeness of both titles with their words sorted (rapidfuzz)."""
    terms: Share = 0.05
    """Cosine of TF-IDF."""
    entities: Share = 0.6
    """How much of what either side names the other names too."""
    numbers: Share = 0.1
    operators: Share = 0.05
    dates: Share = 0.05
    source: Share = 0.02
    polarity: Share = 0.03
    price: Share = 0.05


class Scoring(Declared):
    """How sure a mapping must be."""

    accept: Share = 0.85
    """The least score at which two markets without a conflict are called equivalent."""
    related: Share = 0.5
    """The least share of words in common at which two markets are about one subject."""
    weights: Weights = Weights()
    largest_block: Annotated[int, Field(ge=1)] = 2_500
    """A key that would pair more markets than this is too common to bring any together."""
    most_candidates: Annotated[int, Field(ge=1)] = 12
    """How many others a market is compared with at most, those with which it shares the rarest keys."""
    price_bucket: Annotated[str, Field(pattern=r"^[1-9]\d*(s|m|h|d)$")] = "1m"
    """Prices of both sides are compared at the end of each of these."""
    price_points: Annotated[int, Field(ge=3)] = 10
    """From how many shared buckets on co-movement counts."""
    price_apart: Annotated[float, Field(gt=0, le=1)] = 0.25
    """The mean distance of mids from which on they contradict."""


class Fallback(Declared):
    """The least that text, dates and price must agree, each by itself, where no id is shared."""

    text: Share = 0.85
    dates: Share = 0.9
    price: Share = 0.8


class Watch(Declared):
    """What makes the link between two markets suspicious."""

    margin: Share = 0.05
    """How much surer than the next pair of the same market the best one is, to be clearly the best."""
    unseen_s: Annotated[int, Field(ge=1)] = 43_200
    """A market not looked at for longer is stale."""
    apart: Share = 0.1
    """How far the mids of two venues that both quote may be from what the relation says."""
    apart_s: Annotated[int, Field(ge=0)] = 21_600
    """They diverge where they are further apart for longer."""
    apart_blocks: Share = 0.25
    """What is this far apart all that time cannot be traded."""
    unmatched_s: Annotated[int, Field(ge=1)] = 28_800
    """The oldest look at one venue that a look at the other is compared with."""
    fields: dict[str, Severity] = Field(
        default=dict.fromkeys(_NOTED, Severity.NOTE)
        | dict.fromkeys(_WARNED, Severity.WARN)
        | dict.fromkeys(_BLOCKED, Severity.BLOCK)
    )
    """How bad it is that a column of clean_markets changed; columns that are not here are not watched."""

    @model_validator(mode="after")
    def _known(self) -> "Watch":
        if unknown := sorted(self.fields.keys() - CLEAN_MARKETS.columns.keys()):
            raise ValueError(f"fields: no columns of clean_markets: {', '.join(unknown)}")
        return self


class Proposals(Declared):
    """When a rule between two markets, other than equivalence, is put before a person."""

    score: Share = 0.5
    """The least score of a pair whose texts say that one implies or excludes the other."""
    looks: Annotated[int, Field(ge=3)] = 8
    """The fewest looks at both prices from which a rule is guessed where the texts say none."""
    correlation: Share = 0.75
    """The least their changes move together, or against each other, for such a guess."""
    slack: Share = 0.02
    """How far such a rule may be off at any of those looks."""
    most: Annotated[int, Field(ge=1)] = 3
    """The most rules proposed for one market, the surest first."""


class MappingSpec(Named):
    """Two prediction venues whose markets are compared day by day."""

    description: str = ""
    owner: str = "team:markets"
    left: Name
    right: Name
    lookback: Annotated[int, Field(ge=1, le=90)] = 3
    """How many days of prices, the day itself included, coherence is judged on."""
    scoring: Scoring = Scoring()
    fallback: Fallback = Fallback()
    watch: Watch = Watch()
    proposals: Proposals = Proposals()
    reviewed: Share = 0.95
    """What a person's approval makes the confidence in a pair at least."""

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
