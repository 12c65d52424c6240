"""The protocol every source speaks: objects that exist, and batches of raw rows read from them.

A source never decides what is good data. It parses what the venue said into the raw schema; a field it cannot
parse becomes null and the row's `defect` says why, so one bad row never costs its page. It raises SourceError
only where an object as a whole cannot be what it claims to be (missing, truncated, another format), and
SchemaDrift where its columns are not the expected ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True, order=True)
class SourceObject:
    """One thing a source can read from: a file, a captured segment, or a generator's specification.

    `sha256` is the hash of its bytes (or of its canonical specification), the leaf of every lineage tree.
    """

    uri: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Some raw rows of one feed, and the cursor to resume after them.

    `frame` has exactly the columns of `RAW[feed]`, except that `delivery` is the number of the connection or
    page within its object (0 where an object is one delivery); the raw stage renumbers it across objects.
    """

    frame: pl.DataFrame
    cursor: str


class Source(Protocol):
    """A place raw rows of one feed of one venue come from."""

    def objects(self, day: date) -> list[SourceObject]:
        """The objects that can hold rows of a UTC day, in delivery order. Empty where there are none.

        Raises SourceError where an object is there but unreadable.
        """
        ...

    def batches(self, source_object: SourceObject, day: date, *, cursor: str | None = None) -> Iterator[Batch]:
        """The object's rows that belong to a UTC day, in the order delivered, in batches of bounded size.

        A row belongs to the UTC day of its ts_event; where that is missing or implausible (more than a day
        away from the object's own span or from ts_recv), to the day of its ts_recv or, failing that, to the
        object's first day, so that every row of an object belongs to exactly one day. Starting again from a
        batch's cursor yields exactly the rows after that batch.
        """
        ...

    def complete(self, day: date) -> bool:
        """Whether the objects hold the whole of a UTC day, so that its bars can be final."""
        ...


class MarketSource(Protocol):
    """Where a prediction venue's events, markets and outcomes come from."""

    def objects(self, day: date) -> list[SourceObject]:
        """The objects that describe a UTC day, in the order captured."""
        ...

    def markets(self, day: date) -> pl.DataFrame:
        """What was listed on a UTC day, one row an outcome and look, in the MARKETS schema and order.

        Raises SourceError where an object is there but unreadable.
        """
        ...
