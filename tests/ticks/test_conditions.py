from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickline.errors import ConfigError
from tickline.lake.schemas import Feed
from tickline.ticks.conditions import EVERYTHING, Conditions, load_conditions

CONFIG = Path(__file__).parent.parent.parent / "config" / "conditions.yaml"
OPEN, HIGH_LOW, LAST, VOLUME = 1, 2, 4, 8

HEX = Conditions.model_validate(
    {
        "decode": "hex_bits",
        "codes": [
            {"code": "100000", "name": "average_price", "may_not_set": ["open", "high_low", "last"]},
            {"code": "200", "name": "derivatively_priced", "may_not_set": ["last"]},
        ],
        "suspicious": {"marker": "!", "may_not_set": ["open", "high_low", "last", "volume"]},
    }
)


@pytest.mark.parametrize(
    ("delivered", "sets"),
    [
        (None, EVERYTHING),
        ("", EVERYTHING),
        ("1", EVERYTHING),
        ("100000", VOLUME),
        ("20100020", VOLUME),
        ("20000220", OPEN | HIGH_LOW | VOLUME),
        ("1!", 0),
        ("not hexadecimal", VOLUME),
        ("-1", VOLUME),
        ("fffffffffffffffff", VOLUME),
    ],
)
def test_a_print_sets_what_none_of_its_conditions_forbids(delivered, sets) -> None:
    assert HEX.sets(delivered) == sets


def test_letters_are_one_code_each() -> None:
    letters = load_conditions(CONFIG)["cta_letters"]

    assert letters.sets("@F") == EVERYTHING
    assert letters.sets("@ B") == VOLUME
    assert letters.sets("M") == 0


@settings(deadline=None)
@given(st.lists(st.none() | st.text("0123456789abcdefxyz!", max_size=6), max_size=20))
def test_a_column_is_judged_as_its_rows_are(delivered) -> None:
    column = HEX.sets_column(pl.Series(delivered, dtype=pl.String))

    assert column.to_list() == [HEX.sets(text) for text in delivered]
    assert column.dtype == pl.UInt8


def test_clean_trades_carry_what_they_may_set(market) -> None:
    rows = [market.trade(0, conditions="100000"), market.trade(1), market.trade(2, price=-1.0, conditions="1")]

    assert market.judge(Feed.TRADES, rows, conditions=HEX).clean["sets"].to_list() == [VOLUME, EVERYTHING]
    assert market.judge(Feed.TRADES, rows).clean["sets"].to_list() == [EVERYTHING, EVERYTHING]


@pytest.mark.parametrize("forbidden", ["high_low", "open, high_low", "high_low, last, volume"])
def test_a_print_that_sets_open_or_last_outside_the_range_is_refused_at_load(tmp_path, forbidden) -> None:
    table = tmp_path / "conditions.yaml"
    code = f"{{code: B, name: odd, may_not_set: [{forbidden}]}}"
    table.write_text(f"tape: {{decode: letters, codes: [{code}]}}\n")

    with pytest.raises(ConfigError, match=r"may_not_set: what may not set high_low may not set open and last either"):
        load_conditions(table)
    table.write_text(f"tape: {{decode: letters, codes: [], suspicious: {{marker: '!', may_not_set: [{forbidden}]}}}}\n")
    with pytest.raises(ConfigError, match=r"suspicious\.may_not_set: what may not set high_low"):
        load_conditions(table)


def test_a_code_that_cannot_be_decoded_is_refused_at_load(tmp_path) -> None:
    table = tmp_path / "conditions.yaml"
    table.write_text("cta: {decode: hex_bits, codes: [{code: '3', name: both, may_not_set: [last]}]}\n")

    with pytest.raises(ConfigError, match=r"code '3' of both is not one hexadecimal bit"):
        load_conditions(table)
