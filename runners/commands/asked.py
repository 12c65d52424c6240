"""What a command is asked about: a range of dates, and venues, checked before any work."""

from datetime import date
from typing import Annotated

import typer

from tickline.errors import ConfigError
from tickline.workspace import Workspace


def _iso(text: str | None) -> str | None:
    try:
        return date.fromisoformat(text).isoformat() if text else text
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date; write it as 2026-03-06") from None


First = Annotated[str, typer.Option("--from", help="From this date (ISO).", callback=_iso)]
Last = Annotated[str, typer.Option("--to", help="To this date (ISO).", callback=_iso)]
Day = Annotated[str | None, typer.Option(help="Only this UTC day.", callback=_iso)]
OnlyVenue = Annotated[str | None, typer.Option(help="Only this venue.")]


def known(here: Workspace, venue: str) -> str:
    """The name of a venue, or of anything else with partitions of its own, where the configuration has it.

    Raises ConfigError where not.
    """
    declared = here.universe
    kinds = (declared.venues, declared.mappings, declared.lanes, declared.signals, declared.strategies)
    there = [name for kind in (*kinds, declared.portfolios) for name in kind]
    if venue not in there:
        raise ConfigError(f"no venue {venue!r}; there are {', '.join(there)}")
    return venue
