"""The file of what people decided about pairs: nothing in it can be lost, edited or torn without being found."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickline.errors import MarketError
from tickline.markets.model import MarketKey, Relation
from tickline.markets.review import Ruling, RulingVerdict, append, in_force, load

MADE = datetime(2026, 3, 5, 9, tzinfo=UTC)
RULING = Ruling(
    pair_id="p1",
    left=MarketKey("a", "A-1"),
    right=MarketKey("b", "b/one"),
    verdict=RulingVerdict.APPROVED,
    relation=Relation.EQUIVALENT,
    subset_side=None,
    by="ada",
    reason="the same meeting, the same source",
    at=MADE,
    left_terms="1" * 64,
    right_terms="2" * 64,
)
REJECTION = replace(RULING, verdict=RulingVerdict.REJECTED, at=MADE + timedelta(days=1), reason="another tie rule")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pair.decisions.jsonl"


def test_what_was_appended_is_read_back(path: Path) -> None:
    assert load(path).rulings == ()
    said = [RULING, REJECTION, replace(RULING, pair_id="p2", at=REJECTION.at, reason='"quoted"\n[red]text[/]')]
    shas = [append(path, ruling) for ruling in said]
    assert load(path).rulings == tuple(said)
    assert len(set(shas)) == 3


def test_a_rejection_stands_until_a_later_approval() -> None:
    again = replace(RULING, at=REJECTION.at + timedelta(days=1))
    assert in_force([RULING])["p1"].verdict is RulingVerdict.APPROVED
    assert in_force([RULING, REJECTION])["p1"].verdict is RulingVerdict.REJECTED
    assert in_force([RULING, REJECTION, again])["p1"] == again


def test_later_decisions_leave_the_hash_of_earlier_days_as_it_was(path: Path) -> None:
    append(path, RULING)
    before = load(path).until(date(2026, 3, 5))
    append(path, REJECTION)
    after = load(path)
    assert after.until(date(2026, 3, 5)) == before
    assert after.until(date(2026, 3, 4)).rulings == ()
    assert after.until(date(2026, 3, 6)).sha256 != before.sha256
    assert after.until(date(2026, 3, 6)) == after


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda lines: [*lines[:2], lines[2][:40]], 3),
        (lambda lines: [*lines[:2], lines[2].rstrip(b"\n")], 3),
        (lambda lines: [lines[0], lines[1].replace(b"another", b"no other"), lines[2]], 2),
        (lambda lines: [lines[0], lines[1].replace(b"rejected", b"approved"), lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], lines[0], lines[2]], 2),
        (lambda lines: [lines[0], b"\n", lines[1]], 2),
        (lambda lines: [lines[0], b"[1]\n", lines[1]], 2),
        (lambda lines: [lines[0].replace(b'{"', b'{ "'), lines[1]], 1),
    ],
)
def test_a_damaged_file_names_the_line(path: Path, damage: Callable[[list[bytes]], list[bytes]], line: int) -> None:
    for ruling in (RULING, REJECTION, replace(RULING, at=REJECTION.at)):
        append(path, ruling)
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    damaged = path.read_bytes()
    for use in (load, lambda file: append(file, replace(RULING, at=MADE + timedelta(days=9)))):
        with pytest.raises(MarketError, match=rf"pair.decisions.jsonl:{line}: "):
            use(path)
    assert path.read_bytes() == damaged


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(path: Path, at: int, bit: int) -> None:
    path.unlink(missing_ok=True)
    for ruling in (RULING, REJECTION):
        append(path, ruling)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(MarketError, match=r"pair.decisions.jsonl:[123]: "):
        load(path)


def test_reviewers_at_the_same_time_do_not_interleave(path: Path) -> None:
    with ThreadPoolExecutor(8) as reviewers:
        list(reviewers.map(lambda nth: append(path, replace(RULING, pair_id=f"p{nth}")), range(40)))
    assert sorted(ruling.pair_id for ruling in load(path).rulings) == sorted(f"p{nth}" for nth in range(40))


def test_a_decision_older_than_the_last_is_refused(path: Path) -> None:
    append(path, REJECTION)
    with pytest.raises(MarketError, match="set the clock right"):
        append(path, RULING)
    assert load(path).rulings == (REJECTION,)


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="nothing was recorded"):
        append(tmp_path / "absent" / "pair.decisions.jsonl", RULING)
    with pytest.raises(MarketError, match="cannot be read"):
        load(tmp_path)


def test_a_full_disk_leaves_no_half_a_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(path, RULING)
    write = os.write

    def half(descriptor: int, content: bytes) -> int:
        if len(content) < 100:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:-99])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(MarketError, match="No space left on device; nothing was recorded"):
        append(path, REJECTION)
    assert load(path).rulings == (RULING,)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"by": " "}, "by says nothing"),
        ({"reason": ""}, "reason says nothing"),
        ({"at": datetime(2026, 3, 5)}, "give a time in UTC"),  # noqa: DTZ001
        ({"at": datetime(2026, 3, 5, tzinfo=timezone(timedelta(hours=1)))}, "give a time in UTC"),
        ({"relation": Relation.RELATED}, "nothing follows from related"),
        ({"relation": Relation.SUBSET}, "which side implies the other"),
        ({"subset_side": "left"}, "which side implies the other"),
        ({"relation": Relation.SUBSET, "subset_side": "both"}, "which side implies the other"),
    ],
)
def test_a_decision_says_who_why_when_and_what_follows(change: dict[str, object], match: str) -> None:
    with pytest.raises(MarketError, match=match):
        replace(RULING, **change)  # type: ignore[arg-type]
