"""The process of one lane: it waits for orders from the one that started it, and dies with it.

An order is a JSON packet; an answer is a frame of a JSON head and bytes that the lane made. A lane's code is a function
named as `module:function`: `prepare(lane, structure)` gives `look(quotes, ts_ns)`, which gives those bytes. What it
prints goes to stderr.
"""

import ctypes
import importlib
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any

import orjson

from runners.shared_arrays import Arrays, attached
from tickline.lanes.model import Lane

FRAME = struct.Struct("<IQ")
"""Bytes of the head, bytes of the body."""

Look = Callable[[Arrays, int], bytes]
Prepare = Callable[[Lane, Arrays], Look]

_PACKET = 1 << 16
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Obey until the other end closes; an error of the lane's code is answered and ends the process."""
    told = orjson.loads(sys.argv[1])
    _die_with(told["parent"])
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    cores = os.sched_getaffinity(0)
    # Getting ready takes seconds; on one core it leaves the others to the lanes that look meanwhile.
    os.sched_setaffinity(0, {max(cores)})
    try:
        _obey(socket.socket(fileno=told["orders"]), told["answers"], Lane(told["lane"]), told["code"], cores)
    except Exception as error:
        traceback.print_exc()
        _answer(told["answers"], {"kind": "failed", "reason": f"{type(error).__name__}: {error}"[:500]})
        sys.exit(1)


def _obey(orders: socket.socket, answers: int, lane: Lane, code: str, cores: set[int]) -> None:
    module, _, function = code.partition(":")
    prepare: Prepare = getattr(importlib.import_module(module), function)
    while True:
        packet, descriptors, _, _ = socket.recv_fds(orders, _PACKET, 2)
        if not packet:
            return
        order: dict[str, Any] = orjson.loads(packet)
        if order["do"] == "load":
            structure, quotes = (
                attached(descriptor, order[name])
                for descriptor, name in zip(descriptors, ("structure", "quotes"), strict=True)
            )
            look = prepare(lane, structure)
            os.sched_setaffinity(0, cores)
            _answer(answers, {"kind": "ready", "load": order["load"]})
        else:
            body = look(quotes, order["ts_ns"])
            _answer(answers, {"kind": "answer", "cycle": order["cycle"]}, body)


def _answer(to: int, head: dict[str, Any], body: bytes = b"") -> None:
    told = orjson.dumps(head)
    left = memoryview(FRAME.pack(len(told), len(body)) + told + body)
    while left:
        left = left[os.write(to, left) :]


def _die_with(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be asked for
        os._exit(1)


if __name__ == "__main__":
    main()
