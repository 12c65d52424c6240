from tickline.lake.schemas import INSTRUMENTS
from tickline.reference.instruments import instruments_frame
from tickline.reference.models import Venue


def venue() -> Venue:
    instrument = {"kind": "spot", "base": "BTC", "quote": "USD", "tick_size": "0.01", "lot_size": "0.00001"}
    return Venue.model_validate(
        {
            "name": "coins",
            "kind": "crypto",
            "calendar": "always",
            "start": "2026-03-06",
            "feeds": {},
            "instruments": [
                {**instrument, "name": "ETH", "calendar": "fx"},
                {**instrument, "name": "BTC"},
            ],
        }
    )


def test_instruments_are_listed_with_the_calendar_they_trade_on() -> None:
    frame = instruments_frame(venue())
    assert dict(frame.schema) == INSTRUMENTS.columns
    assert frame.select("instrument", "calendar", "tick_size", "lot_size").rows() == [
        ("BTC", "always", 0.01, 0.00001),
        ("ETH", "fx", 0.01, 0.00001),
    ]
