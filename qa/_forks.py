"""Processes forked from one that has imported everything and run no query.

A fork costs milliseconds where a fresh start costs seconds. Polars' threads do not come along, so a process that
forks never runs a query itself: whatever does, runs in a child.
"""

import os
import signal
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

# What the lake imports only when it needs it: imported here once, so that no child has to.
import alembic.context
import alembic.script  # noqa: F401
import orjson
import pyarrow.parquet  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401

import tickline.lake.migrations  # noqa: F401

PATIENCE_SECONDS = 60
"""A child that takes longer hangs: it is ended by SIGALRM, which its exit status then tells."""


def start(work: Callable[[], int]) -> int:
    """Run `work` in a child whose exit status is what it returns; returns the child's pid."""
    pid = os.fork()
    if pid == 0:
        _live(work)
    return pid


def wait(pid: int) -> int:
    """How a child ended: its exit status, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ask(work: Callable[[], Any]) -> Any:
    """What `work` returns in a child, as JSON brings it over. Raises RuntimeError where the child fails."""
    answers, answering = os.pipe()

    def answer() -> int:
        with os.fdopen(answering, "wb") as out:
            out.write(orjson.dumps(work()))
        return 0

    pid = start(answer)
    os.close(answering)
    with os.fdopen(answers, "rb") as stream:
        said = stream.read()
    status = wait(pid)
    if status != 0:
        raise RuntimeError(f"a child process ended with {status}; its traceback is above")
    return orjson.loads(said)


def _live(work: Callable[[], int]) -> NoReturn:
    signal.alarm(PATIENCE_SECONDS)
    status = 1
    try:
        status = work()
    except BaseException:  # whatever it is, the parent's stack must not go on in the child
        traceback.print_exc()
    finally:
        os._exit(status)
