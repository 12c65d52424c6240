"""Floors of baskets: every kind, label and size against the least that any world pays, fees and rounding included.

Up to 16 outcomes every world is tried; for all sizes the least is the solution of an integer program over what is known
of the markets (see `qa._worlds`), and both must agree. The baskets the lanes find in made-up markets are judged by the
legs they have, and by random fills. Wrong floors, legs and fees are planted, and each of them must be seen.
"""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import polars as pl
import typer

from qa import _structures, _trades, _worlds
from tickline.errors import LaneError
from tickline.lanes import diagnostics
from tickline.lanes.baskets import LEAVES_OUT, floor_of, void_floor_of
from tickline.lanes.model import Kind
from tickline.markets.model import Label

SIZES = range(2, 41)
_FIXED = {Kind.INTRA: 1, Kind.CROSS: 2, Kind.COMPLEMENT: 2, Kind.LADDER: 2}

Of = tuple[Kind, int, Label]
Floors = Callable[[Kind, int, Label], float | None]

WRONG_FLOORS: dict[str, Callable[[Kind, int, Label], float | None]] = {
    "all_yes of a non-exhaustive group": lambda kind, n, label: 1 if kind is Kind.ALL_YES else floor_of(kind, n, label),
    "children of an unknown label exhaust": lambda kind, n, label: (
        1 if kind is Kind.PARENT_NO_CHILDREN_YES else floor_of(kind, n, label)
    ),
    "all_no pays n": lambda kind, n, label: n if kind is Kind.ALL_NO else floor_of(kind, n, label),
    "all_no pays n - 2": lambda kind, n, label: n - 2 if kind is Kind.ALL_NO else floor_of(kind, n, label),
    "parent and children pay n + 1": lambda kind, n, label: (
        n + 1 if kind is Kind.PARENT_YES_CHILDREN_NO else floor_of(kind, n, label)
    ),
    "a ladder pays 2": lambda kind, n, label: 2 if kind is Kind.LADDER else floor_of(kind, n, label),
    "a pair pays 2": lambda kind, n, label: 2 if kind is Kind.CROSS else floor_of(kind, n, label),
    "complements pay nothing": lambda kind, n, label: 0 if kind is Kind.COMPLEMENT else floor_of(kind, n, label),
}


def run(
    trades: Annotated[int, typer.Option(help="How many baskets are bought, fill by fill.")] = 20_000,
    seed: Annotated[int, typer.Option(help="What prices, sizes and fills are drawn from.")] = 1,
    small: Annotated[bool, typer.Option("--small", help="CI's size: floors up to 12 outcomes, 500 trades.")] = False,
) -> dict[str, Any]:
    """Example: qa payouts --small"""
    sizes, trades = (range(2, 13), 500) if small else (SIZES, trades)
    least, tried, disagree = _least(sizes)
    floors = _wrong(floor_of, least)
    print(f"floors: {len(least)} of kind x label x n, {tried} also by trying all worlds; {dict(floors)}")
    left_out = _wrong_left_out(floor_of, sizes)
    print(f"floors with NOs left out: {left_out} wrong")
    voids = _wrong(void_floor_of, _least_with_voids(least))
    print(f"floors with voids at one half: {dict(voids)}")
    refused = _of_other_sizes()
    scenes = list(_structures.scenes(sizes))
    found = _found(scenes)
    wrong_found = _wrong_found(scenes, found)
    missing = _missing(found, sizes)
    print(
        f"found by the lanes: {found.height} baskets, {wrong_found} of another floor, {missing} kinds and sizes missing"
    )
    short = _trades.short_of_stated(trades, seed, _trades.at_most)
    print(f"bought: {trades} baskets, {short} short of what was stated")
    seen = _planted(least, scenes, found, seed)
    print(f"planted errors seen: {sum(seen.values())} of {len(seen)}")
    right = not (floors or left_out or voids or disagree or refused or wrong_found or missing or short)
    return {
        "ok": right and all(seen.values()),
        "floors": len(least),
        "tried": tried,
        "solved_unlike_tried": disagree,
        "floors_above": floors["above"],
        "floors_below": floors["below"],
        "floors_left_out_wrong": left_out,
        "void_floors_wrong": voids.total(),
        "other_sizes_let_through": refused,
        "found": found.height,
        "found_wrong": wrong_found,
        "found_missing": missing,
        "trades": trades,
        "trades_short": short,
        "planted": len(seen),
        "planted_unseen": sorted(name for name, is_seen in seen.items() if not is_seen),
    }


def _combinations(sizes: range) -> list[Of]:
    return [(kind, n, label) for kind in Kind for label in Label for n in ([_FIXED[kind]] if kind in _FIXED else sizes)]


def _least(sizes: range) -> tuple[dict[Of, float], int, int]:
    """The least each combination pays, over the ways to buy it; how many were tried as well, and how many disagree."""
    least, tried, disagree = {}, 0, 0
    for of in _combinations(sizes):
        solved = [_worlds.least_solved(legs, known) for legs, known in _worlds.bought(*of)]
        assert len(set(solved)) == 1, of
        least[of] = float(solved[0])
        if of[1] < _worlds.MOST_TRIED:
            tried += 1
            disagree += [_worlds.least_tried(legs, known) for legs, known in _worlds.bought(*of)] != solved
    return least, tried, disagree


def _least_with_voids(least: dict[Of, float]) -> dict[Of, float]:
    return {
        of: min(_worlds.least_with_voids(legs, known) for legs, known in _worlds.bought(*of)) if pays else 0.0
        for of, pays in least.items()
    }


def _wrong(floors: Callable[..., Any], least: dict[Of, float]) -> Counter[str]:
    """Floors above what a world pays, and below what every world does. Nothing guaranteed is a floor of 0."""
    wrong: Counter[str] = Counter()
    for of, pays in least.items():
        stated = float(floors(*of) or 0)
        wrong += Counter(above=int(stated > pays), below=int(stated < pays))
    return wrong


def _wrong_left_out(floors: Floors, sizes: range) -> int:
    """Floors of kinds that hold for fewer NOs which do not fall by one for each that is left out."""
    return sum(
        (floors(kind, n, label) or 0) - out != _worlds.least_solved(legs[: len(legs) - out], known)
        for kind in LEAVES_OUT
        for label in Label
        for n in sizes
        for legs, known in _worlds.bought(kind, n, label)
        for out in {1, n // 2, n - 1}
    )


def _of_other_sizes() -> int:
    """How many kinds have a floor over a number of outcomes that they are not of."""
    return sum(_has_floor(kind, n) for kind, own in _FIXED.items() for n in range(41) if n != own)


def _has_floor(kind: Kind, n: int) -> bool:
    try:
        floor_of(kind, n, Label.EXHAUSTIVE)
    except LaneError:
        return False
    return True


def _found(scenes: list[_structures.Scene]) -> pl.DataFrame:
    """Baskets that the lanes find, each with its legs: kind, floor, and lists of market_id and side."""
    found = diagnostics.find(*_structures.frames(scenes))
    legs = found.legs.sort("basket_id", "leg").group_by("basket_id", maintain_order=True).agg("market_id", "side")
    return found.baskets.select("basket_id", "kind", "floor").join(legs, on="basket_id").sort("basket_id")


def _wrong_found(scenes: list[_structures.Scene], found: pl.DataFrame) -> int:
    places = {row["market_id"]: (nth, at) for nth, one in enumerate(scenes) for at, row in enumerate(one.markets)}
    wrong = 0
    for floor, markets, sides in found.select("floor", "market_id", "side").iter_rows():
        (scene,) = {places[market][0] for market in markets}
        legs = tuple((places[market][1], int(side == "yes")) for market, side in zip(markets, sides, strict=True))
        known = scenes[scene].known
        wrong += floor != _worlds.least_solved(legs, known)
    return wrong


def _missing(found: pl.DataFrame, sizes: range) -> int:
    """Kinds and sizes that the scenes have and no basket is of."""
    legs = {(kind, len(markets)) for kind, markets in found.select("kind", "market_id").iter_rows()}
    expected = {(kind, 2) for kind in _FIXED}
    for n in sizes:
        expected |= {(Kind.ALL_NO, n), (Kind.ALL_YES, n)}
        expected |= {(kind, n + 1) for kind in (Kind.PARENT_NO_CHILDREN_YES, Kind.PARENT_YES_CHILDREN_NO)}
    return len({(str(kind), count) for kind, count in expected} - legs)


def _planted(
    least: dict[Of, float], scenes: list[_structures.Scene], found: pl.DataFrame, seed: int
) -> dict[str, bool]:
    """Errors put in on purpose, and whether the checks above see them."""
    seen = {name: bool(_wrong(floors, least)) for name, floors in WRONG_FLOORS.items()}
    seen["what is left out costs nothing"] = bool(_wrong_left_out(lambda *of: (floor_of(*of) or 0) + 1, range(2, 4)))
    seen["a void changes nothing"] = bool(
        _wrong(floor_of, _least_with_voids({of: least[of] for of in list(least)[:40]}))
    )
    for kind in Kind:
        turned = found.filter(pl.col("kind") == kind).head(5).with_columns(_first_leg_turned().alias("side"))
        seen[f"{kind} with a leg turned round"] = _wrong_found(scenes, turned) == turned.height > 0
    seen["fees of one fill, unrounded cash"] = bool(_trades.short_of_stated(500, seed, _trades.as_one_fill))
    return seen


def _first_leg_turned() -> pl.Expr:
    turned = pl.when(pl.col("side").list.first() == "yes").then(pl.lit(["no"])).otherwise(pl.lit(["yes"]))
    return pl.concat_list(turned, pl.col("side").list.slice(1))
