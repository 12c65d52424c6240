"""The lanes stage: what a set of lanes finds, decides and trades on paper in a UTC day, from its venues' markets and
quotes, its mappings, and what the day before left open."""

import hashlib
import importlib.metadata
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from tickline.lake.keys import PartitionKey
from tickline.lake.lane_schemas import LANES
from tickline.lake.records import Verdict
from tickline.lake.schemas import DATASETS, Feed
from tickline.lanes.day import Material, replay
from tickline.lanes.expected import EntryOdds, odds_by_lane
from tickline.lanes.gates import Checked, CheckStanding
from tickline.lanes.recorded import events_of
from tickline.lanes.seen import World
from tickline.lanes.spec import LaneSpec
from tickline.markets.members import as_listed
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.reference.models import Venue
from tickline.sizing.impact import ImpactCurve, refit

STAGE = "lanes"
_LISTED = ("clean_markets", "market_quotes", "quarantine_markets")
_TRADED = ("lane_positions", "lane_fills")
_JUDGED = ("clean_markets", "market_quotes", "clean_quotes", "mapping")
"""What a decision stands on: its gates ask for the verdicts on these."""


def lane_stage(spec: LaneSpec, venues: Sequence[Venue], days: Sequence[date]) -> Stage:
    """A set of lanes over the days that all of its venues have.

    A set's partitions are kept as a venue's are: its name stands where a venue's would.
    """
    quoted = [venue.name for venue in venues if Feed.QUOTES in venue.feeds]

    def needs(period: str) -> list[Need]:
        listed = [PartitionKey(dataset, name, period) for name in spec.venues for dataset in _LISTED]
        quotes = [PartitionKey("clean_quotes", name, period) for name in quoted]
        mapped = [PartitionKey("mapping", name, period) for name in spec.mappings]
        # What a day's mapping says it says of the day's end; while the day lasts, that of the day before is known. What
        # was listed the day before tells whether a group is still whole.
        told = [*(PartitionKey("clean_markets", name, period) for name in spec.venues), *mapped]
        before = [replace(key, period=_day_before(period)) for key in told if _day_before(period) in known]
        stood = [Need(key, required=False) for key in before]
        return [*map(Need, (*listed, *quotes, *mapped)), *stood, *_left_before(spec, period, known)]

    def build(inputs: Inputs, period: str) -> Built:
        frames = replay(material_of(inputs, date.fromisoformat(period), spec), spec)
        decisions = frames["decisions"]
        taken = int(decisions["is_taken"].sum())
        facts = {"found": decisions.height, "taken": taken, "open": frames["lane_state"].filter(kind="position").height}
        return Built(frames, {"decisions": facts})

    known = {day.isoformat() for day in days}
    return Stage(
        name=STAGE,
        venue=spec.name,
        datasets=tuple(LANES),
        cadence=Cadence.DAY,
        periods=tuple(day.isoformat() for day in days),
        needs=needs,
        build=build,
        config=spec.model_dump(mode="json", exclude={"description", "owner", "kpi"}),
        code=_code(),
    )


def material_of(inputs: Inputs, day: date, spec: LaneSpec) -> Material:
    """What a day of lanes is replayed from, out of the partitions it needs."""
    today, yesterday = day.isoformat(), _day_before(day.isoformat())
    markets = as_listed(_of_venues(inputs, "clean_markets", today), _of_venues(inputs, "clean_markets", yesterday))
    events = events_of(
        markets,
        quotes=_of_venues(inputs, "clean_quotes", today),
        looks=_of_venues(inputs, "market_quotes", today),
        refused=_of_venues(inputs, "quarantine_markets", today),
        stale_s=spec.pricing.max_quote_age_s,
    )
    impact, entry = _learned(inputs, spec)
    return Material(
        day=day,
        markets=markets,
        events=events,
        mapping=_mapping(inputs, yesterday),
        mapping_after=_mapping(inputs, today),
        state=_last_state(inputs),
        # A recorded day was not stopped by anybody; what was found wrong with its data since stops it now.
        world=World(
            checks=_checks(inputs),
            kills={},
            clusters={event: name for name, events in spec.clusters.items() for event in events},
            impact=impact,
            entry=entry,
        ),
    )


def _day_before(period: str) -> str:
    return (date.fromisoformat(period) - timedelta(days=1)).isoformat()


def _mapping(inputs: Inputs, period: str) -> pl.DataFrame:
    """What the mappings say at the end of a day, each row with the name of its mapping."""
    frames = [
        inputs.lake.scan([one]).with_columns(mapping=pl.lit(one.key.venue)).collect()
        for one in inputs.of("mapping")
        if one.key.period == period
    ]
    return pl.concat([DATASETS["mapping"].empty().with_columns(mapping=pl.lit(None, pl.String)), *frames])


def _last_state(inputs: Inputs) -> pl.DataFrame:
    left = inputs.of("lane_state")
    return inputs.lake.scan(left[-1:]).collect() if left else DATASETS["lane_state"].empty()


def _left_before(spec: LaneSpec, period: str, known: Collection[str]) -> list[Need]:
    """What the stage left itself on the days it learns from: paper trades, and the state of the last that was made. So
    a day that cannot be made costs no open position and no exposure."""
    day = date.fromisoformat(period)
    before = [(day - timedelta(days=back)).isoformat() for back in range(1, spec.learned_days + 1)]
    wanted = [(dataset, one) for one in before for dataset in ("lane_state", *_TRADED) if one in known]
    return [Need(PartitionKey(dataset, spec.name, one), required=False) for dataset, one in wanted]


def _learned(inputs: Inputs, spec: LaneSpec) -> tuple[dict[str, ImpactCurve], dict[str, EntryOdds]]:
    """What the paper trades of earlier days say, by lane: how much they slipped, and how often they were filled."""
    positions, fills = (inputs.scan(dataset).collect() for dataset in _TRADED)
    # A position stands in the partition of every day it was open; the last says how it ended.
    ended = positions.unique("opportunity_id", keep="last", maintain_order=True)
    declared = {lane.value: spec.stake.of_lane(lane.value).impact for lane in spec.lanes}
    return refit(fills, declared, spec.stake.fitting), odds_by_lane(ended, fills, spec.lanes, spec.entry)


def _of_venues(inputs: Inputs, dataset: str, period: str) -> pl.DataFrame:
    """A dataset of every venue on a day, each row with its venue and with where it is from."""
    frames = [
        inputs.lake.scan([one])
        .with_row_index("input_row")
        .with_columns(
            pl.col("input_row").cast(pl.UInt32),
            venue=pl.lit(one.key.venue),
            input=pl.lit(dataset),
            input_venue=pl.lit(one.key.venue),
            input_period=pl.lit(one.key.period),
        )
        for one in inputs.of(dataset)
        if one.key.period == period
    ]
    if frames:
        return pl.concat(frames).collect()
    named = {name: pl.String() for name in ("venue", "input", "input_venue", "input_period")}
    return pl.DataFrame(schema=DATASETS[dataset].columns | named | {"input_row": pl.UInt32()})


def _checks(inputs: Inputs) -> dict[str, list[Checked]]:
    """How the checks stand of what decisions stand on, by venue or mapping: of the very content that is read."""
    published = [one for key, one in sorted(inputs.published.items()) if key.dataset in _JUDGED]
    said = inputs.lake.catalog.verdicts_on(published)
    found: dict[str, list[Checked]] = {}
    for one in published:
        of_this = [_standing(verdict) for verdict in said if verdict.key == one.key]
        none = [Checked(None, str(one.key), one.key.dataset, CheckStanding.MISSING)]
        found.setdefault(one.key.venue, []).extend(of_this or none)
    return found


def _standing(verdict: Verdict) -> Checked:
    bad = CheckStanding.RED if verdict.is_red else CheckStanding.WARN
    verdict_id = f"{verdict.suite}@{verdict.sha256[:12]}/{verdict.suite_hash[:12]}"
    return Checked(verdict_id, str(verdict.key), verdict.suite, CheckStanding.GREEN if verdict.passed else bad)


def _code() -> str:
    ours = ("lanes", "markets", "sizing", "execution.queueing", "kpi.promotion", "lake.lane_schemas")
    own = code_version(__name__, *(f"tickline.{name}" for name in ours))
    return hashlib.sha256(f"{own}\npydantic={importlib.metadata.version('pydantic')}".encode()).hexdigest()
