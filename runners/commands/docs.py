"""`tickline docs`: what the checks said, as a static site to open in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from runners.commands.answer import AsJson, as_json, people
from runners.commands.asked import First, Last, OnlyVenue, known
from tickline.errors import LakeError
from tickline.kpi.freshness import built_keys
from tickline.lake.storage import os_errors_explained
from tickline.pipeline.plan import touches
from tickline.workspace import workspace


def docs(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to make the site in; by default the home.")
    ] = None,
    venue: OnlyVenue = None,
    first: First = "",
    last: Last = "",
    json: AsJson = False,
) -> None:
    """Write the newest verdicts as Great Expectations data docs: what was expected of each partition, and observed.

    Example: tickline docs --venue nysim --from 2026-03-06 --to 2026-03-06 -o site
    """
    here = workspace()
    published = here.lake.catalog.everything(venue=None if venue is None else known(here, venue))
    judged = {key: publication.sha256 for key, publication in published.items()}
    if venue is None:
        judged |= built_keys(here.marts)
    verdicts = here.lake.catalog.verdicts_of(
        {key: sha256 for key, sha256 in judged.items() if touches(key.period, first, last)}
    )
    if not verdicts:
        raise LakeError("no partition there was judged; `tickline backfill` makes and judges them")
    # Great Expectations takes seconds to import; what has nothing to show need not pay them.
    from expectations.docs import build_docs

    with os_errors_explained("the site could not be written", "The lake is as it was"):
        index = build_docs(verdicts, output or here.home)
    if json:
        as_json({"verdicts": len(verdicts), "file": str(index)})
    else:
        people.print(f"{len(verdicts)} verdicts in {index}", highlight=False)
