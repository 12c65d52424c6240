"""How far polling has come: which rows of a page are new, and where the next page starts.

Venues cut pages anywhere, also between two rows of the same millisecond, and serve overlapping or repeated pages.
So pages are asked for from the last known position on, *including* it, and rows already seen there are dropped by
key. Nothing here does I/O.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a page: where it stands (a numeric id or a time in ms), what tells it apart, its parsed fields."""

    position: int
    key: str
    fields: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Frontier:
    """A position, and the keys of the rows already seen at exactly that position."""

    position: int
    seen: frozenset[str] = frozenset()

    def above(self, items: Sequence[Item]) -> list[Item]:
        """The rows beyond the frontier of pages that go forward, each once."""
        return self._unseen([item for item in items if item.position >= self.position])

    def below(self, items: Sequence[Item]) -> list[Item]:
        """The rows beyond the frontier of pages that go backward, each once."""
        return self._unseen([item for item in items if item.position <= self.position])

    def raised(self, items: Sequence[Item]) -> Self:
        """The frontier after a page that goes forward."""
        return self._moved(max((item.position for item in items), default=self.position), items, up=True)

    def lowered(self, items: Sequence[Item]) -> Self:
        """The frontier after a page that goes backward."""
        return self._moved(min((item.position for item in items), default=self.position), items, up=False)

    def dump(self) -> list[Any]:
        """The frontier as JSON; `load` is its inverse."""
        return [self.position, sorted(self.seen)]

    @classmethod
    def load(cls, dumped: list[Any]) -> Self:
        """The frontier that was dumped."""
        return cls(dumped[0], frozenset(dumped[1]))

    def _unseen(self, items: Sequence[Item]) -> list[Item]:
        first_of_key = {item.key: item for item in reversed(items)}
        return [
            item
            for item in items
            if first_of_key[item.key] is item and (item.position != self.position or item.key not in self.seen)
        ]

    def _moved(self, position: int, items: Sequence[Item], *, up: bool) -> Self:
        position = max(position, self.position) if up else min(position, self.position)
        seen = frozenset(item.key for item in items if item.position == position)
        return type(self)(position, seen | self.seen if position == self.position else seen)


def identities(ids: Sequence[str | None], contents: Sequence[Any]) -> list[str]:
    """What tells each row of a page apart: its id or, where it has none, its content and how often that came before.

    Two equal rows without an id on one page are two rows; the same two on an overlapping page are those two again.
    """
    counted: Counter[str] = Counter()
    keys = []
    for row_id, content in zip(ids, contents, strict=True):
        if row_id is not None:
            keys.append(f"id:{row_id}")
            continue
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:24]
        keys.append(f"row:{digest}:{counted[digest]}")
        counted[digest] += 1
    return keys


def positions(known: Sequence[int | None], *, start: int) -> list[int]:
    """Every row's position; a row that could not be parsed stands beside the row before it, or the first known one.

    `start` is the position of a page on which no row is known.
    """
    current = next((position for position in known if position is not None), start)
    filled = []
    for position in known:
        current = current if position is None else position
        filled.append(current)
    return filled
