"""Many opportunities that are few bets: family totals are what was opened, exactly, and no bet is taken twice at once.

Seeded streams see each bet through several pairs of venues, kinds, lanes and time buckets. The desk decides, opens,
closes and is handed on as JSON along the way; then its rows are counted again by code that knows nothing of it. The
same checks are run on desks and rows with an error planted, and have to see each of them.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

import polars as pl
import typer

from qa._desk_runs import Fault, Ran, ran
from qa._opportunities import World, made_world, stream, surroundings
from qa._reconciled import wrong_in
from tickline.lanes.gates import GateSettings
from tickline.sizing.stake import StakeSettings

SEED = 20_260_614
SMALL = 1_000
PLANTED = 1_200
"""Opportunities of each run with an error planted."""

GATES = GateSettings(cooldown_s=900)


def run(
    n: Annotated[int, typer.Option(help="How many opportunities.")] = 100_000,
    small: Annotated[bool, typer.Option("--small", help="CI's size: 1,000 opportunities.")] = False,
) -> dict[str, Any]:
    """Example: qa reconcile --n 20000"""
    total = SMALL if small else n
    world = made_world(20 if small else 150, SEED)
    main = judged(world, total)
    wrong = wrong_in(main)
    caught = {name: sorted(found) for name, found in planted(world, min(total, PLANTED)).items()}
    facts = facts_of(main)
    missed = [name for name, found in caught.items() if not SEEN_BY[name] <= set(found)]
    never = [name for name, count in facts.items() if not count]
    return {
        "ok": facts["opportunities"] == total and not wrong and not missed and not never,
        **facts,
        "family_totals_wrong": wrong.get("family_totals", 0),
        "double_counts": wrong.get("double_counts", 0),
        "duplicate_keys": wrong.get("duplicate_keys", 0),
        "wrong": wrong,
        "planted": caught,
        "planted_missed": missed,
        "never_seen": never,
    }


def judged(world: World, count: int, fault: Fault | None = None) -> Ran:
    """A run of so many opportunities of a world."""
    around = surroundings(world, GATES, StakeSettings())
    return ran(world, stream(world, count, SEED), around, seed=SEED, fault=fault)


def planted(world: World, count: int) -> dict[str, dict[str, int]]:
    """What the checks say of runs with one error each: in the desk, or in the rows."""
    sound = judged(world, count)
    of_rows = {name: wrong_in(replace(sound, opened=spoil(sound.opened))) for name, spoil in SPOILT.items()}
    return {fault.value: wrong_in(judged(world, count, fault)) for fault in Fault} | of_rows


def facts_of(one: Ran) -> dict[str, int]:
    """How many of what came up in a run; each has to come up for the checks to mean anything."""
    taken, failed = one.decisions.filter("is_taken"), pl.element().struct.field("passed").not_()
    gates = (
        one.decisions["gates"].list.eval(pl.element().filter(failed).struct.field("gate")).explode(empty_as_null=False)
    )
    lanes = one.decisions.group_by("family").agg(pl.col("lane").n_unique(), pl.col("kind").n_unique())
    return {
        "opportunities": one.decisions.height,
        "taken": taken.height,
        "closed": one.opened["ts_close"].count(),
        "families_taken": taken["family"].n_unique(),
        "families_of_several_lanes": int((lanes["lane"] > 1).sum()),
        "ids_seen_again": one.decisions.height - one.decisions["opportunity_id"].n_unique(),
        "refused_by_cooldown": int((gates == "cooldown").sum()),
        "refused_by_edge": int((gates == "edge").sum()),
    }


def _lost(opened: pl.DataFrame) -> pl.DataFrame:
    return opened.slice(1)


def _twice(opened: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([opened, opened.tail(1)])


def _off(opened: pl.DataFrame) -> pl.DataFrame:
    """A stake off by the least there is."""
    least = pl.lit(Decimal("1e-12")).cast(opened.schema["stake"])
    is_first = pl.int_range(pl.len()) == 0
    return opened.with_columns(pl.when(is_first).then(pl.col("stake") + least).otherwise("stake").alias("stake"))


def _moved(opened: pl.DataFrame) -> pl.DataFrame:
    """A row under another family."""
    return opened.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.col("family").last()).otherwise("family").alias("family")
    )


SPOILT: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "opened_row_lost": _lost,
    "opened_row_twice": _twice,
    "stake_off_by_the_least": _off,
    "row_of_another_family": _moved,
}

SEEN_BY = {
    Fault.FAMILY_PER_ALIAS.value: {"families_of_a_bet", "double_counts"},
    Fault.FAMILY_PER_LANE.value: {"families_of_a_bet", "double_counts"},
    Fault.COOLDOWN_PER_OPPORTUNITY.value: {"double_counts", "duplicate_keys"},
    Fault.COOLDOWN_TOO_LONG.value: {"held_back_for_nothing"},
    Fault.FORGOTTEN_OVERNIGHT.value: {"double_counts", "duplicate_keys"},
    Fault.EXPOSURE_NOT_FREED.value: {"exposures"},
    "opened_row_lost": {"family_totals", "own_books"},
    "opened_row_twice": {"family_totals", "duplicate_keys"},
    "stake_off_by_the_least": {"family_totals"},
    "row_of_another_family": {"family_totals"},
}
"""By error, checks that have to see it."""
