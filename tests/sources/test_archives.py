"""Files that are not what they claim to be are refused by name; the rest come out whole, whatever their wrapping."""

import bz2
import gzip
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickline.errors import SourceError
from tickline.sources import archives
from tickline.sources.archives import blocks, describe, path_of

TEXT = b"".join(b"line %d of a recording\n" % number for number in range(2000))


def content(path: Path) -> bytes:
    return b"".join(blocks(path))


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, bz2.compress], ids=["plain", "gzip", "bzip2"])
def test_content_is_the_same_in_every_wrapping(tmp_path: Path, wrap: type[bytes]) -> None:
    path = tmp_path / "file"
    path.write_bytes(wrap(TEXT))
    assert content(path) == TEXT
    assert content(zip_of(tmp_path / "file.zip", {"a.csv": TEXT})) == TEXT


@given(text=st.binary(max_size=200).map(lambda text: text.replace(b"\xef", b"\n")), size=st.integers(1, 50))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_join_to_the_content_and_end_at_line_ends(tmp_path: Path, text: bytes, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" + text)
    found = list(blocks(path, block_bytes=size))
    assert b"".join(found) == b"x" + text
    assert all(block.endswith(b"\n") for block in found[:-1])


def test_a_byte_order_mark_is_not_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2")
    assert content(path) == b"a,b\n1,2"


@pytest.mark.parametrize("keep", [12, 0.3, 0.9, -1])
@pytest.mark.parametrize("form", ["gz", "bz2", "zip"])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, form: str, keep: float) -> None:
    path = tmp_path / f"short.{form}"
    if form == "zip":
        zip_of(path, {"a.csv": TEXT})
    else:
        path.write_bytes(gzip.compress(TEXT) if form == "gz" else bz2.compress(TEXT))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep) if 0 < keep < 1 else int(keep)])
    with pytest.raises(SourceError, match=f"short.{form}"):
        content(path)


@pytest.mark.parametrize("form", ["gz", "zip"])
def test_a_flipped_bit_fails_the_checksum(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"flipped.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("a.csv", TEXT)
    else:
        path.write_bytes(gzip.compress(TEXT))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(SourceError, match=rf"flipped.{form}: truncated or damaged"):
        content(path)


def test_a_zip_must_hold_the_one_member_expected_of_it(tmp_path: Path) -> None:
    other = zip_of(tmp_path / "other.zip", {"b.csv": TEXT})
    with pytest.raises(SourceError, match=r"other.zip: holds 'b.csv'"):
        list(blocks(other, lambda name: name == "a.csv"))
    with pytest.raises(SourceError, match=r"two.zip: holds 2 members"):
        content(zip_of(tmp_path / "two.zip", {"a.csv": TEXT, "b.csv": TEXT}))
    with pytest.raises(SourceError, match=r"none.zip: holds 0 members|none.zip: truncated"):
        content(zip_of(tmp_path / "none.zip", {}))
    plain = tmp_path / "plain.zip"
    plain.write_bytes(TEXT)
    with pytest.raises(SourceError, match=r"plain.zip: not a zip"):
        list(blocks(plain, lambda _name: True))


def test_a_zip_whose_directory_makes_no_sense_is_refused_by_name(tmp_path: Path) -> None:
    whole = zip_of(tmp_path / "whole.zip", {"\u00e9.csv": TEXT}).read_bytes()
    path = tmp_path / "odd.zip"
    path.write_bytes(whole.replace("\u00e9".encode(), b"\xd2\xd2"))  # its flags say the name is UTF-8
    with pytest.raises(SourceError, match=r"odd.zip: truncated or damaged"):
        content(path)


@pytest.mark.parametrize("form", ["gz", "zip"])
def test_a_decompression_bomb_is_refused_before_it_fills_memory(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"bomb.{form}"
    zeros = b"0\n" * (archives.FREE_BYTES // 2 + 1)
    zip_of(path, {"a.csv": zeros}) if form == "zip" else path.write_bytes(gzip.compress(zeros, 6))
    with pytest.raises(SourceError, match=f"bomb.{form}: .*bomb"):
        for _ in blocks(path):
            pass


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_LINE_BYTES", 100)
    path = tmp_path / "endless"
    path.write_bytes(b"x" * 1000)
    with pytest.raises(SourceError, match="endless: no line end"):
        list(blocks(path, block_bytes=10))


def test_a_description_names_file_hash_and_size_and_leads_back(tmp_path: Path) -> None:
    path = tmp_path / "a file with spaces, #, ? and ü%41.csv"
    path.write_bytes(b"abc")
    one = describe(path)
    assert (one.sha256[:8], one.size) == ("ba7816bf", 3)
    assert path_of(one) == path
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        path_of(one)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a file"):
        describe(tmp_path)
