"""The rules that look at one row alone, evaluated over a day's rows in bounded memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tickline.lake.schemas import Feed
from tickline.ticks.canonical import Runs
from tickline.ticks.rules import RuleSet

CHUNK_ROWS = 1 << 18
"""Rows judged at a time: few enough that intermediate columns stay in cache, enough that overhead vanishes."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of each instrument's run, as literals where all runs agree and as columns where they differ."""

    runs: Runs
    values: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, runs: Runs, each: list[dict[str, float]]) -> "Numbers":
        """From one mapping a run."""
        names = each[0] if each else {}
        return cls(runs, {name: np.array([numbers[name] for numbers in each]) for name in names})

    def varies(self, name: str) -> bool:
        """Whether runs differ in a number."""
        values = self.values[name]
        return len(values) > 0 and not np.array_equal(values, np.full_like(values, values[0]), equal_nan=True)

    def expr(self, name: str) -> pl.Expr:
        """The number in an expression over rows that went through `attach`."""
        return pl.col(name) if self.varies(name) else pl.lit(float(self.values[name][0]))

    def attach(self, rows: pl.DataFrame, names: set[str], run_of_row: NDArray[np.int64]) -> pl.DataFrame:
        """The rows with a column for each of these names that varies."""
        varying = sorted(name for name in names & self.values.keys() if self.varies(name))
        return rows.with_columns(pl.Series(name, self.values[name][run_of_row]) for name in varying)


@dataclass(frozen=True, slots=True)
class Screened:
    """What the single-row rules found.

    `verdict` is 0 for a row that passed, else the place of its rule in `RuleSet.of(feed)`, counted from 1. `notes`
    counts, for each rule that only notes, the rows it fired on among those that passed.
    """

    verdict: NDArray[np.uint8]
    notes: dict[str, int]


def screen(frame: pl.DataFrame, feed: Feed, rules: RuleSet, numbers: Numbers, *, midnight: int) -> Screened:
    """Judge every row by every rule that needs no other row; the first that fires names it.

    `midnight` is when the judged day begins, in Unix seconds.
    """
    verdict = np.zeros(frame.height, dtype=np.uint8)
    conditions = {
        code: (rule, rules.condition(rule, feed))
        for code, rule in enumerate(rules.of(feed), start=1)
        if rule.when is not None
    }
    notes = {rule.name: 0 for rule, _ in conditions.values() if rule.severity == "note"}
    if frame.is_empty() or not conditions:
        return Screened(verdict, notes)

    names = set().union(*(condition.names for _, condition in conditions.values()))
    columns = [name for name in frame.columns if name in names]
    bound = {name: pl.col(name) for name in columns} | {
        name: numbers.expr(name) for name in names & numbers.values.keys()
    }
    fires = {
        code: condition.expr(bound, midnight=midnight).fill_null(value=False)
        for code, (_, condition) in conditions.items()
    }
    rejecting = [code for code, (rule, _) in conditions.items() if rule.severity == "reject"]
    refused = reduce(or_, (fires[code] for code in rejecting), pl.lit(value=False))
    findings = [refused.alias("refused")]
    findings += [
        (fires[code] & ~refused).alias(rule.name) for code, (rule, _) in conditions.items() if rule.severity == "note"
    ]
    passed = pl.lit(0, dtype=pl.UInt8)
    first = pl.coalesce(*(pl.when(fires[code]).then(pl.lit(code, dtype=pl.UInt8)) for code in rejecting), passed)

    rows = frame.select(columns or frame.columns[:1])
    for start in range(0, frame.height, CHUNK_ROWS):
        end = min(start + CHUNK_ROWS, frame.height)
        lengths = np.diff(np.clip(numbers.runs.starts, start, end)).astype(np.int64)
        run_of_row = np.repeat(np.arange(len(lengths)), lengths)
        chunk = numbers.attach(rows.slice(start, end - start), names, run_of_row)
        found = chunk.lazy().select(findings).collect()
        for name in notes:
            notes[name] += int(found[name].sum())
        if found["refused"].any():
            mask = found["refused"].to_numpy()
            verdict[start:end][mask] = chunk.filter(found["refused"]).select(first).to_series().to_numpy()
    return Screened(verdict, notes)
