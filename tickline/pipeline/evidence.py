"""What the lake holds of a strategy's backtests, together, for reports and for whoever judges it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from tickline.backtest.montecarlo import bootstrap, trade_returns
from tickline.backtest.report.evidence import STRESS, Evidence
from tickline.backtest.spec import StrategySpec
from tickline.backtest.walkforward import summarise
from tickline.backtest.window import Window
from tickline.errors import BacktestError, LakeError
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.lake.lake import Lake
from tickline.lake.records import Publication
from tickline.pipeline.backtests import OF_WINDOW, SUMMARY, Days, child, material_of, needs_of
from tickline.pipeline.stage import Inputs
from tickline.reference.models import Venue
from tickline.signals.regimes import Regime

_FEWEST_DRAWN = 10


def published_windows(lake: Lake, strategy: str) -> dict[str, dict[str, pl.DataFrame]]:
    """The frames of every window of a strategy that is in the lake, by period and dataset."""
    frames: dict[str, dict[str, pl.DataFrame]] = {}
    for dataset in OF_WINDOW:
        for key, publication in lake.catalog.everything(dataset=dataset, venue=strategy).items():
            frames.setdefault(key.period, {})[dataset] = lake.scan([publication]).collect()
    return {period: frames[period] for period in sorted(frames) if len(frames[period]) == len(OF_WINDOW)}


def evidence_of(lake: Lake, spec: StrategySpec, venue: Venue) -> Evidence:
    """What a strategy's published windows and their summary say.

    Raises BacktestError where none is in the lake yet.
    """
    windows = published_windows(lake, spec.name)
    if not windows:
        raise BacktestError(f"no backtest of {spec.name} is in the lake; `tickline walkforward {spec.name}` makes them")
    made = lake.catalog.current(PartitionKey(SUMMARY, spec.name, WHOLE))
    summary = lake.scan([made]).collect() if made else summarise(spec, list(windows.values()))
    first = lake.catalog.currents([PartitionKey("backtest_run", spec.name, period) for period in windows])
    inputs = lake.catalog.inputs_of(first[max(first)])
    provenance = {f"{one.kind} {one.name}": one.sha256 for one in inputs} | {"code": first[max(first)].code}
    return evidence_from(spec, venue, list(windows.values()), summary, provenance)


def evidence_from(
    spec: StrategySpec,
    venue: Venue,
    windows: Sequence[Mapping[str, pl.DataFrame]],
    summary: pl.DataFrame,
    provenance: Mapping[str, str],
) -> Evidence:
    """Evidence out of windows' frames, one after the other."""
    return replace(_joined(windows, summary), assumed=spec.assumptions, fees=venue.fees, provenance=provenance)


def evidence_behind(lake: Lake, summary: Publication) -> Evidence:
    """What a published summary and the strategy's windows in the lake say, without what was assumed of them."""
    return _joined(list(published_windows(lake, summary.key.venue).values()), lake.scan([summary]).collect())


def with_bars(evidence: Evidence, lake: Lake, spec: StrategySpec) -> Evidence:
    """The evidence with the bars its windows were tested on; as it is in tick mode."""
    tested = evidence.equity["session_date"]
    if spec.mode == "tick":
        return evidence
    dataset, first, last = f"bars_{spec.timeframes[0]}", str(tested.min()), str(tested.max())
    bars = lake.dataset(dataset, venue=spec.venue, first=first, last=last)
    return replace(evidence, bars=bars.filter(pl.col("instrument").is_in(spec.instruments)).collect())


def with_regimes(evidence: Evidence, lake: Lake, spec: StrategySpec) -> Evidence:
    """The evidence with the regimes its first instrument was in while it was tested; as it is where it reads none."""
    if spec.signals is None or "regime" not in spec.strategy.signals:
        return evidence
    tested = evidence.equity["session_date"]
    named = {float(regime): regime.name.lower() for regime in Regime}
    label = pl.col("value").replace_strict(named, default=pl.format("regime {}", pl.col("value").cast(pl.Int64)))
    labels = (
        lake.dataset("signals", venue=spec.signals, first=str(tested.min()), last=str(tested.max()))
        .filter(pl.col("value").is_not_null(), name="regime", instrument=spec.instruments[0])
        .sort("ts_close")
        .select(pl.col("ts_close").alias("ts"), label.alias("label"))
        .filter(pl.col("label").ne_missing(pl.col("label").shift(1)))
    )
    return replace(evidence, regimes=labels.collect())


def with_fan(evidence: Evidence, *, paths: int = 10_000, seed: int = 1) -> Evidence:
    """The evidence with what its trades could have come to, drawn again; as it is where it has too few to draw from."""
    if evidence.trades.height < _FEWEST_DRAWN:
        return evidence
    returns = trade_returns(evidence.trades, capital=float(evidence.run["capital"][0]))
    return replace(evidence, fan=bootstrap(returns, paths=paths, steps=returns.size, seed=seed).fan)


def with_stress(evidence: Evidence, rows: Sequence[Mapping[str, Any]]) -> Evidence:
    """The evidence with what `trying.stressed` yielded; without the scenarios that did not apply."""
    ran = [row for row in rows if row["not_applicable"] is None]
    return replace(evidence, stress=pl.DataFrame(ran, schema=STRESS)) if ran else evidence


def _joined(windows: Sequence[Mapping[str, pl.DataFrame]], summary: pl.DataFrame) -> Evidence:
    frames = {name: pl.concat([window[name] for window in windows]) for name in OF_WINDOW}
    return Evidence(
        run=frames["backtest_run"],
        orders=frames["backtest_orders"],
        fills=frames["backtest_fills"],
        trades=frames["backtest_trades"],
        equity=frames["backtest_equity"],
        folds=frames["backtest_folds"],
        summary=summary,
    )


def run_over(lake: Lake, spec: StrategySpec, venue: Venue, days: Days) -> dict[str, pl.DataFrame]:
    """The frames that a strategy's own parameters leave over some sessions, run now and published nowhere.

    Raises LakeError where a bar partition is missing, BacktestError where the run fails.
    """
    if not days:
        raise BacktestError(f"{venue.name} has no sessions in that range; `tickline status` shows those it has")
    window = Window(train=(), warmup=(), test=tuple(sorted(days)))
    return child().run(
        spec.model_copy(update={"search": None, "windows": spec.windows.model_copy(update={"pieces": None})}),
        window,
        material_of(spec, venue, inputs_for(lake, spec, days)),
    )


def inputs_for(lake: Lake, spec: StrategySpec, days: Days) -> Inputs:
    """The publications a strategy needs over some sessions. Raises LakeError naming the first that is missing."""
    needs = needs_of(spec, sorted(days), days)
    published = lake.catalog.currents(need.key for need in needs)
    missing = next((need.key for need in needs if need.required and need.key not in published), None)
    if missing is not None:
        raise LakeError(f"{spec.name} needs {missing}, which is not in the lake; `tickline backfill` makes it")
    return Inputs(lake, published)
