"""The engines and indicators against the libraries a user would take instead, on the same input.

Bars: 50 random strategies in backtesting.py and vectorbt. Ticks: a quoting schedule on the recorded BTCUSDT book in
hftbacktest, under each of its queue models. Indicators: TA-Lib. The peers live in an environment of their own (`make
peers`). The recorded book is left out, and the figure says so, where it is not at hand.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from qa import _parity_bars, _parity_indicators, _parity_ticks
from runners.peers import peers_python
from tickline.reference.loading import VARIABLES


def run(
    small: Annotated[bool, typer.Option("--small", help="CI's size: a few strategies, no recorded book.")] = False,
) -> dict[str, Any]:
    """Example: qa parity --small"""
    python = peers_python()
    recorded = Path(os.environ.get("TICKLINE_REAL_DATA") or VARIABLES["TICKLINE_REAL_DATA"])
    print("bars, in backtesting.py and vectorbt")
    parts = {"bars": _parity_bars.compare(cases=8 if small else 50)}
    print("indicators, in TA-Lib")
    parts["indicators"] = _parity_indicators.compare(python)
    left_out = []
    if recorded.is_dir() and not small:
        print("ticks, in hftbacktest")
        parts["ticks"] = _parity_ticks.compare(python, recorded)
    else:
        left_out.append("ticks: not at this size" if small else f"ticks: no data at {recorded}")
    return {"ok": all(part["ok"] for part in parts.values()), **parts, "left_out": left_out}
