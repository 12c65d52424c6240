"""Many opportunities that are few bets: family totals are what was opened, exactly, and no bet is taken twice at once.

Seeded streams see each bet through several pairs of venues, kinds, lanes and time buckets. The desk decides, opens,
closes and is handed on as JSON along the way; then its rows are counted again by code that knows nothing of it. The
same checks are run on desks and rows with an error planted, and have to see each of them. Streams and errors share
nothing, so they run in two processes.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

import polars as pl
import typer

from qa._desk_runs import Fault, Ran, ran
from qa._opportunities import World, made_world, stream, surroundings
from qa._reconciled import wrong_in
from qa._workers import workers
from tickline.lanes.gates import GateSettings
from tickline.sizing.stake import StakeSettings

SEED = 20_260_614
SMALL = 1_000
STREAMS = 2
"""Desks that share the opportunities, each with a stream of its own."""
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
    shares = [total // STREAMS + (nth < total % STREAMS) for nth in range(STREAMS)]
    with workers({"POLARS_MAX_THREADS": "1"}) as pool:
        streams = [pool.submit(told, world, count, SEED + nth) for nth, count in enumerate(shares)]
        few = min(total, PLANTED)
        faults = {fault.value: pool.submit(with_fault, world, few, fault) for fault in Fault}
        spoilt = pool.submit(with_spoilt_rows, world, few)
        found = [one.result() for one in streams]
        caught = {name: sorted(one.result()) for name, one in faults.items()}
        caught |= {name: sorted(wrong) for name, wrong in spoilt.result().items()}
    facts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for of_stream, wrong_in_it in found:
        facts.update(of_stream)
        wrong.update(wrong_in_it)
    missed = [name for name, seen in caught.items() if not SEEN_BY[name] <= set(seen)]
    never = [name for name, count in facts.items() if not count]
    return {
        "ok": facts["opportunities"] == total and not wrong and not missed and not never,
        **facts,
        "family_totals_wrong": wrong["family_totals"],
        "double_counts": wrong["double_counts"],
        "duplicate_keys": wrong["duplicate_keys"],
        "wrong": dict(wrong),
        "planted": caught,
        "planted_missed": missed,
        "never_seen": never,
    }


def judged(world: World, count: int, fault: Fault | None = None, *, seed: int = SEED) -> Ran:
    """A run of so many opportunities of a world."""
    around = surroundings(world, GATES, StakeSettings())
    return ran(world, stream(world, count, seed), around, seed=seed, fault=fault)


def told(world: World, count: int, seed: int) -> tuple[dict[str, int], dict[str, int]]:
    """What came up in a sound run, and what the checks say of it."""
    sound = judged(world, count, seed=seed)
    return facts_of(sound), wrong_in(sound)


def with_fault(world: World, count: int, fault: Fault) -> dict[str, int]:
    """What the checks say of a run with one error in the desk."""
    return wrong_in(judged(world, count, fault))


def with_spoilt_rows(world: World, count: int) -> dict[str, dict[str, int]]:
    """What the checks say of a sound run with one error in its rows, by error."""
    sound = judged(world, count)
    return {name: wrong_in(replace(sound, opened=spoil(sound.opened))) for name, spoil in SPOILT.items()}


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
