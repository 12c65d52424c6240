"""The registry's copy in a real MLflow server, which lives in the peers' environment."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.request import urlopen

import pytest

from runners.mlflow import Mlflow
from runners.peers import peers_python
from tickline.errors import ConfigError, SourceError
from tickline.lake.registry import Entry, Rank

AT = datetime(2026, 3, 6, tzinfo=UTC)


def said(version: str, rank: Rank, why: str = "paper agrees") -> Entry:
    return Entry("coin_trend", version, rank, "ada", why, AT, {"backtest_summary/coin_trend/all": "ab" * 32})


def test_only_an_address_of_a_server_is_taken() -> None:
    with pytest.raises(ConfigError, match="no address of an MLflow server"):
        Mlflow("/var/lib/mlruns")


def test_a_server_that_does_not_answer_is_said_to() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(SourceError, match="no MLflow server answers"):
        Mlflow(f"http://127.0.0.1:{port}", seconds=2).mirror("coin_trend", [said("v1", Rank.CANDIDATE)])


def test_a_strategy_nobody_spoke_of_asks_nothing_of_the_server() -> None:
    assert Mlflow("http://127.0.0.1:1").mirror("coin_trend", []) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        program = peers_python().parent / "mlflow"
    except ConfigError as absent:
        pytest.skip(str(absent))
    home = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "server", "--backend-store-uri", f"sqlite:///{home}/m.db", "--host", "127.0.0.1"]
    started = subprocess.Popen(
        [*command, "--port", str(port), "--workers", "1"],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(180):
            try:
                urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(1)
        yield address
    finally:
        subprocess.run(["pkill", "-TERM", "-s", str(started.pid)], check=False)
        started.wait(30)


@pytest.mark.slow
def test_every_version_stands_in_mlflow_with_who_said_what(server: str) -> None:
    history = [said("v1", Rank.CANDIDATE), said("v1", Rank.APPROVED), said("v2", Rank.CANDIDATE, "a new stop")]
    mlflow = Mlflow(server)
    assert mlflow.mirror("coin_trend", history[:2]) == 1
    assert aliases(server) == {"approved": "1"}
    assert mlflow.mirror("coin_trend", history) == mlflow.mirror("coin_trend", history) == 2
    assert aliases(server) == {"candidate": "2"}
    first, second = sorted(versions(server), key=lambda one: int(one["version"]))
    assert tags(first)["tickline.rank"] == "approved"
    assert tags(second) | {"tickline.version": "v2", "tickline.why": "a new stop", "tickline.said_by": "ada"} == tags(
        second
    )


def versions(server: str) -> list[dict[str, object]]:
    with urlopen(f"{server}/api/2.0/mlflow/model-versions/search?filter=name%3D%27coin_trend%27") as answer:
        return list(json.load(answer)["model_versions"])


def aliases(server: str) -> dict[str, str]:
    with urlopen(f"{server}/api/2.0/mlflow/registered-models/get?name=coin_trend") as answer:
        model = json.load(answer)["registered_model"]
    return {one["alias"]: one["version"] for one in model.get("aliases", [])}


def tags(version: dict[str, object]) -> dict[str, str]:
    return {one["key"]: one["value"] for one in version["tags"]}  # type: ignore[attr-defined]
