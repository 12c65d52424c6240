"""Failed checks and failed runs become alerts."""

import dagster as dg

from orchestration.resources import LakeResource
from sensors.sink import notify
from tickline.lake.records import Verdict
from tickline.workspace import workspace


@dg.sensor(
    name="failed_checks",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Every check that did not pass, once, to TICKLINE_ALERTS",
)
def failed_checks(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SkipReason | dg.SensorResult:
    """Alert each verdict that did not pass. The cursor moves only past what was delivered.

    Raises RuntimeError where not even the first could be delivered.
    """
    failures = lake.open().catalog.failures_after(int(context.cursor or 0))
    if not failures:
        return dg.SkipReason("no check failed since the last look")
    delivered: list[int] = []
    for verdict_id, verdict in failures:
        try:
            notify(workspace().home, title=f"{verdict.severity}: {verdict.key}", body=_told(verdict))
        except RuntimeError:
            if not delivered:
                raise
            break
        delivered.append(verdict_id)
    return dg.SensorResult(cursor=str(delivered[-1]), skip_reason=f"{len(delivered)} of {len(failures)} alerts sent")


@dg.run_failure_sensor(
    name="failed_runs",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Every run that failed, to TICKLINE_ALERTS",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Alert a failed run."""
    run = context.dagster_run
    notify(workspace().home, title=f"run {run.run_id[:8]} failed", body=context.failure_event.message or run.job_name)


def _told(verdict: Verdict) -> str:
    failed = [result for result in verdict.results if not result["success"]]
    return "\n".join(f"{result['name']}: {result['unexpected']} out of bounds. {result['why']}" for result in failed)
