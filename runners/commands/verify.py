"""`tickline verify` and `tickline scrub`: are the bytes what their names say, and can they be made again."""

from typing import Annotated, Any

import typer
from rich.progress import track

from runners.commands.answer import AsJson, as_json, finish, people, progress_to, table
from tickline.lake import scrub as scrubbing
from tickline.lake.keys import PartitionKey
from tickline.lake.records import ObjectState
from tickline.lake.storage import object_name
from tickline.pipeline.graph import find
from tickline.pipeline.rebuild import rebuild
from tickline.workspace import Workspace, workspace


def verify(
    rebuilt: Annotated[
        str | None, typer.Option("--rebuild", help="Also build this partition again from its recorded inputs.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Read every object in full and compare its hash with its name. Changes nothing.

    Example: tickline verify --rebuild bars_1m/coinsim/2026-03-06
    """
    here = workspace()
    # First, because reading every object takes its time.
    entries = {} if rebuilt is None else {"rebuilt": _rebuilt(here, PartitionKey.parse(rebuilt))}
    wrong = _wrong(here, quiet=json)
    answer: dict[str, Any] = {"objects": len(here.lake.catalog.objects()), "wrong": wrong, **entries}
    if json:
        as_json(answer)
    else:
        people.print(f"{answer['objects']} objects, {len(wrong)} not what their name says")
        for entry in answer.get("rebuilt", []):
            people.print(f"{entry['partition']}: {'same bytes' if entry['equal'] else entry['why']}")
    finish(ok=not wrong and all(entry["equal"] for entry in answer.get("rebuilt", [])))


def scrub(json: AsJson = False) -> None:
    """Find rotten and missing objects, take them out of use, and sweep what no partition names.

    A lost object is brought back by `tickline restore` or made again by `tickline backfill`.

    Example: tickline scrub
    """
    lake = workspace().lake
    known = len(lake.catalog.objects())
    found = [
        finding
        for finding in track(scrubbing.scrub(lake), "reading", total=known, console=progress_to, disable=json)
        if finding is not None
    ]
    swept = scrubbing.sweep(lake)
    if json:
        as_json({"objects": known, "lost": [f"{f.sha256} {f.problem}" for f in found], "swept": swept})
    else:
        people.print(f"{known} objects read, {len(found)} lost, {len(swept)} unnamed files swept")
        if found:
            table("Lost", ("object", "problem", "its bytes hash to"), ((f.sha256, f.problem, f.found) for f in found))
    finish(ok=not found)


def _wrong(here: Workspace, *, quiet: bool) -> list[str]:
    storage = here.lake.storage
    present = [sha for sha, state in here.lake.catalog.objects().items() if state is ObjectState.PRESENT]
    return [
        sha256
        for sha256 in track(present, "reading", console=progress_to, disable=quiet)
        if not storage.exists(object_name(sha256)) or storage.sha256(object_name(sha256)) != sha256
    ]


def _rebuilt(here: Workspace, key: PartitionKey) -> list[dict[str, Any]]:
    stage = find(here.graph, key.venue, key.dataset)
    return [
        {
            "partition": str(result.key),
            "equal": result.equal,
            "published": result.published,
            "rebuilt": result.rebuilt,
            "why": result.why,
        }
        for result in rebuild(here.lake, stage, key.period)
    ]
