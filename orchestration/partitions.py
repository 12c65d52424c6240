"""Stages' periods as Dagster partitions, and how one stage's partitions map to another's."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache

import dagster as dg

from tickline.pipeline.stage import Cadence, Stage


def partitions_of(stage: Stage) -> dg.PartitionsDefinition | None:
    """The partitions of a stage: exactly its periods. None where it is not split by time.

    Days without a session are excluded, so that what Dagster calls missing is really missing. A running stage has no
    end: its periods reach into the future only to say which days are excluded.
    """
    if stage.cadence is Cadence.WHOLE:
        return None
    if not stage.periods:
        return dg.StaticPartitionsDefinition([])
    return _partitions(stage.cadence, stage.periods, stage.running)


@cache
def _partitions(cadence: Cadence, periods: tuple[str, ...], running: bool) -> dg.PartitionsDefinition:
    if cadence is Cadence.YEAR:
        end = None if running else str(int(periods[-1]) + 1)
        # One past the last whole year: the sessions of a year are known, and needed, from its first day on.
        return dg.TimeWindowPartitionsDefinition(
            start=periods[0], end=end, fmt="%Y", cron_schedule="0 0 1 1 *", end_offset=1
        )
    step = 7 if cadence is Cadence.WEEK else 1
    end = None if running else (date.fromisoformat(periods[-1]) + timedelta(days=step)).isoformat()
    absent = _absent(periods, step=step)
    if cadence is Cadence.WEEK:
        return dg.WeeklyPartitionsDefinition(start_date=periods[0], end_date=end, day_offset=1, exclusions=absent)
    return dg.DailyPartitionsDefinition(start_date=periods[0], end_date=end, exclusions=absent)


def _absent(periods: Sequence[str], *, step: int) -> list[datetime] | None:
    present = set(periods)
    day, last = date.fromisoformat(periods[0]), date.fromisoformat(periods[-1])
    absent = []
    while day <= last:
        if day.isoformat() not in present:
            absent.append(datetime(day.year, day.month, day.day, tzinfo=UTC))
        day += timedelta(days=step)
    return absent or None


def mapping(downstream: Stage, upstream: Stage) -> dg.PartitionMapping | None:
    """How a stage's periods read another's: by the widest offset in days any period needs; None where trivial.

    A session's windows touch the UTC days around its date, so the offsets are the calendar's.
    """
    if Cadence.WHOLE in (upstream.cadence, downstream.cadence):
        return None
    if {downstream.cadence, upstream.cadence} <= {Cadence.DAY, Cadence.SESSION, Cadence.WINDOW}:
        offsets = _offsets(downstream, set(upstream.datasets))
        return dg.TimeWindowPartitionMapping(
            start_offset=min(offsets), end_offset=max(offsets), allow_nonexistent_upstream_partitions=True
        )
    return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)


def _offsets(downstream: Stage, datasets: set[str]) -> set[int]:
    return {
        (need.key.date - date.fromisoformat(period)).days
        for period in downstream.periods
        for need in downstream.needs(period)
        if need.key.dataset in datasets
    } or {0}
