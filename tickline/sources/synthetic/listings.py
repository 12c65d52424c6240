"""What a synthetic prediction venue lists: its events, markets and outcomes, polled a few times a day."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

import numpy as np
import orjson
import polars as pl
from pydantic import AwareDatetime, Field

from tickline.errors import ConfigError
from tickline.lake.schema import NS
from tickline.lake.schemas import MARKETS, Feed
from tickline.reference.calendars import SessionCalendar
from tickline.reference.models import Declared, Instrument, SourceSpec, Symbol, Venue
from tickline.sources.source import SourceObject
from tickline.sources.synthetic.paths import DAY_S
from tickline.sources.synthetic.settings import validated
from tickline.sources.synthetic.source import Synthetic
from tickline.sources.synthetic.tape import on_grid, touch


class Listing(Declared):
    """One outcome of one market, in the venue's own words.

    From `settles` on the venue says what came out: `result`. What else it says of the market is in its record alone:
    the strike, and whether it is one of several (`exclusive_id`) of which at most one, or exactly one where that
    `exhausts` them, resolves to yes.
    """

    event_id: str
    event_title: str
    market_id: str
    title: str
    outcome: str
    rules: str
    category: str
    opens: AwareDatetime
    closes: AwareDatetime
    settles: AwareDatetime | None = None
    result: Literal["yes", "no", "void"] | None = None
    series: str | None = None
    strike_op: Literal["gt", "ge", "lt", "le", "between"] | None = None
    strike_low: float | None = None
    strike_high: float | None = None
    exclusive_id: str | None = None
    exhausts: bool | None = None
    parent_id: str | None = None


class ListingSettings(Declared):
    """A listing for each instrument, and how often the venue is asked for them."""

    listings: dict[Symbol, Listing]
    polls_per_day: Annotated[int, Field(ge=1, le=1440)] = 4


@dataclass(frozen=True, slots=True)
class SyntheticMarkets:
    """The markets of one synthetic venue; best bid and ask are those of its quote feed."""

    venue: Venue
    settings: ListingSettings
    quotes: Synthetic

    @classmethod
    def open(cls, spec: SourceSpec, venue: Venue, *, calendars: Mapping[str, SessionCalendar]) -> Self:
        """A venue's markets by their settings (see `ListingSettings`).

        Raises ConfigError where they are not valid, or the venue has no synthetic quotes or not these instruments.
        """
        place = f"venue {venue.name}, markets, synthetic source"
        settings = validated(ListingSettings, spec, place=place)
        if differ := {instrument.name for instrument in venue.instruments} ^ settings.listings.keys():
            raise ConfigError(f"{place}: listings: list exactly the venue's instruments; see {sorted(differ)}")
        quotes = venue.feeds.get(Feed.QUOTES)
        if quotes is None or quotes.kind != spec.kind:
            raise ConfigError(f"{place}: prices come from the venue's synthetic quotes; declare that feed")
        return cls(venue, settings, Synthetic.open(quotes, venue, Feed.QUOTES, calendars=calendars))

    def objects(self, day: date) -> list[SourceObject]:
        """The day's specification, as one object."""
        settings = orjson.dumps(self.settings.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        return [
            SourceObject(
                f"synthetic://{self.venue.name}/markets/{day}?seed={self.quotes.settings.seed}",
                hashlib.sha256(settings + quotes.sha256.encode()).hexdigest(),
                len(settings),
            )
            for quotes in self.quotes.objects(day)
        ]

    def markets(self, day: date) -> pl.DataFrame:
        """Every poll of a UTC day, in the MARKETS schema and order; `delivery` numbers the polls."""
        frames = [self._polled(instrument, day) for instrument in self.venue.instruments]
        return pl.concat(frames).sort(MARKETS.sort)

    def _polled(self, instrument: Instrument, day: date) -> pl.DataFrame:
        listing = self.settings.listings[instrument.name]
        best = touch(self.quotes.scene(instrument, day))
        second = np.arange(self.settings.polls_per_day) * (DAY_S / self.settings.polls_per_day)
        standing = np.maximum(np.searchsorted(best.seconds, second, side="right") - 1, 0)
        bid, ask = (
            pl.Series(on_grid(side, instrument.tick_size)).gather(standing, null_on_oob=True)
            for side in (best.bid, best.ask)
        )
        opens, closes, recv = pl.lit(listing.opens), pl.lit(listing.closes), pl.col("ts_recv")
        is_settled = recv >= pl.lit(listing.settles) if listing.settles else pl.lit(value=False)
        status = (
            pl.when(recv < opens)
            .then(pl.lit("upcoming"))
            .when(recv < closes)
            .then(pl.lit("open"))
            .when(is_settled)
            .then(pl.lit("voided" if listing.result == "void" else "settled"))
        )
        midnight_ns = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9
        polls = pl.DataFrame({"ts_recv": midnight_ns + (second * 1e9).astype(np.int64), "bid": bid, "ask": ask})
        return (
            polls.with_row_index("delivery")
            .with_columns(
                *(pl.lit(value).alias(name) for name, value in listing.model_dump(exclude=_TIMED).items()),
                pl.col("ts_recv").cast(NS),
                pl.lit(instrument.name).alias("instrument"),
                pl.lit(float(instrument.tick_size)).alias("tick_size"),
                opens.alias("ts_open"),
                closes.alias("ts_close"),
            )
            .with_columns(
                status.otherwise(pl.lit("closed")).alias("status"),
                pl.when(is_settled).then(pl.lit(listing.result)).alias("result"),
                pl.lit(listing.settles and listing.settles.isoformat().replace("+00:00", "Z")).alias("ts_settle"),
            )
            .with_columns(pl.struct(_RECORD).struct.json_encode().alias("payload"))
            .select(pl.col(name).cast(dtype) for name, dtype in MARKETS.columns.items())
        )


_TIMED = {"opens", "closes", "settles", "result"}
_RECORD = (
    *("event_id", "market_id", "title", "outcome", "rules", "status", "bid", "ask"),
    *("result", "ts_settle", "series", "strike_op", "strike_low", "strike_high"),
    *("exclusive_id", "exhausts", "parent_id"),
)
"""What the venue's own record of an outcome says."""
