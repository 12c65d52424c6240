"""Random order streams on random markets: exact money, no lots from nowhere, no fill the market did not offer.

Each stream is a script of dozens of intents of every kind, flag, end and group on bars of one to three instruments,
with fees, rebates, slippage, impact, funding, thin volume, margin calls and latency. Every one is checked from its
bars, orders and fills alone, its money twice: in whole units, and by a ledger in Decimal that replays it. A tenth as
many run in tick mode, on tapes of trades and books: there no fill may be outside the book, or of more than a level has.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import as_completed
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import track

from qa import _ledger, _streams, _tape_streams
from qa._workers import workers
from tickline.execution.orders import Status
from tickline.signals.desk import Flag, Grouping, Kind

BATCH, SMALL = 1_000, 2_000
TAPES = 10
"""For so many streams on bars there is one on a tape."""

SHOWN = 5


def run(
    streams: Annotated[int, typer.Option(help="How many order streams.")] = 100_000,
    small: Annotated[bool, typer.Option("--small", help="CI's size: 2,000 streams.")] = False,
) -> dict[str, Any]:
    """Example: qa accounting --streams 20000"""
    total = SMALL if small else streams
    seen, wrong, shown = Counter[str](), Counter[str](), []
    taped = -(-total // TAPES)
    work = [*_portions(judge, total), *_portions(judge_taped, taped)]
    for judged in (judge, judge_taped):
        judged(0, 1)  # compiled here, once for both workers
    with workers({}) as pool:
        batches = [pool.submit(*one) for one in work]
        for batch in track(as_completed(batches), "checking", total=len(batches), auto_refresh=False):
            seed, counted, found = batch.result()
            seen.update(counted)  # adds, and keeps what was never seen
            for name, of in found.items():
                wrong[name] += len(of)
                shown += [f"{name}: stream {of[0]} of seed {seed}"]
    never = [name for name in seen if not seen[name]]
    return {
        "ok": seen["streams"] == total and seen["tick_streams"] == taped and not wrong and not never,
        **seen,
        "wrong": dict(wrong),
        "examples": sorted(shown)[:SHOWN],
        "never_seen": never,
    }


def _portions(judged: Callable[..., Any], total: int) -> list[tuple[Callable[..., Any], int, int]]:
    """Calls of at most a batch each, with the seed and the number of streams."""
    return [(judged, seed, min(BATCH, total - seed * BATCH)) for seed in range(-(-total // BATCH))]


def judge(seed: int, count: int) -> tuple[int, dict[str, int], dict[str, list[int]]]:
    """(the seed, how many of what came up in the streams of it, for each check the streams in which it failed)."""
    outcome = _streams.run(_streams.drawn(seed, count))
    wrong = _ledger.wrong_in(outcome)
    return seed, seen_in(outcome), {name: np.unique(of).tolist() for name, of in wrong.items()}


def judge_taped(seed: int, count: int) -> tuple[int, dict[str, int], dict[str, list[int]]]:
    """The same of streams in tick mode."""
    taped = _tape_streams.ran(seed, count)
    wrong = _tape_streams.wrong_in(taped)
    return seed, tape_seen_in(taped.outcome), {name: np.unique(of).tolist() for name, of in wrong.items()}


def tape_seen_in(outcome: _streams.Outcome) -> dict[str, int]:
    """How many of what came up in some streams in tick mode."""
    orders, fills = outcome.orders, outcome.fills
    facts = {
        "tick_streams": outcome.desks.size,
        "tick_orders": orders["id"] > 0,
        "tick_made_their_price": fills["maker"] > 0,
        "tick_took": fills["maker"] == 0,
        "tick_rejected_by_the_venue": (orders["id"] > 0) & (orders["status"] == Status.REJECTED),
        "tick_undone_legs": (fills["group"] > 0) & (fills["grouping"] == Grouping.NONE),
        **{f"tick_traded_as_{kind.name.lower()}": (orders["filled"] != 0) & (orders["kind"] == kind) for kind in Kind},
    }
    return {name: int(np.sum(fact)) for name, fact in facts.items()}


def seen_in(outcome: _streams.Outcome) -> dict[str, int]:
    """How many of what came up in some streams."""
    orders, fills, desks = outcome.orders, outcome.fills, outcome.desks
    traded = _ledger.Traded(outcome)
    filled, status, only = orders["filled"], orders["status"], orders["flags"] & Flag.REDUCE_ONLY > 0
    facts = {
        "streams": desks.size,
        "fills": fills.size,
        "orders": orders["id"] > 0,
        "refused": orders["id"] == 0,
        "rejected_by_the_venue": (orders["id"] > 0) & (status == Status.REJECTED),
        "expired": status == Status.EXPIRED,
        "cancelled": status == Status.CANCELLED,
        "filled_in_parts": np.unique(outcome.fills_of * 2**32 + fills["order"], return_counts=True)[1] > 1,
        "cut_to_what_could_be_reduced": only & (status == Status.CANCELLED) & (filled != 0),
        "made_its_price": fills["maker"] > 0,
        "paid_rebates": fills["fee"] < 0,
        "of_oco_groups": fills["grouping"] == Grouping.OCO,
        "undone_legs": (fills["group"] > 0) & (fills["grouping"] == Grouping.NONE),
        "closed_for_want_of_margin": traded.is_call,
        "accounts_charged": desks["charges"] != 0,
        "accounts_below_zero": desks["equity"] < 0,
        **{f"traded_as_{kind.name.lower()}": (filled != 0) & (orders["kind"] == kind) for kind in Kind},
    }
    return {name: int(np.sum(fact)) for name, fact in facts.items()}
