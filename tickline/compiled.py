"""Functions compiled by numba and kept on disk between processes by the hash of all they are made of.

numba's own cache notices neither that a called function in another file was edited nor that a type is gone, and keys a
closure by what it closes over, which differs from process to process. Here the key is content: the source of the module
and of everything it imports of the same package, transitively.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile


def kernel(function: Callable[..., Any]) -> Any:
    """A compiled function of a module: for each types of its arguments compiled once on a machine."""
    return specialised(function, code_sha256(function.__module__))


def inlined(function: Callable[..., Any]) -> Any:
    """A compiled function that becomes part of whatever calls it, and is kept with that."""
    return njit(nogil=True, forceinline=True)(function)


def twin(function: Callable[..., Any]) -> Any:
    """A compiled update of an indicator: inlined into strategies, kept where it is called by itself.

    Division by zero gives inf or NaN, as in numpy: no branch, and NaN is what "no value" looks like there.
    """
    dispatcher = njit(nogil=True, error_model="numpy", forceinline=True)(function)
    dispatcher._cache = _ByContent(function, code_sha256(function.__module__))
    return dispatcher


def specialised(function: Callable[..., Any], content: str) -> Any:
    """A compiled closure, kept under a hash that stands for all it is made of."""
    dispatcher = njit(nogil=True)(function)
    dispatcher._cache = _ByContent(function, content)
    return dispatcher


@cache
def code_sha256(module: str) -> str:
    """The sha256 of a module's source and, transitively, of the modules of its top package that it imports."""
    digest = hashlib.sha256()
    for name in sorted(_reached(module)):
        digest.update(name.encode() + b"\0" + _source(name))
    return digest.hexdigest()


class _ByContent(FunctionCache):
    """The compiled code of one content; each has an index of its own, so that none names what is no longer there."""

    def __init__(self, function: Callable[..., Any], content: str) -> None:
        super().__init__(function)
        self._content = content
        name = f"{self._impl.filename_base}.{content[:16]}"
        self._cache_file = IndexDataCacheFile(self._cache_path, name, content)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return sig, codegen.magic_tuple(), self._content


def _reached(module: str) -> set[str]:
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imports(name)
    return reached


@cache
def _imports(module: str) -> tuple[str, ...]:
    top = module.partition(".")[0]
    named = {name for node in ast.walk(ast.parse(_source(module))) for name in _names(node)}
    return tuple(sorted(name for name in named if name.partition(".")[0] == top and _is_module(name)))


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_module(name: str) -> bool:
    try:
        return _origin(name) is not None
    except ModuleNotFoundError:
        return False


def _source(module: str) -> bytes:
    origin = _origin(module)
    return b"" if origin is None else origin.read_bytes()


@cache
def _origin(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec is not None and spec.origin is not None else None
