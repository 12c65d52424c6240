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

from numba import njit, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.extending import intrinsic


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
    return _kept(njit(nogil=True, error_model="numpy", forceinline=True)(function), code_sha256(function.__module__))


def specialised(function: Callable[..., Any], content: str) -> Any:
    """A compiled closure, kept under a hash that stands for all it is made of."""
    return _kept(njit(nogil=True)(function), content)


def _borrowed(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _uncounted(context, builder, value, arguments[0])

    return value(value), generate


borrowed: Any = intrinsic(_borrowed)
"""In compiled code: the same array, or tuple of such, without counting who refers to it, so that slices and calls in a
loop cost nothing. Only for what outlives its use, as a function's arguments do."""


def _kept(dispatcher: Any, content: str) -> Any:
    dispatcher._cache = _ByContent(dispatcher.py_func, content)
    return dispatcher


@cache
def code_sha256(module: str) -> str:
    """The sha256 of a module's source and, transitively, of what it imports of its top package and of Tickline."""
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


def _uncounted(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value=value)
        array.meminfo = array.meminfo.type(None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        for nth, part in enumerate(kind):  # type: ignore[var-annotated, arg-type]
            inner = _uncounted(context, builder, part, builder.extract_value(value, nth))
            value = builder.insert_value(value, inner, nth)
    return value


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
    followed = {module.partition(".")[0], __name__.partition(".")[0]}
    named = {name for node in ast.walk(ast.parse(_source(module))) for name in _names(node, module)}
    return tuple(sorted(name for name in named if name.partition(".")[0] in followed and _is_module(name)))


def _names(node: ast.AST, module: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = _origin(module)
        package = module if origin is not None and origin.name == "__init__.py" else module.rpartition(".")[0]
        source = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
        yield source
        yield from (f"{source}.{alias.name}" for alias in node.names)


def _is_module(name: str) -> bool:
    try:
        return _origin(name) is not None
    except (ModuleNotFoundError, ValueError):  # ValueError: the script that was started has no source to be found by
        return False


def _source(module: str) -> bytes:
    origin = _origin(module)
    return b"" if origin is None else origin.read_bytes()


@cache
def _origin(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec is not None and spec.origin is not None else None
