"""How the catalog's database is opened: SQLite (WAL, synchronous=FULL) on one machine, PostgreSQL on a cluster.

The tables and migrations are the same on both.
"""

import logging
import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event

from tickline.errors import LakeError

PATIENCE_SECONDS = 60
"""How long one process waits for another to let go of a SQLite database."""


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    return record.exc_info is None or isinstance(record.exc_info[1], Exception)


# An interrupt may come while a connection is put back. The pool passes it on, as it should; its log would show whoever
# pressed Ctrl-C a traceback, too.
logging.getLogger("sqlalchemy.pool.impl.QueuePool").addFilter(_is_no_interrupt)


def open_engine(url: str) -> Engine:
    """An engine whose transactions are durable when they return, and whose database's errors are LakeErrors."""
    if url.startswith("postgresql"):
        engine = create_engine(url, pool_pre_ping=True)
    elif url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": PATIENCE_SECONDS})
        _begin_at_once(engine)
    else:
        raise LakeError("the catalog's URL begins with neither sqlite:/// nor postgresql+psycopg2://")

    @event.listens_for(engine, "handle_error")
    def _on_error(context: ExceptionContext) -> None:
        # An interrupt is no failure of the catalog: it goes on as it is.
        if not context.is_pre_ping and isinstance(context.original_exception, Exception):
            reason = str(context.original_exception).partition("\n")[0]
            raise LakeError(
                f"catalog {engine.url!r} failed: {reason}. See that the disk has room and the "
                "database is up and writable, then run it again"
            ) from context.original_exception

    return engine


def _begin_at_once(engine: Engine) -> None:
    # A transaction of an engine with the option `writes` begins IMMEDIATE: pysqlite's own late BEGIN would let two
    # writers deadlock and would leave schema changes outside transactions (SQLAlchemy documentation, "Serializable
    # isolation / Savepoints / Transactional DDL").
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        _keep_wal(cursor)
        cursor.execute("pragma synchronous=full")
        cursor.execute("pragma foreign_keys=on")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("begin immediate" if writes else "begin")


def _keep_wal(cursor: sqlite3.Cursor) -> None:
    # Of two processes that switch a new database at once, SQLite refuses one without waiting, whatever its timeout:
    # the switch raises a read lock to a write lock, and to wait there could be a deadlock
    # (https://sqlite.org/c3ref/busy_handler.html). The refused one lets go of its read lock and tries again.
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            cursor.execute("pragma journal_mode=wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        time.sleep(0.01)
