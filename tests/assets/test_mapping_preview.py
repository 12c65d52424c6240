"""What the UI shows of a mapping's pairs."""

import polars as pl

from assets.preview import _pairs
from tickline.lake.market_schemas import MAPPING


def shown(*said: tuple[str, str]) -> list[str]:
    rows = [
        dict.fromkeys(MAPPING.columns)
        | {"left_market": market, "right_market": "other", "relation": "equivalent", "confidence": 0.5}
        | {"severity": severity, "flags": ["stale", "terms"]}
        for market, severity in said
    ]
    return _pairs(pl.DataFrame(rows, schema=MAPPING.columns)).splitlines()[2:]


def test_the_worst_pairs_show_first_and_those_without_a_flag_do_not() -> None:
    lines = shown(("fine", "none"), ("look", "note"), ("bad", "block"), ("odd", "warn"))
    assert [line.split(" | ")[1] for line in lines] == ["bad", "odd", "look"]
    assert lines[0].endswith(" stale, terms |")


def test_nothing_to_look_at_shows_as_no_table() -> None:
    assert shown(("fine", "none")) == []
    assert shown() == []


def test_the_text_of_a_venue_is_no_markup() -> None:
    (line,) = shown(("<img src=x>|[a](b)", "warn"))
    assert not set("<>[]()") & set(line)
    assert line.count("|") == 7
