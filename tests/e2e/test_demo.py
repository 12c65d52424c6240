"""The whole pipeline as a newcomer runs it: one command, no network, and nothing to do the second time."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def demo() -> Any:
    command = [*offline(), str(BIN / "tickline"), "demo", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=500, env=os.environ.copy())
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def test_the_demo_is_green_offline_and_then_finds_nothing_to_do(small: Workspace) -> None:
    first = demo()
    assert first["ok"] is True
    assert first["made"] > sum(len(stage.periods) for stage in small.graph), "the marts are among it"
    assert (first["left"], first["failed"], first["red"]) == (0, [], [])
    assert first["injected"] == first["caught"] > 0
    assert first["refused_otherwise"] == 0
    before = {str(key): one.id for key, one in small.lake.catalog.everything().items()}

    second = demo()
    assert second["ok"] is True
    assert second["made"] == 0
    assert second["seconds"] < 30
    assert {str(key): one.id for key, one in small.lake.catalog.everything().items()} == before


def test_people_are_shown_what_happened_and_what_next(small: Workspace) -> None:
    command = [str(BIN / "tickline"), "demo"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=500, env=os.environ.copy())
    for shown in ("all green", "Partitions there", "Daily KPIs", "made bad", "What next", "make dev"):
        assert shown in done.stdout
