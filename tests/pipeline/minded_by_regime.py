"""Long while the regime is the wanted one, or always where any will do."""

from typing import Annotated, NamedTuple

from pydantic import Field

from tickline.signals.desk import EventKind
from tickline.signals.strategies.following import WANTED, follow
from tickline.signals.strategy import Strategy


class Parameters(NamedTuple):
    regime: Annotated[int, Field(ge=-1, le=1)] = 1


def state_size(p):
    return WANTED + 1


def on_event(p, memory, event, desk):
    if event.kind == EventKind.BAR:
        follow(desk, memory, event, 1.0 if p.regime < 0 or desk.signals[0] == p.regime else 0.0, 0.5)


STRATEGY = Strategy("minded", "", Parameters, state_size, on_event, signals=("regime",))
