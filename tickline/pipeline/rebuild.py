"""Rebuild a partition from its recorded inputs in a scratch place, and compare bytes."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tickline.errors import LakeError
from tickline.lake import parquet
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Input, Publication
from tickline.lake.schemas import DATASETS
from tickline.lake.storage import file_sha256
from tickline.pipeline.stage import Inputs, Stage, made_from


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What rebuilding one partition gave. `why` says what differs where the bytes or the inputs do."""

    key: PartitionKey
    published: str
    rebuilt: str
    why: str = ""

    @property
    def equal(self) -> bool:
        """Whether the rebuilt bytes are the published ones."""
        return self.published == self.rebuilt


def rebuild(lake: Lake, stage: Stage, period: str, *, scratch: Path | None = None) -> list[Rebuilt]:
    """Build a period again from the very objects it was made from; nothing is published.

    Raises LakeError where the period was never published, or an input it was made from is no longer to be had.
    """
    current = lake.catalog.currents(stage.keys(period))
    missing = [key for key in stage.keys(period) if key not in current]
    if missing:
        raise LakeError(f"{missing[0]} was never published, so there is nothing to compare with")
    first = current[stage.keys(period)[0]]
    recorded = lake.catalog.inputs_of(first)
    inputs = Inputs(lake, _recorded_objects(lake, recorded))
    built = stage.build(inputs, period)
    why = _what_changed(stage, first, recorded, made_from(stage, inputs, built.sources))
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        results = []
        for key in stage.keys(period):
            path = Path(folder) / "rebuilt.parquet"
            parquet.write(built.frames[key.dataset], DATASETS[key.dataset], path)
            sha256 = file_sha256(path)
            same = sha256 == current[key].sha256
            results.append(Rebuilt(key, current[key].sha256, sha256, "" if same else why or "not deterministic"))
    return results


def _recorded_objects(lake: Lake, recorded: list[Input]) -> dict[PartitionKey, Publication]:
    found = {}
    for made in recorded:
        if made.kind != "object":
            continue
        key = PartitionKey.parse(made.name)
        versions = [publication for publication in lake.catalog.history(key) if publication.sha256 == made.sha256]
        found[key] = versions[-1]
    return found


def _what_changed(stage: Stage, published: Publication, then: list[Input], now: list[Input]) -> str:
    if published.code != stage.code:
        return "the code changed since it was published"
    changed = [made.name for made in now if made not in then]
    return f"{changed[0]} changed since it was published" if changed else ""
