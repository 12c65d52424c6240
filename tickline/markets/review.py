"""What people decided about pairs of markets: rulings, in an append-only file whose lines are chained by hashes."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from tickline.errors import LakeError, MarketError
from tickline.lake.chained import Line, append_line, load_lines
from tickline.markets.model import MarketKey, Relation

TRADABLE_RELATIONS = (Relation.EQUIVALENT, Relation.COMPLEMENT, Relation.SUBSET)
"""Relations from which something follows, so that they can be approved."""

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
        lines = load_lines(path)
    except LakeError as error:
        raise MarketError(str(error)) from error
    return _decided(path, lines)


def append(path: Path, ruling: Ruling) -> str:
    """Add a ruling as the file's last line, durable when this returns its sha256; two reviewers wait for each other.

    Raises MarketError as `load` does, where the ruling is older than the last one, or the file cannot be written.
    """

    def fits(lines: Sequence[Line]) -> None:
        before = _decided(path, lines).rulings
        if before and ruling.at < before[-1].at:
            raise MarketError(
                f"{path}: the last decision is of {before[-1].at.isoformat()}, after this one "
                f"({ruling.at.isoformat()}); set the clock right and decide again"
            )

    try:
        return append_line(path, _said(ruling), fits)
    except LakeError as error:
        raise MarketError(str(error)) from error


def _decided(path: Path, lines: Sequence[Line]) -> Decisions:
    rulings: list[Ruling] = []
    for number, line in enumerate(lines, start=1):
        try:
            ruling = _ruling(line.said)
            if rulings and ruling.at < rulings[-1].at:
                raise ValueError(f"it is of {ruling.at.isoformat()}, before the line above")
        except (ValueError, KeyError, TypeError, MarketError) as error:
            raise MarketError(
                f"{path}:{number}: not the decision that was made ({error}); restore the file from version control"
            ) from error
        rulings.append(ruling)
    return Decisions(tuple(rulings), tuple(line.text for line in lines))


def _said(ruling: Ruling) -> dict[str, Any]:
    return {
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
    }


def _ruling(said: Mapping[str, Any]) -> Ruling:
    """The ruling in a line. Raises ValueError, KeyError or TypeError where it is none."""
    told = {
        **said,
        "left": MarketKey(**said["left"]),
        "right": MarketKey(**said["right"]),
        "verdict": RulingVerdict(said["verdict"]),
        "relation": Relation(said["relation"]),
        "at": datetime.fromisoformat(said["at"]),
    }
    return Ruling(**told)
