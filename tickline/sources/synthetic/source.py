"""The synthetic source: a feed of one venue, generated day by day from a specification."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

import numpy as np
import orjson
import polars as pl

from tickline.errors import ConfigError, SourceError
from tickline.lake.schemas import GAPS, RAW, Feed
from tickline.reference.calendars import SessionCalendar, trading_windows
from tickline.reference.models import Instrument, InstrumentKind, SourceSpec, Venue
from tickline.sources.source import Batch, SourceObject
from tickline.sources.synthetic.faults import MOST, known
from tickline.sources.synthetic.injection import arriving
from tickline.sources.synthetic.paths import activity
from tickline.sources.synthetic.settings import Settings, validated
from tickline.sources.synthetic.tape import Scene

GENERATOR = 1
"""Bumped whenever the same settings give other rows."""

BATCH_ROWS = 131_072

CARRIED_BY = {Feed.TRADES: "trades_per_hour", Feed.QUOTES: "quotes_per_hour", Feed.BOOK: "depth"}
"""The setting of a process that is above 0 where a feed carries its instrument."""


@dataclass(frozen=True, slots=True)
class Synthetic:
    """One feed of one synthetic venue.

    Every row is a function of the settings, the venue, the feed, the instrument and the UTC day alone. A day is made
    whole, in memory, and handed out in batches in the order of receipt.
    """

    venue: Venue
    feed: Feed
    settings: Settings
    calendars: Mapping[str, SessionCalendar]

    @classmethod
    def open(cls, spec: SourceSpec, venue: Venue, feed: Feed, *, calendars: Mapping[str, SessionCalendar]) -> Self:
        """A feed by its settings (see `Settings`).

        Raises ConfigError where they are not valid or do not fit the venue or the feed.
        """
        place = f"venue {venue.name}, feed {feed}, synthetic source"
        settings = validated(Settings, spec, place=place)
        problems = list(_misfits(settings, venue, feed))
        if problems:
            raise ConfigError(f"{place}: {'; '.join(problems)}")
        return cls(venue, feed, settings, {name: calendars[name] for name in _calendar_names(venue)})

    def objects(self, day: date) -> list[SourceObject]:
        """The day's specification, as one object. There is one for every day, also for those on which all is closed."""
        specification = orjson.dumps(self._specification(day), option=orjson.OPT_SORT_KEYS, default=str)
        uri = f"synthetic://{self.venue.name}/{self.feed}/{day}?seed={self.settings.seed}"
        return [SourceObject(uri, hashlib.sha256(specification).hexdigest(), len(specification))]

    def batches(self, source_object: SourceObject, day: date, *, cursor: str | None = None) -> Iterator[Batch]:
        """The day's rows in the order of receipt. A cursor is the number of rows before it.

        Raises SourceError where the object is not the one this source makes for the day, the cursor is not one of
        its own, or the faults' rates leave too few true rows.
        """
        if source_object not in self.objects(day):
            raise SourceError(f"{source_object.uri} is not made by these settings; list the day's objects again")
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise SourceError(f"{source_object.uri}: {cursor!r} is no cursor of a synthetic feed; start from none")
        frame = self._arriving(day).select(*RAW[self.feed].columns)
        for offset in range(int(cursor or 0), frame.height, BATCH_ROWS):
            part = frame.slice(offset, BATCH_ROWS)
            yield Batch(part, str(offset + part.height))

    def complete(self, day: date) -> bool:
        """True: a generated day is whole."""
        return True

    def ground_truth(self, day: date) -> pl.DataFrame:
        """The day's faulty rows as delivered, in the columns of RAW, and the `rule` that should refuse each."""
        return self._arriving(day).filter(pl.col("rule").is_not_null())

    def missing(self, day: date) -> pl.DataFrame:
        """The day's rows that were never delivered, as GAPS."""
        return pl.concat([GAPS.empty(), *(arriving(scene, self.feed)[1] for scene in self._scenes(day))])

    def _arriving(self, day: date) -> pl.DataFrame:
        parts = [arriving(scene, self.feed)[0] for scene in self._scenes(day)]
        frame = pl.concat(parts, rechunk=True)
        # Parts are all but sorted, which this sort profits from and Polars' does not.
        return frame[np.argsort(frame["ts_recv"].to_physical().to_numpy(), kind="stable")]

    def _scenes(self, day: date) -> Iterator[Scene]:
        for instrument in self.venue.instruments:
            if self._has(instrument):
                yield self.scene(instrument, day)

    def _has(self, instrument: Instrument) -> bool:
        """Whether the feed carries the instrument."""
        return bool(getattr(self.settings.processes[instrument.name], CARRIED_BY[self.feed]))

    def scene(self, instrument: Instrument, day: date) -> Scene:
        """What one instrument's ticks of a UTC day are made from."""
        calendar = self.calendars[self.venue.calendar_of(instrument)]
        # A session may begin or end on the UTC day before or after its own date.
        windows = list(trading_windows(calendar, day - timedelta(days=2), day + timedelta(days=2)))
        extended = activity((window for window in windows if window.segment != "regular"), day) > 0
        return Scene(
            settings=self.settings,
            venue=self.venue.name,
            instrument=instrument,
            day=day,
            origin=self.venue.start,
            busy=activity(windows, day),
            extended=extended,
            parameters={**self.venue.parameters, **instrument.parameters},
        )

    def _specification(self, day: date) -> dict[str, Any]:
        return {
            "generator": GENERATOR,
            "numpy": np.__version__,
            "venue": self.venue.model_dump(
                mode="json", include={"name", "calendar", "start", "instruments", "parameters"}
            ),
            "calendars": {name: calendar.model_dump(mode="json") for name, calendar in self.calendars.items()},
            "feed": self.feed,
            "settings": self.settings.model_dump(mode="json"),
            "day": day.isoformat(),
        }


def _calendar_names(venue: Venue) -> list[str]:
    return sorted({venue.calendar_of(instrument) for instrument in venue.instruments})


def _misfits(settings: Settings, venue: Venue, feed: Feed) -> Iterator[str]:
    """What is wrong with settings that are valid by themselves."""
    names = {instrument.name for instrument in venue.instruments}
    if not any(getattr(process, CARRIED_BY[feed]) for process in settings.processes.values()):
        yield f"processes: none has {CARRIED_BY[feed]} above 0, so there are no {feed} to make"
    for name in sorted(names ^ settings.processes.keys()):
        yield f"processes: {name!r} is {'not an instrument of the venue' if name not in names else 'missing'}"
    for instrument in venue.instruments:
        process = settings.processes.get(instrument.name)
        if process and instrument.kind is InstrumentKind.OUTCOME and process.level >= 1:
            yield f"processes: {instrument.name!r} is an outcome, its level {process.level:g} is not below 1"
    if unknown := sorted(settings.faults.keys() - set(known(feed))):
        yield f"faults: {', '.join(unknown)} cannot be put into {feed}; there are {', '.join(known(feed))}"
    if (total := sum(settings.faults.values())) > MOST:
        yield f"faults: the rates add up to {total:g}; at most {MOST:g} leaves enough true rows"
    if (shares := sum(condition.share for condition in settings.conditions.values())) > 1:
        yield f"conditions: the shares add up to {shares:g}, more than all prints"
    if settings.faults.get("frozen") and not {"frozen_rows", "frozen_s"} <= venue.parameters.keys():
        yield "faults: frozen needs frozen_rows and frozen_s among the venue's parameters"
