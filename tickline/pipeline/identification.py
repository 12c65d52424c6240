"""The identification stage: a sample of everything a set of lanes found, with what people said of each."""

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from tickline.errors import SourceError
from tickline.kpi.identification import IdentificationTarget, adjudications, identified
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.lake.schemas import DATASETS
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.sources.source import SourceObject

DATASET = "identification"


def identification_stage(name: str, days: Sequence[date], target: IdentificationTarget, adjudicated: Path) -> Stage:
    """The sample of a set of lanes over the days it has looked at; `adjudicated` is the file of what people said.

    One partition holds all days, because precision is judged over sessions.
    """

    def needs(_period: str) -> list[Need]:
        return [Need(PartitionKey.daily("opportunities", name, day), required=False) for day in days]

    def build(inputs: Inputs, _period: str) -> Built:
        sources = _source(adjudicated)
        sample = identified(_opportunities(inputs), adjudications(adjudicated), target)
        if _source(adjudicated) != sources:
            raise SourceError(f"{adjudicated}: somebody added to it just now; materialise {name}/{DATASET} again")
        facts = {"sampled": sample.height, "adjudicated": sample["verdict"].count()}
        return Built({DATASET: sample}, {DATASET: facts}, sources=sources)

    return Stage(
        name=DATASET,
        venue=name,
        datasets=(DATASET,),
        cadence=Cadence.WHOLE,
        periods=(WHOLE,),
        needs=needs,
        build=build,
        # What the sample must show changes no row of it.
        config=target.model_dump(mode="json", include={"per_session", "seed"}),
        code=code_version(
            __name__, "tickline.kpi.identification", "tickline.lake.chained", "tickline.lake.lane_schemas"
        ),
        sources=lambda _period: _source(adjudicated),
    )


def _opportunities(inputs: Inputs) -> pl.DataFrame:
    frames = [
        inputs.lake.scan([one]).with_columns(day=pl.lit(one.key.date)).collect() for one in inputs.of("opportunities")
    ]
    return pl.concat([DATASETS["opportunities"].empty().with_columns(day=pl.lit(None, pl.Date())), *frames])


def _source(path: Path) -> list[SourceObject]:
    """The file as it is; one that is not there says nothing, as an empty one."""
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    return [SourceObject(path.name, hashlib.sha256(content).hexdigest(), len(content))]
