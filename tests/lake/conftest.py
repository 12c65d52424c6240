"""Every storage and every catalog database a lake test runs against."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import create_engine, text

from tickline.lake.catalog import Catalog
from tickline.lake.lake import Lake
from tickline.lake.s3 import S3Storage
from tickline.lake.storage import DirectoryStorage, Storage


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A loopback server that speaks the S3 API."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    saved = {name: os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")}
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION="us-east-1")
    yield f"http://{host}:{port}"
    server.stop()
    for name, value in saved.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value


@pytest.fixture
def bucket(s3_endpoint: str, request: pytest.FixtureRequest) -> str:
    """A fresh bucket with versioning."""
    name = f"lake-{abs(hash(request.node.nodeid))}"
    client = boto3.client("s3", endpoint_url=s3_endpoint)
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture(params=["directory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "directory":
        return DirectoryStorage(tmp_path / "objects")
    endpoint, name = request.getfixturevalue("s3_endpoint"), request.getfixturevalue("bucket")
    return S3Storage(name, "lake", endpoint=endpoint, scratch=tmp_path / "scratch")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server of our own; skips where none is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    bin_folder = folders[-1] if folders else Path(shutil.which("initdb") or "/nonexistent/initdb").parent
    if not (bin_folder / "initdb").exists():
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    # Not below pytest's own folder, which no other user may enter.
    base = Path(tempfile.mkdtemp(prefix="tickline-postgres-"))
    as_user: list[str] = []
    if getpass.getuser() == "root":
        # The server refuses to run as root.
        shutil.chown(base, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = base / "data"
    initdb = [*as_user, str(bin_folder / "initdb"), "-D", str(data), "-U", "tickline", "-A", "trust", "-N"]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/")
    options = f"-p {port} -h 127.0.0.1 -k {base} -c fsync=off"
    control = [*as_user, str(bin_folder / "pg_ctl"), "-D", str(data)]
    subprocess.run([*control, "-o", options, "-l", str(base / "log"), "-w", "start"], check=True, cwd="/", stdout=-3)
    yield f"postgresql+psycopg2://tickline@127.0.0.1:{port}"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/", stdout=-3)
    shutil.rmtree(base)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty catalog database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    server = request.getfixturevalue("postgres")
    name = f"c{abs(hash(request.node.nodeid))}"
    with create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"create database {name}"))
    return f"{server}/{name}"


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    opened = Catalog(catalog_url)
    yield opened
    opened.close()


@pytest.fixture
def lake(storage: Storage, tmp_path: Path) -> Iterator[Lake]:
    """A lake on each kind of storage, with an embedded catalog."""
    opened = Catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield Lake(storage, opened)
    opened.close()
