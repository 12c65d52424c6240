"""`make dev`: the Dagster UI, guarded and on loopback, and the daemon that runs schedules and sensors."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context

from orchestration.instance import embedded_instance
from runners.guard import Guard
from tickline.workspace import workspace

_WORKSPACE = Path(__file__).parent.parent / "workspace.yaml"


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: python -m runners.dev --port 3000")
    parser.add_argument("--port", type=int, default=3000, help="the UI's port on 127.0.0.1")
    port = parser.parse_args().port
    instance = embedded_instance(workspace().home)
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "-w", str(_WORKSPACE)],
        env=os.environ | {"DAGSTER_HOME": str(workspace().home / "dagster")},
    )
    print(f"Tickline on http://127.0.0.1:{port}", flush=True)
    try:
        with WorkspaceProcessContext(instance, WorkspaceFileTarget(paths=[str(_WORKSPACE)])) as context:
            app = Guard(create_app_from_workspace_process_context(context), port=port)
            uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
    finally:
        daemon.send_signal(signal.SIGINT)
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            daemon.kill()


if __name__ == "__main__":
    main()
