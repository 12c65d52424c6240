"""The backtest stages: each window of a strategy from bars, and the summary of all its windows."""

import atexit
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache

import polars as pl

from tickline.backtest.child import Child
from tickline.backtest.spec import StrategySpec
from tickline.backtest.study import Method
from tickline.backtest.walkforward import stayed_out, summarise
from tickline.backtest.window import Material, Window, windows_of
from tickline.compiled import code_sha256
from tickline.lake.keys import WHOLE, PartitionKey
from tickline.lake.schemas import BACKTESTS, DATASETS
from tickline.pipeline.signals import DATASET as SIGNALS
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.reference.models import Venue

SUMMARY = "backtest_summary"
OF_WINDOW = tuple(dataset for dataset in BACKTESTS if dataset != SUMMARY)


Days = Mapping[date, Sequence[date]]
"""The UTC days each session date touches."""


def backtest_stages(spec: StrategySpec, venue: Venue, days: Days) -> list[Stage]:
    """The windows of a strategy over its venue's session dates, and their summary.

    A strategy's partitions are kept as a venue's are: its name stands where a venue's would.
    """
    windows = windows_of(sorted(days), spec.windows)
    return [_window_stage(spec, venue, windows, days), _summary_stage(spec, venue, windows)]


def _window_stage(spec: StrategySpec, venue: Venue, windows: Mapping[date, Window], days: Days) -> Stage:
    by_period = {last.isoformat(): window for last, window in windows.items()}

    adapts = spec.search is not None and spec.search.method is Method.CLONAL
    before = dict(zip(tuple(by_period)[1:], by_period, strict=False)) if adapts else {}

    def needs(period: str) -> list[Need]:
        folds = (
            [Need(PartitionKey("backtest_folds", spec.name, before[period]), required=False)]
            if period in before
            else []
        )
        return [*needs_of(spec, by_period[period].sessions, days), *folds]

    def build(inputs: Inputs, period: str) -> Built:
        return Built(child().run(spec, by_period[period], material_of(spec, venue, inputs)))

    return Stage(
        name="backtest",
        venue=spec.name,
        datasets=OF_WINDOW,
        cadence=Cadence.WINDOW,
        periods=tuple(by_period),
        needs=needs,
        build=build,
        config=_config(spec, venue),
        code=_code(spec),
    )


def needs_of(spec: StrategySpec, sessions: Sequence[date], days: Days) -> list[Need]:
    """What a strategy reads of its venue to run over some sessions, each touching some UTC days."""
    years = sorted({str(day.year) for day in sessions})
    listed = [
        Need(PartitionKey.whole("instruments", spec.venue)),
        *(Need(PartitionKey("sessions", spec.venue, year)) for year in years),
    ]
    if spec.mode == "bar":
        bars = [f"bars_{each}" for each in spec.timeframes]
        read = [*((spec.venue, dataset) for dataset in bars), *([(spec.signals, SIGNALS)] if spec.signals else [])]
        return [*listed, *(Need(PartitionKey.daily(dataset, of, day)) for of, dataset in read for day in sessions)]
    touched = sorted({day for session in sessions for day in days[session]})
    before = PartitionKey.daily("closing_book", spec.venue, touched[0] - timedelta(days=1))
    ticks = ("clean_trades", "clean_book")
    return [
        *listed,
        *(Need(PartitionKey.daily(dataset, spec.venue, day)) for dataset in ticks for day in touched),
        Need(before, required=False),
    ]


def material_of(spec: StrategySpec, venue: Venue, inputs: Inputs) -> Material:
    """What a strategy runs on, from the partitions it needs; each row says which partition and row it is from."""
    bars = [f"bars_{each}" for each in spec.timeframes]
    datasets = bars if spec.mode == "bar" else ["clean_trades", "clean_book", "closing_book"]
    streams = tuple(
        _traced(inputs, dataset).filter(pl.col("instrument").is_in(spec.instruments)) for dataset in datasets
    )
    if spec.signals is not None:
        streams = tuple(with_signals(stream, inputs.scan(SIGNALS), spec.strategy.signals) for stream in streams)
    traded_on = {venue.calendar_of(one) for one in venue.instruments if one.name in spec.instruments}
    sessions = inputs.scan("sessions").unique(maintain_order=True).collect()
    before = inputs.scan("backtest_folds").collect() if inputs.of("backtest_folds") else None
    return Material(streams, sessions.filter(pl.col("calendar").is_in(traded_on)), venue, before)


def with_signals(bars: pl.DataFrame, signals: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """Bars with a column for each named signal (SIGNALS): what was last known of its instrument at a bar's close.

    Where bars and signals are of one timeframe that is the bar's own; a longer one's stands until its next.
    """
    columns = [pl.col("value").filter(pl.col("name") == name).first().alias(name) for name in dict.fromkeys(names)]
    known = signals.group_by("instrument", "ts_close").agg(columns).sort("ts_close").collect()
    return bars.sort("ts_close", maintain_order=True).join_asof(
        known, on="ts_close", by="instrument", strategy="backward", check_sortedness=False
    )


@cache
def child() -> Child:
    """The process this one runs strategies in."""
    started = Child()
    atexit.register(started.close)
    return started


def _summary_stage(spec: StrategySpec, venue: Venue, windows: Mapping[date, Window]) -> Stage:
    periods = [last.isoformat() for last in windows]
    read = ("backtest_run", "backtest_equity", "backtest_trades", "backtest_folds")

    def needs(_period: str) -> list[Need]:
        # A window that cannot be made is left out, and counted; the others still say what they say.
        return [
            Need(PartitionKey(dataset, spec.name, period), required=False) for period in periods for dataset in read
        ]

    def build(inputs: Inputs, _period: str) -> Built:
        frames: dict[str, dict[str, pl.DataFrame]] = {}
        for key in sorted(inputs.published):
            frames.setdefault(key.period, {})[key.dataset] = inputs.lake.scan([inputs.published[key]]).collect()
        summary = summarise(spec, [frames[period] for period in sorted(frames)])
        facts = {
            "windows": len(periods),
            "windows_missing": len(periods) - len(frames),
            "windows_flat": sum(stayed_out(window["backtest_folds"]) for window in frames.values()),
        }
        return Built({SUMMARY: summary}, {SUMMARY: facts})

    return Stage(
        name="summary",
        venue=spec.name,
        datasets=(SUMMARY,),
        cadence=Cadence.WHOLE,
        periods=(WHOLE,),
        needs=needs,
        build=build,
        config=_config(spec, venue),
        code=_code(spec),
    )


def _traced(inputs: Inputs, dataset: str) -> pl.DataFrame:
    """The rows of a dataset's partitions, each with the partition and row it is from."""
    frames = [
        inputs.lake.scan([published])
        .with_row_index("input_row")
        .with_columns(pl.lit(dataset).alias("input"), pl.lit(published.key.period).alias("input_period"))
        for published in inputs.of(dataset)
    ]
    return pl.concat(frames).collect() if frames else DATASETS[dataset].empty()


def _config(spec: StrategySpec, venue: Venue) -> Mapping[str, object]:
    # What is said about a strategy to people, what it may take and what it must show change no result.
    told = spec.model_dump(mode="json", exclude={"description", "owner", "gates", "minutes", "memory_gb"})
    traded = [one.model_dump(mode="json") for one in venue.instruments if one.name in spec.instruments]
    return told | {"fees": venue.fees.model_dump(mode="json"), "traded": traded}


def _code(spec: StrategySpec) -> str:
    parts = (spec.strategy.code, code_sha256("tickline.backtest.walkforward"), code_version("tickline.lake.schemas"))
    libraries = (f"{name}={importlib.metadata.version(name)}" for name in ("numba", "optuna", "cmaes"))
    return hashlib.sha256("\n".join((*parts, *libraries)).encode()).hexdigest()
