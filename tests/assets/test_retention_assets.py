"""Retention through Dagster: copies first, then room; what could not be copied stays and is named."""

from pathlib import Path

import dagster as dg

from assets.retention import ARCHIVE, EXPIRY, retention_assets
from orchestration.resources import lake_resource
from tickline.lake.records import ObjectState
from tickline.workspace import Workspace


def run(here: Workspace) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            retention_assets(here.universe.retention),
            instance=instance,
            resources={"lake": lake_resource()},
            raise_on_error=False,
        )


def states(here: Workspace, dataset: str) -> set[ObjectState]:
    return {publication.state for publication in here.lake.catalog.everything(dataset=dataset).values()}


def test_everything_is_archived_and_what_is_past_its_time_expires(made: Workspace) -> None:
    result = run(made)
    assert result.success
    metadata = {
        event.asset_key: event.materialization.metadata for event in result.all_events if event.is_step_materialization
    }
    everything = made.lake.catalog.everything()
    distinct = {publication.sha256 for publication in everything.values()}
    assert metadata[ARCHIVE]["objects"].value >= len(distinct)
    assert metadata[EXPIRY]["objects"].value == len(made.lake.catalog.everything(dataset="raw_trades"))
    assert all(made.lake.catalog.copies_of(sha256) for sha256 in distinct)
    assert states(made, "raw_trades") == {ObjectState.EXPIRED}
    assert states(made, "raw_quotes") == {ObjectState.PRESENT}


def test_what_cannot_be_copied_fails_the_run_by_name_and_nothing_expires(made: Workspace) -> None:
    key, publication = next(iter(made.lake.catalog.everything(dataset="raw_trades").items()))
    (path,) = (made.home / "lake" / "objects").rglob(f"*{publication.sha256}*")
    path.chmod(0o600)
    path.write_bytes(b"rotten" + Path(path).read_bytes()[6:])
    result = run(made)
    assert not result.success
    (event,) = [event for event in result.all_events if event.is_step_failure]
    cause = event.step_failure_data.user_failure_data
    assert cause is not None
    assert "1 of " in str(cause.description)
    assert "rotten in the lake; run `tickline scrub`" in str(cause.metadata[str(key)].value)
    assert states(made, "raw_trades") == {ObjectState.PRESENT}
