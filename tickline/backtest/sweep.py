"""Many parameter sets of one strategy over the same bars."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tickline.backtest.bar_engine import Charges
from tickline.backtest.bars import Prepared
from tickline.backtest.results import round_trips
from tickline.backtest.run import Account, run_bars
from tickline.errors import BacktestError
from tickline.signals.strategy import Parameters, Strategy


@dataclass(frozen=True, slots=True)
class Swept:
    """What one set came to, in units of cash: equity at each session's end."""

    capital: int
    equity: npt.NDArray[np.int64]
    max_drawdown: float
    trades: int
    failure: str | None = None


def sweep(
    strategy: Strategy, sets: Sequence[Parameters], account: Account, prepared: Prepared, charges: Charges
) -> list[Swept]:
    """What each set came to, in their order."""
    found = []
    for one in sets:
        try:
            ran = run_bars(strategy, one, account, prepared, charges)
        except BacktestError as error:
            found.append(Swept(0, np.zeros(0, np.int64), 0.0, 0, str(error)))
            continue
        equity = ran.track[:, 0]
        deepest = float((1 - equity / np.maximum.accumulate(equity)).max())
        capital = int(ran.desk["capital"][0])
        found.append(Swept(capital, equity[prepared.marks - 1], deepest, round_trips(ran.log.fills).size))
    return found
