"""Named arrays in memory that processes share by a file descriptor: nothing is pickled, nothing is left behind.

The memory has no name in any filesystem: it is gone with the last process that holds it, however that ends.
"""

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tickline.errors import LaneError

Arrays = Mapping[str, npt.NDArray[Any]]
Layout = list[tuple[str, str, list[int], int]]
"""Of each array: name, dtype, shape and the byte it begins at."""

_ALIGNED = 64  # bytes


@dataclass(slots=True)
class SharedArrays:
    """Arrays one process writes and others read, see `attached`."""

    fd: int
    layout: Layout
    _views: dict[str, npt.NDArray[Any]]

    def write(self, arrays: Arrays) -> None:
        """Replace the content of all arrays. Raises LaneError where names, types or shapes are others than before."""
        if _types(arrays) != _types(self._views):
            raise LaneError(
                f"the arrays are {_types(arrays)}, but memory is laid out for {_types(self._views)}; load them anew"
            )
        for name, view in self._views.items():
            np.copyto(view, arrays[name])

    def close(self) -> None:
        """Give the memory up; who has it attached keeps it."""
        self._views = {}
        os.close(self.fd)


def share(arrays: Arrays) -> SharedArrays:
    """New shared memory with these arrays in it. Raises LaneError where one holds Python objects."""
    layout, size = _laid_out(arrays)
    fd = os.memfd_create("tickline-lanes", os.MFD_CLOEXEC)
    os.truncate(fd, size)
    shared = SharedArrays(fd, layout, _views(mmap.mmap(fd, size), layout))
    shared.write(arrays)
    return shared


def attached(fd: int, layout: Layout) -> dict[str, npt.NDArray[Any]]:
    """The arrays of another process, to read only. The descriptor is closed."""
    memory = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    os.close(fd)
    return _views(memory, layout)


def _laid_out(arrays: Arrays) -> tuple[Layout, int]:
    layout: Layout = []
    end = 0
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise LaneError(f"array {name} holds Python objects, which processes cannot share; encode it as bytes")
        layout.append((name, array.dtype.str, list(array.shape), end))
        end += -(-array.nbytes // _ALIGNED) * _ALIGNED
    return layout, max(end, _ALIGNED)


def _views(memory: mmap.mmap, layout: Layout) -> dict[str, npt.NDArray[Any]]:
    return {name: np.ndarray(tuple(shape), np.dtype(kind), memory, first) for name, kind, shape, first in layout}


def _types(arrays: Arrays) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
