"""Retention assets: every object copied to the archive, and what is past its time removed from the lake."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from assets.preview import size
from orchestration.resources import LakeResource
from tickline.errors import TicklineError
from tickline.lake.archive import archive_object, expire_object, open_archive
from tickline.lake.records import Publication
from tickline.lake.retention import RetentionPolicy, due_for_archive, due_for_expiry

ARCHIVE, EXPIRY = dg.AssetKey(["retention", "archive"]), dg.AssetKey(["retention", "expiry"])


def retention_assets(policy: RetentionPolicy) -> list[dg.AssetsDefinition]:
    """The archive, and after it the expiry, under a retention policy."""

    @dg.asset(
        key=ARCHIVE,
        group_name="retention",
        kinds={"s3" if policy.archive.startswith("s3://") else "file"},
        owners=["team:data"],
        description="Every object of the lake copied, read back by version and compared",
        pool="retention",
    )
    def archive(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        opened, store = lake.open(), open_archive(policy, Path(lake.home))
        due = due_for_archive(opened, store.name)
        return _each(context, due, lambda one: archive_object(opened, store, one))

    @dg.asset(
        key=EXPIRY,
        deps=[ARCHIVE],
        group_name="retention",
        kinds={"file"},
        owners=["team:data"],
        description="What is past its time, removed after its copy was read back once more",
        pool="retention",
    )
    def expiry(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        opened, store = lake.open(), open_archive(policy, Path(lake.home))
        due = due_for_expiry(opened, policy, store.name, datetime.now(UTC).date())
        return _each(context, due, lambda one: expire_object(opened, store, one))

    return [archive, expiry]


def _each(
    context: dg.AssetExecutionContext, due: Sequence[Publication], action: Callable[[Publication], object]
) -> dg.MaterializeResult[Any]:
    failed: dict[str, str] = {}
    for publication in due:
        try:
            action(publication)
        except TicklineError as error:
            context.log.error(f"{publication.key}: {error}")
            failed[str(publication.key)] = str(error)
    if failed:
        raise dg.Failure(f"{len(failed)} of {len(due)} failed; nothing of these was removed", metadata=failed)
    moved = sum(one.bytes for one in due)
    return dg.MaterializeResult(metadata={"objects": len(due), "bytes": moved, "size": size(moved)})
