"""What a report is made of: the frames a backtest left, and what several sections derive from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from tickline.backtest.assumptions import Assumptions
from tickline.backtest.results import stitched
from tickline.errors import BacktestError
from tickline.kpi.performance import drawdown
from tickline.lake.schema import NS
from tickline.lake.schemas import BACKTESTS, BARS
from tickline.reference.models import FeeSchedule

_REGIMES = {"ts": NS, "label": pl.String()}
STRESS = {
    "scenario": pl.String(),
    "total_return": pl.Float64(),
    "max_drawdown": pl.Float64(),
    "sharpe": pl.Float64(),
    "trades": pl.Int64(),
}
_QUANTILES = 5
_GREW = pl.col("equity").cast(pl.Float64) / pl.col("capital").cast(pl.Float64)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a backtest of one strategy left: the BACKTEST_* frames of one window, or of several one after the other.

    `folds` and `summary` may have no rows. What was not made is None, and its section of the report is not there:
    `bars` (BARS) of the instruments traded; `regimes`, labels (text) from ts (UTC ns) on; `fan`, a step and five
    quantiles of equity over its start, lowest first, as `montecarlo.bootstrap` leaves them; `stress`, a row for each
    scenario: its name, total_return, max_drawdown (fractions), sharpe and trades (a count). `fees` are the venue's.
    `provenance` is whatever says where this came from, such as the hashes of code, inputs and configuration by name.

    Raises BacktestError where a column is missing or of another type, or there is no run, no equity, or equity that no
    run ends after.
    """

    run: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    trades: pl.DataFrame
    equity: pl.DataFrame
    folds: pl.DataFrame
    summary: pl.DataFrame
    bars: pl.DataFrame | None = None
    regimes: pl.DataFrame | None = None
    fan: pl.DataFrame | None = None
    stress: pl.DataFrame | None = None
    assumed: Assumptions | None = None
    fees: FeeSchedule | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for dataset, schema in BACKTESTS.items():
            _require(getattr(self, dataset.removeprefix("backtest_")), schema.columns, dataset)
        for name, columns in (("bars", BARS.columns), ("regimes", _REGIMES), ("stress", STRESS)):
            frame = getattr(self, name)
            if frame is not None:
                _require(frame, columns, name)
        if self.fan is not None and self.fan.width != _QUANTILES + 1:
            raise BacktestError(f"a fan of {self.fan.width} columns: give a step and five quantiles, lowest first")
        if self.run.is_empty() or self.equity.is_empty():
            raise BacktestError("there is no run or no equity to report on: run the backtest first")
        if self.equity["ts"].max() > self.run["ts_to"].max():  # type: ignore[operator]
            raise BacktestError("there is equity after the end of every run: give the run of each window")

    @property
    def strategy(self) -> str:
        """The strategy's name."""
        return str(self.run["strategy"][0])


@dataclass(frozen=True, slots=True)
class Money:
    """What was gained and paid over all windows, in the currency of the account: net = gross - fees - charges."""

    gross: Decimal
    fees: Decimal
    charges: Decimal
    net: Decimal


def money(evidence: Evidence) -> Money:
    """The sums over all windows. Exact: nothing here was ever a float."""
    fees, charges, capital, equity = (
        sum(evidence.run[name], Decimal(0)) for name in ("fees", "charges", "capital", "equity")
    )
    net = equity - capital
    return Money(gross=net + fees + charges, fees=fees, charges=charges, net=net)


def growth(evidence: Evidence) -> float:
    """What one unit came to over all windows one after the other, each compounded on those before."""
    return float(evidence.run.select(_GREW.clip(0).product()).item())


def curve(evidence: Evidence) -> pl.DataFrame:
    """The equity of all windows as if one account had gone through them, each in proportion from where the one before
    ended. It begins with the capital of the first, a nanosecond before the first sample.

    Columns: ts, session_date, equity, drawdown (0 at a peak, negative below) and `window`, the ts_to of its run.
    """
    return stitched(evidence.run, evidence.equity).with_columns(drawdown=drawdown(pl.col("equity")))


def closes(of: pl.DataFrame) -> pl.DataFrame:
    """Where a curve begins, and its last row of each session."""
    return pl.concat([of.head(1), of.group_by("session_date", maintain_order=True).last().select(of.columns)])


def windows(evidence: Evidence) -> pl.DataFrame:
    """A row for each window in the order of time: first and last (times of its equity), parameters, total_return, and
    of the summary's row of that window max_drawdown, sharpe and trades (null where there is none).
    """
    spans = (
        curve(evidence)
        .slice(1)
        .group_by("window")
        .agg(first=pl.col("ts").first(), last=pl.col("ts").last(), scope=pl.col("session_date").min().cast(pl.String))
    )
    found = evidence.summary.select("scope", "max_drawdown", "sharpe", "trades").unique("scope", maintain_order=True)
    return (
        evidence.run.sort("ts_to")
        .select("parameters", window="ts_to", total_return=_GREW - 1)
        .join(spans, on="window", maintain_order="left")
        .join(found, on="scope", how="left", maintain_order="left")
        .select("first", "last", "parameters", "total_return", "max_drawdown", "sharpe", "trades")
    )


def by_regime(evidence: Evidence, regimes: pl.DataFrame) -> pl.DataFrame:
    """What was made under each label: label, share (of the time) and total_return, the longest in force first.

    What happens until the next sample belongs to the label in force at this one. Where the account had nothing,
    nothing is made.
    """
    labelled = curve(evidence).join_asof(regimes.sort("ts").select("ts", "label"), on="ts", strategy="backward")
    lasted = (pl.col("ts").shift(-1) - pl.col("ts")).dt.total_nanoseconds()
    return (
        labelled.select("label", "equity", lasted=lasted, ratio=pl.col("equity").shift(-1) / pl.col("equity"))
        .filter(pl.col("equity") > 0)
        .drop_nulls()
        .group_by("label")
        .agg(pl.col("lasted").sum(), total_return=pl.col("ratio").product() - 1)
        .with_columns(share=pl.col("lasted") / pl.col("lasted").sum())
        .sort("lasted", "label", descending=[True, False])
        .select("label", "share", "total_return")
    )


def _require(frame: pl.DataFrame, columns: Mapping[str, pl.DataType], name: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise BacktestError(f"{name} lacks {', '.join(missing)}: give the frame as the backtest left it")
    for column, dtype in columns.items():
        if frame.schema[column] != dtype:
            raise BacktestError(f"{name}.{column} is {frame.schema[column]}: give it as {dtype}")
