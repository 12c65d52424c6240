"""How the child begins: it leaves the network while it is of one thread, and then loads what strategies need."""

import ctypes
import os
import sys

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000


def leave_network() -> str | None:
    """Move this process, which must be of one thread, where no address can be reached, not even this machine's own.

    It goes into a user and a network namespace of its own (unshare(2)), which takes no privilege. Why it could not,
    where the kernel does not allow that, or is none of Linux.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        return f"{sys.platform} has no namespaces"
    if libc.unshare(_NEW_USER | _NEW_NET) != 0:
        return os.strerror(ctypes.get_errno())
    return None


if __name__ == "__main__":
    if (why := leave_network()) is not None:
        sys.stderr.write(f"strategies can reach the network here: {why}; allow user namespaces to keep them off it\n")

    from tickline.backtest.child import serve

    serve(float(sys.argv[1]))
