"""A venue's instruments as a table."""

import polars as pl

from tickline.lake.schemas import INSTRUMENTS
from tickline.reference.models import Venue


def instruments_frame(venue: Venue) -> pl.DataFrame:
    """Everything listed on a venue, as INSTRUMENTS, sorted by instrument."""
    listed = [
        {
            "venue": venue.name,
            "instrument": instrument.name,
            "kind": instrument.kind.value,
            "base": instrument.base,
            "quote": instrument.quote,
            "calendar": venue.calendar_of(instrument),
            "tick_size": float(instrument.tick_size),
            "lot_size": float(instrument.lot_size),
        }
        for instrument in venue.instruments
    ]
    return pl.DataFrame(listed, schema=INSTRUMENTS.columns).sort(INSTRUMENTS.sort)
