"""The file in which a search keeps what its trials scored, so that it goes on where it was killed."""

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from tickline.backtest.space import canonical, trial_id
from tickline.backtest.study import Score, Study, Trial
from tickline.errors import ConfigError, LakeError
from tickline.lake.storage import fsync_path


class TrialLog:
    """What a study's trials scored: a file of JSON lines, each batch written through to the disk.

    A last line that was torn is dropped. One process at a time has it open. Raises ConfigError where the file is the
    log of another study, LakeError where it is open elsewhere or damaged.
    """

    def __init__(self, path: Path, study: Study) -> None:
        self.scores: dict[str, Score] = {}
        self._path = path
        self._file = path.open("a+b")
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._resume(study)
        except BlockingIOError as error:
            self._file.close()
            raise LakeError(f"{path}: another search is writing it; wait for that one or stop it") from error
        except BaseException:
            self._file.close()
            raise

    def append(self, trials: Sequence[Trial]) -> None:
        """Record trials; those recorded before are not again."""
        fresh = {trial.id: trial for trial in trials if trial.id not in self.scores}
        self._write(
            [
                {"number": trial.number, "id": trial.id, "parameters": trial.parameters, "score": asdict(trial.score)}
                for trial in fresh.values()
            ]
        )
        self.scores |= {trial.id: trial.score for trial in fresh.values()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _resume(self, study: Study) -> None:
        header = {"study": study.sha256, **study.described}
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            if not canonical(header).startswith(content):
                raise ConfigError(f"{self._path} is no log of trials; name another file")
            self._file.truncate(0)
            self._write([header])
            fsync_path(self._path.parent)
            return
        self._file.truncate(len(whole))
        first, *rest = whole.splitlines()
        if first != canonical(header):
            raise ConfigError(
                f"{self._path} is not the log of this study ({study.sha256}); name another file or move it away"
            )
        for number, line in enumerate(rest, start=2):
            trial, score = self._read(line, number)
            self.scores[trial] = score

    def _read(self, line: bytes, number: int) -> tuple[str, Score]:
        try:
            said = orjson.loads(line)
            if trial_id(said["parameters"]) != said["id"]:
                raise ValueError("the parameters are not those of the id")
            score = said["score"]
            values, returns = tuple(score["values"]), tuple(score["returns"])
            return said["id"], Score(values, score["trades"], score["failure"], returns, score["reach"])
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"{self._path}:{number}: not a trial ({error}); cut the file before this line and search again"
            ) from error

    def _write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._file.write(b"".join(canonical(line) + b"\n" for line in lines))
        self._file.flush()
        os.fsync(self._file.fileno())
