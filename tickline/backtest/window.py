"""What a window is: which sessions it trains on and tests, what it is run on, and the account it begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tickline.backtest.bars import listed
from tickline.backtest.run import Account
from tickline.backtest.spec import StrategySpec, WalkForward
from tickline.reference.models import Instrument, Venue


@dataclass(frozen=True, slots=True)
class Window:
    """The session dates of one window; `warmup` ones come right before `test`."""

    train: tuple[date, ...]
    warmup: tuple[date, ...]
    test: tuple[date, ...]

    @property
    def sessions(self) -> tuple[date, ...]:
        """Every session date it reads."""
        return tuple(sorted({*self.train, *self.warmup, *self.test}))


@dataclass(frozen=True, slots=True)
class Material:
    """What a window is run on: bars of each stream (BARS, lineage and signal columns) and sessions (SESSIONS).

    In tick mode the streams are clean trades, clean book and the closing book of the day before (with lineage).

    `before` are the folds of the window before, where a search goes on from them.
    """

    streams: tuple[pl.DataFrame, ...]
    sessions: pl.DataFrame
    venue: Venue
    before: pl.DataFrame | None = None


def windows_of(sessions: Sequence[date], cut: WalkForward) -> dict[date, Window]:
    """The windows over session dates (increasing), by the last session each tests; none where they are too few.

    One is there once its last session is; what is left over at the end is not tested yet.
    """
    before = max(cut.train + cut.gap, cut.warmup)
    found = {}
    for first in range(before, len(sessions) - cut.test + 1, cut.test):
        stop = first - cut.gap
        train = sessions[0 if cut.anchored else stop - cut.train : stop] if cut.train else ()
        window = Window(
            tuple(train), tuple(sessions[first - cut.warmup : first]), tuple(sessions[first : first + cut.test])
        )
        found[window.test[-1]] = window
    return found


def account_of(spec: StrategySpec, venue: Venue) -> Account:
    """What a strategy begins a window with. Raises BacktestError where its instruments do not fit one account."""
    by_name: Mapping[str, Instrument] = {instrument.name: instrument for instrument in venue.instruments}
    traded = listed([by_name[name] for name in spec.instruments], venue.fees)
    return Account(traded, spec.capital, spec.assumptions)
