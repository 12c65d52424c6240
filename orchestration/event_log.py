"""Dagster's SQLite event log with its connection kept open.

The stock storage opens a new engine and connection for each event, and for each check another to see whether its table
is there, and flushes it: about 15 ms. Kept open and in WAL with synchronous=NORMAL (a power cut may lose the newest
events, never the file) it is 3 ms. The events are a record for people; what exists and what was judged is in Tickline's
own catalog, which flushes every commit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from sqlalchemy import Connection, Engine, create_engine, event, inspect


class EmbeddedEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """All runs' events in one SQLite file, over pooled connections."""

    @cached_property
    def _pooled(self) -> Engine:
        engine = create_engine(self._conn_string, connect_args={"timeout": 60, "check_same_thread": False})

        @event.listens_for(engine, "connect")
        def _on_connect(connection: Any, _record: Any) -> None:
            connection.execute("pragma synchronous=normal")

        return engine

    @cached_property
    def _tables(self) -> set[str]:
        return set()

    def has_table(self, table_name: str) -> bool:
        """Whether the table is there. Those that are stay, so each is looked for until it was found once."""
        if table_name not in self._tables and inspect(self._pooled).has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._pooled.connect() as connection, connection.begin():
            yield connection
