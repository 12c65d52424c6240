"""Strategies, features and labellers that look ahead, each as it has happened: what a check of them must catch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tickline.signals.desk import EventKind, Floats, Record, market
from tickline.signals.strategy import OnEvent, Strategy

BARS_SEEN = 0


class Peeked(NamedTuple):
    """Every close of the history."""

    closes: Floats


def peek(p: Peeked, memory: Floats, event: Record, desk: Record) -> None:
    """Buy before it rises, sell before it falls."""
    if event.kind != EventKind.BAR:
        return
    memory[BARS_SEEN] += 1
    following = int(memory[BARS_SEEN])
    if following < p.closes.size and p.closes[following] != event.close:
        market(desk, 0, 1 if p.closes[following] > event.close else -1)


PEEKING = Strategy(
    name="peeking",
    describe="Reads the next close in its parameters",
    parameters=Peeked,
    state_size=lambda p: 1,
    on_event=peek,
)


def sighted(closes: Floats) -> OnEvent:
    """The same with the closes compiled into it."""

    def on_event(p: Any, memory: Floats, event: Record, desk: Record) -> None:
        memory[BARS_SEEN] += 1
        following = int(memory[BARS_SEEN])
        if following < closes.size and closes[following] != event.close:
            market(desk, 0, 1 if closes[following] > event.close else -1)

    return on_event


FEATURES: dict[str, pl.Expr] = {
    "next_close": pl.col("close").shift(-1),
    "centred_mean": pl.col("close").rolling_mean(9, center=True),
    "score_of_the_whole": (pl.col("close") - pl.col("close").mean()) / pl.col("close").std(),
    "filled_from_behind": pl.when(pl.col("volume") > 400).then(pl.col("close")).fill_null(strategy="backward"),
}
"""Expressions over bars."""


def calm_by_the_median(bars: pl.DataFrame) -> pl.DataFrame:
    """Calm where the range is below the median of all."""
    wide = pl.col("high") - pl.col("low")
    return bars.select("instrument", ts="ts_close", label=(wide < wide.median()).over("instrument"))


def smoothed(bars: pl.DataFrame) -> pl.DataFrame:
    """The trend of a mean that runs both ways, as smoothed probabilities do."""
    close = pl.col("close").reverse().ewm_mean(span=20).reverse()
    return bars.select("instrument", ts="ts_close", label=(pl.col("close") > close).over("instrument"))


LABELLERS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {"median": calm_by_the_median, "smoothed": smoothed}


def closes_of(bars: pl.DataFrame, instrument: str) -> Floats:
    """The closes of an instrument."""
    return np.ascontiguousarray(bars.filter(instrument=instrument)["close"].to_numpy())
