"""A request to a sandbox venue and its reply, without HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """A path below the venue's host, its query, and how many rows too early a page should start (a fault)."""

    path: str
    query: Mapping[str, str]
    early: int = 0

    def number(self, name: str, default: int) -> int:
        """An integer parameter. Raises ValueError where it is none."""
        return int(self.query.get(name, default))


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and the JSON that answers, or the raw text that is sent in its place."""

    status: int
    content: Any
    text: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
