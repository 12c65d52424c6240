"""Between the catalog's rows and its records: which columns are read, and what is made of them."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_

from tickline.lake.keys import PartitionKey
from tickline.lake.records import ObjectState, Publication, Verdict
from tickline.lake.tables import objects, publications

# The columns a publication is read from, in a join of `publications` and `objects`.
PUBLICATION = (
    publications.c.dataset,
    publications.c.venue,
    publications.c.period,
    publications.c.sha256,
    publications.c.generation,
    publications.c.facts,
    publications.c.code,
    publications.c.run,
    publications.c.committed_at,
    publications.c.id,
    objects.c.rows,
    objects.c.bytes,
    objects.c.state,
)


def is_of(table: Any, key: PartitionKey) -> Any:
    """The condition that a row of `table` belongs to this partition."""
    return and_(table.c.dataset == key.dataset, table.c.venue == key.venue, table.c.period == key.period)


def aware(moment: datetime) -> datetime:
    """A stored moment with its zone: SQLite stores none, and everything written is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def publication_of(row: Any) -> Publication:
    """The publication in a row of `PUBLICATION`'s columns."""
    return Publication(
        key=PartitionKey(row.dataset, row.venue, row.period),
        sha256=row.sha256,
        generation=row.generation,
        rows=row.rows,
        bytes=row.bytes,
        facts=row.facts,
        code=row.code,
        run=row.run,
        committed_at=aware(row.committed_at),
        id=row.id,
        state=ObjectState(row.state),
    )


def verdict_of(row: Any) -> Verdict:
    """The verdict in a row of the table of verdicts."""
    return Verdict(
        key=PartitionKey(row.dataset, row.venue, row.period),
        sha256=row.sha256,
        suite=row.suite,
        suite_hash=row.suite_hash,
        passed=row.passed,
        severity=row.severity,
        evaluated_at=aware(row.evaluated_at),
        metrics=row.metrics,
        results=row.results,
    )
