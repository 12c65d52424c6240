"""The markets stage of a prediction venue: what it listed on a UTC day, as it described it."""

from collections.abc import Mapping
from datetime import date

from tickline.pipeline.stage import Built, Cadence, Inputs, Stage, code_version
from tickline.reference.calendars import SessionCalendar
from tickline.reference.models import Venue
from tickline.sources.opening import open_markets


def market_stages(calendars: Mapping[str, SessionCalendar], venue: Venue, days: tuple[date, ...]) -> list[Stage]:
    """The stage of a venue that lists markets; none for a venue that does not."""
    if venue.markets is None:
        return []
    source = open_markets(venue.markets, venue, calendars=calendars)

    def build(_inputs: Inputs, period: str) -> Built:
        day = date.fromisoformat(period)
        return Built({"raw_markets": source.markets(day)}, sources=source.objects(day))

    return [
        Stage(
            name="raw_markets",
            venue=venue.name,
            datasets=("raw_markets",),
            cadence=Cadence.DAY,
            periods=tuple(day.isoformat() for day in days),
            build=build,
            config={"source": {"kind": venue.markets.kind, **venue.markets.settings}, "venue": venue.name},
            code=code_version("tickline.sources", "tickline.lake.schemas"),
            sources=lambda period: source.objects(date.fromisoformat(period)),
        )
    ]
