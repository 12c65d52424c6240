"""The signals stage: the columns of a declared set, session by session, from that session's bars and earlier ones."""

import hashlib
import importlib.metadata
from collections.abc import Sequence
from datetime import date

import polars as pl

from tickline.compiled import code_sha256
from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import SIGNALS
from tickline.pipeline.stage import Built, Cadence, Inputs, Need, Stage, code_version
from tickline.reference.models import Venue
from tickline.signals.spec import KEYS, SignalSet, signals

DATASET = "signals"


def signal_stage(declared: SignalSet, venue: Venue, sessions: Sequence[date]) -> Stage:
    """The signals of a set over its venue's session dates (increasing).

    A set's partitions are kept as a venue's are: its name stands where a venue's would.
    """
    read = {
        session.isoformat(): tuple(sessions[max(0, nth - declared.lookback) : nth + 1])
        for nth, session in enumerate(sessions)
    }
    bars = f"bars_{declared.timeframe}"

    def needs(period: str) -> list[Need]:
        years = sorted({str(day.year) for day in read[period]})
        return [
            *(Need(PartitionKey("sessions", venue.name, year)) for year in years),
            # Without the sessions before, the first rows are only unknown for longer.
            *(
                Need(PartitionKey.daily(bars, venue.name, day), required=day == read[period][-1])
                for day in read[period]
            ),
        ]

    def build(inputs: Inputs, period: str) -> Built:
        of_calendar = inputs.scan("sessions").filter(calendar=_calendar(declared, venue)).unique(maintain_order=True)
        made = signals(inputs.scan(bars).collect(), of_calendar.collect(), declared)
        own = made.filter(pl.col("session_date") == date.fromisoformat(period))
        known = {name: own[name].count() for name in declared.columns}
        return Built({DATASET: _long(own, list(declared.columns))}, {DATASET: {"known": known}})

    return Stage(
        name=DATASET,
        venue=declared.name,
        datasets=(DATASET,),
        cadence=Cadence.SESSION,
        periods=tuple(read),
        needs=needs,
        build=build,
        config=declared.made_by | {"calendar": _calendar(declared, venue)},
        code=_code(declared),
    )


def _long(wide: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    return (
        wide.unpivot(names, index=KEYS, variable_name="name", value_name="value")
        .select(*SIGNALS.columns)
        .sort(SIGNALS.sort)
    )


def _calendar(declared: SignalSet, venue: Venue) -> str:
    (calendar,) = venue.calendars_of(declared.instruments)
    return calendar


def _code(declared: SignalSet) -> str:
    own = (__name__, "tickline.signals.spec", "tickline.signals.features", "tickline.signals.labellers")
    parts = (*(code_sha256(module) for module in declared.modules), code_version(*own, "tickline.lake.schemas"))
    libraries = (f"{name}={importlib.metadata.version(name)}" for name in ("numba", "scipy", "statsmodels"))
    return hashlib.sha256("\n".join((*parts, *libraries)).encode()).hexdigest()
