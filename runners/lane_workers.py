"""The workers of the lanes, one process each, from the side that starts, asks and kills them. Linux only.

A worker gets the structure once and reads quotes from memory it shares, see `shared_arrays`; what it finds comes back
as JSON over a pipe that is never waited for beyond a lane's budget. What runs when is decided in
`tickline.lanes.scheduling`. The workers die with the thread that started them.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from pydantic import ValidationError

from runners.lane_worker import FRAME
from runners.shared_arrays import Arrays, SharedArrays, share
from tickline.errors import LaneError
from tickline.lanes.messages import found_from
from tickline.lanes.model import Lane
from tickline.lanes.scheduler_spec import SchedulerSettings
from tickline.lanes.scheduling import (
    CycleResult,
    Ending,
    LaneOutcome,
    Plan,
    SchedulerState,
    Standing,
    Worker,
    merge,
    plan,
    settle,
)

LARGEST_ANSWER = 1 << 28
"""Bytes; a worker that announces more is taken to be broken."""

_EXIT_S = 0.2
"""A worker that closed its pipe is exiting, and says no later than this how."""

_ALONE = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""There is a process for each lane; each takes one core, or the lanes would wait for each other."""


class LaneWorkers:
    """Workers by lane. Ends all of them when left; used as a context manager."""

    def __init__(self, code: Mapping[Lane, str]) -> None:
        """`code` says where each lane's function is, see `lane_worker`; a worker starts when a plan says so."""
        self._code = dict(code)
        self._running: dict[Lane, _Process] = {}
        self._killed: list[subprocess.Popen[bytes]] = []
        self._selector = selectors.DefaultSelector()
        self._structure: SharedArrays | None = None
        self._quotes: SharedArrays | None = None
        self._load = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def load(self, structure: Arrays, quotes: Arrays) -> None:
        """Hand all workers a structure, and room for quotes laid out like these; until then they are starting."""
        self._forget()
        self._structure, self._quotes, self._load = share(structure), share(quotes), self._load + 1
        for lane in list(self._running):
            self._hand_over(lane)

    def standings(self) -> dict[Lane, Worker]:
        """What each worker is doing now."""
        self._killed = [one for one in self._killed if one.poll() is None]
        self._take_in(0.0)
        return {
            lane: Worker(self._running[lane].standing, self._running[lane].reason)
            if lane in self._running
            else Worker(Standing.ABSENT)
            for lane in self._code
        }

    def pids(self) -> dict[Lane, int]:
        """The processes that run."""
        return {lane: process.popen.pid for lane, process in self._running.items()}

    def ask(self, planned: Plan, quotes: Arrays, ts_ns: int) -> list[LaneOutcome]:
        """Carry out a plan: outcomes of the lanes it asks, in the order they came, those out of time last.

        `ts_ns` is the moment of the quotes. Takes as long as the longest budget at most. Raises LaneError where
        nothing was loaded, or quotes are laid out in another way than was loaded.
        """
        if self._quotes is None:
            raise LaneError("no structure was loaded for the lanes; call load before the first cycle")
        for lane in planned.kill:
            self.kill(lane)
        for lane in planned.start:
            self._start(lane)
        self._quotes.write(quotes)
        asked_ns = time.monotonic_ns()
        order = orjson.dumps({"do": "ask", "cycle": planned.cycle, "ts_ns": ts_ns})
        waiting = {}
        for assignment in planned.ask:
            process = self._running[assignment.lane]
            process.standing = Standing.BUSY
            process.tell(order, [])
            waiting[assignment.lane] = asked_ns + assignment.budget_ns
        return list(self._outcomes(planned.cycle, waiting))

    def kill(self, lane: Lane) -> None:
        """End a worker; it is absent then. No cycle waits for the system to clear away what it leaves."""
        process = self._running.pop(lane, None)
        if process is not None:
            self._listen_no_more(process)
            process.end()
            self._killed.append(process.popen)

    def stop(self) -> None:
        """End all workers and give their memory back."""
        for lane in list(self._running):
            self.kill(lane)
        for killed in self._killed:
            killed.wait()
        self._forget()
        self._selector.close()

    def _outcomes(self, cycle: int, waiting: dict[Lane, int]) -> Iterator[LaneOutcome]:
        """Outcomes of lanes as they come, until each has one or its deadline is over."""
        while waiting:
            self._take_in(max(0, min(waiting.values()) - time.monotonic_ns()) / 1e9)
            now_ns = time.monotonic_ns()
            for lane in list(waiting):
                process = self._running[lane]
                if process.standing is Standing.DEAD:
                    yield LaneOutcome(lane, Ending.CRASHED, process.reason)
                    self.kill(lane)
                elif process.answered == cycle:
                    yield self._found(lane, process.body)
                elif now_ns >= waiting[lane]:
                    yield LaneOutcome(lane, Ending.LATE, "no answer within its budget")
                else:
                    continue
                del waiting[lane]

    def _found(self, lane: Lane, body: bytes) -> LaneOutcome:
        try:
            return LaneOutcome(lane, Ending.OK, found=found_from(body))
        except ValidationError as error:
            self.kill(lane)
            first = error.errors(include_url=False)[0]
            return LaneOutcome(lane, Ending.CRASHED, f"its answer cannot be read: {first['loc']}: {first['msg']}")

    def _start(self, lane: Lane) -> None:
        self.kill(lane)
        process = _started(lane, self._code[lane])
        self._running[lane] = process
        self._selector.register(process.answers, selectors.EVENT_READ, process)
        self._hand_over(lane)

    def _hand_over(self, lane: Lane) -> None:
        if self._structure is None or self._quotes is None:
            return
        layouts = {"structure": self._structure.layout, "quotes": self._quotes.layout}
        order = orjson.dumps({"do": "load", "load": self._load} | layouts)
        process = self._running[lane]
        process.load = self._load
        process.standing = Standing.STARTING
        process.tell(order, [self._structure.fd, self._quotes.fd])

    def _take_in(self, seconds: float) -> None:
        """Read what workers have sent, waiting so long for the first of it."""
        for key, _ in self._selector.select(seconds):
            process: _Process = key.data
            process.read()
            if process.standing is Standing.DEAD:
                self._listen_no_more(process)

    def _listen_no_more(self, process: "_Process") -> None:
        if process.answers in self._selector.get_map():
            self._selector.unregister(process.answers)

    def _forget(self) -> None:
        for shared in (self._structure, self._quotes):
            if shared is not None:
                shared.close()
        self._structure = self._quotes = None


def run_cycle(
    state: SchedulerState, workers: LaneWorkers, quotes: Arrays, *, ts_ns: int, settings: SchedulerSettings
) -> tuple[SchedulerState, CycleResult]:
    """One cycle over quotes of the moment `ts_ns`. Raises LaneError as `LaneWorkers.ask` does."""
    now_ns = time.monotonic_ns()
    state, planned = plan(state, now_ns, workers=workers.standings(), settings=settings)
    result = merge(planned, workers.ask(planned, quotes, ts_ns))
    return settle(state, result, now_ns, settings=settings), result


@dataclass(slots=True)
class _Process:
    """A running worker, and what it has said. `answered` is the last cycle it answered, with `body`."""

    popen: subprocess.Popen[bytes]
    orders: socket.socket
    answers: int
    standing: Standing = Standing.STARTING
    reason: str = ""
    load: int = 0
    answered: int = 0
    body: bytes = b""
    _unread: bytearray = field(default_factory=bytearray)

    def tell(self, order: bytes, descriptors: list[int]) -> None:
        """Send an order; a worker that takes none is dead."""
        try:
            socket.send_fds(self.orders, [order], descriptors)
        except OSError as error:
            self._died(f"it takes no orders: {error.strerror}")

    def read(self) -> None:
        """Take in what there is, without waiting for more."""
        try:
            received = os.read(self.answers, 1 << 20)
        except BlockingIOError:
            return
        if not received:
            self._died(_how_it_ended(self.popen))
            return
        self._unread += received
        try:
            for head, body in self._frames():
                self._hear(head, body)
        except (orjson.JSONDecodeError, LookupError, TypeError):
            self._died("what it says cannot be read")

    def end(self) -> None:
        """Kill it."""
        self.popen.kill()
        self.orders.close()
        os.close(self.answers)

    def _hear(self, head: dict[str, Any], body: bytes) -> None:
        match head["kind"]:
            case "ready" if head["load"] == self.load:
                self.standing = Standing.IDLE
            case "answer":
                self.answered, self.body = head["cycle"], body
                # A structure that was handed over meanwhile is not taken in yet.
                self.standing = Standing.IDLE if self.standing is Standing.BUSY else self.standing
            case "failed":
                self._died(head["reason"])

    def _frames(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        while len(self._unread) >= FRAME.size:
            head, body = FRAME.unpack_from(self._unread)
            if head + body > LARGEST_ANSWER:
                self._died(f"it announced an answer of {head + body} bytes; {LARGEST_ANSWER} are the most")
                return
            end = FRAME.size + head + body
            if len(self._unread) < end:
                return
            frame = bytes(self._unread[FRAME.size : end])
            del self._unread[:end]
            yield orjson.loads(frame[:head]), frame[head:]

    def _died(self, reason: str) -> None:
        if self.standing is not Standing.DEAD:
            self.standing, self.reason = Standing.DEAD, reason


def _started(lane: Lane, code: str) -> _Process:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    answers, write_end = os.pipe()
    told = {"lane": lane, "code": code, "orders": theirs.fileno(), "answers": write_end, "parent": os.getpid()}
    try:
        popen = subprocess.Popen(
            [sys.executable, "-m", "runners.lane_worker", orjson.dumps(told).decode()],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), write_end),
            env=os.environ | dict.fromkeys(_ALONE, "1"),
            process_group=0,  # an interrupt from the terminal is the parent's to handle
        )
    finally:
        theirs.close()
        os.close(write_end)
    ours.setblocking(False)
    os.set_blocking(answers, False)
    return _Process(popen, ours, answers)


def _how_it_ended(popen: subprocess.Popen[bytes]) -> str:
    try:
        code = popen.wait(timeout=_EXIT_S)
    except subprocess.TimeoutExpired:
        return "it closed its pipe"
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
