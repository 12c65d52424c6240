"""The catalog: which object is each partition's current one, what it was made from, and what checks said of it.

Every publishing is one transaction that begins by locking the lease it relies on, so a publisher that lost its
lease while it was away cannot commit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tickline.errors import LeaseLost
from tickline.lake.engine import open_engine
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Copy, Draft, Input, Lease, ObjectState, Publication, Verdict
from tickline.lake.rows import PUBLICATION, aware, is_of, publication_of, verdict_of
from tickline.lake.tables import copies, inputs, leases, objects, partitions, publications, verdicts

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The wall clock, in UTC: the default of every Clock port here."""
    return datetime.now(UTC)


class Catalog:
    """Partitions, lineage, verdicts and leases over one database.

    `url` is a SQLAlchemy URL: `sqlite:///path` or `postgresql+psycopg2://...`. Opening migrates the tables to the
    current revision and refuses a catalog written by a newer one.
    """

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        from tickline.lake.migrations import migrate

        self.url = url
        self._clock = clock
        self._engine = open_engine(url)
        self._writing = self._engine.execution_options(writes=True)
        migrate(self._writing)

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for what else is kept beside the catalog, to read it."""
        return self._engine.connect()

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction for what else is kept beside the catalog, committed at its end."""
        return self._writing.begin()

    # Reading

    def current(self, key: PartitionKey) -> Publication | None:
        """The current publication of a partition, or None where it was never published."""
        return self.currents([key]).get(key)

    def currents(self, keys: Iterable[PartitionKey]) -> dict[PartitionKey, Publication]:
        """The current publications of those of the partitions that have one."""
        wanted = set(keys)
        found: dict[PartitionKey, Publication] = {}
        by_dataset: dict[tuple[str, str], list[str]] = {}
        for key in wanted:
            by_dataset.setdefault((key.dataset, key.venue), []).append(key.period)
        for (dataset, venue), periods in by_dataset.items():
            # A bound on the list keeps the statement inside every database's limit on parameters.
            for start in range(0, len(periods), 500):
                chunk = periods[start : start + 500]
                found |= self._select_current(
                    partitions.c.dataset == dataset,
                    partitions.c.venue == venue,
                    partitions.c.period.in_(chunk),
                )
        return found

    def everything(self, *, dataset: str | None = None, venue: str | None = None) -> dict[PartitionKey, Publication]:
        """Every partition's current publication, by key, sorted; one dataset's or venue's where named."""
        where = []
        if dataset is not None:
            where.append(partitions.c.dataset == dataset)
        if venue is not None:
            where.append(partitions.c.venue == venue)
        return self._select_current(*where)

    def history(self, key: PartitionKey) -> list[Publication]:
        """Every publication of a partition, oldest first."""
        query = select(*PUBLICATION).join(objects).where(is_of(publications, key)).order_by(publications.c.generation)
        with self._engine.connect() as connection:
            return [publication_of(row) for row in connection.execute(query)]

    def inputs_of(self, publication: Publication) -> list[Input]:
        """What a publication was made from, in the order it was given."""
        return self.inputs_of_all([publication])[publication.id]

    def inputs_of_all(self, published: Iterable[Publication]) -> dict[int, list[Input]]:
        """The inputs of many publications, by publication id."""
        found: dict[int, list[Input]] = {publication.id: [] for publication in published}
        ids = sorted(found)
        with self._engine.connect() as connection:
            for start in range(0, len(ids), 500):
                query = (
                    select(inputs)
                    .where(inputs.c.publication_id.in_(ids[start : start + 500]))
                    .order_by(inputs.c.publication_id, inputs.c.position)
                )
                for row in connection.execute(query):
                    found[row.publication_id].append(Input(row.kind, row.name, row.sha256))
        return found

    def verdicts_on(self, published: Iterable[Publication]) -> list[Verdict]:
        """The newest verdict of each suite on exactly these objects of these partitions."""
        return self.verdicts_of({publication.key: publication.sha256 for publication in published})

    def verdicts_of(self, contents: Mapping[PartitionKey, str]) -> list[Verdict]:
        """The newest verdict of each suite on partitions of exactly these contents, named by their sha256."""
        by_dataset: dict[tuple[str, str], dict[str, str]] = {}
        for key, sha256 in contents.items():
            by_dataset.setdefault((key.dataset, key.venue), {})[key.period] = sha256
        found = []
        with self._engine.connect() as connection:
            for (dataset, venue), of_period in sorted(by_dataset.items()):
                periods = sorted(of_period)
                for start in range(0, len(periods), 500):
                    newest = (
                        select(func.max(verdicts.c.id))
                        .where(
                            verdicts.c.dataset == dataset,
                            verdicts.c.venue == venue,
                            verdicts.c.period.in_(periods[start : start + 500]),
                        )
                        .group_by(verdicts.c.period, verdicts.c.suite)
                    )
                    rows = connection.execute(select(verdicts).where(verdicts.c.id.in_(newest)).order_by(verdicts.c.id))
                    found += [verdict_of(row) for row in rows if row.sha256 == of_period[row.period]]
        return found

    def failures_after(self, verdict_id: int, *, most: int = 100) -> list[tuple[int, Verdict]]:
        """The verdicts that did not pass and were recorded after one of this id, oldest first, with their ids."""
        query = (
            select(verdicts)
            .where(verdicts.c.id > verdict_id, verdicts.c.passed.is_(False))
            .order_by(verdicts.c.id)
            .limit(most)
        )
        with self._engine.connect() as connection:
            return [(row.id, verdict_of(row)) for row in connection.execute(query)]

    def objects(self) -> dict[str, ObjectState]:
        """Every object ever published that a partition's current publication names, and its state."""
        query = (
            select(objects.c.sha256, objects.c.state)
            .distinct()
            .select_from(partitions)
            .join(publications, partitions.c.publication_id == publications.c.id)
            .join(objects, publications.c.sha256 == objects.c.sha256)
            .order_by(objects.c.sha256)
        )
        with self._engine.connect() as connection:
            return {row.sha256: ObjectState(row.state) for row in connection.execute(query)}

    def keeps(self, sha256: str) -> bool:
        """Whether an object's bytes belong in the lake: some publication named it, and it did not expire."""
        query = (
            select(func.count())
            .select_from(objects)
            .where(objects.c.sha256 == sha256, objects.c.state != ObjectState.EXPIRED)
        )
        with self._engine.connect() as connection:
            return bool(connection.scalar(query))

    def copies_of(self, sha256: str) -> list[Copy]:
        """The verified copies of an object in archives."""
        query = select(copies).where(copies.c.sha256 == sha256).order_by(copies.c.archive)
        with self._engine.connect() as connection:
            return [
                Copy(row.sha256, row.archive, row.key, row.version, aware(row.verified_at))
                for row in connection.execute(query)
            ]

    def archived_in(self, archive: str) -> set[str]:
        """The objects, by sha256, that have a verified copy in an archive."""
        query = select(copies.c.sha256).where(copies.c.archive == archive)
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    # Leases

    def acquire(self, name: str, holder: str, *, expires_at: datetime, dead: Callable[[str], bool]) -> Lease:
        """Take the lease of a name, with a token greater than any before it.

        A lease held by another, not expired and not `dead(holder)`, is refused with LeaseLost.
        """
        with self._writing.begin() as connection:
            self._insert_if_absent(connection, leases, {"name": name, "token": 0}, ("name",))
            row = connection.execute(select(leases).where(leases.c.name == name).with_for_update()).one()
            taken = row.holder is not None and row.holder != holder
            if taken and aware(row.expires_at) > self._clock() and not dead(row.holder):
                raise LeaseLost(f"{name} is being published by {row.holder}; try again when it is done")
            lease = Lease(name, row.token + 1)
            connection.execute(
                update(leases)
                .where(leases.c.name == name)
                .values(token=lease.token, holder=holder, expires_at=expires_at)
            )
        return lease

    def release(self, lease: Lease) -> None:
        """Give a lease back; nothing happens where it was taken over meanwhile."""
        with self._writing.begin() as connection:
            connection.execute(
                update(leases)
                .where(leases.c.name == lease.name, leases.c.token == lease.token)
                .values(holder=None, expires_at=None)
            )

    # Writing

    def commit(
        self, drafts: Sequence[Draft], *, made_from: Sequence[Input], code: str, run: str, lease: Lease
    ) -> list[Publication]:
        """Make stored objects the current ones of their partitions, all or none.

        A draft equal in object, inputs and code to the current publication changes nothing. Raises LeaseLost where
        the lease was taken over.
        """
        with self._writing.begin() as connection:
            query = select(leases.c.token).where(leases.c.name == lease.name).with_for_update()
            token = connection.scalar(query)
            if token != lease.token:
                raise LeaseLost(f"{lease.name} was taken over by another run; this run's result was not published")
            return [self._commit_one(connection, draft, made_from, code, run) for draft in drafts]

    def record_verdicts(self, judged: Iterable[Verdict]) -> None:
        """Append verdicts. They are never changed: the newest of a suite counts."""
        rows = [
            {
                "dataset": verdict.key.dataset,
                "venue": verdict.key.venue,
                "period": verdict.key.period,
                "sha256": verdict.sha256,
                "suite": verdict.suite,
                "suite_hash": verdict.suite_hash,
                "passed": verdict.passed,
                "severity": verdict.severity,
                "evaluated_at": verdict.evaluated_at,
                "metrics": dict(verdict.metrics),
                "results": [dict(result) for result in verdict.results],
            }
            for verdict in judged
        ]
        if rows:
            with self._writing.begin() as connection:
                connection.execute(insert(verdicts), rows)

    def record_copy(self, copy: Copy) -> None:
        """Record an archived copy that was read back and agreed."""
        with self._writing.begin() as connection:
            connection.execute(delete(copies).where(copies.c.sha256 == copy.sha256, copies.c.archive == copy.archive))
            connection.execute(insert(copies).values(**asdict(copy)))

    def set_state(self, sha256: str, state: ObjectState) -> None:
        """Say whether an object's bytes are in the lake, expired to an archive, or lost."""
        with self._writing.begin() as connection:
            connection.execute(update(objects).where(objects.c.sha256 == sha256).values(state=state))

    def _commit_one(
        self, connection: Connection, draft: Draft, made_from: Sequence[Input], code: str, run: str
    ) -> Publication:
        self._insert_if_absent(
            connection,
            objects,
            {
                "sha256": draft.sha256,
                "dataset": draft.key.dataset,
                "schema_version": draft.schema_version,
                "rows": draft.rows,
                "bytes": draft.bytes,
                "state": ObjectState.PRESENT,
            },
            ("sha256",),
        )
        connection.execute(update(objects).where(objects.c.sha256 == draft.sha256).values(state=ObjectState.PRESENT))
        current = self._current_in(connection, draft.key)
        same = current is not None and (current.sha256, current.code, current.facts) == (
            draft.sha256,
            code,
            dict(draft.facts),
        )
        if current is not None and same:
            known = connection.execute(
                select(inputs.c.kind, inputs.c.name, inputs.c.sha256)
                .where(inputs.c.publication_id == current.id)
                .order_by(inputs.c.position)
            ).all()
            if [tuple(row) for row in known] == [(made.kind, made.name, made.sha256) for made in made_from]:
                return current
        return self._append(connection, draft, made_from, code, run=run, after=current)

    def _append(
        self,
        connection: Connection,
        draft: Draft,
        made_from: Sequence[Input],
        code: str,
        *,
        run: str,
        after: Publication | None,
    ) -> Publication:
        key = draft.key
        generation = after.generation + 1 if after else 1
        committed_at = self._clock()
        result = connection.execute(
            insert(publications).values(
                dataset=key.dataset,
                venue=key.venue,
                period=key.period,
                generation=generation,
                sha256=draft.sha256,
                facts=dict(draft.facts),
                code=code,
                run=run,
                committed_at=committed_at,
            )
        )
        (publication_id,) = result.inserted_primary_key or (0,)
        if made_from:
            connection.execute(
                insert(inputs),
                [
                    {
                        "publication_id": publication_id,
                        "position": position,
                        "kind": made.kind,
                        "name": made.name,
                        "sha256": made.sha256,
                    }
                    for position, made in enumerate(made_from)
                ],
            )
        if after is None:
            connection.execute(
                insert(partitions).values(
                    dataset=key.dataset, venue=key.venue, period=key.period, publication_id=publication_id
                )
            )
        else:
            connection.execute(update(partitions).where(is_of(partitions, key)).values(publication_id=publication_id))
        return Publication(
            key, draft.sha256, generation, draft.rows, draft.bytes, draft.facts, code, run, committed_at, publication_id
        )

    def _current_in(self, connection: Connection, key: PartitionKey) -> Publication | None:
        query = (
            select(*PUBLICATION)
            .select_from(partitions)
            .join(publications, partitions.c.publication_id == publications.c.id)
            .join(objects, publications.c.sha256 == objects.c.sha256)
            .where(is_of(partitions, key))
        )
        row = connection.execute(query).one_or_none()
        return None if row is None else publication_of(row)

    def _select_current(self, *where: Any) -> dict[PartitionKey, Publication]:
        query = (
            select(*PUBLICATION)
            .select_from(partitions)
            .join(publications, partitions.c.publication_id == publications.c.id)
            .join(objects, publications.c.sha256 == objects.c.sha256)
            .where(*where)
            .order_by(partitions.c.dataset, partitions.c.venue, partitions.c.period)
        )
        with self._engine.connect() as connection:
            return {(found := publication_of(row)).key: found for row in connection.execute(query)}

    def _insert_if_absent(
        self, connection: Connection, table: Any, values: dict[str, Any], unique: tuple[str, ...]
    ) -> None:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(table).values(values).on_conflict_do_nothing(index_elements=list(unique)))
