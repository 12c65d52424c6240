"""Commands that print a figure: `qa NAME` and `bench NAME` run one module's `run` and print its JSON last.

A module's `run` takes typed options, prints what a person wants to read while it works, and returns a dict whose
`ok` says whether the goal holds. The last line printed is that dict as JSON; the exit code is 0 only when it is ok.
"""

import functools
import importlib
import pkgutil
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import orjson
import typer


def names(package: ModuleType) -> list[str]:
    """The commands a package offers: its public modules."""
    return sorted(found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_"))


def main(package: ModuleType) -> None:
    """Run the command named on the command line, or list what there is."""
    offered = names(package)
    if len(sys.argv) < 2 or sys.argv[1] not in offered:
        wanted = sys.argv[1] if len(sys.argv) > 1 else "--help"
        print(f"{package.__doc__}\n\nusage: {package.__name__} NAME [OPTIONS]    ({package.__name__} NAME --help)\n")
        for name in offered:
            module = importlib.import_module(f"{package.__name__}.{name}")
            print(f"  {name:<12} {(module.__doc__ or '').strip().splitlines()[0]}")
        raise SystemExit(0 if wanted in ("-h", "--help") else 2)
    module = importlib.import_module(f"{package.__name__}.{sys.argv[1]}")
    app = typer.Typer(add_completion=False, help=module.__doc__)
    app.command(help=module.__doc__)(_printing(module.run))
    app(args=sys.argv[2:], prog_name=f"{package.__name__} {sys.argv[1]}")


def _printing(run: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    @functools.wraps(run)
    def command(**options: Any) -> None:
        figure = run(**options)
        print(orjson.dumps(figure, option=orjson.OPT_SERIALIZE_NUMPY, default=str).decode(), flush=True)
        raise typer.Exit(0 if figure["ok"] else 1)

    command.__annotations__ = {**run.__annotations__, "return": None}
    return command
