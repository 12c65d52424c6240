"""What happens between two looks, told to the open paper positions: quotes, closings and results of their markets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from tickline.lanes.model import LaneFill, Origin
from tickline.lanes.paper import Position, step
from tickline.lanes.paper_events import Closed, Event, Ladder, Level, Passed, Quote, Resolved
from tickline.lanes.paper_spec import PaperSettings
from tickline.lanes.positions import Phase
from tickline.lanes.pricing import exact
from tickline.lanes.recorded import ORIGIN
from tickline.lanes.structure import KEY
from tickline.markets.model import MarketKey, Status

_PAUSED = Ladder()


@dataclass(frozen=True, slots=True)
class Told:
    """Open positions after some time, those that ended in it, and what was traded."""

    open: tuple[Position, ...]
    ended: tuple[Position, ...]
    fills: tuple[LaneFill, ...]


def advanced(
    positions: Iterable[Position], events: pl.DataFrame, ends: Iterable[Event], *, now_ns: int, settings: PaperSettings
) -> Told:
    """The positions after the `events` (EVENTS) and ends of their markets, in the order of their times, until
    `now_ns`."""
    held = list(positions)
    by_market: dict[MarketKey, list[int]] = {}
    for nth, position in enumerate(held):
        for market in position.markets:
            by_market.setdefault(market.key, []).append(nth)
    fills: list[LaneFill] = []
    for event in sorted([*_quotes(events, by_market), *ends], key=lambda one: one.ts_ns):
        for nth in () if isinstance(event, Passed) else by_market.get(event.market, ()):
            held[nth], more = step(held[nth], event, settings)
            fills += more
    for nth, position in enumerate(held):
        held[nth], more = step(position, Passed(now_ns), settings)
        fills += more
    is_over = [position.phase is Phase.CLOSED for position in held]
    return Told(
        tuple(one for one, over in zip(held, is_over, strict=True) if not over),
        tuple(one for one, over in zip(held, is_over, strict=True) if over),
        tuple(fills),
    )


def ends_of(markets: pl.DataFrame) -> list[Event]:
    """When markets (CLEAN_MARKETS with `venue`, every version) stop trading, and what they resolve to.

    A result is known from the look that last showed it on. Where the frame has the columns of ORIGIN it is from there.
    """
    found: list[Event] = []
    last = markets.sort("version").unique(KEY, keep="last", maintain_order=True)
    origin = [name for name in ORIGIN if name in markets.columns]
    told = last.select(*KEY, "result", *origin, *(_ns(name) for name in ("ts_close", "ts_settle", "ts_last")))
    for row in told.sort(KEY).iter_rows(named=True):
        key = MarketKey(row["venue"], row["market_id"])
        if row["ts_close"] is not None:
            found.append(Closed(row["ts_close"], key))
        if row["result"] is not None:
            whence = Origin(*(row[name] for name in ORIGIN)) if origin else None
            found.append(Resolved(row["ts_last"], key, row["result"], row["ts_settle"], origin=whence))
    return sorted(found, key=lambda one: one.ts_ns)


def _quotes(events: pl.DataFrame, markets: Mapping[MarketKey, Any]) -> list[Event]:
    wanted = pl.DataFrame(
        [(key.venue, key.market_id) for key in markets], schema=dict.fromkeys(KEY, pl.String), orient="row"
    )
    rows = events.join(wanted, on=KEY, how="semi", maintain_order="left").with_columns(_ns("ts"))
    return [_quote(row) for row in rows.iter_rows(named=True)]


def _quote(row: Mapping[str, Any]) -> Quote:
    is_open = row["status"] == Status.OPEN
    yes, no = (_ladder(row, side) if is_open else _PAUSED for side in ("yes", "no"))
    return Quote(row["ts"], MarketKey(row["venue"], row["market_id"]), yes, no)


def _ladder(row: Mapping[str, Any], side: str) -> Ladder:
    return Ladder(_level(row, f"{side}_bid"), _level(row, f"{side}_ask"), _origin(row, side))


def _level(row: Mapping[str, Any], name: str) -> tuple[Level, ...]:
    price, size = row[name], row[f"{name}_size"]
    if price is None or not 0 < price <= 1:
        return ()
    return ((exact(price), None if size is None else max(exact(size), Decimal(0))),)


def _origin(row: Mapping[str, Any], side: str) -> Origin | None:
    """The row that a side was quoted in."""
    if row["input"] is None or row[f"{side}_row"] is None:
        return None
    return Origin(row["input"], row["input_venue"], row["input_period"], row[f"{side}_row"])


def _ns(name: str) -> pl.Expr:
    return pl.col(name).dt.epoch("ns")
