"""Every partition of the demo and of the recorded universe, built once and rebuilt twice: the same bytes each time.

The rebuilds run in other processes, with other hash seeds, numbers of threads and time zones, from the inputs the
catalog recorded. The recorded universe is left out, and the figure says so, where its data is not at hand.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from qa._workers import workers
from tickline.errors import TicklineError
from tickline.lake.lake import Lake, open_lake
from tickline.pipeline.graph import stages
from tickline.pipeline.rebuild import rebuild
from tickline.pipeline.stage import Stage, materialise
from tickline.reference.loading import VARIABLES
from tickline.universe import Universe, load_universe

CONFIG = Path(__file__).parent.parent / "config"
SMALL = ("nysim", "oanda")

BUILDING = {"PYTHONHASHSEED": "0", "POLARS_MAX_THREADS": "2", "TZ": "UTC"}
REBUILDING = (
    {"PYTHONHASHSEED": "1", "POLARS_MAX_THREADS": "1", "TZ": "Pacific/Chatham"},
    {"PYTHONHASHSEED": "20260310", "POLARS_MAX_THREADS": "5", "TZ": "America/Caracas"},
)


@dataclass(frozen=True, slots=True)
class Place:
    """A venue with all that stands on it, the configuration that declares it and the home its partitions lie in.

    `stage` is the only one that is rebuilt, where it is named.
    """

    config: Path
    home: Path
    venue: str
    stage: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many partitions a venue has, how many of them are compared, and what is wrong with which."""

    partitions: int
    compared: int
    wrong: tuple[str, ...]


Work = Callable[[Lake, Stage, str], list[str]]
"""What is done with one period of a stage; returns what is wrong with it."""


def run(
    small: Annotated[bool, typer.Option("--small", help="CI's size: one venue of each universe.")] = False,
    stage: Annotated[str | None, typer.Option(help="Rebuild this stage alone, such as backtest.")] = None,
) -> dict[str, Any]:
    """Example: qa rerun --small --stage backtest"""
    recorded = Path(os.environ.get("TICKLINE_REAL_DATA") or VARIABLES["TICKLINE_REAL_DATA"])
    left_out = [] if recorded.is_dir() else [f"the recorded universe: no data at {recorded}"]
    places: list[Place] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for config in (CONFIG,) if left_out else (CONFIG, CONFIG / "real"):
            try:
                universe = load_universe(config)
            except TicklineError as error:
                failed.append(str(error))
                continue
            home = Path(folder) / config.name
            chosen = _chosen(universe, stage, small=small)
            places += [Place(config, home, venue, stage) for venue in universe.venues if venue in chosen]
        built = _in_processes(build, places, BUILDING)
        rebuilt = [one for env in REBUILDING for one in _in_processes(build_again, places, env)]
    partitions, compared = (sum(one.compared for one in outcomes) for outcomes in (built, rebuilt))
    failed += [wrong for one in built for wrong in one.wrong]
    differing = [wrong for one in rebuilt for wrong in one.wrong]
    return {
        "ok": partitions > 0 and compared == len(REBUILDING) * partitions and not failed and not differing,
        "partitions": partitions,
        "rebuilt": compared,
        "equal_ratio": 1 - len(differing) / max(compared, 1),
        "differing": differing,
        "failed": failed,
        "left_out": left_out,
    }


def build(lake: Lake, stage: Stage, period: str) -> list[str]:
    """Build and publish a period."""
    materialise(lake, stage, period, run="qa")
    return []


def build_again(lake: Lake, stage: Stage, period: str) -> list[str]:
    """Build a period from its recorded inputs and compare its partitions byte by byte with the published ones."""
    return [f"{one.key}: {one.why}" for one in rebuild(lake, stage, period) if not one.equal]


def _in_processes(work: Work, places: list[Place], environment: Mapping[str, str]) -> list[Outcome]:
    """Do the work on every venue, in processes started in an environment."""
    with workers(environment) as pool:
        named = {pool.submit(_all_periods, work, place): place.venue for place in places}
        outcomes = []
        for future in as_completed(named):
            outcome = future.result()
            outcomes.append(outcome)
            said = ", ".join(f"{name}={value}" for name, value in environment.items())
            print(
                f"{work.__name__} {named[future]}: {outcome.partitions} partitions, {len(outcome.wrong)} wrong ({said})"
            )
    return outcomes


def _all_periods(work: Work, place: Place) -> Outcome:
    lake = open_lake(place.home)
    partitions, compared, wrong = 0, 0, []
    universe = _universe(place.config)
    on_venues = (*universe.signals.values(), *universe.strategies.values(), *universe.portfolios.values())
    owners = {place.venue, *(one.name for one in on_venues if one.venue == place.venue)}
    for stage in _graph(place.config):
        is_compared = place.stage in (None, stage.name)
        if stage.venue not in owners or (work is build_again and not is_compared):
            continue
        for period in stage.periods:
            partitions += len(stage.keys(period))
            compared += len(stage.keys(period)) if is_compared else 0
            try:
                wrong += work(lake, stage, period)
            except Exception as error:  # whatever it is, this period does not build
                wrong.append(f"{stage}/{period}: {type(error).__name__}: {error}")
    return Outcome(partitions, compared, tuple(wrong))


def _chosen(universe: Universe, stage: str | None, *, small: bool) -> set[str]:
    """The venues to build: where one stage of what stands on them is asked for, just those that are stood on."""
    match stage:
        case "backtest" | "summary":
            return {one.venue for one in universe.strategies.values()}
        case "allocations":
            return {one.venue for one in universe.portfolios.values()}
        case "signals":
            return {one.venue for one in universe.signals.values()}
        case _:
            return {*SMALL} if small else {*universe.venues}


@cache
def _universe(config: Path) -> Universe:
    return load_universe(config)


@cache
def _graph(config: Path) -> list[Stage]:
    return stages(_universe(config), today=datetime.now(UTC).date())
