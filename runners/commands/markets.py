"""`tickline markets`: bring prediction venues' listings in, and show what they came to."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from expectations.universe_checks import suites_of
from runners.commands.answer import AsJson, as_json, finish, people, table
from runners.commands.asked import Day, OnlyVenue
from runners.commands.backfill import Holes, fill, report
from runners.commands.poll import settings_of
from tickline.errors import ConfigError
from tickline.lake.keys import PartitionKey
from tickline.lake.market_schemas import MARKET_STAGE
from tickline.pipeline.plan import State, standings
from tickline.reference.models import Venue
from tickline.workspace import Workspace, workspace

app = typer.Typer(no_args_is_help=True, help="What prediction venues list: terms, prices, groups and what was refused.")

_STAGES = ("sessions", "instruments", "raw_markets", "clean_markets")
_LISTED = ("market_id", "title", "status", "yes_bid", "yes_ask", "no_bid", "no_ask", "group_id", "label", "versions")


@app.callback()
def _group() -> None:
    """What prediction venues list: terms, prices, groups and what was refused."""


@app.command("sync")
def sync(venue: OnlyVenue = None, json: AsJson = False) -> None:
    """Ask polled venues for their listings, then make every day of listings that is missing or stale.

    A day is made once it is over (UTC). Stopped or refused midway, run it again: it goes on where it was.

    Example: tickline markets sync --venue predsim_a
    """
    here = workspace()
    venues = _listing(here, venue)
    polled = {one.name: [str(path) for path in asyncio.run(_poll(one))] for one in venues if _is_polled(one)}
    if not json:
        for name, segments in polled.items():
            people.print(f"{name}: {len(segments)} new segments", highlight=False, markup=False)
    holes = _holes(here, venues)
    filled = fill(here, holes, quiet=json) if holes else None
    left = _holes(here, venues)
    made, failed = (len(filled.made), filled.failed) if filled else (0, [])
    if json:
        names = [f"{hole.stage}/{hole.period} {hole.state.value} {hole.why}".strip() for hole in left.standings]
        as_json({"polled": polled, "made": made, "left": names, "failed": failed})
    else:
        report(left, made=made, failed=failed, json=False)
    finish(ok=not failed and not left)


@app.command("show")
def show(
    venue: Annotated[str | None, typer.Argument(help="The venue; all that list markets without it.")] = None,
    event: Annotated[str | None, typer.Option(help="Only the markets of this event.")] = None,
    market: Annotated[str | None, typer.Option(help="One market, in full: every version of its terms.")] = None,
    search: Annotated[str | None, typer.Option(help="Only markets whose title, event or id has this text.")] = None,
    day: Day = None,
    rows: Annotated[int, typer.Option(min=1, help="How many markets to show of a venue.")] = 20,
    json: AsJson = False,
) -> None:
    """What a venue listed on a day, the last one made unless named: markets, last prices, groups and refusals.

    Example: tickline markets show predsim_a --event FEDDEC-26MAR
    """
    here = workspace()
    found = {one.name: _day_of(here, one, day) for one in _listing(here, venue)}
    if all(frames is None for frames in found.values()):
        when = f" of {day}" if day else ""
        raise ConfigError(f"no listing{when} of {', '.join(found)} is in the lake; `tickline markets sync` makes it")
    answers = {
        name: _answer(period, frames, _wanted(event, market, search), rows=rows)
        for name, made in found.items()
        if made is not None
        for period, frames in [made]
    }
    if market is not None and not any(answer["markets"] for answer in answers.values()):
        raise ConfigError(f"no market {market!r} is listed on {', '.join(answers)}; --search finds markets by text")
    if json:
        as_json(answers)
        return
    for name, answer in answers.items():
        _shown(name, answer, in_full=market is not None)


def _listing(here: Workspace, venue: str | None) -> list[Venue]:
    """The venues that list markets, or the one asked for. Raises ConfigError where that lists none."""
    listing = {name: one for name, one in here.universe.venues.items() if one.markets is not None}
    if venue is None and listing:
        return list(listing.values())
    if venue not in listing:
        raise ConfigError(f"no venue {venue!r} that lists markets; there are {', '.join(listing) or 'none'}")
    return [listing[venue]]


def _is_polled(venue: Venue) -> bool:
    return venue.poll is not None and venue.markets is not None and venue.markets.kind == "capture"


async def _poll(venue: Venue) -> list[Path]:
    from tickline.sources.ccxt_rest import CcxtRest
    from tickline.sources.segments import Kind

    assert venue.markets is not None
    folder = Path(venue.markets.settings["path"])
    async with CcxtRest(settings_of(venue), folder, clock=time.time_ns, sleep=asyncio.sleep) as exchange:
        return [segment.path for segment in await exchange.poll(Kind.MARKETS)]


def _holes(here: Workspace, venues: Iterable[Venue]) -> Holes:
    names = {venue.name for venue in venues}
    graph = [stage for stage in here.graph if stage.venue in names and stage.name in _STAGES]
    found = standings(here.lake, graph, suites=suites_of(here.universe))
    return Holes([standing for standing in found if standing.state is not State.FRESH], [])


def _day_of(here: Workspace, venue: Venue, day: str | None) -> tuple[str, dict[str, pl.DataFrame]] | None:
    """The listing of a day, the last one in the lake unless named, by dataset; None where there is none."""
    (stage,) = [one for one in here.graph if one.venue == venue.name and one.name == "clean_markets"]
    periods = [period for period in stage.periods if day in (None, period)]
    current = here.lake.catalog.currents(PartitionKey("clean_markets", venue.name, period) for period in periods)
    made = [key.period for key in sorted(current)]
    if not made:
        return None
    frames = {
        dataset: here.lake.dataset(dataset, venue=venue.name, first=made[-1], last=made[-1]).collect()
        for dataset in MARKET_STAGE
    }
    return made[-1], frames


def _wanted(event: str | None, market: str | None, search: str | None) -> pl.Expr:
    wanted = pl.lit(value=True)
    if event is not None:
        wanted &= pl.col("event_id") == event
    if market is not None:
        wanted &= pl.col("market_id") == market
    if search is not None:
        texts = [pl.col(name).str.to_lowercase() for name in ("title", "event_title", "market_id")]
        wanted &= pl.any_horizontal(text.str.contains(search.lower(), literal=True) for text in texts)
    return wanted.fill_null(value=False)


def _answer(period: str, frames: dict[str, pl.DataFrame], wanted: pl.Expr, *, rows: int) -> dict[str, Any]:
    """What is told of one venue's day: the markets wanted with their last prices, and counts over the whole day."""
    markets, quotes, refused = (frames[name] for name in MARKET_STAGE)
    last = quotes.sort("ts_recv").unique("market_id", keep="last").drop("status", "raw_row")
    chosen = markets.filter(wanted)
    latest = (
        chosen.with_columns(pl.len().over("market_id").alias("versions"))
        .unique("market_id", keep="last", maintain_order=True)
        .join(last, on="market_id", how="left", maintain_order="left")
    )
    shown = latest.head(rows)
    ids = shown["market_id"].implode()
    return {
        "day": period,
        "found": latest.height,
        "markets": shown.to_dicts(),
        "versions": chosen.filter(pl.col("market_id").is_in(ids)).to_dicts(),
        "refused_of_these": refused.filter(pl.col("market_id").is_in(ids)).to_dicts(),
        "status": dict(_counted(markets.unique("market_id", keep="last"), "status")),
        "quotes": quotes.height,
        "refused": dict(_counted(refused, "rule")),
    }


def _counted(frame: pl.DataFrame, name: str) -> list[tuple[Any, int]]:
    return frame.group_by(name).len().sort("len", name, descending=[True, False]).rows()


def _shown(name: str, answer: dict[str, Any], *, in_full: bool) -> None:
    standing = ", ".join(f"{count} {status}" for status, count in answer["status"].items()) or "no market"
    refused = ", ".join(f"{count} {rule}" for rule, count in answer["refused"].items()) or "nothing"
    people.print(f"{name} {answer['day']}: {standing}; {answer['quotes']} quotes; refused {refused}", markup=False)
    if not in_full:
        title = f"{len(answer['markets'])} of {answer['found']} markets"
        table(title, _LISTED, [[_cell(one[column]) for column in _LISTED] for one in answer["markets"]])
        return
    for one in answer["versions"]:
        told = [(column, value) for column, value in one.items() if value is not None]
        table(f"{one['market_id']}, version {one['version']}", ("term", "value"), told)
    prices = ("ts_recv", "yes_bid", "yes_ask", "no_bid", "no_ask", "volume")
    table("Last price", prices, [[_cell(one[column]) for column in prices] for one in answer["markets"]])
    looks = [(row["ts_recv"], row["outcome"], row["rule"], row["reason"]) for row in answer["refused_of_these"]]
    table("Refused", ("look", "outcome", "rule", "reason"), looks)


def _cell(value: Any) -> Any:
    return "" if value is None else value
