"""Markets whose outcomes are bound in known ways, for the lanes to find baskets in: groups, trees, ladders, pairs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from qa._worlds import Known
from tickline.lake.market_schemas import CLEAN_MARKETS, MAPPING
from tickline.markets.model import Label, StrikeOp

_AT = datetime(2026, 3, 7, tzinfo=UTC)
_MARKET = {
    "venue": "kalshi",
    "status": "open",
    "ts_close": _AT,
    "label_source": "metadata",
    "parent_source": "metadata",
    "fee_kind": "none",
    "version": 1,
}
_SHORT_LADDERS = (2, 3, 5)
_PAIR = {
    "left_venue": "kalshi",
    "right_venue": "polymarket",
    "basis": "human",
    "confidence": 1.0,
    "flags": [],
    "severity": "none",
    "decision": "approved",
    "is_tradable": True,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Markets (rows of CLEAN_MARKETS), pairs of them (rows of MAPPING), and what is known of their outcomes in the
    order of the markets."""

    markets: tuple[dict[str, Any], ...]
    known: Known
    pairs: tuple[dict[str, Any], ...] = ()


def scenes(sizes: range) -> Iterator[Scene]:
    """A group, a tree and two rival trees of each size and label, some ladders either way, a pair of each relation."""
    for n in sizes:
        for label in Label:
            yield _group(n, label)
            yield _tree(n, label)
            yield _rivals(n, label)
    for n in sorted({*_SHORT_LADDERS, max(sizes)}):
        for ops in ((StrikeOp.GE, StrikeOp.GT), (StrikeOp.LE, StrikeOp.LT)):
            yield _ladder(n, ops)
    yield from _pairs()


def frames(of: Iterable[Scene]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All their markets and pairs, as the lanes take them."""
    listed = list(of)
    markets = [_MARKET | row for scene in listed for row in scene.markets]
    pairs = [_PAIR | row for scene in listed for row in scene.pairs]
    columns = {"venue": pl.String()} | CLEAN_MARKETS.columns
    return pl.DataFrame(markets, schema=columns), pl.DataFrame(pairs, schema=MAPPING.columns)


def _group(n: int, label: Label) -> Scene:
    rule = (dict.fromkeys(range(n), 1), _fewest(label), 1)
    return Scene(tuple(_members(f"group-{label}-{n}", n, label)), Known.of(n, [rule]))


def _tree(n: int, label: Label) -> Scene:
    name = f"tree-{label}-{n}"
    children = tuple(row | {"parent_id": f"{name}-parent"} for row in _members(name, n, label))
    rules = [
        (dict.fromkeys(range(1, n + 1), 1), _fewest(label), 1),
        *(_implies(child, 0) for child in range(1, n + 1)),
    ]
    return Scene(({"market_id": f"{name}-parent", "event_id": name}, *children), Known.of(n + 1, rules))


def _rivals(n: int, label: Label) -> Scene:
    """Two parents of which one at most is yes; n children imply the first and two the second."""
    name = f"rivals-{label}-{n}"
    parents = [
        row | {"market_id": f"{row['market_id']}-of-two"} for row in _members(f"{name}-parents", 2, Label.UNKNOWN)
    ]
    children = [
        row | {"parent_id": parents[nth >= n]["market_id"]} for nth, row in enumerate(_members(name, n + 2, label))
    ]
    rules = [
        ({0: 1, 1: 1}, 0, 1),
        (dict.fromkeys(range(2, n + 4), 1), _fewest(label), 1),
        *(_implies(child, int(child >= n + 2)) for child in range(2, n + 4)),
    ]
    return Scene((*parents, *children), Known.of(n + 4, rules))


def _ladder(n: int, ops: tuple[StrikeOp, StrikeOp]) -> Scene:
    """Thresholds of one number, two a strike; each implies the next looser one."""
    name, rises = f"ladder-{ops[0]}-{n}", ops[0] is StrikeOp.GE
    strike = "strike_low" if rises else "strike_high"
    rungs = tuple(
        {
            "market_id": f"{name}-{nth}",
            "event_id": name,
            "group_id": name,
            "group_kind": "ladder",
            "strike_op": ops[nth % 2],
            strike: float(nth // 2 if rises else -(nth // 2)),
        }
        for nth in range(n)
    )
    return Scene(rungs, Known.of(n, [_implies(nth + 1, nth) for nth in range(n - 1)]))


def _pairs() -> Iterator[Scene]:
    rules = {
        ("equivalent", None): ({0: 1, 1: -1}, 0, 0),
        ("complement", None): ({0: 1, 1: 1}, 1, 1),
        ("subset", "left"): _implies(0, 1),
        ("subset", "right"): _implies(1, 0),
    }
    for (relation, side), rule in rules.items():
        name = f"pair-{relation}-{side}"
        left, right = f"{name}-left", f"{name}-right"
        yield Scene(
            ({"market_id": left, "event_id": name}, {"venue": "polymarket", "market_id": right, "event_id": name}),
            Known.of(2, [rule]),
            (
                {
                    "pair_id": name,
                    "left_market": left,
                    "right_market": right,
                    "relation": relation,
                    "subset_side": side,
                },
            ),
        )


def _members(name: str, n: int, label: Label) -> list[dict[str, Any]]:
    of_group = {"event_id": name, "group_id": name, "group_kind": "exclusive", "label": label}
    return [{"market_id": f"{name}-{nth}"} | of_group for nth in range(n)]


def _implies(implying: int, implied: int) -> tuple[dict[int, int], float, float]:
    return {implied: 1, implying: -1}, 0, 1


def _fewest(label: Label) -> int:
    return int(label is Label.EXHAUSTIVE)
