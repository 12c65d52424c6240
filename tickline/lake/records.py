"""What a catalog deals in: publications and what they were made from, verdicts, leases and archived copies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tickline.lake.keys import PartitionKey


class ObjectState(StrEnum):
    """Where an object's bytes are."""

    PRESENT = "present"
    EXPIRED = "expired"  # removed from the lake after an archived copy was read back
    LOST = "lost"  # missing or rotten; to be restored or rebuilt


@dataclass(frozen=True, slots=True)
class Input:
    """One thing a publication was made from.

    `kind` is `object` (another partition's object; `name` is its key), `source` (a source object; `name` is its
    uri) or `config` (a piece of configuration; `name` says which).
    """

    kind: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Publication:
    """One publishing of one partition. `facts` are small deterministic numbers about it (watermark, counts)."""

    key: PartitionKey
    sha256: str
    generation: int
    rows: int
    bytes: int
    facts: Mapping[str, Any]
    code: str
    run: str
    committed_at: datetime
    id: int
    state: ObjectState = ObjectState.PRESENT


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to publish under one name, until somebody else takes it. `token` is its fencing token."""

    name: str
    token: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one suite said of one object of one partition."""

    key: PartitionKey
    sha256: str
    suite: str
    suite_hash: str
    passed: bool
    severity: str
    evaluated_at: datetime
    metrics: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]] = ()

    @property
    def is_red(self) -> bool:
        """Whether it stops what is made from the partition; a failure that only warns does not."""
        return not self.passed and self.severity == "ERROR"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of an object in an archive, read back by version and found equal."""

    sha256: str
    archive: str
    key: str
    version: str
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A stored object about to become a partition's current one."""

    key: PartitionKey
    sha256: str
    schema_version: int
    rows: int
    bytes: int
    facts: Mapping[str, Any]
