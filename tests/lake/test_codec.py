from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickline.errors import LakeError
from tickline.lake.codec import decode, encode, partition_path

HOSTILE = ["../../etc", "/abs", "a\0b", "BTC/USDT", "btc/usdt", "=cmd|' /C calc'!A0", "con", "CON", ".", "..", "",
           "a" * 300, "\u202eevil", "x\ny", "na\u0308me", "n\u00e4me", "%41", "+", "a+b", " "]  # fmt: skip


@given(st.text(st.characters(codec=None), max_size=250))
def test_decoding_an_encoded_name_gives_the_name(text: str) -> None:
    assert decode(encode(text)) == text


@given(st.text(max_size=200), st.text(max_size=200))
def test_different_names_differ_even_on_a_case_folding_file_system(one: str, other: str) -> None:
    assert (encode(one).lower() == encode(other).lower()) == (one == other)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_below_its_folder_in_bounded_plain_components(name: str) -> None:
    path = PurePosixPath("/root") / encode(name)
    assert path.is_relative_to("/root")
    assert ".." not in path.parts
    assert all(
        0 < len(part) <= 181 and set(part) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-%ABCDEF+")
        for part in path.parts[2:]
    )


@pytest.mark.parametrize("path", ["A", "%zz", "a/b", "%4", "a%61", "..", "", "a/+", "é"])
def test_a_path_no_name_encodes_to_is_refused(path: str) -> None:
    with pytest.raises(LakeError, match="spelling"):
        decode(path)


def test_a_name_too_long_to_store_is_refused() -> None:
    with pytest.raises(LakeError, match="1025 bytes"):
        encode("a" * 1025)


def test_the_view_shows_a_partition_hive_style() -> None:
    path = partition_path("clean_trades", "coinsim", "2026-03-06")
    assert str(path) == "clean_trades/venue=coinsim/date=2026-03-06/data.parquet"
