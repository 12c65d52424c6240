"""Hostile names, configuration and recordings by the hundred thousand: nothing escapes, crashes or hangs.

Names go through everything that makes a path, key or cell of them; configurations are loaded and put to use;
recordings are read by every source and judged by the firewall. What may be raised is a ConfigError, a SourceError or
a FirewallError; a hang is more than a second of processor time. Inputs that fail are kept, the shortest shown first.
"""

import faulthandler
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from qa import _fuzz_configs, _fuzz_names, _fuzz_parsers, _fuzz_rules
from qa._attempts import Attempts, Failure
from qa._workers import workers

Part = Callable[[random.Random, int, Path], Attempts]

PARTS: dict[str, tuple[Part, int, int]] = {
    "symbols": (_fuzz_names.fuzz, 100_000, 100_000),  # in one go: names must differ from each other
    "configs": (_fuzz_configs.fuzz, 100_000, 5_000),
    "lines": (_fuzz_parsers.lines, 850_000, 25_000),
    "files": (_fuzz_parsers.files, 20_000, 1_000),
    "tables": (_fuzz_parsers.tables, 10_000, 1_000),
    "expressions": (_fuzz_rules.fuzz, 120_000, 10_000),
}
"""What does it, how many inputs in all and how many at a time."""

PARSERS = ("lines", "files", "tables", "expressions")
SHOWN = 10
STUCK_SECONDS = 1800
"""A process that works on one portion for longer is stuck where no Python runs: it is ended."""


def run(
    seed: Annotated[int, typer.Option(help="Other seeds, other inputs.")] = 1,
    keep: Annotated[Path, typer.Option(help="Where inputs that fail are kept.")] = Path(".cache/fuzz-failures"),
    small: Annotated[bool, typer.Option("--small", help="CI's size: a hundredth.")] = False,
) -> dict[str, Any]:
    """Example: qa fuzz --seed 7"""
    portions = [
        (part, min(size, wanted - start), start // size)
        for part, (_, total, size) in PARTS.items()
        for wanted in (total // 100 if small else total,)
        for start in range(0, wanted, size)
    ]
    inputs: Counter[str] = Counter()
    failures: list[Failure] = []
    with workers({"POLARS_MAX_THREADS": "1", "RUST_BACKTRACE": "0"}) as pool:
        running = {pool.submit(_portion, *portion, seed): portion for portion in portions}
        for future in track(as_completed(running), "fuzzing", total=len(portions), auto_refresh=False):
            part, count, number = running[future]
            inputs[part] += count
            try:
                failures += future.result()
            except BrokenProcessPool:
                failures.append(Failure("uncaught", part, f"a process died at portion {number} or beside it", b""))
    _keep(failures, keep)
    found = Counter(failure.kind for failure in failures)
    return {
        "ok": not failures,
        "symbols": inputs["symbols"],
        "configs": inputs["configs"],
        "parser_inputs": sum(inputs[part] for part in PARSERS),
        "escapes": found["escape"],
        "collisions": found["collision"],
        "uncaught": found["uncaught"],
        "hangs": found["hang"],
    }


def _portion(part: str, count: int, number: int, seed: int) -> list[Failure]:
    """Do a portion of a part, always the same for the same seed and number."""
    warnings.simplefilter("ignore")  # of Python about the expressions, of zipfile about names given twice
    faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
    with tempfile.TemporaryDirectory() as folder:
        rng = random.Random(f"{seed} {part} {number}")  # noqa: S311 - repeatable on purpose
        attempts = PARTS[part][0](rng, count, Path(folder))
    faulthandler.cancel_dump_traceback_later()
    assert attempts.inputs == count, "every input that is counted was tried"
    return attempts.failures


def _keep(failures: list[Failure], folder: Path) -> None:
    """Write the inputs that failed into a folder and show the shortest."""
    for shown, failure in enumerate(sorted(failures, key=lambda failure: len(failure.data))):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{failure.kind}-{sha256(failure.data).hexdigest()[:16]}"
        path.write_bytes(failure.data)
        if shown < SHOWN:
            print(f"{failure.kind} in {failure.where}: {failure.why}\n    {path}: {failure.data[:120]!r}")
