"""What people decided about pairs of markets: an append-only file of rulings, each line hashed with the one before.

A line is JSON with its own sha256 and that of the line before, so that an edited, removed or torn line is found.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from tickline.errors import MarketError
from tickline.lake.storage import fsync_path
from tickline.markets.model import MarketKey, Relation

TRADABLE_RELATIONS = (Relation.EQUIVALENT, Relation.COMPLEMENT, Relation.SUBSET)
"""Relations from which something follows, so that they can be approved."""

_FIRST = "0" * 64
_MOST_TEXT = 2_000


class RulingVerdict(StrEnum):
    """What a person said of a pair."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person decided about a pair, for the terms both markets had then (`terms_sha256` of each).

    `subset_side` names, of a subset, the side whose YES implies the other's. Raises MarketError where the decision
    does not say who, why, when in UTC, or what follows from it.
    """

    pair_id: str
    left: MarketKey
    right: MarketKey
    verdict: RulingVerdict
    relation: Relation
    subset_side: str | None
    by: str
    reason: str
    at: datetime
    left_terms: str
    right_terms: str

    def __post_init__(self) -> None:
        for name, said in (("by", self.by), ("reason", self.reason)):
            if not said.strip() or len(said) > _MOST_TEXT:
                raise MarketError(f"pair {self.pair_id}: {name} says nothing, or more than {_MOST_TEXT} characters")
        if self.at.utcoffset() is None or self.at.utcoffset() != UTC.utcoffset(None):
            raise MarketError(f"pair {self.pair_id}: decided at {self.at}; give a time in UTC")
        if self.verdict is RulingVerdict.APPROVED and self.relation not in TRADABLE_RELATIONS:
            raise MarketError(
                f"pair {self.pair_id}: nothing follows from {self.relation}; approve it as "
                f"{', '.join(TRADABLE_RELATIONS)}, or reject it"
            )
        if (self.relation is Relation.SUBSET) != (self.subset_side in ("left", "right")):
            raise MarketError(f"pair {self.pair_id}: a subset, and nothing else, says which side implies the other")


@dataclass(frozen=True, slots=True)
class Decisions:
    """The rulings of a file in the order they were made, and the lines they stand in."""

    rulings: tuple[Ruling, ...]
    lines: tuple[bytes, ...]

    def until(self, last: date) -> "Decisions":
        """Those dated up to a UTC day, that day included."""
        known = sum(ruling.at.date() <= last for ruling in self.rulings)
        return Decisions(self.rulings[:known], self.lines[:known])

    @property
    def sha256(self) -> str:
        """The hash of exactly these lines."""
        return hashlib.sha256(b"".join(line + b"\n" for line in self.lines)).hexdigest()


def in_force(rulings: Iterable[Ruling]) -> dict[str, Ruling]:
    """The newest ruling of each pair, by pair id; rulings come in the order they were made.

    A rejection stands until a later approval, whatever became of the terms; an approval is only good for its terms.
    """
    return {ruling.pair_id: ruling for ruling in rulings}


def load(path: Path) -> Decisions:
    """What a decision file says; nothing where there is none.

    Raises MarketError naming the line that is torn, edited, out of its place or no ruling.
    """
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH)
            return _parsed(path, stream.read())
    except FileNotFoundError:
        return Decisions((), ())
    except OSError as error:
        raise MarketError(f"{path}: cannot be read: {error.strerror}") from error


def append(path: Path, ruling: Ruling) -> str:
    """Add a ruling as the file's last line, durable when this returns its sha256; two reviewers wait for each other.

    Raises MarketError as `load` does, where the ruling is older than the last one, or the file cannot be written.
    """
    try:
        is_new = not path.exists()
        with _alone(path) as descriptor:
            said = _parsed(path, _read(descriptor))
            if said.rulings and ruling.at < said.rulings[-1].at:
                raise MarketError(
                    f"{path}: the last decision is of {said.rulings[-1].at.isoformat()}, after this one "
                    f"({ruling.at.isoformat()}); set the clock right and decide again"
                )
            line, sha256 = _line(ruling, previous=_sha256_of(said.lines[-1]) if said.lines else _FIRST)
            _write(descriptor, line + b"\n")
            if is_new:
                fsync_path(path.parent)
            return sha256
    except OSError as error:
        raise MarketError(f"{path}: cannot be written: {error.strerror}; the decision was not recorded") from error


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _write(descriptor: int, content: bytes) -> None:
    """Add all of the content and make it durable, or leave the file as it was."""
    before = os.fstat(descriptor).st_size
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def _line(ruling: Ruling, *, previous: str) -> tuple[bytes, str]:
    said = {
        "pair_id": ruling.pair_id,
        "left": {"venue": ruling.left.venue, "market_id": ruling.left.market_id},
        "right": {"venue": ruling.right.venue, "market_id": ruling.right.market_id},
        "verdict": ruling.verdict,
        "relation": ruling.relation,
        "subset_side": ruling.subset_side,
        "by": ruling.by,
        "reason": ruling.reason,
        "at": ruling.at.isoformat(),
        "left_terms": ruling.left_terms,
        "right_terms": ruling.right_terms,
        "previous": previous,
    }
    sha256 = hashlib.sha256(_canonical(said)).hexdigest()
    return _canonical(said | {"sha256": sha256}), sha256


def _canonical(said: Mapping[str, Any]) -> bytes:
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def _sha256_of(line: bytes) -> str:
    return str(orjson.loads(line)["sha256"])


def _parsed(path: Path, content: bytes) -> Decisions:
    lines = content.split(b"\n")
    if torn := lines.pop():
        raise MarketError(
            f"{path}:{len(lines) + 1}: the line was torn while it was written, so it decides nothing; "
            f"cut its {len(torn)} bytes and decide again"
        )
    rulings: list[Ruling] = []
    previous = _FIRST
    for number, line in enumerate(lines, start=1):
        try:
            ruling, previous = _ruling(line, previous)
            if rulings and ruling.at < rulings[-1].at:
                raise ValueError(f"it is of {ruling.at.isoformat()}, before the line above")
        except (ValueError, KeyError, TypeError, MarketError) as error:
            raise MarketError(
                f"{path}:{number}: not the decision that was made ({error}); restore the file from version control"
            ) from error
        rulings.append(ruling)
    return Decisions(tuple(rulings), tuple(lines))


def _ruling(line: bytes, previous: str) -> tuple[Ruling, str]:
    """The ruling in a line, and the line's sha256. Raises ValueError, KeyError or TypeError where it is not whole."""
    said = orjson.loads(line)
    sha256 = said.pop("sha256")
    if _canonical(said | {"sha256": sha256}) != line or hashlib.sha256(_canonical(said)).hexdigest() != sha256:
        raise ValueError("its text does not hash to its sha256")
    if said.pop("previous") != previous:
        raise ValueError("the line before it is another one than when it was written")
    said |= {
        "left": MarketKey(**said["left"]),
        "right": MarketKey(**said["right"]),
        "verdict": RulingVerdict(said["verdict"]),
        "relation": Relation(said["relation"]),
        "at": datetime.fromisoformat(said["at"]),
    }
    return Ruling(**said), sha256
