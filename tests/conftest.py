"""What every test may ask for."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import create_engine, text

from expectations.lane_mart_checks import JUDGED_BY
from expectations.universe_checks import suites_of
from tickline.kpi.freshness import inputs_now, record_built
from tickline.lake.records import Publication, Verdict
from tickline.pipeline.graph import utc_days
from tickline.pipeline.stage import materialise
from tickline.workspace import Workspace

ROOT = Path(__file__).parent.parent
UNIVERSE = ROOT / "tests" / "universe"
DAYS = ("2026-03-07", "2026-03-08", "2026-03-09")
S3_SECRET, POSTGRES_PASSWORD = "secret-of-the-bucket", "secret-of-the-database"


ENGINES = ("test_bar_engine.py", "test_tick_engine.py", "test_child.py", "test_accounting_small.py")
"""Files whose engines take longest to compile."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the engines, so that of several workers one compiles each and the others find it; then the longest files,
    so that the workers end together."""
    tests = Counter(item.path for item in items)
    of_engines = {name: nth for nth, name in enumerate(ENGINES)}
    items.sort(key=lambda item: (of_engines.get(item.path.name, len(ENGINES)), -tests[item.path], item.path))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of recorded market data; skips where it is absent."""
    folder = Path(os.environ.get("TICKLINE_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded market data at {folder} (set TICKLINE_REAL_DATA)")
    return folder


Drop = Callable[..., Path]


@pytest.fixture(scope="session")
def drop() -> Drop:
    """Writes the file of a UTC day into a drop folder: a trade per five minutes and instrument, and `late` ones."""

    def write(folder: Path, day: str, *, late: int = 0) -> Path:
        midnight_ms = int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp()) * 1000
        lines = ["t,pair,px,qty,id"]
        for pair, level in (("BTC-EUR", 60_000), ("ETH-EUR", 2_000)):
            steps = np.random.default_rng(midnight_ms // 1000).integers(-3, 4, 24 * 12)
            for number, price in enumerate(level + steps.cumsum() / 100):
                lines.append(f"{midnight_ms + number * 300_000 + 500},{pair},{price:.2f},0.1,{pair}{day}{number}")
        lines += [f"{midnight_ms + 43_200_501 + n},BTC-EUR,60000.00,0.1,late{day}{n}" for n in range(late)]
        path = folder / f"{day}.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture(scope="session")
def drops(tmp_path_factory: pytest.TempPathFactory, drop: Drop) -> Path:
    """A drop folder with the files of all days, to be read only."""
    folder = tmp_path_factory.mktemp("drops")
    for day in DAYS:
        drop(folder, day)
    return folder


@pytest.fixture
def small(tmp_path: Path, drop: Drop, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The small universe over an empty home and a drop folder of its own (`home/../drop`)."""
    folder = tmp_path / "drop"
    folder.mkdir()
    for day in DAYS:
        drop(folder, day)
    return _entered(UNIVERSE, tmp_path / "home", folder, monkeypatch)


Make = Callable[..., list[Publication]]


@pytest.fixture(scope="session")
def make() -> Make:
    """Makes stages of a workspace as the library does, without Dagster or checks; returns what it published."""

    def run(here: Workspace, *, venue: str | None = None, upto: str | None = None) -> list[Publication]:
        published: list[Publication] = []
        for stage in here.graph:
            if venue in (None, stage.venue):
                for period in stage.periods:
                    published += materialise(here.lake, stage, period, run="test")
                if stage.name == upto:
                    break
        return published

    return run


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, drops: Path, make: Make) -> Path:
    """A home in which everything of the small universe was made and passed its checks, to be copied."""
    home = tmp_path_factory.mktemp("made") / "home"
    with pytest.MonkeyPatch.context() as patch:
        here = _entered(UNIVERSE, home, drops, patch)
        # Verdicts without a judgement: what judges is tested elsewhere, and takes longer than all the rest.
        suites = suites_of(here.universe)
        here.lake.catalog.record_verdicts(
            _passed(one, suites[of]) for one in make(here) if (of := (one.key.venue, one.key.dataset)) in suites
        )
        # Marts of no table that count as built: who makes them takes longer still.
        record_built(here.marts, inputs_now(here.lake, utc_days(here.graph), suite=JUDGED_BY))
        here.lake.catalog.close()
    return home


@pytest.fixture
def made(made_once: Path, drops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The small universe with everything made, in a home of its own."""
    shutil.copytree(made_once, tmp_path / "home", symlinks=True)
    here = _entered(UNIVERSE, tmp_path / "home", drops, monkeypatch)
    yield here
    here.lake.catalog.close()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A loopback server that speaks the S3 API."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": S3_SECRET, "AWS_REGION": "us-east-1"}
    saved = {name: os.environ.get(name) for name in given}
    os.environ |= given
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
    data, password = base / "data", base / "password"
    password.write_text(f"{POSTGRES_PASSWORD}\n")
    password.chmod(0o644)
    asking = ["-U", "tickline", "-A", "scram-sha-256", "--pwfile", str(password)]
    initdb = [*as_user, str(bin_folder / "initdb"), "-D", str(data), "-N", *asking]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/")
    options = f"-p {port} -h 127.0.0.1 -k {base} -c fsync=off"
    control = [*as_user, str(bin_folder / "pg_ctl"), "-D", str(data)]
    subprocess.run([*control, "-o", options, "-l", str(base / "log"), "-w", "start"], check=True, cwd="/", stdout=-3)
    yield f"postgresql+psycopg2://tickline:{POSTGRES_PASSWORD}@127.0.0.1:{port}"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/", stdout=-3)
    shutil.rmtree(base)


@pytest.fixture
def database(postgres: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, its password included."""
    name = f"c{abs(hash(request.node.nodeid))}"
    with create_engine(f"{postgres}/postgres", isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"create database {name}"))
    return f"{postgres}/{name}"


def _passed(publication: Publication, suite_hash: str) -> Verdict:
    return Verdict(
        publication.key,
        publication.sha256,
        publication.key.dataset,
        suite_hash,
        passed=True,
        severity="ERROR",
        evaluated_at=datetime.now(UTC),
        metrics={},
    )


def _entered(config: Path, home: Path, folder: Path, patch: pytest.MonkeyPatch) -> Workspace:
    """A workspace that the environment names, so that commands and Dagster find it too."""
    patch.setenv("TICKLINE_CONFIG", str(config))
    patch.setenv("TICKLINE_HOME", str(home))
    patch.setenv("TICKLINE_REAL_DATA", str(folder))
    patch.setenv("DAGSTER_HOME", str(home / "dagster"))
    here = Workspace(config, home)
    here.universe  # noqa: B018 - read now, while the environment names its folder
    return here
