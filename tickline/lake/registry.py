"""The registry of strategies: where each version stands, who said so, and which partitions justify it.

Entries are only ever added; the newest of a strategy counts, and counts for its own version alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Row, insert, select

from tickline.lake.catalog import Catalog
from tickline.lake.rows import aware
from tickline.lake.tables import registry


class Rank(StrEnum):
    """Where a version of a strategy stands. One nobody spoke of is in research."""

    RESEARCH = "research"
    CANDIDATE = "candidate"  # its backtests passed the gates
    APPROVED = "approved"  # somebody answers for trading it
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Entry:
    """What was said of one version of a strategy. `evidence` names partitions and the sha256 each then had."""

    strategy: str
    version: str
    rank: Rank
    said_by: str
    why: str
    said_at: datetime
    evidence: Mapping[str, str]


class Registry:
    """The entries of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        values = {
            "strategy": entry.strategy,
            "version": entry.version,
            "stage": entry.rank,
            "said_by": entry.said_by,
            "why": entry.why,
            "said_at": entry.said_at,
            "evidence": dict(entry.evidence),
        }
        with self._catalog.writing() as connection:
            connection.execute(insert(registry).values(values))

    def history(self, strategy: str) -> list[Entry]:
        """Everything that was said of a strategy, oldest first."""
        query = select(registry).where(registry.c.strategy == strategy).order_by(registry.c.id)
        with self._catalog.reading() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def rank(self, strategy: str, version: str) -> Rank:
        """Where a version of a strategy stands: as the newest entry says where that is of this version."""
        said = self.history(strategy)
        return said[-1].rank if said and said[-1].version == version else Rank.RESEARCH


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    return Entry(
        strategy=row.strategy,
        version=row.version,
        rank=Rank(row.stage),
        said_by=row.said_by,
        why=row.why,
        said_at=aware(row.said_at),
        evidence=row.evidence,
    )
