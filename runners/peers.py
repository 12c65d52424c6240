"""The libraries that Tickline is held against, which live in an environment of their own: `make peers` makes it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import orjson

from tickline.errors import ConfigError, TicklineError

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "bench" / "peers"


def peers_python() -> Path:
    """The interpreter of the peers' environment, or the one TICKLINE_PEERS names.

    Raises ConfigError where there is none.
    """
    python = Path(os.environ.get("TICKLINE_PEERS") or ROOT / ".venv-peers" / "bin" / "python")
    if not python.is_file():
        raise ConfigError(f"no interpreter {python} of the peers' environment: run `make peers`, or set TICKLINE_PEERS")
    return python


def call(script: str, folder: Path, *arguments: str, minutes: float = 30) -> dict[str, Any]:
    """What a script of bench/peers says last, as JSON; it is given the folder and the arguments.

    Raises TicklineError where it fails or takes longer than that.
    """
    command = [str(peers_python()), str(SCRIPTS / script), str(folder), *arguments]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=minutes * 60)
    except subprocess.CalledProcessError as error:
        raise TicklineError(f"bench/peers/{script} failed; it said: {error.stderr.strip()[-2000:]}") from error
    except subprocess.TimeoutExpired as error:
        raise TicklineError(
            f"bench/peers/{script} was not done after {minutes:g} minutes; give it less to do"
        ) from error
    said: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return said
