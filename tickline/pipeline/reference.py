"""The reference stages of a venue: its instruments, and the sessions of its calendars year by year."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from tickline.lake.keys import WHOLE
from tickline.pipeline.stage import Built, Cadence, Inputs, Stage, code_version
from tickline.reference.instruments import instruments_frame
from tickline.reference.models import Venue
from tickline.reference.sessions import venue_sessions
from tickline.universe import Universe


def reference_stages(universe: Universe, venue: Venue, days: tuple[date, ...]) -> list[Stage]:
    """Instruments (whole) and sessions (by year) of one venue whose ticks cover these UTC days.

    A venue that only lists markets has sessions alone.
    """
    code = code_version("tickline.reference", "tickline.lake.schemas")
    declared = venue.model_dump(mode="json", include={"name", "kind", "calendar", "instruments"})
    calendars = {name: universe.calendars[name].model_dump(mode="json") for name in venue.calendars}

    def build_instruments(_inputs: Inputs, _period: str) -> Built:
        return Built({"instruments": instruments_frame(venue)})

    def build_sessions(_inputs: Inputs, period: str) -> Built:
        return Built({"sessions": sessions_of_year(universe, venue, int(period))})

    instruments = Stage(
        name="instruments",
        venue=venue.name,
        datasets=("instruments",),
        cadence=Cadence.WHOLE,
        periods=(WHOLE,),
        build=build_instruments,
        config=declared,
        code=code,
    )
    sessions = Stage(
        name="sessions",
        venue=venue.name,
        datasets=("sessions",),
        cadence=Cadence.YEAR,
        periods=tuple(sorted({str(day.year) for day in days})),
        build=build_sessions,
        config={"calendars": calendars, "venue": venue.name},
        code=code,
    )
    return [instruments, sessions] if venue.instruments else [sessions]


def sessions_of_year(universe: Universe, venue: Venue, year: int) -> pl.DataFrame:
    """A venue's sessions that are dated in a year or touch it in UTC, in the SESSIONS schema.

    A session dated 1 January may open on 31 December, so each year's partition holds every window its days need.
    """
    first, last = date(year, 1, 1), date(year, 12, 31)
    week = timedelta(days=7)
    frame = venue_sessions(venue, universe.calendars, first - week, last + week)
    opens, closes = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    dated = pl.col("session_date").is_between(first, last)
    touching = (pl.col("open") < closes) & (pl.col("close") > opens)
    return frame.filter(dated | touching)
