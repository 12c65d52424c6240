"""The lake: publish frames as partitions, read partitions as frames.

Publishing is write, hash, store, then one catalog transaction: a reader sees the partition as it was or as it
is, and a crash at any instant leaves nothing but an unnamed object, which `sweep` removes.
"""

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tickline.errors import LakeError
from tickline.lake import parquet
from tickline.lake.catalog import Catalog, Clock, utc_now
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Draft, Input, Lease, Publication
from tickline.lake.schemas import DATASETS
from tickline.lake.storage import Storage, file_sha256, object_name, open_storage, os_errors_explained, staged
from tickline.lake.view import View

LEASE_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Output:
    """A partition's rows, in the dataset's schema and sort order, and small deterministic facts about them."""

    key: PartitionKey
    frame: pl.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)


class Lake:
    """Objects in a storage under a catalog. `view`, where there is one, is kept in step for outside engines."""

    def __init__(self, storage: Storage, catalog: Catalog, *, view: View | None = None, clock: Clock = utc_now) -> None:
        self.storage = storage
        self.catalog = catalog
        self.view = view
        self._clock = clock

    @contextmanager
    def lease(self, name: str) -> Iterator[Lease]:
        """Hold the right to publish under a name. Raises LeaseLost where another run holds it."""
        lease = self.catalog.acquire(
            name, _this_process(), expires_at=self._clock() + LEASE_FOR, dead=_is_dead_process_here
        )
        try:
            yield lease
        finally:
            # A lease that cannot be given back runs out by itself; what was done under it stands.
            with suppress(LakeError):
                self.catalog.release(lease)

    def publish(
        self, outputs: Sequence[Output], *, made_from: Sequence[Input], code: str, run: str, lease: Lease
    ) -> list[Publication]:
        """Store the outputs and make them current, all or none; equal content again is a no-op.

        Raises LakeError where a frame does not fit its schema or storage fails, LeaseLost where the lease was taken
        over: readers then still see what was current before. Where only the view could not follow, the LakeError says
        so, and publishing again mends it.
        """
        drafts = [self._store(output) for output in outputs]
        published = self.catalog.commit(drafts, made_from=made_from, code=code, run=run, lease=lease)
        if self.view is not None:
            for publication in published:
                self.view.show(publication)
        return published

    def read(self, key: PartitionKey) -> pl.LazyFrame:
        """A partition's rows. Raises LakeError where it was never published or its object is gone."""
        publication = self.catalog.current(key)
        if publication is None:
            raise LakeError(f"{key} is not in the lake; materialise it first (`tickline status` shows what is there)")
        return self.scan([publication])

    def scan(self, published: Iterable[Publication]) -> pl.LazyFrame:
        """The rows of several publications of one dataset, in the order given; no rows for none of them.

        Raises LakeError where an object was expired from the lake (restore it first).
        """
        chosen = list(published)
        if not chosen:
            raise LakeError("nothing to scan: name at least one publication")
        for publication in chosen:
            if not self.storage.exists(object_name(publication.sha256)):
                raise LakeError(
                    f"{publication.key}: object {publication.sha256} is not in the lake; "
                    f"`tickline restore {publication.key}` brings an expired one back"
                )
        return pl.scan_parquet(self.uris(chosen), storage_options=self.storage.options() or None, glob=False)

    def uris(self, published: Iterable[Publication]) -> list[str]:
        """What DuckDB or any other engine opens the publications' objects by."""
        return [self.storage.uri(object_name(publication.sha256)) for publication in published]

    def dataset(
        self, dataset: str, *, venue: str | None = None, first: str | None = None, last: str | None = None
    ) -> pl.LazyFrame:
        """A dataset's rows over all partitions from period `first` to `last` inclusive; empty where there are none."""
        published = [
            publication
            for key, publication in self.catalog.everything(dataset=dataset, venue=venue).items()
            if (first is None or key.period >= first) and (last is None or key.period <= last)
        ]
        return self.scan(published) if published else DATASETS[dataset].empty().lazy()

    def _store(self, output: Output) -> Draft:
        schema = DATASETS[output.key.dataset]
        explained = os_errors_explained(f"{output.key} could not be stored", "Nothing was published")
        with explained, staged(self.storage) as path:
            parquet.write(output.frame, schema, path)
            sha256 = file_sha256(path)
            size = path.stat().st_size
            self.storage.commit(path, object_name(sha256), sha256)
        return Draft(output.key, sha256, schema.version, output.frame.height, size, output.facts)


def open_lake(home: Path, *, root: str | None = None, catalog: str | None = None, endpoint: str | None = None) -> Lake:
    """The lake of a TICKLINE_HOME: objects under `lake/objects`, catalog in `catalog.db`, unless named otherwise.

    `root` may be another directory or s3://bucket/prefix (with `endpoint` for servers other than AWS); `catalog` is
    an SQLAlchemy URL.
    """
    home = home.resolve()
    with os_errors_explained(f"home {home} could not be opened", "Nothing was changed"):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    storage = open_storage(root or str(home / "lake" / "objects"), endpoint=endpoint, scratch=home / "tmp")
    view = View(home / "lake" / "view", storage) if root is None else None
    return Lake(storage, Catalog(catalog or f"sqlite:///{home / 'catalog.db'}"), view=view)


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str:
    # Fields 3 and 22 of /proc/PID/stat, after the command in parentheses: a zombie does nothing any more, and a pid
    # that was reused has another start time.
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else fields[18]


def _is_dead_process_here(holder: str) -> bool:
    host, pid, started = holder.rsplit(":", 2)
    return host == socket.gethostname() and pid.isdigit() and _started(int(pid)) != started
