"""An archive that fails one call in five and a process that dies at any step: no object is ever without a whole copy.

Every object is archived, expired and restored through S3 over HTTP, again and again until all are done. Faults: an
error before a call, an error after it took effect, other or fewer bytes read back, a delay. A crash drops everything
between any two calls to storage, catalog and archive. At each of these instants a witness looks into the lake's
folder and the server's memory itself.
"""

import logging
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from rich.progress import Progress

from qa._bad_archive import Crash, FaultyArchive, Stepwise, Witness
from qa._lakes import path_of, publish_some
from tickline.errors import LakeError
from tickline.lake.archive import Archive, S3Archive, archive_object, expire_object, restore_object
from tickline.lake.lake import Lake, open_lake
from tickline.lake.records import ObjectState, Publication
from tickline.lake.retention import Keep, RetentionPolicy, due_for_archive, due_for_expiry
from tickline.lake.storage import file_sha256, object_name

MOST_ROUNDS = 50
BUCKET, PREFIX = "archive", "copies"
POLICY = RetentionPolicy(archive=f"s3://{BUCKET}/{PREFIX}", datasets={"gaps_trades": Keep(keep_days=1)})
LATER = date(2030, 1, 1)


def _expired(lake: Lake) -> list[Publication]:
    return [one for one in lake.catalog.everything().values() if one.state is ObjectState.EXPIRED]


@dataclass(frozen=True, slots=True)
class Phase:
    """Something done to every object that is due for it, until none is."""

    name: str
    due: Callable[[Lake], list[Publication]]
    deed: Callable[[Lake, Archive, Publication], object]


PHASES = (
    Phase("archiving", lambda lake: due_for_archive(lake, POLICY.archive), archive_object),
    Phase("expiring", lambda lake: due_for_expiry(lake, POLICY, POLICY.archive, LATER), expire_object),
    Phase("restoring", _expired, restore_object),
)


def run(
    objects: Annotated[int, typer.Option(help="How many objects.")] = 1000,
    seed: Annotated[int, typer.Option(help="Which calls fail, and where the process dies.")] = 1,
    small: Annotated[bool, typer.Option("--small", help="CI's size: 60 objects.")] = False,
) -> dict[str, Any]:
    """Example: qa archive --objects 100 --seed 7"""
    os.environ.update(dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "qa"), AWS_REGION="us-east-1")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            host, port = server.get_host_and_port()
            figure = _there_and_back(Path(folder) / "home", f"http://{host}:{port}", 60 if small else objects, seed)
            answer = _ask_a_dead_server(Path(folder) / "other")
    finally:
        server.stop()
    return figure | answer | {"ok": figure["ok"] and answer["dead_server_refused"]}


def _there_and_back(home: Path, endpoint: str, objects: int, seed: int) -> dict[str, Any]:
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    rng = random.Random(seed)  # noqa: S311 - faults to repeat, not a secret
    archive = FaultyArchive(S3Archive(BUCKET, PREFIX, endpoint=endpoint), rng)
    lake = open_lake(home)
    published = publish_some(lake, range(objects))
    witness = Witness(archive, rng, in_lake=lambda sha256: path_of(lake, sha256), copies=_copies)
    with Progress() as progress:
        not_done = sum(_until_done(home, phase, archive, witness, progress) for phase in PHASES)
    restored = sum(file_sha256(path_of(lake, one.sha256)) == one.sha256 for one in published)
    lost = len(witness.last_copies_lost)
    return {
        "ok": restored == objects and not (not_done or lost or witness.unverified_deletes),
        "objects": objects,
        "faults": archive.faults,
        "crashes": witness.crashes,
        "instants": witness.instants,
        "last_copies_lost": lost,
        "unverified_deletes": witness.unverified_deletes,
        "not_done": not_done,
        "restored_hash_equal": restored,
    }


def _until_done(home: Path, phase: Phase, archive: FaultyArchive, witness: Witness, progress: Progress) -> int:
    """How many objects are still due when patience ends."""
    lake = open_lake(home)
    bar = progress.add_task(phase.name, total=len(phase.due(lake)))
    for _ in range(MOST_ROUNDS):
        for one in phase.due(lake):
            witness.watch(one.sha256)
            try:
                phase.deed(_stepwise(lake, witness), archive, one)
            except LakeError:
                continue
            except Crash:
                lake.catalog.close()
                lake = open_lake(home)
            progress.advance(bar)
    return len(phase.due(lake))


def _stepwise(lake: Lake, witness: Witness) -> Lake:
    return Lake(Stepwise(lake.storage, witness.instant), Stepwise(lake.catalog, witness.instant), view=lake.view)


def _copies(sha256: str) -> Iterator[bytes]:
    """What the server keeps of an object: the bytes of every version of its key."""
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET]
    yield from (version.value for version in bucket.keys.getlist(f"{PREFIX}/{object_name(sha256)}", default=[]))


def _ask_a_dead_server(home: Path) -> dict[str, Any]:
    lake = open_lake(home)
    (published,) = publish_some(lake, [0])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody_there = f"http://127.0.0.1:{probe.getsockname()[1]}"
    began = time.monotonic()
    try:
        archive_object(lake, S3Archive(BUCKET, PREFIX, endpoint=nobody_there), published)
    except LakeError as error:
        print(error)
        refused = f"archive {POLICY.archive}" in str(error)
    else:
        refused = False
    return {"dead_server_refused": refused, "dead_server_seconds": round(time.monotonic() - began, 1)}
