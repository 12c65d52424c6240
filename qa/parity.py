"""Tickline's engines and indicators against other libraries: the same trades, fills and values.

The peers run in an environment of their own (`make peers`). A part that cannot run is not ok and says why.
"""

import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from qa import _parity_bars, _parity_indicators, _parity_ticks
from runners.peers import peers_python
from tickline.errors import ConfigError
from tickline.reference.loading import VARIABLES

PART_NAMES = ("bars", "indicators", "ticks")


def run(
    part: Annotated[list[str] | None, typer.Option(help=f"Only these of {', '.join(PART_NAMES)}.")] = None,
) -> dict[str, Any]:
    """Example: qa parity --part bars"""
    asked = tuple(part or PART_NAMES)
    if unknown := set(asked) - set(PART_NAMES):
        raise typer.BadParameter(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PART_NAMES)}")
    parts: Mapping[str, Callable[[], Mapping[str, Any]]] = {
        "bars": lambda: _parity_bars.compare(_recorded()),
        "indicators": lambda: _parity_indicators.compare(peers_python()),
        "ticks": lambda: _parity_ticks.compare(peers_python(), _recorded()),
    }
    figures = {name: _figure(name, parts[name]) for name in asked}
    return {"ok": all(figure["ok"] for figure in figures.values()), **figures}


def _figure(name: str, compare: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """What a part says, or why it could not."""
    print(f"{name}", flush=True)
    try:
        figure = compare()
    except Exception as error:  # one part that fails must not keep the others from being seen
        traceback.print_exc()
        figure = {"ok": False, "reason": f"{type(error).__name__}: {error}"}
    print(f"  {'ok' if figure['ok'] else 'not ok'}", flush=True)
    return figure


def _recorded() -> Path:
    """The folder of recorded market data. Raises ConfigError where there is none."""
    folder = Path(os.environ.get("TICKLINE_REAL_DATA") or VARIABLES["TICKLINE_REAL_DATA"])
    if not folder.is_dir():
        raise ConfigError(f"no recorded market data at {folder}; set TICKLINE_REAL_DATA")
    return folder
