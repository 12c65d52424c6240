"""Kill a process at its N-th writing system call of a kind, from outside, with strace.

The process is a fork that stops itself; strace attaches and delivers SIGKILL at the entry of that call. Everything
before it has happened, nothing from it on. strace counts each kind of call by itself.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from qa import _forks

WRITES = (
    "write,pwrite64,sendfile,copy_file_range,fsync,fdatasync,rename,renameat,renameat2,openat,unlink,unlinkat,ftruncate,"
    "mkdir,mkdirat,symlink,symlinkat,link"
)
INSTALL = "install it (Debian: apt-get install strace) and allow ptrace (Docker: --cap-add=SYS_PTRACE)"
# PR_SET_PTRACER, PR_SET_PTRACER_ANY (prctl(2)): kernels with Yama let only an ancestor trace, and strace is none.
_LET_ANYONE_TRACE = (0x59616D61, -1)


class NoTracing(Exception):
    """strace is not installed or is not allowed to trace."""


def kill_at(call: str, number: int, work: Callable[[], int]) -> int:
    """Run `work` in a fork that is killed at its `number`-th such call; how it ended, as `_forks.wait` tells it."""
    return _traced(work, ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"])


def writes_of(work: Callable[[], int], log: Path) -> list[tuple[str, str]]:
    """The write-class calls of a run that nobody kills, in order: name of the call, and the path it is about."""
    _traced(work, ["-y", "-e", f"trace={WRITES}", "-o", str(log)])
    calls = re.findall(r"^\d+ +(\w+)\((.*)$", log.read_text(), re.MULTILINE)
    return [(name, _path(arguments)) for name, arguments in calls]


def _path(arguments: str) -> str:
    # `fsync(5</path>)` and `rename("/path", "/target")`.
    found = re.search(r'<(/[^>]*)>|"(/[^"]*)"', arguments)
    return next((path for path in found.groups() if path), "") if found else ""


def _traced(work: Callable[[], int], options: list[str]) -> int:
    if shutil.which("strace") is None:
        raise NoTracing(f"strace is not installed; {INSTALL}")
    child = _forks.start(lambda: _stop_then(work))
    os.waitpid(child, os.WUNTRACED)
    command = ["strace", "-qq", "-f", "-p", str(child), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        attached = _wait_for_tracer(child, strace)
        os.kill(child, signal.SIGCONT if attached else signal.SIGKILL)
        ended = _forks.wait(child)
        _, said = strace.communicate()
    if not attached:
        raise NoTracing(f"strace may not trace: {said.strip()}; {INSTALL}")
    return ended


def _stop_then(work: Callable[[], int]) -> int:
    ctypes.CDLL(None).prctl(*map(ctypes.c_ulong, _LET_ANYONE_TRACE), 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    return work()


def _wait_for_tracer(child: int, strace: "subprocess.Popen[str]") -> bool:
    status = Path(f"/proc/{child}/status")
    while "TracerPid:\t0\n" in status.read_text():
        if strace.poll() is not None:
            return False
        time.sleep(0.001)
    return True
