"""A stage: what it makes, what it needs, and how one period of it is built and published."""

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from tickline.errors import GateClosed, LakeError
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake, Output
from tickline.lake.records import Input, Publication
from tickline.lake.schemas import DATASETS
from tickline.sources.source import SourceObject


class Cadence(StrEnum):
    """What one period of a stage is."""

    WHOLE = "whole"  # not split by time
    YEAR = "year"
    DAY = "day"  # a UTC day
    SESSION = "session"  # a session_date
    WEEK = "week"  # the ISO week of session_dates starting at a Monday
    WINDOW = "window"  # some session dates, named by the last it is about


@dataclass(frozen=True, slots=True)
class Need:
    """A partition a stage reads; one that is not required may be missing."""

    key: PartitionKey
    required: bool = True


@dataclass(frozen=True, slots=True)
class Inputs:
    """The publications a period is built from, and the lake to read them in."""

    lake: Lake
    published: Mapping[PartitionKey, Publication]

    def of(self, dataset: str) -> list[Publication]:
        """The publications of one dataset, by period."""
        return [self.published[key] for key in sorted(self.published) if key.dataset == dataset]

    def scan(self, dataset: str) -> pl.LazyFrame:
        """The rows of one dataset over all its publications; no rows where there are none."""
        published = self.of(dataset)
        return self.lake.scan(published) if published else DATASETS[dataset].empty().lazy()


@dataclass(frozen=True, slots=True)
class Built:
    """What building a period gave: a frame for each of the stage's datasets, facts, and the source objects read."""

    frames: Mapping[str, pl.DataFrame]
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Sequence[SourceObject] = ()


def _nothing(_period: str) -> Sequence[Need]:
    return ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of one venue: the datasets it makes together, period by period.

    `periods` lists what exists, in order; `needs` names what one period is built from, where it reads the lake; `build`
    makes it, purely, from those inputs. A period may need what the stage itself left the period before, but never
    require it. `config` is the configuration the result depends on and `code` the hash of the code that makes it.
    `sources` names the source objects a period would read now, for stages at the edge of the lake. A `running` stage
    gets another period with every day that passes.
    """

    name: str
    venue: str
    datasets: tuple[str, ...]
    cadence: Cadence
    periods: tuple[str, ...]
    build: Callable[[Inputs, str], Built]
    config: Mapping[str, Any]
    code: str
    needs: Callable[[str], Sequence[Need]] = _nothing
    sources: Callable[[str], Sequence[SourceObject]] | None = None
    running: bool = False

    @property
    def config_sha256(self) -> str:
        """The hash of the configuration in canonical JSON."""
        return hashlib.sha256(orjson.dumps(self.config, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()

    def keys(self, period: str) -> list[PartitionKey]:
        """The partitions one period of this stage makes."""
        return [PartitionKey(dataset, self.venue, period) for dataset in self.datasets]

    def needs_above(self, period: str) -> list[Need]:
        """What one period needs of other stages: all but what the stage itself left the period before."""
        return [need for need in self.needs(period) if need.key.dataset not in self.datasets]

    @property
    def goes_on(self) -> bool:
        """Whether a period reads what the stage itself left the period before, where that is there."""
        return any(len(self.needs(period)) > len(self.needs_above(period)) for period in self.periods[1:2])

    def __str__(self) -> str:
        return f"{self.venue}/{self.name}"


def find_inputs(lake: Lake, stage: Stage, period: str) -> Inputs:
    """The current publications a period is built from.

    Raises LakeError naming the first required partition that is not in the lake, and GateClosed where a check
    found one of them wrong: a red partition stops what stands on it in every run, not only in its own.
    """
    needs = stage.needs(period)
    published = lake.catalog.currents(need.key for need in needs)
    for need in needs:
        if need.required and need.key not in published:
            raise LakeError(f"{stage}/{period} needs {need.key}, which is not in the lake; materialise it first")
    for verdict in lake.catalog.verdicts_on(published.values()):
        if verdict.is_red:
            raise GateClosed(
                f"{stage}/{period} needs {verdict.key}, which failed its checks ({verdict.suite}); "
                f"`tickline status` says why. Mend what is above it and materialise it again"
            )
    return Inputs(lake, published)


def materialise(lake: Lake, stage: Stage, period: str, *, run: str) -> list[Publication]:
    """Build one period of a stage and publish all its datasets together.

    Raises LeaseLost where another run is at it, LakeError where inputs are missing or storage fails, and whatever
    TicklineError the stage's own work raises. On any error readers still see what was current before.
    """
    with lake.lease(f"{stage}/{period}") as lease:
        inputs = find_inputs(lake, stage, period)
        built = stage.build(inputs, period)
        return lake.publish(
            [Output(key, built.frames[key.dataset], built.facts.get(key.dataset, {})) for key in stage.keys(period)],
            made_from=made_from(stage, inputs, built.sources),
            code=stage.code,
            run=run,
            lease=lease,
        )


def made_from(stage: Stage, inputs: Inputs, sources: Sequence[SourceObject]) -> list[Input]:
    """The lineage of a period: the objects and source objects read, and the configuration that applied."""
    return [
        *(Input("object", str(key), inputs.published[key].sha256) for key in sorted(inputs.published)),
        *(Input("source", source.uri, source.sha256) for source in sources),
        Input("config", str(stage), stage.config_sha256),
    ]


@cache
def code_version(*packages: str) -> str:
    """The hash of the source of packages or modules, and of the libraries whose versions can change bytes."""
    digest = hashlib.sha256()
    for library in ("exchange_calendars", "numpy", "polars", "pyarrow"):
        digest.update(f"{library}={importlib.metadata.version(library)}\n".encode())
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise LakeError(f"no source for {package}")
        origin = Path(spec.origin)
        files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
        for file in files:
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
