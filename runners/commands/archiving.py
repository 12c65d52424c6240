"""`tickline archive`, `expire` and `restore`: copies first, then room, and back again."""

from collections.abc import Callable, Iterable
from typing import Annotated

import typer
from rich.progress import track

from runners.commands.answer import AsJson, as_json, finish, people, progress_to, table
from tickline.errors import LakeError, TicklineError
from tickline.lake.archive import archive_object, expire_object, restore_object
from tickline.lake.keys import PartitionKey
from tickline.lake.records import Publication
from tickline.lake.retention import due_for_archive, due_for_expiry
from tickline.workspace import workspace

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]


def archive(dry_run: DryRun = False, json: AsJson = False) -> None:
    """Copy every object without a copy into the archive, read each copy back and compare.

    Example: tickline archive --dry-run
    """
    here = workspace()
    due = due_for_archive(here.lake, here.archive.name)
    _carry_out("archived", due, lambda one: archive_object(here.lake, here.archive, one), dry_run=dry_run, json=json)


def expire(dry_run: DryRun = False, json: AsJson = False) -> None:
    """Remove what is past its time from the lake, each after reading its archived copy back once more.

    Example: tickline expire --dry-run
    """
    here = workspace()
    due = due_for_expiry(here.lake, here.universe.retention, here.archive.name, here.today)
    _carry_out("expired", due, lambda one: expire_object(here.lake, here.archive, one), dry_run=dry_run, json=json)


def restore(partition: Annotated[str, typer.Argument(help="dataset/venue/period")], json: AsJson = False) -> None:
    """Bring a partition back from the archive, byte-identical.

    Example: tickline restore raw_trades/coinsim/2026-03-06
    """
    here = workspace()
    key = PartitionKey.parse(partition)
    publication = here.lake.catalog.current(key)
    if publication is None:
        raise LakeError(f"{key} was never published, so there is nothing to restore")
    _carry_out("restored", [publication], lambda one: restore_object(here.lake, here.archive, one), json=json)


def _carry_out(
    done: str,
    due: Iterable[Publication],
    action: Callable[[Publication], object],
    *,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    chosen = list(due)
    failed: dict[str, str] = {}
    for publication in track([] if dry_run else chosen, done, console=progress_to, disable=json):
        try:
            action(publication)
        except TicklineError as error:
            failed[str(publication.key)] = str(error)
    named = [str(publication.key) for publication in chosen]
    size = sum(publication.bytes for publication in chosen if str(publication.key) not in failed)
    if json:
        as_json(
            {"dry_run": dry_run, done: [name for name in named if name not in failed], "bytes": size, "failed": failed}
        )
    else:
        people.print(f"{'would be ' if dry_run else ''}{done}: {len(named) - len(failed)} partitions, {size:,} bytes")
        if dry_run:
            table("Due", ("partition",), ([name] for name in named[:40]))
        if failed:
            table("Failed; nothing of these was removed", ("partition", "why"), failed.items())
    finish(ok=not failed)
