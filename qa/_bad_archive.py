"""What can go wrong between a lake and its archive, and a witness that no object is ever without a whole copy."""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tickline.errors import LakeError
from tickline.lake.archive import Archive

FAULT_RATE = 0.2
CRASH_RATE = 0.005
DELAY_SECONDS = 0.02

Instant = Callable[[str, tuple[Any, ...]], None]


class Crash(BaseException):
    """The process is gone. Nothing in the lake may catch it."""


class FaultyArchive:
    """An archive of which one call in five goes wrong. `read_back` holds the keys whose true bytes a read gave."""

    def __init__(self, inner: Archive, rng: random.Random) -> None:
        self.name = inner.name
        self.faults = 0
        self.read_back: set[str] = set()
        self._inner, self._rng = inner, rng

    def put(self, path: Path, key: str, sha256: str) -> str:
        """See Archive."""
        fault = self._fault("error before", "error after", "delay")
        if fault == "error before":
            raise LakeError("injected: the archive did not answer")
        version = self._inner.put(path, key, sha256)
        if fault == "error after":
            raise LakeError("injected: the archive's answer was lost")
        return version

    def read(self, key: str, version: str) -> Iterator[bytes]:
        """See Archive."""
        fault = self._fault("error before", "other bytes", "fewer bytes", "delay")
        if fault == "error before":
            raise LakeError("injected: the archive did not answer")
        data = b"".join(self._inner.read(key, version))
        if fault == "other bytes":
            yield data[:-1] + bytes([data[-1] ^ 1])
        elif fault == "fewer bytes":
            yield data[: self._rng.randrange(len(data))]
        else:
            self.read_back.add(key)
            yield data

    def _fault(self, *kinds: str) -> str:
        if self._rng.random() >= FAULT_RATE:
            return ""
        self.faults += 1
        kind = self._rng.choice(kinds)
        if kind == "delay":
            time.sleep(DELAY_SECONDS)
        return kind


class Stepwise:
    """A part of the lake with an instant before and after each of its calls."""

    def __init__(self, part: Any, instant: Instant) -> None:
        self._part, self._instant = part, instant

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._part, name)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **options: Any) -> Any:
            self._instant(f"before {name}", args)
            answer = attribute(*args, **options)
            self._instant(f"after {name}", args)
            return answer

        return call


class Witness:
    """Looks at the bytes themselves at every instant, and decides whether the process dies there.

    `copies` gives every byte string the archive holds for an object's name, `in_lake` the object's file.
    """

    def __init__(
        self,
        archive: FaultyArchive,
        rng: random.Random,
        *,
        in_lake: Callable[[str], Path],
        copies: Callable[[str], Iterator[bytes]],
    ) -> None:
        self.instants = self.crashes = self.unverified_deletes = 0
        self.last_copies_lost: set[str] = set()
        self._archive, self._rng, self._in_lake, self._copies = archive, rng, in_lake, copies
        self._sha256 = ""

    def watch(self, sha256: str) -> None:
        """Watch this object from now on. What was read back before does not count for it."""
        self._sha256 = sha256
        self._archive.read_back.clear()

    def instant(self, what: str, args: tuple[Any, ...]) -> None:
        """Something is about to happen or has happened. Raises Crash where the process dies of it."""
        self.instants += 1
        if not self.is_somewhere(self._sha256):
            self.last_copies_lost.add(self._sha256)
        if what == "before delete":
            self.unverified_deletes += args[0] not in self._archive.read_back
        if self._rng.random() < CRASH_RATE:
            self.crashes += 1
            raise Crash

    def is_somewhere(self, sha256: str) -> bool:
        """Whether whole bytes of an object are in the lake or in the archive."""
        path = self._in_lake(sha256)
        places = [path.read_bytes()] if path.is_file() else self._copies(sha256)
        return any(hashlib.sha256(data).hexdigest() == sha256 for data in places)
