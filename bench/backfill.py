"""A hundred days through Dagster against the same library calls, and how long the command takes to start.

Overhead is what Dagster, the checks, their verdicts and the metadata cost on top of building and publishing, per
asset-partition. Cold start is from starting the process to its first published partition.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from orchestration.definitions import build_definitions
from orchestration.filling import fills, run_fills
from orchestration.instance import embedded_instance
from tickline.pipeline.plan import standings
from tickline.pipeline.stage import materialise
from tickline.workspace import Workspace

_CONFIG = Path(__file__).parent.parent / "config"
_OVERHEAD_MS, _COLD_START_S = 30.0, 8.0


def run(
    days: Annotated[int, typer.Option(help="How many daily partitions.")] = 100,
) -> dict[str, Any]:
    """Example: bench backfill --days 50"""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _through_dagster(_small_venue(scratch / "warm", days=2))
        direct_s, partitions = _directly(_small_venue(scratch / "direct", days=days))
        dagster_s = _through_dagster(_small_venue(scratch / "dagster", days=days))
        cold_s = min(_cold_start(_small_venue(scratch / f"cold{n}", days=2)) for n in range(3))
    overhead_ms = (dagster_s - direct_s) / partitions * 1000
    return {
        "ok": overhead_ms <= _OVERHEAD_MS and cold_s <= _COLD_START_S,
        "days": days,
        "asset_partitions": partitions,
        "direct_s": round(direct_s, 2),
        "dagster_s": round(dagster_s, 2),
        "overhead_ms": round(overhead_ms, 2),
        "cold_start_s": round(cold_s, 2),
    }


def _small_venue(home: Path, *, days: int) -> Workspace:
    """A workspace of one synthetic venue: one instrument, trades around the clock, some hundred a day."""
    config = home / "config"
    (config / "venues").mkdir(parents=True)
    first = date(2026, 1, 1)
    venue = {
        "name": "tiny",
        "kind": "crypto",
        "calendar": "always",
        "start": first.isoformat(),
        "end": (first + timedelta(days=days - 1)).isoformat(),
        "floors": {"clean_ratio": 0.5},
        "instruments": [
            {"name": "ONE-USD", "kind": "spot", "base": "ONE", "quote": "USD", "tick_size": "0.01", "lot_size": "0.001"}
        ],
        "feeds": {
            "trades": {
                "kind": "synthetic",
                "seed": 1,
                "latency_ms": 5,
                "processes": {
                    "ONE-USD": {
                        "level": 100,
                        "volatility": 0.02,
                        "quotes_per_hour": 20,
                        "trades_per_hour": 20,
                        "spread_ticks": 2,
                        "quote_size": 1,
                        "trade_size": 1,
                    }
                },
            }
        },
    }
    (config / "venues" / "tiny.yaml").write_text(yaml.safe_dump(venue))
    shared = {name: str(_CONFIG / f"{name}.yaml") for name in ("calendars", "rules", "conditions", "retention")}
    (config / "tickline.yaml").write_text(yaml.safe_dump({"venues": "venues", **shared}))
    return Workspace(config, home)


def _directly(here: Workspace) -> tuple[float, int]:
    graph = here.graph
    started = time.perf_counter()
    partitions = 0
    for stage in graph:
        for period in stage.periods:
            partitions += len(materialise(here.lake, stage, period, run="bench"))
    return time.perf_counter() - started, partitions


def _through_dagster(here: Workspace) -> float:
    os.environ["TICKLINE_CONFIG"], os.environ["TICKLINE_HOME"] = str(here.config), str(here.home)
    definitions = build_definitions(here.universe, now=datetime.now(UTC))
    planned = fills(standings(here.lake, here.graph))
    with embedded_instance(here.home) as instance:
        started = time.perf_counter()
        for fill, failures in zip(planned, run_fills(definitions, instance, planned), strict=True):
            assert not failures, f"{fill}: {failures}"
        return time.perf_counter() - started


def _cold_start(here: Workspace) -> float:
    environment = os.environ | {"TICKLINE_CONFIG": str(here.config), "TICKLINE_HOME": str(here.home)}
    command = [str(Path(sys.executable).parent / "tickline"), "backfill", "--json"]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not _has_published(here.home / "catalog.db"):
            time.sleep(0.05)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()


def _has_published(catalog: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("select count(*) from publication").fetchone()[0])
    except sqlite3.OperationalError:
        return False
