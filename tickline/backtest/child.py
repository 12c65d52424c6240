"""A child process with limits, in which strategies run: one that raises, never ends or eats memory fails by itself.

Parent and child speak JSON lines over pipes; frames go through Arrow files in a folder of the parent's. The child has
no credentials in its environment and, where the kernel lets it leave that, no network (`offline`): what a strategy
knows is what it is shown. Only what its module does on import is done by whoever reads the configuration, too. A child
serves one window after another and is replaced when it dies or is ended.
"""

import errno
import os
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from select import select
from typing import IO, Any

import orjson
import polars as pl

from tickline.backtest.spec import StrategySpec
from tickline.backtest.walkforward import run_window
from tickline.backtest.window import Material, Window
from tickline.errors import BacktestError, TicklineError
from tickline.reference.models import Venue

_KEPT = ("PATH", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "LANG", "TZ", "HOME", "VIRTUAL_ENV")
_KEPT_PREFIXES = ("POLARS_", "NUMBA_")
_ENDED = -9
_NO_NETWORK = (errno.ENETUNREACH, socket.EAI_AGAIN)


class Child:
    """A process that runs windows of strategies within limits. Use it from one thread, and close it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._memory_gb = 0.0

    def run(self, spec: StrategySpec, window: Window, material: Material) -> dict[str, pl.DataFrame]:
        """What `run_window` leaves, made in the child.

        Raises BacktestError where that fails, takes longer than `spec.minutes` or more memory than `spec.memory_gb`.
        """
        with tempfile.TemporaryDirectory(prefix="tickline-window-") as folder:
            _write_job(Path(folder), spec, window, material)
            answer = self._ask(Path(folder), spec)
            if "error" in answer:
                raise BacktestError(f"{spec.name}, window from {window.test[0]}: {answer['error']}")
            return {name: pl.read_ipc(Path(folder) / f"{name}.arrow") for name in answer["frames"]}

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def _ask(self, folder: Path, spec: StrategySpec) -> dict[str, Any]:
        process = self._started(spec)
        asked, answered = _pipes(process)
        try:
            asked.write(str(folder).encode() + b"\n")
            asked.flush()
            line = _line(answered, spec.minutes * 60)
        except BrokenPipeError:
            line = b""
        if line is None:
            self.close()
            return {
                "error": f"took longer than {spec.minutes:g} minutes and was ended; give it `minutes`, or mend its loop"
            }
        if not line:
            status = process.wait()
            self.close()
            killed = " (out of memory?)" if status == _ENDED else ""
            return {"error": f"its process died with status {status}{killed}; it may use {spec.memory_gb:g} GB"}
        answer: dict[str, Any] = orjson.loads(line)
        return answer

    def _started(self, spec: StrategySpec) -> "subprocess.Popen[bytes]":
        if self._process is not None and (self._process.poll() is not None or self._memory_gb != spec.memory_gb):
            self.close()
        if self._process is None:
            self._memory_gb = spec.memory_gb
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "tickline.backtest.offline", str(spec.memory_gb)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={name: value for name, value in os.environ.items() if _is_kept(name)},
            )
        return self._process


def serve(memory_gb: float) -> None:
    """Answer, within so much memory, what the other end asks on standard input, until it closes that."""
    most = int(memory_gb * 1024**3)
    # Mapped but untouched memory, of which compilers and thread pools take much, is not counted.
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    answers = os.fdopen(os.dup(1), "wb")
    # What a strategy prints must not be taken for an answer.
    os.dup2(2, 1)
    for line in iter(sys.stdin.buffer.readline, b""):
        folder = Path(line.decode().rstrip("\n"))
        answers.write(orjson.dumps(_answer(folder)) + b"\n")
        answers.flush()


def _write_job(folder: Path, spec: StrategySpec, window: Window, material: Material) -> None:
    job = {
        "spec": spec.model_dump(mode="json"),
        "venue": material.venue.model_dump(mode="json"),
        "window": {"train": window.train, "warmup": window.warmup, "test": window.test},
        "streams": len(material.streams),
        "goes_on": material.before is not None,
    }
    (folder / "job.json").write_bytes(orjson.dumps(job))
    for nth, frame in enumerate(material.streams):
        frame.write_ipc(folder / f"stream{nth}.arrow")
    material.sessions.write_ipc(folder / "sessions.arrow")
    if material.before is not None:
        material.before.write_ipc(folder / "before.arrow")


def _read_job(folder: Path) -> tuple[StrategySpec, Window, Material]:
    job: Mapping[str, Any] = orjson.loads((folder / "job.json").read_bytes())
    streams = tuple(pl.read_ipc(folder / f"stream{nth}.arrow") for nth in range(job["streams"]))
    sessions = pl.read_ipc(folder / "sessions.arrow")
    before = pl.read_ipc(folder / "before.arrow") if job["goes_on"] else None
    dates = {name: tuple(pl.Series(days, dtype=pl.String).str.to_date()) for name, days in job["window"].items()}
    spec, venue = StrategySpec.model_validate(job["spec"]), Venue.model_validate(job["venue"])
    return spec, Window(**dates), Material(streams, sessions, venue, before)


def _answer(folder: Path) -> dict[str, Any]:
    try:
        frames = run_window(*_read_job(folder))
        for name, frame in frames.items():
            frame.write_ipc(folder / f"{name}.arrow")
    except TicklineError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "ran out of the memory it may use; give it `memory_gb`, or mend it"}
    except Exception as error:  # a strategy may raise anything
        called = isinstance(error, OSError) and error.errno in _NO_NETWORK
        hint = "; a strategy has no network: declare what it needs as a signal" if called else ""
        return {"error": f"its strategy raised {type(error).__name__}: {error}{hint}"}
    return {"frames": sorted(frames)}


def _pipes(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _line(answered: IO[bytes], seconds: float) -> bytes | None:
    """The next line, nothing where the other end closed, None where it takes longer than that."""
    there, _, _ = select([answered], [], [], seconds)
    return answered.readline() if there else None


def _is_kept(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_PREFIXES)
