"""Every failed check is alerted once, to a file or over HTTP, and again only where it did not arrive."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from sensors.alerts import failed_checks, failed_runs
from tickline.errors import ConfigError
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Verdict
from tickline.workspace import Workspace

SECRET = "tell-nobody"


class Endpoint:
    """A real HTTP server that takes alerts; the first `refuse` of them it answers with 500."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.refuse = 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if endpoint.refuse:
                    endpoint.refuse -= 1
                    self.send_response(500)
                else:
                    endpoint.received.append(json.loads(body)["title"])
                    self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://user:{SECRET}@127.0.0.1:{self.server.server_port}"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    here = Endpoint()
    thread = threading.Thread(target=here.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("TICKLINE_ALERTS", here.url)
    yield here
    here.server.shutdown()
    thread.join()
    here.server.server_close()


def judge(here: Workspace, *days: str, passed: bool = False, severity: str = "ERROR") -> None:
    """Record a verdict on clean trades of some days."""
    failed = [{"name": "crossed", "unexpected": 2, "why": "No bid stands above its ask", "success": passed}]
    here.lake.catalog.record_verdicts(
        Verdict(
            key=PartitionKey("clean_trades", "sim", day),
            sha256="0" * 64,
            suite="clean_trades",
            suite_hash="0" * 64,
            passed=passed,
            severity=severity,
            evaluated_at=datetime.now(UTC),
            metrics={},
            results=failed,
        )
        for day in days
    )


Look = Callable[..., SensorExecutionData]


@pytest.fixture
def look(small: Workspace, evaluate: Callable[..., SensorExecutionData]) -> Look:
    """One look of the sensor from a cursor."""
    return lambda cursor=None: evaluate(failed_checks, cursor)


def filed(path: Path) -> list[str]:
    return [json.loads(line)["title"] for line in path.read_text().splitlines()]


def test_each_failure_is_alerted_once_and_what_passed_never(
    small: Workspace, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKLINE_ALERTS", "file://alerts/all.jsonl")
    judge(small, "2026-03-07", passed=True)
    judge(small, "2026-03-08")
    judge(small, "2026-03-09", severity="WARN")
    first = look()
    path = small.home / "alerts" / "all.jsonl"
    assert filed(path) == ["ERROR: clean_trades/sim/2026-03-08", "WARN: clean_trades/sim/2026-03-09"]
    assert json.loads(path.read_text().splitlines()[0])["body"] == (
        "crossed: 2 out of bounds. No bid stands above its ask"
    )
    again = look(first.cursor)
    assert again.skip_message == "no check failed since the last look"
    assert len(filed(path)) == 2
    judge(small, "2026-03-07")
    look(first.cursor)
    assert filed(path)[2:] == ["ERROR: clean_trades/sim/2026-03-07"]


def test_without_a_setting_alerts_go_to_a_file_under_the_home(
    small: Workspace, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TICKLINE_ALERTS", raising=False)
    judge(small, "2026-03-08")
    look()
    assert filed(small.home / "alerts.jsonl") == ["ERROR: clean_trades/sim/2026-03-08"]


def test_failures_reach_a_real_endpoint(small: Workspace, look: Look, endpoint: Endpoint) -> None:
    judge(small, "2026-03-07", "2026-03-08")
    found = look()
    assert endpoint.received == ["ERROR: clean_trades/sim/2026-03-07", "ERROR: clean_trades/sim/2026-03-08"]
    assert found.skip_message == "2 of 2 alerts sent"


def test_an_alert_that_does_not_arrive_is_tried_again(small: Workspace, look: Look, endpoint: Endpoint) -> None:
    judge(small, "2026-03-07")
    endpoint.refuse = 1
    with pytest.raises(Exception, match="an alert could not be delivered"):
        look()
    assert endpoint.received == []
    look()
    assert endpoint.received == ["ERROR: clean_trades/sim/2026-03-07"]


def test_what_arrived_before_a_failure_is_not_sent_again(
    small: Workspace, look: Look, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensors import alerts

    judge(small, "2026-03-07", "2026-03-08", "2026-03-09")
    notify, sent = alerts.notify, []

    def notify_and_fail_the_second(home: Path, *, title: str, body: str) -> None:
        sent.append(title)
        endpoint.refuse = 1 if len(sent) == 2 else 0
        notify(home, title=title, body=body)

    monkeypatch.setattr(alerts, "notify", notify_and_fail_the_second)
    first = look()
    assert first.skip_message == "1 of 3 alerts sent"
    look(first.cursor)
    assert endpoint.received == [f"ERROR: clean_trades/sim/2026-03-0{day}" for day in (7, 8, 9)]


def test_a_file_beside_a_dead_endpoint_holds_each_alert_once(
    small: Workspace, look: Look, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKLINE_ALERTS", f"file://alerts.jsonl, {endpoint.url}")
    judge(small, "2026-03-07")
    endpoint.refuse = 1
    with pytest.raises(Exception, match="could not be delivered"):
        look()
    look()
    assert filed(small.home / "alerts.jsonl") == endpoint.received == ["ERROR: clean_trades/sim/2026-03-07"]


def test_no_secret_is_told_where_delivery_fails(
    small: Workspace, look: Look, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    judge(small, "2026-03-07")
    endpoint.refuse = 1
    with caplog.at_level(logging.INFO), pytest.raises(Exception, match="could not be delivered") as failure:
        look()
    chain, error = "", failure.value
    while error is not None:
        chain += str(error)
        error = error.__cause__ or error.__context__
    assert SECRET not in chain
    assert SECRET not in caplog.text


def test_no_secret_is_told_where_a_url_is_not_understood(
    small: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sensors.sink import notify

    monkeypatch.setenv("TICKLINE_ALERTS", f"file://alerts.jsonl,nonsense://{SECRET}@host")
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(ConfigError, match="entry 2 is not a URL apprise knows") as failure,
    ):
        notify(small.home, title="t", body="b")
    assert SECRET not in str(failure.value)
    assert SECRET not in caplog.text


def test_a_failed_run_is_alerted(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKLINE_ALERTS", "file://alerts.jsonl")

    @dg.op
    def fails() -> None:
        raise ValueError("nothing works")

    @dg.job
    def failing() -> None:
        fails()

    with dg.DagsterInstance.ephemeral() as instance:
        result = failing.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
        )
        failed_runs(context.for_run_failure())
    assert filed(small.home / "alerts.jsonl") == [f"run {result.run_id[:8]} failed"]
