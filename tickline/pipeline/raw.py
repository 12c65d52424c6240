"""The raw stages: exactly what a venue's sources said, one UTC day at a time."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from tickline.lake.schemas import RAW, Feed
from tickline.pipeline.stage import Built, Cadence, Inputs, Stage, code_version
from tickline.reference.models import SourceSpec, Venue
from tickline.sources.opening import open_source
from tickline.sources.source import Source, SourceObject
from tickline.universe import Universe


def raw_stages(universe: Universe, venue: Venue, days: tuple[date, ...]) -> list[Stage]:
    """One stage for each feed of a venue."""
    return [_raw_stage(universe, venue, feed, spec, days) for feed, spec in sorted(venue.feeds.items())]


def _raw_stage(universe: Universe, venue: Venue, feed: Feed, spec: SourceSpec, days: tuple[date, ...]) -> Stage:
    dataset = f"raw_{feed}"
    source = open_source(spec, venue, feed, calendars=universe.calendars)

    def build(_inputs: Inputs, period: str) -> Built:
        day = date.fromisoformat(period)
        objects = source.objects(day)
        frame = read_day(source, objects, feed, day)
        return Built({dataset: frame}, {dataset: {"watermark": watermark(source, frame, day)}}, objects)

    return Stage(
        name=dataset,
        venue=venue.name,
        datasets=(dataset,),
        cadence=Cadence.DAY,
        periods=tuple(day.isoformat() for day in days),
        build=build,
        config={
            "source": {"kind": spec.kind, **spec.settings},
            "venue": venue.model_dump(mode="json", include={"name", "kind", "calendar", "instruments"}),
        },
        code=code_version("tickline.sources", "tickline.lake.schemas"),
        sources=lambda period: source.objects(date.fromisoformat(period)),
    )


def read_day(source: Source, objects: Sequence[SourceObject], feed: Feed, day: date) -> pl.DataFrame:
    """Every row of a UTC day in the RAW schema and order; deliveries are numbered over all objects."""
    frames, deliveries = [RAW[feed].empty()], 0
    for source_object in objects:
        numbered = [
            batch.frame.with_columns(pl.col("delivery") + deliveries)
            for batch in source.batches(source_object, day)
            if batch.frame.height
        ]
        deliveries = 1 + max((int(frame["delivery"].max()) for frame in numbered), default=deliveries - 1)  # type: ignore[arg-type]
        frames += numbered
    return pl.concat(frames, rechunk=True).sort(RAW[feed].sort, maintain_order=True)


def watermark(source: Source, frame: pl.DataFrame, day: date) -> int:
    """How far a day is known to be complete, in UTC ns: its end, or its newest event where more may come."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    if source.complete(day):
        return _ns(end)
    newest = frame.lazy().filter(pl.col("ts_event").is_between(start, end)).select(pl.col("ts_event").max())
    return newest.select(pl.col("ts_event").dt.epoch("ns")).collect().item() or _ns(start)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000
