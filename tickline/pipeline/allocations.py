"""The allocation stage: what a portfolio's weights are at each session's close."""

import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from tickline.errors import BacktestError
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import ALLOCATIONS
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.reference.models import Venue
from tickline.sizing.decision import decide
from tickline.sizing.portfolio import PortfolioSpec

DATASET = "allocations"
REGULAR = "regular"


def allocation_stage(spec: PortfolioSpec, venue: Venue, sessions: Sequence[date]) -> Stage:
    """A portfolio's weights at the close of each of its calendar's session dates that has a whole lookback.

    A portfolio's partitions are kept as a venue's are: its name stands where a venue's would.
    """
    ordered = sorted(sessions)
    read = {last.isoformat(): ordered[: at + 1][-spec.lookback :] for at, last in enumerate(ordered)}
    lots = {one.name: one.lot_size for one in venue.instruments if one.name in spec.instruments}
    (calendar,) = venue.calendars_of(spec.instruments)
    bars = f"bars_{spec.timeframe}"
    bars_of = {day: Need(PartitionKey.daily(bars, venue.name, day)) for day in ordered}

    def needs(period: str) -> list[Need]:
        return [Need(PartitionKey("sessions", venue.name, period[:4])), *(bars_of[day] for day in read[period])]

    def build(inputs: Inputs, period: str) -> Built:
        at = _close(inputs, calendar, period)
        decision = decide(spec, _closes(inputs, bars, spec).filter(pl.col("ts_close") <= at), lots)
        rows = decision.weights.with_columns(
            pl.lit(date.fromisoformat(period)).alias("session_date"), pl.lit(at).alias("ts")
        )
        return Built(
            {DATASET: rows.select(pl.col(name).cast(dtype) for name, dtype in ALLOCATIONS.columns.items())},
            {DATASET: decision.facts},
        )

    return Stage(
        name=DATASET,
        venue=spec.name,
        datasets=(DATASET,),
        cadence=Cadence.SESSION,
        periods=tuple(read)[spec.lookback - 1 :],
        needs=needs,
        build=build,
        config=_config(spec, lots),
        code=_code(),
    )


def _close(inputs: Inputs, calendar: str, period: str) -> datetime:
    """When the regular trading of a session ends, in UTC."""
    of_session = inputs.scan("sessions").filter(
        calendar=calendar, session_date=date.fromisoformat(period), segment=REGULAR
    )
    close = of_session.select(pl.col("close").max()).collect().item()
    if not isinstance(close, datetime):
        raise BacktestError(f"{calendar} has no regular trading on {period}, so nothing is decided at its close")
    return close


def _closes(inputs: Inputs, bars: str, spec: PortfolioSpec) -> pl.DataFrame:
    """The closes of regular bars, mid quotes where nothing traded, each with the partition and row it is from."""
    frames = [
        inputs.lake.scan([published])
        .with_row_index("input_row")
        .filter(pl.col("instrument").is_in(spec.instruments), segment=REGULAR)
        .select(
            "instrument",
            "ts_close",
            pl.coalesce("close", (pl.col("bid_close") + pl.col("ask_close")) / 2).alias("close"),
            pl.lit(bars).alias("input"),
            pl.lit(published.key.period).alias("input_period"),
            "input_row",
        )
        .drop_nulls("close")
        for published in inputs.of(bars)
    ]
    return pl.concat(frames).collect()


def _config(spec: PortfolioSpec, lots: Mapping[str, Decimal]) -> Mapping[str, Any]:
    # What is said about a portfolio to people changes no weight.
    return spec.model_dump(mode="json", exclude={"description", "owner"}) | {
        "lots": {name: str(lot) for name, lot in sorted(lots.items())}
    }


def _code() -> str:
    parts = [code_version(__name__, "tickline.sizing", "tickline.lake.schemas")]
    parts += [f"{name}={importlib.metadata.version(name)}" for name in ("scikit-learn", "skfolio")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
