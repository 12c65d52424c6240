"""What runs by the clock: yesterday's KPIs, and retention after them."""

import dagster as dg
from dagster._core.definitions.partitions.partitioned_schedule import UnresolvedPartitionedAssetScheduleDefinition

from assets.marts import GROUP


def schedules(
    partitions: dg.PartitionsDefinition,
) -> list[dg.ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition]:
    """The daily schedules, in UTC; they start when somebody turns them on."""
    kpis = dg.define_asset_job(
        "daily_kpis",
        selection=dg.AssetSelection.groups(GROUP),
        partitions_def=partitions,
        description="The KPI marts of the day that just ended",
    )
    retention = dg.define_asset_job(
        "retention", selection=dg.AssetSelection.groups("retention"), description="Archive, then expire"
    )
    return [
        dg.build_schedule_from_partitioned_job(kpis, hour_of_day=1, minute_of_hour=15),
        dg.ScheduleDefinition(name="daily_retention", job=retention, cron_schedule="45 2 * * *"),
    ]
