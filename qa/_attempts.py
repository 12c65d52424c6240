"""Attempts at making something fail, and what came of them: the bookkeeping of `qa fuzz`."""

import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeVar

from tickline.errors import TicklineError

T = TypeVar("T")

HANG_SECONDS = 1.0
"""Processor time, not wall time: a busy machine is no hang."""

Kind = Literal["uncaught", "hang", "escape", "collision"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that did what none may: where it went, what happened, and its bytes."""

    kind: Kind
    where: str
    why: str
    data: bytes


@dataclass(slots=True)
class Attempts:
    """What was tried in one process. `inputs` counts what was fed in, `passed` what was read without an error."""

    inputs: int = 0
    passed: int = 0
    failures: list[Failure] = field(default_factory=list)

    def make(
        self, where: str, data: bytes, act: Callable[[], T], *, errors: tuple[type[TicklineError], ...], inputs: int = 1
    ) -> T | None:
        """Act on an input. It may return or raise one of the `errors`; all else, and taking too long, is a failure."""
        self.inputs += inputs
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        try:
            result = act()
        except errors:
            return None
        except _Hang:
            self.fail("hang", where, f"more than {HANG_SECONDS} s", data)
            return None
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic inside Polars is no Exception
            self.fail("uncaught", where, _told(error), data)
            return None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if time.process_time() - began > HANG_SECONDS:
            self.fail("hang", where, f"{time.process_time() - began:.1f} s", data)
        self.passed += inputs
        return result

    def fail(self, kind: Kind, where: str, why: str, data: bytes) -> None:
        """Note a failure."""
        self.failures.append(Failure(kind, where, why, data))


class _Hang(BaseException):
    """Raised in the middle of what takes too long; nothing that catches Exception stops it."""


def _interrupt(_signal: int, _frame: Any) -> NoReturn:
    raise _Hang


signal.signal(signal.SIGPROF, _interrupt)


def _told(error: BaseException) -> str:
    """The error and the innermost lines it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "site-packages" not in frame.filename][-1]
    return f"{type(error).__name__}: {str(error)[:200]} ({inside.filename.rpartition('/')[2]}:{inside.lineno})"
