"""The bar stages: one-minute bars from clean ticks, and every longer timeframe from those."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from tickline.bars.rollup import rollup
from tickline.bars.timeframes import derive
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.lake.records import Publication
from tickline.lake.schemas import TIMEFRAMES, Feed
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.reference.models import Venue
from tickline.reference.sessions import windows

INTRADAY = tuple(f"bars_{timeframe}" for timeframe in TIMEFRAMES if timeframe not in ("1m", "1w"))


def bar_stages(venue: Venue, session_days: Mapping[date, Sequence[date]], *, today: date) -> list[Stage]:
    """Minute, longer and weekly bars of a venue whose session dates touch these UTC days; weeks that are over."""
    if not {Feed.TRADES, Feed.QUOTES} & set(venue.feeds):
        return []
    weeks: dict[date, list[date]] = {}
    for session_date in sorted(session_days):
        monday = session_date - timedelta(days=session_date.weekday())
        if monday + timedelta(days=7) <= today:
            weeks.setdefault(monday, []).append(session_date)
    return [_minute_stage(venue, session_days), _longer_stage(venue, session_days), _weekly_stage(venue, weeks)]


def _minute_stage(venue: Venue, session_days: Mapping[date, Sequence[date]]) -> Stage:
    feeds = [feed for feed in (Feed.TRADES, Feed.QUOTES) if feed in venue.feeds]

    def needs(period: str) -> list[Need]:
        session_date = date.fromisoformat(period)
        return [
            Need(PartitionKey("instruments", venue.name, WHOLE)),
            Need(PartitionKey("sessions", venue.name, period[:4])),
            *(
                # The day after may still be going on: its bars come, or become final, when it is there.
                Need(PartitionKey.daily(f"clean_{feed}", venue.name, day), required=day <= session_date)
                for feed in feeds
                for day in session_days[session_date]
            ),
        ]

    def build(inputs: Inputs, period: str) -> Built:
        sessions = _session(inputs, period)
        known_until = min(contiguous_watermark(inputs.of(f"clean_{feed}")) for feed in feeds)
        bars = rollup(
            inputs.scan("clean_trades") if Feed.TRADES in feeds else None,
            inputs.scan("clean_quotes") if Feed.QUOTES in feeds else None,
            windows(sessions, "1m"),
            inputs.scan("instruments").collect(),
            watermark=known_until,
        )
        return Built({"bars_1m": bars}, {"bars_1m": {"watermark": known_until}})

    return Stage(
        name="bars_1m",
        venue=venue.name,
        datasets=("bars_1m",),
        cadence=Cadence.SESSION,
        periods=_iso(session_days),
        needs=needs,
        build=build,
        config={"feeds": feeds},
        code=_code(),
    )


def _longer_stage(venue: Venue, session_days: Mapping[date, Sequence[date]]) -> Stage:
    def needs(period: str) -> list[Need]:
        return [
            Need(PartitionKey("instruments", venue.name, WHOLE)),
            Need(PartitionKey("bars_1m", venue.name, period)),
            Need(PartitionKey("sessions", venue.name, period[:4])),
        ]

    def build(inputs: Inputs, period: str) -> Built:
        sessions = _session(inputs, period)
        (minutes,) = inputs.of("bars_1m")
        bars = inputs.scan("bars_1m").collect()
        instruments = inputs.scan("instruments").collect()
        known_until = minutes.facts["watermark"]
        frames = {
            dataset: derive(
                bars,
                dataset.removeprefix("bars_"),
                windows(sessions, dataset.removeprefix("bars_")),
                instruments,
                watermark=known_until,
            )
            for dataset in INTRADAY
        }
        return Built(frames, {dataset: {"watermark": known_until} for dataset in INTRADAY})

    return Stage(
        name="bars",
        venue=venue.name,
        datasets=INTRADAY,
        cadence=Cadence.SESSION,
        periods=_iso(session_days),
        needs=needs,
        build=build,
        config={},
        code=_code(),
    )


def _weekly_stage(venue: Venue, weeks: Mapping[date, Sequence[date]]) -> Stage:
    def needs(period: str) -> list[Need]:
        session_dates = weeks[date.fromisoformat(period)]
        years = sorted({str(session_date.year) for session_date in session_dates})
        return [
            Need(PartitionKey("instruments", venue.name, WHOLE)),
            *(Need(PartitionKey("sessions", venue.name, year)) for year in years),
            *(Need(PartitionKey.daily("bars_1d", venue.name, session_date)) for session_date in session_dates),
        ]

    def build(inputs: Inputs, period: str) -> Built:
        monday = date.fromisoformat(period)
        sessions = (
            inputs.scan("sessions")
            .filter(pl.col("session_date").is_between(monday, monday + timedelta(days=6)))
            .unique(maintain_order=True)
            .collect()
        )
        known_until = inputs.of("bars_1d")[-1].facts["watermark"]
        instruments = inputs.scan("instruments").collect()
        days = inputs.scan("bars_1d").collect()
        bars = derive(days, "1w", windows(sessions, "1w"), instruments, watermark=known_until)
        return Built({"bars_1w": bars}, {"bars_1w": {"watermark": known_until}})

    return Stage(
        name="bars_1w",
        venue=venue.name,
        datasets=("bars_1w",),
        cadence=Cadence.WEEK,
        periods=_iso(weeks),
        needs=needs,
        build=build,
        config={},
        code=_code(),
    )


def contiguous_watermark(days: list[Publication]) -> int:
    """How far consecutive UTC days are complete without a break, in UTC ns; days in order."""
    known_until = 0
    for publication in days:
        known_until = int(publication.facts["watermark"])
        following = publication.key.date + timedelta(days=1)
        end = datetime(following.year, following.month, following.day, tzinfo=UTC)
        if known_until < int(end.timestamp()) * 1_000_000_000:
            break
    return known_until


def _session(inputs: Inputs, period: str) -> pl.DataFrame:
    return inputs.scan("sessions").filter(pl.col("session_date") == date.fromisoformat(period)).collect()


def _iso(dates: Iterable[date]) -> tuple[str, ...]:
    return tuple(day.isoformat() for day in sorted(dates))


def _code() -> str:
    return code_version("tickline.bars", "tickline.reference.sessions", "tickline.lake.schemas")
