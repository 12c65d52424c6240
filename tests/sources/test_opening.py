"""Every kind of source opens by its name, and the recorded venues' configuration is whole."""

from datetime import timedelta
from pathlib import Path

import pytest

from tickline.errors import ConfigError
from tickline.lake.schemas import Feed
from tickline.reference.models import SourceSpec, Venue
from tickline.sources.opening import KINDS, open_source
from tickline.universe import load_universe

REAL = Path(__file__).parents[2] / "config" / "real"


def test_an_unknown_kind_names_the_known_ones() -> None:
    venue = Venue.model_validate(
        {
            "name": "v",
            "kind": "crypto",
            "calendar": "always",
            "start": "2024-08-01",
            "feeds": {},
            "instruments": [{"name": "AB", "kind": "spot", "quote": "B", "tick_size": "0.01", "lot_size": "1"}],
        }
    )
    with pytest.raises(
        ConfigError, match=r"venue v: feeds.trades.kind: .*'telepathy'.*binance_ws, capture, cryptofeed"
    ):
        open_source(SourceSpec(kind="telepathy"), venue, Feed.TRADES, calendars={})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_refuses_settings_it_does_not_know(kind: str) -> None:
    venue = Venue.model_validate(
        {
            "name": "v",
            "kind": "crypto",
            "calendar": "always",
            "start": "2024-08-01",
            "feeds": {"trades": {"kind": kind, "no_such_setting": 1}},
            "instruments": [{"name": "AB", "kind": "spot", "quote": "B", "tick_size": "0.01", "lot_size": "1"}],
        }
    )
    with pytest.raises(ConfigError, match="no_such_setting"):
        open_source(venue.feeds[Feed.TRADES], venue, Feed.TRADES, calendars={})


@pytest.mark.slow
def test_every_recorded_venue_has_rows_on_its_first_day(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKLINE_REAL_DATA", str(real_data))
    universe = load_universe(REAL)
    for venue in universe.venues.values():
        for feed, spec in venue.feeds.items():
            source = open_source(spec, venue, feed, calendars=universe.calendars)
            first = next(batch for one in source.objects(venue.start) for batch in source.batches(one, venue.start))
            assert first.frame.height > 0, (venue.name, feed)
            assert venue.end is not None
            assert source.objects(venue.end + timedelta(days=3)) == []
