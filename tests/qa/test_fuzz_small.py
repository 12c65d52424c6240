"""The fuzzer notices what it is there to notice: planted crashes, hangs, escapes and collisions."""

import random
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from qa import _fuzz_names, _fuzz_parsers
from qa._attempts import Attempts
from qa._subjects import Subject
from tickline.errors import ConfigError, SourceError
from tickline.lake import codec


class Panic(BaseException):
    """What Polars raises where Rust panics is no Exception either."""


def raising(error: BaseException) -> object:
    raise error


def spinning() -> None:
    began = time.process_time()
    while time.process_time() - began < 5:
        pass


@pytest.mark.parametrize("error", [KeyError("x"), Panic(), AssertionError(), ConfigError("not this one")])
def test_every_error_but_the_expected_one_is_a_failure(error: BaseException) -> None:
    attempts = Attempts()
    assert attempts.make("here", b"input", lambda: raising(error), errors=(SourceError,)) is None
    assert [(failure.kind, failure.where, failure.data) for failure in attempts.failures] == [
        ("uncaught", "here", b"input")
    ]


def test_the_expected_error_and_a_result_are_none() -> None:
    attempts = Attempts()
    attempts.make("here", b"", lambda: raising(SourceError("damaged")), errors=(SourceError,))
    assert attempts.make("here", b"", lambda: 5, errors=()) == 5
    assert (attempts.inputs, attempts.failures) == (2, [])


def test_what_does_not_end_is_interrupted_and_named_a_hang() -> None:
    attempts, began = Attempts(), time.process_time()
    attempts.make("here", b"input", spinning, errors=())
    assert [failure.kind for failure in attempts.failures] == ["hang"]
    assert time.process_time() - began < 3


@pytest.mark.parametrize(("careless", "kind"), [(str, "escape"), (lambda text: "x" + text[:1].lower(), "collision")])
def test_a_careless_codec_is_found_out(monkeypatch: pytest.MonkeyPatch, careless: Any, kind: str) -> None:
    for module in (codec, _fuzz_names):
        monkeypatch.setattr(module, "encode", careless)
    attempts = Attempts()
    _fuzz_names._codec(attempts, ["..", "a", "A", "CON"])
    assert kind in {failure.kind for failure in attempts.failures}


def test_the_codec_that_is_there_is_not(tmp_path: Path) -> None:
    assert _fuzz_names.fuzz(random.Random(3), 300, tmp_path).failures == []


def test_of_many_lines_that_crash_together_the_guilty_one_is_kept(tmp_path: Path) -> None:
    def read(folder: Path) -> pl.DataFrame:
        if b"boom" in (folder / "file").read_bytes():
            raise KeyError("boom")
        return pl.DataFrame()

    subject = Subject("planted", (), lambda _data: "file", read)
    lines = [b"%d" % number for number in range(57)] + [b"boom"] + [b"x"] * 20
    (failure,) = _fuzz_parsers._smallest(subject, lines, tmp_path).failures
    assert failure.data == b"boom\n"


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
    one, other = (_fuzz_parsers.lines(random.Random(5), 60, tmp_path / name) for name in "ab")
    assert (one.inputs, one.passed) == (other.inputs, other.passed)
