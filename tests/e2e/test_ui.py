"""The Dagster UI of `make dev` in a real browser: the graph and a partition are there, and strangers are refused."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.commands.backfill import Choice, Holes, fill, holes_in
from tickline.workspace import Workspace

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    return found


@pytest.fixture
def ui(small: Workspace) -> Iterator[str]:
    """The address of the UI over a lake in which everything of `sim` but its marts was made through Dagster."""
    holes = holes_in(small, Choice(venue="sim"))
    assert fill(small, Holes(holes.standings, []), quiet=True).failed == []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = subprocess.Popen(
        [sys.executable, "-m", "runners.dev", "--port", str(port)],
        cwd=ROOT,
        env=os.environ.copy(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/server_info", served)
        yield address
    finally:
        served.send_signal(signal.SIGINT)
        try:
            served.wait(timeout=60)
        finally:
            if served.poll() is None:
                os.killpg(served.pid, signal.SIGKILL)


def _wait_for(url: str, served: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert served.poll() is None, "the UI ended by itself"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"{url} did not answer in three minutes")


def test_the_graph_and_a_partition_are_shown_and_strangers_refused(ui: str, chromium: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        foreign: list[str] = []
        page.on("request", lambda request: None if request.url.startswith(ui) else foreign.append(request.url))
        page.goto(f"{ui}/asset-groups")
        for group in ("reference", "raw", "clean", "bars", "kpi", "retention"):
            expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=90_000)
        page.goto(f"{ui}/assets/sim/clean_trades?view=partitions&partition=2026-03-08")
        for shown in ("clean_ratio", "sha256", "preview"):
            expect(page.get_by_text(shown, exact=True).first).to_be_visible(timeout=90_000)
        browser.close()
    assert [url for url in foreign if url.startswith("http")] == [], "the UI asks nobody else for anything"

    query = urllib.request.Request(f"{ui}/graphql?query=mutation%7BreloadWorkspace%7B__typename%7D%7D")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(query, timeout=10)
    assert refused.value.code == 403
    assert b"GraphQL takes POST only" in refused.value.read()
