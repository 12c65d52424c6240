"""Worker processes that start from nothing, in an environment of their own."""

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

WORKERS = 2


@contextmanager
def workers(environment: Mapping[str, str]) -> Iterator[ProcessPoolExecutor]:
    """A pool of WORKERS processes, started when first needed, in this environment with these variables changed."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        # Spawned, not forked: hash seeds and numbers of threads are settled when an interpreter starts.
        with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool
    finally:
        os.environ.clear()
        os.environ.update(before)
