"""Every partition of the demo and of the recorded universe, built once and rebuilt twice: the same bytes each time.

The rebuilds run in other processes, with other hash seeds, numbers of threads and time zones, from the inputs the
catalog recorded. Recorded universes are left out, and the figure says so, where their data is not at hand.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from tickline.errors import ConfigError
from tickline.lake.lake import open_lake
from tickline.pipeline.graph import stages
from tickline.pipeline.rebuild import rebuild
from tickline.pipeline.stage import Stage, materialise
from tickline.reference.loading import VARIABLES
from tickline.universe import load_universe

CONFIG = Path(__file__).parent.parent / "config"
WORKERS = 2

FIRST = {"PYTHONHASHSEED": "0", "POLARS_MAX_THREADS": "2", "TZ": "UTC"}
REPEATS = (
    {"PYTHONHASHSEED": "1", "POLARS_MAX_THREADS": "1", "TZ": "Pacific/Chatham"},
    {"PYTHONHASHSEED": "20260310", "POLARS_MAX_THREADS": "5", "TZ": "America/Caracas"},
)
SMALL = {"config": "nysim", "real": "oanda"}


def run(
    small: Annotated[bool, typer.Option("--small", help="CI's size: one venue of each universe.")] = False,
) -> dict[str, Any]:
    """Example: qa rerun --small"""
    ...
