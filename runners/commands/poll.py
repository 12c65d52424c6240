"""`tickline poll`: ask a venue for what is new, and keep its answers as capture segments."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from runners.commands.answer import AsJson, as_json, people
from runners.commands.asked import known
from tickline.errors import ConfigError
from tickline.lake.schemas import Feed
from tickline.reference.models import Venue
from tickline.workspace import workspace

_CAPTURE = "capture"


def poll(
    venue: Annotated[str, typer.Argument(help="A venue whose configuration has a `poll` section.")],
    json: AsJson = False,
) -> None:
    """Fetch what a venue has new since the last poll, through ccxt; then `tickline backfill` brings it in.

    Every answer is kept as it came before anything is made of it. Stopped or refused midway, it goes on next time
    where it was.

    Example: tickline poll binance
    """
    here = workspace()
    written = asyncio.run(_poll(here.universe.venues[known(here, venue)]))
    if json:
        as_json({"venue": venue, "segments": {kind: [str(path) for path in paths] for kind, paths in written.items()}})
        return
    for kind, paths in written.items():
        people.print(f"{kind}: {len(paths)} new segments", highlight=False)


async def _poll(venue: Venue) -> dict[str, list[Path]]:
    from tickline.sources.ccxt_rest import CcxtRest
    from tickline.sources.segments import Kind

    folders = _folders(venue)
    settings = settings_of(venue)
    written: dict[str, list[Path]] = {}
    for folder, feeds in folders.items():
        kinds = {
            Kind.TRADES if feed == Feed.TRADES else Kind.MARKETS if feed == "markets" else Kind.BOOK for feed in feeds
        }
        async with CcxtRest(settings, folder, clock=time.time_ns, sleep=asyncio.sleep) as exchange:
            for kind in sorted(kinds):
                written[kind.value] = [segment.path for segment in await exchange.poll(kind)]
    return written


def _folders(venue: Venue) -> dict[Path, list[str]]:
    """The folders of captured feeds, and what each holds."""
    specs: dict[str, Any] = {str(feed): spec for feed, spec in venue.feeds.items()}
    if venue.markets is not None:
        specs["markets"] = venue.markets
    folders: dict[Path, list[str]] = {}
    for feed, spec in specs.items():
        if spec.kind == _CAPTURE:
            folders.setdefault(Path(spec.settings["path"]), []).append(feed)
    if not folders:
        raise ConfigError(f"venue {venue.name} has no feed of kind capture, so there is nothing to poll it for")
    return folders


def settings_of(venue: Venue) -> Any:
    """What is asked of a venue, as `CcxtSettings`. Raises ConfigError where its `poll` section is missing or wrong."""
    from tickline.sources.ccxt_venue import CcxtSettings

    if venue.poll is None:
        raise ConfigError(f"venue {venue.name} has no `poll` section; see docs/guide/adding-a-source.md")
    symbols = tuple(instrument.name for instrument in venue.instruments)
    try:
        return CcxtSettings(**{"symbols": symbols, "since": venue.start, **venue.poll})
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"venue {venue.name}: poll: {reasons}") from error
