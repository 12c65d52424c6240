"""Judge what backtests left: each run by its books, each strategy's summary by its gates."""

import sys
from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from expectations.declared_checks import hash_by, judge
from expectations.evaluate import Outcome
from expectations.suites import Expectation, Severity, Suite, of_partition
from tickline.backtest.spec import StrategySpec
from tickline.lake.keys import PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication

_MONEY = ("capital", "cash", "fees", "charges", "equity")
_AS_DECLARED = of_partition("schema_differences", "Columns and types are exactly the declared ones")


def _gate(name: str, why: str) -> Expectation:
    # A strategy below its gates is no fault of the data: what trades reads the verdict, and WARN keeps it out.
    return replace(of_partition(name, why), severity=Severity.WARN)


SUITES = {
    "backtest_run": Suite(
        "backtest_run",
        (
            _AS_DECLARED,
            of_partition("rows_short", "A window has a run, or one a piece, and each saw at least one bar or tick"),
            of_partition("not_conserved", "Capital and gains are cash, positions, fees and charges, to the unit"),
            of_partition("not_finite", "No sum of money is missing"),
        ),
    ),
    "backtest_summary": Suite(
        "backtest_summary",
        (
            _AS_DECLARED,
            _gate("windows_missing", "Every window was run"),
            _gate("sharpe_short", "The Sharpe ratio of all tests, by session, is high enough"),
            _gate("drawdown_over", "Equity never fell too far below its peak"),
            _gate("win_rate_short", "Enough trades win"),
            _gate("trades_short", "There are trades enough to say anything"),
            _gate("cost_share_over", "Fees do not eat the gains"),
            _gate("pbo_over", "What was chosen is not likely chosen by luck"),
        ),
    ),
}
"""What a strategy's partitions are judged by, by dataset."""


def gated_by(strategies: Iterable[StrategySpec]) -> dict[tuple[str, str], str]:
    """By strategy and dataset, the hash of what a partition is judged by now: its suite, and the strategy's gates."""
    by = sys.modules[__name__]
    return {
        (spec.name, dataset): hash_by(suite, by, spec.gates.model_dump(mode="json"))
        for spec in strategies
        for dataset, suite in SUITES.items()
    }


def judge_backtests(lake: Lake, spec: StrategySpec, published: Iterable[Publication]) -> dict[PartitionKey, Outcome]:
    """Judge those of a strategy's partitions that have a suite, and record the verdicts."""
    return judge(lake, published, SUITES, gated_by([spec]), lambda of, frame: measures_of(spec, of, frame))


def measures_of(spec: StrategySpec, publication: Publication, frame: pl.DataFrame) -> dict[str, float | None]:
    """What the suite of a partition's dataset bounds, of its rows."""
    if publication.key.dataset == "backtest_run":
        missing = frame.select(pl.sum_horizontal(pl.col(_MONEY).is_null().sum())).item()
        return {
            "rows_short": float(frame.is_empty() or (frame["rows"] < 1).any()),
            "not_conserved": float((~frame["conserved"]).sum()),
            "not_finite": float(missing),
        }
    (whole,) = frame.filter(scope="all").to_dicts()
    gates = spec.gates
    return {
        "windows_missing": float(publication.facts["windows_missing"]),
        "sharpe_short": _below(whole["sharpe"], gates.sharpe),
        "drawdown_over": _above(whole["max_drawdown"], gates.max_drawdown),
        "win_rate_short": _below(whole["win_rate"], gates.win_rate),
        "trades_short": _below(whole["trades"], gates.min_trades),
        "cost_share_over": _above(whole["cost_share"], gates.cost_share),
        # Where nothing was searched, nothing was chosen by luck.
        "pbo_over": _above(whole["pbo"], gates.pbo) if whole["trials"] else 0.0,
    }


def _below(value: float | None, least: float) -> float | None:
    return None if value is None else max(0.0, least - value)


def _above(value: float | None, most: float) -> float | None:
    return None if value is None else max(0.0, value - most)
