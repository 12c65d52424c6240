"""Days of a set of lanes as a lanes stage would leave them: opportunities, decisions, fills and positions that agree.

Prices are whole cents and sizes whole contracts, so every sum is exact. The same days and seed give the same rows.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl

from tickline.lake.keys import PartitionKey
from tickline.lake.schemas import DATASETS

LANES = ("intra", "cross", "parity", "bucket")
MADE = ("opportunities", "opportunity_legs", "decisions", "lane_fills", "lane_positions")
_KINDS = {"intra": "intra", "cross": "cross", "parity": "complement", "bucket": "all_no"}
_ENDS = ("settled", "settled", "settled", "time_stop", "ev_stop", "hedged", "abandoned", "unfilled", "open")
_CLOSED_BY = {"settled": "settle", "time_stop": "exit", "ev_stop": "exit", "hedged": "hedge", "abandoned": "unwind"}


def lane_days(days: Sequence[date], *, name: str, found: int = 24, seed: int = 1) -> dict[PartitionKey, pl.DataFrame]:
    """Every partition of consecutive days on each of which a set of lanes finds that many opportunities.

    Some families are found by two lanes at once; some positions are open at midnight and close on the day after.
    """
    rng = Random(seed)  # noqa: S311 - sample data
    carried: list[dict[str, Any]] = []
    made: dict[PartitionKey, pl.DataFrame] = {}
    for day in days:
        rows = _Rows()
        for position in carried:
            _close(rows, position, _at(day, 60), rng)
        for number in range(found):
            _one(rows, day, number, rng)
        carried = [position for position in rows.lane_positions if position["status"] == "open"]
        for dataset in MADE:
            schema = DATASETS[dataset]
            frame = pl.DataFrame(getattr(rows, dataset), schema=schema.columns, orient="row")
            made[PartitionKey.daily(dataset, name, day)] = frame.sort(schema.sort)
    return made


@dataclass(slots=True)
class _Rows:
    """What a day left so far."""

    opportunities: list[dict[str, Any]] = field(default_factory=list)
    opportunity_legs: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    lane_fills: list[dict[str, Any]] = field(default_factory=list)
    lane_positions: list[dict[str, Any]] = field(default_factory=list)


def _one(rows: _Rows, day: date, number: int, rng: Random) -> None:
    """One opportunity, what was decided of it, and what came of it on its day."""
    lane = LANES[number % len(LANES)]
    # Neighbouring cross and parity are one bet seen twice.
    family = f"bet-{number // 4}-{'both' if lane in ('cross', 'parity') else lane}"
    whose = {"opportunity_id": _id(day, number), "lane": lane, "kind": _KINDS[lane], "family": family}
    ts, event = _at(day, 30 * number + 120), f"event-{number % 5}"
    prices = [Decimal(rng.randint(5, 55)) / 100, Decimal(rng.randint(5, 40)) / 100]
    edge, is_micro = 1 - sum(prices) - Decimal("0.02"), min(prices) < Decimal("0.08")
    rows.opportunities.append(
        whose
        | {"basket_id": f"basket-{number}", "style": "taker", "ts": ts, "bucket": ts, "event": event}
        | {"source": "metadata", "confidence": 1.0, "legs": 2, "floor": 1.0, "cost": float(sum(prices)), "fees": 0.02}
        | {"edge": float(edge), "depth": 50.0, "is_micro": is_micro, "ts_settle": ts + timedelta(days=5)}
    )
    for leg, price in enumerate(prices):
        rows.opportunity_legs.append(
            {"opportunity_id": whose["opportunity_id"], "leg": leg, "venue": ("left", "right")[leg], "side": "yes"}
            | {"market_id": f"market-{number}-{leg}", "price": float(price), "fee": 0.01, "depth": 50.0}
        )
    size = Decimal(rng.randint(1, 40))
    refused = rng.random() < 0.4
    gates = [
        {"gate": gate, "passed": not (refused and gate == "fresh"), "detail": "as wanted"} for gate in ("edge", "fresh")
    ]
    stake = size * (sum(prices) + Decimal("0.02"))
    decided = {"size": size, "stake": stake, "worst_loss": stake, "expected": size * edge * Decimal("0.9")}
    rows.decisions.append(
        whose
        | {"ts": ts, "is_taken": not refused, "reason": "fresh: as wanted" if refused else None, "gates": gates}
        | (decided if not refused else dict.fromkeys(decided, Decimal(0)))
        | {"kelly": 0.1, "multiplier": 1.0}
    )
    if not refused:
        _open(rows, whose | {"event": event, "ts_open": ts, "is_micro": is_micro, "size": size}, prices, edge, rng)


def _open(rows: _Rows, position: dict[str, Any], prices: list[Decimal], edge: Decimal, rng: Random) -> None:
    """A position entered leg by leg, and closed within the day unless it stays open."""
    end = rng.choice(_ENDS)
    filled = Decimal(0) if end == "unfilled" else position["size"] - Decimal(rng.randint(0, 1)) * position["size"] / 4
    slips = [Decimal(rng.randint(0, 2)) / 100 for _ in prices]
    if filled:
        for leg, (price, slip) in enumerate(zip(prices, slips, strict=True)):
            maker = rng.random() < 0.3
            _fill(rows, position, leg, ("enter", "buy", price, price + slip, filled, Decimal("0.01") * filled, maker))
    fees, slippage = Decimal("0.01") * filled * len(prices), filled * sum(slips)
    stake = filled * (sum(prices) + sum(slips)) + fees
    opened = position | {
        "filled": filled,
        "stake": stake,
        "detected": edge * position["size"],
        "expected": edge * position["size"] * Decimal("0.9"),
        "fees": fees,
        "slippage": slippage,
        "status": "open",
        "realised": -stake,
    }
    if end == "open":
        rows.lane_positions.append(opened)
    elif end == "unfilled":
        rows.lane_positions.append(opened | {"status": end, "ts_close": position["ts_open"] + timedelta(minutes=1)})
    else:
        _close(rows, opened, position["ts_open"] + timedelta(minutes=20), rng, end=end)


def _close(rows: _Rows, position: dict[str, Any], ts: datetime, rng: Random, *, end: str = "settled") -> None:
    """Its last fill, and what it came to. Settled, one leg pays 1; else it is sold for about what it cost."""
    size = position["filled"]
    price = Decimal(1) if end == "settled" else Decimal(rng.randint(10, 95)) / 100
    fee = Decimal(0) if end == "settled" else Decimal("0.01") * size
    said = Decimal(1) if end == "settled" else price + Decimal("0.01")
    _fill(rows, position, 1, (_CLOSED_BY[end], "sell", said, price, size, fee, False), ts)
    realised = size * price - fee - position["stake"]
    rows.lane_positions.append(
        position | {"status": end, "ts_close": ts, "realised": realised, "fees": position["fees"] + fee}
    )


def _fill(rows: _Rows, position: dict[str, Any], leg: int, made: tuple[Any, ...], ts: datetime | None = None) -> None:
    names = ("action", "direction", "expected_price", "price", "size", "fee", "is_maker")
    of = {name: position[name] for name in ("opportunity_id", "lane", "kind", "family")}
    number = sum(row["opportunity_id"] == of["opportunity_id"] for row in rows.lane_fills)
    # Fills of a day before are not there to be counted.
    start = 0 if ts is None or position["ts_open"].date() == ts.date() else 2
    where = {"fill": start + number, "leg": leg, "ts": ts or position["ts_open"], "venue": ("left", "right")[leg]}
    rows.lane_fills.append(of | where | {"market_id": "market", "side": "yes"} | dict(zip(names, made, strict=True)))


def _id(day: date, number: int) -> str:
    return hashlib.sha256(f"{day} {number}".encode()).hexdigest()[:24]


def _at(day: date, minutes: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)
