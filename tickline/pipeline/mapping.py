"""The mapping stage: which markets of two venues are one question, day by day, and what people decided about them."""

import hashlib
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tickline.errors import MarketError, SourceError
from tickline.lake.keys import PartitionKey
from tickline.lake.market_schemas import CLEAN_MARKETS, MAPPINGS
from tickline.markets.dependencies import proposals
from tickline.markets.drift import newest
from tickline.markets.mapping import Known, facts_of, mapping_of
from tickline.markets.matching import candidates
from tickline.markets.review import Decisions, in_force, load
from tickline.markets.spec import MappingSpec
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.reference.models import Venue
from tickline.sources.source import SourceObject

_ONE_DAY = timedelta(days=1)


def mapping_stage(spec: MappingSpec, left: Venue, right: Venue, days: Sequence[date], decisions: Path) -> Stage:
    """A mapping's candidates, pairs and drift on UTC days (increasing) of both venues.

    A mapping's partitions are kept as a venue's are: its name stands where a venue's would. What people decided up to
    a day is a source of that day, so that later decisions leave it as it is.
    """
    venues, ordered = (left.name, right.name), sorted(days)

    def needs(period: str) -> list[Need]:
        day = date.fromisoformat(period)
        quoted = [one for one in ordered if day - spec.lookback * _ONE_DAY < one <= day]
        found = [Need(PartitionKey.daily("clean_markets", venue, day)) for venue in venues]
        if day - _ONE_DAY in ordered:
            found += [
                Need(PartitionKey.daily("clean_markets", venue, day - _ONE_DAY), required=False) for venue in venues
            ]
        return found + [
            Need(PartitionKey.daily("market_quotes", venue, one), required=one == day)
            for venue in venues
            for one in quoted
        ]

    def build(inputs: Inputs, period: str) -> Built:
        day = date.fromisoformat(period)
        decided = _decided(decisions, day)
        return _build(spec, known_on(inputs, venues, day), decided, _object(decisions, decided))

    return Stage(
        name="mapping",
        venue=spec.name,
        datasets=tuple(MAPPINGS),
        cadence=Cadence.DAY,
        periods=tuple(day.isoformat() for day in ordered),
        needs=needs,
        build=build,
        config=_config(spec),
        code=_code(),
        sources=lambda period: [_object(decisions, _decided(decisions, date.fromisoformat(period)))],
    )


def known_on(inputs: Inputs, venues: Iterable[str], day: date) -> Known:
    """What inputs say of venues at the end of a UTC day: their markets then and the day before, and their prices."""
    end = datetime.combine(day + _ONE_DAY, datetime.min.time(), UTC)
    return Known(
        today=_listed(inputs, venues, day),
        before=_listed(inputs, venues, day - _ONE_DAY),
        prices=_prices(inputs, venues),
        at=end,
    )


def _build(spec: MappingSpec, known: Known, decided: Decisions, source: SourceObject) -> Built:
    listed = newest(known.today)
    of = {venue: listed.filter(venue=venue).drop("venue") for venue in (spec.left, spec.right)}

    def compared(left: str, right: str) -> pl.DataFrame:
        return candidates(of[left], of[right], spec.scoring, left_venue=left, right_venue=right, prices=known.prices)

    between = compared(spec.left, spec.right)
    everything = pl.concat([between, compared(spec.left, spec.left), compared(spec.right, spec.right)])
    rules = proposals(everything, listed, known.prices, spec.proposals, spec.watch)
    made = mapping_of(between, rules, known, in_force(decided.rulings), spec)
    facts = facts_of(made.mapping) | {"decisions": len(decided.rulings)}
    return Built(
        {"candidates": between, "mapping": made.mapping, "mapping_drift": made.drift},
        {"candidates": _by(between, "relation"), "mapping": facts, "mapping_drift": _by(made.drift, "severity")},
        [source],
    )


def _listed(inputs: Inputs, venues: Iterable[str], day: date) -> pl.DataFrame:
    """Clean markets of venues on a day, with a leading `venue`; none of a venue that has none in the lake."""
    keys = [PartitionKey.daily("clean_markets", venue, day) for venue in venues]
    frames = [
        inputs.lake.scan([inputs.published[key]]).select(pl.lit(key.venue).alias("venue"), pl.all())
        for key in keys
        if key in inputs.published
    ]
    empty = CLEAN_MARKETS.empty().lazy().select(pl.lit(None, pl.String).alias("venue"), pl.all())
    return pl.concat([empty, *frames]).collect()


def _prices(inputs: Inputs, venues: Iterable[str]) -> pl.DataFrame:
    """The middle of every YES quote that has both sides: venue, market_id, ts, mid."""
    named = set(venues)
    frames = [
        inputs.lake.scan([published]).select(
            pl.lit(published.key.venue).alias("venue"),
            "market_id",
            pl.col("ts_recv").alias("ts"),
            ((pl.col("yes_bid") + pl.col("yes_ask")) / 2).alias("mid"),
        )
        for published in inputs.of("market_quotes")
        if published.key.venue in named
    ]
    return pl.concat(frames).drop_nulls("mid").collect()


def _by(frame: pl.DataFrame, name: str) -> Mapping[str, Any]:
    return {f"by_{name}": dict(frame.group_by(name).len().sort(name).iter_rows())}


def _decided(path: Path, last: date) -> Decisions:
    try:
        return load(path).until(last)
    except MarketError as error:
        raise SourceError(str(error)) from error


def _object(path: Path, decided: Decisions) -> SourceObject:
    # There also where nothing is decided, so that decisions taken away are not mistaken for sources that only went.
    size = sum(len(line) + 1 for line in decided.lines)
    return SourceObject(path.resolve().as_uri(), decided.sha256, size)


def _config(spec: MappingSpec) -> Mapping[str, Any]:
    # What is said about a mapping to people changes no pair.
    return spec.model_dump(mode="json", exclude={"description", "owner"})


def _code() -> str:
    parts = [code_version(__name__, "tickline.markets", "tickline.lake.market_schemas")]
    parts += [f"{name}={importlib.metadata.version(name)}" for name in ("rapidfuzz", "scikit-learn", "scipy")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
