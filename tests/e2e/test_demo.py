"""The whole pipeline as a newcomer runs it: one command, no network, and nothing to do the second time."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tickline.workspace import Workspace

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent


def offline() -> list[str]:
    """What runs a command in a network of its own that leads nowhere, where this machine allows one."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode:
        return []
    return [unshare, "-rn"]


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [*offline(), str(BIN / "tickline"), "demo", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=500, env=os.environ.copy())
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_demo_is_green_offline_and_then_finds_nothing_to_do(small: Workspace) -> None:
    (line,) = demo("--json").stdout.splitlines()
    first = json.loads(line)
    assert first["ok"] is True
    assert first["made"] > sum(len(stage.periods) for stage in small.graph), "the marts are among it"
    assert (first["left"], first["failed"], first["red"]) == (0, [], [])
    assert first["injected"] == first["caught"] > 0
    assert first["refused_otherwise"] == 0
    before = {str(key): one.id for key, one in small.lake.catalog.everything().items()}

    again = demo()
    assert "2 venues, 0 periods to make" in again.stderr
    for shown in ("all green", "Partitions there", "Daily KPIs", "made bad", "What next", "make dev"):
        assert shown in again.stdout
    assert {str(key): one.id for key, one in small.lake.catalog.everything().items()} == before
